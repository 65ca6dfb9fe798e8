//! The machine in a module that this program has made, taken out again: what
//! `runtime/src/placement.rs` does in linear memory, done on the file.
//!
//! The file may come from anybody. Nothing is believed that was not checked against the file's size
//! or the limits of a machine, and only bytes that are there are allocated for.

use super::checksum::Checksum;
use super::layout::Layout;
use super::provenance::{Provenance, ProvenanceError};
use super::scan::{Found, ScanError, Scanner, leb128};
use super::segments::PAGE;
use super::template::constant;
use crate::target::Target;
use c2w_emulator::{AllocateError, GuestMemory};
use c2w_module_abi::{PLACEMENT_EXPORT, Placement};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use wasm_encoder::SectionId;
use wasmparser::{BinaryReader, ExportSectionReader, ExternalKind, GlobalSectionReader};

/// The longest section of exports or globals that is read: ours have some hundred bytes.
const MAX_SECTION: u64 = 1 << 20;
/// As many data segments as engines accept (WebAssembly JavaScript interface, "Limits").
const MAX_SEGMENTS: u32 = 100_000;
/// What a machine may have as RAM, in bytes.
const RAM: std::ops::RangeInclusive<u64> = 64 << 20..=3072 << 20;
/// The machine of all modules of this version.
const TARGET: Target = Target::Riscv64;
/// Where linear memory ends.
const END: u64 = 1 << 32;

/// A machine at the moment when its container waits for a command.
pub struct Snapshot {
    /// RAM and root image.
    pub memory: GuestMemory,
    /// The machine's other state.
    pub state: Vec<u8>,
    /// What the module says of its making.
    pub provenance: Provenance,
}

/// Why there is no machine in a file.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Another kind of file, or somebody else's module.
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    /// A part contradicts another, or is missing.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// It carries a machine that this program does not know.
    #[error(
        "c2w {0} has made it, this is c2w {ours}: run it with a WASI runtime, or convert its image \
         again", ours = env!("CARGO_PKG_VERSION")
    )]
    Version(String),
    /// The host does not have that much memory.
    #[error("not enough memory on this host for its machine of {0} MiB")]
    OutOfMemory(u64),
    /// The file cannot be read.
    #[error(transparent)]
    Io(io::Error),
}

impl From<ScanError> for SnapshotError {
    fn from(error: ScanError) -> Self {
        Self::Provenance(error.into())
    }
}

impl From<io::Error> for SnapshotError {
    fn from(error: io::Error) -> Self {
        ScanError::from(error).into()
    }
}

impl From<wasmparser::BinaryReaderError> for SnapshotError {
    fn from(_: wasmparser::BinaryReaderError) -> Self {
        Self::Damaged("its exports or globals cannot be read")
    }
}

/// A part of linear memory that the file has the bytes of.
struct Segment {
    address: u64,
    length: u64,
    /// Where they lie in the file.
    at: u64,
}

impl Segment {
    fn end(&self) -> u64 {
        self.address + self.length
    }

    /// Reads what lies in the memory that begins at an address into `out`.
    fn read(&self, file: &File, address: u64, out: &mut [u8]) -> io::Result<()> {
        let end = address + out.len() as u64;
        let (from, to) = (self.address.max(address), self.end().min(end));
        if from >= to {
            return Ok(());
        }
        let target = &mut out[(from - address) as usize..(to - address) as usize];
        file.read_exact_at(target, self.at + (from - self.address))
    }
}

/// The machine's part of linear memory, as an engine would set it up.
struct Linear<'a> {
    file: &'a File,
    /// In the order of their addresses, none over another.
    segments: Vec<Segment>,
    /// Bytes of the file, and so the most that can be in a range that is not zero.
    size: u64,
}

impl Snapshot {
    /// Reads a module of this version.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(mut file: &File) -> Result<Self, SnapshotError> {
        let provenance = Provenance::read(&mut file)?;
        if provenance.c2w != env!("CARGO_PKG_VERSION") {
            return Err(SnapshotError::Version(provenance.c2w));
        }
        let (address, segments) = contents(file)?;
        let table = table(file, &segments, address)?;
        let Some(layout) = Placement::from_bytes(&table).map(Layout::from) else {
            return Err(SnapshotError::Damaged("it does not say where its machine lies"));
        };
        let linear = Linear::new(file, segments, &layout)?;
        let mut checksum = Checksum::default();
        let memory = linear.machine(&layout, &mut checksum)?;
        let state = linear.bytes(layout.state, "its state lies outside of it")?;
        checksum.update(&state);
        if checksum.finish() != provenance.machine {
            return Err(SnapshotError::Damaged("its machine is not the one that was written"));
        }
        Ok(Self { memory, state, provenance })
    }
}

