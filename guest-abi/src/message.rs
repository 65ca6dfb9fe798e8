//! The messages themselves.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
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
    /// The host's terminal has another size now.
    Resized(TerminalSize),
    /// A signal for the command, by its number.
    Signal(u8),
    /// The command is to end: the image's own signal for that.
    Stop,
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
    /// To be shown to the user while the command runs.
    Notice(Notice),
}

/// What happened in a container that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// The command asked for the address of a host, and there is no network. Sent once.
    NoNetwork,
    /// A process was killed because memory ran out.
    OutOfMemory,
}

impl Notice {
    /// One line for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoNetwork => "the container has no network: names of hosts are not resolved",
            Self::OutOfMemory => {
                "the container ran out of memory and a process was killed; \
                 make it with more: c2w --memory MIB"
            }
        }
    }
}

/// A point between [`FromGuest::Hello`] and [`FromGuest::Ready`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Milestone {
    /// The root file system is mounted: the container runtime is started next.
    RootMounted,
    /// The container is created, and nothing of the runtime runs any more.
    ContainerCreated,
}

/// Why a command has not run to an exit status of its own.
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
    /// `StopSignal`, by its number; 0 is SIGTERM.
    pub stop_signal: u8,
    /// Limits of the command (getrlimit(2)) that differ from the kernel's own.
    pub rlimits: Vec<Rlimit>,
    /// What the image's programs are executed by, if it is not the machine's CPU: a program on the
    /// second disk.
    pub emulator: Option<BinaryFormat>,
    /// In place of the kernel's /proc/cpuinfo; empty leaves that.
    pub cpuinfo: Vec<u8>,
}

/// A kind of executables, and the program that executes them (Linux,
/// Documentation/admin-guide/binfmt-misc.rst).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryFormat {
    /// The program's name.
    pub interpreter: String,
    /// What executables of this kind start with,
    pub magic: Vec<u8>,
    /// where these bits are set, as many as there are of `magic`.
    pub mask: Vec<u8>,
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
    /// The wall clock.
    pub clock: WallClock,
    /// Fresh random bytes (32 or more) for the guest kernel's generator.
    pub seed: Vec<u8>,
    /// In place of the image's `Entrypoint`; it also clears the image's `Cmd`.
    pub entrypoint: Option<Vec<Vec<u8>>>,
    /// In place of the image's `Cmd`, when not empty.
    pub args: Vec<Vec<u8>>,
    /// Added to the image's `Env`, overriding by name: `NAME=value`; `NAME` alone takes one away.
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
    pub terminal: Option<Terminal>,
    /// Directories of the host that the 9p device (tag `c2w`) offers.
    pub mounts: Vec<Mount>,
    /// Empty file systems in memory.
    pub tmpfs: Vec<Tmpfs>,
    /// Whether the container's root refuses writing.
    pub read_only: bool,
    /// Whether process 1 is not the command, but one that reaps and passes signals on.
    pub init: bool,
    /// What the command's capabilities differ in from Docker's.
    pub capabilities: Capabilities,
    /// Whether the command gets every capability and device, and a system that it can change.
    pub privileged: bool,
    /// Devices of the machine, beside those that every container has.
    pub devices: Vec<Device>,
    /// Whether the kernel says all it has to say on its console.
    pub debug: bool,
    /// The container's network; without, its interface stays down.
    pub network: Option<Network>,
}

/// How the container's network interface is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// In place of the machine's own Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// The longest packet in bytes, at most that of the machine's device.
    pub mtu: u16,
    /// The container's addresses. The first of IPv4 is what its name stands for.
    pub addresses: Vec<InterfaceAddress>,
    /// Where packets to all others go, one for each version of IP.
    pub gateways: Vec<IpAddr>,
    /// Name servers, in the order in which they are asked.
    pub name_servers: Vec<IpAddr>,
    /// Domains in which names without a dot are looked up.
    pub search: Vec<Vec<u8>>,
    /// Names that /etc/hosts has beside the container's own.
    pub hosts: Vec<HostName>,
}

/// An address of a network interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Its leading bits that are those of the network.
    pub prefix: u8,
}

/// A name in /etc/hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostName {
    /// The name.
    pub name: Vec<u8>,
    /// What it stands for.
    pub address: IpAddr,
}

/// The wall clock, and when it was so: the guest reads this later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallClock {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub realtime_ns: u64,
    /// The machine's time at that moment, in ticks of its timer.
    pub ticks: u64,
    /// Nanoseconds of a tick.
    pub tick_ns: u64,
}

/// A terminal for the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// Its size at first.
    pub size: TerminalSize,
    /// Who edits lines.
    pub mode: TerminalMode,
}

/// Which of two terminals, the host's or the container's, does a line discipline's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TerminalMode {
    /// The host's, as terminals are by default: it echoes what is typed, sends whole lines and
    /// begins new lines at the left. The container's does none of these a second time.
    Cooked,
    /// The container's: the host's passes every key and shows every byte (stty(1) `raw -echo`).
    Raw,
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

/// An empty file system in memory, seen in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Where: an absolute path.
    pub target: Vec<u8>,
    /// `size=64m,mode=1777,exec` and so on, as mount(8) has them for a tmpfs; may be empty.
    pub options: Vec<u8>,
}

/// A device of the machine, seen in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Where it is in the machine: an absolute path. A directory stands for all devices in it.
    pub source: Vec<u8>,
    /// Where it appears in the container: an absolute path.
    pub target: Vec<u8>,
    /// What may be done with it.
    pub access: DeviceAccess,
}

/// What may be done with a device, as its control group has it (`r`, `w` and `m`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAccess {
    /// Opening it to read.
    pub read: bool,
    /// Opening it to write.
    pub write: bool,
    /// Making other nodes of it (mknod(2)).
    pub mknod: bool,
}

impl DeviceAccess {
    /// All of it.
    pub const ALL: Self = Self { read: true, write: true, mknod: true };
}

/// Differences from Docker's default capabilities, as sets of bits by Linux's numbers
/// ([`crate::capability`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// These, too.
    pub add: u64,
    /// Not these.
    pub drop: u64,
}
