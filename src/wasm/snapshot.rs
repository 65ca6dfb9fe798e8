//! The machine in a module that this program has made, taken out again: what
//! `runtime/src/placement.rs` does in linear memory, done on the file.
//!
//! The file may come from anybody. Nothing is believed that was not checked against the file's size
//! or the limits of a machine, and only bytes that are there are allocated for.

use super::checksum::checksum;
use super::layout::Layout;
use super::provenance::{Provenance, ProvenanceError};
use super::scan::{Found, ScanError, Scanner, leb128};
use super::template::constant;
use crate::space::IMAGE_LIMIT;
use crate::target::Target;
use crate::units::FileUnits;
use c2w_emulator::{AllocateError, GuestMemory, UNIT_SIZE};
use c2w_module_abi::{PLACEMENT_EXPORT, Placement};
use c2w_units::{ENTRY_SIZE, StoredUnit};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use wasm_encoder::SectionId;
use wasmparser::{BinaryReader, ExportSectionReader, ExternalKind, GlobalSectionReader};
use xxhash_rust::xxh3::Xxh3;

/// The longest section of exports or globals that is read: ours have some hundred bytes.
const MAX_SECTION: u64 = 1 << 20;
/// As many data segments as engines accept (WebAssembly JavaScript interface, "Limits").
const MAX_SEGMENTS: u32 = 100_000;
/// What a machine may have as RAM, in bytes.
const RAM: std::ops::RangeInclusive<u64> = 64 << 20..=3072 << 20;
/// The machine of all modules of this version.
const TARGET: Target = Target::Riscv64;
/// The longest state of a machine that is read: ours have some ten thousand bytes.
const MAX_STATE: u64 = 64 << 20;
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

/// The module's data.
struct Data {
    /// What linear memory is initialised with.
    segments: Vec<Segment>,
    /// What is stored of units: where it begins in the file, and its length in bytes.
    units: (u64, u64),
}

impl Snapshot {
    /// Reads a module of this version. What its memory holds is read when the machine touches it, of
    /// the root image `cache` bytes at most at once.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(mut file: &File, cache: impl FnOnce(u64) -> u64) -> Result<Self, SnapshotError> {
        let provenance = Provenance::read(&mut file)?;
        if provenance.c2w != env!("CARGO_PKG_VERSION") {
            return Err(SnapshotError::Version(provenance.c2w));
        }
        let (address, data) = contents(file)?;
        let damaged = SnapshotError::Damaged;
        let placed = || damaged("it does not say where its machine lies");
        let layout = Layout::from(table(file, &data, address)?.ok_or_else(placed)?);
        check_sizes(&layout)?;
        let index = data.bytes(file, layout.units, "the index of its units lies outside of it")?;
        let state = data.bytes(file, layout.state, "its state lies outside of it")?;
        let units = Units::new(&layout, &index, data.units)?;
        let sums = [units.checksum(file, 0, units.ram_end)?, units.checksum_of_image(file)?];
        if checksum(&index, sums, &state) != provenance.machine {
            return Err(damaged("its machine is not the one that was written"));
        }
        let memory = units.memory(file, &layout, cache(layout.ram.1 >> 20))?;
        Ok(Self { memory, state, provenance })
    }
}

/// Says whether there are as many units as a machine can have, and a state of a usual size: only then
/// are they read.
fn check_sizes(layout: &Layout) -> Result<(), SnapshotError> {
    let unit = UNIT_SIZE as u64;
    let (ram_length, image_units) = (layout.ram.1, u64::from(layout.image_units));
    let is_possible = RAM.contains(&ram_length)
        && ram_length.is_multiple_of(unit)
        && image_units <= IMAGE_LIMIT / unit
        && layout.state.1 <= MAX_STATE;
    if !is_possible {
        return Err(SnapshotError::Damaged("its machine has an impossible size"));
    }
    match layout.units.1 == (ram_length / unit + image_units) * ENTRY_SIZE as u64 {
        true => Ok(()),
        false => Err(SnapshotError::Damaged("the index of its units has another length")),
    }
}

/// The units of a module, each of them within what is stored.
struct Units<'a> {
    ram: &'a [u8],
    image: &'a [u8],
    /// What is stored of them in the file.
    stored: (u64, u64),
    /// Where, in that, what is stored of RAM ends.
    ram_end: u64,
}

impl<'a> Units<'a> {
    fn new(layout: &Layout, index: &'a [u8], stored: (u64, u64)) -> Result<Self, SnapshotError> {
        let damaged = SnapshotError::Damaged;
        let ram_units = layout.ram.1 as usize / UNIT_SIZE;
        let (ram, image) = index.split_at(ram_units * ENTRY_SIZE);
        let end = |index: &[u8]| -> Result<u64, SnapshotError> {
            let ends = index.as_chunks().0.iter().map(|entry| {
                let unit = StoredUnit::from_bytes(*entry);
                unit.map(|unit| u64::from(unit.offset) + u64::from(unit.length))
            });
            let end = ends
                .map(|end| end.filter(|&end| end <= stored.1))
                .try_fold(0, |last, end| Some(end?.max(last)));
            end.ok_or(damaged("a unit of its machine lies outside of it"))
        };
        let ram_end = end(ram)?;
        end(image)?;
        Ok(Self { ram, image, stored, ram_end })
    }

