//! wasi:sockets for a container's network.
//!
//! Resources are dropped in order: pollables, streams, socket. The other way round is a trap.

use super::PERMISSION;
use crate::wasi_calls;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_network::{Interest, LookupError, Refusal, Sockets, Transfer};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use wasip2::clocks::monotonic_clock;
use wasip2::io::poll::{self, Pollable};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::{ResolveAddressStream, resolve_addresses};
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
    Network,
};
use wasip2::sockets::tcp::{ShutdownType, TcpSocket};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::{
    IncomingDatagramStream, OutgoingDatagram, OutgoingDatagramStream, UdpSocket,
};
use wasip2::sockets::udp_create_socket::create_udp_socket;

/// The sockets that the runtime gives.
pub struct WasiSockets {
    network: Network,
    /// Whether it was said that names cannot be looked up.
    complained: bool,
    /// The pollables that the last poll has found ready, by their handles.
    found: BTreeSet<u32>,
    /// How often since the last wait it was looked for what is ready.
    looks: u32,
}

/// How long a peer may take to answer, in nanoseconds.
const CONNECT_LIMIT: u64 = 10_000_000_000;

/// How many things may be ready before [`renew_budget`] is due.
const MANY: usize = 32;
/// After how many looks without a wait the runtime gets its turn.
const LOOKS: u32 = 16;

/// Waits until something is ready; returns the handles of all that is.
pub fn poll(polled: &[&Pollable]) -> BTreeSet<u32> {
    let ready: Vec<&Pollable> =
        poll::poll(polled).into_iter().filter_map(|at| polled.get(at as usize).copied()).collect();
    if let (Some(first), MANY..) = (ready.first(), ready.len()) {
        renew_budget(first);
    }
    ready.iter().map(|pollable| pollable.handle()).collect()
}

/// In wasmtime 128 things may be found ready, or be read, before its executor has a turn (tokio's
/// cooperative budget): then all look idle, and bytes that are there are not read. To poll what is
/// `ready` when nothing of the budget is left gives it a turn.
fn renew_budget(ready: &Pollable) {
    /// More than any budget; others may have none.
    const ENOUGH: usize = 256;
    if !(0..ENOUGH).all(|_| ready.ready()) {
        poll::poll(&[ready]);
    }
}

/// A TCP connection.
pub struct Stream {
    state: State,
    socket: TcpSocket,
}

enum State {
    Connecting(Pollable),
    Connected(Halves),
}

/// The two directions of a connection, what belongs to another before it.
struct Halves {
    readable: Pollable,
    writable: Pollable,
    input: InputStream,
    output: OutputStream,
}

/// A socket that accepts connections.
pub struct Listener {
    acceptable: Pollable,
    socket: TcpSocket,
}

/// A UDP socket.
pub struct Datagrams {
    readable: Pollable,
    incoming: IncomingDatagramStream,
    outgoing: OutgoingDatagramStream,
    _socket: UdpSocket,
}

/// A name that is being looked up.
pub struct Lookup {
    ready: Pollable,
    addresses: ResolveAddressStream,
    found: Vec<IpAddr>,
}

impl WasiSockets {
    /// Asks for a socket: where none may be had, there is no network.
    pub fn find() -> Option<Self> {
        create_tcp_socket(IpAddressFamily::Ipv4).ok()?;
        let found = BTreeSet::new();
        Some(Self { network: instance_network(), complained: false, found, looks: 0 })
    }

    /// Whether the host has a way to others by IPv6. Nothing is sent.
    pub fn reaches_ipv6(&self) -> bool {
        /// Of the documentation (RFC 3849): what is asked is the way there.
        const ELSEWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
        let Ok(socket) = self.bound(any) else { return false };
        let connected = socket.stream(Some(wasi(SocketAddr::new(ELSEWHERE.into(), 9))));
        // The streams go before their socket.
        connected.map(drop).is_ok()
    }