/// Finds the address of the placement table, and all data.
fn contents(mut file: &File) -> Result<(u64, Vec<Segment>), SnapshotError> {
    let (mut exports, mut globals, mut data) = (None, None, None);
    let mut scanner = Scanner::new(&mut file)?;
    while let Some(section) = scanner.next()? {
        match section.id {
            id if id == SectionId::Export as u8 => exports = Some(small(&mut scanner, section)?),
            id if id == SectionId::Global as u8 => globals = Some(small(&mut scanner, section)?),
            id if id == SectionId::Data as u8 => data = Some(section),
            _ => {}
        }
    }
    let missing = SnapshotError::Damaged("it has no exports, globals or data");
    let (Some(exports), Some(globals), Some(data)) = (exports, globals, data) else {
        return Err(missing);
    };
    Ok((table_address(&exports, &globals)?, segments(file, data)?))
}

/// The placement table: it stands over what the runtime has there, in a later segment.
fn table(
    file: &File,
    segments: &[Segment],
    address: u64,
) -> Result<[u8; Placement::LENGTH], SnapshotError> {
    let mut table = [0; Placement::LENGTH];
    segments.iter().try_for_each(|segment| segment.read(file, address, &mut table))?;
    Ok(table)
}

fn small(scanner: &mut Scanner<'_, &File>, section: Found) -> Result<Vec<u8>, SnapshotError> {
    match section.length {
        0..=MAX_SECTION => Ok(scanner.contents(section)?),
        _ => Err(SnapshotError::Damaged("its exports or globals are too long")),
    }
}

/// The address that the runtime exports.
fn table_address(exports: &[u8], globals: &[u8]) -> Result<u64, SnapshotError> {
    let missing = || SnapshotError::Damaged("it does not export the place of its machine");
    let mut exported = None;
    for export in ExportSectionReader::new(BinaryReader::new(exports, 0))? {
        let export = export?;
        if export.kind == ExternalKind::Global && export.name == PLACEMENT_EXPORT {
            exported = Some(export.index as usize);
        }
    }
    let mut globals = GlobalSectionReader::new(BinaryReader::new(globals, 0))?.into_iter();
    let global = exported.and_then(|index| globals.nth(index)).ok_or_else(missing)??;
    constant(&global.init_expr).map(u64::from).map_err(|_| missing())
}

/// Finds the bytes of all data segments.
fn segments(file: &File, section: Found) -> Result<Vec<Segment>, SnapshotError> {
    let damaged = SnapshotError::Damaged;
    let (mut reader, end) = (BufReader::new(file), section.start + section.length);
    reader.seek(SeekFrom::Start(section.start))?;
    let count = leb128(&mut reader)?;
    if count > MAX_SEGMENTS {
        return Err(damaged("it has too many data segments"));
    }
    let mut segments = Vec::new();
    for _ in 0..count {
        let address = active_address(&mut reader)?;
        let length = u64::from(leb128(&mut reader)?);
        let at = reader.stream_position()?;
        let segment = Segment { address, length, at };
        if at + length > end || segment.end() > END {
            return Err(damaged("a data segment goes beyond its end"));
        }
        reader.seek_relative(length as i64)?;
        segments.push(segment);
    }
    Ok(segments)
}

/// The head of an active segment of memory 0: a flag, `i32.const`, a number, `end` (core
/// specification, "Binary format", "Data Section").
fn active_address(reader: &mut impl Read) -> Result<u64, SnapshotError> {
    const ACTIVE_I32_CONST: [u8; 2] = [0, 0x41];
    const END_OF_EXPRESSION: [u8; 1] = [0x0b];
    let (mut head, mut end) = ([0; 2], [0]);
    reader.read_exact(&mut head)?;
    let address = signed_leb128(reader)?;
    reader.read_exact(&mut end)?;
    match (head, end) == (ACTIVE_I32_CONST, END_OF_EXPRESSION) {
        true => Ok(u64::from(address as u32)),
        false => Err(SnapshotError::Damaged("it has data segments of another kind")),
    }
}

