//! Frames, byte by byte: those that no stack would send, and a look at those that come back.

use super::ethernet;
use std::net::{IpAddr, SocketAddr};

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// The Internet checksum, in the plainest way.
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A frame of the guest with an IP packet.
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16;
    let packet = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0];
            header[2..4].copy_from_slice(&(length + 20).to_be_bytes());
            header.extend(from.octets());
            header.extend(to.octets());
            fix_header(&mut header);
            [&header, payload].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, protocol, 255];
            header[4..6].copy_from_slice(&length.to_be_bytes());
            header.extend(from.octets());
            header.extend(to.octets());
            [&header, payload].concat()
        }
        _ => panic!("two families"),
    };
    ethernet(&packet)
}

/// Corrects the checksum of an IPv4 header.
pub fn fix_header(header: &mut [u8]) {
    header[10..12].fill(0);
    let sum = checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The guest's own address beside another.
pub fn guest(beside: IpAddr) -> IpAddr {
    let address = if beside.is_ipv4() { "10.0.2.15" } else { "fd00::15" };
    address.parse().expect("an address")
}

/// A TCP segment of the guest; its window is 65,535, and its checksum is missing.
pub fn tcp(from: u16, to: &str, flags: u8, sequence: u32, ack: u32, data: &[u8]) -> Vec<u8> {
    tcp_with_options(from, to, flags, sequence, ack, &[], data)
}

pub fn tcp_with_options(
    from: u16,
    to: &str,
    flags: u8,
    sequence: u32,
    ack: u32,
    options: &[u8],
    data: &[u8],
) -> Vec<u8> {
    let to: SocketAddr = to.parse().expect("an address");
    let mut segment = Vec::new();
    segment.extend(from.to_be_bytes());
    segment.extend(to.port().to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend(ack.to_be_bytes());
    segment.extend([(5 + options.len() as u8 / 4) << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(options);
    segment.extend(data);
    ip(guest(to.ip()), to.ip(), 6, &segment)
}

/// A UDP datagram of the guest; its checksum is missing.
pub fn udp(from: u16, to: &str, data: &[u8]) -> Vec<u8> {
    let to: SocketAddr = to.parse().expect("an address");
    let mut datagram = Vec::new();
    datagram.extend(from.to_be_bytes());
    datagram.extend(to.port().to_be_bytes());
    datagram.extend((data.len() as u16 + 8).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(data);
    ip(guest(to.ip()), to.ip(), 17, &datagram)
}

/// A frame for the guest, taken apart; all that must be right whatever is in it is checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub from: IpAddr,
    pub to: IpAddr,
    pub protocol: u8,
    pub hop_limit: u8,
    pub payload: Vec<u8>,
}

impl Seen {
    pub fn of(frame: &[u8]) -> Self {
        assert_eq!(frame[..6], super::GUEST_MAC, "for somebody else");
        assert_eq!(frame[6..12], super::GATEWAY_MAC, "from somebody else");
        let packet = &frame[14..];
        let address = |range: std::ops::Range<usize>| -> IpAddr {
            match <[u8; 4]>::try_from(&packet[range.clone()]) {
                Ok(octets) => octets.into(),
                Err(_) => <[u8; 16]>::try_from(&packet[range]).expect("16 bytes").into(),
            }
        };
        let seen = if packet[0] == 0x45 {
            assert_eq!(frame[12..14], [8, 0]);
            assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
            assert_eq!(checksum(&packet[..20]), 0, "the header's checksum");
            let (from, to) = (address(12..16), address(16..20));
            let (protocol, hop_limit) = (packet[9], packet[8]);
            Self { from, to, protocol, hop_limit, payload: packet[20..].to_vec() }
        } else {
            assert_eq!(packet[0], 0x60);
            assert_eq!(frame[12..14], [0x86, 0xdd]);
            assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len() - 40);
            let (from, to) = (address(8..24), address(24..40));
            let (protocol, hop_limit) = (packet[6], packet[7]);
            Self { from, to, protocol, hop_limit, payload: packet[40..].to_vec() }
        };
        assert!(seen.protocol == 6 || seen.has_right_checksum(), "the checksum is wrong");
        seen
    }

    fn has_right_checksum(&self) -> bool {
        let mut covered = Vec::new();
        if self.protocol != 1 {
            for address in [self.from, self.to] {
                match address {
                    IpAddr::V4(address) => covered.extend(address.octets()),
                    IpAddr::V6(address) => covered.extend(address.octets()),
                }
            }
            covered.extend((self.payload.len() as u32).to_be_bytes());
            covered.extend([0, 0, 0, self.protocol]);
        }
        covered.extend(&self.payload);
        checksum(&covered) == 0
    }

    pub fn u16(&self, offset: usize) -> u16 {
        u16::from_be_bytes([self.payload[offset], self.payload[offset + 1]])
    }

    pub fn u32(&self, offset: usize) -> u32 {
        u32::from(self.u16(offset)) << 16 | u32::from(self.u16(offset + 2))
    }

    /// Flags, sequence number and acknowledgement of a segment.
    pub fn tcp(&self) -> (u8, u32, u32) {
        assert_eq!(self.protocol, 6);
        (self.payload[13], self.u32(4), self.u32(8))
    }
}
