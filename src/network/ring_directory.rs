//! The directory of two rings: made by a helper, and joined by a container's side.

use super::ring_file::FileOfRing;
use super::words;
use crate::entropy;
use anyhow::{Context, Result, bail, ensure};
use c2w_network::{GUEST_FILE, HOST_FILE, Rings, is_ring_file};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock, fstat, open as open_file};
use rustix::io::Errno;
use std::fs::{self, DirBuilder};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Opens a directory that a helper serves: the file that the container's side writes, and the one
/// that it reads.
///
/// # Errors
/// When no helper has made it.
pub fn open(directory: &Path) -> Result<(FileOfRing, FileOfRing)> {
    let file = |name, flags| {
        open_ring(&directory.join(name), flags)
            .with_context(|| format!("no c2w net-helper serves it: {name}"))
    };
    let (own, peer) = (file(GUEST_FILE, OFlags::RDWR)?, file(HOST_FILE, OFlags::RDONLY)?);
    Ok((FileOfRing(own), FileOfRing(peer)))
}

/// A directory with a helper's rings in it, which are gone with this.
pub struct RingDirectory {
    path: PathBuf,
    /// Whether the directory was made, too.
    is_made: bool,
    /// Locked while this lives.
    _lock: OwnedFd,
    /// Told when the container's side writes.
    watch: OwnedFd,
}

impl RingDirectory {
    /// Makes the files, and the directory if there is none.
    ///
    /// # Errors
    /// When that cannot be done, another helper serves the directory, or a file in it is somebody
    /// else's.
    pub fn make(path: &Path) -> Result<(Self, Rings<FileOfRing>)> {
        let made = DirBuilder::new().mode(0o700).create(path);
        let is_made = match made {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error).context("cannot be made"),
        };
        for name in [HOST_FILE, GUEST_FILE] {
            check_owner(&path.join(name)).with_context(|| name)?;
        }
        let file = |name| {
            let flags = OFlags::RDWR | OFlags::CREATE;
            open_ring(&path.join(name), flags).with_context(|| name)
        };
        let own = file(HOST_FILE)?;
        match flock(&own, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => bail!("another c2w net-helper serves it"),
            Err(error) => bail!("cannot be locked: {}", words(error)),
        }
        let lock = own.try_clone()?;
        let peer = file(GUEST_FILE)?;
        let watch = watch(&path.join(GUEST_FILE))?;
        let directory = Self { path: path.to_path_buf(), is_made, _lock: lock, watch };
        let rings = Rings::listen(FileOfRing(own), FileOfRing(peer), entropy::number());
        Ok((directory, rings.map_err(anyhow::Error::msg)?))
    }

    /// Readable when the container's side has written.
    pub fn watch(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Takes note of what it has written.
    pub fn take_events(&self) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.watch, &mut buffer);
        while events.next().is_ok() {}
    }
}

impl Drop for RingDirectory {
    fn drop(&mut self) {
        // What cannot be removed does no harm: the next helper takes it over.
        for name in [GUEST_FILE, HOST_FILE] {
            let _ = fs::remove_file(self.path.join(name));
        }
        if self.is_made {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Opens a regular file, which nobody else shall read.
fn open_ring(path: &Path, flags: OFlags) -> Result<OwnedFd> {
    // Somebody may have put anything there: nothing is followed, and nothing is waited for.
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = open_file(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| anyhow::anyhow!("{}", words(error)))?;
    let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
    ensure!(kind.is_file(), "it is not a file");
    Ok(file)
}

/// Refuses a file that is not of a helper: it would be overwritten.
fn check_owner(path: &Path) -> Result<()> {
    if !path.try_exists()? {
        return Ok(());
    }
    let mut header = [0; 16];
    let length = rustix::io::pread(open_ring(path, OFlags::RDONLY)?, &mut header, 0)?;
    let is_ours = length == 0 || is_ring_file(&header[..length]);
    ensure!(is_ours, "somebody else's file of this name is there");
    Ok(())
}

/// Watches a file for being written.
fn watch(file: &Path) -> Result<OwnedFd> {
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    inotify::add_watch(&watch, file, WatchFlags::MODIFY)?;
    Ok(watch)
}
