//! A directory of the host as a root filesystem.
//!
//! Every name is opened in the directory that holds it, without following symbolic links and
//! without a slash in it: no path can lead out, whatever changes while this reads.

use super::MAX_NOTES;
use crate::printable::printable;
use crate::rootfs::limits::Limits;
use crate::rootfs::spool::{PIECE, Spool};
use crate::rootfs::tree::{
    DataExtent, Device, FileContent, Inode, InodeId, Metadata, Node, Timestamp, Tree, Xattrs,
};
use anyhow::{Context, Result, bail};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

/// Never waits, for a pipe's writer or a terminal, and never follows a link.
const OPEN: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Attributes that describe the host's policy or are an overlay's own; a guest has no use for them.
const FOREIGN_XATTRS: [&[u8]; 6] = [
    b"security.selinux",
    b"security.apparmor",
    b"security.SMACK64",
    b"security.ima",
    b"security.evm",
    b"trusted.overlay.",
];

/// Attributes that are copied.
const XATTRS: [&[u8]; 5] =
    [b"user.", b"trusted.", b"security.", b"system.posix_acl_access", b"system.posix_acl_default"];

/// Reads the directory `path` into `tree`; gives notes of what was left out.
pub(super) fn read(
    path: &Path,
    tree: &mut Tree,
    spool: &mut Spool,
    limits: &Limits,
) -> Result<Vec<String>> {
    // The directory itself may be named through a link.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = fs::open(path, flags, Mode::empty()).context("cannot open the directory")?;
    let stat = fs::fstat(&root).context("cannot open the directory")?;
    let (device, id) = (stat.st_dev, tree.root());
    let mut walk =
        Walk { tree, spool, limits, device, links: HashMap::new(), notes: Vec::new(), left_out: 0 };
    let xattrs = xattrs_of(&root).context("cannot read the directory's attributes")?;
    walk.tree.set_metadata(id, metadata(&stat, xattrs))?;
    walk.directories(root, id)?;
    if walk.left_out > 0 {
        walk.notes.push(format!("{} more notes like these", walk.left_out));
    }
    Ok(walk.notes)
}

struct Walk<'a> {
    tree: &'a mut Tree,
    spool: &'a mut Spool,
    limits: &'a Limits,
    /// The filesystem that the walk stays on.
    device: u64,
    /// Files with several names, by device and inode number.
    links: HashMap<(u64, u64), InodeId>,
    notes: Vec<String>,
    left_out: u64,
}

/// A directory that is still to be read: its parent, its name there and its path.
struct Pending {
    parent: Rc<OwnedFd>,
    name: CString,
    path: Vec<u8>,
    id: InodeId,
}

impl Walk<'_> {
    /// A list of work and no recursion: the depth of a tree is not ours to choose. Parents stay
    /// open as long as a directory below them is to be read.
    fn directories(&mut self, root: OwnedFd, id: InodeId) -> Result<()> {
        let mut pending = Vec::new();
        self.directory(&Rc::new(root), b"", id, &mut pending)?;
        while let Some(Pending { parent, name, path, id }) = pending.pop() {
            let flags = OPEN | OFlags::DIRECTORY;
            let opened = fs::openat(&*parent, &*name, flags, Mode::empty());
            drop(parent);
            let dir = opened.with_context(|| shown("open", &path))?;
            self.directory(&Rc::new(dir), &path, id, &mut pending)?;
        }
        Ok(())
    }

    fn directory(
        &mut self,
        dir: &Rc<OwnedFd>,
        path: &[u8],
        id: InodeId,
        pending: &mut Vec<Pending>,
    ) -> Result<()> {
        let cannot = || shown("read the directory", path);
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&**dir).with_context(cannot)? {
            let name = entry.with_context(cannot)?.file_name().to_owned();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
        // The order of a directory is the host's; that of the spool must not be.
        names.sort_unstable();
        for name in names {
            let path = [path, b"/", name.to_bytes()].concat();
            if let Some(id) = self.entry(dir, id, &name, &path)? {
                pending.push(Pending { parent: Rc::clone(dir), name, path, id });
            }
        }
        Ok(())
    }

    /// Adds one name to the tree; gives the inode of a directory that is to be read.
    fn entry(
        &mut self,
        dir: &OwnedFd,
        parent: InodeId,
        name: &CStr,
        path: &[u8],
    ) -> Result<Option<InodeId>> {
        let cannot = || shown("read", path);
        let stat = fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).with_context(cannot)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Socket {
            self.note(format!("{}: left out: a socket", printable(path)));
            return Ok(None);
        }
        let key = (stat.st_dev, stat.st_ino);
        if kind != FileType::Directory
            && let Some(&known) = self.links.get(&key)
        {
            self.tree.link(parent, name.to_bytes(), known)?;
            return Ok(None);
        }
        let inode = self.inode(dir, name, &stat, kind).with_context(cannot)?;
        (self.limits.check_xattrs)(&inode.metadata.xattrs)
            .map_err(anyhow::Error::from_boxed)
            .with_context(cannot)?;
        let id = self.tree.insert(parent, name.to_bytes(), inode)?;
        if kind == FileType::Directory {
            if stat.st_dev == self.device {
                return Ok(Some(id));
            }
            self.note(format!("{}: left empty: another filesystem begins here", printable(path)));
        } else if stat.st_nlink > 1 {
            self.links.insert(key, id);
        }
        Ok(None)
    }

    fn inode(&mut self, dir: &OwnedFd, name: &CStr, stat: &Stat, kind: FileType) -> Result<Inode> {
        if matches!(kind, FileType::RegularFile | FileType::Directory) {
            let file = File::from(fs::openat(dir, name, OPEN, Mode::empty())?);
            // What was opened counts; the name may stand for something else by now.
            let stat = fs::fstat(&file)?;
            if FileType::from_raw_mode(stat.st_mode) != kind {
                bail!("it changed while it was read");
            }
            let metadata = metadata(&stat, xattrs_of(&file)?);
            let node = match kind {
                FileType::Directory => Node::empty_directory(),
                _ => Node::File(self.content(file, &stat)?),
            };
            return Ok(Inode::new(metadata, node));
        }
        let device = || Device { major: fs::major(stat.st_rdev), minor: fs::minor(stat.st_rdev) };
        let node = match kind {
            FileType::Symlink => {
                Node::Symlink(fs::readlinkat(dir, name, Vec::new())?.into_bytes().into())
            }
            FileType::CharacterDevice => Node::CharDevice(device()),
            FileType::BlockDevice => Node::BlockDevice(device()),
            FileType::Fifo => Node::Fifo,
            _ => bail!("it is of a type that no root filesystem has"),
        };
        Ok(Inode::new(metadata(stat, xattrs_at(dir, name)?), node))
    }

    fn content(&mut self, mut file: File, stat: &Stat) -> Result<FileContent> {
        let size = stat.st_size as u64;
        let mut extents: Vec<DataExtent> = Vec::new();
        let is_sparse = (stat.st_blocks as u64).saturating_mul(512) < size;
        let mut at = 0;
        while at < size {
            let (start, end) = if is_sparse { data_after(&file, at, size)? } else { (at, size) };
            if start < end {
                fs::seek(&file, SeekFrom::Start(start))?;
                self.spool.store(&mut file, start, end - start, &mut extents)?;
            }
            at = end;
        }
        extents.shrink_to_fit();
        Ok(FileContent { size, extents })
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        } else {
            self.left_out += 1;
        }
    }
}

