//! Pax records: the input is the data of one pax header.

use crate::tar::fix_checksum;
use c2w::rootfs::tar::Archive;
use std::io::Read;

/// A header for `size` bytes of data.
pub(crate) fn header(kind: u8, name: &[u8], size: usize) -> [u8; 512] {
    let mut block = [0; 512];
    let name = &name[..name.len().min(100)];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000644");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    fix_checksum(&mut block);
    block
}

/// Reads one entry behind such a header, and one behind it.
///
/// # Panics
/// When a record changes what is not its own: the entry that follows.
pub fn check(bytes: &[u8]) {
    let mut archive = header(b'x', b"pax", bytes.len()).to_vec();
    archive.extend(bytes);
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive.extend(header(b'5', b"directory", 0));
    archive.extend(header(b'0', b"after", 0));
    let mut archive = Archive::new(&archive[..]);
    let Ok(Some(_)) = archive.next_entry() else { return };
    let mut data = Vec::new();
    archive.read_to_end(&mut data).expect("a slice can be read");
    assert!(data.is_empty(), "a directory has no data");
    let after = archive.next_entry().expect("a good header").expect("there is one more entry");
    assert_eq!(after.path, b"after");
    assert!(after.xattrs.is_empty() && after.uid == 0 && after.link.is_empty());
}
