//! Writes the module, or the component with it.

use super::checksum::Checksum;
use super::code;
use super::error::PackageError;
use super::layout::Layout;
use super::parts::Parts;
use super::provenance::Provenance;
use super::scan::MODULE_HEADER;
use super::sections::{Piece, Section, insert};
use super::segments::{PAGE, merge_to, non_zero_runs};
use super::template::Template;
use std::io::{self, Write};
use std::ops::Range;
use wasm_encoder::{ConstExpr, Encode, MemoryType, SectionId};

/// Engines accept 100,000 data segments (WebAssembly JavaScript interface, "Limits").
const MAX_SEGMENTS: usize = 90_000;
/// Those of them that an emulator's disk has at most: it is one file.
const MAX_EMULATOR_SEGMENTS: usize = 100;

/// What a module or component has become.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Its size in bytes.
    pub size: u64,
    /// Bytes of RAM that it carries.
    pub ram: u64,
    /// Bytes of the root image that it carries.
    pub image: u64,
    /// Bytes of translated functions and of their index.
    pub translated: u64,
}

/// Bytes and the address where they belong.
struct Segment<'a> {
    address: u32,
    pieces: Vec<&'a [u8]>,
}

impl<'a> Segment<'a> {
    fn new(address: u64, bytes: &'a [u8]) -> Self {
        Self { address: address as u32, pieces: vec![bytes] }
    }

    fn length(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// An active segment for memory 0.
    fn encode(self) -> impl Iterator<Item = Piece<'a>> {
        let mut head = vec![0];
        ConstExpr::i32_const(self.address as i32).encode(&mut head);
        self.length().encode(&mut head);
        [head.into()].into_iter().chain(self.pieces.into_iter().map(Piece::from))
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
    let ram_runs = non_zero_runs(parts.ram);
    let run_table = run_table(&ram_runs);
    let packed = ram_runs.iter().map(Range::len).sum::<usize>() * PAGE;
    let (packed, runs) = (packed as u64, run_table.len() as u64);
    let layout = Layout::new(template.memory_pages, parts, packed, runs);
    // The last page stays free, so that no address computation wraps.
    if layout.memory_pages() >= 1 << 16 {
        let (image, ram) = (parts.image.len() as u64 >> 20, parts.ram.len() as u64 >> 20);
        return Err(PackageError::TooLarge { image, ram });
    }
    let (mut sections, first_element) = match parts.functions() {
        Some(translation) => code::link(template, translation)?,
        None => (template.sections.clone(), 0),
    };
    let table = layout.placement(first_element).to_bytes();
    let mut segments = own_segments(template);
    segments.push(Segment::new(template.placement.into(), &table));
    let (root, emulator) = parts.image.split_at(parts.root);
    let emulator_at = layout.image.0 + parts.root as u64;
    let emulator = image_segments(emulator, emulator_at, MAX_EMULATOR_SEGMENTS);
    let room = MAX_SEGMENTS - segments.len() - emulator.len();
    let root = image_segments(root, layout.image.0, room);
    let image_bytes = root.iter().map(|segment| segment.length() as u64).sum();
    segments.extend(root.into_iter().chain(emulator));
    segments.push(Segment::new(layout.runs.0, &run_table));
    segments.push(Segment::new(layout.state.0, parts.state));
    if let Some(translation) = parts.functions() {
        segments.push(Segment::new(layout.translation.0, &translation.index));
    }
    segments.push(packed_segment(parts.ram, &ram_runs, layout.pages.0));

    insert(&mut sections, memory_section(layout.memory_pages()));
    insert(&mut sections, data_section(segments));
    let machine = checksum(parts, &ram_runs, &run_table);
    let provenance = Provenance { root_image: image_bytes, machine, ..parts.provenance.clone() };
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
    Ok(Summary { size: out.count, ram: packed, image: image_bytes, translated })
}

fn write_module(sections: &[Section<'_>], out: &mut impl Write) -> io::Result<()> {
    out.write_all(&MODULE_HEADER)?;
    sections.iter().try_for_each(|section| section.write(out))
}

fn checksum(parts: &Parts<'_>, ram_runs: &[Range<usize>], run_table: &[u8]) -> String {
    let mut checksum = Checksum::default();
    checksum.update(run_table);
    for run in ram_runs {
        checksum.update(&parts.ram[run.start * PAGE..run.end * PAGE]);
    }
    checksum.update(parts.image);
    checksum.update(parts.state);
    checksum.finish()
}

/// The table of [`c2w_module_abi::Placement::runs`].
fn run_table(runs: &[Range<usize>]) -> Vec<u8> {
    let words = runs.iter().flat_map(|run| [run.start as u32, run.len() as u32]);
    words.flat_map(u32::to_le_bytes).collect()
}

/// What the runtime's own linker put into memory.
fn own_segments<'a>(template: &Template<'a>) -> Vec<Segment<'a>> {
    template.data.iter().map(|&(address, bytes)| Segment::new(address.into(), bytes)).collect()
}

fn image_segments(image: &[u8], address: u64, limit: usize) -> Vec<Segment<'_>> {
    let segment = |run: Range<usize>| {
        let bytes = &image[run.start * PAGE..(run.end * PAGE).min(image.len())];
        Segment::new(address + (run.start * PAGE) as u64, bytes)
    };
    merge_to(non_zero_runs(image), limit).into_iter().map(segment).collect()
}

/// The non-zero pages of RAM as one segment.
fn packed_segment<'a>(ram: &'a [u8], runs: &[Range<usize>], address: u64) -> Segment<'a> {
    let pieces = runs.iter().map(|run| &ram[run.start * PAGE..run.end * PAGE]).collect();
    Segment { address: address as u32, pieces }
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

fn data_section(segments: Vec<Segment<'_>>) -> Section<'_> {
    let count = segments.len();
    Section::vector(SectionId::Data, count, segments.into_iter().flat_map(Segment::encode))
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
