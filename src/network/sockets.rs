//! The sockets of this host, for a container's network.

use crate::errno::words;
use c2w_network::{Interest, LookupError, Refusal, Sockets, Transfer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, accept_with, bind,
    connect, getsockname, listen, recv, recvfrom, send, sendto, shutdown, socket_with,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

/// The sockets of this host; each is closed when it is dropped.
pub struct HostSockets;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

impl Sockets for HostSockets {
    type Stream = OwnedFd;
    type Listener = OwnedFd;
    type Datagrams = OwnedFd;
    /// The host's name servers are asked.
    type Lookup = Infallible;

    fn connect(&mut self, to: SocketAddr) -> Result<OwnedFd, Refusal> {
        let stream = socket(to, SocketType::STREAM).map_err(refusal)?;
        match connect(&stream, &to) {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {
                let _ = sockopt::set_tcp_nodelay(&stream, true);
                Ok(stream)
            }
            Err(error) => Err(refusal(error)),
        }
    }

    fn is_connected(&mut self, stream: &mut OwnedFd) -> Result<bool, Refusal> {
        match sockopt::socket_error(&*stream) {
            Ok(Ok(())) => Ok(revents(stream, PollFlags::OUT)),
            Ok(Err(error)) | Err(error) => Err(refusal(error)),
        }
    }

    fn read(&mut self, stream: &OwnedFd, buffer: &mut [u8]) -> Transfer {
        match retry(|| recv(stream, &mut *buffer, RecvFlags::DONTWAIT)) {
            Ok((0, _)) => Transfer::End,
            Ok((count, _)) => Transfer::Moved(count),
            Err(Errno::AGAIN) => Transfer::Blocked,
            Err(_) => Transfer::Broken,
        }
    }

    fn write(&mut self, stream: &OwnedFd, bytes: &[u8]) -> Transfer {
        match retry(|| send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)) {
            Ok(0) | Err(Errno::AGAIN) => Transfer::Blocked,
            Ok(count) => Transfer::Moved(count),
            Err(_) => Transfer::Broken,
        }
    }

    fn shut_down(&mut self, stream: &OwnedFd) {
        // One that is broken is found out by the next transfer.
        let _ = shutdown(stream, Shutdown::Write);
    }

    fn reset(&mut self, stream: OwnedFd) {
        // Without, the peer sees an end in place of a reset.
        let _ = sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO));
    }

    fn listen(&mut self, at: SocketAddr) -> Result<(OwnedFd, SocketAddr), String> {
        let listening = || {
            let socket = socket(at, SocketType::STREAM)?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &at)?;
            listen(&socket, BACKLOG)?;
            address(socket)
        };
        listening().map_err(words)
    }

    fn accept(&mut self, listener: &OwnedFd) -> Option<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let stream = retry(|| accept_with(listener, flags)).ok()?;
        let _ = sockopt::set_tcp_nodelay(&stream, true);
        Some(stream)
    }

    fn bind(&mut self, at: SocketAddr) -> Result<(OwnedFd, SocketAddr), String> {
        let bound = || {
            let socket = socket(at, SocketType::DGRAM)?;
            bind(&socket, &at)?;
            address(socket)
        };
        bound().map_err(words)
    }

    fn send_to(&mut self, socket: &OwnedFd, to: SocketAddr, data: &[u8]) {
        // A datagram may get lost.
        let _ = retry(|| sendto(socket, data, SendFlags::DONTWAIT, &to));
    }

    fn receive_from(&mut self, socket: &OwnedFd, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        loop {
            match recvfrom(socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((length, _, from)) => return Some((length, from?.try_into().ok()?)),
                // What the network said of a datagram that was sent: there may be others.
                Err(Errno::INTR | Errno::CONNREFUSED) => {}
                Err(_) => return None,
            }
        }
    }

    fn resolve(&mut self, _: &str) -> Result<Infallible, LookupError> {
        Err(LookupError::Failed)
    }

    fn resolved(&mut self, lookup: &mut Infallible) -> Option<Result<Vec<IpAddr>, LookupError>> {
        match *lookup {}
    }

    fn ready(&mut self, interests: &[Interest<'_, Self>]) -> Vec<bool> {
        let mut polled: Vec<_> = interests.iter().map(poll_fd).collect();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match retry(|| poll(&mut polled, Some(&now))) {
            Ok(_) => polled.iter().map(|one| !one.revents().is_empty()).collect(),
            // Reading and writing find out.
            Err(_) => vec![true; polled.len()],
        }
    }
}

/// What poll(2) is to wait for.
pub fn poll_fd<'a>(interest: &Interest<'a, HostSockets>) -> PollFd<'a> {
    match *interest {
        Interest::Listener(socket) | Interest::Datagrams(socket) => {
            PollFd::new(socket, PollFlags::IN)
        }
        Interest::Lookup(lookup) => match *lookup {},
        Interest::Stream { stream, read, write } => {
            let flags = [(read, PollFlags::IN), (write, PollFlags::OUT)];
            let wanted = flags.into_iter().filter(|(is_wanted, _)| *is_wanted);
            PollFd::new(stream, wanted.map(|(_, flag)| flag).collect())
        }
    }
}

/// Lets this process have as many descriptors as it may: many systems begin with 1,024, which
/// a container's connections alone may need.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // What cannot be raised stays: connections that are too many are refused.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Whether this host has a way to others by IPv6. Nothing is sent.
pub fn reaches_ipv6() -> bool {
    /// Of the documentation (RFC 3849): what is asked is the way there.
    const ELSEWHERE: &str = "[2001:db8::1]:9";
    let to: SocketAddr = ELSEWHERE.parse().expect("an address");
    let connected = socket(to, SocketType::DGRAM).and_then(|socket| {
        connect(&socket, &to)?;
        address(socket)
    });
    connected.is_ok_and(|(_, own)| !own.ip().is_loopback())
}

fn socket(of: SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let family = if of.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if of.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    Ok(socket)
}

/// A socket with the address that it has.
fn address(socket: OwnedFd) -> Result<(OwnedFd, SocketAddr), Errno> {
    let address = getsockname(&socket)?.try_into()?;
    Ok((socket, address))
}

fn revents(socket: &OwnedFd, flags: PollFlags) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(socket, flags)], Some(&now)).is_ok_and(|ready| ready > 0)
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// What the guest is told of a connection that the host cannot make.
fn refusal(error: Errno) -> Refusal {
    match error {
        Errno::NETUNREACH | Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL => Refusal::NetworkUnreachable,
        Errno::HOSTUNREACH | Errno::TIMEDOUT | Errno::HOSTDOWN => Refusal::HostUnreachable,
        Errno::ACCESS | Errno::PERM => Refusal::Prohibited,
        _ => Refusal::Reset,
    }
}
