//! A DNS server for a machine without a network: it answers each query with a server failure at
//! once, so that programs fail now and not after their time-outs. The host is told of the first.
//!
//! The agent opens the socket, in the container's network, at the address of Docker's own server.

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

/// Where the container's /etc/resolv.conf points.
pub const ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 11), 53);

/// The longest query that is read, in bytes: one over UDP with EDNS fits.
const LONGEST: usize = 4096;
/// Queries answered before other events get their turn.
const AT_ONCE: usize = 64;

/// Answers the queries that have come. Returns whether there were any.
pub fn answer_all(socket: &OwnedFd) -> bool {
    let mut asked = false;
    for _ in 0..AT_ONCE {
        let mut query = [0; LONGEST];
        let (length, sender) = match recvfrom(socket, &mut query, RecvFlags::DONTWAIT) {
            Ok((length, _, Some(sender))) => (length, sender),
            Ok((_, _, None)) | Err(Errno::INTR) => continue,
            Err(_) => break,
        };
        asked = true;
        if let Some(answer) = server_failure(&query[..length]) {
            // The sender may be gone.
            let _ = sendto(socket, &answer, SendFlags::DONTWAIT, &sender);
        }
    }
    asked
}

/// "Server failure" (RFC 1035, 4.1) to a query: its header and its question section, without the
/// rest. `None` when it is not a query of one question.
fn server_failure(query: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    const RESPONSE: u8 = 0x80;
    const RECURSION_AVAILABLE: u8 = 0x80;
    const SERVER_FAILURE: u8 = 2;
    let header = query.get(..HEADER)?;
    if header[2] & RESPONSE != 0 || header[4..6] != [0, 1] {
        return None;
    }
    let end = HEADER + name_length(&query[HEADER..])? + 4;
    let mut answer = query.get(..end)?.to_vec();
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
    const QUERY: &[u8] = b"\x12\x34\x01\x20\0\x01\0\0\0\0\0\x01\x01a\x02bc\0\0\x01\0\x01\0\0\x29";

    #[test]
    fn the_answer_is_the_query_with_a_failure() {
        let answer = server_failure(QUERY).unwrap();
        assert_eq!(answer, b"\x12\x34\x81\x82\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01");
    }

    #[test]
    fn what_is_not_a_query_gets_none() {
        for length in 0..22 {
            assert_eq!(server_failure(&QUERY[..length]), None, "{length}");
        }
        assert_eq!(server_failure(&server_failure(QUERY).unwrap()), None);
        let mut pointer = QUERY.to_vec();
        pointer[12] = 0xc0;
        assert_eq!(server_failure(&pointer), None);
    }
}
