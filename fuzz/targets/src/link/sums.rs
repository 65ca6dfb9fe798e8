//! Checksums of TCP, UDP and ICMP, without the code that is under test and without smoltcp, which
//! takes all of them for right under a fuzzer.

use c2w_emulator::devices::Checksum;
use std::ops::Range;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// What is summed up in a frame.
struct Summed {
    range: Range<usize>,
    /// Where the checksum is.
    at: usize,
    /// The sum of the pseudo header.
    pseudo: u16,
    protocol: u8,
    six: bool,
}

/// The frame as it is to be on the wire.
pub fn as_sent(frame: &[u8], state: Checksum) -> Vec<u8> {
    let mut frame = frame.to_vec();
    match (state, find(&frame)) {
        (Checksum::Valid, Some(summed)) => {
            frame[summed.at..][..2].fill(0);
            let sum = !add(summed.pseudo, sum(&frame[summed.range]));
            let sum = if sum == 0 && summed.protocol == UDP { 0xffff } else { sum };
            frame[summed.at..][..2].copy_from_slice(&sum.to_be_bytes());
        }
        (Checksum::Partial { start, offset }, _) => {
            let (start, offset) = (usize::from(start), usize::from(offset));
            if start + offset + 2 <= frame.len() {
                let sum = !sum(&frame[start..]);
                let sum = if sum == 0 && offset == 6 { 0xffff } else { sum };
                frame[start + offset..][..2].copy_from_slice(&sum.to_be_bytes());
            }
        }
        _ => {}
    }
    frame
}

/// Leaves the checksum to the device, as a driver does.
pub fn leave(frame: &mut [u8]) -> Checksum {
    let Some(summed) = find(frame) else { return Checksum::Present };
    frame[summed.at..][..2].copy_from_slice(&summed.pseudo.to_be_bytes());
    let (start, at) = (summed.range.start, summed.at);
    Checksum::Partial { start: start as u16, offset: (at - start) as u16 }
}

/// Whether there is a checksum and it is right, or it need not be there.
pub fn is_right(frame: &[u8]) -> bool {
    find(frame).is_some_and(|summed| {
        let has_none = frame[summed.at..][..2] == [0, 0] && summed.protocol == UDP;
        match has_none {
            true => !summed.six,
            false => add(summed.pseudo, sum(&frame[summed.range])) == 0xffff,
        }
    })
}

fn find(frame: &[u8]) -> Option<Summed> {
    let packet = frame.get(14..)?;
    let number = |at: usize| Some(usize::from(word(packet, at)?));
    let six = match &frame[12..14] {
        [8, 0] => false,
        [0x86, 0xdd] => true,
        _ => return None,
    };
    let (header, end) = match six {
        false => (usize::from(packet.first()? & 15) * 4, number(2)?),
        true => (40, 40 + number(4)?),
    };
    let (version, least) = if six { (6, 40) } else { (4, 20) };
    if packet.first()? >> 4 != version || header < least || header > end || end > packet.len() {
        return None;
    }
    if !six && (number(6)? & 0x3fff != 0 || sum(&packet[..header]) != 0xffff) {
        return None;
    }
    let protocol = packet[if six { 6 } else { 9 }];
    let payload = &packet[header..end];
    let length = match protocol {
        TCP => {
            let offset = usize::from(payload.get(12)? >> 4) * 4;
            (20..=payload.len()).contains(&offset).then_some(payload.len())?
        }
        UDP => {
            Some(word(payload, 4)?.into()).filter(|length| (8..=payload.len()).contains(length))?
        }
        ICMP if !six => Some(payload.len()).filter(|length| *length >= 8)?,
        ICMPV6 if six => Some(payload.len()).filter(|length| *length >= 4)?,
        _ => return None,
    };
    let addresses = if six { 8..40 } else { 12..20 };
    let pseudo = [protocol.into(), length as u16, sum(&packet[addresses])];
    let start = 14 + header;
    Some(Summed {
        range: start..start + length,
        at: start + [2, 16, 6][usize::from(protocol == TCP) + 2 * usize::from(protocol == UDP)],
        pseudo: if protocol == ICMP { 0 } else { pseudo.into_iter().fold(0, add) },
        protocol,
        six,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|word| u16::from_be_bytes([word[0], word[1]]))
}

/// In one's complement.
fn add(one: u16, other: u16) -> u16 {
    let (sum, carry) = one.overflowing_add(other);
    sum + u16::from(carry)
}

fn sum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
    let sum: u64 = bytes.chunks(2).map(|pair| u64::from(word(pair))).sum();
    [48, 32, 16, 0].into_iter().fold(0, |folded, shift| add(folded, (sum >> shift) as u16))
}
