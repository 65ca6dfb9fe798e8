//! Tar entries from a byte stream: v7, ustar, pax and GNU, with names and attributes as bytes.
//!
//! Written for layers, so it is strict where leniency would let two readers see two different
//! archives: numbers never wrap, and only file types have data, whatever sizes say.

mod header;
mod pax;
mod sparse;

use std::io::{self, BufRead, BufReader, Read, Seek};

pub use header::BadNumber;
pub use pax::PaxError;
pub use sparse::{Segment, SparseError};

use super::spool::read_full;
use super::tree::{Device, Timestamp, Xattrs};
use crate::printable::printable;
use header::{BLOCK_SIZE, Block, Header};
use pax::Pax;

/// Bytes of long names and pax records that one entry may have. The largest attributes that fit
/// an inode take a few KiB.
const MAX_EXTENSION: u64 = 1 << 20;
/// Bytes of one uncompressed archive: more than a module can ever carry. It ends bombs of zeros,
/// which take no space, before they have taken hours.
const MAX_ARCHIVE: u64 = 64 << 30;
/// Bytes read at once from the layer.
const BUFFER: usize = 128 << 10;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file; the data follows.
    File,
    /// A sparse file: the data that follows fills the segments in order.
    SparseFile {
        /// Size of the file with its holes, in bytes.
        size: u64,
        /// Where the data goes; in order, not overlapping, inside of the file.
        map: Vec<Segment>,
    },
    /// One more name for the file that the link target names.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A type flag that no layer may have.
    Other(u8),
}

/// One entry, with all extensions applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as it stands in the archive; hostile.
    pub path: Vec<u8>,
    /// The target of a hard or symbolic link; hostile.
    pub link: Vec<u8>,
    /// Type.
    pub kind: EntryKind,
    /// The low 12 bits of the mode.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change.
    pub mtime: Timestamp,
    /// Bytes of data that follow.
    pub stored: u64,
    /// Extended attributes, any names.
    pub xattrs: Xattrs,
}

/// Why an archive cannot be read on.
#[derive(Debug, thiserror::Error)]
#[error("tar header at byte {position}{}", in_entry(.entry))]
pub struct TarError {
    /// Where the header starts in the uncompressed archive, in bytes.
    pub position: u64,
    /// The name of the entry as far as it was read.
    pub entry: Vec<u8>,
    /// What is wrong; its message goes behind this one's.
    #[source]
    pub problem: TarProblem,
}

