//! A guest with a TCP of its own, on the other end of the wire.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod frames;

use frames::{ACK, SYN, Seen, tcp_with_options};

use c2w_nat::{Config, Event, FlowId, MTU, Micros, Nat, Network};
use smoltcp::iface::{Config as InterfaceConfig, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Checksum, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

pub const GUEST: &str = "10.0.2.15";
pub const GUEST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const GATEWAY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub const SERVER: &str = "192.0.2.1:80";
pub const SERVER6: &str = "[2001:db8::1]:80";

/// IP packets in both directions.
#[derive(Default)]
struct Wire {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

struct Incoming(Vec<u8>);
struct Outgoing<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut packet = vec![0; length];
        let result = write(&mut packet);
        self.0.push_back(packet);
        result
    }
}

impl phy::Device for Wire {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        Some((Incoming(self.incoming.pop_front()?), Outgoing(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        // As Linux does it with offloading: only the header's is looked at.
        capabilities.checksum.tcp = Checksum::None;
        capabilities
    }
}

/// The guest, the translator and the time.
pub struct World {
    pub nat: Nat,
    pub now: Micros,
    interface: Interface,
    wire: Wire,
    sockets: SocketSet<'static>,
    /// Which frames get lost, by their number: 0 is the first.
    pub lost: Box<dyn Fn(usize) -> bool>,
    /// All frames that the guest got, from their Ethernet headers on.
    pub seen: Vec<Vec<u8>>,
    frames: usize,
}

impl World {
    pub fn new() -> Self {
        Self::with(Config { ipv6: Some(Network::default()), ..Config::default() })
    }

    pub fn with(config: Config) -> Self {
        let mut wire = Wire::default();
        let mut guest = InterfaceConfig::new(HardwareAddress::Ip);
        guest.random_seed = 99;
        let mut interface = Interface::new(guest, &mut wire, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            for address in [GUEST, "fd00::15"] {
                let address: IpAddr = address.parse().expect("an address");
                addresses.push(IpCidr::new(address.into(), 0)).expect("room for it");
            }
        });
        Self {
            nat: Nat::new(config),
            now: Micros(1_000_000),
            interface,
            wire,
            sockets: SocketSet::new(Vec::new()),
            lost: Box::new(|_| false),
            seen: Vec::new(),
            frames: 0,
        }
    }

    /// A socket in the guest that connects.
    pub fn connect(&mut self, to: &str, from_port: u16) -> SocketHandle {
        let to: SocketAddr = to.parse().expect("an address");
        let mut socket = socket();
        socket.connect(self.interface.context(), to, from_port).expect("it can connect");
        self.sockets.add(socket)
    }

    /// A socket in the guest that listens.
    pub fn listen(&mut self, port: u16) -> SocketHandle {
        let mut socket = socket();
        socket.listen(port).expect("it can listen");
        self.sockets.add(socket)
    }

    pub fn guest(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub fn state(&self, handle: SocketHandle) -> State {
        self.sockets.get::<Socket>(handle).state()
    }

    /// A frame of the guest's that its TCP has no part in.
    pub fn inject(&mut self, frame: &[u8]) {
        self.nat.input(self.now, frame);
    }

    /// Carries frames until none is left, a millisecond for each round trip.
    pub fn settle(&mut self) {
        while self.exchange() {
            self.now.0 += 1000;
        }
        // What was held back for data to ride on.
        self.now.0 += 20_000;
        while self.exchange() {
            self.now.0 += 1000;
        }
    }

    /// Carries what is there in both directions; false when there was nothing.
    pub fn exchange(&mut self) -> bool {
        let now = Instant::from_micros(self.now.0 as i64);
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        let mut moved = false;
        while let Some(packet) = self.wire.outgoing.pop_front() {
            moved = true;
            if !self.is_lost() {
                self.nat.input(self.now, &ethernet(&packet));
            }
        }
        let mut frame = Vec::new();
        while self.nat.output(self.now, &mut frame) {
            moved = true;
            let frame = std::mem::take(&mut frame);
            if self.is_lost() {
                continue;
            }
            if frame[12..14] != [8, 6] {
                self.wire.incoming.push_back(frame[14..].to_vec());
            }
            self.seen.push(frame);
        }
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        moved
    }

    fn is_lost(&mut self) -> bool {
        self.frames += 1;
        (self.lost)(self.frames - 1)
    }

    /// The frames for the guest that are there now, which it does not get.
    pub fn replies(&mut self) -> Vec<Seen> {
        let mut frame = Vec::new();
        let mut replies = Vec::new();
        while self.nat.output(self.now, &mut frame) {
            replies.push(Seen::of(&frame));
            frame.clear();
        }
        replies
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.nat.event()).collect()
    }

    /// Carries frames until the guest's next connection is there.
    pub fn next_connect(&mut self) -> (FlowId, SocketAddr) {
        self.settle();
        let events = self.events();
        match events[..] {
            [Event::Connect { flow, to }] => (flow, to),
            _ => panic!("{events:?} in place of a connection"),
        }
    }

    /// An established connection, and the guest's socket.
    pub fn connected(&mut self, to: &str, from_port: u16) -> (FlowId, SocketHandle) {
        let handle = self.connect(to, from_port);
        let (flow, _) = self.next_connect();
        self.nat.accept(flow);
        self.settle();
        assert_eq!(self.events(), [Event::Writable(flow)]);
        assert_eq!(self.state(handle), State::Established);
        (flow, handle)
    }

    /// A connection whose segments the test makes itself, with the guest's first sequence number:
    /// the flow, and what the guest expects next. The guest's window is 65,535 times 16.
    pub fn handshake(&mut self, from: u16, to: &str, sequence: u32) -> (FlowId, u32) {
        let options = [2, 4, 0xff, 0xc8, 3, 3, 4, 0];
        self.inject(&tcp_with_options(from, to, SYN, sequence, 0, &options, &[]));
        let [Event::Connect { flow, .. }] = self.events()[..] else { panic!("no connection") };
        self.nat.accept(flow);
        let [answer] = &self.replies()[..] else { panic!("not one frame") };
        let (flags, ours, ack) = answer.tcp();
        assert_eq!((flags, ack), (SYN | ACK, sequence + 1));
        let ours = ours.wrapping_add(1);
        self.inject(&frames::tcp(from, to, ACK, ack, ours, &[]));
        assert_eq!(self.events(), [Event::Writable(flow)]);
        assert_eq!(self.replies(), []);
        (flow, ours)
    }

    /// All that the guest has sent on a flow.
    pub fn take_received(&mut self, flow: FlowId) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = self.nat.received(flow);
            if bytes.is_empty() {
                return all;
            }
            all.extend_from_slice(bytes);
            let length = bytes.len();
            self.nat.consume(flow, length);
        }
    }
}

fn socket() -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; 100_000]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_ack_delay(None);
    socket
}

/// A frame of the guest with this IP packet.
pub fn ethernet(packet: &[u8]) -> Vec<u8> {
    let kind: [u8; 2] = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
    [&GATEWAY_MAC[..], &GUEST_MAC, &kind, packet].concat()
}

/// Bytes that differ with `seed`.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}
