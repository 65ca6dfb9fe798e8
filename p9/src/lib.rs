//! Directories of the host for a guest: a 9P2000.L server behind the emulator's 9p device.
//!
//! The root that a guest attaches to is made up: it holds the shared directories by number, "0",
//! "1" and so on. What lies below comes from a [`HostDirectories`], which the native build and the
//! module implement each with their own system calls. What such a host cannot keep of a file
//! (owner, mode, type) the server remembers for the run.
//!
//! The guest is hostile: whatever it sends is answered, with an error if need be, and what it can
//! make the server keep is bounded. Symbolic links are never followed here, the guest's kernel
//! does that.
//!
//! The protocol is described in `Documentation/filesystems/9p.rst` and `include/net/9p/9p.h` of
//! Linux, and by diod's `protocol.md`. Two more messages are this project's own: Tgetattrat stats
//! an entry of a directory, and Tlopenat opens or creates one, without a fid made beforehand. A
//! kernel that does not know them does without.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod attributes;
mod codec;
mod errno;
mod host;
mod listing;
mod nodes;
mod server;

pub use errno::{Errno, Result};
pub use host::{
    Entry, HostDirectories, HostPath, Kind, OpenHow, SetTime, Space, Stat, Target, Time,
};
pub use server::Server;
