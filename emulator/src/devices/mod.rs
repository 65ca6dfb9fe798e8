//! Devices. Each sees an offset, bytes, guest memory and the host; none knows its address or
//! interrupt number, which [`crate::layout`] assigns.

use crate::host::Host;
use crate::memory::GuestMemory;

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
}
