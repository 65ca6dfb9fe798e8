//! A user-mode network address translator: the guest's Ethernet frames on one side, connections and
//! datagrams of a host on the other, as in slirp and passt.
//!
//! It is sans-IO: no socket, no clock, no thread. A driver hands over the guest's frames
//! ([`Nat::input`]) and fetches those for the guest ([`Nat::output`]); it asks what happened
//! ([`Nat::event`]) and acts on it with the host's sockets, naming connections by [`FlowId`]. Which
//! addresses may be reached is up to the driver, which refuses.
//!
//! ```
//! use c2w_nat::{Config, Event, Micros, Nat, Refusal};
//!
//! # fn frame_of_the_guest() -> Option<Vec<u8>> { None }
//! let mut nat = Nat::new(Config { seed: 4, ..Config::default() });
//! let now = Micros(0);
//! while let Some(frame) = frame_of_the_guest() {
//!     nat.input(now, &frame);
//! }
//! while let Some(event) = nat.event() {
//!     match event {
//!         // Connect to `to`; then `accept`, or:
//!         Event::Connect { flow, .. } => nat.refuse(flow, Refusal::Reset),
//!         _ => {}
//!     }
//! }
//! let mut frame = Vec::new();
//! while nat.output(now, &mut frame) {
//!     // Give it to the guest.
//!     frame.clear();
//! }
//! ```
//!
//! - **TCP** ends here, in smoltcp's implementation: a stream on this side, another on the host's.
//!   The guest's SYN is held until the driver says whether the host could connect, so that
//!   connect(2) in the guest ends as it did on the host.
//! - **UDP** is passed on; the driver keeps the map from the guest's ports to sockets.
//! - **ICMP** echo requests to the gateway and the name server are answered, others passed on.
//! - **DHCP** (IPv4) gives the guest the address that [`Config`] says. The other way round,
//!   [`dhcp::Client`] asks a foreign network for one.
//! - **ARP and neighbour discovery** are answered for every address that is not the guest's.
//! - Everything else is dropped: fragments, multicast, broadcast, other protocols.
//!
//! The guest is hostile. Whatever it sends, memory is bounded by [`Limits`] and nothing panics.
//! Checksums of TCP, UDP and ICMP from the guest are not looked at, because a virtio driver may
//! leave them to the device; what comes out lacks only those of TCP. [`checksum`] is for frames
//! that go on to a peer who looks at them.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod checksum;
mod clock;
mod config;
pub mod dhcp;
mod event;
mod flow;
mod flows;
mod frames;
mod icmp;
mod neighbours;
mod packet;
mod segment;
mod udp;
mod wire;

pub use clock::Micros;
pub use config::{Config, Limits, Network};
pub use event::{End, Event, FlowId, Refusal};
pub use packet::{MAX_FRAME, MTU, Mac};

use alloc::vec::Vec;
use clock::Clock;
use core::net::{IpAddr, SocketAddr};
use event::Packets;
use flows::Flows;
use frames::Frames;
use packet::{Link, Packet, Payload, protocol};

/// How many frames of our own wait for the guest: answers to its frames, which come one by one.
const REPLIES: usize = 64;

/// The translator, for one guest.
pub struct Nat {
    config: Config,
    clock: Clock,
    link: Link,
    flows: Flows,
    /// ARP, neighbour advertisements, DHCP, ICMP, and segments that answer one of the guest's at
    /// once.
    replies: Frames,
    datagrams: Frames,
    packets: Packets,
}

impl Nat {
    /// A translator without flows.
    pub fn new(config: Config) -> Self {
        Self {
            clock: Clock::default(),
            link: Link { gateway: config.mac, guest: config.guest_mac },
            flows: Flows::new(&config),
            replies: Frames::new(REPLIES),
            datagrams: Frames::new(config.limits.datagrams),
            packets: Packets::new(&config.limits),
            config,
        }
    }

