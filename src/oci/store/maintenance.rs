//! What the store holds, and how it becomes less.

use super::Store;
use crate::oci::digest::Digest;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A blob that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// When it was last given out.
    pub used: SystemTime,
}

/// What stays when a store is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// What was used within this time.
    UsedWithin(Duration),
    /// The most recently used blobs, up to this many bytes in all.
    Bytes(u64),
}

/// What pruning removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Blobs and downloads that had broken off.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// The blobs that are kept, the last used first.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for_each_file(&self.blobs(), &mut |path, metadata| {
            let algorithm = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
            let hex = path.file_name().and_then(|name| name.to_str());
            let name = algorithm.zip(hex).map(|(algorithm, hex)| format!("{algorithm}:{hex}"));
            // Files of other names are not the store's.
            if let Some(Ok(digest)) = name.map(|name| name.parse()) {
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                entries.push(Entry { digest, size: metadata.len(), used });
            }
        })?;
        entries.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.digest.cmp(&b.digest)));
        Ok(entries)
    }

    /// Removes blobs, and the downloads that have broken off. Runs that read a blob at this moment
    /// go on, and a download under way stays.
    ///
    /// # Errors
    /// When a folder cannot be read, or a file not be removed.
    pub fn prune(&self, keep: Keep) -> io::Result<Removed> {
        let mut removed = self.prune_partials()?;
        let now = SystemTime::now();
        let mut total = 0_u64;
        for entry in self.entries()? {
            total = total.saturating_add(entry.size);
            let stays = match keep {
                Keep::Nothing => false,
                // A time to come is a clock that was put back.
                Keep::UsedWithin(time) => {
                    now.duration_since(entry.used).is_ok_and(|age| age <= time) || entry.used > now
                }
                Keep::Bytes(bytes) => total <= bytes,
            };
            if !stays {
                remove(&self.blob_path(&entry.digest))?;
                removed.add(entry.size);
            }
        }
        Ok(removed)
    }

    fn prune_partials(&self) -> io::Result<Removed> {
        let mut removed = Removed::default();
        let mut failed = None;
        for_each_file(&self.partials(), &mut |path, metadata| {
            let Ok(file) = File::open(path) else { return };
            if file.try_lock().is_err() {
                return;
            }
            match remove(path) {
                Ok(()) => removed.add(metadata.len()),
                Err(error) => failed = Some(error),
            }
        })?;
        failed.map_or(Ok(removed), Err)
    }
}

impl Removed {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Another run may have been faster.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The regular files in `dir` and in its folders.
fn for_each_file(dir: &Path, found: &mut impl FnMut(&Path, &Metadata)) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        // What another run has removed meanwhile is no longer there.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            for inner in fs::read_dir(&path)? {
                let inner = inner?.path();
                if let Some(metadata) = fs::symlink_metadata(&inner).ok().filter(Metadata::is_file)
                {
                    found(&inner, &metadata);
                }
            }
        } else if metadata.is_file() {
            found(&path, &metadata);
        }
    }
    Ok(())
}
