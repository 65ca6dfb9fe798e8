//! One TCP segment of the guest, on its way to a flow's socket or to none.

use crate::clock::Micros;
use crate::flow::{ACK_DELAY, Tuple};
use crate::frames::Frames;
use crate::packet::{HOP_LIMIT, Header, Link, Packet, array, protocol};
use crate::wire::{Wire, instant};
use alloc::vec::Vec;
use core::net::SocketAddr;
use smoltcp::iface::{Interface, SocketSet};

/// Bits of the TCP header's flags.
pub mod flag {
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const ACK: u8 = 16;
}

/// A segment of the guest: when it came, and what is looked at before smoltcp parses it.
pub struct Segment<'a> {
    pub now: Micros,
    link: Link,
    pub packet: &'a Packet<'a>,
    pub tuple: Tuple,
    flags: u8,
}

impl<'a> Segment<'a> {
    /// `None` when it is too short, or a port is 0, which smoltcp does not take.
    pub fn parse(now: Micros, link: Link, packet: &'a Packet<'a>) -> Option<Self> {
        let port = |offset| array(packet.payload, offset).map(u16::from_be_bytes);
        let (guest_port, to) = (port(0)?, port(2)?);
        let [flags] = array(packet.payload, 13)?;
        let tuple = Tuple { guest_port, remote: SocketAddr::new(packet.to, to) };
        (guest_port != 0 && to != 0).then_some(Self { now, link, packet, tuple, flags })
    }

    /// Whether it opens a connection.
    pub fn is_syn(&self) -> bool {
        self.flags & (flag::SYN | flag::ACK | flag::RST | flag::FIN) == flag::SYN
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Gives it to the socket of a flow, or to none. An answer of smoltcp goes to `replies`.
    pub fn enter(
        &self,
        interface: &mut Interface,
        sockets: &mut SocketSet<'static>,
        replies: &mut Frames,
    ) {
        let mut frame = Vec::new();
        let mut wire = Wire::new(self.link, Some(self.packet.bytes), &mut frame);
        interface.poll_ingress_single(instant(self.now), &mut wire, sockets);
        if wire.sent {
            replies.push(frame);
        }
    }

    /// After a segment that brought its flow into TIME-WAIT: sends the ACK that is due, without
    /// delay, so that smoltcp is done with the flow. It would clear after 10 s what is received.
    pub fn last_ack(
        &self,
        interface: &mut Interface,
        sockets: &mut SocketSet<'static>,
        replies: &mut Frames,
    ) {
        let mut frame = Vec::new();
        let mut wire = Wire::new(self.link, None, &mut frame);
        interface.poll_egress(instant(self.now.plus(ACK_DELAY)), &mut wire, sockets);
        if wire.sent {
            replies.push(frame);
        }
    }

    /// The ACK of a FIN that comes again after its flow has ended, as its own sequence numbers say
    /// (RFC 9293, 3.10.7.4, TIME-WAIT).
    pub fn late_ack(&self) -> Option<Vec<u8>> {
        if !self.has(flag::FIN) || !self.has(flag::ACK) {
            return None;
        }
        let segment = self.packet.payload;
        let header_length = usize::from(segment.get(12)? >> 4) * 4;
        let length = segment.len().checked_sub(header_length)? as u32;
        let ours: [u8; 4] = array(segment, 8)?;
        let theirs = u32::from_be_bytes(array(segment, 4)?).wrapping_add(length).wrapping_add(1);
        let mut ack = [0; 20];
        ack[..2].copy_from_slice(&self.tuple.remote.port().to_be_bytes());
        ack[2..4].copy_from_slice(&self.tuple.guest_port.to_be_bytes());
        ack[4..8].copy_from_slice(&ours);
        ack[8..12].copy_from_slice(&theirs.to_be_bytes());
        ack[12] = 5 << 4;
        ack[13] = flag::ACK;
        let (from, to, protocol) = (self.packet.to, self.packet.from, protocol::TCP);
        Header { from, to, protocol, hop_limit: HOP_LIMIT, checksum_at: 16 }
            .frame(self.link, &[&ack])
    }
}
