//! The socket for the container's DNS queries; PID 1 answers.

use crate::failure::{OrFail, Result};
use crate::pid1::NAME_SERVER;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use std::os::fd::OwnedFd;

/// Opens it, in the network of this process.
pub fn open() -> Result<OwnedFd> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .or_fail("creating the name server's socket")?;
    bind(&socket, &NAME_SERVER).or_fail("binding the name server's socket")?;
    Ok(socket)
}
