//! File contents on disk while an image is converted.
//!
//! All contents go, one after the other, to one temporary file that has no name, so nothing is
//! left behind however the process ends. Blocks of zeros are not stored, and what files have stored
//! that a later layer replaces or removes is given back to the host's filesystem.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use super::tree::DataExtent;
use crate::scratch::{self, Scratch};

/// Bytes taken from a content at once.
pub(crate) const PIECE: usize = 64 << 10;
/// Zeros are found, and space is given back, in blocks of this size, as ext4 has them.
const BLOCK: usize = 4096;
/// Runs that a content may have before only whole pieces of zeros are left out: a bound on the
/// memory that a hostile pattern takes.
const MAX_FINE_RUNS: usize = 1 << 16;
/// Bytes gathered before they are written out.
const BUFFER: usize = 1 << 20;
/// Default limit of a spool in bytes: more than a module can ever carry.
const DEFAULT_LIMIT: u64 = 64 << 30;

/// How many times the data of a root image the spool may hold: later layers may remove some of it.
const ROOM_FOR_LATER_LAYERS: u64 = 4;

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
    #[error("the files of all layers have more than {limit} bytes")]
    Full {
        /// Bytes that the spool takes.
        limit: u64,
    },
    /// A file has more data than any root image may have.
    #[error("it has more data than a root image may have: {}", at_most(*.limit))]
    FileTooLarge {
        /// Bytes of the largest root image.
        limit: u64,
    },
    /// All files so far have much more data than any root image may have.
    #[error(
        "with it the files have more than {ROOM_FOR_LATER_LAYERS} times the data that a root image \
         may have: {}",
        at_most(*.limit)
    )]
    FilesTooLarge {
        /// Bytes of the largest root image.
        limit: u64,
    },
    /// The temporary file could not be written.
    #[error(transparent)]
    Write(io::Error),
}

fn at_most(limit: u64) -> String {
    format!("at most {} MiB", limit >> 20)
}

/// Stores the contents of files in one temporary file.
#[derive(Debug)]
pub struct Spool {
    file: File,
    /// Bytes in `file`; `buffer` holds those that follow.
    written: u64,
    buffer: Vec<u8>,
    limit: u64,
    /// Bytes of the largest root image, where there is a limit to it.
    image_limit: Option<u64>,
    /// Bytes stored of the file that is being stored.
    of_file: u64,
    /// How many bytes of each block of the temporary file are still of use.
    live: Vec<u16>,
    /// The sum of `live`.
    live_bytes: u64,
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

    /// An empty spool that takes in at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// When no temporary file can be made.
    pub fn with_limit(limit: u64) -> io::Result<Self> {
        let file = scratch::file()?;
        let buffer = Vec::with_capacity(BUFFER);
        Ok(Self {
            file,
            written: 0,
            buffer,
            limit,
            image_limit: None,
            of_file: 0,
            live: Vec::new(),
            live_bytes: 0,
        })
    }

    /// Takes in no more than makes sense for a root image of at most `limit` bytes: a small layer
    /// can hold enough to fill the host's disk. Only what no later layer can make good is refused.
    #[must_use]
    pub fn for_image_of(mut self, limit: Option<u64>) -> Self {
        self.image_limit = limit;
        self
    }

    /// Bytes stored so far, with those that were given back.
    pub fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the host's storage that the spool takes, at most.
    pub fn used(&self) -> u64 {
        self.live.iter().filter(|&&bytes| bytes > 0).count() as u64 * BLOCK as u64
    }

    /// Stores the next `length` bytes of `content`, which lie at `file_offset` in their file, and
    /// appends to `extents` where they are; blocks that are all zeros are left out.
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
        // The file has had nothing but holes so far.
        if extents.is_empty() {
            self.of_file = 0;
        }
        let mut done = 0;
        while done < length {
            let piece = (length - done).min(PIECE as u64) as usize;
            if self.buffer.len() + piece > BUFFER {
                self.flush().map_err(SpoolError::Write)?;
            }
            let start = self.buffer.len();
            let got = self.append(content, piece);
            if !matches!(got, Ok(got) if got == piece) {
                self.buffer.truncate(start);
                let missing = length - done - got.map_err(SpoolError::Read)? as u64;
                return Err(SpoolError::Short { missing });
            }
            self.keep(start, file_offset + done, extents);
            self.check_limits()?;
            done += piece as u64;
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), SpoolError> {
        if self.len() > self.limit {
            return Err(SpoolError::Full { limit: self.limit });
        }
        match self.image_limit {
            Some(limit) if self.of_file > limit => Err(SpoolError::FileTooLarge { limit }),
            Some(limit) if self.live_bytes > limit.saturating_mul(ROOM_FOR_LATER_LAYERS) => {
                Err(SpoolError::FilesTooLarge { limit })
            }
            _ => Ok(()),
        }
    }

