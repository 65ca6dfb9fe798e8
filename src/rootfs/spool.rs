//! File contents on disk while an image is converted.
//!
//! All contents go, one after the other, to one temporary file that has no name, so nothing is
//! left behind however the process ends. Long runs of zeros are not stored.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::tree::DataExtent;

/// Contents are looked at, and found to be zeros or not, in pieces of this size. Smaller holes
/// would save little and break files into more runs.
const PIECE: usize = 64 << 10;
/// Bytes gathered before they are written out.
const BUFFER: usize = 1 << 20;
/// What a spool stores unless told otherwise: more than a module can ever carry.
const DEFAULT_LIMIT: u64 = 64 << 30;

static ZEROS: [u8; PIECE] = [0; PIECE];

/// Why contents could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The contents could not be read.
    #[error("cannot read the content")]
    Read(#[source] io::Error),
    /// The contents ended early.
    #[error("the content ends {missing} bytes early")]
    Short {
        /// How many of the promised bytes did not come.
        missing: u64,
    },
    /// The contents of all files are more than the spool may store.
    #[error("the image's files need more than {limit} bytes of temporary storage")]
    Full {
        /// Bytes that the spool may store.
        limit: u64,
    },
    /// The temporary file could not be written.
    #[error("cannot write to the temporary file")]
    Write(#[source] io::Error),
}

/// Stores the contents of files in one temporary file.
#[derive(Debug)]
pub struct Spool {
    file: File,
    /// Bytes in `file`; `buffer` holds those that follow.
    written: u64,
    buffer: Vec<u8>,
    limit: u64,
}

impl Spool {
    /// An empty spool in the system's directory for temporary files.
    ///
    /// # Errors
    ///
    /// When no temporary file can be made.
    pub fn new() -> io::Result<Self> {
        Self::with_limit(DEFAULT_LIMIT)
    }

    /// An empty spool that stores at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// When no temporary file can be made.
    pub fn with_limit(limit: u64) -> io::Result<Self> {
        let file = tempfile::tempfile()?;
        Ok(Self { file, written: 0, buffer: Vec::with_capacity(BUFFER), limit })
    }

    /// Bytes stored so far.
    pub fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores the next `length` bytes of `content`, which lie at `file_offset` in their file, and
    /// appends to `extents` where they are; pieces that are all zeros are left out.
    ///
    /// # Errors
    ///
    /// When `content` ends early or fails, or the bytes cannot be stored.
    pub fn store(
        &mut self,
        content: &mut impl Read,
        file_offset: u64,
        length: u64,
        extents: &mut Vec<DataExtent>,
    ) -> Result<(), SpoolError> {
        let mut done = 0;
        while done < length {
            let piece = (length - done).min(PIECE as u64) as usize;
            let spool_offset = self.len();
            if self.append(content, piece, length - done)? {
                push_extent(extents, file_offset + done, spool_offset, piece as u64);
            }
            done += piece as u64;
        }
        Ok(())
    }

    /// Appends `piece` bytes; says whether they were worth storing, that is not all zeros.
    fn append(
        &mut self,
        content: &mut impl Read,
        piece: usize,
        wanted: u64,
    ) -> Result<bool, SpoolError> {
        if self.buffer.len() + piece > BUFFER {
            self.flush().map_err(SpoolError::Write)?;
        }
        let start = self.buffer.len();
        self.buffer.resize(start + piece, 0);
        let got = read_full(content, &mut self.buffer[start..]).map_err(|error| {
            self.buffer.truncate(start);
            SpoolError::Read(error)
        })?;
        if got < piece {
            self.buffer.truncate(start);
            return Err(SpoolError::Short { missing: wanted - got as u64 });
        }
        if self.buffer[start..] == ZEROS[..piece] {
            self.buffer.truncate(start);
            return Ok(false);
        }
        if self.len() > self.limit {
            self.buffer.truncate(start);
            return Err(SpoolError::Full { limit: self.limit });
        }
        Ok(true)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.written))?;
        self.file.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Reads stored bytes from `offset` on and fills `bytes`.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be read, or less is stored.
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let on_disk = self.written.saturating_sub(offset).min(bytes.len() as u64) as usize;
        let (from_file, from_buffer) = bytes.split_at_mut(on_disk);
        if !from_file.is_empty() {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(from_file)?;
        }
        if !from_buffer.is_empty() {
            let start = (offset + on_disk as u64 - self.written) as usize;
            let stored = self.buffer.get(start..start + from_buffer.len());
            from_buffer.copy_from_slice(stored.ok_or(io::ErrorKind::UnexpectedEof)?);
        }
        Ok(())
    }
}

/// Adds a run to `extents`, or makes the last one longer when the run follows it in both places.
fn push_extent(extents: &mut Vec<DataExtent>, file_offset: u64, spool_offset: u64, length: u64) {
    if let Some(last) = extents.last_mut()
        && last.file_offset + last.length == file_offset
        && last.spool_offset + last.length == spool_offset
    {
        last.length += length;
    } else {
        extents.push(DataExtent { file_offset, spool_offset, length });
    }
}

/// Reads until `bytes` is full or the input ends; returns how much came.
pub(super) fn read_full(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match input.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(spool: &mut Spool, content: &[u8]) -> Vec<DataExtent> {
        let mut extents = Vec::new();
        spool.store(&mut &*content, 0, content.len() as u64, &mut extents).unwrap();
        extents
    }

    #[test]
    fn reads_back_across_the_edge_of_file_and_buffer() {
        let mut spool = Spool::new().unwrap();
        let content: Vec<u8> = (0..3 * BUFFER + 100).map(|i| (i % 251) as u8 + 1).collect();
        let extents = store(&mut spool, &content);
        assert_eq!(extents.len(), 1);
        let edge = spool.written as usize;
        let mut bytes = [0; 40];
        spool.read_at(edge as u64 - 20, &mut bytes).unwrap();
        assert_eq!(bytes, content[edge - 20..edge + 20]);
        assert!(spool.read_at(spool.len() - 1, &mut bytes).is_err());
    }

    #[test]
    fn zeros_become_holes() {
        let mut spool = Spool::new().unwrap();
        let mut content = vec![0; 5 * PIECE + 9];
        content[2 * PIECE] = 1;
        let extents = store(&mut spool, &content);
        let piece = PIECE as u64;
        assert_eq!(
            extents,
            [DataExtent { file_offset: 2 * piece, spool_offset: 0, length: piece }]
        );
        assert!(store(&mut spool, &[0]).is_empty());
    }

    #[test]
    fn refuses_short_contents_and_more_than_the_limit() {
        let mut spool = Spool::with_limit(10).unwrap();
        let mut extents = Vec::new();
        let short = spool.store(&mut &b"abc"[..], 0, 1 << 60, &mut extents);
        assert!(matches!(short, Err(SpoolError::Short { missing }) if missing == (1 << 60) - 3));
        let full = spool.store(&mut &[1; 11][..], 0, 11, &mut extents);
        assert!(matches!(full, Err(SpoolError::Full { limit: 10 })));
        assert!(extents.is_empty() && spool.is_empty());
    }
}
