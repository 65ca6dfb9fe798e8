//! A host's socket as what carries frames.

use crate::framing::Channel;
use crate::sockets::{Sockets, Transfer};
use alloc::rc::Rc;

/// A connection to a peer that takes frames.
pub struct StreamChannel<S: Sockets> {
    sockets: S,
    /// Its other owner waits for it.
    stream: Rc<S::Stream>,
}

impl<S: Sockets> StreamChannel<S> {
    /// Of a stream that is connected.
    pub fn new(sockets: S, stream: Rc<S::Stream>) -> Self {
        Self { sockets, stream }
    }

    /// The host's sockets.
    pub fn sockets_mut(&mut self) -> &mut S {
        &mut self.sockets
    }
}

impl<S: Sockets> Channel for StreamChannel<S> {
    const POLLED: bool = false;

    fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        self.sockets.read(&self.stream, buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> Transfer {
        self.sockets.write(&self.stream, bytes)
    }
}
