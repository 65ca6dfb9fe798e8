//! Devices. Each sees an offset, bytes, guest memory and the host; none knows its address or
//! interrupt number, which the board assigns and [`bus`] applies.
//!
//! The documentation of a device names the device-tree node that Linux 6.12 binds its driver to.

use crate::encoding;
use crate::host::Host;
use crate::memory::GuestMemory;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub mod bus;
pub mod virtio;
pub mod vmgenid;

pub use bus::{Devices, DevicesState, MmioRange};
pub use virtio::net::{Checksum, NetBackend};
pub use virtio::p9::P9Server;

/// What the guest asked of its power supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerRequest {
    /// Switch off.
    PowerOff,
    /// Start again.
    Reboot,
    /// Switch off and report failure with this code.
    Failure(u16),
}

/// What a device may touch while it handles an access.
pub struct Context<'a> {
    /// For descriptors and buffers.
    pub memory: &'a mut GuestMemory,
    /// The host.
    pub host: &'a mut dyn Host,
}

/// What differs between machines of a board. A snapshot only fits devices with the same
/// configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevicesConfig {
    /// Names of the console's ports, one at least; a name's index is its
    /// [`PortId`](crate::host::PortId).
    pub ports: Vec<String>,
    /// By what name the guest mounts the 9p device.
    pub mount_tag: String,
    /// The first generation ID.
    pub generation: [u8; vmgenid::ID_LENGTH],
}

/// A device behind memory-mapped registers.
pub trait MmioDevice: Any {
    /// Reads `size` (1, 2, 4 or 8) bytes of register space; unknown registers read as zero.
    fn read(&mut self, offset: u64, size: u8, context: &mut Context<'_>) -> u64;

    /// Writes `size` (1, 2, 4 or 8) bytes of register space; unknown registers ignore it.
    fn write(&mut self, offset: u64, size: u8, value: u64, context: &mut Context<'_>);

    /// Whether the device asks for its interrupt (level).
    fn interrupt(&self) -> bool {
        false
    }

    /// The interrupt controller holds this device's request now. A device whose interrupt is an
    /// edge, with no register to acknowledge it, lowers its level here.
    fn interrupt_latched(&mut self) {}

    /// Time has passed: asked before each stretch that the machine runs. Returns whether that can
    /// have changed [`Self::interrupt`].
    fn tick(&mut self, _host: &mut dyn Host) -> bool {
        false
    }

    /// What the guest asked of its power supply by the last write.
    fn take_power_request(&mut self) -> Option<PowerRequest> {
        None
    }

    /// The state for a snapshot.
    fn save(&self) -> Vec<u8>;

    /// Takes over state that came from a snapshot, unchecked.
    ///
    /// # Errors
    /// [`InvalidState`] when no device configured like this one can have saved it; parts of it may then
    /// have been taken over.
    fn restore(&mut self, state: &[u8]) -> Result<(), InvalidState>;
}

/// What the devices' interrupts are wired to.
pub trait InterruptController: MmioDevice {
    /// Sets the wire of a source.
    fn set_level(&mut self, source: u32, high: bool);

    /// Whether a request of a source waits for the CPU.
    fn is_pending(&self, source: u32) -> bool;

    /// Whether the CPU's interrupt is asked for.
    fn is_asserted(&self) -> bool;
}

/// A device's state from its encoded form.
pub(crate) fn decode<S: DeserializeOwned>(state: &[u8]) -> Result<S, InvalidState> {
    encoding::decode(state).ok_or(InvalidState("encoding of a device"))
}

/// An access to physical addresses where nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessFault;

/// Saved state that no device of this configuration can have been in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidState(pub &'static str);

impl fmt::Display for InvalidState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the snapshot's device state is not valid: {}", self.0)
    }
}

impl core::error::Error for InvalidState {}

#[cfg(test)]
pub(crate) mod test_host;
