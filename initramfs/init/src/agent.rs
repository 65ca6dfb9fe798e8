//! PID 1 of the container: waits inside it and becomes the command.
//!
//! It holds every capability of the machine until then, so that all paths of the image are
//! resolved inside the container's own root.

mod devices;
mod directories;
mod execute;
mod init;
mod mount_point;
mod privileges;
mod root;
mod sockets;
pub mod terminal;

pub use privileges::allowed as allowed_capabilities;

use crate::attributes::Times;
use crate::command::{self, Command};
use crate::failure::{MACHINE, OrFail, Result, failure};
use crate::handoff::{AGENT_FD, FromAgent, Link, SOCKET_FD, ToAgent};
use crate::user::{self, Account};
use c2w_guest_abi::{Mount, Tmpfs};
use directories::MountedDirectories;
use rustix::fs::{FileType, Mode, OFlags};
use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The agent's whole life. It ends as the command, or with the status of the failure.
pub fn main() -> ! {
    let mut link = Link::new(inherited_socket());
    let failed = match serve(&mut link) {
        Ok(never) => match never {},
        Err(failed) => failed,
    };
    let status = failed.status;
    // When PID 1 is gone there is nobody to tell.
    let _ = link.send(&FromAgent::Failed(failed), &[]);
    std::process::exit(i32::from(status))
}

/// Takes over what PID 1 passed through the container runtime.
#[allow(unsafe_code)]
fn inherited_socket() -> OwnedFd {
    // SAFETY: nothing else in this process owns the two descriptors it was started with; the
    // executable's is closed, it would show in the command's /proc/self/fd.
    let (agent, socket) =
        unsafe { (OwnedFd::from_raw_fd(AGENT_FD), OwnedFd::from_raw_fd(SOCKET_FD)) };
    drop(agent);
    socket
}

fn serve(link: &mut Link) -> Result<Infallible> {
    let gone = || failure(MACHINE, "PID 1 closed the container's socket");
    rustix::io::fcntl_setfd(&*link, rustix::io::FdFlags::CLOEXEC).or_fail("container's socket")?;
    let Some((ToAgent::Prepare { user, volumes }, _)) = link.receive()? else {
        return Err(gone());
    };
    privileges::reset_signals()?;
    for volume in &volumes {
        mount_point::make("volume", volume)?;
    }
    root::link_mtab();
    // A run may name another user, so one that does not exist is not a failure yet.
    let image_account = account(&user);
    let (dns, netlink) = (sockets::name_server()?, sockets::netlink()?);
    link.send(&FromAgent::Prepared, &[dns.as_fd(), netlink.as_fd()])?;

    let Some((ToAgent::Execute { command, mounts, tmpfs, devices }, stdio)) = link.receive()?
    else {
        return Err(gone());
    };
    // Before the host's directories are there: nothing is made in those.
    devices.iter().try_for_each(devices::make)?;
    if command.privileged {
        root::open_system()?;
    }
    let shared = mount_all(&mounts, &tmpfs)?;
    let account = match &command.user {
        Some(user) => account(user)?,
        // A mount may have brought another /etc/passwd.
        None if !mounts.is_empty() => account(&user)?,
        None => image_account?,
    };
    if let Some(shared) = shared {
        shared.give_to(&account)?;
    }
    if command.read_only {
        root::keep_writable(&volumes)?;
    }
    become_command(link, command, stdio, &account)
}

/// Mounts what the run wants, whatever lies in something else after it.
fn mount_all(mounts: &[Mount], tmpfs: &[Tmpfs]) -> Result<Option<MountedDirectories>> {
    if mounts.is_empty() && tmpfs.is_empty() {
        return Ok(None);
    }
    let times = Times::of_root()?;
    let in_mount = |one: &&Tmpfs| {
        mounts.iter().any(|mount| path(&one.target).starts_with(path(&mount.target)))
    };
    let (inside, around): (Vec<_>, Vec<_>) = tmpfs.iter().partition(in_mount);
    around.into_iter().try_for_each(root::mount_tmpfs)?;
    let shared = if mounts.is_empty() { None } else { Some(MountedDirectories::mount(mounts)?) };
    inside.into_iter().try_for_each(root::mount_tmpfs)?;
    times.restore()?;
    Ok(shared)
}

fn become_command(
    link: &Link,
    mut command: Command,
    stdio: Vec<OwnedFd>,
    account: &Account,
) -> Result<Infallible> {
    if let Some(hostname) = &command.hostname {
        rustix::system::sethostname(hostname).or_fail("setting the host name")?;
    }
    privileges::set_limits(&command.rlimits)?;
    match command.terminal {
        Some(wanted) => terminal::attach(link, wanted, account.uid)?,
        None => attach_pipes(stdio, account.uid)?,
    }
    if command::lookup(&command.env, b"HOME").is_none_or(<[u8]>::is_empty) {
        command.env.retain(|variable| !variable.starts_with(b"HOME="));
        command.env.push([b"HOME=", &account.home[..]].concat());
    }
    enter(&command.workdir)?;
    if command.read_only {
        root::make_read_only()?;
    }
    if !command.privileged {
        privileges::limit_capabilities(command.capabilities)?;
    }
    privileges::become_user(account)?;
    if command.init {
        init::split(link)?;
    }
    execute::execute(&command.args, &command.env)
}

/// Standard input, output and error become the descriptors that came along.
fn attach_pipes(stdio: Vec<OwnedFd>, uid: u32) -> Result<()> {
    let [stdout, stderr] = match &stdio[..] {
        [stdout, stderr] => {
            let null =
                rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                    .or_fail("opening /dev/null")?;
            rustix::stdio::dup2_stdin(null).or_fail("standard input")?;
            [stdout, stderr]
        }
        [stdin, stdout, stderr] => {
            own(stdin, uid)?;
            rustix::stdio::dup2_stdin(stdin).or_fail("standard input")?;
            [stdout, stderr]
        }
        _ => return Err(failure(MACHINE, "standard streams missing")),
    };
    own(stdout, uid)?;
    own(stderr, uid)?;
    rustix::stdio::dup2_stdout(stdout).or_fail("standard output")?;
    rustix::stdio::dup2_stderr(stderr).or_fail("standard error")
}

/// Lets the command reopen /dev/stdout when it is not root.
fn own(stream: &OwnedFd, uid: u32) -> Result<()> {
    if uid == 0 {
        return Ok(());
    }
    rustix::fs::fchown(stream, Some(rustix::fs::Uid::from_raw(uid)), None)
        .or_fail("standard stream's owner")
}

fn account(user: &[u8]) -> Result<Account> {
    user::resolve(user, &read_database("/etc/passwd"), &read_database("/etc/group"))
}

/// A file of the image, empty when it is missing or none: it may be anything.
fn read_database(path: &str) -> Vec<u8> {
    const MAX_BYTES: u64 = 16 << 20;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut content = Vec::new();
    if let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) {
        let regular = rustix::fs::fstat(&file)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
        // An unreadable file is as good as none.
        if regular && File::from(file).take(MAX_BYTES).read_to_end(&mut content).is_err() {
            content.clear();
        }
    }
    content
}

/// Enters the command's working directory; Docker makes one that is missing.
fn enter(directory: &[u8]) -> Result<()> {
    const WHAT: &str = "working directory";
    let change = |directory: &[u8]| rustix::process::chdir(path(directory));
    if change(directory).is_ok() {
        return Ok(());
    }
    let place = mount_point::make(WHAT, directory)?.path;
    change(&place).map_err(|error| mount_point::cannot(WHAT, directory, &place, error))
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
