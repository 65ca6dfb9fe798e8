//! One container in one machine, from the outside: boots it to the snapshot, restores it, starts
//! the command and copies its streams. The converter, the native runner and the WASI runtime all
//! drive a machine through this crate; they differ only in their [`Outside`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod boot;
mod mounts;
pub mod options;
mod outside;
mod session;
pub mod terminal;

pub use boot::{BootFailure, Guest, boot};
pub use c2w_emulator::devices::P9Server;
pub use mounts::{Shared, check_mounts, mounts};
pub use outside::{BootPart, Closed, Outside};
pub use session::{Session, Step};
