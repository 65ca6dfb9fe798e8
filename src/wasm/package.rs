//! Writes the module, or the component with it.

use super::checksum::checksum;
use super::code;
use super::error::PackageError;
use super::layout::Layout;
use super::parts::Parts;
use super::provenance::Provenance;
use super::scan::MODULE_HEADER;
use super::sections::{Piece, Section, insert, leb128};
use super::template::Template;
use crate::units::{UnitFile, Written};
use c2w_units::{ENTRY_SIZE, StoredUnit};
use std::io::{self, Write};
use wasm_encoder::{ConstExpr, Encode, MemoryType, SectionId};

/// The largest data section: less than a section can have, by what is in it beside units.
const MAX_UNITS: u64 = (4 << 30) - (64 << 20);

/// What a module or component has become.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Its size in bytes.
    pub size: u64,
    /// What it carries of RAM.
    pub ram: Written,
    /// What it carries of the root image.
    pub image: Written,
    /// Bytes of translated functions and of their index.
    pub translated: u64,
}

/// Bytes and the address where they belong.
struct Segment<'a> {
    address: u32,
    bytes: &'a [u8],
}

impl<'a> Segment<'a> {
    fn new(address: u64, bytes: &'a [u8]) -> Self {
        Self { address: address as u32, bytes }
    }

    /// An active segment for memory 0.
    fn encode(self) -> [Piece<'a>; 2] {
        let mut head = vec![0];
        ConstExpr::i32_const(self.address as i32).encode(&mut head);
        self.bytes.len().encode(&mut head);
        [head.into(), self.bytes.into()]
    }
}

/// Writes a module that goes on from a snapshot, in the runtime's component if it is in one.
///
/// # Errors
/// [`PackageError`]; `out` may then hold a part of the module.
pub fn package(
    template: &Template<'_>,
    parts: &Parts<'_>,
    out: &mut impl Write,
) -> Result<Summary, PackageError> {
    let (ram, image) = (parts.ram, parts.image);
    let stored = ram.written.stored + image.written.stored;
    if stored > MAX_UNITS {
        return Err(PackageError::TooMuch(stored >> 20));
    }
    let index = unit_index(ram, image);
    let layout = Layout::new(template.memory_pages, parts, index.len() as u64);
    // The last page stays free, so that no address computation wraps.
    if layout.memory_pages() >= 1 << 16 {
        let (image, ram) = (layout.image.1 >> 20, layout.ram.1 >> 20);
        return Err(PackageError::TooLarge { image, ram });
    }
    let mut segments = own_segments(template);
    segments.push(Segment::new(layout.units.0, &index));
    segments.push(Segment::new(layout.state.0, parts.state));
    if let Some(translation) = parts.functions() {
        segments.push(Segment::new(layout.translation.0, &translation.index));
    }
    // Behind these the placement, then the units.
    let linked = code::link(template, parts.functions(), segments.len() + 1)?;
    let table = layout.placement(&linked).to_bytes();
    segments.push(Segment::new(template.placement.into(), &table));

    let mut sections = linked.sections;
    insert(&mut sections, memory_section(layout.memory_pages()));
    let units = [ram, image].map(|units| Piece::File(units.file(), units.written.stored));
    let count = Section::new(SectionId::DataCount.into(), leb128(segments.len() + 1));
    insert(&mut sections, count);
    let data = data_section(segments, units);
    if data.length() > u32::MAX.into() {
        return Err(PackageError::TooMuch(data.length() >> 20));
    }
    insert(&mut sections, data);
    let provenance = Provenance {
        root_image: parts.root.raw,
        root_image_stored: parts.root.stored,
        machine: checksum(&index, [ram.checksum, image.checksum], parts.state),
        ..parts.provenance.clone()
    };
    sections.push(Section::new(SectionId::Custom.into(), provenance.section()));
    let mut out = Counted { inner: out, count: 0 };
    match template.component {
        None => write_module(&sections, &mut out)?,
        Some(component) => {
            let size = MODULE_HEADER.len() as u64 + sections.iter().map(Section::size).sum::<u64>();
            component.write(size, &mut out, |out| write_module(&sections, out))?;
        }
    }
    let translated = parts.functions().map_or(0, code::size);
    Ok(Summary { size: out.count, ram: ram.written, image: parts.root, translated })
}

/// The entries of all units: those of the image are stored behind those of RAM.
fn unit_index(ram: &UnitFile, image: &UnitFile) -> Vec<u8> {
    let mut index = ram.index.clone();
    let moved = |entry: &[u8; ENTRY_SIZE]| {
        let unit = StoredUnit::from_bytes(*entry).unwrap_or(StoredUnit::ZERO);
        let offset = if unit.is_zero() { 0 } else { unit.offset + ram.written.stored as u32 };
        StoredUnit { offset, ..unit }.to_bytes()
    };
    index.extend(image.index.as_chunks().0.iter().flat_map(moved));
    index
}

fn write_module(sections: &[Section<'_>], out: &mut impl Write) -> io::Result<()> {
    out.write_all(&MODULE_HEADER)?;
    sections.iter().try_for_each(|section| section.write(out))
}

/// What the runtime's own linker put into memory.
fn own_segments<'a>(template: &Template<'a>) -> Vec<Segment<'a>> {
    template.data.iter().map(|&(address, bytes)| Segment::new(address.into(), bytes)).collect()
}

fn memory_section<'a>(pages: u64) -> Section<'a> {
    let mut bytes = Vec::new();
    let memory = MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    memory.encode(&mut bytes);
    Section::vector(SectionId::Memory, 1, [bytes.into()])
}

/// Active segments, and one that the runtime copies from.
fn data_section<'a>(segments: Vec<Segment<'a>>, units: [Piece<'a>; 2]) -> Section<'a> {
    const PASSIVE: u8 = 1;
    let count = segments.len() + 1;
    let length = units.iter().map(Piece::len).sum::<u64>();
    let head = [&[PASSIVE], &leb128(length as usize)[..]].concat();
    let active = segments.into_iter().flat_map(Segment::encode);
    let pieces = active.chain([head.into()]).chain(units);
    Section::vector(SectionId::Data, count, pieces)
}

/// Counts what is written.
struct Counted<'a, W> {
    inner: &'a mut W,
    count: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
