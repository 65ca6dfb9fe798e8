//! A connection that the runtime accepts for the module, where it listens: wazero's `-listen`.

use crate::errno::words;
use crate::wasi_calls;
use alloc::string::String;
use c2w_network::Transfer;

/// How long to wait for somebody to connect, and how often to look, in nanoseconds.
const LIMIT: u64 = 30_000_000_000;
const PAUSE: u64 = 10_000_000;

/// The descriptor behind standard input, output and error.
const FIRST: wasi::Fd = 3;

/// A connection, closed when it is dropped.
pub struct Connection(wasi::Fd);

impl Drop for Connection {
    fn drop(&mut self) {
        wasi_calls::close(self.0);
    }
}

impl Connection {
    /// The first connection to a descriptor on which the runtime listens: to this one, or the first
    /// that there is.
    ///
    /// # Errors
    /// When there is none, or nobody connects: the reason, for people.
    pub fn accept(listener: Option<wasi::Fd>) -> Result<Self, String> {
        let is_socket =
            |fd: &wasi::Fd| wasi_calls::file_type(*fd) == Some(wasi::FILETYPE_SOCKET_STREAM);
        let opened = (FIRST..).take_while(|&fd| wasi_calls::file_type(fd).is_some());
        let listener = match listener {
            Some(fd) => Some(fd).filter(is_socket),
            None => opened.into_iter().find(is_socket),
        };
        let listener =
            listener.ok_or("the runtime does not listen (wazero run -listen HOST:PORT)")?;
        // Without, wazero's sock_accept blocks, whatever it is told.
        wasi_calls::do_not_block(listener).map_err(words)?;
        let deadline = wasi_calls::clock(wasi::CLOCKID_MONOTONIC).saturating_add(LIMIT);
        loop {
            match wasi_calls::accept(listener) {
                Ok(fd) => {
                    let connection = Self(fd);
                    wasi_calls::do_not_block(fd).map_err(words)?;
                    return Ok(connection);
                }
                Err(wasi::ERRNO_AGAIN | wasi::ERRNO_INTR) => {}
                Err(error) => return Err(words(error)),
            }
            if wasi_calls::clock(wasi::CLOCKID_MONOTONIC) >= deadline {
                return Err("nobody has connected".into());
            }
            wasi_calls::sleep(PAUSE);
        }
    }

    /// As a channel's.
    pub fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        match wasi_calls::read(self.0, buffer) {
            Ok(0) => Transfer::End,
            Ok(length) => Transfer::Moved(length),
            Err(wasi::ERRNO_AGAIN | wasi::ERRNO_INTR) => Transfer::Blocked,
            Err(_) => Transfer::Broken,
        }
    }

    /// As a channel's.
    pub fn write(&mut self, bytes: &[u8]) -> Transfer {
        match wasi_calls::write(self.0, bytes) {
            Ok(0) | Err(wasi::ERRNO_AGAIN | wasi::ERRNO_INTR) => Transfer::Blocked,
            Ok(length) => Transfer::Moved(length),
            Err(_) => Transfer::Broken,
        }
    }
}
