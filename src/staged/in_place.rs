//! A file that keeps its place and gets other bytes.
//!
//! It cannot be replaced at one stroke, so what can be known beforehand is: the space is taken
//! before the first old byte goes.

use crate::sparse::SparseWriter;
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes copied at once.
const PIECE: usize = 256 << 10;

/// Fills a file with another's bytes.
///
/// # Errors
/// When there is no room for them: the file has its old bytes then. When they cannot be written all
/// the same, it is left empty.
pub fn fill(from: &File, to: &File) -> io::Result<()> {
    let old = to.metadata()?.len();
    let length = from.metadata()?.len();
    let runs = runs(from, length)?;
    let written = match reserve(to, &runs) {
        Ok(()) => overwrite(from, to, &runs, length, old),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => rewrite(from, to),
        Err(error) => {
            // Gives back what was taken behind the old end.
            let _ = to.set_len(old);
            return Err(error.into());
        }
    };
    written.inspect_err(|_| drop(to.set_len(0)))
}

/// Where a file has data; the rest are holes.
fn runs(file: &File, length: u64) -> io::Result<Vec<Range<u64>>> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < length {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            // A filesystem that knows no holes.
            Err(Errno::INVAL) => at,
            Err(error) => return Err(error.into()),
        };
        at = seek(file, SeekFrom::Hole(start)).unwrap_or(length).clamp(start, length);
        runs.push(start..at);
    }
    Ok(runs)
}

/// Takes the space for some runs of bytes and changes none that can be read.
fn reserve(file: &File, runs: &[Range<u64>]) -> rustix::io::Result<()> {
    for run in runs {
        retry(|| fallocate(file, FallocateFlags::KEEP_SIZE, run.start, run.end - run.start))?;
    }
    Ok(())
}

/// Does again what a signal has interrupted.
fn retry(mut call: impl FnMut() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Puts the runs over the old bytes: to empty the file first would give the space away.
fn overwrite(from: &File, to: &File, runs: &[Range<u64>], length: u64, old: u64) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut done = 0;
    for run in runs {
        clear(to, done..run.start.min(old))?;
        let mut at = run.start;
        while at < run.end {
            let piece = &mut buffer[..(run.end - at).min(PIECE as u64) as usize];
            from.read_exact_at(piece, at)?;
            to.write_all_at(piece, at)?;
            at += piece.len() as u64;
        }
        done = run.end;
    }
    clear(to, done..length.min(old))?;
    to.set_len(length)
}

/// Makes zeros of old bytes, by a hole where the filesystem can.
fn clear(file: &File, range: Range<u64>) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    if retry(|| fallocate(file, flags, range.start, range.end - range.start)).is_ok() {
        return Ok(());
    }
    let zeros = vec![0; PIECE];
    let mut at = range.start;
    while at < range.end {
        let piece = &zeros[..(range.end - at).min(PIECE as u64) as usize];
        file.write_all_at(piece, at)?;
        at += piece.len() as u64;
    }
    Ok(())
}

/// For filesystems where no space can be reserved.
fn rewrite(mut from: &File, mut to: &File) -> io::Result<()> {
    seek(from, SeekFrom::Start(0))?;
    to.set_len(0)?;
    seek(to, SeekFrom::Start(0))?;
    let mut out = SparseWriter::new(&mut to);
    io::copy(&mut from, &mut out)?;
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A file of some pieces, each of one byte again and again; 0 is a hole.
    fn file(pieces: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let mut out = SparseWriter::new(&mut file);
        pieces.iter().for_each(|&byte| out.write_all(&vec![byte; 70_000]).unwrap());
        out.finish().unwrap();
        file
    }

    fn bytes(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn whatever_was_there_the_bytes_are_the_other_files() {
        let contents: [&[u8]; 7] =
            [&[], &[0], &[1, 2, 3], &[0, 4, 0], &[5, 0, 0, 0, 0, 6], &[0, 0, 7], &[8; 9]];
        for new in contents {
            for old in contents {
                for fill in [fill, |from: &File, to: &File| rewrite(from, to)] {
                    let (from, to) = (file(new), file(old));
                    fill(&from, &to).unwrap();
                    assert!(bytes(&to) == bytes(&from), "{old:?} {new:?}");
                }
            }
        }
    }
}
