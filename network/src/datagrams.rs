//! UDP: each port that the guest sends from has a socket of the host, as have the ports that are
//! published.

use crate::policy::Policy;
use crate::sockets::{Interest, Sockets};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_nat::Nat;
use c2w_session::options::PublishedPort;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How many ports of the guest have a socket; the one that was used least recently loses its.
const MAX_MAPPINGS: usize = 256;
/// How long one that nobody uses is kept (RFC 4787, 4.3, asks for two minutes of a real NAT, whose
/// clients cannot tell it that they are there by being a process), and one for a name server.
const IDLE_LIMIT: u64 = 120_000_000_000;
const QUESTION_LIMIT: u64 = 10_000_000_000;
/// How many peers may answer to one port; the first ones that it sent to.
const MAX_PEERS: usize = 1024;
/// How many clients of published ports are remembered.
const MAX_CLIENTS: usize = 256;
/// Datagrams that one socket may deliver before others get their turn.
const AT_ONCE: usize = 64;

/// All sockets for datagrams.
pub struct Datagrams<S: Sockets> {
    /// The one that was used last is the last.
    mappings: VecDeque<Mapping<S::Datagrams>>,
    published: Vec<Published<S::Datagrams>>,
    /// The one that was heard of last is the last.
    clients: VecDeque<Client>,
}

/// A port of the guest, and the socket that sends for it.
struct Mapping<D> {
    socket: D,
    port: u16,
    target: Target,
    last_used: u64,
    /// Who may answer, as the host knows them.
    peers: BTreeSet<IpAddr>,
    /// Questions that have not been answered: the next goes to another server.
    unanswered: usize,
}

/// What a mapping is for: a guest that uses a port for several has several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Ipv4,
    Ipv6,
    /// The name server at this address of the container's network.
    NameServer(SocketAddr),
}

struct Published<D> {
    socket: D,
    /// The container's port.
    port: u16,
}

/// Whom the guest answers at a port of the gateway.
struct Client {
    address: SocketAddr,
    /// Index of the published port that it came to.
    published: usize,
    /// The gateway's port that stands for it.
    port: u16,
}

impl<S: Sockets> Datagrams<S> {
    pub fn new() -> Self {
        Self { mappings: VecDeque::new(), published: Vec::new(), clients: VecDeque::new() }
    }

    /// Takes datagrams for a port of the container; returns where.
    pub fn publish(&mut self, port: &PublishedPort, sockets: &mut S) -> Result<SocketAddr, String> {
        let bound = sockets.bind(port.host);
        let (socket, at) = bound.map_err(|why| format!("cannot bind {}/udp: {why}", port.host))?;
        self.published.push(Published { socket, port: port.container });
        Ok(at)
    }

