//! Pax extended headers: records "LENGTH KEY=VALUE\n" that override header fields.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::sparse::{self, Segment};
use crate::rootfs::tree::{Timestamp, Xattrs};

/// A pax header that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaxError {
    /// A record does not have the form "LENGTH KEY=VALUE\n".
    #[error("a pax record is malformed")]
    Record,
    /// The value of a record is wrong.
    #[error("the pax record {0:?} has a bad value")]
    Value(&'static str),
}

/// What the pax records before an entry say; `None` where the header's field holds.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) xattrs: Xattrs,
    pub(super) sparse: PaxSparse,
}

/// The records of GNU's three pax formats for sparse files.
#[derive(Debug, Default)]
pub(super) struct PaxSparse {
    pub(super) name: Option<Vec<u8>>,
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) size: Option<u64>,
    /// Formats 0.0 and 0.1; in 1.0 the map is in the data.
    pub(super) map: Option<Vec<Segment>>,
    pending_offset: Option<u64>,
}

impl Pax {
    /// Applies all `records` in order; the last of a key wins.
    pub(super) fn apply(&mut self, records: &[u8]) -> Result<(), PaxError> {
        let mut rest = records;
        // Some writers fill the block up with NULs that the size counts.
        while rest.iter().any(|&byte| byte != 0) {
            let (key, value, after) = split_record(rest).ok_or(PaxError::Record)?;
            self.apply_record(key, value)?;
            rest = after;
        }
        Ok(())
    }

    fn apply_record(&mut self, key: &[u8], value: &[u8]) -> Result<(), PaxError> {
        let text = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" => self.size = decimal(value, "size")?,
            b"uid" => self.uid = id(value, "uid")?,
            b"gid" => self.gid = id(value, "gid")?,
            b"mtime" if value.is_empty() => self.mtime = None,
            b"mtime" => self.mtime = Some(time(value).ok_or(PaxError::Value("mtime"))?),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.insert(name.into(), value.into());
                } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let bad = PaxError::Value("LIBARCHIVE.xattr");
                    let name = url_decode(name).ok_or(bad.clone())?;
                    let value = base64_decode(value).ok_or(bad)?;
                    // bsdtar writes both forms of each attribute; the plain one needs no decoding.
                    self.xattrs.entry(name.into()).or_insert_with(|| value.into());
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.apply(key, value)?;
                }
            }
        }
        Ok(())
    }
}

impl PaxSparse {
    fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<(), PaxError> {
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"major" => self.major = decimal(value, "GNU.sparse.major")?,
            b"minor" => self.minor = decimal(value, "GNU.sparse.minor")?,
            b"size" | b"realsize" => self.size = decimal(value, "GNU.sparse.size")?,
            b"offset" => self.pending_offset = decimal(value, "GNU.sparse.offset")?,
            b"numbytes" => {
                let length = decimal(value, "GNU.sparse.numbytes")?;
                let (Some(offset), Some(length)) = (self.pending_offset.take(), length) else {
                    return Err(PaxError::Value("GNU.sparse.numbytes"));
                };
                self.map.get_or_insert_default().push(Segment { offset, length });
            }
            b"map" => {
                let map = sparse::parse_list(value).ok_or(PaxError::Value("GNU.sparse.map"))?;
                self.map = Some(map);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Splits the first record off: key, value, what follows.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(sparse::parse_decimal(&bytes[..space])?).ok()?;
    // The value is found by length alone: it may hold newlines and equals signs.
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    (!key.is_empty()).then_some((key, value, &bytes[length..]))
}

/// A decimal number; an empty value takes the override back.
fn decimal(value: &[u8], key: &'static str) -> Result<Option<u64>, PaxError> {
    if value.is_empty() {
        return Ok(None);
    }
    sparse::parse_decimal(value).map(Some).ok_or(PaxError::Value(key))
}

fn id(value: &[u8], key: &'static str) -> Result<Option<i64>, PaxError> {
    let id = decimal(value, key)?.map(i64::try_from).transpose();
    id.map_err(|_| PaxError::Value(key))
}

/// Seconds with a sign and a fraction; digits past the ninth are cut off, towards the past.
fn time(value: &[u8]) -> Option<Timestamp> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(value) => (true, value),
        None => (false, value),
    };
    let mut parts = value.splitn(2, |&byte| byte == b'.');
    let seconds = i64::try_from(sparse::parse_decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = digits.fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    Some(match (negative, nanoseconds) {
        (false, nanoseconds) => Timestamp { seconds, nanoseconds },
        (true, 0) => Timestamp { seconds: -seconds, nanoseconds: 0 },
        (true, _) => Timestamp { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

/// Decodes %XX.
fn url_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    Some(decoded)
}

/// Decodes base64, with or without padding.
fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    STANDARD_NO_PAD.decode(&text[..text.len() - padding]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = key.len() + value.len() + 3;
        let length = (1..).find(|digits| (rest + digits).to_string().len() == *digits).unwrap();
        let mut record = format!("{} {key}=", rest + length).into_bytes();
        record.extend(value);
        record.push(b'\n');
        record
    }

    fn parse(records: &[Vec<u8>]) -> Result<Pax, PaxError> {
        let mut pax = Pax::default();
        pax.apply(&records.concat()).map(|()| pax)
    }

    #[test]
    fn values_may_hold_newlines_equals_signs_and_nuls() {
        let value = b"\0\n=\n9 size=1\n\xff";
        let records = [record("SCHILY.xattr.user.x", value), record("uid", b"3000000000")];
        let pax = parse(&records).unwrap();
        assert_eq!(&*pax.xattrs[&b"user.x"[..]], value);
        assert_eq!((pax.uid, pax.size), (Some(3_000_000_000), None));
    }

    #[test]
    fn libarchive_attributes_are_decoded() {
        let records = [record("LIBARCHIVE.xattr.user.a%25b", b"AAr/PQ")];
        assert_eq!(&*parse(&records).unwrap().xattrs[&b"user.a%b"[..]], b"\0\n\xff=");
    }

    #[test]
    fn times_before_1970_and_parts_of_seconds() {
        let at = |seconds, nanoseconds| Some(Timestamp { seconds, nanoseconds });
        assert_eq!(time(b"1700000000.123456789123"), at(1_700_000_000, 123_456_789));
        assert_eq!(time(b"-86400"), at(-86_400, 0));
        assert_eq!(time(b"-1.25"), at(-2, 750_000_000));
        assert_eq!(time(b"1.2e5"), None);
        assert_eq!(time(b""), None);
    }

    #[test]
    fn malformed_records_are_refused() {
        for bytes in [&b"99 path=a\n"[..], b"path=a\n", b"0 a=b\n", b"7 a=bcd", b"5 =b\n", b"x"] {
            let mut pax = Pax::default();
            assert_eq!(pax.apply(bytes), Err(PaxError::Record), "{}", bytes.escape_ascii());
        }
        assert_eq!(parse(&[record("size", b"-1")]).err(), Some(PaxError::Value("size")));
    }
}
