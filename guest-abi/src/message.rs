//! The messages themselves.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What the host tells PID 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToGuest {
    /// Create the container. Answered by [`FromGuest::Ready`] or [`FromGuest::Failed`].
    Create(ContainerConfig),
    /// Start the command. Answered, when it ended, by [`FromGuest::Exited`].
    Run(RunRequest),
    /// No byte follows on the stdin port.
    StdinEof,
    /// The host's end of this stream is gone: the guest's writers get EPIPE.
    OutputClosed(Stream),
}

/// What PID 1 tells the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromGuest {
    /// PID 1 runs and its ports are open.
    Hello,
    /// The container is created and only its command is missing.
    Ready,
    /// Nothing in the container reads standard input any more.
    StdinClosed,
    /// The command ended: its exit status, or 128 + the signal that killed it.
    Exited(u8),
    /// The command could not be created or started.
    Failed(Failure),
    /// How far the creation of the container has come, to tell what takes its time.
    Reached(Milestone),
}

/// A point between [`FromGuest::Hello`] and [`FromGuest::Ready`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Milestone {
    /// The root file system is mounted: the container runtime is started next.
    RootMounted,
    /// The container is created, and nothing of the runtime runs any more.
    ContainerCreated,
}

/// Why there is no exit status of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The exit status as `docker run` has it: 125 the machine, 126 not executable, 127 not found.
    pub status: u8,
    /// One line for people.
    pub message: String,
}

/// An output of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

/// The parts of the image's configuration (OCI image-spec, `config`) that a run needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// `Entrypoint`.
    pub entrypoint: Vec<Vec<u8>>,
    /// `Cmd`.
    pub cmd: Vec<Vec<u8>>,
    /// `Env`, each `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// `User`: `user[:group]`, names or numbers; empty is root.
    pub user: Vec<u8>,
    /// `WorkingDir`; empty is `/`.
    pub workdir: Vec<u8>,
    /// `Volumes`: directories that are writable data, each an absolute path.
    pub volumes: Vec<Vec<u8>>,
    /// The container's host name.
    pub hostname: Vec<u8>,
    /// Limits of the command (getrlimit(2)) that differ from the kernel's own.
    pub rlimits: Vec<Rlimit>,
}

/// One resource limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Linux's number, `RLIMIT_NOFILE` = 7 and so on.
    pub resource: u32,
    /// The soft limit.
    pub soft: u64,
    /// The hard limit.
    pub hard: u64,
}

/// What differs from one run of a module to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// The wall clock: nanoseconds since 1970-01-01T00:00:00Z.
    pub realtime_ns: u64,
    /// Fresh random bytes (32 or more) for the guest kernel's generator.
    pub seed: Vec<u8>,
    /// In place of the image's `Entrypoint`; it also clears the image's `Cmd`.
    pub entrypoint: Option<Vec<Vec<u8>>>,
    /// In place of the image's `Cmd`, when not empty.
    pub args: Vec<Vec<u8>>,
    /// Added to the image's `Env`, overriding by name.
    pub env: Vec<Vec<u8>>,
    /// In place of the image's `User`.
    pub user: Option<Vec<u8>>,
    /// In place of the image's `WorkingDir`.
    pub workdir: Option<Vec<u8>>,
    /// In place of the container's host name.
    pub hostname: Option<Vec<u8>>,
    /// Whether the host has a standard input; without, the command reads `/dev/null`.
    pub stdin: bool,
    /// A terminal for the command instead of three pipes.
    pub terminal: Option<TerminalSize>,
    /// Directories of the host that the 9p device (tag `c2w`) offers.
    pub mounts: Vec<Mount>,
}

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// A directory of the host, seen in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Its name in the root of the 9p device.
    pub name: Vec<u8>,
    /// Where it appears in the container: an absolute path.
    pub target: Vec<u8>,
    /// Whether writing is refused.
    pub read_only: bool,
}
