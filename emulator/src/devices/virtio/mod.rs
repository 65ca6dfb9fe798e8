//! Virtio devices (virtio 1.2) behind the memory-mapped transport.
//!
//! A device of this kind is a [`VirtioDevice`]: an id, features, configuration bytes and what to
//! do when the driver notifies a queue. [`mmio::VirtioMmio`] gives it registers, queues and an
//! interrupt.

use crate::devices::{Context, InvalidState};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub mod console;
pub mod mmio;
pub mod net;
pub mod p9;
pub mod queue;
pub mod rng;
#[cfg(test)]
pub(crate) mod test_driver;

pub use queue::{DriverError, Queue};

/// What differs between devices of one transport.
pub trait VirtioDevice: 'static {
    /// What a snapshot keeps of the device itself.
    type State: Serialize + DeserializeOwned;

    /// Device ID (virtio 1.2, 5).
    const ID: u32;

    /// Feature bits of the device type that this device offers.
    fn features(&self) -> u64 {
        0
    }

    /// The largest size of each queue, a power of two.
    fn queue_sizes(&self) -> alloc::vec::Vec<u16>;

    /// The configuration space, which drivers only read.
    fn config(&self) -> &[u8] {
        &[]
    }

    /// Handles the driver's notification of `queue`, an index into `queues`.
    ///
    /// # Errors
    /// [`DriverError`] when the driver broke a rule; the transport then asks for a reset.
    fn notify(
        &mut self,
        queue: usize,
        queues: &mut [Queue],
        context: &mut Context<'_>,
    ) -> Result<(), DriverError>;

    /// Forgets what the driver did.
    fn reset(&mut self) {}

    /// The state for a snapshot.
    fn save(&self) -> Self::State;

    /// Takes over state that came from a snapshot, unchecked.
    ///
    /// # Errors
    /// [`InvalidState`] when it is not of a device configured like this one.
    fn restore(&mut self, state: Self::State) -> Result<(), InvalidState>;
}