    /// Appends up to `piece` bytes to the buffer; returns how many came.
    fn append(&mut self, content: &mut impl Read, piece: usize) -> io::Result<usize> {
        let start = self.buffer.len();
        self.buffer.resize(start + piece, 0);
        read_full(content, &mut self.buffer[start..])
    }

    /// Takes the blocks of zeros out of the piece that starts at `start` in the buffer and at
    /// `file_offset` in its file, and records where the rest is.
    fn keep(&mut self, start: usize, file_offset: u64, extents: &mut Vec<DataExtent>) {
        let length = self.buffer.len() - start;
        if self.buffer[start..] == ZEROS[..length] {
            self.buffer.truncate(start);
            return;
        }
        let whole = extents.len() > MAX_FINE_RUNS;
        let (mut from, mut kept) = (0, start);
        while from < length {
            let at = file_offset + from as u64;
            let to_block = BLOCK - (at % BLOCK as u64) as usize;
            let count = if whole { length } else { to_block.min(length - from) };
            let block = start + from..start + from + count;
            if self.buffer[block.clone()] != ZEROS[..count] {
                self.buffer.copy_within(block, kept);
                push_extent(extents, at, self.written + kept as u64, count as u64);
                kept += count;
            }
            from += count;
        }
        self.buffer.truncate(kept);
        self.count_live(start..kept);
    }

    /// Counts a range of the buffer as bytes of use.
    fn count_live(&mut self, range: Range<usize>) {
        self.of_file += range.len() as u64;
        self.live_bytes += range.len() as u64;
        let range = self.written + range.start as u64..self.written + range.end as u64;
        let blocks = range.end.div_ceil(BLOCK as u64) as usize;
        self.live.resize(blocks.max(self.live.len()), 0);
        for (block, bytes) in blocks_of(range) {
            self.live[block] += bytes;
        }
    }

    /// Gives back what removed files had stored. Where the host's filesystem cannot take space out
    /// of a file, it stays in use.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be written.
    pub fn release(&mut self, extents: &[DataExtent]) -> io::Result<()> {
        for extent in extents {
            let end = extent.spool_offset + extent.length;
            if end > self.written {
                self.flush()?;
            }
            let mut unused: Option<Range<u64>> = None;
            for (block, bytes) in blocks_of(extent.spool_offset..end) {
                self.live[block] -= bytes;
                self.live_bytes -= u64::from(bytes);
                // The last block may not be full yet; it is given back with its other bytes.
                let at = (block * BLOCK) as u64;
                if self.live[block] == 0 && at + BLOCK as u64 <= self.written {
                    unused = Some(unused.map_or(at, |range| range.start)..at + BLOCK as u64);
                }
            }
            if let Some(range) = unused {
                punch(&self.file, range);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.written))?;
        Scratch(&self.file).write_all(&self.buffer)?;
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

/// The blocks that a range touches, each with how many of its bytes.
fn blocks_of(range: Range<u64>) -> impl Iterator<Item = (usize, u16)> {
    const SIZE: u64 = BLOCK as u64;
    (range.start / SIZE..range.end.div_ceil(SIZE)).map(move |block| {
        let bytes = range.end.min((block + 1) * SIZE) - range.start.max(block * SIZE);
        (block as usize, bytes as u16)
    })
}

/// Makes a hole of a range of whole blocks.
#[cfg(target_os = "linux")]
fn punch(file: &File, range: Range<u64>) {
    use rustix::fs::{FallocateFlags, fallocate};
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    // Not every filesystem can; nothing but space is lost then.
    let _ = fallocate(file, flags, range.start, range.end - range.start);
}

#[cfg(not(target_os = "linux"))]
fn punch(_: &File, _: Range<u64>) {}

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
        let (file_offset, length) = (2 * PIECE as u64, BLOCK as u64);
        assert_eq!(extents, [DataExtent { file_offset, spool_offset: 0, length }]);
        assert!(store(&mut spool, &[0]).is_empty());
        assert_eq!(spool.len(), length);
    }

