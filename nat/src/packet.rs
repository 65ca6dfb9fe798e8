//! Ethernet frames and IP packets: read from one side of the wire, and made for it.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A hardware address.
pub type Mac = [u8; 6];

/// Everybody on the wire.
pub const BROADCAST_MAC: Mac = [0xff; 6];

/// The longest IP packet, in bytes: what fits a frame of 64 KiB with headers around it.
pub const MTU: usize = 65_520;
/// The longest frame for the guest, in bytes.
pub const MAX_FRAME: usize = ETHERNET_HEADER + MTU;

/// Bytes of an Ethernet header.
pub const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
/// What packets start with, RFC 1122 3.2.1.7.
pub const HOP_LIMIT: u8 = 64;

/// What a frame carries.
pub mod ethertype {
    pub const IPV4: u16 = 0x0800;
    pub const ARP: u16 = 0x0806;
    pub const IPV6: u16 = 0x86dd;
}

/// Protocols above IP.
pub mod protocol {
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMPV6: u8 = 58;
}

/// Who is on the wire.
#[derive(Clone, Copy)]
pub struct Link {
    pub gateway: Mac,
    pub guest: Mac,
}

impl Link {
    /// The header of a frame for the guest.
    pub fn header(self, ethertype: u16) -> [u8; ETHERNET_HEADER] {
        let mut header = [0; ETHERNET_HEADER];
        header[..6].copy_from_slice(&self.guest);
        header[6..12].copy_from_slice(&self.gateway);
        header[12..].copy_from_slice(&ethertype.to_be_bytes());
        header
    }

    /// The header of a frame with this IP packet, or with one that begins so.
    pub fn header_for(self, packet: &[u8]) -> [u8; ETHERNET_HEADER] {
        let version = packet.first().map_or(0, |byte| byte >> 4);
        self.header(if version == 6 { ethertype::IPV6 } else { ethertype::IPV4 })
    }
}

/// What a frame carries.
pub enum Payload<'a> {
    Arp(&'a [u8]),
    Ip(Packet<'a>),
}

/// An IP packet that is neither a fragment nor has extension headers.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    pub from: IpAddr,
    pub to: IpAddr,
    pub protocol: u8,
    pub hop_limit: u8,
    /// All of it, without what a short frame is filled up with.
    pub bytes: &'a [u8],
    /// What is behind its header.
    pub payload: &'a [u8],
}

/// The hardware address that a frame came from, and what is in it.
pub fn parse(frame: &[u8]) -> Option<(Mac, Payload<'_>)> {
    let (header, payload) = frame.split_first_chunk::<ETHERNET_HEADER>()?;
    let source: Mac = array(header, 6)?;
    // A group cannot send, and answers to it would be broadcast.
    if source[0] & 1 != 0 {
        return None;
    }
    let payload = match u16::from_be_bytes(array(header, 12)?) {
        ethertype::ARP => Payload::Arp(payload),
        _ => Payload::Ip(parse_ip(frame)?),
    };
    Some((source, payload))
}

/// The IP packet in a frame, whoever it is from.
pub fn parse_ip(frame: &[u8]) -> Option<Packet<'_>> {
    let (header, payload) = frame.split_first_chunk::<ETHERNET_HEADER>()?;
    match u16::from_be_bytes(array(header, 12)?) {
        ethertype::IPV4 => parse_ipv4(payload),
        ethertype::IPV6 => parse_ipv6(payload),
        _ => None,
    }
}

/// RFC 791, 3.1. Options are passed over.
fn parse_ipv4(bytes: &[u8]) -> Option<Packet<'_>> {
    let fixed: &[u8; IPV4_HEADER] = bytes.first_chunk()?;
    let header_length = usize::from(fixed[0] & 0xf) * 4;
    let bytes = bytes.get(..u16::from_be_bytes(array(fixed, 2)?).into())?;
    let (header, payload) = bytes.split_at_checked(header_length)?;
    let fragment = u16::from_be_bytes(array(fixed, 6)?) & 0x3fff != 0;
    if fixed[0] >> 4 != 4 || header_length < IPV4_HEADER || fragment || checksum(&[header]) != 0 {
        return None;
    }
    Some(Packet {
        from: Ipv4Addr::from(array::<4>(fixed, 12)?).into(),
        to: Ipv4Addr::from(array::<4>(fixed, 16)?).into(),
        protocol: fixed[9],
        hop_limit: fixed[8],
        bytes,
        payload,
    })
}

