//! Sockets in the container's network for PID 1, which is not in it.

use crate::failure::{OrFail, Result};
use crate::pid1::{NAME_SERVER, netlink_socket};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use std::os::fd::OwnedFd;

/// For DNS queries of a container without a network; PID 1 answers.
pub fn name_server() -> Result<OwnedFd> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .or_fail("creating the name server's socket")?;
    bind(&socket, &NAME_SERVER).or_fail("binding the name server's socket")?;
    Ok(socket)
}

/// For PID 1 to set the network up (rtnetlink(7)).
pub fn netlink() -> Result<OwnedFd> {
    netlink_socket().or_fail("creating a netlink socket")
}