    /// Connects to a port of a host, by name or address, and waits until that is done.
    pub fn connect_to(&mut self, host: &str, port: u16) -> Result<Stream, String> {
        let addresses = match host.parse() {
            Ok(address) => Vec::from([address]),
            Err(_) => self.addresses(host).map_err(|_| format!("{host} has no address"))?,
        };
        let mut why = format!("{host} has no address");
        for address in addresses {
            match self.connected(SocketAddr::new(address, port)) {
                Ok(stream) => return Ok(stream),
                Err(refusal) => why = format!("{host}:{port} cannot be reached ({refusal:?})"),
            }
        }
        Err(why)
    }

    fn addresses(&mut self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let mut lookup = self.resolve(name)?;
        loop {
            if let Some(addresses) = self.resolved(&mut lookup) {
                return addresses;
            }
            lookup.ready.block();
        }
    }

    fn connected(&mut self, to: SocketAddr) -> Result<Stream, Refusal> {
        let mut stream = self.connect(to)?;
        let limit = monotonic_clock::subscribe_duration(CONNECT_LIMIT);
        while !self.is_connected(&mut stream)? {
            if let State::Connecting(connected) = &stream.state {
                poll(&[connected, &limit]);
            }
            if limit.ready() {
                return Err(Refusal::HostUnreachable);
            }
        }
        Ok(stream)
    }

    /// Takes note of what [`poll`] has found.
    pub fn found_ready(&mut self, found: BTreeSet<u32>) {
        self.found = found;
        self.looks = 0;
    }

    fn bound(&self, at: SocketAddr) -> Result<UdpSocket, ErrorCode> {
        let socket = create_udp_socket(family(at))?;
        socket.start_bind(&self.network, wasi(at))?;
        finish(|| socket.finish_bind(), || socket.subscribe())?;
        Ok(socket)
    }

    fn listening(&self, at: SocketAddr) -> Result<TcpSocket, ErrorCode> {
        let socket = create_tcp_socket(family(at))?;
        socket.start_bind(&self.network, wasi(at))?;
        finish(|| socket.finish_bind(), || socket.subscribe())?;
        socket.start_listen()?;
        finish(|| socket.finish_listen(), || socket.subscribe())?;
        Ok(socket)
    }

    fn datagrams(&self, at: SocketAddr) -> Result<(Datagrams, SocketAddr), ErrorCode> {
        let socket = self.bound(at)?;
        let address = core(socket.local_address()?);
        let (incoming, outgoing) = socket.stream(None)?;
        let readable = incoming.subscribe();
        Ok((Datagrams { readable, incoming, outgoing, _socket: socket }, address))
    }

    fn lookup_error(&mut self, error: ErrorCode) -> LookupError {
        match error {
            ErrorCode::NameUnresolvable | ErrorCode::InvalidArgument => LookupError::NoSuchName,
            ErrorCode::PermanentResolverFailure | ErrorCode::AccessDenied => {
                if !core::mem::replace(&mut self.complained, true) {
                    let why = "names are not looked up for the container";
                    wasi_calls::complain(format_args!("{why}: {PERMISSION}"));
                }
                LookupError::Failed
            }
            _ => LookupError::Failed,
        }
    }
}

impl Sockets for WasiSockets {
    type Stream = Stream;
    type Listener = Listener;
    type Datagrams = Datagrams;
    type Lookup = Lookup;

    fn connect(&mut self, to: SocketAddr) -> Result<Stream, Refusal> {
        let socket = create_tcp_socket(family(to)).map_err(refusal)?;
        socket.start_connect(&self.network, wasi(to)).map_err(refusal)?;
        Ok(Stream { state: State::Connecting(socket.subscribe()), socket })
    }

    fn is_connected(&mut self, stream: &mut Stream) -> Result<bool, Refusal> {
        match stream.socket.finish_connect() {
            Ok((input, output)) => {
                stream.state = State::Connected(Halves::new(input, output));
                Ok(true)
            }
            Err(ErrorCode::WouldBlock) => Ok(false),
            Err(error) => Err(refusal(error)),
        }
    }

