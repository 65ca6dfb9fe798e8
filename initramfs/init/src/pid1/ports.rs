//! The four virtio-console ports, found by name.

use crate::failure::{OrFail, Result};
use c2w_guest_abi::port;
use rustix::fs::{Mode, OFlags};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
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
/// The multicast group of the kernel's own device events.
const KERNEL_EVENTS: u32 = 1;

/// Opens all ports as soon as the kernel knows them: their names arrive from the host one by
/// one, each with a device event.
pub fn open_all() -> Result<Ports> {
    let events = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(KOBJECT_UEVENT),
    )
    .or_fail("opening a socket for device events")?;
    bind(&events, &SocketAddrNetlink::new(0, KERNEL_EVENTS))
        .or_fail("listening for device events")?;
    loop {
        if let Some(ports) = try_open_all()? {
            return Ok(ports);
        }
        recv(&events, &mut [0u8; 4096], RecvFlags::empty()).or_fail("waiting for device events")?;
    }
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