    /// A frame of the guest, from its Ethernet header on, without a frame check sequence. Its IPv4
    /// header's checksum must be right, others may be left undone. Frames are answered to the
    /// address that the last of them came from.
    pub fn input(&mut self, now: Micros, frame: &[u8]) {
        let now = self.clock.advance(now);
        let Some((source, payload)) = packet::parse(frame) else { return };
        self.link.guest = source;
        match payload {
            Payload::Arp(request) => {
                let reply = neighbours::arp_reply(self.link, self.config.ipv4.guest, request);
                self.replies.extend(reply);
            }
            Payload::Ip(packet) => self.packet(now, &packet),
        }
    }

    fn packet(&mut self, now: Micros, packet: &Packet) {
        if let (Some(network), protocol::ICMPV6) = (&self.config.ipv6, packet.protocol)
            && let Some(reply) = neighbours::advertisement(self.link, network.guest, packet)
        {
            self.replies.extend([reply]);
        }
        // Before all else: who asks may have no address yet, and ask everybody.
        if dhcp::is_question(&self.config, packet) {
            self.replies.extend(dhcp::answer(&self.config, self.link, packet));
            return;
        }
        if !self.config.is_from_guest(packet) || !self.config.may_be_reached(packet.to) {
            return;
        }
        match (packet.protocol, packet.to) {
            (protocol::TCP, _) => {
                self.flows.input(now, self.link, packet, &mut self.replies);
            }
            (protocol::UDP, _) => self.packets.push(udp::event(&self.config, packet)),
            (protocol::ICMP, IpAddr::V4(_)) | (protocol::ICMPV6, IpAddr::V6(_)) => {
                self.echo_request(packet);
            }
            _ => {}
        }
    }

    fn echo_request(&mut self, packet: &Packet) {
        let Some((id, sequence, data)) = icmp::echo_request(packet) else { return };
        if self.config.is_ours(packet.to) {
            self.echo_reply(packet.to, id, sequence, data);
        } else {
            let to = packet.to;
            self.packets.push(Some(Event::Echo { to, id, sequence, data: data.to_vec() }));
        }
    }

    /// The next frame for the guest, appended to `frame`; false when there is none now. At most
    /// [`MAX_FRAME`] bytes. Its checksums are right but for that of TCP, which is left zero: the
    /// device tells the guest that the data is valid.
    ///
    /// A caller that cannot take a frame does not ask for it; that holds TCP back, and datagrams
    /// above their limit are dropped meanwhile.
    pub fn output(&mut self, now: Micros, frame: &mut Vec<u8>) -> bool {
        let now = self.clock.advance(now);
        let own = self.replies.pop().or_else(|| self.datagrams.pop());
        if let Some(own) = own {
            frame.extend_from_slice(&own);
            return true;
        }
        self.flows.output(now, self.link, frame)
    }

    /// When [`Nat::output`] shall be called the next time, if nothing happens before: in the past
    /// when it may have a frame at once, `None` when no timer runs. While the guest takes no frames
    /// there is nothing to wait for here.
    pub fn poll_at(&self) -> Option<Micros> {
        if !self.replies.is_empty() || !self.datagrams.is_empty() {
            return Some(Micros(0));
        }
        self.flows.poll_at().map(|at| self.clock.of_driver(at))
    }

    /// What happened since it was asked last; to be asked until there is nothing more.
    pub fn event(&mut self) -> Option<Event> {
        self.flows.event().or_else(|| self.packets.pop())
    }

    /// The host is connected: the guest gets its SYN-ACK. Answers [`Event::Connect`].
    pub fn accept(&mut self, flow: FlowId) {
        self.flows.accept(flow);
    }