    fn read(&mut self, stream: &Stream, buffer: &mut [u8]) -> Transfer {
        let State::Connected(halves) = &stream.state else { return Transfer::Blocked };
        match halves.input.read(buffer.len() as u64) {
            Ok(bytes) if bytes.is_empty() => Transfer::Blocked,
            Ok(bytes) => {
                let length = bytes.len().min(buffer.len());
                buffer[..length].copy_from_slice(&bytes[..length]);
                Transfer::Moved(length)
            }
            Err(StreamError::Closed) => Transfer::End,
            Err(StreamError::LastOperationFailed(_)) => Transfer::Broken,
        }
    }

    fn write(&mut self, stream: &Stream, bytes: &[u8]) -> Transfer {
        let State::Connected(halves) = &stream.state else { return Transfer::Blocked };
        // To write more than is allowed is a trap.
        let allowed = match halves.output.check_write() {
            Ok(0) => return Transfer::Blocked,
            Ok(allowed) => usize::try_from(allowed).unwrap_or(usize::MAX).min(bytes.len()),
            Err(_) => return Transfer::Broken,
        };
        match halves.output.write(&bytes[..allowed]) {
            Ok(()) => Transfer::Moved(allowed),
            Err(_) => Transfer::Broken,
        }
    }

    fn shut_down(&mut self, stream: &Stream) {
        // One that is broken is found out by the next transfer.
        let _ = stream.socket.shutdown(ShutdownType::Send);
    }

    /// The runtime writes in the background; a stream that is dropped meanwhile loses the rest.
    fn is_flushed(&mut self, stream: &Stream) -> bool {
        match &stream.state {
            State::Connected(halves) => !matches!(halves.output.check_write(), Ok(0)),
            State::Connecting(_) => true,
        }
    }

    fn reset(&mut self, stream: Stream) {
        // There is no way to ask for a reset: the host's kernel sends one if bytes are unread.
        drop(stream);
    }

    fn listen(&mut self, at: SocketAddr) -> Result<(Listener, SocketAddr), String> {
        let socket = self.listening(at).map_err(reason)?;
        let address = core(socket.local_address().map_err(reason)?);
        Ok((Listener { acceptable: socket.subscribe(), socket }, address))
    }

    fn accept(&mut self, listener: &Listener) -> Option<Stream> {
        let (socket, input, output) = listener.socket.accept().ok()?;
        Some(Stream { state: State::Connected(Halves::new(input, output)), socket })
    }

    fn bind(&mut self, at: SocketAddr) -> Result<(Datagrams, SocketAddr), String> {
        self.datagrams(at).map_err(reason)
    }

    fn send_to(&mut self, socket: &Datagrams, to: SocketAddr, data: &[u8]) {
        // A datagram may get lost; to send more than is allowed is a trap.
        if socket.outgoing.check_send().is_ok_and(|allowed| allowed > 0) {
            let datagram = OutgoingDatagram { data: data.to_vec(), remote_address: Some(wasi(to)) };
            let _ = socket.outgoing.send(&[datagram]);
        }
    }

    fn receive_from(
        &mut self,
        socket: &Datagrams,
        buffer: &mut [u8],
    ) -> Option<(usize, SocketAddr)> {
        let datagram = socket.incoming.receive(1).ok()?.pop()?;
        let length = datagram.data.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram.data[..length]);
        Some((length, core(datagram.remote_address)))
    }

    fn resolve(&mut self, name: &str) -> Result<Lookup, LookupError> {
        match resolve_addresses(&self.network, name) {
            Ok(addresses) => {
                Ok(Lookup { ready: addresses.subscribe(), addresses, found: Vec::new() })
            }
            Err(error) => Err(self.lookup_error(error)),
        }
    }

    fn resolved(&mut self, lookup: &mut Lookup) -> Option<Result<Vec<IpAddr>, LookupError>> {
        loop {
            match lookup.addresses.resolve_next_address() {
                Ok(Some(address)) => lookup.found.push(ip(address)),
                Ok(None) => return Some(Ok(core::mem::take(&mut lookup.found))),
                Err(ErrorCode::WouldBlock) => return None,
                Err(error) => return Some(Err(self.lookup_error(error))),
            }
        }
    }

    fn ready(&mut self, interests: &[Interest<'_, Self>]) -> Vec<bool> {
        let mut found = core::mem::take(&mut self.found);
        if found.is_empty() {
            self.looks += 1;
            // A guest that computes does not wait.
            let timeout = u64::from(self.looks % LOOKS == 0);
            let timer = monotonic_clock::subscribe_duration(timeout);
            let sockets = interests.iter().flat_map(pollables);
            let polled: Vec<&Pollable> = [&timer].into_iter().chain(sockets).collect();
            found = poll(&polled);
        }
        let is_found = |interest| pollables(interest).any(|one| found.contains(&one.handle()));
        interests.iter().map(is_found).collect()
    }
}

