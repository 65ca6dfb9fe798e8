//! Checksums of frames, against sums in the plainest way.

mod stack;

use c2w_nat::checksum::{complete, fill, is_valid};
use stack::frames::{self, Seen, checksum, fix_header, guest, ip, tcp, udp};
use stack::{GATEWAY_MAC, GUEST_MAC, SERVER, SERVER6, noise};
use std::net::IpAddr;

const NTP: &str = "192.0.2.9:123";
const NTP6: &str = "[2001:db8::9]:123";

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn echo(to: &str, data: &[u8]) -> Vec<u8> {
    let (to, kind, protocol) = match address(to) {
        to @ IpAddr::V4(_) => (to, 8, 1),
        to @ IpAddr::V6(_) => (to, 128, 58),
    };
    ip(guest(to), to, protocol, &[&[kind, 0, 0, 0, 1, 2, 3, 4], data].concat())
}

/// A frame of each protocol with this data and without a checksum, and where that is.
fn samples(data: &[u8]) -> Vec<(Vec<u8>, usize)> {
    vec![
        (tcp(4000, SERVER, frames::ACK, 1, 2, data), 14 + 20 + 16),
        (tcp(4000, SERVER6, frames::ACK, 1, 2, data), 14 + 40 + 16),
        (udp(4000, NTP, data), 14 + 20 + 6),
        (udp(4000, NTP6, data), 14 + 40 + 6),
        (echo("192.0.2.9", data), 14 + 20 + 2),
        (echo("2001:db8::9", data), 14 + 40 + 2),
    ]
}

/// What the checksum of a frame without options has to be, if the field is zero now.
fn plain(frame: &[u8]) -> u16 {
    let packet = &frame[14..];
    let (addresses, protocol, payload) = match packet[0] {
        0x45 => (&packet[12..20], packet[9], &packet[20..]),
        _ => (&packet[8..40], packet[6], &packet[40..]),
    };
    let pseudo = match protocol {
        1 => vec![],
        _ => [addresses, &[0, protocol], &(payload.len() as u16).to_be_bytes()].concat(),
    };
    checksum(&[&pseudo, payload].concat())
}

/// The frame as the guest's network has it: turned around, for [`Seen`] to check.
fn seen(frame: &[u8]) -> Seen {
    Seen::of(&[&GUEST_MAC[..], &GATEWAY_MAC, &frame[12..]].concat())
}

#[test]
fn they_are_filled_in() {
    for length in [0, 1, 2, 3, 55, 1400, 1401, 65_470] {
        for (mut frame, at) in samples(&noise(length as u64, length)) {
            let right = plain(&frame);
            for before in [0, 0xffff, right, !right] {
                let mut expected = frame.clone();
                expected[at..at + 2].copy_from_slice(&right.to_be_bytes());
                frame[at..at + 2].copy_from_slice(&before.to_be_bytes());
                fill(&mut frame);
                assert!(frame == expected, "{length} bytes, {before:#x} before");
                assert!(is_valid(&frame));
            }
            assert!(seen(&frame).payload.len() > length);
        }
    }
}

#[test]
fn each_wrong_bit_is_seen() {
    for (mut frame, _) in samples(b"some data") {
        fill(&mut frame);
        // Of IPv6's header the traffic class, the flow and the hops are not summed up.
        let is_ipv6 = frame[14] == 0x60;
        let is_outside =
            |at, bit| is_ipv6 && (at == 14 && bit < 4 || (15..18).contains(&at) || at == 21);
        for at in 14..frame.len() {
            for bit in 0..8 {
                frame[at] ^= 1 << bit;
                assert!(!is_valid(&frame) || is_outside(at, bit), "byte {at}, bit {bit}");
                frame[at] ^= 1 << bit;
            }
        }
        assert!(is_valid(&frame));
    }
}

/// Data of two bytes that makes a checksum zero.
fn with_sum_of_zero(to: &str) -> (Vec<u8>, usize) {
    let frame = udp(4000, to, &[0, 0]);
    let frame = udp(4000, to, &plain(&frame).to_be_bytes());
    assert_eq!(plain(&frame), 0);
    let at = frame.len() - 4;
    (frame, at)
}

