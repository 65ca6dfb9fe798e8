//! The board: where the devices of a RISC-V machine are, and what tells the kernel.

pub(crate) mod fdt;
pub mod goldfish_rtc;
pub mod layout;
pub mod plic;
pub mod syscon;
