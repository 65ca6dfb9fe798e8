//! Between PID 1 and the agent in the container: messages over a socket pair, with file
//! descriptors beside them.

use crate::command::Command;
use crate::failure::{MACHINE, OrFail, Result, failure};
use c2w_guest_abi::frame::{Decoder, encode};
use c2w_guest_abi::{Failure, Mount, Tmpfs};
use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The agent's executable, open, among the descriptors that the container starts with.
pub const AGENT_FD: i32 = 3;
/// The agent's end of the socket pair.
pub const SOCKET_FD: i32 = 4;
/// The most descriptors with one message: standard input, output and error.
const MAX_FDS: usize = 3;

/// What PID 1 says.
#[derive(Serialize, Deserialize)]
pub enum ToAgent {
    /// Before the snapshot: do all that does not depend on the run.
    Prepare {
        /// The image's user.
        user: Vec<u8>,
        /// The image's volumes, made where missing.
        volumes: Vec<Vec<u8>>,
    },
    /// Become the command. Its standard input, output and error come along, but for a terminal.
    Execute {
        /// The command.
        command: Command,
        /// Directories of the host, to be mounted first.
        mounts: Vec<Mount>,
        /// Empty file systems in memory, to be mounted then.
        tmpfs: Vec<Tmpfs>,
        /// Devices, to be made before anything is mounted.
        devices: Vec<DeviceNode>,
    },
}

/// A device node to be made in the container, as it is in the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// Where: an absolute path.
    pub path: Vec<u8>,
    /// Its type and permissions (`st_mode`).
    pub mode: u32,
    /// Its numbers (`st_rdev`).
    pub device: u64,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// What the agent says. End of file means that it has become the command.
#[derive(Serialize, Deserialize)]
pub enum FromAgent {
    /// All that does not depend on the run is done. Sockets in the container's network come along:
    /// that for DNS queries, and one of rtnetlink(7).
    Prepared,
    /// The master of the command's terminal comes along.
    Terminal,
    /// The agent cannot become the command.
    Failed(Failure),
}

/// One end of the socket pair.
pub struct Link {
    socket: OwnedFd,
    decoder: Decoder,
}

impl Link {
    /// A connection over one end of a stream socket pair.
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, decoder: Decoder::default() }
    }

    /// Sends a message, the descriptors with its first byte.
    pub fn send<T: Serialize>(&self, message: &T, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let bytes = encode(message).or_fail("encoding a message to the container")?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(failure(MACHINE, "too many descriptors for one message"));
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match sendmsg(&self.socket, &[IoSlice::new(rest)], &mut ancillary, SendFlags::NOSIGNAL)
            {
                Ok(sent) => rest = &rest[sent..],
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error).or_fail("writing to the container"),
            }
            ancillary.clear();
        }
        Ok(())
    }

    /// Waits for the next message; `None` when the other end is closed.
    pub fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<(T, Vec<OwnedFd>)>> {
        let mut fds = Vec::new();
        let mut bytes = [0; 4096];
        loop {
            if let Some(message) = self.decoder.message().or_fail("reading from the container")? {
                return Ok(Some((message, fds)));
            }
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let received = recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            );
            let count = match received {
                Ok(received) => received.bytes,
                Err(Errno::INTR) => continue,
                Err(Errno::CONNRESET) => 0,
                Err(error) => return Err(error).or_fail("reading from the container"),
            };
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    fds.extend(received);
                }
            }
            if count == 0 {
                return Ok(None);
            }
            self.decoder.push(&bytes[..count]);
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    #[test]
    fn long_messages_and_descriptors_arrive() {
        let (near, far) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .unwrap();
        let (near, mut far) = (Link::new(near), Link::new(far));
        let (read_end, write_end) = rustix::pipe::pipe().unwrap();
        let user = vec![b'u'; 300_000];
        let sent = user.clone();
        let sender = std::thread::spawn(move || {
            near.send(&ToAgent::Prepare { user: sent, volumes: vec![] }, &[write_end.as_fd()])
                .unwrap();
        });
        let (message, fds) = far.receive::<ToAgent>().unwrap().unwrap();
        sender.join().unwrap();
        assert!(matches!(message, ToAgent::Prepare { user: got, .. } if got == user));
        assert_eq!(fds.len(), 1);
        rustix::io::write(&fds[0], b"x").unwrap();
        assert_eq!(rustix::io::read(&read_end, &mut [0; 4]).unwrap(), 1);
        assert!(far.receive::<ToAgent>().unwrap().is_none());
    }
}
