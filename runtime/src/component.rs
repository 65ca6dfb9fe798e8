//! What a component of WASI 0.2 has beside preview 1, which an adapter gives it: sockets, one poll for
//! all that can be waited for, and exit statuses.

#[path = "component/sockets.rs"]
mod sockets;

use crate::host::FOREVER;
use crate::wasi_calls;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_network::{HostNetwork, UserNetwork};
use c2w_session::options::{NetworkMode, NetworkOptions};
use c2w_session::{Session, SessionHost, Wait};
use sockets::WasiSockets;
use wasip2::cli::{environment, stdin};
use wasip2::clocks::monotonic_clock;
use wasip2::io::poll::Pollable;
use wasip2::io::streams::InputStream;

/// What to do about a runtime that allows no network.
macro_rules! permission {
    () => {
        "run it with -S inherit-network,allow-ip-name-lookup"
    };
}
const PERMISSION: &str = permission!();

/// What to show when the container wants a network.
pub const NO_NETWORK: &str = concat!("no network: ", permission!());

/// The container's network, made of the runtime's sockets.
pub struct Network {
    user: UserNetwork<WasiSockets>,
    /// Fields are dropped in this order: what belongs to another goes before it.
    stdin_readable: Pollable,
    _stdin: InputStream,
}

impl Network {
    /// The network that the options ask for. Without options it is there if the runtime allows it.
    ///
    /// # Errors
    /// When one is asked for that cannot be: the reason, for people.
    pub fn new(options: &NetworkOptions) -> Result<Option<Self>, String> {
        if options.mode == Some(NetworkMode::None) {
            return Ok(None);
        }
        if options.publish_all {
            return Err("--publish-all: name the ports (-p)".into());
        }
        let Some(sockets) = WasiSockets::find() else {
            let wanted = options.mode.map(|_| "--network").or(options.needs_network());
            return match wanted {
                Some(option) => {
                    Err(format!("{option}: the runtime allows no network: {PERMISSION}"))
                }
                None => Ok(None),
            };
        };
        let host = HostNetwork { ipv6: sockets.reaches_ipv6(), ..HostNetwork::default() };
        let mut seed = [0; 8];
        wasi_calls::random(&mut seed);
        let user = UserNetwork::new(options, host, u64::from_ne_bytes(seed), sockets)?;
        let stdin = stdin::get_stdin();
        Ok(Some(Self { user, stdin_readable: stdin.subscribe(), _stdin: stdin }))
    }

    /// Connects a machine to it. Returns how its guest is to set the network up.
    pub fn plug_in(&self, session: &mut Session) -> c2w_guest_abi::Network {
        self.user.plug_in(session);
        self.user.notes().for_each(|note| wasi_calls::complain(format_args!("note: {note}")));
        self.user.guest().clone()
    }

    /// Moves what can be moved; returns whether the guest has something to do.
    pub fn exchange(&mut self, session: &mut Session, host: &mut dyn SessionHost) -> bool {
        self.user.exchange(session, host)
    }

    /// Whether bytes that the container has sent are still on their way.
    pub fn is_sending(&mut self) -> bool {
        self.user.is_sending()
    }

    /// Waits for standard input, if that is wanted, sockets and timers. Returns whether standard
    /// input can be read.
    pub fn wait(&mut self, wait: Wait, now: u64) -> bool {
        let timer = self.user.next_timer().map(|at| at.saturating_sub(now));
        let timeout = wait.timeout.into_iter().chain(timer).min().unwrap_or(FOREVER);
        let timer = monotonic_clock::subscribe_duration(timeout);
        let interests = self.user.interests();
        let sockets = interests.iter().flat_map(sockets::pollables);
        let mut polled: Vec<&Pollable> = [&timer].into_iter().chain(sockets).collect();
        if wait.input {
            polled.push(&self.stdin_readable);
        }
        let found = sockets::poll(&polled);
        let input = wait.input && found.contains(&self.stdin_readable.handle());
        drop(interests);
        self.user.sockets_mut().found_ready(found);
        input
    }
}

/// The program's arguments, its own name included. The adapter's way to them traps from 64 KiB on.
pub fn arguments() -> Vec<Vec<u8>> {
    environment::get_arguments().into_iter().map(String::into_bytes).collect()
}

/// The environment, each `NAME=value`.
pub fn variables() -> Vec<Vec<u8>> {
    let variables = environment::get_environment().into_iter();
    variables.map(|(name, value)| format!("{name}={value}").into_bytes()).collect()
}

/// Ends the program with any status, which preview 1's way cannot do here.
pub fn exit(status: u8) {
    wasip2::cli::exit::exit_with_code(status);
}
