//! Maps of sparse files: old GNU descriptors and the three pax formats.

use std::io::{self, Read};

use super::header::{self, BLOCK_SIZE, BadNumber, Block};

/// Segments a map may have: more than tar writes for real files, few enough to hold in memory.
const MAX_SEGMENTS: usize = 1 << 18;

/// A run of data in a sparse file; what lies between reads as zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// A sparse map that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum SparseError {
    /// A field of the map is not a number.
    #[error(transparent)]
    Number(#[from] BadNumber),
    /// The map in the data of a pax 1.0 entry is malformed, or the map is missing.
    #[error("the map of a sparse file is malformed")]
    Malformed,
    /// Segments overlap, lie outside of the file or are not as long as the data.
    #[error("the map of a sparse file does not fit its size or its data")]
    Inconsistent,
    /// More segments than any real file has.
    #[error("the map of a sparse file has more than {MAX_SEGMENTS} segments")]
    TooLong,
    /// The archive ended or failed within the map.
    #[error("cannot read the map of a sparse file")]
    Read(#[from] io::Error),
}

/// A decimal number without a sign.
pub(super) fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The map of pax format 0.1: "offset,length,offset,length".
pub(super) fn parse_list(text: &[u8]) -> Option<Vec<Segment>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut numbers = text.split(|&byte| byte == b',').map(parse_decimal);
    let mut map = Vec::new();
    while let Some(offset) = numbers.next() {
        map.push(Segment { offset: offset?, length: numbers.next()?? });
    }
    Some(map)
}

/// Appends old GNU descriptors (offset and length, 12 bytes each) up to the first empty one.
fn push_descriptors(descriptors: &[u8], map: &mut Vec<Segment>) -> Result<(), SparseError> {
    let number = |field| header::unsigned(field).ok_or(BadNumber("sparse"));
    for descriptor in descriptors.chunks_exact(24).take_while(|bytes| bytes[0] != 0) {
        let (offset, length) = (number(&descriptor[..12])?, number(&descriptor[12..])?);
        map.push(Segment { offset, length });
    }
    if map.len() > MAX_SEGMENTS { Err(SparseError::TooLong) } else { Ok(()) }
}

/// The map of an old GNU sparse entry: descriptors in the header, then in extension blocks.
pub(super) fn read_gnu_map(
    descriptors: &[u8],
    mut extended: bool,
    input: &mut impl Read,
) -> Result<Vec<Segment>, SparseError> {
    let mut map = Vec::new();
    push_descriptors(descriptors, &mut map)?;
    while extended {
        let mut block: Block = [0; BLOCK_SIZE];
        input.read_exact(&mut block)?;
        let before = map.len();
        push_descriptors(&block[..504], &mut map)?;
        // A chain of empty blocks would never reach the limit on segments.
        extended = block[504] != 0 && map.len() > before;
    }
    Ok(map)
}

/// The map of pax format 1.0, at the start of the data: lines with the count, then offset and
/// length of each segment, filled up to whole blocks. `data` must end where the data ends.
pub(super) fn read_pax_map(data: &mut impl Read) -> Result<Vec<Segment>, SparseError> {
    let mut lines = Lines { data, block: [0; BLOCK_SIZE], position: BLOCK_SIZE };
    let count = lines.number()?;
    if count > MAX_SEGMENTS as u64 {
        return Err(SparseError::TooLong);
    }
    let mut map = Vec::new();
    for _ in 0..count {
        map.push(Segment { offset: lines.number()?, length: lines.number()? });
    }
    Ok(map)
}

/// Reads numbers, one on each line, block by block.
struct Lines<'a, R> {
    data: &'a mut R,
    block: Block,
    position: usize,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> Result<u64, SparseError> {
        let mut digits = Vec::new();
        loop {
            if self.position == BLOCK_SIZE {
                self.data.read_exact(&mut self.block)?;
                self.position = 0;
            }
            let byte = self.block[self.position];
            self.position += 1;
            match byte {
                b'\n' => return parse_decimal(&digits).ok_or(SparseError::Malformed),
                _ if digits.len() == 20 => return Err(SparseError::Malformed),
                _ => digits.push(byte),
            }
        }
    }
}

/// Checks that `map` is in order, inside of a file of `size` bytes, and takes all `stored` bytes.
pub(super) fn check(map: &[Segment], size: u64, stored: u64) -> Result<(), SparseError> {
    let (mut end, mut total) = (0_u64, 0_u64);
    for segment in map {
        let after = segment.offset.checked_add(segment.length);
        match after {
            Some(after) if segment.offset >= end && after <= size => end = after,
            _ => return Err(SparseError::Inconsistent),
        }
        total += segment.length;
    }
    if total == stored { Ok(()) } else { Err(SparseError::Inconsistent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pax_map_may_span_blocks() {
        let mut data = b"100\n".to_vec();
        for i in 0..100 {
            data.extend(format!("{}\n{}\n", i * 1000, 10).bytes());
        }
        data.resize(data.len().next_multiple_of(BLOCK_SIZE), 0);
        data.extend(b"the data");
        let mut rest = &data[..];
        let map = read_pax_map(&mut rest).unwrap();
        assert_eq!((map.len(), rest), (100, &b"the data"[..]));
        assert!(check(&map, 99_010, 1000).is_ok());
        assert!(check(&map, 99_009, 1000).is_err());
        assert!(check(&map, 99_010, 1001).is_err());
    }

    #[test]
    fn hostile_maps_are_refused() {
        assert!(matches!(read_pax_map(&mut &[b'9'; 512][..]), Err(SparseError::Malformed)));
        assert!(matches!(read_pax_map(&mut &b"1\n"[..]), Err(SparseError::Read(_))));
        let mut huge = b"9999999999\n".to_vec();
        huge.resize(BLOCK_SIZE, 0);
        assert!(matches!(read_pax_map(&mut &huge[..]), Err(SparseError::TooLong)));
        let overlap = [Segment { offset: 0, length: 2 }, Segment { offset: 1, length: 2 }];
        assert!(check(&overlap, 9, 4).is_err());
        let wrap = [Segment { offset: u64::MAX, length: 2 }];
        assert!(check(&wrap, u64::MAX, 2).is_err());
    }
}
