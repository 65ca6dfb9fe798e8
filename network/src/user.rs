//! The network of a container whose packets become connections and datagrams of this process.

use crate::datagrams::Datagrams;
use crate::guest;
use crate::names::Names;
use crate::policy::Policy;
use crate::sockets::{Interest, Sockets};
use crate::streams::Streams;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_emulator::devices::virtio::net;
use c2w_emulator::devices::{Checksum, NetBackend};
use c2w_guest_abi::Network;
use c2w_nat::{Config, Event, Micros, Nat};
use c2w_session::options::{self, HostAddress, NetworkOptions, Protocol, PublishedPort};
use core::cell::RefCell;
use core::net::SocketAddr;

/// What a host knows of the networks that it is in.
#[derive(Clone, Debug, Default)]
pub struct HostNetwork {
    /// The servers that it asks for names, in order; without, [`Sockets::resolve`] is asked.
    pub name_servers: Vec<SocketAddr>,
    /// The domains in which it looks names up.
    pub search: Vec<Vec<u8>>,
    /// Whether it reaches others by IPv6.
    pub ipv6: bool,
}

/// The network of one container.
pub struct UserNetwork<S: Sockets> {
    nat: Rc<RefCell<Nat>>,
    policy: Policy,
    sockets: S,
    streams: Streams<S>,
    datagrams: Datagrams<S>,
    names: Names<S>,
    guest: Network,
    config: Config,
    published: Vec<(PublishedPort, SocketAddr)>,
    /// Bytes on their way from a socket to the guest.
    buffer: Vec<u8>,
    next_timer: Option<u64>,
}

/// The NAT as what is at the other end of the guest's wire.
pub struct Wire(Rc<RefCell<Nat>>);

impl NetBackend for Wire {
    /// The NAT does not look at the checksum: the frame has not been on a real wire.
    fn transmit(&mut self, now: u64, frame: &[u8], _: Checksum) {
        self.0.borrow_mut().input(micros(now), frame);
    }

    fn receive(&mut self, now: u64, frame: &mut Vec<u8>) -> Option<Checksum> {
        self.0.borrow_mut().output(micros(now), frame).then_some(Checksum::Valid)
    }
}

fn micros(ns: u64) -> Micros {
    Micros(ns / 1000)
}

// The device and the NAT are of the same wire.
const _: () = assert!(c2w_nat::MTU == net::MTU as usize);

/// The longest datagram of UDP over IPv4, so that none is cut.
const BUFFER: usize = 65_507;

impl<S: Sockets> UserNetwork<S> {
    /// A network with the published ports open. `seed` is random.
    ///
    /// # Errors
    /// When a port cannot be published: which, and why.
    pub fn new(
        options: &NetworkOptions,
        host: HostNetwork,
        seed: u64,
        sockets: S,
    ) -> Result<Self, String> {
        let ipv6 = host.ipv6.then(c2w_nat::Network::default);
        let config = Config::default();
        let guest_mac = options.mac.unwrap_or(config.guest_mac);
        let config = Config { ipv6, seed, guest_mac, ..config };
        let guest = guest::network(options, &host, &config);
        let is_gateway = |(_, address): &(_, HostAddress)| *address == HostAddress::HostGateway;
        let host_gateway = options.hosts.iter().any(is_gateway);
        let mut network = Self {
            nat: Rc::new(RefCell::new(Nat::new(config.clone()))),
            policy: Policy::new(host_gateway, host.name_servers, config.clone()),
            sockets,
            streams: Streams::new(),
            datagrams: Datagrams::new(),
            names: Names::new(),
            guest,
            config,
            published: Vec::new(),
            buffer: alloc::vec![0; BUFFER],
            next_timer: None,
        };
        options.publish.iter().try_for_each(|port| network.publish(*port))?;
        Ok(network)
    }

    /// Publishes one more port.
    ///
    /// # Errors
    /// When it cannot be: which, and why.
    pub fn publish(&mut self, port: PublishedPort) -> Result<(), String> {
        let host = match port.protocol {
            Protocol::Tcp => self.streams.publish(&port, &mut self.sockets),
            Protocol::Udp => self.datagrams.publish(&port, &mut self.sockets),
        }?;
        self.published.push((port, host));
        Ok(())
    }

    /// How the guest is to set its interface up.
    pub fn guest(&self) -> &Network {
        &self.guest
    }

