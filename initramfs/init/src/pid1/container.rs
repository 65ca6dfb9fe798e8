//! Creating the container: its root file system, its files in /etc, and the container runtime's
//! part, after which only the agent is left of it.

use super::mounts::{RUN, make_directory};
use super::network::Interface;
use super::{device_events, network_files, runtime_error, spec};
use crate::attributes::{self, Times};
use crate::command::Command;
use crate::failure::{MACHINE, OrFail, Result, failure};
use crate::handoff::{AGENT_FD, DeviceNode, FromAgent, Link, SOCKET_FD, ToAgent};
use c2w_guest_abi::{ContainerConfig, Mount, Tmpfs};
use rustix::fs::{
    CWD, FileType, Mode, OFlags, ResolveFlags, SealFlags, fcntl_add_seals, fstat, mknodat, openat2,
};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, wait};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Stdio;
use std::time::Duration;

/// The image: a persistent-memory region of the machine.
const IMAGE_DEVICE: &str = "/dev/pmem0";
/// How long a disk's driver may take, on the clock of a machine that boots, which counts instructions:
/// some 30 ms are enough for the 16 KiB of page structures to each MiB of 2 GiB.
const DISK_LIMIT: Duration = Duration::from_secs(10);
/// The container runtime, of the initramfs.
const RUNTIME: &str = "/bin/runc";
/// Its name for the container.
const ID: &str = "c2w";
/// Its control group's, below the path in [`spec`].
const MEMORY_EVENTS: &str = "/sys/fs/cgroup/c2w/memory.events";
/// What the initramfs holds for the runtime only.
const RUNTIME_FOLDERS: [&str; 2] = ["/bin", "/lib"];

/// A created container whose agent waits for a command.
pub struct Container {
    /// To the agent.
    pub link: Link,
    /// Readable when the container's PID 1, agent or command, has ended.
    pub process: OwnedFd,
    /// Where it sends its DNS queries.
    pub dns_socket: OwnedFd,
    /// Its network.
    pub interface: Interface,
    /// What asks its command to end.
    stop_signal: Signal,
    /// `memory.events` of its control group (cgroup-v2.rst).
    pub memory_events: OwnedFd,
}

/// What the container has in one run only.
pub struct Additions {
    /// Devices of the machine.
    pub devices: Vec<DeviceNode>,
    /// Directories of the host.
    pub mounts: Vec<Mount>,
    /// Empty ones in memory.
    pub tmpfs: Vec<Tmpfs>,
}

