//! What the name of an output stands for.

use super::temporary;
use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{
    Access, AtFlags, CWD, OFlags, PROC_SUPER_MAGIC, accessat, fcntl_getfl, open, statfs,
};
use std::ffi::OsStr;
use std::fs::{self, File, FileType, Metadata};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// As many symbolic links are followed as Linux follows.
const MAX_LINKS: usize = 40;

/// What a command reads while it writes.
#[derive(Clone, Copy, Debug)]
pub enum InputPath<'a> {
    /// Nothing that an output could be.
    Nothing,
    /// Standard input.
    Stdin,
    /// A file.
    File(&'a Path),
    /// A directory of manifests and blobs.
    Layout(&'a Path),
    /// A directory and all that is below it.
    Tree(&'a Path),
}

/// A name that the next output in the same folder would take for a left-over.
#[derive(Debug, thiserror::Error)]
#[error("names of this form are those of c2w's temporary files, which it removes: name another")]
pub struct ReservedName;

/// Where bytes go.
#[derive(Debug)]
pub enum Destination {
    /// Into something that takes them one after the other.
    Stream(File),
    /// Into a file.
    File {
        /// Its name, which no symbolic link has.
        path: PathBuf,
        /// The file of this name, if there is one.
        old: Option<Metadata>,
    },
}

/// What a name leads to.
enum Found {
    /// Nothing, or something that has this name.
    Path(PathBuf),
    /// A link of proc(5) that stands for an open file.
    Open(PathBuf),
}

/// Whether an output's name stands for standard output.
pub fn is_stdout(output: &Path) -> bool {
    output.as_os_str() == "-"
}

impl Destination {
    /// Looks at what `output` stands for, and opens it if it is a stream.
    ///
    /// # Errors
    /// When it cannot be written, is a terminal, or is what the command reads.
    pub fn find(output: &Path, read: InputPath<'_>) -> Result<Self> {
        if is_stdout(output) {
            let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            refuse_if_read(&file.metadata()?, read)?;
            return stream(file);
        }
        let path = match follow(output)? {
            Found::Open(link) => return descriptor(&link, read),
            Found::Path(path) => path,
        };
        let old = match fs::symlink_metadata(&path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(old) = &old {
            refuse_if_read(old, read)?;
        }
        match old.as_ref().map(Metadata::file_type) {
            None => {}
            Some(kind) if kind.is_file() => writable(&path)?,
            Some(kind) if kind.is_dir() => bail!("it is a directory"),
            Some(kind) if kind.is_socket() => bail!("it is a socket: name a file or a pipe"),
            Some(kind) => return open_stream(&path, kind),
        }
        refuse_inside(&path, old.is_some(), read)?;
        if path.file_name().is_some_and(|name| temporary::is_pattern(name.as_bytes())) {
            return Err(ReservedName.into());
        }
        Ok(Self::File { path, old })
    }
}

/// Follows the symbolic links that a name ends in.
fn follow(output: &Path) -> Result<Found> {
    let bytes = output.as_os_str().as_bytes();
    ensure!(!bytes.is_empty(), "its name is empty");
    let mut path = output.to_owned();
    for _ in 0..MAX_LINKS {
        let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
        if is_link && is_in_proc(&path) {
            return Ok(Found::Open(path));
        }
        if !is_link {
            let has_slash = path.as_os_str().as_bytes().ends_with(b"/");
            ensure!(!path.is_dir() && path.file_name().is_some(), "it is a directory");
            ensure!(!has_slash, "its name ends with a slash, but it is to be a file: leave it out");
            return Ok(Found::Path(path));
        }
        let link = fs::read_link(&path)?;
        // An absolute one takes the place of everything.
        path = folder(&path).join(link);
    }
    bail!("its symbolic links go round in a circle");
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_in_proc(path: &Path) -> bool {
    statfs(folder(path)).is_ok_and(|system| system.f_type == PROC_SUPER_MAGIC)
}

/// An open file, by its link in `/proc/PID/fd`.
fn descriptor(link: &Path, read: InputPath<'_>) -> Result<Destination> {
    // The mode of such a link is how the file is open (proc_pid_fd(5)).
    ensure!(fs::symlink_metadata(link)?.mode() & 0o200 != 0, "it is not open for writing");
    let metadata = fs::metadata(link)?;
    let kind = metadata.file_type();
    ensure!(!kind.is_dir() && !kind.is_socket(), "it is a directory or a socket");
    refuse_if_read(&metadata, read)?;
    let own = format!("/proc/{}/fd", std::process::id());
    let is_own = fs::canonicalize(folder(link))?.as_os_str() == OsStr::new(&own);
    let number = link.file_name().and_then(OsStr::to_str).filter(|_| is_own);
    match number {
        Some("1") => stream(io::stdout().as_fd().try_clone_to_owned()?.into()),
        Some("2") => stream(io::stderr().as_fd().try_clone_to_owned()?.into()),
        _ => open_stream(link, kind),
    }
}

fn open_stream(path: &Path, kind: FileType) -> Result<Destination> {
    let special = match kind {
        // What a file has stays.
        kind if kind.is_file() => OFlags::APPEND,
        // Refuses one that is mounted (open(2)).
        kind if kind.is_block_device() => OFlags::EXCL,
        _ => OFlags::empty(),
    };
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC | special;
    let file = File::from(open(path, flags, rustix::fs::Mode::empty())?);
    let is_same = file.metadata()?.file_type() == kind;
    ensure!(is_same, "it has become something else meanwhile");
    stream(file)
}

/// A stream, unless it is a terminal or cannot be written.
fn stream(file: File) -> Result<Destination> {
    ensure!(!file.is_terminal(), "it is a terminal: name a file, or send the output to a pipe");
    let mode = fcntl_getfl(&file)? & OFlags::RWMODE;
    ensure!(mode != OFlags::RDONLY, "it is not open for writing");
    Ok(Destination::Stream(file))
}

/// Without permission to write a file, it must not be replaced either.
fn writable(path: &Path) -> Result<()> {
    accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS)?;
    Ok(())
}

/// Opens a regular file for other bytes.
///
/// # Errors
/// When it cannot be opened.
pub fn open_in_place(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, rustix::fs::Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Refuses to replace what came to a file's place during the work.
///
/// # Errors
/// When it is not a regular file.
pub fn check_unchanged(path: &Path) -> Result<()> {
    let is_other = fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file());
    ensure!(!is_other, "something that is not a regular file has come to its place meanwhile");
    Ok(())
}

/// Refuses an output that is the file which is read, under whatever name.
fn refuse_if_read(output: &Metadata, read: InputPath<'_>) -> Result<()> {
    let input = match read {
        InputPath::Stdin => File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata(),
        InputPath::File(path) => fs::metadata(path),
        _ => return Ok(()),
    };
    let same = |input: Metadata| (input.dev(), input.ino()) == (output.dev(), output.ino());
    // The null device can be both. An input that cannot be read is reported where it is read.
    let is_read = !output.file_type().is_char_device() && input.is_ok_and(same);
    ensure!(!is_read, "it is the file that is read: name another");
    Ok(())
}

/// Refuses an output that would change the directory which is read.
fn refuse_inside(path: &Path, exists: bool, read: InputPath<'_>) -> Result<()> {
    let (InputPath::Layout(dir) | InputPath::Tree(dir)) = read else { return Ok(()) };
    let (Ok(dir), Ok(inside)) = (fs::canonicalize(dir), fs::canonicalize(folder(path))) else {
        return Ok(());
    };
    let Ok(inside) = inside.strip_prefix(&dir) else { return Ok(()) };
    let harmless = match read {
        InputPath::Tree(_) => false,
        // A module beside `index.json` harms nobody, nor does a newer one in its place.
        _ => !inside.starts_with("blobs") && (!exists || is_product(path)?),
    };
    let dir = dir.display();
    ensure!(harmless, "it lies in {dir}, which is read as the image: name another place");
    Ok(())
}

/// Whether a file is empty, or what this program writes: a WebAssembly module or an ext4 image.
fn is_product(path: &Path) -> Result<bool> {
    const EXT4_MAGIC_AT: u64 = 1024 + 56;
    let file = File::open(path).context("it cannot be read")?;
    let holds = |at, magic: &[u8]| {
        let mut bytes = vec![0; magic.len()];
        file.read_exact_at(&mut bytes, at).is_ok() && bytes == magic
    };
    let is_empty = file.metadata()?.len() == 0;
    Ok(is_empty || holds(0, b"\0asm") || holds(EXT4_MAGIC_AT, b"\x53\xef"))
}