    /// Publishes what an image exposes (`80/tcp`), at free ports, but for what is published already.
    ///
    /// # Errors
    /// When one cannot be published: which, and why.
    pub fn publish_exposed(&mut self, exposed: &[String]) -> Result<(), String> {
        for port in exposed.iter().flat_map(|text| options::exposed_ports(text)) {
            let same = |(other, _): &(PublishedPort, _)| {
                (other.container, other.protocol) == (port.container, port.protocol)
            };
            if !self.published.iter().any(same) {
                self.publish(port)?;
            }
        }
        Ok(())
    }

    /// A line for people about each published port that they have not chosen.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let chosen = self.published.iter().filter(|(asked, _)| asked.host.port() == 0);
        chosen.map(|(asked, at)| {
            let protocol = match asked.protocol {
                Protocol::Tcp => "",
                Protocol::Udp => "/udp",
            };
            format!("{at}{protocol} is port {} of the container", asked.container)
        })
    }

    /// The other end of the guest's wire.
    pub fn wire(&self) -> Wire {
        Wire(self.nat.clone())
    }

    /// The host's sockets.
    pub fn sockets_mut(&mut self) -> &mut S {
        &mut self.sockets
    }

    /// Moves what can be moved without waiting; `deliver` moves frames between the guest and the
    /// [`Wire`] and returns whether there were any. Returns whether anything was moved, so that the
    /// guest has something to do.
    pub fn exchange(&mut self, now: u64, deliver: impl FnOnce() -> bool) -> bool {
        let mut moved = self.handle_events(now);
        moved |= self.handle_ready(now);
        moved |= deliver();
        // A timer that is due and moves nothing waits for the guest to make room.
        let nat = self.nat.borrow().poll_at().map(|at| at.0.saturating_mul(1000));
        let timers = [nat, self.streams.deadline()];
        self.next_timer = timers.into_iter().flatten().filter(|&at| at > now).min();
        moved
    }

    /// When [`Self::exchange`] has something to do even if nothing happens, on the session's clock.
    pub fn next_timer(&self) -> Option<u64> {
        self.next_timer
    }

    /// The sockets that may have something for the guest, or take what it has for them.
    pub fn interests(&self) -> Vec<Interest<'_, S>> {
        let nat = self.nat.borrow();
        let mut interests = self.streams.interests(&nat);
        interests.extend(self.datagrams.interests());
        interests.extend(self.names.interests());
        interests
    }

    /// Whether the guest has sent bytes that the host's sockets have not taken yet.
    pub fn is_sending(&mut self) -> bool {
        self.streams.is_sending(&mut self.nat.borrow_mut(), &mut self.sockets)
    }

    /// Ends all connections: those of which the guest has not sent its last byte by a reset. What is
    /// published stays so, for another guest; `seed` is random.
    pub fn end(&mut self, seed: u64) {
        let nat = &mut *self.nat.borrow_mut();
        self.streams.end(nat, &mut self.sockets);
        self.datagrams.end();
        self.names = Names::new();
        self.config.seed = seed;
        *nat = Nat::new(self.config.clone());
    }

    fn handle_events(&mut self, now: u64) -> bool {
        let mut any = false;
        let nat = &mut *self.nat.borrow_mut();
        while let Some(event) = nat.event() {
            any = true;
            let (policy, sockets) = (&mut self.policy, &mut self.sockets);
            match event {
                Event::Datagram { from, to, data } => {
                    self.datagrams.send(now, from, to, &data, policy, sockets);
                }
                Event::Question { from, to, data } if policy.name_server().is_none() => {
                    self.names.ask(from, to, &data, nat, sockets);
                }
                Event::Question { from, to, data } => {
                    self.datagrams.ask(now, from, to, &data, policy, sockets);
                }
                // A host gives no raw socket to everybody, and a forged answer would be a lie.
                Event::Echo { .. } => {}
                event => self.streams.handle(now, event, nat, policy, sockets),
            }
        }
        any
    }

    fn handle_ready(&mut self, now: u64) -> bool {
        let nat = &mut *self.nat.borrow_mut();
        self.streams.expire(now, nat, &mut self.sockets);
        let streams = self.streams.interests(nat);
        let (of_streams, datagrams) = (streams.len(), self.datagrams.interests());
        let interests: Vec<_> = streams.into_iter().chain(datagrams).collect();
        let ready = match interests.is_empty() {
            true => Vec::new(),
            false => self.sockets.ready(&interests),
        };
        let (streams, datagrams) = ready.split_at(of_streams);
        let (policy, sockets) = (&mut self.policy, &mut self.sockets);
        let buffer = &mut self.buffer[..];
        let mut moved = self.streams.advance(now, streams, nat, policy, sockets, buffer);
        moved |= self.datagrams.advance(now, datagrams, nat, policy, sockets, buffer);
        moved | self.names.advance(nat, sockets)
    }
}