impl Container {
    /// Creates it in the mounted root and lets the agent do what does not depend on the run.
    pub fn create(config: &ContainerConfig) -> Result<Self> {
        let times = times_of_root()?;
        let (mut link, pid) = start_agent()?;
        let process = pidfd_open(pid, PidfdFlags::empty()).or_fail("opening the container")?;
        let prepare =
            ToAgent::Prepare { user: config.user.clone(), volumes: config.volumes.clone() };
        link.send(&prepare, &[])?;
        let sockets = match link.receive()? {
            Some((FromAgent::Prepared, fds)) => fds,
            Some((FromAgent::Failed(failed), _)) => return Err(failed),
            _ => return Err(failure(MACHINE, "the container's agent ended")),
        };
        let [dns_socket, netlink] = exactly(sockets)?;
        let interface = Interface::move_to(pid, netlink)?;
        times.restore()?;
        remove_runtime()?;
        let memory_events =
            rustix::fs::open(MEMORY_EVENTS, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .or_fail("opening the container's memory events")?;
        let stop_signal = by_number(config.stop_signal).unwrap_or(Signal::TERM);
        Ok(Self { link, process, dns_socket, interface, stop_signal, memory_events })
    }

    /// Lets the agent become the command, with its standard streams unless it has a terminal.
    pub fn execute(
        &self,
        command: Command,
        additions: Additions,
        stdio: &[BorrowedFd<'_>],
    ) -> Result<()> {
        let Additions { devices, mounts, tmpfs } = additions;
        self.link.send(&ToAgent::Execute { command, mounts, tmpfs, devices }, stdio)
    }

    /// Sends the command a signal. Until the agent has become the command, it gets lost.
    pub fn signal(&self, number: u8) {
        if let Some(signal) = by_number(number) {
            // A command that has ended needs none.
            let _ = pidfd_send_signal(&self.process, signal);
        }
    }

    /// Asks the command to end.
    pub fn stop(&self) {
        let _ = pidfd_send_signal(&self.process, self.stop_signal);
    }

    /// How many of its processes the OOM killer has ended.
    pub fn oom_kills(&self) -> Result<u64> {
        let mut text = [0; 512];
        let length = rustix::io::pread(&self.memory_events, &mut text, 0)
            .or_fail("reading the container's memory events")?;
        let text = String::from_utf8_lossy(&text[..length]);
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    /// Waits for the master of the command's terminal.
    pub fn terminal(&mut self) -> Result<OwnedFd> {
        match self.link.receive()? {
            Some((FromAgent::Terminal, fds)) => exactly(fds).map(|[master]| master),
            Some((FromAgent::Failed(failed), _)) => Err(failed),
            _ => Err(failure(MACHINE, "the container's agent ended")),
        }
    }
}

/// A signal by its number, real-time ones included.
#[allow(unsafe_code)]
fn by_number(number: u8) -> Option<Signal> {
    const LAST: u8 = 64;
    // SAFETY: a number that the kernel knows; the C library's own two are only sent, not handled.
    (1..=LAST).contains(&number).then(|| unsafe { Signal::from_raw_unchecked(number.into()) })
}

/// The descriptors that came with a message.
fn exactly<const N: usize>(descriptors: Vec<OwnedFd>) -> Result<[OwnedFd; N]> {
    let other = |_| failure(MACHINE, "the container's agent sent another number of descriptors");
    descriptors.try_into().map_err(other)
}

pub fn below_run(name: &str) -> String {
    format!("{RUN}/{name}")
}

/// Mounts the container's root and writes all that its creation reads.
pub fn mount_root(config: &ContainerConfig) -> Result<()> {
    mount_layers()?;
    check_databases()?;
    network_files::write(&config.hostname, None)?;
    if !config.cpuinfo.is_empty() {
        fs::write(below_run("cpuinfo"), &config.cpuinfo).or_fail("writing cpuinfo")?;
    }
    write_bundle(config)
}

/// The image, never written, under a layer in memory.
fn mount_layers() -> Result<()> {
    for name in ["image", "upper", "work", "root"] {
        make_directory(&below_run(name))?;
    }
    let image = below_run("image");
    let layers =
        format!("lowerdir={RUN}/image,upperdir={RUN}/upper,workdir={RUN}/work,xino=on,index=on");
    let layers = CString::new(layers).or_fail("naming the layers")?;
    mount_disk(IMAGE_DEVICE, &image, "the root image")?;
    hide_lost_and_found()?;
    attributes::copy(&image, &below_run("upper"))?;
    mount("overlay", below_run("root"), "overlay", MountFlags::empty(), &*layers)
        .or_fail("mounting the container's root")
}

/// Mounts a disk as soon as it is there: the driver makes it in its own time, which grows with the
/// disk. `what` is on it.
pub fn mount_disk(device: &str, place: &str, what: &str) -> Result<()> {
    let missing = format!(
        "{what}: the kernel has made no {device} of it; \
         a larger image needs more memory (--memory)"
    );
    device_events::wait_for(&missing, Some(DISK_LIMIT), || {
        match mount(device, place, "ext4", MountFlags::RDONLY, c"dax=always") {
            Ok(()) => Ok(Some(())),
            // Not there, or not to be opened yet.
            Err(Errno::NOENT | Errno::NXIO) => Ok(None),
            Err(error) => Err(error).or_fail(&format!("mounting {what}")),
        }
    })
}

/// The directories in which the container's creation makes mount points, and their times.
fn times_of_root() -> Result<Times> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(below_run("root"), flags, Mode::empty())
        .or_fail("opening the container's root")?;
    // It need not be there, nor be a directory.
    let etc = openat2(&root, "etc", flags, Mode::empty(), ResolveFlags::IN_ROOT);
    Times::of([root].into_iter().chain(etc))
}

/// Covers the directory that every ext4 image has, but no container image brings, by a whiteout
/// (Documentation/filesystems/overlayfs.rst). One with content or other permissions is the image's.
fn hide_lost_and_found() -> Result<()> {
    let directory = below_run("image/lost+found");
    let Ok(metadata) = fs::symlink_metadata(&directory) else { return Ok(()) };
    let private = metadata.is_dir() && metadata.mode() & 0o7777 == 0o700 && metadata.uid() == 0;
    let empty = || fs::read_dir(&directory).is_ok_and(|mut names| names.next().is_none());
    if private && empty() {
        let whiteout = below_run("upper/lost+found");
        mknodat(CWD, whiteout, FileType::CharacterDevice, Mode::empty(), 0)
            .or_fail("hiding lost+found")?;
    }
    Ok(())
}

/// The runtime reads these files of the image and would wait forever for a pipe's other end.
fn check_databases() -> Result<()> {
    let root = rustix::fs::open(below_run("root"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .or_fail("opening the container's root")?;
    for name in ["etc/passwd", "etc/group"] {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Ok(file) = openat2(&root, name, flags, Mode::empty(), ResolveFlags::IN_ROOT) else {
            continue;
        };
        let stat = fstat(&file).or_fail(&format!("the image's /{name}"))?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(failure(MACHINE, format!("the image's /{name} is not a regular file")));
        }
    }
    Ok(())
}

fn write_bundle(config: &ContainerConfig) -> Result<()> {
    make_directory(&below_run("bundle"))?;
    let hostname = String::from_utf8_lossy(&config.hostname);
    let mut spec = spec::config(&below_run("root"), &below_run("etc"), &hostname);
    if !config.cpuinfo.is_empty() {
        spec::show_cpuinfo(&mut spec, &below_run("cpuinfo"));
    }
    fs::write(below_run("bundle/config.json"), spec.to_string()).or_fail("writing config.json")
}

/// `runc run --detach`: afterwards the agent runs in the container and nothing of the runtime is
/// left.
fn start_agent() -> Result<(Link, Pid)> {
    seal_runtime()?;
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .or_fail("creating the container's socket")?;
    let agent = File::open("/proc/self/exe").or_fail("opening the agent")?;
    let pid_file = below_run("pid");
    let bundle = below_run("bundle");
    let options = ["--detach", "--bundle", &bundle, "--pid-file", &pid_file];
    let args = [&["run"], &options[..], &["--preserve-fds", "2", ID]].concat();
    runtime(&args, &[(&agent.into(), AGENT_FD), (&theirs, SOCKET_FD)])?;
    drop(theirs);
    let pid = fs::read_to_string(&pid_file)
        .or_fail("reading the container's process id")?
        .trim()
        .parse()
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| failure(MACHINE, "the container has no process id"))?;
    Ok((Link::new(ours), pid))
}

/// Seals the runtime's executable against writing. The runtime shares it with the container for a
/// moment, and copies one that could be changed to memory first, all 10 MB of it.
fn seal_runtime() -> Result<()> {
    let file = rustix::fs::open(RUNTIME, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .or_fail("opening the container runtime")?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals).or_fail("sealing the container runtime")
}

/// Runs the container runtime with `descriptors` at the given numbers.
#[allow(unsafe_code)]
fn runtime(args: &[&str], descriptors: &[(&OwnedFd, i32)]) -> Result<()> {
    let log = below_run("runtime.log");
    let errors = File::create(&log).or_fail("creating the runtime's log")?;
    let mut command = std::process::Command::new(RUNTIME);
    // What goes to a log has times and levels, and standard error then has the bare reason.
    command.args(["--root", &below_run("runtime"), "--log", "/dev/null"]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    let sources: Vec<(i32, i32)> =
        descriptors.iter().map(|(fd, number)| (fd.as_raw_fd(), *number)).collect();
    // SAFETY: between fork and exec only fcntl(2) and dup2(2) are called, on descriptors that
    // this process holds open until the child has been spawned.
    unsafe { command.pre_exec(move || place_descriptors(&sources)) };
    let status = command.status().or_fail("starting the container runtime")?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    let why = match status.signal() {
        Some(_) => "memory ran out; it needs more (--memory)".into(),
        None => runtime_error::reason(&said),
    };
    Err(failure(MACHINE, why))
}

/// dup2(2) for all, by way of numbers above every target so that none overwrites another's
/// source.
#[allow(unsafe_code)]
fn place_descriptors(descriptors: &[(i32, i32)]) -> std::io::Result<()> {
    const ABOVE_ALL: i32 = 64;
    let mut lifted = [0; 2];
    for (slot, (source, _)) in lifted.iter_mut().zip(descriptors) {
        // SAFETY: duplicates an open descriptor.
        *slot = check(unsafe { libc::fcntl(*source, libc::F_DUPFD_CLOEXEC, ABOVE_ALL) })?;
    }
    for (source, (_, target)) in lifted.iter().zip(descriptors) {
        // SAFETY: whatever `target` was in this forked process is not used any more.
        check(unsafe { libc::dup2(*source, *target) })?;
    }
    Ok(())
}

fn check(result: i32) -> std::io::Result<i32> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

/// Deletes what only creating needed, and reaps what the runtime left.
fn remove_runtime() -> Result<()> {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    for folder in RUNTIME_FOLDERS {
        fs::remove_dir_all(folder).or_fail(&format!("removing {folder}"))?;
    }
    for folder in ["runtime", "bundle"] {
        fs::remove_dir_all(below_run(folder)).or_fail(&format!("removing {folder}"))?;
    }
    for file in ["pid", "runtime.log"] {
        match rustix::fs::unlink(below_run(file)) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error).or_fail(&format!("removing {file}")),
        }
    }
    Ok(())
}
