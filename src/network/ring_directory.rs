//! The directory of two rings: made by a helper, and joined by a container's side.

use super::ring_file::FileOfRing;
use super::words;
use crate::entropy;
use anyhow::{Context, Result, bail, ensure};
use c2w_network::{GUEST_FILE, HOST_FILE, Rings, is_ring_file};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, flock, fstat, open as open_file};
use rustix::io::{Errno, pread, read};
use std::fs::{self, DirBuilder};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Opens a directory that a helper serves: the file that the container's side writes, and the one
/// that it reads.
///
/// # Errors
/// When no helper has made it.
pub fn open(directory: &Path) -> Result<(FileOfRing, FileOfRing)> {
    let file = |name, flags| {
        let file = directory.join(name);
        ensure!(inode(&file).is_some(), "no c2w net-helper serves that directory");
        open_ring(&file, flags).context(name)
    };
    let (own, peer) = (file(GUEST_FILE, OFlags::RDWR)?, file(HOST_FILE, OFlags::RDONLY)?);
    Ok((FileOfRing(own), FileOfRing(peer)))
}

/// A directory with a helper's rings in it, which are gone with this.
pub struct RingDirectory {
    path: PathBuf,
    /// Whether the directory was made, too.
    is_made: bool,
    /// The files, by name and inode.
    files: Vec<(&'static str, u64)>,
    /// Locked while this lives.
    lock: Option<OwnedFd>,
    /// Told when the container's side writes, where the system has that to give.
    watch: Option<OwnedFd>,
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
        // From here on, what was made is removed if something goes wrong.
        let path = path.to_path_buf();
        let mut directory = Self { path, is_made, files: Vec::new(), lock: None, watch: None };
        let own = directory.lock_host_file().context(HOST_FILE)?;
        let peer = directory.make_file(GUEST_FILE).context(GUEST_FILE)?;
        directory.add(GUEST_FILE, &peer)?;
        // A user may have only so many; then the file is looked at more often.
        directory.watch = watch(&directory.path.join(GUEST_FILE)).ok();
        let rings = Rings::listen(FileOfRing(own), FileOfRing(peer), entropy::number());
        Ok((directory, rings.map_err(anyhow::Error::msg)?))
    }

    fn lock_host_file(&mut self) -> Result<OwnedFd> {
        const SERVED: &str = "another c2w net-helper serves this directory";
        let file = self.make_file(HOST_FILE)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => bail!(SERVED),
            Err(error) => bail!("cannot be locked: {}", words(error)),
        }
        // Its owner may have removed it before it was locked.
        ensure!(inode(&self.path.join(HOST_FILE)) == Some(fstat(&file)?.st_ino), SERVED);
        self.add(HOST_FILE, &file)?;
        self.lock = Some(file.try_clone()?);
        Ok(file)
    }

    /// Opens a file of a helper, made if there is none.
    fn make_file(&self, name: &str) -> Result<OwnedFd> {
        let file = open_ring(&self.path.join(name), OFlags::RDWR | OFlags::CREATE)?;
        let mut header = [0; 16];
        let length = pread(&file, &mut header, 0)?;
        let is_ours = length == 0 || is_ring_file(&header[..length]);
        ensure!(
            is_ours && fstat(&file)?.st_nlink == 1,
            "somebody else's file of this name is there"
        );
        Ok(file)
    }

    fn add(&mut self, name: &'static str, file: &OwnedFd) -> Result<()> {
        self.files.push((name, fstat(file)?.st_ino));
        Ok(())
    }

    /// Readable when the container's side has written, if that is told.
    pub fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(OwnedFd::as_fd)
    }

    /// Takes note of what it has written.
    pub fn take_events(&self) {
        if let Some(watch) = &self.watch {
            // What they say is in the file itself.
            let _ = read(watch, &mut [0; 4096]);
        }
    }
}

impl Drop for RingDirectory {
    fn drop(&mut self) {
        // What cannot be removed does no harm: the next helper takes it over.
        for (name, number) in &self.files {
            let file = self.path.join(name);
            if inode(&file) == Some(*number) {
                let _ = fs::remove_file(file);
            }
        }
        if self.is_made {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|metadata| metadata.ino())
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

/// Watches a file for being written.
fn watch(file: &Path) -> Result<OwnedFd> {
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    inotify::add_watch(&watch, file, WatchFlags::MODIFY)?;
    Ok(watch)
}
