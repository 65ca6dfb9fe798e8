//! What a component of WASI 0.2 has beside preview 1, which an adapter gives it: sockets, one poll for
//! all that can be waited for, and exit statuses.

#[path = "component/sockets.rs"]
mod sockets;

use crate::directories::Preopens;
use crate::host::FOREVER;
use crate::ring_directory::{self, FileOfRing};
use crate::standard_input::StandardInput;
use crate::wasi_calls;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_network::{Checksums, ContainerNetwork, HostNetwork, StreamChannel, UserNetwork};
use c2w_session::options::{NetworkMode, NetworkOptions, Peer};
use c2w_session::{Session, SessionHost, SharedDirectory, Wait};
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

/// The container's network, made of the runtime's sockets, or somebody else's.
pub struct Network {
    network: ContainerNetwork<WasiSockets, FileOfRing>,
    /// Fields are dropped in this order: what belongs to another goes before it.
    stdin_readable: Pollable,
    _stdin: InputStream,
}

impl Network {
    /// The network that the options ask for. Without options it is there if the runtime allows it.
    ///
    /// # Errors
    /// When one is asked for that cannot be: the reason, for people.
    pub fn new(
        options: &NetworkOptions,
        directories: (&Preopens, &[SharedDirectory]),
    ) -> Result<Option<Self>, String> {
        let network = match &options.mode {
            Some(NetworkMode::None) => None,
            None | Some(NetworkMode::User) => user(options)?,
            Some(NetworkMode::Qemu(peer)) => {
                let connected = connect(peer, options);
                Some(connected.map_err(|why| format!("--network qemu: {why}"))?)
            }
            Some(NetworkMode::Directory(name)) => {
                let link = ring_directory::join(name, options, directories, |rings| rings)?;
                Some(ContainerNetwork::Directory(link))
            }
            Some(NetworkMode::Socket { .. }) => {
                return Err(
                    "--network socket is for modules: a component has qemu=HOST:PORT".into()
                );
            }
        };
        let stdin = stdin::get_stdin();
        let with_stdin =
            |network| Self { network, stdin_readable: stdin.subscribe(), _stdin: stdin };
        Ok(network.map(with_stdin))
    }

    /// Connects a machine to it. Returns how its guest is to set the network up.
    pub fn plug_in(&self, session: &mut Session) -> c2w_guest_abi::Network {
        let notes = self.network.notes();
        notes.iter().for_each(|note| wasi_calls::complain(format_args!("note: {note}")));
        self.network.plug_in(session)
    }

    /// Moves what can be moved; returns whether the guest has something to do.
    pub fn exchange(&mut self, session: &mut Session, host: &mut dyn SessionHost) -> bool {
        self.network.exchange(session, host)
    }

    /// Whether bytes that the container has sent are still on their way.
    pub fn is_sending(&mut self) -> bool {
        self.network.is_sending()
    }

    /// Why there is no network any more, when that is known for the first time.
    pub fn take_failure(&mut self) -> Option<String> {
        self.network.take_failure()
    }

    /// Ends all connections.
    pub fn end(&mut self) {
        self.network.end();
    }

    /// When [`Self::exchange`] has something to do even if nothing happens.
    pub fn next_timer(&self) -> Option<u64> {
        self.network.next_timer()
    }

    /// Waits for standard input, if that is wanted, sockets and timers. Returns whether standard
    /// input can be read.
    pub fn wait(&mut self, wait: Wait, now: u64, _: &mut StandardInput) -> bool {
        let timer = self.next_timer().map(|at| at.saturating_sub(now));
        let timeout = wait.timeout.into_iter().chain(timer).min().unwrap_or(FOREVER);
        let timer = monotonic_clock::subscribe_duration(timeout);
        let interests = self.network.interests();
        let sockets = interests.iter().flat_map(sockets::pollables);
        let mut polled: Vec<&Pollable> = [&timer].into_iter().chain(sockets).collect();
        if wait.input {
            polled.push(&self.stdin_readable);
        }
        let found = sockets::poll(&polled);
        let input = wait.input && found.contains(&self.stdin_readable.handle());
        drop(interests);
        self.network.with_sockets(|sockets| sockets.found_ready(found));
        input
    }
}

/// The network of the runtime's sockets; without options it is there if the runtime allows it.
fn user(
    options: &NetworkOptions,
) -> Result<Option<ContainerNetwork<WasiSockets, FileOfRing>>, String> {
    if options.publish_all {
        return Err("--publish-all: name the ports (-p)".into());
    }
    let Some(sockets) = WasiSockets::find() else {
        let wanted = options.mode.as_ref().map(|_| "--network").or(options.needs_network());
        return match wanted {
            Some(option) => Err(format!("{option}: the runtime allows no network: {PERMISSION}")),
            None => Ok(None),
        };
    };
    let host = HostNetwork { ipv6: sockets.reaches_ipv6(), ..HostNetwork::default() };
    let network = UserNetwork::new(options, host, wasi_calls::random_number(), sockets)?;
    Ok(Some(ContainerNetwork::User(network)))
}

/// The network of a peer that takes frames.
fn connect(
    peer: &Peer,
    options: &NetworkOptions,
) -> Result<ContainerNetwork<WasiSockets, FileOfRing>, String> {
    let Peer::Tcp { host, port } = peer else {
        return Err("a component has no UNIX sockets: HOST:PORT, or c2w run".into());
    };
    let mut sockets = WasiSockets::find()
        .ok_or_else(|| format!("the runtime allows no network: {PERMISSION}"))?;
    let stream = Rc::new(sockets.connect_to(host, *port)?);
    let channel = StreamChannel::new(sockets, Rc::clone(&stream));
    let wait = |_: &mut _, ns| sockets::wait_readable(&stream, ns);
    let link = ring_directory::connect(channel, Checksums::Present, options, wait)?;
    Ok(ContainerNetwork::Peer { link, stream })
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
