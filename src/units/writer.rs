//! Bytes to packed units in a temporary file.

use super::pack::{Compress, Packer, Packing};
use super::source::FileUnits;
use crate::scratch::{self, Scratch};
use c2w_emulator::UNIT_SIZE;
use c2w_units::{Encoding, StoredUnit};
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZero;
use std::thread;
use xxhash_rust::xxh3::Xxh3;

/// Units that are packed at once, by all threads.
const BATCH: usize = 64;
/// More threads gain nothing: the filesystem is written by one.
const MAX_THREADS: usize = 8;
/// Bytes in a page, for counting those that are not zero.
const PAGE: usize = 4096;

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the pages that are not all zeros.
    pub raw: u64,
    /// Bytes that are stored of them.
    pub stored: u64,
}

impl Written {
    /// What was written since `before`.
    pub fn since(self, before: Self) -> Self {
        Self { raw: self.raw - before.raw, stored: self.stored - before.stored }
    }
}

/// Packs what is written to it, unit by unit.
pub struct UnitWriter {
    file: File,
    packers: Vec<Packer>,
    /// What is not packed yet: whole units, and the beginning of one.
    pending: Vec<u8>,
    index: Vec<u8>,
    written: Written,
    checksum: Xxh3,
}

/// Packed units in a temporary file.
pub struct UnitFile {
    file: File,
    /// An entry for each unit ([`c2w_units::StoredUnit`]).
    pub index: Vec<u8>,
    /// How much is in it.
    pub written: Written,
    /// XXH3 (64 bits) of what is stored.
    pub checksum: u64,
}

impl UnitWriter {
    /// For units of a root image.
    ///
    /// # Errors
    /// When no temporary file can be made.
    pub fn for_image(compress: Compress) -> io::Result<Self> {
        Self::new(compress.image())
    }

    /// For units of RAM.
    ///
    /// # Errors
    /// When no temporary file can be made.
    pub fn for_ram(compress: Compress) -> io::Result<Self> {
        Self::new(compress.ram())
    }

    fn new(packing: Packing) -> io::Result<Self> {
        let threads = match packing {
            Packing::None => 1,
            _ => thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS),
        };
        Ok(Self {
            file: scratch::file()?,
            packers: (0..threads).map(|_| Packer::new(packing)).collect(),
            pending: Vec::with_capacity(BATCH * UNIT_SIZE),
            index: Vec::new(),
            written: Written::default(),
            checksum: Xxh3::new(),
        })
    }

    /// Fills up with zeros to `length` bytes from the start, a multiple of a unit, and packs all.
    /// Returns how much was written so far.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn fill_to(&mut self, length: u64) -> io::Result<Written> {
        let used = self.pending.len() % UNIT_SIZE;
        if used > 0 {
            self.pending.resize(self.pending.len() + UNIT_SIZE - used, 0);
        }
        self.pack()?;
        let units = (length / UNIT_SIZE as u64) as usize;
        let entries = units * c2w_units::ENTRY_SIZE;
        let zeros = StoredUnit::ZERO.to_bytes();
        while self.index.len() < entries {
            self.index.extend(zeros);
        }
        Ok(self.written)
    }

    /// Ends.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn finish(mut self) -> io::Result<UnitFile> {
        self.fill_to(0)?;
        let Self { file, index, written, checksum, .. } = self;
        Ok(UnitFile { file, index, written, checksum: checksum.digest() })
    }

    /// Packs the whole units.
    fn pack(&mut self) -> io::Result<()> {
        let units = self.pending.as_chunks::<UNIT_SIZE>().0;
        if units.is_empty() {
            return Ok(());
        }
        let share = units.len().div_ceil(self.packers.len());
        let packed: Vec<(Encoding, Vec<u8>)> = thread::scope(|scope| {
            let work = units.chunks(share).zip(&mut self.packers).map(|(units, packer)| {
                scope.spawn(|| units.iter().map(|unit| packer.pack(unit)).collect::<Vec<_>>())
            });
            let work: Vec<_> = work.collect();
            work.into_iter().flat_map(|work| work.join().expect("packing does not panic")).collect()
        });
        let is_used = |page: &&[u8; PAGE]| page.iter().any(|&byte| byte != 0);
        let pages = self.pending.as_chunks::<PAGE>().0.iter().filter(is_used).count();
        self.written.raw += (pages * PAGE) as u64;
        for (encoding, bytes) in packed {
            self.store(encoding, &bytes)?;
        }
        let whole = self.pending.len() / UNIT_SIZE * UNIT_SIZE;
        self.pending.drain(..whole);
        Ok(())
    }

    fn store(&mut self, encoding: Encoding, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u32;
        let unit = match u32::try_from(self.written.stored) {
            _ if length == 0 => StoredUnit::ZERO,
            Ok(offset) => StoredUnit { offset, length, encoding },
            Err(_) => return Err(too_large()),
        };
        Scratch(&self.file).write_all(bytes)?;
        self.checksum.update(bytes);
        self.written.stored += u64::from(length);
        self.index.extend(unit.to_bytes());
        Ok(())
    }
}

