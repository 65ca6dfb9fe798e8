//! The board of a RISC-V machine: a new device is a row of [`layout::DEVICES`].

mod boot;
#[cfg(test)]
mod bus_tests;
mod fdt;
mod goldfish_rtc;
pub mod layout;
mod plic;
mod syscon;

use super::hart::{Hart, Riscv};
use crate::board::{Board, BootConfig, BootError};
use crate::devices::{Devices, DevicesConfig};
use crate::engine::clock::Timebase;
use crate::memory::GuestMemory;
use plic::Plic;

/// The board: one hart, a PLIC, virtio over MMIO, and a device tree that tells the kernel so.
pub struct RiscvBoard;

impl Board for RiscvBoard {
    type Arch = Riscv;

    const TIMEBASE: Timebase = layout::TIMEBASE;

    fn boot(memory: &mut GuestMemory, config: &BootConfig<'_>) -> Result<Hart, BootError> {
        let (entry, device_tree) = boot::load(memory, config)?;
        Ok(Hart::at_boot(entry, device_tree, memory))
    }

    fn devices(config: DevicesConfig) -> Devices {
        let mut devices = Devices::new("plic", layout::PLIC, Plic::default());
        for row in layout::DEVICES {
            devices.add(row.name, row.range, (row.make)(&config));
        }
        devices
    }
}
