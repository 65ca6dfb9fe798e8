//! The units in which a module carries the memory of a machine, RAM and root image: each is packed by
//! itself and unpacked when the guest touches it.
//!
//! ```text
//! index    for each unit, first those of RAM, then those of the image, 8 bytes:
//!          offset u32, length in bits 16..0 and encoding in bits 31..24 of a u32; little-endian
//! blob     what is stored of the units, found by offset and length
//! ```
//!
//! A unit of length 0 is all zeros.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use c2w_emulator::UNIT_SIZE;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// Bytes of an entry of the index.
pub const ENTRY_SIZE: usize = 8;

/// How a unit is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Raw = 0,
    /// An LZ4 block.
    Lz4 = 1,
    /// Deflate (RFC 1951), without a header.
    Deflate = 2,
}

/// An entry of the index: where a unit is stored, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredUnit {
    /// Where it begins in the blob.
    pub offset: u32,
    /// Bytes that are stored of it, 0 to [`UNIT_SIZE`]. None of a unit that is all zeros.
    pub length: u32,
    /// How they are to be read.
    pub encoding: Encoding,
}

impl StoredUnit {
    /// A unit that is all zeros.
    pub const ZERO: Self = Self { offset: 0, length: 0, encoding: Encoding::Raw };

    /// As the index has it.
    pub fn to_bytes(self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..4].copy_from_slice(&self.offset.to_le_bytes());
        bytes[4..].copy_from_slice(&(self.length | (self.encoding as u32) << 24).to_le_bytes());
        bytes
    }

    /// Reads what [`Self::to_bytes`] gives; `None` if no unit is stored so.
    pub fn from_bytes(bytes: [u8; ENTRY_SIZE]) -> Option<Self> {
        let number = u64::from_le_bytes(bytes);
        let (offset, rest) = (number as u32, (number >> 32) as u32);
        let encoding = match rest >> 24 {
            0 => Encoding::Raw,
            1 => Encoding::Lz4,
            2 => Encoding::Deflate,
            _ => return None,
        };
        let length = rest & 0xff_ffff;
        let is_possible = match encoding {
            Encoding::Raw => length == 0 || length as usize == UNIT_SIZE,
            _ => length > 0 && (length as usize) < UNIT_SIZE,
        };
        is_possible.then_some(Self { offset, length, encoding })
    }

    /// Whether the unit is all zeros.
    pub fn is_zero(self) -> bool {
        self.length == 0
    }
}

/// The entries of some units that follow each other.
#[derive(Clone, Copy, Debug)]
pub struct UnitIndex<'a>(&'a [[u8; ENTRY_SIZE]]);

impl<'a> UnitIndex<'a> {
    /// Entries as they are stored; bytes behind the last whole one do not count.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.as_chunks().0)
    }

    /// The entry of a unit. `None` if it has none that a unit can have.
    pub fn get(&self, unit: u32) -> Option<StoredUnit> {
        StoredUnit::from_bytes(*self.0.get(unit as usize)?)
    }

    /// How many units it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is stored of a unit is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Unpacks what is stored of a unit that is not all zeros.
///
/// # Errors
/// [`Damaged`] unless `stored` gives exactly a unit; `unit` then holds anything.
pub fn unpack(
    encoding: Encoding,
    stored: &[u8],
    unit: &mut [u8; UNIT_SIZE],
) -> Result<(), Damaged> {
    let length = match encoding {
        Encoding::Raw => match <&[u8; UNIT_SIZE]>::try_from(stored) {
            Ok(stored) => {
                unit.copy_from_slice(stored);
                UNIT_SIZE
            }
            Err(_) => 0,
        },
        Encoding::Lz4 => lz4_flex::block::decompress_into(stored, unit).unwrap_or(0),
        Encoding::Deflate => inflate(stored, unit),
    };
    if length == UNIT_SIZE { Ok(()) } else { Err(Damaged) }
}

/// The bytes that a deflate stream has, if all of them fit.
fn inflate(stored: &[u8], unit: &mut [u8; UNIT_SIZE]) -> usize {
    let mut decompressor = DecompressorOxide::new();
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, _, length) = decompress(&mut decompressor, stored, unit, 0, flags);
    if status == TINFLStatus::Done { length } else { 0 }
}

/// Packs a unit as an LZ4 block, which may be longer than the unit.
pub fn lz4(unit: &[u8; UNIT_SIZE]) -> Vec<u8> {
    lz4_flex::block::compress(unit)
}

#[cfg(test)]
mod tests;