fn in_entry(entry: &[u8]) -> String {
    if entry.is_empty() { String::new() } else { format!(", entry \"{}\"", printable(entry)) }
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum TarProblem {
    /// The stream behind the archive failed.
    #[error("cannot read the archive")]
    Read(#[from] io::Error),
    /// The archive ends within a header, or within the data of an entry.
    #[error("the archive is cut short")]
    Truncated,
    /// Not a tar header.
    #[error("the header's checksum is wrong")]
    Checksum,
    /// A block of zeros with more archive behind it: readers disagree on what that means.
    #[error("a lone block of zeros is inside of the archive")]
    LoneZeroBlock,
    /// More bytes than any image has.
    #[error("the archive has more than {MAX_ARCHIVE} bytes")]
    TooLong,
    /// Long names and pax records that are too long.
    #[error("its long names and pax records have more than {MAX_EXTENSION} bytes")]
    ExtensionTooLong,
    /// Long names or pax records that no entry follows.
    #[error("its long names and pax records belong to no entry")]
    OrphanedExtension,
    /// A field that is not a number.
    #[error(transparent)]
    Number(#[from] BadNumber),
    /// A bad pax header.
    #[error(transparent)]
    Pax(#[from] PaxError),
    /// A bad sparse map.
    #[error(transparent)]
    Sparse(#[from] SparseError),
}

/// Extension headers gathered for the entry to come.
#[derive(Debug, Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Pax,
    bytes: u64,
}

impl Extensions {
    /// The entry's name: that of a sparse file's own record, else GNU's long one, else a pax
    /// record's, else the header's. No honest writer uses the last two at once.
    fn take_path(&mut self, header: Header) -> Vec<u8> {
        let sparse = self.pax.sparse.name.take();
        let long = sparse.or(self.path.take()).or(self.pax.path.take());
        long.unwrap_or_else(|| header.path())
    }
}

/// Reads the entries of an archive one after the other.
#[derive(Debug)]
pub struct Archive<R> {
    input: BufReader<R>,
    position: u64,
    /// Bytes of the current entry's data that were not read yet, and of the padding after them.
    data_left: u64,
    padding: u64,
}

impl<R: Read> Read for Archive<R> {
    /// Reads the data of the entry that [`Archive::next_entry`] returned last.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let wanted = self.data_left.min(bytes.len() as u64) as usize;
        let count = self.input.read(&mut bytes[..wanted])?;
        self.data_left -= count as u64;
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: Read> Archive<R> {
    /// Reads an archive from `input`, which must be uncompressed.
    pub fn new(input: R) -> Self {
        let input = BufReader::with_capacity(BUFFER, input);
        Self { input, position: 0, data_left: 0, padding: 0 }
    }

    /// The next entry, after what is left of the current one's data; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the archive is malformed or ends early, or a limit is passed. Nothing more can be read
    /// then.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut position = self.position;
        let mut name = Vec::new();
        self.read_entry(&mut position, &mut name).map_err(|problem| TarError {
            position,
            entry: name,
            problem,
        })
    }

    /// Reads what follows the end of the archive, so that a digest over the input sees all of it.
    ///
    /// # Errors
    ///
    /// When the input fails, or is longer than any archive.
    pub fn drain(mut self) -> Result<(), TarError> {
        let position = self.position;
        self.skip_rest().map_err(|problem| TarError { position, entry: Vec::new(), problem })
    }

    fn skip_rest(&mut self) -> Result<(), TarProblem> {
        let rest = &mut (&mut self.input).take(MAX_ARCHIVE.saturating_sub(self.position));
        io::copy(rest, &mut io::sink())?;
        if self.input.fill_buf()?.is_empty() { Ok(()) } else { Err(TarProblem::TooLong) }
    }

    /// Bytes of the input up to here: after [`Archive::next_entry`], where the entry's data starts.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn read_entry(
        &mut self,
        position: &mut u64,
        name: &mut Vec<u8>,
    ) -> Result<Option<Entry>, TarProblem> {
        let mut extensions = Extensions::default();
        self.skip_data()?;
        loop {
            *position = self.position;
            let Some(block) = self.next_header()? else {
                let orphaned = extensions.bytes > 0;
                return if orphaned { Err(TarProblem::OrphanedExtension) } else { Ok(None) };
            };
            let header = Header::parse(&block).ok_or(TarProblem::Checksum)?;
            match header.flag() {
                b'L' => extensions.path = Some(self.read_name(header, &mut extensions.bytes)?),
                b'K' => extensions.link = Some(self.read_name(header, &mut extensions.bytes)?),
                b'x' | b'X' => {
                    let records = self.read_extension(header, &mut extensions.bytes)?;
                    // Of two in a row the second counts alone, as for other tools for images.
                    extensions.pax = Pax::default();
                    extensions.pax.apply(&records)?;
                }
                // Defaults for all entries that follow; as other tools for images do, skipped.
                b'g' => {
                    self.begin_data(header.size()?)?;
                    self.skip_data()?;
                }
                _ => {
                    *name = extensions.take_path(header);
                    return self.finish_entry(header, extensions, name).map(Some);
                }
            }
        }
    }

    /// The next header block; `None` at the end of the archive, marked or not.
    fn next_header(&mut self) -> Result<Option<Block>, TarProblem> {
        let Some(block) = self.next_block()? else { return Ok(None) };
        if block.iter().any(|&byte| byte != 0) {
            return Ok(Some(block));
        }
        match self.next_block()? {
            Some(second) if second.iter().any(|&byte| byte != 0) => Err(TarProblem::LoneZeroBlock),
            _ => Ok(None),
        }
    }

    fn next_block(&mut self) -> Result<Option<Block>, TarProblem> {
        if self.position > MAX_ARCHIVE {
            return Err(TarProblem::TooLong);
        }
        let mut block = [0; BLOCK_SIZE];
        let count = read_full(&mut self.input, &mut block)?;
        self.position += count as u64;
        match count {
            0 => Ok(None),
            BLOCK_SIZE => Ok(Some(block)),
            _ => Err(TarProblem::Truncated),
        }
    }

    fn begin_data(&mut self, size: u64) -> Result<(), TarProblem> {
        let padded = size.checked_next_multiple_of(BLOCK_SIZE as u64).ok_or(BadNumber("size"))?;
        if self.position.saturating_add(padded) > MAX_ARCHIVE {
            return Err(TarProblem::TooLong);
        }
        (self.data_left, self.padding) = (size, padded - size);
        Ok(())
    }

    fn skip_data(&mut self) -> Result<(), TarProblem> {
        let skipped = io::copy(&mut (&mut self.input).take(self.data_left), &mut io::sink())?;
        self.position += skipped;
        if skipped < self.data_left {
            return Err(TarProblem::Truncated);
        }
        // An archive may end without the last padding, as without the end marker.
        let padding = io::copy(&mut (&mut self.input).take(self.padding), &mut io::sink())?;
        self.position += padding;
        (self.data_left, self.padding) = (0, 0);
        Ok(())
    }

    /// The data of an extension header; `total` counts all of one entry.
    fn read_extension(&mut self, header: Header, total: &mut u64) -> Result<Vec<u8>, TarProblem> {
        let size = header.size()?;
        *total = total.saturating_add(size).saturating_add(1);
        if *total > MAX_EXTENSION {
            return Err(TarProblem::ExtensionTooLong);
        }
        self.begin_data(size)?;
        let mut data = vec![0; size as usize];
        if read_full(self, &mut data)? < data.len() {
            return Err(TarProblem::Truncated);
        }
        self.skip_data()?;
        Ok(data)
    }

    /// A GNU long name: its size counts the NUL at its end.
    fn read_name(&mut self, header: Header, total: &mut u64) -> Result<Vec<u8>, TarProblem> {
        let mut name = self.read_extension(header, total)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    fn finish_entry(
        &mut self,
        header: Header,
        extensions: Extensions,
        name: &[u8],
    ) -> Result<Entry, TarProblem> {
        let Extensions { link, mut pax, .. } = extensions;
        let kind = self.entry_kind(header, name, &mut pax)?;
        let mtime = match pax.mtime {
            Some(mtime) => mtime,
            None => Timestamp { seconds: header.mtime()?, nanoseconds: 0 },
        };
        let id = |overridden: Option<i64>, field, key| {
            let value = overridden.map_or(field, Ok)?;
            u32::try_from(value).map_err(|_| BadNumber(key))
        };
        Ok(Entry {
            path: name.to_vec(),
            link: link.or(pax.link).unwrap_or_else(|| header.link()),
            kind,
            mode: (header.mode()? & 0o7777) as u16,
            uid: id(pax.uid, header.uid(), "uid")?,
            gid: id(pax.gid, header.gid(), "gid")?,
            mtime,
            stored: self.data_left,
            xattrs: pax.xattrs,
        })
    }

    /// The type, and with it whether data follows. Types other than files have none even when a
    /// size says so: believing it makes the next entries vanish in another reader's eyes.
    fn entry_kind(
        &mut self,
        header: Header,
        name: &[u8],
        pax: &mut Pax,
    ) -> Result<EntryKind, TarProblem> {
        let device = || {
            let (major, minor) = header.device()?;
            let field = |value: i64, name| u32::try_from(value).map_err(|_| BadNumber(name));
            Ok::<_, BadNumber>(Device {
                major: field(major, "devmajor")?,
                minor: field(minor, "devminor")?,
            })
        };
        Ok(match header.kind(name) {
            b'0' | b'7' => {
                self.begin_data(pax.size.map_or_else(|| header.size(), Ok)?)?;
                self.pax_file_kind(pax)?
            }
            b'S' => {
                let (descriptors, extended, size) = header.sparse()?;
                let map = sparse::read_gnu_map(descriptors, extended, &mut Counted(self))?;
                self.begin_data(pax.size.map_or_else(|| header.size(), Ok)?)?;
                sparse::check(&map, size, self.data_left)?;
                EntryKind::SparseFile { size, map }
            }
            b'1' => EntryKind::HardLink,
            b'2' => EntryKind::Symlink,
            b'3' => EntryKind::CharDevice(device()?),
            b'4' => EntryKind::BlockDevice(device()?),
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            other => EntryKind::Other(other),
        })
    }

    /// A plain file, or one of the pax formats for sparse files.
    fn pax_file_kind(&mut self, pax: &mut Pax) -> Result<EntryKind, TarProblem> {
        let sparse = &mut pax.sparse;
        let map = match (sparse.major, sparse.minor, sparse.map.take()) {
            (None | Some(0), _, None) => return Ok(EntryKind::File),
            (None | Some(0), _, Some(map)) => map,
            (Some(1), Some(0), _) => sparse::read_pax_map(self)?,
            _ => return Err(SparseError::Malformed.into()),
        };
        let size = sparse.size.ok_or(SparseError::Malformed)?;
        sparse::check(&map, size, self.data_left)?;
        Ok(EntryKind::SparseFile { size, map })
    }
}

impl<R: Read + Seek> Archive<R> {
    /// Goes over what is left of the current entry's data without reading it. That there is so
    /// much is for the caller to know: an input can be sought beyond its end.
    ///
    /// # Errors
    ///
    /// When the input fails, or the entry is larger than any input.
    pub fn skip_by_seeking(&mut self) -> io::Result<()> {
        let bytes = self.data_left + self.padding;
        let distance = i64::try_from(bytes).map_err(io::Error::other)?;
        self.input.seek_relative(distance)?;
        self.position += bytes;
        (self.data_left, self.padding) = (0, 0);
        Ok(())
    }
}

/// Reads header blocks, which are not data of an entry, and counts them.
struct Counted<'a, R>(&'a mut Archive<R>);

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.0.input.read(bytes)?;
        self.0.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