/// A signed LEB128 of at most 32 bits (core specification, "Binary format", "Integers").
fn signed_leb128(from: &mut impl Read) -> Result<i32, SnapshotError> {
    let mut value = 0_i64;
    for shift in (0..35).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        value |= i64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            let unused = 64 - 7 - shift;
            return Ok((value << unused >> unused) as i32);
        }
    }
    Err(SnapshotError::Damaged("a number is too long"))
}

impl<'a> Linear<'a> {
    /// Takes the segments that lie in the machine's part of memory, or behind it.
    fn new(
        file: &'a File,
        mut segments: Vec<Segment>,
        layout: &Layout,
    ) -> Result<Self, SnapshotError> {
        let ranges = [layout.image, layout.pages, layout.runs, layout.state];
        let start = ranges.iter().map(|range| range.0).min().unwrap_or(0);
        segments.retain(|segment| segment.end() > start && segment.length > 0);
        segments.sort_by_key(|segment| segment.address);
        match segments.windows(2).any(|pair| pair[0].end() > pair[1].address) {
            true => Err(SnapshotError::Damaged("data segments lie over each other")),
            false => Ok(Self { file, segments, size: file.metadata()?.len() }),
        }
    }

    /// Reads memory at an address into `out`, which is all zero: only bytes of the file are
    /// written.
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), SnapshotError> {
        let end = address + out.len() as u64;
        let first = self.segments.partition_point(|segment| segment.end() <= address);
        let within = self.segments[first..].iter().take_while(|segment| segment.address < end);
        for segment in within {
            segment.read(self.file, address, out)?;
        }
        Ok(())
    }

    /// A range of which all bytes may be in the file.
    fn bytes(
        &self,
        (address, length): (u64, u64),
        otherwise: &'static str,
    ) -> Result<Vec<u8>, SnapshotError> {
        if length > self.size || address + length > END {
            return Err(SnapshotError::Damaged(otherwise));
        }
        let mut bytes = vec![0; length as usize];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// Puts RAM and root image together.
    fn machine(
        &self,
        layout: &Layout,
        checksum: &mut Checksum,
    ) -> Result<GuestMemory, SnapshotError> {
        let damaged = SnapshotError::Damaged;
        let ((image, image_length), (_, ram_length)) = (layout.image, layout.ram);
        let is_whole = |length: u64| length.is_multiple_of(PAGE as u64);
        if !RAM.contains(&ram_length) || !is_whole(ram_length) || !is_whole(image_length) {
            return Err(damaged("its machine has an impossible size"));
        }
        if image + image_length > END {
            return Err(damaged("its root image lies outside of it"));
        }
        let memory = TARGET.allocate(ram_length, image_length);
        let mut memory = memory.map_err(|error| match error {
            AllocateError::TooLarge => damaged("its machine is larger than 4 GiB"),
            AllocateError::OutOfMemory(bytes) => SnapshotError::OutOfMemory((bytes >> 20) as u64),
        })?;
        self.restore_ram(layout, &mut memory, checksum)?;
        let image_start = memory.image().start;
        let place = memory.slice_mut(image_start, image_length as usize);
        let place = place.map_err(|_| damaged("its root image does not fit"))?;
        self.read(image, place)?;
        checksum.update(place);
        Ok(memory)
    }

    /// Puts RAM's pages where the runs say.
    fn restore_ram(
        &self,
        layout: &Layout,
        memory: &mut GuestMemory,
        checksum: &mut Checksum,
    ) -> Result<(), SnapshotError> {
        let outside = "the pages of its memory lie outside of it";
        let (mut page, length) = layout.pages;
        let end = page + length;
        if end > END || length > self.size {
            return Err(SnapshotError::Damaged(outside));
        }
        let runs = self.bytes(layout.runs, outside)?;
        checksum.update(&runs);
        let mut free = 0;
        for run in runs.as_chunks::<8>().0 {
            let number = |half: usize| {
                let bytes = run.as_chunks::<4>().0[half];
                u64::from(u32::from_le_bytes(bytes)) * PAGE as u64
            };
            let (start, length) = (number(0), number(1));
            // In order, as they were written: no page is filled twice.
            if page + length > end || start < free {
                return Err(SnapshotError::Damaged(outside));
            }
            let place = memory.slice_mut(memory.ram().start + start, length as usize);
            let place = place.map_err(|_| SnapshotError::Damaged(outside))?;
            self.read(page, place)?;
            checksum.update(place);
            (page, free) = (page + length, start + length);
        }
        Ok(())
    }
}
