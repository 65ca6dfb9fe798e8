//! Devices. Each sees an offset, bytes, guest memory and the host; none knows its address or
//! interrupt number, which [`crate::riscv::board::layout`] assigns and [`bus`] applies.
//!
//! The documentation of a device names the device-tree node that Linux 6.12 binds its driver to.

use core::fmt;

use crate::host::Host;
use crate::memory::GuestMemory;
use serde::{Deserialize, Serialize};

pub mod bus;
pub mod virtio;
pub mod vmgenid;

pub use bus::{Devices, DevicesConfig, DevicesState};
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
    /// The outside.
    pub host: &'a mut dyn Host,
}

/// A device behind memory-mapped registers.
pub trait MmioDevice {
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
