//! The sections of a module in a file, found without reading what is in them.

use std::io::{self, Read, Seek, SeekFrom};

/// A WebAssembly module of version 1 begins so (core specification, "Binary format", "Modules").
pub const HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Where a section's contents lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What kind of section it is.
    pub id: u8,
    /// The first byte of its contents.
    pub start: u64,
    /// Bytes of its contents, all of which are there.
    pub length: u64,
}

/// Why a file has no sections.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The file is of another kind.
    #[error("it is not a WebAssembly module")]
    NotWasm,
    /// The file ends early, or goes on behind its end.
    #[error("it is not a whole WebAssembly module")]
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

/// Goes through a module from section to section.
pub struct Scanner<'a, M> {
    module: &'a mut M,
    size: u64,
    next: u64,
}

impl<'a, M: Read + Seek> Scanner<'a, M> {
    /// Begins with the first section.
    ///
    /// # Errors
    /// When the file is not a module.
    pub fn new(module: &'a mut M) -> Result<Self, ScanError> {
        let mut head = Vec::new();
        module.rewind()?;
        module.by_ref().take(HEADER.len() as u64).read_to_end(&mut head)?;
        if head != HEADER {
            return Err(ScanError::NotWasm);
        }
        let size = module.seek(SeekFrom::End(0))?;
        let next = head.len() as u64;
        Ok(Self { module, size, next })
    }

    /// The next section; the file stands at its contents.
    ///
    /// # Errors
    /// When the file ends in it.
    pub fn next(&mut self) -> Result<Option<Found>, ScanError> {
        if self.next >= self.size {
            return Ok(None);
        }
        self.module.seek(SeekFrom::Start(self.next))?;
        let mut id = [0];
        self.module.read_exact(&mut id)?;
        let length = u64::from(leb128(self.module)?);
        let start = self.module.stream_position()?;
        self.next = start + length;
        if self.next > self.size {
            return Err(ScanError::Broken);
        }
        Ok(Some(Found { id: id[0], start, length }))
    }

    /// The contents of the section that the file stands at.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn contents(&mut self, section: Found) -> Result<Vec<u8>, ScanError> {
        let mut bytes = vec![0; section.length as usize];
        self.module.read_exact(&mut bytes)?;
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
