//! Writes the module.

use super::provenance::Provenance;
use super::segments::{PAGE, merge_to, non_zero_runs};
use super::template::Template;
use std::io::{self, Write};
use std::ops::Range;
use wasm_encoder::{ConstExpr, Encode, MemorySection, MemoryType, Section};

/// Size of a WebAssembly page in bytes.
const WASM_PAGE: u64 = 1 << 16;
/// Engines accept 100,000 data segments (WebAssembly JavaScript interface, "Limits").
const MAX_SEGMENTS: usize = 90_000;
/// `runtime/src/placement.rs` says what this stands for.
const MAGIC: u32 = 0x7732_6301;

const CUSTOM_SECTION: u8 = 0;
const MEMORY_SECTION: u8 = 5;
const CODE_SECTION: u8 = 10;
const DATA_SECTION: u8 = 11;

/// What a module is made of.
pub struct Parts<'a> {
    /// RAM at the snapshot.
    pub ram: &'a [u8],
    /// The root image.
    pub image: &'a [u8],
    /// The machine's other state.
    pub state: &'a [u8],
    /// Where all this comes from.
    pub provenance: &'a Provenance,
}

/// What a module has become.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Size of the module in bytes.
    pub size: u64,
    /// Bytes of RAM that it carries.
    pub ram: u64,
    /// Bytes of the root image that it carries.
    pub image: u64,
}

/// Why a module cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// wasm32 ends at 4 GiB.
    #[error(
        "the machine does not fit into 4 GiB of WebAssembly memory: image {image} MiB, \
         memory {ram} MiB; make the image smaller or give less --memory"
    )]
    TooLarge {
        /// Size of the root image in MiB.
        image: u64,
        /// Size of RAM in MiB.
        ram: u64,
    },
    /// The output cannot be written.
    #[error("cannot write the module")]
    Write(#[from] io::Error),
}

/// A run of bytes and the address where it belongs.
struct Segment<'a> {
    address: u32,
    bytes: &'a [u8],
}

/// Where everything lies in linear memory: address and length.
struct Placement {
    image: (u64, u64),
    pages: (u64, u64),
    runs: (u64, u64),
    state: (u64, u64),
    ram: (u64, u64),
}

impl Placement {
    fn new(template: &Template<'_>, parts: &Parts<'_>, pages: u64, runs: u64) -> Self {
        let mut next = template.memory_pages * WASM_PAGE;
        let mut place = |length: u64, align: u64| {
            let start = next.next_multiple_of(align);
            next = start + length;
            (start, length)
        };
        let page = PAGE as u64;
        Self {
            image: place(parts.image.len() as u64, WASM_PAGE),
            pages: place(pages, page),
            runs: place(runs, 8),
            state: place(parts.state.len() as u64, 8),
            ram: place(parts.ram.len() as u64, WASM_PAGE),
        }
    }

    fn memory_pages(&self) -> u64 {
        (self.ram.0 + self.ram.1).div_ceil(WASM_PAGE)
    }

    /// As the runtime reads it.
    fn table(&self) -> Vec<u8> {
        let pairs = [self.image, self.ram, self.pages, self.runs, self.state];
        let words = pairs.iter().flat_map(|&(address, length)| [address as u32, length as u32]);
        [MAGIC].into_iter().chain(words).flat_map(u32::to_le_bytes).collect()
    }
}

