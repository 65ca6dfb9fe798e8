//! A module as a list of sections, each written from where its bytes are.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use wasm_encoder::{Encode, SectionId};
use wasmparser::{BinaryReader, BinaryReaderError};

/// The order of the sections (core specification, "Binary format", "Modules"); custom sections
/// are anywhere.
const ORDER: [SectionId; 13] = [
    SectionId::Type,
    SectionId::Import,
    SectionId::Function,
    SectionId::Table,
    SectionId::Memory,
    SectionId::Tag,
    SectionId::Global,
    SectionId::Export,
    SectionId::Start,
    SectionId::Element,
    SectionId::DataCount,
    SectionId::Code,
    SectionId::Data,
];

/// Some bytes of a section.
#[derive(Clone)]
pub enum Piece<'a> {
    /// These.
    Bytes(Cow<'a, [u8]>),
    /// So many from the start of a file.
    File(&'a File, u64),
}

impl Piece<'_> {
    /// How many they are.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        /// Bytes that are copied at once.
        const BUFFER: usize = 1 << 20;
        let (file, length) = match self {
            Self::Bytes(bytes) => return out.write_all(bytes),
            Self::File(file, length) => (file, *length),
        };
        let mut buffer = vec![0; BUFFER.min(length as usize)];
        for at in (0..length).step_by(BUFFER) {
            let piece = &mut buffer[..(length - at).min(BUFFER as u64) as usize];
            file.read_exact_at(piece, at)?;
            out.write_all(piece)?;
        }
        Ok(())
    }
}

impl From<Vec<u8>> for Piece<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl<'a> From<&'a [u8]> for Piece<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// A section: its contents are its pieces, one after the other.
#[derive(Clone)]
pub struct Section<'a> {
    id: u8,
    pieces: Vec<Piece<'a>>,
}

impl<'a> Section<'a> {
    /// A section with these contents.
    pub fn new(id: u8, contents: impl Into<Piece<'a>>) -> Self {
        Self { id, pieces: vec![contents.into()] }
    }

    /// A section that is a vector: `count` items, which `items` holds.
    pub fn vector(id: SectionId, count: usize, items: impl IntoIterator<Item = Piece<'a>>) -> Self {
        let mut section = Self::new(id.into(), leb128(count));
        section.pieces.extend(items);
        section
    }

    /// Adds `count` items to a vector; `items` holds them. Those it has stay as they are.
    fn append(
        &mut self,
        count: usize,
        items: impl IntoIterator<Item = Piece<'a>>,
    ) -> Result<(), BinaryReaderError> {
        let mut none = Cow::Borrowed(&[][..]);
        let first = match self.pieces.first_mut() {
            Some(Piece::Bytes(bytes)) => bytes,
            _ => &mut none,
        };
        let mut contents = BinaryReader::new(first, 0);
        let old = contents.read_var_u32()? as usize;
        let length = contents.original_position() as usize;
        match first {
            Cow::Borrowed(bytes) => *bytes = &bytes[length..],
            Cow::Owned(bytes) => drop(bytes.drain(..length)),
        }
        self.pieces.insert(0, leb128(old + count).into());
        self.pieces.extend(items);
        Ok(())
    }

    /// How many bytes [`Self::write`] writes.
    pub fn size(&self) -> u64 {
        self.head().len() as u64 + self.length()
    }

    /// Writes id, size and contents.
    ///
    /// # Errors
    /// As `out` has them.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.head())?;
        self.pieces.iter().try_for_each(|piece| piece.write(out))
    }

    /// Bytes of the contents; a section has less than 4 GiB.
    pub fn length(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    fn head(&self) -> Vec<u8> {
        head(self.id, self.length() as usize)
    }
}

/// What precedes the contents of a section: its id, and how many bytes they have.
pub fn head(id: u8, length: usize) -> Vec<u8> {
    [&[id], &leb128(length)[..]].concat()
}

/// Puts a section where it belongs: directly behind the last one that has to precede it.
pub fn insert<'a>(sections: &mut Vec<Section<'a>>, section: Section<'a>) {
    let rank = rank(section.id);
    let before = sections.iter().rposition(|other| self::rank(other.id) < rank);
    sections.insert(before.map_or(0, |at| at + 1), section);
}

/// Adds items to the section with this id, which is made when there is none.
///
/// # Errors
/// When the section does not start with a number.
pub fn append<'a>(
    sections: &mut Vec<Section<'a>>,
    id: SectionId,
    count: usize,
    items: impl IntoIterator<Item = Piece<'a>>,
) -> Result<(), BinaryReaderError> {
    match sections.iter_mut().find(|section| section.id == id as u8) {
        Some(section) => section.append(count, items),
        None => {
            insert(sections, Section::vector(id, count, items));
            Ok(())
        }
    }
}

/// Replaces the section of the same id, if there is one.
pub fn replace<'a>(sections: &mut [Section<'a>], section: Section<'a>) {
    if let Some(old) = sections.iter_mut().find(|old| old.id == section.id) {
        *old = section;
    }
}

/// Where a section stands in [`ORDER`]; those it does not know come last.
fn rank(id: u8) -> usize {
    ORDER.iter().position(|&known| id == known as u8).unwrap_or(ORDER.len())
}

/// A number of up to 32 bits as unsigned LEB128.
pub fn leb128(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(sections: &[Section<'_>]) -> Vec<u8> {
        sections.iter().map(|section| section.id).collect()
    }

    fn written(section: &Section<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        section.write(&mut out).unwrap();
        out
    }

    #[test]
    fn a_section_stands_behind_those_that_precede_it() {
        let mut sections: Vec<_> =
            [0, 1, 3, 0, 7, 0, 10, 0, 0].map(|id| Section::new(id, vec![])).into();
        for id in [11, 5, 9, 13, 2] {
            insert(&mut sections, Section::new(id, vec![]));
        }
        assert_eq!(ids(&sections), [0, 1, 2, 3, 5, 13, 0, 7, 9, 0, 10, 11, 0, 0]);
        let mut none = Vec::new();
        insert(&mut none, Section::new(5, vec![]));
        assert_eq!(ids(&none), [5]);
    }

    #[test]
    fn items_are_added_to_those_that_are_there() {
        // The number of items, 1, is longer than it needs to be: a linker may leave room for more.
        let contents = [0x81, 0x80, 0x00, 0xaa];
        let mut sections = vec![Section::new(3, &contents[..])];
        append(&mut sections, SectionId::Function, 2, [vec![0xbb, 0xcc].into()]).unwrap();
        assert_eq!(written(&sections[0]), [3, 4, 3, 0xaa, 0xbb, 0xcc]);
        append(&mut sections, SectionId::Function, 1, [vec![0xdd].into()]).unwrap();
        assert_eq!(written(&sections[0]), [3, 5, 4, 0xaa, 0xbb, 0xcc, 0xdd]);
        append(&mut sections, SectionId::Code, 1, [vec![0xee].into()]).unwrap();
        assert_eq!(written(&sections[1]), [10, 2, 1, 0xee]);
    }

    #[test]
    fn a_section_without_a_number_gets_no_items() {
        let mut sections = vec![Section::new(3, vec![0x80])];
        assert!(append(&mut sections, SectionId::Function, 1, [vec![0].into()]).is_err());
    }
}
