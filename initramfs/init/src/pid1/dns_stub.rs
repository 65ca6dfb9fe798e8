//! Questions for the addresses of hosts, in a machine without a network: each is answered at once
//! that there is no answer, so that programs fail now and not after their time-outs, and the
//! first is told to the host.
//!
//! The agent opens the socket, in the container's network, at the address where Docker answers.

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

/// Where the container's /etc/resolv.conf points.
pub const ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 11), 53);

/// The longest question that is read, in bytes: one over UDP with EDNS fits.
const LONGEST: usize = 4096;
/// Questions answered before other things get their turn.
const AT_ONCE: usize = 64;

/// Answers what has been asked. Returns whether anything was.
pub fn answer_all(socket: &OwnedFd) -> bool {
    let mut asked = false;
    for _ in 0..AT_ONCE {
        let mut question = [0; LONGEST];
        let (length, sender) = match recvfrom(socket, &mut question, RecvFlags::DONTWAIT) {
            Ok((length, _, Some(sender))) => (length, sender),
            Ok((_, _, None)) | Err(Errno::INTR) => continue,
            Err(_) => break,
        };
        asked = true;
        if let Some(answer) = no_answer(&question[..length]) {
            // Whoever asked may be gone.
            let _ = sendto(socket, &answer, SendFlags::DONTWAIT, &sender);
        }
    }
    asked
}

/// "Server failure" to a question (RFC 1035, 4.1): its header and its question section, without the
/// rest. `None` when it is no question.
fn no_answer(question: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    const RESPONSE: u8 = 0x80;
    const RECURSION_AVAILABLE: u8 = 0x80;
    const SERVER_FAILURE: u8 = 2;
    let header = question.get(..HEADER)?;
    if header[2] & RESPONSE != 0 || header[4..6] != [0, 1] {
        return None;
    }
    let end = HEADER + name_length(&question[HEADER..])? + 4;
    let mut answer = question.get(..end)?.to_vec();
    answer[2] |= RESPONSE;
    answer[3] = RECURSION_AVAILABLE | SERVER_FAILURE;
    answer[6..HEADER].fill(0);
    Some(answer)
}

/// Bytes of a name: labels with their lengths, up to the empty one.
fn name_length(bytes: &[u8]) -> Option<usize> {
    const LONGEST_LABEL: u8 = 63;
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length if length > LONGEST_LABEL => return None,
            length => at += 1 + usize::from(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a.bc IN A`, with an EDNS record behind it.
    const QUESTION: &[u8] =
        b"\x12\x34\x01\x20\0\x01\0\0\0\0\0\x01\x01a\x02bc\0\0\x01\0\x01\0\0\x29";

    #[test]
    fn the_answer_is_the_question_with_a_failure() {
        let answer = no_answer(QUESTION).unwrap();
        assert_eq!(answer, b"\x12\x34\x81\x82\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01");
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        for length in 0..22 {
            assert_eq!(no_answer(&QUESTION[..length]), None, "{length}");
        }
        assert_eq!(no_answer(&no_answer(QUESTION).unwrap()), None);
        let mut pointer = QUESTION.to_vec();
        pointer[12] = 0xc0;
        assert_eq!(no_answer(&pointer), None);
    }
}