    #[test]
    fn holes_are_where_blocks_of_the_file_are() {
        let mut spool = Spool::new().unwrap();
        let mut extents = Vec::new();
        let mut content = vec![0; 3 * BLOCK];
        content[BLOCK] = 1;
        spool.store(&mut &content[..], 1000, content.len() as u64, &mut extents).unwrap();
        let (file_offset, length) = (BLOCK as u64, BLOCK as u64);
        assert_eq!(extents, [DataExtent { file_offset, spool_offset: 0, length }]);
        let mut stored = vec![9; BLOCK];
        spool.read_at(0, &mut stored).unwrap();
        assert_eq!(stored, content[BLOCK - 1000..2 * BLOCK - 1000]);
    }

    #[test]
    fn a_pattern_of_holes_takes_bounded_memory() {
        let mut spool = Spool::new().unwrap();
        let mut pattern = vec![0; 2 * BLOCK];
        pattern[0] = 1;
        let content = pattern.repeat(MAX_FINE_RUNS + 1000);
        let extents = store(&mut spool, &content);
        assert!(extents.len() < MAX_FINE_RUNS + 100, "{}", extents.len());
        let mut back = vec![0; content.len()];
        for extent in extents {
            let range = extent.file_offset as usize..(extent.file_offset + extent.length) as usize;
            spool.read_at(extent.spool_offset, &mut back[range]).unwrap();
        }
        assert!(back == content);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_released_takes_no_space() {
        use std::os::unix::fs::MetadataExt;
        let mut spool = Spool::new().unwrap();
        let first = store(&mut spool, &vec![1; 4 * BUFFER]);
        let small: Vec<_> = (0..100).flat_map(|i| store(&mut spool, &[i + 1; 100])).collect();
        let last = store(&mut spool, &vec![2; BUFFER]);
        spool.release(&first).unwrap();
        spool.release(&small[..99]).unwrap();
        let mut bytes = [0; 100];
        spool.read_at(small[99].spool_offset, &mut bytes).unwrap();
        assert_eq!(bytes, [100; 100]);
        spool.release(&small[99..]).unwrap();
        spool.flush().unwrap();
        assert!(spool.used() <= (BUFFER + 2 * BLOCK) as u64, "{}", spool.used());
        let on_disk = spool.file.metadata().unwrap().blocks() * 512;
        assert!(on_disk <= spool.used() + PIECE as u64, "{on_disk} of {}", spool.used());
        spool.read_at(last[0].spool_offset, &mut bytes).unwrap();
        assert_eq!(bytes, [2; 100]);
    }

    #[test]
    fn refuses_short_contents_and_more_than_the_limit() {
        let mut spool = Spool::with_limit(10).unwrap();
        let mut extents = Vec::new();
        let short = spool.store(&mut &b"abc"[..], 0, 1 << 60, &mut extents);
        assert!(matches!(short, Err(SpoolError::Short { missing }) if missing == (1 << 60) - 3));
        let full = spool.store(&mut &[1; 11][..], 0, 11, &mut extents);
        assert!(matches!(full, Err(SpoolError::Full { limit: 10 })));
    }

    #[test]
    fn what_no_root_image_can_hold_is_refused_and_no_less() {
        let limit = 2 * PIECE as u64;
        let mut spool = Spool::new().unwrap().for_image_of(Some(limit));
        let content = vec![1; limit as usize + 1];
        let mut extents = Vec::new();
        let too_large = spool.store(&mut &content[..], 0, limit + 1, &mut extents);
        assert!(matches!(too_large, Err(SpoolError::FileTooLarge { .. })), "{too_large:?}");
        spool.release(&extents).unwrap();
        // In two parts, and with holes, which do not count.
        let mut extents = Vec::new();
        spool.store(&mut &content[..], 0, limit, &mut extents).unwrap();
        spool.store(&mut &ZEROS[..], limit, PIECE as u64, &mut extents).unwrap();
        let one_more = spool.store(&mut &[1][..], 2 * limit, 1, &mut extents);
        assert!(matches!(one_more, Err(SpoolError::FileTooLarge { .. })), "{one_more:?}");
        spool.release(&extents).unwrap();
        // Released space is used again.
        let mut files: Vec<_> = (0..4).map(|_| store(&mut spool, &content[1..])).collect();
        let one_more = spool.store(&mut &[1][..], 0, 1, &mut Vec::new());
        assert!(matches!(one_more, Err(SpoolError::FilesTooLarge { .. })), "{one_more:?}");
        spool.release(&files.pop().unwrap()).unwrap();
        store(&mut spool, &content[2..]);
    }
}
