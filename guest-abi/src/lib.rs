//! The contract between the host side of a machine (converter, native runner,
//! WASI runtime) and PID 1 inside it.
//!
//! Four virtio-console ports join the two, found by name:
//!
//! | port | direction | bytes |
//! |---|---|---|
//! | [`port::CONTROL`] | both | [`frame`]d messages, below |
//! | [`port::STDIN`] | host to guest | the command's standard input |
//! | [`port::STDOUT`] | guest to host | its standard output |
//! | [`port::STDERR`] | guest to host | its standard error |
//!
//! One life of a machine, in messages:
//!
//! ```text
//! guest  Hello            PID 1 is up
//! host   Create           the image's configuration
//! guest  Reached          twice on the way to Ready
//! guest  Ready            the container exists, its agent waits: the snapshot is taken here
//! host   Run              clock, entropy, arguments, environment
//! both   StdinEof, StdinClosed, OutputClosed, Resized, Signal, Stop, Notice
//! guest  Exited | Failed  then the guest powers off
//! ```
//!
//! Every string is bytes: Linux knows no encoding for arguments, names or environment.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod capability;
pub mod frame;
mod message;
pub mod place;
pub mod tmpfs;

pub use message::{
    BinaryFormat, Capabilities, ContainerConfig, Device, DeviceAccess, Failure, FromGuest,
    HostName, InterfaceAddress, Milestone, Mount, Network, Notice, Rlimit, RunRequest, Stream,
    Terminal, TerminalMode, TerminalSize, Tmpfs, ToGuest, WallClock,
};

/// Names of the virtio-console ports (`/sys/class/virtio-ports/*/name` in the guest).
pub mod port {
    /// Framed messages, both ways.
    pub const CONTROL: &str = "c2w.control";
    /// Standard input of the command.
    pub const STDIN: &str = "c2w.stdin";
    /// Standard output of the command.
    pub const STDOUT: &str = "c2w.stdout";
    /// Standard error of the command.
    pub const STDERR: &str = "c2w.stderr";
}