    /// XXH3 of the bytes that are stored, from one offset to another.
    fn checksum(&self, file: &File, from: u64, to: u64) -> Result<u64, SnapshotError> {
        /// Bytes that are read at once.
        const BUFFER: usize = 1 << 20;
        let mut hash = Xxh3::new();
        let mut buffer = vec![0; BUFFER];
        for at in (from..to).step_by(BUFFER) {
            let piece = &mut buffer[..(to - at).min(BUFFER as u64) as usize];
            file.read_exact_at(piece, self.stored.0 + at)?;
            hash.update(piece);
        }
        Ok(hash.digest())
    }

    /// What is stored of the image follows that of RAM.
    fn checksum_of_image(&self, file: &File) -> Result<u64, SnapshotError> {
        self.checksum(file, self.ram_end, self.stored.1)
    }

    /// RAM and root image, whose units are read from the file.
    fn memory(
        &self,
        file: &File,
        layout: &Layout,
        cache: u64,
    ) -> Result<GuestMemory, SnapshotError> {
        let image_length = u64::from(layout.image_units) * UNIT_SIZE as u64;
        let memory = TARGET.allocate(layout.ram.1, image_length, cache);
        let mut memory = memory.map_err(|error| match error {
            AllocateError::TooLarge => SnapshotError::Damaged("its machine is larger than 4 GiB"),
            AllocateError::OutOfMemory(bytes) => SnapshotError::OutOfMemory((bytes >> 20) as u64),
        })?;
        let source = |index: &[u8], name| -> io::Result<_> {
            let units = FileUnits::new(file.try_clone()?, self.stored.0, index.to_vec(), name);
            Ok(Box::new(units))
        };
        memory.set_ram_source(source(self.ram, "memory")?);
        memory.set_image_source(source(self.image, "root image")?);
        Ok(memory)
    }
}

/// Finds the address of the placement table, and all data.
fn contents(mut file: &File) -> Result<(u64, Data), SnapshotError> {
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
    Ok((table_address(&exports, &globals)?, Data::read(file, data)?))
}

/// The placement table: it stands over what the runtime has there, in a later segment.
fn table(file: &File, data: &Data, address: u64) -> Result<Option<Placement>, SnapshotError> {
    let mut table = [0; Placement::LENGTH];
    data.segments.iter().try_for_each(|segment| segment.read(file, address, &mut table))?;
    Ok(Placement::from_bytes(&table))
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

impl Data {
    /// Finds the bytes of all data segments.
    fn read(file: &File, section: Found) -> Result<Self, SnapshotError> {
        let damaged = SnapshotError::Damaged;
        let (mut reader, end) = (BufReader::new(file), section.start + section.length);
        reader.seek(SeekFrom::Start(section.start))?;
        let count = leb128(&mut reader)?;
        if count > MAX_SEGMENTS {
            return Err(damaged("it has too many data segments"));
        }
        let (mut segments, mut units) = (Vec::new(), None);
        for _ in 0..count {
            let address = address(&mut reader)?;
            let length = u64::from(leb128(&mut reader)?);
            let at = reader.stream_position()?;
            if at + length > end || address.unwrap_or(0) + length > END {
                return Err(damaged("a data segment goes beyond its end"));
            }
            match address {
                Some(address) => segments.push(Segment { address, length, at }),
                None if units.replace((at, length)).is_none() => {}
                None => return Err(damaged("it has data segments of another kind")),
            }
            reader.seek_relative(length as i64)?;
        }
        let units = units.ok_or(damaged("it has no units of a machine"))?;
        Ok(Self { segments, units })
    }

    /// A range of memory that lies in one segment.
    fn bytes(
        &self,
        file: &File,
        (address, length): (u64, u64),
        otherwise: &'static str,
    ) -> Result<Vec<u8>, SnapshotError> {
        let holds =
            |segment: &&Segment| segment.address <= address && address + length <= segment.end();
        let segment = self.segments.iter().rfind(holds).ok_or(SnapshotError::Damaged(otherwise))?;
        let mut bytes = vec![0; length as usize];
        segment.read(file, address, &mut bytes)?;
        Ok(bytes)
    }
}

/// The head of a segment: of an active one of memory 0 a flag, `i32.const`, the address, `end`; of a
/// passive one another flag (core specification, "Binary format", "Data Section").
fn address(reader: &mut impl Read) -> Result<Option<u64>, SnapshotError> {
    const PASSIVE: u8 = 1;
    const ACTIVE: u8 = 0;
    const I32_CONST: u8 = 0x41;
    const END_OF_EXPRESSION: u8 = 0x0b;
    let mut byte = || -> Result<u8, SnapshotError> {
        let mut byte = [0];
        reader.read_exact(&mut byte)?;
        Ok(byte[0])
    };
    let kind = SnapshotError::Damaged("it has data segments of another kind");
    match byte()? {
        PASSIVE => return Ok(None),
        ACTIVE if byte()? == I32_CONST => {}
        _ => return Err(kind),
    }
    let address = signed_leb128(reader)?;
    let mut end = [0];
    reader.read_exact(&mut end)?;
    if end == [END_OF_EXPRESSION] { Ok(Some(u64::from(address as u32))) } else { Err(kind) }
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
