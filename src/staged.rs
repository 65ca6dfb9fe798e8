//! Output that is there as a whole, or not at all, and harms nothing that stood in its place.
//!
//! Only a regular file is ever replaced, by rename(2). Devices, pipes and open descriptors are
//! written to as streams; a symbolic link is followed; a directory or a socket is refused.

mod destination;
mod in_place;
mod temporary;

pub use destination::{InputPath, ReservedName};

use crate::{scratch, writable};
use anyhow::{Context, Result, anyhow};
use destination::Destination;
use rustix::fs::{Gid, Uid, fchmod, fchown};
use std::cell::Cell;
use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use temporary::Temporary;

/// Nobody reads a stream any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads it any more")]
pub struct ReaderGone;

/// An output that is being made.
pub struct Staged {
    name: String,
    sink: Sink,
}

enum Sink {
    /// Bytes go where they belong at once.
    Stream(File),
    /// A file that gets its name when it is complete.
    Named { temporary: Temporary, path: PathBuf, old: Option<Box<Metadata>> },
    /// A file in a folder that takes no new names: it is filled when everything is there.
    InPlace { spool: File, target: File },
}

impl Staged {
    /// Finds out what `output` stands for, `-` being standard output, and opens it or makes a
    /// temporary file beside it: what cannot be written is known before the work. Opening a pipe
    /// that has a name waits for its reader, as in cp(1).
    ///
    /// # Errors
    /// When it cannot be written, is a terminal, or is what the command reads.
    pub fn create(output: &Path, read: InputPath<'_>) -> Result<Self> {
        let name = name(output);
        let sink = Self::open(output, read).with_context(|| format!("cannot write {name}"))?;
        Ok(Self { name, sink })
    }

    fn open(output: &Path, read: InputPath<'_>) -> Result<Sink> {
        let (path, old) = match Destination::find(output, read)? {
            Destination::Stream(file) => return Ok(Sink::Stream(file)),
            Destination::File { path, old } => (path, old),
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        match Temporary::create(folder.unwrap_or(Path::new("."))) {
            Ok(temporary) => Ok(Sink::Named { temporary, path, old: old.map(Box::new) }),
            Err(error) if old.is_some() && is_forbidden(&error) => {
                let target = destination::open_in_place(&path)?;
                let spool = scratch::file()?;
                Ok(Sink::InPlace { spool, target })
            }
            Err(error) => Err(no_place(folder.unwrap_or(Path::new(".")), error)),
        }
    }

    /// Whether blocks of zeros may be passed over: not in a stream.
    pub fn takes_holes(&self) -> bool {
        !matches!(self.sink, Sink::Stream(_))
    }

    /// What to call it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets `write` fill the file, and gives it its name.
    ///
    /// # Errors
    /// Those of `write`, and when the file cannot be written or named; [`ReaderGone`].
    pub fn finish<T>(self, write: impl FnOnce(&mut BufWriter<Out<'_>>) -> Result<T>) -> Result<T> {
        let Self { name, sink } = self;
        let gone = Cell::new(false);
        let (file, is_scratch) = match &sink {
            Sink::Stream(file) => (file, false),
            Sink::InPlace { spool, .. } => (spool, true),
            Sink::Named { temporary, .. } => (temporary.file(), false),
        };
        let mut out = BufWriter::with_capacity(1 << 20, Out { file, is_scratch, gone: &gone });
        let result = write(&mut out).and_then(|done| {
            out.flush()?;
            Ok(done)
        });
        // After an error, nobody needs the rest.
        let _ = out.into_parts();
        let result = result.and_then(|done| sink.complete().map(|()| done));
        if gone.get() {
            return Err(ReaderGone.into());
        }
        result.with_context(|| format!("cannot write {name}"))
    }
}

impl Sink {
    fn complete(self) -> Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::InPlace { spool, target } => Ok(in_place::fill(&spool, &target)?),
            Self::Named { temporary, path, old } => {
                destination::check_unchanged(&path)?;
                if let Some(old) = &old {
                    inherit(temporary.file(), old);
                }
                match temporary.persist(&path, old.is_some()) {
                    Ok(()) => Ok(()),
                    // A mount point, or another's file in a folder such as /tmp: it can be written,
                    // but not replaced.
                    Err((error, spool)) if old.is_some() && is_forbidden(&error) => {
                        Ok(in_place::fill(&spool, &destination::open_in_place(&path)?)?)
                    }
                    Err((error, _)) => Err(error.into()),
                }
            }
        }
    }
}

/// What to call an output in messages.
pub fn name(output: &Path) -> String {
    match destination::is_stdout(output) {
        true => "standard output".into(),
        false => output.display().to_string(),
    }
}

/// Opens an output that is to be seen while it grows, such as a trace: what is there is emptied.
///
/// # Errors
/// As [`Staged::create`].
pub fn open_growing(output: &Path, read: InputPath<'_>) -> Result<File> {
    match Destination::find(output, read)? {
        Destination::Stream(file) => Ok(file),
        Destination::File { path, .. } => Ok(File::create(path)?),
    }
}

/// Whether a folder takes no new names, or this one stays as it is.
fn is_forbidden(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | ResourceBusy)
}

/// Why a folder takes no new file.
fn no_place(folder: &Path, error: io::Error) -> anyhow::Error {
    let name = folder.display();
    match error.kind() {
        io::ErrorKind::NotFound if !folder.exists() => anyhow!("there is no folder {name}"),
        io::ErrorKind::NotADirectory => anyhow!("{name} is not a folder"),
        _ => anyhow!("the folder {name} takes no new file: {}", temporary::bare(error)),
    }
}

/// Gives a file that takes another's place that one's mode, and its owner as far as we may.
fn inherit(file: &File, old: &Metadata) {
    let (uid, gid) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
    if fchown(file, Some(uid), Some(gid)).is_err() {
        let _ = fchown(file, None, Some(gid));
    }
    let _ = fchmod(file, rustix::fs::Mode::from_raw_mode(old.mode() & 0o777));
}

/// A file that is written, and remembers when its reader has gone.
pub struct Out<'a> {
    file: &'a File,
    /// Whether it is not the output itself.
    is_scratch: bool,
    gone: &'a Cell<bool>,
}

impl Out<'_> {
    fn note(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.gone.set(true);
        }
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.file;
        loop {
            match file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    writable::wait(file.as_fd())?;
                }
                Err(error) if self.is_scratch => return Err(scratch::fault(error)),
                written => return written.inspect_err(|error| self.note(error)),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Out<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut file = self.file;
        file.seek(to)
    }
}
