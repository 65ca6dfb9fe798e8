//! A module of WASI preview 1, which has no sockets of its own: its network is behind files, or behind
//! a connection that the runtime accepts.

#[path = "preview1/listener.rs"]
mod listener;

use crate::directories::Preopens;
use crate::host::FOREVER;
use crate::ring_directory::{self, FileOfRing};
use crate::standard_input::StandardInput;
use crate::wasi_calls;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_network::{Channel, Checksums, Link, Rings, Transfer};
use c2w_session::options::{NetworkMode, NetworkOptions};
use c2w_session::{Session, SessionHost, SharedDirectory, Wait};
use listener::Connection;

/// What to show when the container wants a network.
pub const NO_NETWORK: &str = "the container has no network: c2w net-helper gives one to modules \
                              (--network dir=DIR); components (c2w --target wasip2) and c2w run \
                              have their own";

/// What is asked of a runtime that has no sockets.
const NO_SOCKETS: &str = "a module of WASI preview 1 has no sockets: c2w net-helper gives it a \
                          network (--network dir=DIR); components (c2w --target wasip2) and c2w \
                          run have their own";

/// What carries the frames.
enum Wire {
    Directory(Rings<FileOfRing>),
    Accepted(Connection),
}

impl Channel for Wire {
    /// Runtimes poll neither files nor what they have accepted.
    const POLLED: bool = true;

    fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        match self {
            Self::Directory(rings) => Channel::read(rings, buffer),
            Self::Accepted(connection) => connection.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Transfer {
        match self {
            Self::Directory(rings) => Channel::write(rings, bytes),
            Self::Accepted(connection) => connection.write(bytes),
        }
    }

    fn failure(&self) -> Option<&str> {
        match self {
            Self::Directory(rings) => Channel::failure(rings),
            Self::Accepted(_) => None,
        }
    }

    fn close(&mut self) {
        match self {
            Self::Directory(rings) => Channel::close(rings),
            Self::Accepted(_) => {}
        }
    }
}

/// The container's network: somebody else's.
pub struct Network(Link<Wire>);

impl Network {
    /// None, if that will do, or the one that the options ask for.
    ///
    /// # Errors
    /// When one is asked for that cannot be: the reason, for people.
    pub fn new(
        options: &NetworkOptions,
        directories: (&Preopens, &[SharedDirectory]),
    ) -> Result<Option<Self>, String> {
        let link = match &options.mode {
            Some(NetworkMode::None) => return Ok(None),
            None => match options.needs_network() {
                None => return Ok(None),
                Some(option) => return Err(format!("{option}: {NO_SOCKETS}")),
            },
            Some(NetworkMode::User) => return Err(format!("--network user: {NO_SOCKETS}")),
            Some(NetworkMode::Qemu(_)) => return Err(format!("--network qemu: {NO_SOCKETS}")),
            Some(NetworkMode::Directory(name)) => {
                ring_directory::join(name, options, directories, Wire::Directory)?
            }
            Some(NetworkMode::Socket { listener }) => {
                let connection = Connection::accept(*listener);
                let connection = connection.map_err(|why| format!("--network socket: {why}"))?;
                let wait = |_: &mut _, ns: u64| wasi_calls::sleep(ns.min(ring_directory::PAUSE));
                let wire = Wire::Accepted(connection);
                let link = ring_directory::connect(wire, Checksums::Present, options, wait);
                link.map_err(|why| format!("--network socket: {why}"))?
            }
        };
        Ok(Some(Self(link)))
    }

    /// Connects a machine to it. Returns how its guest is to set the network up.
    pub fn plug_in(&self, session: &mut Session) -> c2w_guest_abi::Network {
        session.set_net_backend(self.0.plug());
        self.0.guest().clone()
    }

    /// Moves what can be moved; returns whether the guest has something to do.
    pub fn exchange(&mut self, session: &mut Session, host: &mut dyn SessionHost) -> bool {
        let now = host.monotonic_ns();
        self.0.exchange(now, || session.exchange_frames(host))
    }

    /// Whether what the container has sent is still here.
    pub fn is_sending(&mut self) -> bool {
        self.0.is_sending()
    }

    /// Why there is no network any more, when that is known for the first time.
    pub fn take_failure(&mut self) -> Option<String> {
        self.0.take_failure()
    }

    /// When [`Self::exchange`] has something to do even if nothing happens.
    pub fn next_timer(&self) -> Option<u64> {
        self.0.next_timer()
    }

    /// Ends it.
    pub fn end(&mut self) {
        self.0.end();
    }

    /// Waits for standard input, if that is wanted, and until the network is to be looked at. Returns
    /// whether standard input can be read.
    pub fn wait(&mut self, wait: Wait, now: u64, input: &mut StandardInput) -> bool {
        let timer = self.next_timer().map(|at| at.saturating_sub(now));
        let timeout = wait.timeout.into_iter().chain(timer).min().unwrap_or(FOREVER);
        // Where it cannot be known whether a read would block, the network goes before.
        let idle = match self.0.is_active(now) {
            true => 0,
            false => wait.idle.unwrap_or(FOREVER),
        };
        input.wait(wait.input, timeout, idle)
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
