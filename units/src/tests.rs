extern crate std;

use super::*;

fn unit() -> [u8; UNIT_SIZE] {
    core::array::from_fn(|at| ((at * at) >> 9) as u8)
}

#[test]
fn entries_are_read_as_they_were_written() {
    for stored in [
        StoredUnit::ZERO,
        StoredUnit { offset: u32::MAX, length: UNIT_SIZE as u32, encoding: Encoding::Raw },
        StoredUnit { offset: 7, length: 1, encoding: Encoding::Lz4 },
        StoredUnit { offset: 7, length: UNIT_SIZE as u32 - 1, encoding: Encoding::Deflate },
    ] {
        assert_eq!(StoredUnit::from_bytes(stored.to_bytes()), Some(stored));
    }
}

#[test]
fn entries_that_no_unit_has_are_refused() {
    let entry = |length: u32, encoding: u32| {
        let rest = (u64::from(encoding) << 24 | u64::from(length)) << 32;
        StoredUnit::from_bytes(rest.to_le_bytes())
    };
    let size = UNIT_SIZE as u32;
    for (length, encoding) in
        [(1, 0), (size + 1, 0), (size, 1), (0, 2), (size, 2), (5, 3), (5, 255)]
    {
        assert_eq!(entry(length, encoding), None, "{length} {encoding}");
    }
}

#[test]
fn a_packed_unit_is_unpacked() {
    let unit = unit();
    let packed = lz4(&unit);
    let deflated = stored_blocks(&unit);
    for (encoding, stored) in
        [(Encoding::Raw, &unit[..]), (Encoding::Lz4, &packed), (Encoding::Deflate, &deflated)]
    {
        let mut out = [0xee; UNIT_SIZE];
        assert_eq!(unpack(encoding, stored, &mut out), Ok(()), "{encoding:?}");
        assert!(out == unit, "{encoding:?}");
        for damaged in [&stored[..stored.len() - 1], &[], &stored[1..]] {
            let result = unpack(encoding, damaged, &mut out);
            assert!(result == Err(Damaged) || out != unit, "{encoding:?}");
        }
        assert_eq!(unpack(encoding, &stored[..stored.len() / 2], &mut out), Err(Damaged));
    }
}

/// Stored blocks of deflate (RFC 1951, section 3.2.4): what packs in the converter is another library,
/// whose test unpacks it.
fn stored_blocks(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut blocks = bytes.chunks(0x7fff).peekable();
    while let Some(block) = blocks.next() {
        out.push(u8::from(blocks.peek().is_none()));
        out.extend((block.len() as u16).to_le_bytes());
        out.extend((!(block.len() as u16)).to_le_bytes());
        out.extend(block);
    }
    out
}
