//! Requests of rtnetlink(7): a header, a structure of the kind of request, and attributes.

use rustix::io::{Errno, Result};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};
use std::os::fd::{BorrowedFd, OwnedFd};

/// Bytes of `nlmsghdr`.
const HEADER: usize = 16;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const FLAGS: u16 = 1 | 4;
/// `NLM_F_CREATE | NLM_F_EXCL`.
pub const CREATE: u16 = 0x400 | 0x200;
/// `NLMSG_ERROR`, which acknowledges with the number 0.
const ERROR: u16 = 2;

/// A socket for requests about the network that this process is in.
pub fn socket() -> Result<OwnedFd> {
    // The protocol without a number is that of routing.
    socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
}

/// A request (netlink(7)).
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A request of this kind (`RTM_`) with its structure, a multiple of 4 bytes.
    pub fn new(kind: u16, flags: u16, structure: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(FLAGS | flags).to_ne_bytes());
        bytes.extend_from_slice(structure);
        Self { bytes }
    }

    /// Adds an attribute.
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = 4 + value.len() as u16;
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Has the kernel do it.
    pub fn execute(mut self, socket: BorrowedFd<'_>) -> Result<()> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        send(socket, &self.bytes, SendFlags::empty())?;
        let mut answer = [0; 256];
        let (length, _) = recv(socket, &mut answer, RecvFlags::TRUNC)?;
        match result(&answer[..length.min(256)]) {
            Some(0) => Ok(()),
            Some(negative) => Err(Errno::from_raw_os_error(-negative)),
            None => Err(Errno::PROTO),
        }
    }
}

/// The number in an acknowledgement: 0, or a negative errno.
fn result(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let number = i32::from_ne_bytes(answer.get(HEADER..HEADER + 4)?.try_into().ok()?);
    (kind == ERROR).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn attributes_are_aligned() {
        let request = Request::new(16, CREATE, &[1, 2, 3, 4]).with(3, b"eth0\0").with(4, &[9; 4]);
        let expected = [
            &[0, 0, 0, 0, 16, 0, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &[1, 2, 3, 4],
            &[9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0],
            &[8, 0, 4, 0, 9, 9, 9, 9],
        ];
        assert_eq!(request.bytes, expected.concat());
    }

    #[test]
    fn the_kernel_says_what_it_cannot_do() {
        let socket = socket().unwrap();
        let name = Request::new(16, 0, &[0; 16]).with(3, b"no-such-link\0");
        let error = name.execute(socket.as_fd()).unwrap_err();
        assert!(matches!(error, Errno::NODEV | Errno::PERM), "{error}");
    }
}