    /// The host could not connect, or must not. Answers [`Event::Connect`]; the flow is forgotten,
    /// without another event.
    pub fn refuse(&mut self, flow: FlowId, refusal: Refusal) {
        let Some(quote) = self.flows.refuse(flow, refusal) else { return };
        let Some(gateway) = self.config.gateway_beside(quote.from) else { return };
        self.replies.extend(icmp::unreachable(self.link, gateway, &quote, refusal));
    }

    /// Bytes from the guest that are not consumed yet. There may be more behind them: ask again
    /// after [`Nat::consume`], until this is empty.
    pub fn received(&mut self, flow: FlowId) -> &[u8] {
        self.flows.received(flow)
    }

    /// Drops the first `count` bytes of [`Nat::received`], at most as many as it gave. They are to
    /// be with the host: this opens the window for the guest.
    pub fn consume(&mut self, flow: FlowId, count: usize) {
        self.flows.consume(flow, count);
    }

    /// Whether the guest will send nothing more (it sent a FIN) and all is consumed: shut down the
    /// writing side of the host's socket. When the driver has closed, too, the flow ends instead,
    /// with [`End::Finished`].
    pub fn finished(&self, flow: FlowId) -> bool {
        self.flows.finished(flow)
    }

    /// How many bytes [`Nat::send`] would take now: none before the connection is established and
    /// after [`Nat::close`].
    pub fn room(&self, flow: FlowId) -> usize {
        self.flows.room(flow)
    }

    /// How many bytes of [`Nat::send`] the guest has not acknowledged.
    pub fn unacknowledged(&self, flow: FlowId) -> usize {
        self.flows.unacknowledged(flow)
    }

    /// Sends bytes to the guest; returns how many were taken, at most [`Nat::room`]. Once there is
    /// no room left, [`Event::Writable`] tells when there is some again.
    pub fn send(&mut self, flow: FlowId, bytes: &[u8]) -> usize {
        self.flows.send(flow, bytes)
    }

    /// The host sends nothing more: the guest gets a FIN behind what was sent. The other direction
    /// goes on (RFC 9293, 3.6). A flow that was not accepted is refused.
    pub fn close(&mut self, flow: FlowId) {
        self.flows.close(flow);
    }

    /// Ends the flow with an RST (RFC 9293, 3.5.2), in whatever state it is, without another event.
    pub fn abort(&mut self, flow: FlowId) {
        self.flows.abort(flow);
    }

    /// Connects to a port of the guest, for a client whom the guest shall see as `from`: usually
    /// the gateway's address. With port 0, one is chosen from 49152 to 65535. [`Event::Opened`],
    /// [`Event::Refused`] or nothing follows: how long to wait is up to the driver, which aborts.
    ///
    /// `None` when there are too many flows, no address to connect to, or `from` and `to_port`
    /// belong to a flow already.
    pub fn open(&mut self, from: SocketAddr, to_port: u16) -> Option<FlowId> {
        if !self.config.may_be_reached(from.ip()) {
            return None;
        }
        self.flows.open(from, to_port)
    }

    /// A UDP datagram to the guest. False when it was dropped: too many wait, it is longer than
    /// 65,492 bytes (IPv4) or 65,472 (IPv6), a port is 0, or there is no such address.
    pub fn datagram(&mut self, from: SocketAddr, to_port: u16, data: &[u8]) -> bool {
        if !self.config.may_be_reached(from.ip()) {
            return false;
        }
        let Some(guest) = self.config.guest_beside(from.ip()) else { return false };
        let to = SocketAddr::new(guest, to_port);
        match udp::frame(self.link, from, to, data) {
            Some(frame) => self.datagrams.push(frame),
            None => false,
        }
    }

    /// An echo reply to the guest (RFC 792, RFC 4443 4.2), with what came in [`Event::Echo`].
    pub fn echo_reply(&mut self, from: IpAddr, id: u16, sequence: u16, data: &[u8]) {
        let Some(guest) = self.config.guest_beside(from) else { return };
        self.replies.extend(icmp::echo_reply(self.link, from, guest, id, sequence, data));
    }
}
