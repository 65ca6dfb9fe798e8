//! Domains that names are looked up in, as they end up in a resolver's configuration: text that a
//! foreign peer wrote.

use super::message::{Message, option};
use alloc::vec::Vec;

/// As many as resolv.conf(5) has had room for.
const DOMAINS: usize = 6;
/// A name's text (RFC 1035, 2.3.4, without lengths of its first label and its root).
const NAME: usize = 253;

/// The search list (RFC 3397) or, without one, the domain's name (RFC 2132, 3.17).
pub fn domains(message: &Message) -> Vec<Vec<u8>> {
    let mut list = message.option(option::SEARCH).map_or_else(Vec::new, |bytes| list(&bytes));
    if list.is_empty() {
        list.extend(message.option(option::DOMAIN_NAME).and_then(|name| domain(&name)));
    }
    list
}

/// A name that is written out: some servers end it with a zero, others with a dot.
fn domain(bytes: &[u8]) -> Option<Vec<u8>> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b".").unwrap_or(bytes);
    is_name(bytes).then(|| bytes.to_vec())
}

/// Whether it can be put into a line without meaning anything else than a name.
fn is_name(bytes: &[u8]) -> bool {
    let is_harmless = |&byte: &u8| byte.is_ascii_graphic() && byte != b'#';
    (1..=NAME).contains(&bytes.len()) && bytes.iter().all(is_harmless)
}

/// The names of a list, up to what does not have a name's form. One that is not [`is_name`] is left out.
fn list(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut at = 0;
    // Those that are left out count, too: each may cost a walk through all of the list.
    for _ in 0..DOMAINS {
        let Some((name, next)) = name(bytes, at) else { break };
        if is_name(&name) {
            names.push(name);
        }
        at = next;
    }
    names
}

/// A name and where the next one is (RFC 1035, 3.1). Its end may be that of a name before it
/// (4.1.4); each such reference goes back further, so that they come to an end.
fn name(bytes: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let mut name = Vec::new();
    let (mut at, mut first) = (start, start);
    let mut next = None;
    loop {
        let length = *bytes.get(at)?;
        match length {
            0 => return Some((name, next.unwrap_or(at + 1))),
            1..0x40 => {
                let label = bytes.get(at + 1..)?.get(..length.into())?;
                if !name.is_empty() {
                    name.push(b'.');
                }
                name.extend_from_slice(label);
                if label.contains(&b'.') || name.len() > NAME {
                    return None;
                }
                at += 1 + usize::from(length);
            }
            0xc0.. => {
                next = next.or(Some(at + 2));
                at = usize::from(length & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?);
                if at >= first {
                    return None;
                }
                first = at;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_list() {
        let lists: [(&[u8], &[&[u8]]); 9] = [
            (b"", &[]),
            (b"\x03lan\0", &[b"lan"]),
            (b"\x01a\x03lan\0\x01b\xc0\x02\x02cd\xc0\x07", &[b"a.lan", b"b.lan", b"cd.b.lan"]),
            (b"\x03lan\0\x03l n\0\x03l#n\0\x03l\nn\0\0\x01b\0", &[b"lan", b"b"]),
            // Cut short, itself, what is behind it, a label that is two, a reserved length.
            (b"\x01a\0\x03la", &[b"a"]),
            (b"\x01a\0\xc0\x03\x01b\0", &[b"a"]),
            (b"\x01a\xc0\x04\x01b\0", &[]),
            (b"\x01a\0\x03b.c\0", &[b"a"]),
            (b"\x01a\0\x41b\0", &[b"a"]),
        ];
        for (bytes, names) in lists {
            assert_eq!(list(bytes), names, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn lists_are_bounded() {
        assert_eq!(list(&b"\x01a\0".repeat(100)).len(), DOMAINS);
        let label = [&[63][..], &[b'a'; 63]].concat();
        let longest = [&label[..], &label, &label, &[61], &[b'a'; 61], &[0]].concat();
        assert_eq!(list(&longest)[0].len(), NAME);
        let longer = [&label[..], &label, &label, &[62], &[b'a'; 62], &[0]].concat();
        assert_eq!(list(&longer), Vec::<Vec<u8>>::new());
        // References to references, as far back as they reach.
        let mut chain = Vec::from(b"\x01a\0");
        for at in 0..8000u16 {
            let back = if at == 0 { 0 } else { 1 + 2 * at };
            chain.extend((0xc000 | back).to_be_bytes());
        }
        assert_eq!(name(&chain, chain.len() - 2), Some((b"a".to_vec(), chain.len())));
    }

    #[test]
    fn names_that_are_written_out() {
        for bytes in [&b"example.net"[..], b"example.net.", b"example.net\0", b"example.net.\0"] {
            assert_eq!(domain(bytes), Some(b"example.net".to_vec()));
        }
        for bytes in [&b""[..], b".", b"\0", b"a b", b"a#", b"a\nnameserver", b"\xff", b"a\0b"] {
            assert_eq!(domain(bytes), None, "{}", bytes.escape_ascii());
        }
        assert_eq!(domain(&[b'a'; NAME]).map(|name| name.len()), Some(NAME));
        assert_eq!(domain(&[b'a'; NAME + 1]), None);
    }
}
