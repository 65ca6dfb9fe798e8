//! A RISC-V system emulator without OS calls: the native build, the WASI build and the tests
//! share every line. The world outside is reached through [`Host`] only.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod devices;
mod host;
pub mod layout;
mod memory;

pub use host::{Host, PortId};
pub use memory::{GuestMemory, OutOfRange, PAGE_SIZE, Region};