impl Halves {
    fn new(input: InputStream, output: OutputStream) -> Self {
        Self { readable: input.subscribe(), writable: output.subscribe(), input, output }
    }
}

/// What becomes ready when there is something to do with a socket.
pub fn pollables<'a>(
    interest: &Interest<'a, WasiSockets>,
) -> impl Iterator<Item = &'a Pollable> + use<'a> {
    let both = match *interest {
        Interest::Stream { stream, read, write } => match &stream.state {
            State::Connecting(connected) => [write.then_some(connected), None],
            State::Connected(halves) => {
                [read.then_some(&halves.readable), write.then_some(&halves.writable)]
            }
        },
        Interest::Listener(listener) => [Some(&listener.acceptable), None],
        Interest::Datagrams(socket) => [Some(&socket.readable), None],
        Interest::Lookup(lookup) => [Some(&lookup.ready), None],
    };
    both.into_iter().flatten()
}

/// Waits until a stream can be read, at most for this time in nanoseconds.
pub fn wait_readable(stream: &Stream, ns: u64) {
    let interest = Interest::Stream { stream, read: true, write: false };
    let timer = monotonic_clock::subscribe_duration(ns);
    poll(&[&timer].into_iter().chain(pollables(&interest)).collect::<Vec<_>>());
}

/// Waits for the second half of a call that has two. Nothing that takes long is done so.
fn finish<T>(
    mut call: impl FnMut() -> Result<T, ErrorCode>,
    pollable: impl Fn() -> Pollable,
) -> Result<T, ErrorCode> {
    loop {
        match call() {
            Err(ErrorCode::WouldBlock) => pollable().block(),
            result => return result,
        }
    }
}

/// What the guest is told of a connection that the host cannot make.
fn refusal(error: ErrorCode) -> Refusal {
    match error {
        ErrorCode::RemoteUnreachable | ErrorCode::NotSupported => Refusal::NetworkUnreachable,
        ErrorCode::Timeout => Refusal::HostUnreachable,
        ErrorCode::AccessDenied => Refusal::Prohibited,
        _ => Refusal::Reset,
    }
}

/// For people.
fn reason(error: ErrorCode) -> String {
    match error {
        ErrorCode::AddressInUse => "Address already in use".into(),
        ErrorCode::AddressNotBindable => "Cannot assign requested address".into(),
        ErrorCode::AccessDenied => "Permission denied".into(),
        other => format!("{}", other.name()),
    }
}

fn family(of: SocketAddr) -> IpAddressFamily {
    if of.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 }
}

fn wasi(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(address) => {
            let [a, b, c, d] = address.ip().octets();
            let (port, address) = (address.port(), (a, b, c, d));
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address })
        }
        SocketAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.ip().segments();
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: address.port(),
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: address.scope_id(),
            })
        }
    }
}

fn core(address: IpSocketAddress) -> SocketAddr {
    match address {
        IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address }) => {
            SocketAddr::new(ip(IpAddress::Ipv4(address)), port)
        }
        IpSocketAddress::Ipv6(Ipv6SocketAddress { port, address, scope_id, .. }) => {
            let (a, b, c, d, e, f, g, h) = address;
            SocketAddrV6::new(Ipv6Addr::new(a, b, c, d, e, f, g, h), port, 0, scope_id).into()
        }
    }
}

fn ip(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => Ipv6Addr::new(a, b, c, d, e, f, g, h).into(),
    }
}
