//! UDP (RFC 768), both ways. Which socket of the host a port of the guest has is the driver's.

use crate::config::Config;
use crate::event::Event;
use crate::packet::{HOP_LIMIT, Header, Link, Packet, array, protocol};
use alloc::vec::Vec;
use core::net::SocketAddr;

const HEADER: usize = 8;
const CHECKSUM_AT: usize = 6;
const DNS_PORT: u16 = 53;

/// Source port, destination port and data of a datagram that has ports and the length it says.
pub fn parse<'a>(packet: &Packet<'a>) -> Option<(u16, u16, &'a [u8])> {
    let port = |offset| array(packet.payload, offset).map(u16::from_be_bytes);
    let (from, to, length) = (port(0)?, port(2)?, port(4)?);
    let data = packet.payload.get(HEADER..length.into())?;
    (packet.protocol == protocol::UDP && from != 0 && to != 0).then_some((from, to, data))
}

/// What the driver is told of a datagram of the guest.
pub fn event(config: &Config, packet: &Packet) -> Option<Event> {
    let (from, to_port, data) = parse(packet)?;
    let (to, data) = (SocketAddr::new(packet.to, to_port), data.to_vec());
    let is_question = to_port == DNS_PORT && config.dns_beside(packet.to) == Some(packet.to);
    Some(match is_question {
        true => Event::Question { from, to, data },
        false => Event::Datagram { from, to, data },
    })
}

/// The frame of a datagram for the guest.
pub fn frame(link: Link, from: SocketAddr, to: SocketAddr, data: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(HEADER + data.len()).ok()?;
    if from.port() == 0 || to.port() == 0 {
        return None;
    }
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&from.port().to_be_bytes());
    header[2..4].copy_from_slice(&to.port().to_be_bytes());
    header[4..6].copy_from_slice(&length.to_be_bytes());
    let (from, to) = (from.ip(), to.ip());
    let protocol = protocol::UDP;
    Header { from, to, protocol, hop_limit: HOP_LIMIT, checksum_at: CHECKSUM_AT }
        .frame(link, &[&header, data])
}
