//! Blobs of registries, kept by digest and shared between runs.
//!
//! ```text
//! DIR/blobs/sha256/HEX     whole blobs; they appear by rename, so there are no torn ones
//! DIR/partial/sha256-HEX   a download under way or broken off; locked by its writer
//! ```
//!
//! Nothing that is kept is trusted: a blob is hashed before it is given out, and removed when it is
//! not what its name says. A store that cannot be written is none: what it does not keep is read
//! all the same.

mod maintenance;

pub use maintenance::{Entry, Keep, Removed};

use super::ErrorKind;
use super::digest::{Algorithm, Digest, Verifier};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A folder of blobs.
#[derive(Clone, Debug)]
pub struct Store {
    dir: Arc<Path>,
}

/// Where the store is unless told otherwise: `C2W_CACHE_DIR`, else `c2w` in `XDG_CACHE_HOME`, else
/// in `~/.cache`. `None` when the environment names no home.
pub fn default_dir() -> Option<PathBuf> {
    dir_in(|name| std::env::var_os(name))
}

/// The XDG base directory specification has relative paths ignored.
fn dir_in(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let absolute = |name| path(name).filter(|path| path.is_absolute());
    path("C2W_CACHE_DIR")
        .or_else(|| absolute("XDG_CACHE_HOME").map(|cache| cache.join("c2w")))
        .or_else(|| absolute("HOME").map(|home| home.join(".cache/c2w")))
}

impl Store {
    /// The store in `dir`, which is made when it is missing, for its owner only: images may be
    /// private.
    ///
    /// # Errors
    /// When the folders neither exist nor can be made.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let store = Self { dir: dir.into() };
        for algorithm in Algorithm::ALL {
            make_private(&store.blobs().join(algorithm.name()))?;
        }
        make_private(&store.partials())?;
        Ok(store)
    }

    /// The folder of the store.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn blobs(&self) -> PathBuf {
        self.dir.join("blobs")
    }

    fn partials(&self) -> PathBuf {
        self.dir.join("partial")
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.algorithm()).join(digest.hex())
    }

    /// Whether a blob is kept; whether it is still whole, only [`get`](Self::get) says.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// A blob, if it is kept and whole; a spoilt one is removed.
    pub(super) fn get(&self, digest: &Digest) -> Option<File> {
        let path = self.blob_path(digest);
        let mut file = File::open(&path).ok()?;
        if !holds(&mut file, digest) {
            // It may be another's to remove; what matters is that it is not used.
            let _ = fs::remove_file(&path);
            return None;
        }
        // The time of the last use, for pruning. Access times are often not kept.
        let _ = file.set_modified(SystemTime::now());
        Some(file)
    }

    /// Keeps a document, if it is what `digest` says and there is room.
    pub(super) fn put(&self, digest: &Digest, bytes: &[u8]) {
        let keep = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(self.partials())?;
            file.write_all(bytes)?;
            if holds(file.as_file_mut(), digest) {
                file.persist(self.blob_path(digest))?;
            }
            Ok(())
        };
        // A document that is not kept is fetched again the next time.
        let _ = keep();
    }

    /// A blob. When the store has none, `receive` completes the file that it is given, which may
    /// hold what an earlier run got of it, and answers for the whole. When several runs want the
    /// same blob, one receives it and the others wait.
    pub(super) fn fetch(
        &self,
        digest: &Digest,
        receive: impl FnOnce(&mut File) -> Result<(), ErrorKind>,
    ) -> Result<File, ErrorKind> {
        if let Some(file) = self.get(digest) {
            return Ok(file);
        }
        let Ok(mut partial) = Partial::lock(self, digest) else {
            return nameless(receive);
        };
        // Whoever held the lock may have brought it.
        if let Some(file) = self.get(digest) {
            partial.discard();
            return Ok(file);
        }
        match receive(&mut partial.file) {
            Ok(()) => partial.keep(&self.blob_path(digest)),
            Err(error) => {
                // What has come is for the next run to go on with.
                if partial.is_empty() {
                    partial.discard();
                }
                Err(error)
            }
        }
    }
}

/// Receives a blob that is kept nowhere.
pub(super) fn nameless(
    receive: impl FnOnce(&mut File) -> Result<(), ErrorKind>,
) -> Result<File, ErrorKind> {
    let temporary = || ErrorKind::io("write a temporary file (TMPDIR chooses where)");
    let mut file = tempfile::tempfile().map_err(temporary())?;
    receive(&mut file)?;
    file.rewind().map_err(temporary())?;
    Ok(file)
}

fn unwritable() -> impl FnOnce(io::Error) -> ErrorKind {
    ErrorKind::io("write to the cache (C2W_CACHE_DIR chooses where, --no-cache does without)")
}

/// Whether the file has this digest; leaves it at its start.
fn holds(file: &mut File, digest: &Digest) -> bool {
    let whole = |file: &mut File| {
        file.rewind()?;
        Verifier::new(&*file, digest.clone(), None).drain()?;
        file.rewind()
    };
    whole(file).is_ok()
}

fn make_private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A download under way. The lock is the file's, and ends with it.
struct Partial {
    file: File,
    path: PathBuf,
}

impl Partial {
    /// Opens or makes the file, and waits until nobody else writes it.
    fn lock(store: &Store, digest: &Digest) -> io::Result<Self> {
        let path = store.partials().join(format!("{}-{}", digest.algorithm(), digest.hex()));
        loop {
            let mut options = OpenOptions::new();
            let file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            file.lock()?;
            // It may have become the blob, or have been removed, while this waited.
            let (locked, there) = (file.metadata()?, fs::symlink_metadata(&path));
            if there.is_ok_and(|there| (there.dev(), there.ino()) == (locked.dev(), locked.ino())) {
                return Ok(Self { file, path });
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() == 0)
    }

    fn discard(&self) {
        // The name is all that would be left of it.
        let _ = fs::remove_file(&self.path);
    }

    fn keep(mut self, blob: &Path) -> Result<File, ErrorKind> {
        fs::rename(&self.path, blob).map_err(unwritable())?;
        let ready = self.file.rewind().and_then(|()| self.file.unlock());
        ready.map_err(ErrorKind::io("read from the cache"))?;
        Ok(self.file)
    }
}

#[cfg(test)]
mod tests;
