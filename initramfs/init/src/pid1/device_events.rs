//! Devices that the kernel finds while PID 1 runs already.

use crate::failure::{MACHINE, OrFail, Result, failure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The multicast group of the kernel's own device events.
const KERNEL_EVENTS: u32 = 1;

/// Calls `find` now and after each device event, until it has found something. With a `limit` that
/// fails with `missing` when so much of the machine's time has passed.
pub fn wait_for<T>(
    missing: &str,
    limit: Option<Duration>,
    mut find: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    // Before the first look, so that no event gets lost in between.
    let events = listen()?;
    let start = Instant::now();
    loop {
        if let Some(found) = find()? {
            return Ok(found);
        }
        let left = limit.map(|limit| limit.saturating_sub(start.elapsed()));
        if !next_event(&events, left)? {
            return Err(failure(MACHINE, missing));
        }
    }
}

fn listen() -> Result<OwnedFd> {
    let events = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(KOBJECT_UEVENT),
    )
    .or_fail("opening a socket for device events")?;
    bind(&events, &SocketAddrNetlink::new(0, KERNEL_EVENTS))
        .or_fail("listening for device events")?;
    Ok(events)
}

/// Waits for an event, whatever it says; false when none has come in time.
fn next_event(events: &OwnedFd, left: Option<Duration>) -> Result<bool> {
    const WHAT: &str = "waiting for device events";
    let left = left.map(Timespec::try_from).transpose().or_fail(WHAT)?;
    match poll(&mut [PollFd::new(events, PollFlags::IN)], left.as_ref()) {
        Ok(0) => return Ok(false),
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error).or_fail(WHAT),
    }
    match recv(events, &mut [0u8; 4096], RecvFlags::DONTWAIT) {
        // More events than the socket holds are as good as one.
        Ok(_) | Err(Errno::INTR | Errno::AGAIN | Errno::NOBUFS) => Ok(true),
        Err(error) => Err(error).or_fail(WHAT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_at_once_and_what_is_not_is_given_up() {
        let limit = Some(Duration::from_millis(1));
        assert_eq!(wait_for("", limit, || Ok(Some(7))).unwrap(), 7);
        // Other devices of this host may send events meanwhile.
        let failed = wait_for("it is not there", limit, || Ok(None::<()>)).unwrap_err();
        assert_eq!((failed.status, &failed.message[..]), (MACHINE, "it is not there"));
        let failed = wait_for("", limit, || Err::<Option<()>, _>(failure(1, "x"))).unwrap_err();
        assert_eq!(failed.status, 1);
    }
}
