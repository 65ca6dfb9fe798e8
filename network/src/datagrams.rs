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
/// How long one that nobody uses is kept, at least two minutes by RFC 4787, 4.3; and one for a name
/// server.
const IDLE_LIMIT: u64 = 120_000_000_000;
const QUESTION_LIMIT: u64 = 10_000_000_000;
/// How long a name server may take; then the next one is asked.
const SERVER_LIMIT: u64 = 2_000_000_000;
/// How many peers may answer to one port; one more, and all others are forgotten.
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
    /// When the first question was asked that its name server has not answered.
    asked: Option<u64>,
}

/// A port of the guest, and the socket that sends for it.
struct Mapping<D> {
    socket: D,
    port: u16,
    target: Target,
    last_used: u64,
    /// Who may answer, as the host knows them.
    peers: BTreeSet<IpAddr>,
}

/// What a mapping is for: a guest that uses a port for several has several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Ipv4,
    Ipv6,
    /// The name server at this address of the container's network, by a server of the host's.
    NameServer {
        asked: SocketAddr,
        server: SocketAddr,
    },
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
        Self {
            mappings: VecDeque::new(),
            published: Vec::new(),
            clients: VecDeque::new(),
            asked: None,
        }
    }

    /// Takes datagrams for a port of the container; returns where.
    pub fn publish(&mut self, port: &PublishedPort, sockets: &mut S) -> Result<SocketAddr, String> {
        let bound = sockets.bind(port.host);
        let (socket, at) = bound.map_err(|why| format!("cannot bind {}/udp: {why}", port.host))?;
        self.published.push(Published { socket, port: port.container });
        Ok(at)
    }

    /// Forgets the guest; what is published stays so.
    pub fn end(&mut self) {
        self.mappings.clear();
        self.clients.clear();
        self.asked = None;
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
        if mapping.peers.len() == MAX_PEERS {
            mapping.peers.clear();
        }
        mapping.peers.insert(to.ip());
        sockets.send_to(&mapping.socket, to, data);
    }

    /// Sends a question on to a name server of the host: to the next one if there was no answer of
    /// the last for a while.
    pub fn ask(
        &mut self,
        now: u64,
        from: u16,
        to: SocketAddr,
        data: &[u8],
        policy: &mut Policy,
        sockets: &mut S,
    ) {
        if self.asked.is_some_and(|asked| now.saturating_sub(asked) >= SERVER_LIMIT) {
            policy.next_name_server();
            self.asked = None;
        }
        let Some(server) = policy.name_server() else { return };
        self.asked = self.asked.or(Some(now));
        let target = Target::NameServer { asked: to, server };
        let Some(mapping) = self.mapping(now, from, target, server, sockets) else { return };
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
                Mapping { socket, port, target, last_used: now, peers }
            }
        };
        self.mappings.push_back(Mapping { last_used: now, ..mapping });
        self.mappings.back_mut()
    }

    /// Passes datagrams on to the guest of those sockets of [`Self::interests`] that are `ready`.
    /// Returns whether there were any.
    pub fn advance(
        &mut self,
        now: u64,
        ready: &[bool],
        nat: &mut Nat,
        policy: &Policy,
        sockets: &mut S,
        buffer: &mut [u8],
    ) -> bool {
        let is_ready = |index: &usize| ready.get(*index) == Some(&true);
        for index in (0..self.published.len()).filter(is_ready) {
            self.receive_published(index, nat, policy, sockets, buffer);
        }
        let published = self.published.len();
        for (index, mapping) in self.mappings.iter_mut().enumerate() {
            let answers = is_ready(&(published + index))
                && mapping.receive(now, nat, policy, sockets, buffer);
            if answers {
                self.asked = None;
            }
        }
        ready.contains(&true)
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
            Target::NameServer { .. } => QUESTION_LIMIT,
            Target::Ipv4 | Target::Ipv6 => IDLE_LIMIT,
        };
        now.saturating_sub(self.last_used) > limit
    }

    /// Passes what peers have sent on to the guest. Returns whether a name server's was among it.
    fn receive<S: Sockets<Datagrams = D>>(
        &mut self,
        now: u64,
        nat: &mut Nat,
        policy: &Policy,
        sockets: &mut S,
        buffer: &mut [u8],
    ) -> bool {
        let mut is_answered = false;
        for _ in 0..AT_ONCE {
            let Some((length, from)) = sockets.receive_from(&self.socket, buffer) else { break };
            // Nobody speaks first.
            let from = match self.target {
                Target::NameServer { asked, .. } if policy.is_hosts_name_server(from) => {
                    is_answered = true;
                    asked
                }
                Target::Ipv4 | Target::Ipv6 if self.peers.contains(&from.ip()) => {
                    policy.source(from)
                }
                _ => continue,
            };
            self.last_used = now;
            nat.datagram(from, self.port, &buffer[..length]);
        }
        is_answered
    }
}
