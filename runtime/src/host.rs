//! What a session is given where WASI preview 1 is all there is.

use crate::standard_input::StandardInput;
use crate::wasi_calls::{self, STDERR, STDOUT};
use crate::world::{self, Network};
use c2w_guest_abi::{Notice, Stream};
use c2w_session::{Closed, Input, RunHost, Session, SessionHost, Wait};
use core::convert::Infallible;

/// How long to sleep when the guest waits for nothing: an hour, in nanoseconds.
pub const FOREVER: u64 = 3_600_000_000_000;

/// The WASI runtime's clocks, entropy and streams.
pub struct WasiHost {
    input: StandardInput,
    network: Option<Network>,
    /// Whether the user wants none.
    wants_none: bool,
}

impl WasiHost {
    /// Asks what standard input there is; `terminal` says whether it was found to be one,
    /// `wants_none` whether the container is to have no network.
    pub fn find(terminal: bool, wants_none: bool) -> Self {
        Self { input: StandardInput::find(terminal), network: None, wants_none }
    }

    /// Connects a machine to the network. Returns how its guest is to set that up.
    pub fn connect(&mut self, network: Network, session: &mut Session) -> c2w_guest_abi::Network {
        let guest = network.plug_in(session);
        self.network = Some(network);
        guest
    }

    /// Nanoseconds until the network is to be looked at, if that is known.
    pub fn network_timer(&mut self) -> Option<u64> {
        let at = self.network.as_ref()?.next_timer()?;
        Some(at.saturating_sub(self.monotonic_ns()))
    }

    /// Ends the network, when the command has ended.
    pub fn end(&mut self) {
        self.network.iter_mut().for_each(Network::end);
    }
}

impl SessionHost for WasiHost {
    fn monotonic_ns(&mut self) -> u64 {
        wasi_calls::clock(wasi::CLOCKID_MONOTONIC)
    }

    fn realtime_ns(&mut self) -> u64 {
        wasi_calls::clock(wasi::CLOCKID_REALTIME)
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        wasi_calls::random(buffer);
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Closed> {
        let fd = match stream {
            Stream::Stdout => STDOUT,
            Stream::Stderr => STDERR,
        };
        wasi_calls::write_all(fd, bytes)
    }

    fn kernel_log(&mut self, bytes: &[u8]) {
        let _ = wasi_calls::write_all(STDERR, bytes);
    }
}

impl RunHost for WasiHost {
    type Error = Infallible;

    fn show(&mut self, message: &str) {
        wasi_calls::complain(format_args!("{message}"));
    }

    fn wait(&mut self, wait: Wait) -> Result<bool, Infallible> {
        if self.network.is_some() {
            let now = self.monotonic_ns();
            let (network, input) = (self.network.as_mut(), &mut self.input);
            return Ok(network.is_some_and(|network| network.wait(wait, now, input)));
        }
        let [timeout, idle] = [wait.timeout, wait.idle].map(|time| time.unwrap_or(FOREVER));
        Ok(self.input.wait(wait.input, timeout, idle))
    }

    fn exchange_packets(&mut self, session: &mut Session) -> bool {
        let Some(mut network) = self.network.take() else { return false };
        let moved = network.exchange(session, self);
        network.take_failure().into_iter().for_each(|failure| self.show(&failure));
        self.network = Some(network);
        moved
    }

    fn has_unsent(&mut self) -> bool {
        self.network.as_mut().is_some_and(Network::is_sending)
    }

    fn text(&self, notice: Notice) -> &'static str {
        match notice {
            Notice::NoNetwork if !self.wants_none => world::NO_NETWORK,
            Notice::NoNetwork | Notice::OutOfMemory => notice.text(),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Input {
        self.input.read(buffer)
    }
}