/// RFC 8200, 3.
fn parse_ipv6(bytes: &[u8]) -> Option<Packet<'_>> {
    let header: &[u8; IPV6_HEADER] = bytes.first_chunk()?;
    let length = usize::from(u16::from_be_bytes(array(header, 4)?));
    let bytes = bytes.get(..IPV6_HEADER + length)?;
    (header[0] >> 4 == 6).then_some(())?;
    Some(Packet {
        from: Ipv6Addr::from(array::<16>(header, 8)?).into(),
        to: Ipv6Addr::from(array::<16>(header, 24)?).into(),
        protocol: header[6],
        hop_limit: header[7],
        bytes,
        payload: &bytes[IPV6_HEADER..],
    })
}

/// The bytes at `offset`, if they are there.
pub fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// What a packet for the guest starts with.
pub struct Header {
    pub from: IpAddr,
    pub to: IpAddr,
    pub protocol: u8,
    pub hop_limit: u8,
    /// Where in its payload the checksum is.
    pub checksum_at: usize,
}

impl Header {
    /// The frame of a packet whose payload is these parts, with its checksums; each part but the
    /// last has an even length, and the checksum is in the first. `None` when it is longer than the
    /// MTU, or the addresses are not of one family.
    pub fn frame(&self, link: Link, parts: &[&[u8]]) -> Option<Vec<u8>> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut frame = Vec::with_capacity(ETHERNET_HEADER + IPV6_HEADER + length);
        frame.extend_from_slice(&[0; ETHERNET_HEADER]);
        match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let total = u16::try_from(IPV4_HEADER + length).ok()?;
                frame.extend_from_slice(&self.ipv4(from, to, total));
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                frame.extend_from_slice(&self.ipv6(from, to, u16::try_from(length).ok()?));
            }
            _ => return None,
        }
        let sum = self.payload_checksum(length, parts);
        let checksum_at = frame.len() + self.checksum_at;
        let header = link.header_for(&frame[ETHERNET_HEADER..]);
        frame[..ETHERNET_HEADER].copy_from_slice(&header);
        for part in parts {
            frame.extend_from_slice(part);
        }
        frame.get_mut(checksum_at..checksum_at + 2)?.copy_from_slice(&sum.to_be_bytes());
        (frame.len() <= MAX_FRAME).then_some(frame)
    }

    fn ipv4(&self, from: Ipv4Addr, to: Ipv4Addr, total: u16) -> [u8; IPV4_HEADER] {
        let mut header = [0; IPV4_HEADER];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&total.to_be_bytes());
        // Not to be fragmented; then it needs no identification (RFC 6864, 4.1).
        header[6] = 0x40;
        header[8] = self.hop_limit;
        header[9] = self.protocol;
        header[12..16].copy_from_slice(&from.octets());
        header[16..].copy_from_slice(&to.octets());
        let sum = checksum(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }

    fn ipv6(&self, from: Ipv6Addr, to: Ipv6Addr, length: u16) -> [u8; IPV6_HEADER] {
        let mut header = [0; IPV6_HEADER];
        header[0] = 0x60;
        header[4..6].copy_from_slice(&length.to_be_bytes());
        header[6] = self.protocol;
        header[7] = self.hop_limit;
        header[8..24].copy_from_slice(&from.octets());
        header[24..].copy_from_slice(&to.octets());
        header
    }

    /// Of the pseudo header (RFC 768, RFC 8200 8.1) and the payload, in which it is zero yet.
    fn payload_checksum(&self, length: usize, parts: &[&[u8]]) -> u16 {
        let mut pseudo = Vec::with_capacity(IPV6_HEADER);
        if self.protocol != protocol::ICMP {
            for address in [self.from, self.to] {
                match address {
                    IpAddr::V4(address) => pseudo.extend_from_slice(&address.octets()),
                    IpAddr::V6(address) => pseudo.extend_from_slice(&address.octets()),
                }
            }
            // At most 65,535: IPv4's form has the same sum.
            pseudo.extend_from_slice(&(length as u32).to_be_bytes());
            pseudo.extend_from_slice(&[0, 0, 0, self.protocol]);
        }
        let sum = fold(parts.iter().map(|part| sum(part)).sum::<u64>() + self::sum(&pseudo));
        // A zero would say that there is no checksum.
        if sum == 0 && self.protocol == protocol::UDP { 0xffff } else { sum }
    }
}

/// The Internet checksum (RFC 1071) of parts of which each but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    fold(parts.iter().map(|part| sum(part)).sum())
}

fn sum(bytes: &[u8]) -> u64 {
    let (pairs, last) = bytes.as_chunks::<2>();
    let pairs: u64 = pairs.iter().map(|&pair| u64::from(u16::from_be_bytes(pair))).sum();
    pairs + last.first().map_or(0, |&byte| u64::from(byte) << 8)
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
