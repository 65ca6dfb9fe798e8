//! The four virtio-console ports, found by name.

use super::device_events;
use crate::failure::{OrFail, Result};
use c2w_guest_abi::port;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The ports, each open for its direction, non-blocking except for the control port.
pub struct Ports {
    /// Framed messages.
    pub control: OwnedFd,
    /// Bytes for the command's standard input.
    pub stdin: OwnedFd,
    /// Bytes of its standard output.
    pub stdout: OwnedFd,
    /// Bytes of its standard error.
    pub stderr: OwnedFd,
}

/// Where the kernel lists the ports; each has a file `name`.
const LIST: &str = "/sys/class/virtio-ports";

/// Opens all ports as soon as the kernel knows them: their names arrive from the host one by
/// one, each with a device event.
pub fn open_all() -> Result<Ports> {
    // Without a limit: the host notices by itself when nothing will ever happen.
    device_events::wait_for("the host has no ports", None, try_open_all)
}

fn try_open_all() -> Result<Option<Ports>> {
    let [Some(control), Some(stdin), Some(stdout), Some(stderr)] =
        [port::CONTROL, port::STDIN, port::STDOUT, port::STDERR].map(device_of)
    else {
        return Ok(None);
    };
    Ok(Some(Ports {
        control: open(&control, OFlags::RDWR)?,
        stdin: open(&stdin, OFlags::RDONLY | OFlags::NONBLOCK)?,
        stdout: open(&stdout, OFlags::WRONLY | OFlags::NONBLOCK)?,
        stderr: open(&stderr, OFlags::WRONLY | OFlags::NONBLOCK)?,
    }))
}

/// The name in /dev of the port that the host called `name`.
fn device_of(name: &str) -> Option<String> {
    fs::read_dir(LIST).ok()?.flatten().find_map(|entry| {
        let found = fs::read_to_string(entry.path().join("name")).ok()?;
        (found.trim_end() == name).then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

fn open(device: &str, flags: OFlags) -> Result<OwnedFd> {
    let path = Path::new("/dev").join(device);
    rustix::fs::open(&path, flags | OFlags::CLOEXEC, Mode::empty())
        .or_fail(&format!("opening {}", path.display()))
}
