//! A module of WASI preview 1, which has no sockets.

use crate::wasi_calls;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_session::options::{NetworkMode, NetworkOptions};
use c2w_session::{Session, SessionHost, Wait};

/// What to show when the container wants a network.
pub const NO_NETWORK: &str = "the container has no network: modules of WASI preview 1 have none; \
                              c2w run has one, and what c2w --target wasip2 makes";

/// The container's network: there is none.
pub enum Network {}

impl Network {
    /// None, if that will do.
    ///
    /// # Errors
    /// When one is asked for: the reason, for people.
    pub fn new(options: &NetworkOptions) -> Result<Option<Self>, String> {
        let asked = match options.mode {
            Some(NetworkMode::User) => Some("--network user"),
            Some(NetworkMode::None) => None,
            None => options.needs_network(),
        };
        match asked {
            Some(option) => Err(format!("{option}: {NO_NETWORK}")),
            None => Ok(None),
        }
    }

    pub fn plug_in(&self, _: &mut Session) -> c2w_guest_abi::Network {
        match *self {}
    }

    pub fn exchange(&mut self, _: &mut Session, _: &mut dyn SessionHost) -> bool {
        match *self {}
    }

    pub fn is_sending(&mut self) -> bool {
        match *self {}
    }

    pub fn wait(&mut self, _: Wait, _: u64) -> bool {
        match *self {}
    }
}

/// The program's arguments, its own name included.
pub fn arguments() -> Vec<Vec<u8>> {
    wasi_calls::arguments()
}

/// The environment, each `NAME=value`.
pub fn variables() -> Vec<Vec<u8>> {
    wasi_calls::environment()
}

/// Ends the program.
pub fn exit(status: u8) {
    wasi_calls::exit(status)
}