/// Writes a module that goes on from a snapshot.
///
/// # Errors
/// [`PackageError`]; `out` may then hold a part of the module.
pub fn package(
    template: &Template<'_>,
    parts: &Parts<'_>,
    out: &mut impl Write,
) -> Result<Summary, PackageError> {
    let ram_runs = non_zero_runs(parts.ram);
    let run_table: Vec<u8> = ram_runs
        .iter()
        .flat_map(|run| [run.start as u32, run.len() as u32])
        .flat_map(u32::to_le_bytes)
        .collect();
    let ram_pages: usize = ram_runs.iter().map(Range::len).sum();
    let packed = (ram_pages * PAGE) as u64;
    let placement = Placement::new(template, parts, packed, run_table.len() as u64);
    // The last page stays free, so that no address computation wraps.
    if placement.memory_pages() >= 1 << 16 {
        let (image, ram) = (parts.image.len() as u64 >> 20, parts.ram.len() as u64 >> 20);
        return Err(PackageError::TooLarge { image, ram });
    }
    let table = placement.table();
    let mut segments = own_segments(template);
    segments.push(Segment { address: template.placement, bytes: &table });
    let image = image_segments(parts.image, placement.image.0, MAX_SEGMENTS - segments.len());
    let image_bytes = image.iter().map(|segment| segment.bytes.len() as u64).sum();
    segments.extend(image);
    let packed_ram = Packed { ram: parts.ram, runs: &ram_runs, length: packed };
    segments.push(Segment { address: placement.runs.0 as u32, bytes: &run_table });
    segments.push(Segment { address: placement.state.0 as u32, bytes: parts.state });

    let mut out = Counted { inner: out, count: 0 };
    out.write_all(b"\0asm\x01\0\0\0")?;
    let mut memory_written = false;
    let mut data_written = false;
    for section in &template.sections {
        // Memory follows tables and precedes globals; data follows code.
        if !memory_written && (6..=CODE_SECTION).contains(&section.id) {
            write_memory(placement.memory_pages(), &mut out)?;
            memory_written = true;
        }
        if !data_written && memory_written && section.id == CUSTOM_SECTION {
            write_data(&segments, &packed_ram, placement.pages.0 as u32, &mut out)?;
            data_written = true;
        }
        write_section(section.id, section.bytes, &mut out)?;
    }
    if !data_written {
        write_data(&segments, &packed_ram, placement.pages.0 as u32, &mut out)?;
    }
    write_section(CUSTOM_SECTION, &parts.provenance.section(), &mut out)?;
    Ok(Summary { size: out.count, ram: packed, image: image_bytes })
}

/// What the runtime's own linker put into memory.
fn own_segments<'a>(template: &Template<'a>) -> Vec<Segment<'a>> {
    template.data.iter().map(|&(address, bytes)| Segment { address, bytes }).collect()
}

fn image_segments(image: &[u8], address: u64, limit: usize) -> Vec<Segment<'_>> {
    merge_to(non_zero_runs(image), limit)
        .into_iter()
        .map(|run| Segment {
            address: (address + (run.start * PAGE) as u64) as u32,
            bytes: &image[run.start * PAGE..(run.end * PAGE).min(image.len())],
        })
        .collect()
}

/// The non-zero pages of RAM as one segment.
struct Packed<'a> {
    ram: &'a [u8],
    runs: &'a [Range<usize>],
    length: u64,
}

fn write_section(id: u8, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    let mut head = vec![id];
    bytes.len().encode(&mut head);
    out.write_all(&head)?;
    out.write_all(bytes)
}

fn write_memory(pages: u64, out: &mut impl Write) -> io::Result<()> {
    let mut section = MemorySection::new();
    section.memory(MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut bytes = vec![MEMORY_SECTION];
    Section::append_to(&section, &mut bytes);
    // `append_to` writes the id itself.
    out.write_all(&bytes[1..])
}

/// The head of an active data segment for memory 0.
fn segment_head(address: u32, length: u64) -> Vec<u8> {
    let mut head = vec![0];
    ConstExpr::i32_const(address as i32).encode(&mut head);
    (length as usize).encode(&mut head);
    head
}

fn write_data(
    segments: &[Segment<'_>],
    packed: &Packed<'_>,
    packed_at: u32,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut count = Vec::new();
    (segments.len() + 1).encode(&mut count);
    let heads: Vec<_> = segments
        .iter()
        .map(|segment| segment_head(segment.address, segment.bytes.len() as u64))
        .collect();
    let packed_head = segment_head(packed_at, packed.length);
    let length = count.len()
        + heads.iter().zip(segments).map(|(head, s)| head.len() + s.bytes.len()).sum::<usize>()
        + packed_head.len()
        + packed.length as usize;
    let mut section = vec![DATA_SECTION];
    length.encode(&mut section);
    out.write_all(&section)?;
    out.write_all(&count)?;
    for (head, segment) in heads.iter().zip(segments) {
        out.write_all(head)?;
        out.write_all(segment.bytes)?;
    }
    out.write_all(&packed_head)?;
    for run in packed.runs {
        out.write_all(&packed.ram[run.start * PAGE..run.end * PAGE])?;
    }
    Ok(())
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
