//! A system emulator without OS calls: the native build, the WASI build and the tests share every
//! line. The host is reached through [`Host`] only.
//!
//! ```text
//! machine.rs        CPU, memory, devices and clock of a board
//! engine/           runs guest code, whatever its instruction set
//! riscv/            an instruction set, and its board
//! devices/          know no address and no interrupt controller
//! ```
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod board;
pub mod devices;
mod encoding;
pub mod engine;
mod host;
mod machine;
mod memory;
pub mod riscv;
pub mod softfloat;

pub use board::{Board, BootBoard, BootConfig, BootError};
pub use devices::PowerRequest;
pub use devices::vmgenid::ID_LENGTH as GENERATION_LENGTH;
pub use host::{Host, PortId};
pub use machine::{Exit, Machine, RestoreError};
pub use memory::{
    AllocateError, GuestMemory, OutOfRange, PAGE_SIZE, Region, UNIT_SHIFT, UNIT_SIZE, UnitError,
    UnitSource, image_window,
};
