//! Checksums of TCP, UDP, ICMP and ICMPv6 in Ethernet frames, where the guest's device and the
//! other end of a wire do not agree on who computes them.
//!
//! What has none, as far as these know, is *unknown*: other protocols, fragments, IPv6 with
//! extension headers, VLAN tags, and what is broken, a wrong checksum of the IPv4 header included.
//! The length in the IP header says what is summed up: a short frame is filled up behind it.

use crate::packet::{ETHERNET_HEADER, Packet, parse_ip, protocol};
use core::net::IpAddr;
use core::ops::Range;
use smoltcp::wire::{Icmpv4Packet, Icmpv6Packet, IpAddress, TcpPacket, UdpPacket, checksum};

/// Bytes up to the end of the checksum of ICMPv6, of which smoltcp wants more for some types.
const ICMPV6_HEADER: usize = 4;
/// Where UDP has its checksum (RFC 768). TCP has it at 16, ICMPv6 at 2.
const UDP_CHECKSUM_AT: u16 = 6;
/// smoltcp's sum of 128 KiB would overflow.
const PIECE: usize = 1 << 16;

/// Computes the checksum, whatever is in its place. A frame with an unknown one stays as it is.
pub fn fill(frame: &mut [u8]) {
    let Some(packet) = parse_ip(frame) else { return };
    let (from, to, protocol) = (packet.from, packet.to, packet.protocol);
    let payload = payload_range(&packet);
    let payload = &mut frame[payload];
    match (protocol, from, to) {
        (protocol::TCP, ..) => {
            if let Ok(mut segment) = TcpPacket::new_checked(payload) {
                segment.fill_checksum(&from.into(), &to.into());
            }
        }
        (protocol::UDP, ..) => {
            if let Ok(mut datagram) = UdpPacket::new_checked(payload) {
                datagram.fill_checksum(&from.into(), &to.into());
            }
        }
        (protocol::ICMP, IpAddr::V4(_), _) => {
            if let Ok(mut message) = Icmpv4Packet::new_checked(payload) {
                message.fill_checksum();
            }
        }
        (protocol::ICMPV6, IpAddr::V6(from), IpAddr::V6(to)) if payload.len() >= ICMPV6_HEADER => {
            Icmpv6Packet::new_unchecked(payload).fill_checksum(&from, &to);
        }
        _ => {}
    }
}

/// Where in its frame the payload is.
fn payload_range(packet: &Packet) -> Range<usize> {
    let end = ETHERNET_HEADER + packet.bytes.len();
    end - packet.payload.len()..end
}

/// Whether the checksum is right, or it is UDP over IPv4 without one; false when it is unknown. UDP
/// over IPv6 has to have one (RFC 8200, 8.1).
pub fn is_valid(frame: &[u8]) -> bool {
    let Some(packet) = parse_ip(frame) else { return false };
    let (from, to, payload) = (packet.from, packet.to, packet.payload);
    let ends: (IpAddress, IpAddress) = (from.into(), to.into());
    match (packet.protocol, from, to) {
        (protocol::TCP, ..) => TcpPacket::new_checked(payload)
            .is_ok_and(|segment| segment.verify_checksum(&ends.0, &ends.1)),
        (protocol::UDP, ..) => UdpPacket::new_checked(payload).is_ok_and(|datagram| {
            let may_be_valid = from.is_ipv4() || datagram.checksum() != 0;
            may_be_valid && datagram.verify_checksum(&ends.0, &ends.1)
        }),
        (protocol::ICMP, IpAddr::V4(_), _) => {
            Icmpv4Packet::new_checked(payload).is_ok_and(|message| message.verify_checksum())
        }
        (protocol::ICMPV6, IpAddr::V6(from), IpAddr::V6(to)) => {
            payload.len() >= ICMPV6_HEADER
                && Icmpv6Packet::new_unchecked(payload).verify_checksum(&from, &to)
        }
        _ => false,
    }
}

/// Does what `VIRTIO_NET_HDR_F_NEEDS_CSUM` asks for (virtio 1.2, 5.1.6.2): sums up all from `start`
/// to the frame's end, where the checksum's field has the sum of the pseudo header, and puts the
/// result `offset` behind `start`. A frame that does not reach so far stays as it is.
///
/// Nothing is parsed here: what a frame is filled up with is summed up, too, and is zero unless the
/// driver made a mistake.
pub fn complete(frame: &mut [u8], start: u16, offset: u16) {
    let at = usize::from(start) + usize::from(offset);
    if frame.len() < at + 2 {
        return;
    }
    let sum = frame[start.into()..]
        .chunks(PIECE)
        .fold(0, |sum, piece| checksum::combine(&[sum, checksum::data(piece)]));
    // A zero would say that there is no checksum.
    let sum = if sum == 0xffff && offset == UDP_CHECKSUM_AT { sum } else { !sum };
    frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
