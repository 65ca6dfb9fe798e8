//! The sections of a module in a file, found without reading what is in them; of a component, those
//! of its first core module.

use crate::wasi_target::WasiTarget;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use wasm_encoder::ComponentSectionId;

const HEADER_LENGTH: usize = 8;

/// A WebAssembly module of version 1 begins so (core specification, "Binary format", "Modules").
pub const MODULE_HEADER: [u8; HEADER_LENGTH] = *b"\0asm\x01\0\0\0";
/// A component begins so (component model, "Binary Format", "Component Definitions").
pub const COMPONENT_HEADER: [u8; HEADER_LENGTH] = *b"\0asm\x0d\0\x01\0";

/// Where a section's contents lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What kind of section it is.
    pub id: u8,
    /// Where its id stands in the file.
    pub head: u64,
    /// The first byte of its contents.
    pub start: u64,
    /// Bytes of its contents, all of which are there.
    pub length: u64,
}

/// Why a file has no sections.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The file is of another kind.
    #[error("it is not a WebAssembly module or component")]
    NotWasm,
    /// The file ends early, or goes on behind its end.
    #[error("it is not a whole WebAssembly module or component")]
    Broken,
    /// The file cannot be read.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Broken,
            _ => Self::Io(error),
        }
    }
}

/// Which WASI a file is for, by its first bytes.
///
/// # Errors
/// When it is neither a module nor a component.
pub fn wasi_target(file: &mut (impl Read + Seek)) -> Result<WasiTarget, ScanError> {
    let mut head = Vec::new();
    file.rewind()?;
    file.by_ref().take(HEADER_LENGTH as u64).read_to_end(&mut head)?;
    match () {
        () if head == MODULE_HEADER => Ok(WasiTarget::Preview1),
        () if head == COMPONENT_HEADER => Ok(WasiTarget::Preview2),
        () => Err(ScanError::NotWasm),
    }
}

/// Where a core module lies in a file.
pub struct CoreModule {
    /// Its bytes.
    pub bytes: Range<u64>,
    /// The same with the head of the section that it is in, if it is in a component.
    pub section: Range<u64>,
}

impl CoreModule {
    /// The file itself, or the first core module of a component, if that has one.
    ///
    /// # Errors
    /// When the file is of another kind, or not whole.
    pub fn find(file: &mut (impl Read + Seek)) -> Result<Option<Self>, ScanError> {
        let target = wasi_target(file)?;
        let size = file.seek(SeekFrom::End(0))?;
        if target == WasiTarget::Preview1 {
            return Ok(Some(Self { bytes: 0..size, section: 0..size }));
        }
        let Some(section) = first_core_module(&mut Scanner::within(file, 0..size))? else {
            return Ok(None);
        };
        let end = section.start + section.length;
        let mut head = [0; HEADER_LENGTH];
        file.seek(SeekFrom::Start(section.start))?;
        file.read_exact(&mut head)?;
        match head == MODULE_HEADER && section.length >= HEADER_LENGTH as u64 {
            true => Ok(Some(Self { bytes: section.start..end, section: section.head..end })),
            false => Err(ScanError::Broken),
        }
    }
}

/// Goes through all of a component: one that was cut off behind its core module exports nothing.
fn first_core_module(
    component: &mut Scanner<'_, impl Read + Seek>,
) -> Result<Option<Found>, ScanError> {
    let (mut module, mut is_exported) = (None, false);
    while let Some(section) = component.next()? {
        match section.id {
            id if id == ComponentSectionId::CoreModule as u8 => _ = module.get_or_insert(section),
            id if id == ComponentSectionId::Export as u8 => is_exported = true,
            _ => {}
        }
    }
    match module.is_none() || is_exported {
        true => Ok(module),
        false => Err(ScanError::Broken),
    }
}

/// Goes through a module from section to section.
pub struct Scanner<'a, M> {
    file: &'a mut M,
    next: u64,
    end: u64,
}

impl<'a, M: Read + Seek> Scanner<'a, M> {
    /// Begins with the first section of a file's core module. A component without one has no
    /// sections here.
    ///
    /// # Errors
    /// When the file is neither a module nor a component.
    pub fn new(file: &'a mut M) -> Result<Self, ScanError> {
        let module = CoreModule::find(file)?;
        Ok(Self::within(file, module.map_or(0..0, |module| module.bytes)))
    }

    /// Begins with the first section of the module or component that lies there.
    fn within(file: &'a mut M, bytes: Range<u64>) -> Self {
        Self { file, next: bytes.start + HEADER_LENGTH as u64, end: bytes.end }
    }

    /// The next section; the file stands at its contents.
    ///
    /// # Errors
    /// When the file ends in it.
    pub fn next(&mut self) -> Result<Option<Found>, ScanError> {
        let head = self.next;
        if head >= self.end {
            return Ok(None);
        }
        self.file.seek(SeekFrom::Start(head))?;
        let mut id = [0];
        self.file.read_exact(&mut id)?;
        let length = u64::from(leb128(self.file)?);
        let start = self.file.stream_position()?;
        self.next = start + length;
        if self.next > self.end {
            return Err(ScanError::Broken);
        }
        Ok(Some(Found { id: id[0], head, start, length }))
    }

    /// The contents of the section that the file stands at.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn contents(&mut self, section: Found) -> Result<Vec<u8>, ScanError> {
        let mut bytes = vec![0; section.length as usize];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// An unsigned LEB128 of at most 32 bits (core specification, "Binary format", "Integers").
///
/// # Errors
/// When the bytes are none.
pub fn leb128(from: &mut impl Read) -> Result<u32, ScanError> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        value |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return u32::try_from(value).map_err(|_| ScanError::Broken);
        }
    }
    Err(ScanError::Broken)
}
