//! Ctrl-C and termination leave no half-written file behind.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Files and folders that a signal removes.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// While it lives, an interrupt removes a file or a folder before it ends the program.
pub struct Guard(PathBuf);

impl Guard {
    /// Watches over `path`.
    pub fn new(path: &Path) -> Self {
        unfinished().push(path.to_path_buf());
        // A second handler is refused: the first one does the same.
        let _ = ctrlc::set_handler(|| {
            for path in unfinished().drain(..) {
                let _ = match path.is_dir() {
                    true => std::fs::remove_dir_all(path),
                    false => std::fs::remove_file(path),
                };
            }
            // As a shell reports a program that SIGINT has ended.
            std::process::exit(130);
        });
        Self(path.to_path_buf())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        unfinished().retain(|path| *path != self.0);
    }
}

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}
