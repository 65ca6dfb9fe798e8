//! Output to a file with holes where blocks are zeros.

use std::io::{self, Seek, SeekFrom, Write};

/// Bytes in a block, as filesystems have them.
const BLOCK: usize = 4096;

static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Writes to `out` from its start, but goes past blocks of zeros. What is not written must read
/// as zeros, as in a new file.
pub struct SparseWriter<W> {
    out: W,
    position: u64,
    /// Zeros that were passed and not written.
    skipped: u64,
}

impl<W: Write + Seek> SparseWriter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, position: 0, skipped: 0 }
    }

    /// Makes the file as long as what was written to it.
    ///
    /// # Errors
    ///
    /// When writing fails.
    pub fn finish(mut self) -> io::Result<()> {
        if self.skipped > 0 {
            self.out.seek(SeekFrom::Start(self.position - 1))?;
            self.out.write_all(&[0])?;
        }
        self.out.flush()
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.skipped) > 0 {
            self.out.seek(SeekFrom::Start(self.position))?;
        }
        self.out.write_all(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

impl<W: Write + Seek> Write for SparseWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let to_block = (BLOCK - (self.position % BLOCK as u64) as usize) % BLOCK;
        let (head, blocks) = bytes.split_at(to_block.min(bytes.len()));
        self.put(head)?;
        let mut rest = blocks;
        while !rest.is_empty() {
            let is_zero = |block: &[u8]| *block == ZEROS[..block.len()];
            let count = |zero| {
                let run = rest.chunks(BLOCK).take_while(|block| is_zero(block) == zero);
                run.map(<[u8]>::len).sum::<usize>()
            };
            let zeros = count(true);
            if zeros > 0 {
                self.skipped += zeros as u64;
                self.position += zeros as u64;
                rest = &rest[zeros..];
            } else {
                let (data, after) = rest.split_at(count(false));
                self.put(data)?;
                rest = after;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_same_bytes_in_less_space() {
        let mut bytes = vec![0; 100 * BLOCK + 77];
        bytes[3] = 1;
        bytes[50 * BLOCK..50 * BLOCK + 5000].fill(2);
        // Pieces of any size, and a hole at the end.
        for piece in [1000, BLOCK, 3 * BLOCK, bytes.len()] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut writer = SparseWriter::new(file.as_file());
            for piece in bytes.chunks(piece) {
                writer.write_all(piece).unwrap();
            }
            writer.finish().unwrap();
            assert!(std::fs::read(file.path()).unwrap() == bytes, "{piece}");
            let blocks = file.as_file().metadata().unwrap().blocks();
            assert!(piece < BLOCK || blocks * 512 <= 16 * BLOCK as u64, "{blocks}");
        }
    }
}
