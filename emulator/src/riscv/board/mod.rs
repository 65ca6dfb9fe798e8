//! The board of a RISC-V machine: a new device is a row of [`layout::DEVICES`].

mod boot;
#[cfg(test)]
mod bus_tests;
mod fdt;
mod goldfish_rtc;
pub mod layout;
mod plic;
mod syscon;

use super::hart::Hart;
use crate::board::{Board, BootBoard, BootConfig, BootError};
use crate::devices::{Devices, DevicesConfig};
use crate::encoding;
use crate::engine::clock::Timebase;
use crate::engine::vcpu::Vcpu;
use crate::memory::GuestMemory;
use alloc::boxed::Box;
use plic::Plic;

/// The board: one hart, a PLIC, virtio over MMIO, and a device tree that tells the kernel so.
pub struct RiscvBoard;

impl Board for RiscvBoard {
    fn id(&self) -> u8 {
        b'r'
    }

    fn timebase(&self) -> Timebase {
        layout::TIMEBASE
    }

    fn restore(&self, state: &[u8], memory: &GuestMemory) -> Option<Box<dyn Vcpu>> {
        let hart = Hart::restore(&encoding::decode(state)?, memory)?;
        Some(Box::new(hart))
    }

    fn devices(&self, config: DevicesConfig) -> Devices {
        let mut devices = Devices::new("plic", layout::PLIC, Plic::default());
        for row in layout::DEVICES {
            devices.add(row.name, row.range, (row.make)(&config));
        }
        devices
    }
}

impl BootBoard for RiscvBoard {
    fn boot(
        &self,
        memory: &mut GuestMemory,
        config: &BootConfig<'_>,
    ) -> Result<Box<dyn Vcpu>, BootError> {
        let (entry, device_tree) = boot::load(memory, config)?;
        Ok(Box::new(Hart::at_boot(entry, device_tree, memory)))
    }
}
