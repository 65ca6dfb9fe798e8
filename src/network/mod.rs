//! The network of a container that runs in this process, and what gives one to others.

pub mod helper;
mod resolv_conf;
mod ring_directory;
mod ring_file;
mod sockets;

pub use sockets::poll_fd;

use crate::entropy;
use crate::errno::words;
use anyhow::{Context, Result, bail};
use c2w_network::{Checksums, Link, Rings, StreamChannel, UserNetwork};
use c2w_session::options::{NetworkMode, NetworkOptions, Peer};
use ring_file::FileOfRing;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockets::HostSockets;
use std::ffi::OsStr;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

/// The network of a container on this host.
pub type ContainerNetwork = c2w_network::ContainerNetwork<HostSockets, FileOfRing>;

/// How long a peer's host may take to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The network that the options ask for, with the published ports open; of a container that is run
/// by this process the usual one is one with all that this process reaches. Its clock is the time
/// since `start`.
///
/// # Errors
/// When a port cannot be published, or a peer does not answer.
pub fn of_container(options: &NetworkOptions, start: Instant) -> Result<Option<ContainerNetwork>> {
    Ok(Some(match &options.mode {
        Some(NetworkMode::None) => return Ok(None),
        None | Some(NetworkMode::User) => {
            sockets::raise_limit();
            let host = resolv_conf::host_network();
            let network = UserNetwork::new(options, host, entropy::number(), HostSockets);
            ContainerNetwork::User(network.map_err(anyhow::Error::msg)?)
        }
        Some(NetworkMode::Qemu(peer)) => {
            let context = || format!("--network qemu={}", describe(peer));
            of_peer(peer, options, start).with_context(context)?
        }
        Some(NetworkMode::Socket { .. }) => bail!(
            "--network socket is for a WASI runtime that listens for its module: here it is \
             qemu=HOST:PORT"
        ),
        Some(NetworkMode::Directory(path)) => {
            let path = Path::new(OsStr::from_bytes(path));
            let context = || format!("--network dir={}", path.display());
            of_directory(path, options, start).with_context(context)?
        }
    }))
}

/// As it is written.
fn describe(peer: &Peer) -> String {
    match peer {
        Peer::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
        Peer::Tcp { host, port } => format!("{host}:{port}"),
        Peer::Unix(path) => format!("unix:{}", OsStr::from_bytes(path).display()),
    }
}

fn of_peer(peer: &Peer, options: &NetworkOptions, start: Instant) -> Result<ContainerNetwork> {
    let stream = Rc::new(connect(peer)?);
    let channel = StreamChannel::new(HostSockets, Rc::clone(&stream));
    let wait = |_: &mut _, ns: u64| wait_readable(&stream, Duration::from_nanos(ns));
    let link = connect_link(channel, Checksums::Present, options, start, wait)?;
    Ok(ContainerNetwork::Peer { link, stream })
}

fn of_directory(path: &Path, options: &NetworkOptions, start: Instant) -> Result<ContainerNetwork> {
    let (own, peer) = ring_directory::open(path)?;
    let rings = Rings::join(own, peer, entropy::number()).map_err(anyhow::Error::msg)?;
    let wait = |_: &mut _, ns: u64| thread::sleep(Duration::from_nanos(ns.min(RING_PAUSE)));
    let link = connect_link(rings, Checksums::Offloaded, options, start, wait)?;
    Ok(ContainerNetwork::Directory(link))
}

/// How long rings are left alone before they are looked at again, in nanoseconds.
const RING_PAUSE: u64 = 1_000_000;

fn connect_link<C: c2w_network::Channel + 'static>(
    channel: C,
    checksums: Checksums,
    options: &NetworkOptions,
    start: Instant,
    wait: impl FnMut(&mut C, u64),
) -> Result<Link<C>> {
    let now = || start.elapsed().as_nanos() as u64;
    let transaction = entropy::number() as u32;
    let link = Link::connect(channel, checksums, options, transaction, now, wait);
    link.map_err(anyhow::Error::msg)
}

/// A connection to a peer, which does not block.
fn connect(peer: &Peer) -> Result<OwnedFd> {
    match peer {
        Peer::Unix(path) => {
            let stream = UnixStream::connect(Path::new(OsStr::from_bytes(path)))?;
            stream.set_nonblocking(true)?;
            Ok(stream.into())
        }
        Peer::Tcp { host, port } => {
            let stream = connect_tcp(host, *port)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream.into())
        }
    }
}

fn connect_tcp(host: &str, port: u16) -> Result<TcpStream> {
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error.into()),
        None => bail!("{host} has no address"),
    }
}

fn wait_readable(stream: &OwnedFd, time: Duration) {
    // Whoever waited looks whether there is something.
    let _ =
        poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&timespec(time.as_nanos() as u64)));
}

/// Nanoseconds as poll(2) has them.
pub fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}
