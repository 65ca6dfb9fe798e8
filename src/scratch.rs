//! Temporary files: what goes wrong with them says where they are, as that may be a small place.

use std::fs::File;
use std::io::{self, Write};

/// Makes a temporary file that has no name.
///
/// # Errors
/// When none can be made.
pub fn file() -> io::Result<File> {
    tempfile::tempfile().map_err(fault)
}

/// What the system says, with the folder and how to choose another.
pub fn fault(error: io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    let text = format!(
        "no temporary file can be written in {} (TMPDIR names another folder): {error}",
        folder.display()
    );
    io::Error::new(error.kind(), text)
}

/// A temporary file that is written.
pub struct Scratch<'a>(pub &'a File);

impl Write for Scratch<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(fault)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
