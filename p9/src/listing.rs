//! The entries of a directory, as Rreaddir has them.

use crate::codec::Qid;
use crate::errno::{Errno, Result};
use alloc::vec::Vec;

/// All entries, read at once: a guest that asks for them in pieces gets each one once, and in
/// linear time.
#[derive(Default)]
pub struct Listing {
    /// `qid[13] offset[8] type[1] name[s]`, one after the other.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<u32>,
}

impl Listing {
    /// Appends an entry. Its offset, at which a guest continues after it, is its number from 1.
    pub fn push(&mut self, name: &[u8], qid: Qid) {
        // The protocol has no room for a longer name: the guest does not see it.
        let Ok(length) = u16::try_from(name.len()) else { return };
        let offset = self.ends.len() as u64 + 1;
        self.bytes.push(qid.kind.qid_type());
        self.bytes.extend_from_slice(&0u32.to_le_bytes());
        self.bytes.extend_from_slice(&qid.path.to_le_bytes());
        self.bytes.extend_from_slice(&offset.to_le_bytes());
        self.bytes.push(qid.kind.directory_type());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len() as u32);
    }

    /// Bytes that this takes.
    pub fn size(&self) -> usize {
        self.bytes.len() + 4 * self.ends.len()
    }

    /// As many whole entries behind `offset` as `room` bytes hold.
    ///
    /// # Errors
    /// EINVAL when not even one fits.
    pub fn from(&self, offset: u64, room: usize) -> Result<&[u8]> {
        let passed = usize::try_from(offset).unwrap_or(usize::MAX).min(self.ends.len());
        let start = passed.checked_sub(1).map_or(0, |last| self.ends[last] as usize);
        let later = &self.ends[passed..];
        let fitting = later.partition_point(|&end| end as usize - start <= room);
        match (fitting, later.is_empty()) {
            (0, true) => Ok(&[]),
            (0, false) => Err(Errno::INVAL),
            _ => Ok(&self.bytes[start..later[fitting - 1] as usize]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Kind;

    #[test]
    fn pieces_are_whole_entries_and_all_of_them() {
        let mut listing = Listing::default();
        for name in [&b"a"[..], b"bb", b"ccc"] {
            listing.push(name, Qid { kind: Kind::File, path: 7 });
        }
        assert_eq!(listing.from(0, 25).unwrap().len(), 25);
        assert_eq!(listing.from(0, 50).unwrap().len(), 25);
        assert_eq!(listing.from(0, 51).unwrap().len(), 51);
        assert_eq!(listing.from(1, 1000).unwrap().len(), 26 + 27);
        assert_eq!(&listing.from(2, 27).unwrap()[24..], b"ccc");
        assert_eq!(listing.from(0, 24), Err(Errno::INVAL));
        assert_eq!(listing.from(3, 0), Ok(&[][..]));
        assert_eq!(listing.from(u64::MAX, 1000), Ok(&[][..]));
    }
}
