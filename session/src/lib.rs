//! One container in one machine: boots it to the snapshot, restores it, starts the command and
//! copies its streams. The converter, the native runner and the WASI runtime all drive a machine
//! through this crate; they differ only in their [`SessionHost`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod boot;
mod drive;
mod host;
mod mounts;
pub mod options;
mod session;
pub mod terminal;

pub use boot::{BootFailure, Guest, boot};
pub use c2w_emulator::devices::P9Server;
pub use drive::{Input, RunHost, RunState, Runner, SEND_LIMIT, Wait};
pub use host::{BootPart, Closed, SessionHost};
pub use mounts::{SharedDirectory, check_mounts, mounts};
pub use session::{Session, Step};