    pub fn interests(&self) -> impl Iterator<Item = Interest<'_, S>> {
        let published = self.published.iter().map(|one| &one.socket);
        published.chain(self.mappings.iter().map(|one| &one.socket)).map(Interest::Datagrams)
    }

    /// Sends a datagram of the guest on.
    pub fn send(
        &mut self,
        now: u64,
        from: u16,
        to: SocketAddr,
        data: &[u8],
        policy: &Policy,
        sockets: &mut S,
    ) {
        if let Some(client) = self.client_at(from, to, policy) {
            let Client { address, published, .. } = self.clients[client];
            return sockets.send_to(&self.published[published].socket, address, data);
        }
        // Nobody is told of a datagram that goes nowhere.
        let Ok(to) = policy.destination(to) else { return };
        let target = if to.is_ipv4() { Target::Ipv4 } else { Target::Ipv6 };
        let Some(mapping) = self.mapping(now, from, target, to, sockets) else { return };
        if mapping.peers.len() < MAX_PEERS {
            mapping.peers.insert(to.ip());
        }
        sockets.send_to(&mapping.socket, to, data);
    }

    /// Sends a question on to a name server of the host: to the next one if there was no answer yet.
    pub fn ask(
        &mut self,
        now: u64,
        from: u16,
        to: SocketAddr,
        data: &[u8],
        policy: &Policy,
        sockets: &mut S,
    ) {
        let target = Target::NameServer(to);
        let Some(&first) = policy.name_servers.first() else { return };
        let Some(mapping) = self.mapping(now, from, target, first, sockets) else { return };
        // All of one family: the socket is of that.
        let same_family = |server: &&SocketAddr| server.is_ipv4() == first.is_ipv4();
        let servers: Vec<_> = policy.name_servers.iter().filter(same_family).collect();
        let server = *servers[mapping.unanswered % servers.len()];
        mapping.unanswered += 1;
        mapping.peers.insert(server.ip());
        sockets.send_to(&mapping.socket, server, data);
    }

    /// The socket for a port of the guest, made if there is none, and now the one used last.
    fn mapping(
        &mut self,
        now: u64,
        port: u16,
        target: Target,
        to: SocketAddr,
        sockets: &mut S,
    ) -> Option<&mut Mapping<S::Datagrams>> {
        self.mappings.retain(|mapping| !mapping.is_over(now));
        let is_it = |mapping: &Mapping<_>| mapping.port == port && mapping.target == target;
        let found = self.mappings.iter().position(is_it).and_then(|at| self.mappings.remove(at));
        let mapping = match found {
            Some(mapping) => mapping,
            None => {
                let any = match to {
                    SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                };
                if self.mappings.len() == MAX_MAPPINGS {
                    self.mappings.pop_front();
                }
                let (socket, _) = sockets.bind(SocketAddr::new(any, 0)).ok()?;
                let peers = BTreeSet::new();
                Mapping { socket, port, target, last_used: now, peers, unanswered: 0 }
            }
        };
        self.mappings.push_back(Mapping { last_used: now, ..mapping });
        self.mappings.back_mut()
    }

    /// Passes datagrams on to the guest of those sockets of [`Self::interests`] that are `ready`.
    pub fn advance(
        &mut self,
        now: u64,
        ready: &[bool],
        nat: &mut Nat,
        policy: &Policy,
        sockets: &mut S,
        buffer: &mut [u8],
    ) {
        let is_ready = |index: &usize| ready.get(*index) == Some(&true);
        for index in (0..self.published.len()).filter(is_ready) {
            self.receive_published(index, nat, policy, sockets, buffer);
        }
        let published = self.published.len();
        for (index, mapping) in self.mappings.iter_mut().enumerate() {
            if is_ready(&(published + index)) {
                mapping.receive(now, nat, policy, sockets, buffer);
            }
        }
    }

    fn receive_published(
        &mut self,
        index: usize,
        nat: &mut Nat,
        policy: &Policy,
        sockets: &mut S,
        buffer: &mut [u8],
    ) {
        let gateway = policy.gateway(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        for _ in 0..AT_ONCE {
            let Published { socket, port } = &self.published[index];
            let port = *port;
            let Some((length, address)) = sockets.receive_from(socket, buffer) else { break };
            let from = SocketAddr::new(gateway, self.port_of_client(index, address));
            nat.datagram(from, port, &buffer[..length]);
        }
    }

    /// The gateway's port that stands for a client, who is now the one heard of last.
    fn port_of_client(&mut self, published: usize, address: SocketAddr) -> u16 {
        let is_it = |one: &Client| one.address == address && one.published == published;
        let found = self.clients.iter().position(is_it).and_then(|at| self.clients.remove(at));
        let client = found.unwrap_or_else(|| {
            if self.clients.len() == MAX_CLIENTS {
                self.clients.pop_front();
            }
            // Its own, if nobody else has that; some are free, as there are more ports than clients.
            let taken = |port: u16| self.clients.iter().any(|client| client.port == port);
            let mut port = address.port().max(1);
            while taken(port) {
                port = port.checked_add(1).unwrap_or(1);
            }
            Client { address, published, port }
        });
        let port = client.port;
        self.clients.push_back(client);
        port
    }

    /// The client that a datagram of the guest is for.
    fn client_at(&self, from: u16, to: SocketAddr, policy: &Policy) -> Option<usize> {
        if to.ip() != policy.gateway(to.ip()) {
            return None;
        }
        let is_it = |client: &Client| {
            client.port == to.port() && self.published[client.published].port == from
        };
        self.clients.iter().position(is_it)
    }
}

impl<D> Mapping<D> {
    fn is_over(&self, now: u64) -> bool {
        let limit = match self.target {
            Target::NameServer(_) => QUESTION_LIMIT,
            Target::Ipv4 | Target::Ipv6 => IDLE_LIMIT,
        };
        now.saturating_sub(self.last_used) > limit
    }

    fn receive<S: Sockets<Datagrams = D>>(
        &mut self,
        now: u64,
        nat: &mut Nat,
        policy: &Policy,
        sockets: &mut S,
        buffer: &mut [u8],
    ) {
        for _ in 0..AT_ONCE {
            let Some((length, from)) = sockets.receive_from(&self.socket, buffer) else { break };
            // Nobody speaks first.
            if !self.peers.contains(&from.ip()) {
                continue;
            }
            self.last_used = now;
            self.unanswered = 0;
            let from = match self.target {
                Target::NameServer(asked) => asked,
                Target::Ipv4 | Target::Ipv6 => policy.source(from),
            };
            nat.datagram(from, self.port, &buffer[..length]);
        }
    }
}
