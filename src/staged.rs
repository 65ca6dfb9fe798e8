//! Output that is there as a whole, or not at all.

use crate::interrupt::Guard;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A file that appears under its name only when it is complete.
pub struct Staged<'a> {
    file: tempfile::NamedTempFile,
    output: &'a Path,
    _interrupts: Guard,
}

impl<'a> Staged<'a> {
    /// Makes the temporary file beside the output, so that a place that cannot be written is
    /// found out before the work.
    ///
    /// # Errors
    /// When it cannot be made there.
    pub fn create(output: &'a Path) -> Result<Self> {
        let cannot = || format!("cannot write {}", output.display());
        if output.is_dir() {
            anyhow::bail!("{}: it is a directory", cannot());
        }
        let folder = match output.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".c2w-")
            .suffix(".tmp")
            .tempfile_in(folder)
            .with_context(cannot)?;
        let _interrupts = Guard::new(file.path());
        Ok(Self { file, output, _interrupts })
    }

    /// Lets `write` fill the file, and gives it its name.
    ///
    /// # Errors
    /// Those of `write`, and when the file cannot be written or named.
    pub fn finish<T>(self, write: impl FnOnce(&mut BufWriter<&File>) -> Result<T>) -> Result<T> {
        let cannot = || format!("cannot write {}", self.output.display());
        let mut out = BufWriter::with_capacity(1 << 20, self.file.as_file());
        let result = write(&mut out).with_context(cannot)?;
        out.flush().with_context(cannot)?;
        drop(out);
        readable_by_all(self.file.as_file()).with_context(cannot)?;
        self.file.persist(self.output).map_err(|error| error.error).with_context(cannot)?;
        Ok(result)
    }
}

/// Gives a temporary file, which is private, the mode of any other new file.
fn readable_by_all(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let umask = rustix::process::umask(rustix::fs::Mode::empty());
        rustix::process::umask(umask);
        file.set_permissions(std::fs::Permissions::from_mode(0o666 & !umask.bits()))?;
    }
    Ok(())
}