fn too_large() -> io::Error {
    let text =
        "the root image has more than 4 GiB compressed, which no WebAssembly module can carry";
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

impl Write for UnitWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BATCH * UNIT_SIZE - self.pending.len();
        let taken = bytes.len().min(room);
        self.pending.extend_from_slice(&bytes[..taken]);
        if taken == room {
            self.pack()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl UnitFile {
    /// The units, to be read again.
    ///
    /// # Errors
    /// When the temporary file cannot be opened a second time.
    pub fn source(&self, name: &'static str) -> io::Result<FileUnits> {
        Ok(FileUnits::new(self.file.try_clone()?, 0, self.index.clone(), name))
    }

    /// What is stored of the units.
    pub fn file(&self) -> &File {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2w_emulator::UnitSource;

    /// Zeros, text, noise and a piece of a unit.
    fn bytes() -> Vec<u8> {
        let mut noise = 1_u64;
        let mut noise = || {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (noise >> 56) as u8
        };
        let mut bytes = vec![0; 2 * UNIT_SIZE];
        bytes.extend(b"a line of some text\n".iter().cycle().take(70 * UNIT_SIZE));
        bytes.extend((0..UNIT_SIZE).map(|_| noise()));
        bytes.extend([7; 100]);
        bytes
    }

    #[test]
    fn units_are_read_as_they_were_written() {
        for compress in [Compress::None, Compress::Fast, Compress::Balanced, Compress::Small] {
            let bytes = bytes();
            let mut writer = UnitWriter::for_image(compress).unwrap();
            for piece in bytes.chunks(100_003) {
                writer.write_all(piece).unwrap();
            }
            writer.fill_to(80 * UNIT_SIZE as u64).unwrap();
            writer.write_all(&[9]).unwrap();
            let file = writer.finish().unwrap();
            assert_eq!(file.written.raw, 71 * UNIT_SIZE as u64 + 2 * 4096, "{compress:?}");
            let least = if compress == Compress::None { 70 } else { 1 } * UNIT_SIZE as u64;
            let most = least + 4 * UNIT_SIZE as u64;
            assert!((least..most).contains(&file.written.stored), "{:?}", file.written);
            let mut source = file.source("test").unwrap();
            let mut all = bytes;
            all.resize(80 * UNIT_SIZE, 0);
            all.push(9);
            all.resize(81 * UNIT_SIZE, 0);
            for (number, expected) in all.as_chunks::<UNIT_SIZE>().0.iter().enumerate() {
                let is_zero = expected.iter().all(|&byte| byte == 0);
                assert_eq!(source.is_zero(number as u32), is_zero, "{number}");
                let mut unit = [0xee; UNIT_SIZE];
                if !is_zero {
                    source.read(number as u32, &mut unit).unwrap();
                    assert!(unit == *expected, "{compress:?} {number}");
                }
            }
            assert!(source.is_zero(81));
        }
    }

    #[test]
    fn the_same_bytes_make_the_same_units() {
        let write = |piece: usize| {
            let mut writer = UnitWriter::for_image(Compress::Balanced).unwrap();
            bytes().chunks(piece).for_each(|piece| writer.write_all(piece).unwrap());
            writer.finish().unwrap()
        };
        let (one, other) = (write(1000), write(5 << 20));
        assert_eq!((one.checksum, one.index), (other.checksum, other.index));
    }
}
