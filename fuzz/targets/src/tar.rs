//! The tar reader on any bytes, with the checksums of headers made right: a fuzzer cannot guess
//! them.

use c2w::rootfs::tar::{Archive, EntryKind};
use std::io::Read;

const BLOCK: usize = 512;

/// Reads an archive to its end.
///
/// # Panics
/// When the reader gives more data than there is, or a map that does not fit.
pub fn check(bytes: &[u8]) {
    let bytes = repaired(bytes);
    let mut archive = Archive::new(&bytes[..]);
    let mut total = 0;
    while let Ok(Some(entry)) = archive.next_entry() {
        let mut data = Vec::new();
        archive.read_to_end(&mut data).expect("a slice can be read");
        total += data.len();
        assert!(total <= bytes.len(), "more data than the archive has");
        assert!(data.len() as u64 <= entry.stored);
        assert!(entry.mode <= 0o7777 && entry.mtime.nanoseconds < 1_000_000_000);
        if let EntryKind::SparseFile { size, map } = &entry.kind {
            let ends: Vec<_> = map.iter().map(|segment| segment.offset + segment.length).collect();
            assert!(ends.last().is_none_or(|end| end <= size));
            assert!(map.iter().skip(1).zip(&ends).all(|(segment, end)| segment.offset >= *end));
            assert_eq!(map.iter().map(|segment| segment.length).sum::<u64>(), entry.stored);
        }
    }
}

/// The bytes with right checksums in all blocks that look like headers.
fn repaired(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(BLOCK) {
        if block[257..].starts_with(b"ustar") {
            fix_checksum(block);
        }
    }
    bytes
}

/// Puts the right checksum into a header.
pub(crate) fn fix_checksum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}
