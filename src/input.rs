//! A file that the user named, or standard input in its place.

use crate::compression::{Compression, Decoder, buffered};
use crate::scratch::{self, Scratch};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;

/// The most bytes that are copied of an input that cannot be read in place: more than a module can
/// carry.
const SPOOL_LIMIT: u64 = 64 << 30;

/// Where bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, or a pipe that has a name.
    File(PathBuf),
    /// `-`
    Stdin,
}

impl Input {
    /// What `text` names.
    pub fn new(text: &str) -> Self {
        if text == "-" { Self::Stdin } else { Self::File(text.into()) }
    }

    /// The bytes, as they come.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self) -> io::Result<File> {
        match self {
            Self::File(path) => {
                let file = File::open(path)?;
                // Opening a directory succeeds; reading it does not, and says less.
                if file.metadata()?.is_dir() {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                Ok(file)
            }
            Self::Stdin => {
                let stdin = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
                Ok(stdin.into())
            }
        }
    }

    /// The uncompressed bytes in a file that can be read anywhere: the file itself where it is
    /// such a one, else a nameless temporary copy.
    ///
    /// # Errors
    /// When the file cannot be opened, read or decompressed, or there is no room for the copy.
    pub fn open_seekable(&self) -> io::Result<File> {
        let mut file = self.open()?;
        let metadata = file.metadata()?;
        if metadata.is_file() && file.stream_position()? == 0 {
            let mut magic = Vec::new();
            (&file).take(16).read_to_end(&mut magic)?;
            file.rewind()?;
            if Compression::of(&magic) == Compression::None {
                return Ok(file);
            }
        }
        let mut copy = scratch::file()?;
        let decoder = Decoder::new(buffered(file)?)?;
        let copied = io::copy(&mut decoder.take(SPOOL_LIMIT + 1), &mut Scratch(&copy))?;
        if copied > SPOOL_LIMIT {
            let text = format!("it has more than {} GiB", SPOOL_LIMIT >> 30);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        copy.rewind()?;
        Ok(copy)
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("-"),
        }
    }
}
