//! ICMP (RFC 792) and ICMPv6 (RFC 4443): echo, and refused connections.

use crate::event::Refusal;
use crate::packet::{HOP_LIMIT, Header, Link, Packet, array, protocol};
use alloc::vec::Vec;
use core::net::IpAddr;

const CHECKSUM_AT: usize = 2;

/// Identifier, sequence number and data of an echo request.
pub fn echo_request<'a>(packet: &Packet<'a>) -> Option<(u16, u16, &'a [u8])> {
    let request = if packet.to.is_ipv4() { 8 } else { 128 };
    let [kind, code, _, _, id @ .., s0, s1] = array::<8>(packet.payload, 0)?;
    (kind == request && code == 0)
        .then(|| (u16::from_be_bytes(id), u16::from_be_bytes([s0, s1]), &packet.payload[8..]))
}

/// The frame that answers it.
pub fn echo_reply(
    link: Link,
    from: IpAddr,
    to: IpAddr,
    id: u16,
    sequence: u16,
    data: &[u8],
) -> Option<Vec<u8>> {
    let reply = if from.is_ipv4() { 0 } else { 129 };
    let [i0, i1] = id.to_be_bytes();
    let [s0, s1] = sequence.to_be_bytes();
    header(from, to).frame(link, &[&[reply, 0, 0, 0, i0, i1, s0, s1], data])
}

fn header(from: IpAddr, to: IpAddr) -> Header {
    let protocol = if from.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
    Header { from, to, protocol, hop_limit: HOP_LIMIT, checksum_at: CHECKSUM_AT }
}

/// What an error message repeats of the packet that it is about: the guest finds its socket by it.
pub struct Quote {
    pub from: IpAddr,
    bytes: Vec<u8>,
}

impl Quote {
    /// The header and the 64 bits behind it: ports and, with TCP, the sequence number.
    pub fn of(packet: &Packet) -> Self {
        let header = packet.bytes.len() - packet.payload.len();
        let bytes = packet.bytes.get(..header + 8).unwrap_or(packet.bytes).to_vec();
        Self { from: packet.from, bytes }
    }
}

/// The frame that says why; `None` when an RST says it.
pub fn unreachable(
    link: Link,
    gateway: IpAddr,
    quote: &Quote,
    refusal: Refusal,
) -> Option<Vec<u8>> {
    let (kind, code) = match (refusal, gateway.is_ipv4()) {
        (Refusal::Reset, _) => return None,
        (Refusal::NetworkUnreachable, true) => (3, 0),
        (Refusal::NetworkUnreachable, false) => (1, 0),
        (Refusal::HostUnreachable, true) => (3, 1),
        (Refusal::HostUnreachable, false) => (1, 3),
        (Refusal::Prohibited, true) => (3, 13),
        (Refusal::Prohibited, false) => (1, 1),
    };
    header(gateway, quote.from).frame(link, &[&[kind, code, 0, 0, 0, 0, 0, 0], &quote.bytes])
}
