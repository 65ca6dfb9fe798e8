//! The control port: framed messages to and from the host.

use crate::failure::{MACHINE, OrFail, Result, failure};
use c2w_guest_abi::frame::{Decoder, encode};
use c2w_guest_abi::{FromGuest, ToGuest};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The guest's end of the control port.
pub struct Control {
    port: OwnedFd,
    decoder: Decoder,
}

impl Control {
    /// A connection over the open port.
    pub fn new(port: OwnedFd) -> Self {
        Self { port, decoder: Decoder::default() }
    }

    /// Sends one message whole.
    pub fn send(&mut self, message: &FromGuest) -> Result<()> {
        let bytes = encode(message).or_fail("encoding a control message")?;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match write(&self.port, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait_writable()?,
                Err(error) => return Err(error).or_fail("writing the control port"),
            }
        }
        Ok(())
    }

    /// The next message, or `None` when the port is non-blocking and has no whole one.
    pub fn receive(&mut self) -> Result<Option<ToGuest>> {
        // A port hands out one buffer of the host at a time, at most a page.
        let mut bytes = [0; 4096];
        loop {
            if let Some(message) = self.decoder.message().or_fail("reading the control port")? {
                return Ok(Some(message));
            }
            match read(&self.port, &mut bytes) {
                Ok(0) => return Err(failure(MACHINE, "the host closed the control port")),
                Ok(count) => self.decoder.push(&bytes[..count]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error).or_fail("reading the control port"),
            }
        }
    }

    /// From now on [`receive`](Self::receive) returns at once.
    pub fn set_nonblocking(&self) -> Result<()> {
        let flags = fcntl_getfl(&self.port).or_fail("control port")?;
        fcntl_setfl(&self.port, flags | OFlags::NONBLOCK).or_fail("control port")
    }

    fn wait_writable(&self) -> Result<()> {
        poll(&mut [PollFd::new(&self.port, PollFlags::OUT)], None)
            .map(drop)
            .or_fail("waiting for the control port")
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }
}