#[test]
fn zero_says_that_there_is_none() {
    for to in [NTP, NTP6] {
        let (mut frame, at) = with_sum_of_zero(to);
        // Only IPv4 allows for none.
        assert_eq!(is_valid(&frame), to == NTP);
        fill(&mut frame);
        assert_eq!(frame[at..at + 2], [0xff; 2]);
        assert!(is_valid(&frame));
    }
    let mut segment = tcp(4000, SERVER, frames::ACK, 1, 2, &[0, 0]);
    let last = segment.len() - 2;
    let sum = plain(&segment).to_be_bytes();
    segment[last..].copy_from_slice(&sum);
    fill(&mut segment);
    assert_eq!(segment[50..52], [0, 0], "the sum of TCP may be zero");
    assert!(is_valid(&segment));
}

#[test]
fn options_and_padding_are_passed_over() {
    for (frame, at) in samples(b"odd") {
        let padded = [&frame[..], &[0xa5; 21]].concat();
        for mut frame in [frame, padded] {
            let length = frame.len();
            fill(&mut frame);
            assert!(is_valid(&frame), "{length} bytes");
            if frame[14] != 0x45 {
                continue;
            }
            let sum = [frame[at], frame[at + 1]];
            // Options are no part of the pseudo header.
            frame.splice(34..34, [1, 1, 1, 0]);
            frame[14] = 0x46;
            frame[17] += 4;
            fix_header(&mut frame[14..38]);
            assert!(is_valid(&frame));
            frame[at + 4..at + 6].fill(0x11);
            assert!(!is_valid(&frame));
            fill(&mut frame);
            assert_eq!(frame[at + 4..at + 6], sum);
        }
    }
    // A datagram may be shorter than its packet: what is behind it is not summed up.
    let mut frame = udp(4000, NTP, b"data and more");
    frame[39] = 8 + 4;
    fill(&mut frame);
    let sum = checksum(&[&frame[26..34], &[0, 17, 0, 12], &frame[34..46]].concat());
    assert_eq!(sum, 0);
    assert!(is_valid(&frame));
}

fn is_unknown(frame: &[u8]) -> bool {
    let mut filled = frame.to_vec();
    fill(&mut filled);
    filled == frame && !is_valid(frame)
}

#[test]
fn what_is_unknown_stays_as_it_is() {
    let with = |change: &dyn Fn(&mut [u8])| {
        let mut frame = udp(4000, NTP, b"data");
        frame[40] = 0x77;
        change(&mut frame);
        if frame[23] != 0xee {
            fix_header(&mut frame[14..34]);
        }
        is_unknown(&frame)
    };
    assert!(!with(&|_| {}));
    // More fragments, another fragment, another protocol, no IP, a version, headers' lengths.
    for (at, value) in [(20, 0x20), (21, 1), (23, 132), (23, 58), (12, 9), (14, 0x65), (14, 0x44)] {
        assert!(with(&|frame| frame[at] = value), "{value:#x} at {at}");
    }
    assert!(with(&|frame| frame[23] = 0xee), "the header's checksum");
    // The length of the packet, and that of the datagram: beyond the end, and less than a header.
    for (at, value) in [(16, 1), (17, 27), (17, 19), (38, 1), (39, 13), (39, 7)] {
        assert!(with(&|frame| frame[at] = value), "a length of {value}");
    }
    for (frame, at) in samples(b"") {
        for length in 0..frame.len() {
            assert!(is_unknown(&frame[..length]), "{length} bytes");
        }
        // Too short for a checksum, in a packet that is whole.
        let start = if frame[14] == 0x45 { 34 } else { 54 };
        for length in start..at + 2 {
            let protocol = if start == 34 { frame[23] } else { frame[20] };
            let (from, to) = match start {
                34 => (address("10.0.2.15"), address("192.0.2.1")),
                _ => (address("fd00::15"), address("2001:db8::1")),
            };
            assert!(is_unknown(&ip(from, to, protocol, &frame[start..length])), "{length} bytes");
        }
        let mut tagged = frame.clone();
        tagged.splice(12..12, [0x81, 0, 0, 7]);
        assert!(is_unknown(&tagged));
        if frame[14] == 0x60 {
            let mut extended = frame.clone();
            let protocol = std::mem::replace(&mut extended[20], 0);
            extended.splice(54..54, [protocol, 0, 1, 4, 0, 0, 0, 0]);
            extended[19] += 8;
            assert!(is_unknown(&extended), "hop-by-hop options");
        }
    }
    // A message of two bytes, of which the sum is right.
    let (from, to) = (address("fd00::15"), address("2001:db8::1"));
    let sum = plain(&ip(from, to, 58, &[0, 0]));
    assert!(is_unknown(&ip(from, to, 58, &sum.to_be_bytes())));
    // The header of a segment is shorter than one can be, and longer than there is.
    for length in [0, 0x40, 0x60, 0xf0] {
        let mut frame = tcp(4000, SERVER, frames::ACK, 1, 2, &[]);
        frame[46] = length;
        assert!(is_unknown(&frame));
    }
}