/// The next data of a sparse file, from `at` on, which is at the edge of a piece. In whole pieces,
/// so that a file with holes and its copy without become the same.
fn data_after(file: &File, at: u64, size: u64) -> Result<(u64, u64)> {
    let data = match fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => data,
        // No more data.
        Err(Errno::NXIO) => return Ok((size, size)),
        // A filesystem that knows no holes.
        Err(Errno::INVAL) => return Ok((at, size)),
        Err(error) => return Err(error.into()),
    };
    let hole = fs::seek(file, SeekFrom::Hole(data))?;
    let piece = PIECE as u64;
    Ok((at.max(data / piece * piece).min(size), hole.next_multiple_of(piece).min(size)))
}

fn metadata(stat: &Stat, xattrs: Xattrs) -> Metadata {
    Metadata {
        mode: (stat.st_mode & 0o7777) as u16,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Timestamp { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 },
        xattrs,
    }
}

fn xattrs_of(file: impl std::os::fd::AsFd) -> rustix::io::Result<Xattrs> {
    let file = file.as_fd();
    xattrs(|list| fs::flistxattr(file, list), |name, value| fs::fgetxattr(file, name, value))
}

/// Of what cannot be opened for reading: a link, a device, a pipe. There is no system call by
/// directory and name, so the path goes through /proc.
fn xattrs_at(dir: &OwnedFd, name: &CStr) -> rustix::io::Result<Xattrs> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend(name.to_bytes());
    let read = xattrs(
        |list| fs::llistxattr(&path[..], list),
        |name, value| fs::lgetxattr(&path[..], name, value),
    );
    match read {
        // No /proc, or a filesystem that allows them on files only.
        Err(Errno::NOENT | Errno::PERM) => Ok(Xattrs::new()),
        other => other,
    }
}

fn xattrs(
    list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    get: impl Fn(&CStr, &mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Xattrs> {
    let names = match whole(list) {
        Err(Errno::OPNOTSUPP) => return Ok(Xattrs::new()),
        names => names?,
    };
    let mut xattrs = Xattrs::new();
    for name in names.split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let bytes = name.to_bytes();
        let starts = |prefix: &&[u8]| bytes.starts_with(prefix);
        if XATTRS.iter().any(starts) && !FOREIGN_XATTRS.iter().any(starts) {
            match whole(|value| get(name, value)) {
                Ok(value) => drop(xattrs.insert(bytes.into(), value.into())),
                // Removed since it was listed, or shown to others only.
                Err(Errno::NODATA | Errno::PERM | Errno::ACCESS) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(xattrs)
}

/// A value of any length; Linux allows 64 KiB.
fn whole(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut room = 256;
    loop {
        let mut value = vec![0; room];
        match read(&mut value) {
            Err(Errno::RANGE) if room < 64 << 10 => room *= 16,
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(error) => return Err(error),
        }
    }
}

fn shown(action: &str, path: &[u8]) -> String {
    format!("cannot {action} {}", if path.is_empty() { "/".into() } else { printable(path) })
}
