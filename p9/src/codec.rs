//! Numbers and strings of a message. All numbers are little-endian.

use crate::errno::{Errno, Result};
use crate::host::Kind;
use alloc::vec::Vec;

/// The bytes of a message's `size[4] type[1] tag[2]`.
pub const HEADER_LENGTH: usize = 7;
/// Linux's longest name of a file.
const MAX_NAME: usize = 255;

/// What the server tells files apart by: `type[1] version[4] path[8]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qid {
    /// Of what kind.
    pub kind: Kind,
    /// The inode number that the guest shows.
    pub path: u64,
}

/// Reads a T-message from its front.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next bytes.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8]> {
        let (now, later) = self.0.split_at_checked(length).ok_or(Errno::INVAL)?;
        self.0 = later;
        Ok(now)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (now, later) = self.0.split_first_chunk().ok_or(Errno::INVAL)?;
        self.0 = later;
        Ok(*now)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A string: its length in 16 bits, then the bytes.
    pub fn string(&mut self) -> Result<&'a [u8]> {
        let length = self.u16()?;
        self.bytes(length.into())
    }

    /// A string that names an entry of a directory: it leads neither down nor up.
    pub fn name(&mut self) -> Result<&'a [u8]> {
        let name = self.string()?;
        if name.is_empty() || name.contains(&0) || name.contains(&b'/') {
            return Err(Errno::INVAL);
        }
        if name.len() > MAX_NAME {
            return Err(Errno::NAMETOOLONG);
        }
        Ok(name)
    }

    /// A name that something is made, moved or removed by.
    pub fn new_name(&mut self) -> Result<&'a [u8]> {
        match self.name()? {
            b"." | b".." => Err(Errno::EXIST),
            name => Ok(name),
        }
    }
}

/// Writes an R-message: first a header, which [`Writer::finish`] fills in, then the fields.
pub struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    /// Starts over in `bytes`.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        bytes.clear();
        bytes.resize(HEADER_LENGTH, 0);
        Self(bytes)
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// A string; what does not fit its 16 bits of length is cut off.
    pub fn string(&mut self, bytes: &[u8]) {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.u16(length);
        self.bytes(&bytes[..length.into()]);
    }

    /// The version is 0, by which Linux knows that it must not cache what it reads and writes.
    pub fn qid(&mut self, qid: Qid) {
        self.u8(qid.kind.qid_type());
        self.u32(0);
        self.u64(qid.path);
    }

    /// `count[4]` and as many bytes of at most `room` as `fill` says it wrote.
    pub fn counted(
        &mut self,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize>,
    ) -> Result<()> {
        let start = self.0.len() + 4;
        self.0.resize(start + room, 0);
        let length = fill(&mut self.0[start..])?.min(room);
        self.0.truncate(start + length);
        self.0[start - 4..start].copy_from_slice(&(length as u32).to_le_bytes());
        Ok(())
    }

    /// Drops the fields again.
    pub fn clear(&mut self) {
        self.0.truncate(HEADER_LENGTH);
    }

    /// Fills the header in.
    pub fn finish(self, kind: u8, tag: u16) {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_le_bytes());
        self.0[4] = kind;
        self.0[5..HEADER_LENGTH].copy_from_slice(&tag.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_come_back() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.u8(1);
        writer.u16(0x203);
        writer.u32(0x0405_0607);
        writer.u64(0x0809_0a0b_0c0d_0e0f);
        writer.string(b"name");
        writer.finish(9, 0x1234);
        assert_eq!(bytes[..HEADER_LENGTH], [28, 0, 0, 0, 9, 0x34, 0x12]);
        let mut reader = Reader::new(&bytes[HEADER_LENGTH..]);
        assert_eq!((reader.u8(), reader.u16()), (Ok(1), Ok(0x203)));
        assert_eq!(reader.u32(), Ok(0x0405_0607));
        assert_eq!(reader.u64(), Ok(0x0809_0a0b_0c0d_0e0f));
        assert_eq!(reader.name(), Ok(&b"name"[..]));
        assert_eq!(reader.u8(), Err(Errno::INVAL));
    }

    #[test]
    fn a_name_is_one_entry_of_a_directory() {
        let read = |name: &[u8], new: bool| {
            let mut bytes = (name.len() as u16).to_le_bytes().to_vec();
            bytes.extend_from_slice(name);
            let mut reader = Reader::new(&bytes);
            if new { reader.new_name().map(<[u8]>::len) } else { reader.name().map(<[u8]>::len) }
        };
        for name in [&b""[..], b"a/b", b"/", b"a\0"] {
            assert_eq!(read(name, false), Err(Errno::INVAL), "{name:?}");
        }
        assert_eq!(read(&[b'x'; 255], false), Ok(255));
        assert_eq!(read(&[b'x'; 256], false), Err(Errno::NAMETOOLONG));
        assert_eq!((read(b"..", false), read(b"..", true)), (Ok(2), Err(Errno::EXIST)));
    }

    #[test]
    fn a_string_that_ends_early_is_an_error() {
        assert_eq!(Reader::new(&[5, 0, b'a']).string(), Err(Errno::INVAL));
        assert_eq!(Reader::new(&[5]).string(), Err(Errno::INVAL));
    }

    #[test]
    fn counted_bytes_are_cut_to_what_was_filled() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer
            .counted(100, |buffer| {
                buffer[..2].copy_from_slice(b"ab");
                Ok(2)
            })
            .unwrap();
        assert_eq!(bytes[HEADER_LENGTH..], [2, 0, 0, 0, b'a', b'b']);
    }
}
