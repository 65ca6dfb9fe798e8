//! Ctrl-C and termination leave no half-written file behind.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The file that a signal removes.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// While it lives, an interrupt removes a file before it ends the program.
pub struct Guard(());

impl Guard {
    /// Watches over `file`; one at a time.
    pub fn new(file: &Path) -> Self {
        replace(Some(file.to_path_buf()));
        // A second handler is refused: the first one does the same.
        let _ = ctrlc::set_handler(|| {
            if let Some(file) = replace(None) {
                let _ = std::fs::remove_file(file);
            }
            // As a shell reports a program that SIGINT has ended.
            std::process::exit(130);
        });
        Self(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        replace(None);
    }
}

fn replace(file: Option<PathBuf>) -> Option<PathBuf> {
    let mut unfinished = UNFINISHED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    std::mem::replace(&mut unfinished, file)
}
