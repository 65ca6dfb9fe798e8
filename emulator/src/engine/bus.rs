//! What a CPU reaches beside itself, and what it stops for.

use super::clock::Clock;
use crate::devices::Context;
use crate::devices::PowerRequest;
use crate::devices::bus::Devices;
use crate::host::Host;
use crate::memory::GuestMemory;

/// Everything beside the CPU, for as long as it runs.
pub struct Bus<'a> {
    /// RAM and root image.
    pub memory: &'a mut GuestMemory,
    /// Memory-mapped devices.
    pub devices: &'a mut Devices,
    /// The host.
    pub host: &'a mut dyn Host,
    /// Time.
    pub clock: &'a Clock,
}

impl Bus<'_> {
    /// Reads a device register; `None` where there is no device.
    pub(crate) fn device_read(&mut self, address: u64, size: u8) -> Option<u64> {
        let mut context = Context { memory: self.memory, host: self.host };
        self.devices.read(address, size, &mut context).ok()
    }

    /// Writes a device register; `None` where there is no device.
    pub(crate) fn device_write(&mut self, address: u64, size: u8, value: u64) -> Option<()> {
        let mut context = Context { memory: self.memory, host: self.host };
        self.devices.write(address, size, value, &mut context).ok()
    }
}

/// Why a CPU has stopped running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The step limit is reached.
    Limit,
    /// The guest waits for an interrupt.
    Idle,
    /// The guest wants to be switched off or reset.
    Power(PowerRequest),
}
