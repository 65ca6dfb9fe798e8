//! A host's socket as what carries frames.

use crate::framing::Channel;
use crate::sockets::{Interest, Sockets, Transfer};
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
        // Where looking for what is ready is what lets the runtime read, as in wasmtime.
        let interest = Interest::Stream { stream: &*self.stream, read: true, write: false };
        match self.sockets.ready(&[interest]).contains(&true) {
            true => self.sockets.read(&self.stream, buffer),
            false => Transfer::Blocked,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Transfer {
        self.sockets.write(&self.stream, bytes)
    }
}
