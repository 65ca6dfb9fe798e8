//! Files without a name, or with one for the time being.
//!
//! Nothing is left when the program is killed: where the filesystem can, a file has no name until
//! it is complete (`O_TMPFILE`, open(2)). Elsewhere its maker holds a lock on it (flock(2)), and
//! the next one removes those that nobody holds.

use crate::interrupt::Guard;
use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, flock, fstat, linkat, lstat, open, unlink,
};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{Builder, TempPath};

const PREFIX: &str = ".c2w-";
const SUFFIX: &str = ".tmp";
/// Random characters between them.
const RANDOM: usize = 6;
/// So often a name is tried that others take away at once.
const TRIES: usize = 8;

/// A file that has its final mode, but not its final name.
pub struct Temporary {
    file: File,
    folder: PathBuf,
    /// The temporary name, and the guard that removes it at an interrupt.
    name: Option<(TempPath, Guard)>,
}

impl Temporary {
    /// Makes an empty file in a folder, and removes what others have left there.
    ///
    /// # Errors
    /// When nothing can be made there.
    pub fn create(folder: &Path) -> io::Result<Self> {
        sweep(folder);
        match nameless(folder) {
            Some(file) => Ok(Self { file, folder: folder.to_owned(), name: None }),
            None => Self::named(folder),
        }
    }

    /// For filesystems that know no nameless files.
    fn named(folder: &Path) -> io::Result<Self> {
        for _ in 0..TRIES {
            let made =
                builder().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)?;
            let (file, path) = made.into_parts();
            let guard = Guard::new(&path);
            lock(&file);
            // Before it was locked, it looked like what others have left.
            if is_at(&file, &path) {
                return Ok(Self { file, folder: folder.to_owned(), name: Some((path, guard)) });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name; `replace` says whether there is one of that name.
    ///
    /// # Errors
    /// When it cannot have that name: the error, and the file without a name.
    pub fn persist(self, path: &Path, replace: bool) -> Result<(), (io::Error, File)> {
        let Self { file, folder, name } = self;
        let result = match name {
            Some((name, _guard)) => name.persist(path).map_err(|error| error.error),
            None => link(&file, &folder, path, replace),
        };
        result.map_err(|error| (error, file))
    }
}

/// An error without the temporary name, which would mean nothing to the user.
pub fn bare(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|error| error.source());
    let code = inner.and_then(|inner| inner.downcast_ref()).and_then(io::Error::raw_os_error);
    code.map_or(error, io::Error::from_raw_os_error)
}

fn builder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    builder
}

/// A file without a name (`O_TMPFILE`), with the mode of any other new one.
fn nameless(folder: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::from_raw_mode(0o666)).ok()?);
    // The way to its name leads through here.
    proc_path(&file).exists().then_some(file)
}

fn proc_path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Gives a nameless file its name. linkat(2) replaces nothing: where there is a file, another name
/// comes first, for as long as one rename(2) takes.
fn link(file: &File, folder: &Path, path: &Path, replace: bool) -> io::Result<()> {
    let link = |name: &Path| linkat(CWD, proc_path(file), CWD, name, AtFlags::SYMLINK_FOLLOW);
    if !replace {
        match link(path) {
            Err(Errno::EXIST) => {}
            done => return done.map_err(Into::into),
        }
    }
    lock(file);
    let (_guard, name) = builder()
        .make_in(folder, |name| {
            let guard = Guard::new(name);
            link(name)?;
            Ok(guard)
        })?
        .into_parts();
    name.persist(path).map_err(|error| error.error)
}

/// Says that this file is in use. Where there are no locks, nothing is ever swept up either.
fn lock(file: &File) {
    let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
}

/// Removes files of ours that nobody holds: their makers were killed.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_pattern(entry.file_name().as_encoded_bytes()) {
            let _ = remove_stale(&entry.path());
        }
    }
}

/// Whether a name has the form of those that are removed.
pub fn is_pattern(name: &[u8]) -> bool {
    let middle =
        name.strip_prefix(PREFIX.as_bytes()).and_then(|name| name.strip_suffix(SUFFIX.as_bytes()));
    middle.is_some_and(|name| name.len() == RANDOM && name.iter().all(u8::is_ascii_alphanumeric))
}

fn remove_stale(path: &Path) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    let stat = fstat(&file)?;
    let is_file = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    if !is_file || stat.st_uid != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    if is_at(&file, path) { unlink(path) } else { Ok(()) }
}

/// Whether a file still has a name.
fn is_at(file: &File, path: &Path) -> bool {
    let Ok((open, named)) = fstat(file).and_then(|open| Ok((open, lstat(path)?))) else {
        return false;
    };
    (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino)
}