/// Puts the sum of the pseudo header where a driver does; returns what it tells the device.
fn leave_undone(frame: &mut [u8], at: usize) -> (u16, u16) {
    let start = if frame[14] == 0x45 { 34 } else { 54 };
    let packet = &frame[14..];
    let (addresses, protocol) = match start {
        34 => (&packet[12..20], packet[9]),
        _ => (&packet[8..40], packet[6]),
    };
    let length = (frame.len() - start) as u16;
    let sum = match protocol {
        1 => 0,
        _ => !checksum(&[addresses, &[0, protocol], &length.to_be_bytes()].concat()),
    };
    frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    (start as u16, (at - start) as u16)
}

#[test]
fn what_a_driver_has_left_undone_is_completed() {
    for length in [0, 1, 2, 3, 1401, 65_470] {
        for (mut frame, at) in samples(&noise(length as u64, length)) {
            let right = plain(&frame);
            let (start, offset) = leave_undone(&mut frame, at);
            complete(&mut frame, start, offset);
            assert_eq!(frame[at..at + 2], right.to_be_bytes(), "{length} bytes at {at}");
            assert!(is_valid(&frame));
        }
    }
    for to in [NTP, NTP6] {
        let (mut frame, at) = with_sum_of_zero(to);
        let (start, offset) = leave_undone(&mut frame, at);
        complete(&mut frame, start, offset);
        assert_eq!(frame[at..at + 2], [0xff; 2]);
    }
    // Zeros that a frame is filled up with change nothing, from an odd length on either.
    let mut frame = udp(4000, NTP, b"odd");
    let right = plain(&frame);
    let (start, offset) = leave_undone(&mut frame, 40);
    frame.extend([0; 15]);
    complete(&mut frame, start, offset);
    assert_eq!(frame[40..42], right.to_be_bytes());
}

#[test]
fn the_place_of_a_checksum_is_in_the_frame() {
    let whole = udp(4000, NTP, b"data");
    let last = whole.len() as u16 - 2;
    let is_changed = |length: usize, start: u16, offset: u16| {
        let mut frame = whole[..length].to_vec();
        complete(&mut frame, start, offset);
        frame != whole[..length]
    };
    for (start, offset) in [(34, 6), (0, last), (last, 0), (34, last - 34)] {
        assert!(is_changed(whole.len(), start, offset), "{start}, {offset}");
    }
    for (start, offset) in [
        (0, last + 1),
        (last + 1, 0),
        (last + 2, 0),
        (34, last - 33),
        (u16::MAX, u16::MAX),
        (0, u16::MAX),
        (u16::MAX, 0),
        (40, u16::MAX - 39),
    ] {
        assert!(!is_changed(whole.len(), start, offset), "{start}, {offset}");
    }
    for length in 0..2 {
        assert!(!is_changed(length, 0, 0));
    }
    // No sum overflows, as long as a frame may be.
    let mut long = vec![0xff; 1 << 20];
    complete(&mut long, 0, 2);
    assert_eq!(long[2..4], [0, 0]);
}

#[test]
fn noise_breaks_nothing() {
    for seed in 0..40_000u64 {
        let pick = noise(seed, 12);
        let mut frame = match seed % 7 {
            6 => noise(seed + 1, usize::from(pick[0])),
            sample => samples(&pick).swap_remove(sample as usize).0,
        };
        frame.truncate(frame.len() - usize::from(pick[1] % 8).min(frame.len()));
        for at in pick[2..8].chunks(2) {
            if let Some(byte) = frame.get_mut(14 + usize::from(at[0] % 64)) {
                *byte = at[1];
            }
        }
        if frame.len() > 34 && frame[14] == 0x45 {
            fix_header(&mut frame[14..34]);
        }
        fill(&mut frame);
        let _ = is_valid(&frame);
        let (start, offset) = (u16::from(pick[8]), u16::from_be_bytes([pick[9] & 3, pick[10]]));
        complete(&mut frame, start, offset);
    }
}
