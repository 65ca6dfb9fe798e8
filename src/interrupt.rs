//! Ctrl-C and termination leave no half-written file and no unusable terminal behind.

use rustix::termios::{OptionalActions, Termios, tcsetattr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a signal has to undo, by number.
static UNFINISHED: Mutex<Vec<(u64, Undo)>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

enum Undo {
    /// A file or a folder.
    Remove(PathBuf),
    /// Settings of the terminal on standard input.
    Reset(Box<Termios>),
}

impl Undo {
    fn execute(self) {
        // There is nobody left to be told of an error.
        let _ = match self {
            Self::Remove(path) if path.is_dir() => std::fs::remove_dir_all(path),
            Self::Remove(path) => std::fs::remove_file(path),
            Self::Reset(settings) => reset(&settings),
        };
    }
}

fn reset(settings: &Termios) -> std::io::Result<()> {
    tcsetattr(std::io::stdin(), OptionalActions::Drain, settings).map_err(Into::into)
}

/// While it lives, an interrupt undoes something before it ends the program.
pub struct Guard(u64);

impl Guard {
    /// Watches over a file or a folder, which its owner removes.
    pub fn new(path: &Path) -> Self {
        Self::watch(Undo::Remove(path.to_path_buf()))
    }

    /// Watches over the terminal on standard input, which its owner resets.
    pub fn terminal(settings: Termios) -> Self {
        Self::watch(Undo::Reset(Box::new(settings)))
    }

    fn watch(undo: Undo) -> Self {
        let number = NEXT.fetch_add(1, Relaxed);
        unfinished().push((number, undo));
        // A second handler is refused: the first one does the same.
        let _ = ctrlc::set_handler(|| {
            unfinished().drain(..).for_each(|(_, undo)| undo.execute());
            // As a shell reports a program that SIGINT has ended.
            std::process::exit(130);
        });
        Self(number)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        unfinished().retain(|(number, _)| *number != self.0);
    }
}

fn unfinished() -> MutexGuard<'static, Vec<(u64, Undo)>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}
