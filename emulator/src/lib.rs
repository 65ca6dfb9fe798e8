//! A RISC-V system emulator without OS calls: the native build, the WASI build and the tests
//! share every line. The world outside is reached through [`Host`] only.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod devices;
pub mod engine;
mod host;
mod machine;
mod memory;
pub mod riscv;
pub mod softfloat;

pub use devices::PowerRequest;
pub use devices::vmgenid::ID_LENGTH as GENERATION_LENGTH;
pub use host::{Host, PortId};
pub use machine::{BootConfig, BootError, Exit, Machine, RestoreError};
pub use memory::{AllocateError, GuestMemory, OutOfRange, PAGE_SIZE, Region};
