//! DNS messages (RFC 1035, 4.1), as far as a host's addresses go: one question, and its answer.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

const HEADER: usize = 12;
const RESPONSE: u8 = 0x80;
const OPCODE: u8 = 0x78;
const RECURSION_DESIRED: u8 = 1;
const RECURSION_AVAILABLE: u8 = 0x80;
const INTERNET: u16 = 1;
/// The longest answer to somebody who has not said that he takes more (4.2.1).
const MAX_ANSWER: usize = 512;
/// How long an answer may be kept, in seconds: the host does not say.
const TIME_TO_LIVE: u32 = 30;
/// A name in an answer: that of the question, which is behind the header (4.1.4).
const NAME_OF_QUESTION: u16 = 0xc000 | HEADER as u16;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Header and question as they came, without what follows.
    message: Vec<u8>,
    /// The name, without the last dot.
    pub name: String,
    kind: u16,
}

/// How a question is answered, beside the records (RCODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// There is such a name.
    Found = 0,
    /// Nobody knows now.
    ServerFailure = 2,
    /// There is not.
    NoSuchName = 3,
}

/// The types of records that are answered.
mod kind {
    pub const A: u16 = 1;
    pub const AAAA: u16 = 28;
}

impl Question {
    /// Reads a query of one question about a name of the Internet, as text: `None` for others.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let header = message.get(..HEADER)?;
        if header[2] & (RESPONSE | OPCODE) != 0 || header[4..6] != [0, 1] {
            return None;
        }
        let (mut name, mut at) = (String::new(), HEADER);
        loop {
            let length = usize::from(*message.get(at)?);
            let label = message.get(at + 1..at + 1 + length)?;
            at += 1 + length;
            if length == 0 {
                break;
            }
            // Longer ones are pointers, which a first name has no use for.
            let is_text = label.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.');
            if length > 63 || !is_text || at > HEADER + 255 {
                return None;
            }
            let dot = if name.is_empty() { "" } else { "." };
            name.extend([dot, core::str::from_utf8(label).ok()?]);
        }
        let number =
            |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
        let (kind, class) = (number(at)?, number(at + 2)?);
        let message = message[..at + 4].to_vec();
        (class == INTERNET && !name.is_empty()).then_some(Self { message, name, kind })
    }

    /// Whether addresses are asked for.
    pub fn is_about_addresses(&self) -> bool {
        matches!(self.kind, kind::A | kind::AAAA)
    }

    /// The answer, with those addresses that were asked for and have room.
    pub fn answer(&self, status: Status, addresses: &[IpAddr]) -> Vec<u8> {
        let mut answer = self.message.clone();
        answer[2] = RESPONSE | answer[2] & RECURSION_DESIRED;
        answer[3] = RECURSION_AVAILABLE | status as u8;
        answer[6..HEADER].fill(0);
        let mut count = 0_u16;
        for record in addresses.iter().filter_map(|address| self.record(*address)) {
            if answer.len() + record.len() > MAX_ANSWER {
                break;
            }
            answer.extend(record);
            count += 1;
        }
        answer[6..8].copy_from_slice(&count.to_be_bytes());
        answer
    }

    /// A record (4.1.3) for an address, if it is of the kind that was asked for.
    fn record(&self, address: IpAddr) -> Option<Vec<u8>> {
        let (kind, data) = match address {
            IpAddr::V4(address) => (kind::A, address.octets().to_vec()),
            IpAddr::V6(address) => (kind::AAAA, address.octets().to_vec()),
        };
        let mut record = Vec::new();
        for number in [NAME_OF_QUESTION, kind, INTERNET] {
            record.extend(number.to_be_bytes());
        }
        record.extend(TIME_TO_LIVE.to_be_bytes());
        record.extend((data.len() as u16).to_be_bytes());
        record.extend(data);
        (kind == self.kind).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// `a.bc IN A`, with an EDNS record behind it.
    const QUERY: &[u8] = b"\x12\x34\x01\x20\0\x01\0\0\0\0\0\x01\x01a\x02bc\0\0\x01\0\x01\0\0\x29";

    #[test]
    fn a_question_is_answered_with_addresses_of_its_kind() {
        let question = Question::parse(QUERY).unwrap();
        assert_eq!((question.name.as_str(), question.is_about_addresses()), ("a.bc", true));
        let addresses = [[192, 0, 2, 7].into(), "2001:db8::7".parse().unwrap()];
        let expected = b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x01a\x02bc\0\0\x01\0\x01\
            \xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x07";
        assert_eq!(question.answer(Status::Found, &addresses), expected);
        let missing = b"\x12\x34\x81\x83\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01";
        assert_eq!(question.answer(Status::NoSuchName, &[]), missing);
    }

    #[test]
    fn an_answer_ends_where_it_gets_too_long() {
        let question = Question::parse(QUERY).unwrap();
        let answer = question.answer(Status::Found, &vec![[192, 0, 2, 7].into(); 1000]);
        assert!(answer.len() <= MAX_ANSWER && answer.len() > MAX_ANSWER - 16);
        let count = usize::from(u16::from_be_bytes([answer[6], answer[7]]));
        assert_eq!(answer.len(), question.message.len() + 16 * count);
    }

    #[test]
    fn what_is_not_a_question_is_not_answered() {
        for length in 0..22 {
            assert_eq!(Question::parse(&QUERY[..length]), None, "{length}");
        }
        for (at, byte) in [(2, 0x81), (2, 0x11), (5, 2), (12, 0xc0), (13, b'.'), (21, 3)] {
            let mut query = QUERY.to_vec();
            query[at] = byte;
            assert_eq!(Question::parse(&query), None, "{at}");
        }
        let long = [&QUERY[..HEADER], &[[63; 64]; 5].concat(), b"\0\0\x01\0\x01"].concat();
        assert_eq!(Question::parse(&long), None);
    }
}
