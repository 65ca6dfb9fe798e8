//! Directories that the runtime has opened for the module, over WASI preview 1.

use crate::errno::linux;
use crate::wasi_calls::file_type;
use alloc::vec;
use alloc::vec::Vec;
use c2w_p9::{
    Entry, Errno, HostDirectories, HostPath, Kind, OpenHow, Result, SetTime, Stat, Target, Time,
};
use c2w_session::SharedDirectory;

/// The descriptors behind standard input, output and error.
const FIRST: wasi::Fd = 3;
/// What a symbolic link may say, in bytes.
const MAX_LINK: usize = 4096;
/// Bytes of a directory's entries to begin with, and at most.
const LIST_ROOM: usize = 64 << 10;
const MAX_LIST_ROOM: usize = 256 << 20;
/// Length of preview 1's `dirent`: `next[8] inode[8] name length[4] type[1]` and padding.
const DIRENT: usize = 24;

const READ: wasi::Rights = wasi::RIGHTS_FD_READ
    | wasi::RIGHTS_FD_SEEK
    | wasi::RIGHTS_FD_TELL
    | wasi::RIGHTS_FD_READDIR
    // Not FD_DATASYNC: runtimes take it for a wish to write.
    | wasi::RIGHTS_FD_SYNC
    | wasi::RIGHTS_FD_FILESTAT_GET;
const WRITE: wasi::Rights = wasi::RIGHTS_FD_WRITE
    | wasi::RIGHTS_FD_SEEK
    | wasi::RIGHTS_FD_TELL
    | wasi::RIGHTS_FD_SYNC
    | wasi::RIGHTS_FD_DATASYNC
    | wasi::RIGHTS_FD_FILESTAT_GET
    | wasi::RIGHTS_FD_FILESTAT_SET_SIZE
    | wasi::RIGHTS_FD_FILESTAT_SET_TIMES;

/// A directory of the runtime's, and the rights that files in it can have.
struct Preopen {
    fd: wasi::Fd,
    inheriting: wasi::Rights,
}

/// The runtime's directories.
pub struct Preopens(Vec<Preopen>);

/// What a call of preview 1 returns.
type WasiResult<T> = core::result::Result<T, wasi::Errno>;

/// An open file.
pub struct File {
    fd: wasi::Fd,
    /// Its number where the runtime has none.
    substitute: u64,
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this one's own. There is nothing to do about an error.
        let _ = unsafe { wasi::fd_close(self.fd) };
    }
}

impl File {
    /// Reads at an offset, as preview 1 does it: perhaps less than there is.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> WasiResult<usize> {
        let vector = [wasi::Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() }];
        // SAFETY: the vector describes a live, writable slice.
        unsafe { wasi::fd_pread(self.fd, &vector, offset) }.map(|read| read.min(buffer.len()))
    }

    /// Writes at an offset, perhaps not all.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> WasiResult<usize> {
        let vector = [wasi::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() }];
        // SAFETY: the vector describes a live slice.
        unsafe { wasi::fd_pwrite(self.fd, &vector, offset) }
    }
}

impl Preopens {
    /// What the runtime has opened, and how it is to appear in the container.
    pub fn find() -> (Self, Vec<SharedDirectory>) {
        let (mut preopens, mut shared) = (Vec::new(), Vec::new());
        for fd in FIRST.. {
            // What the runtime listens on may come before its directories; wazero says that it is one.
            if file_type(fd) == Some(wasi::FILETYPE_SOCKET_STREAM) {
                continue;
            }
            // SAFETY: no memory is involved but the result's.
            let Ok(prestat) = (unsafe { wasi::fd_prestat_get(fd) }) else { break };
            if prestat.tag != wasi::PREOPENTYPE_DIR.raw() {
                continue;
            }
            // SAFETY: the tag says that this is the member.
            let mut guest = vec![0; unsafe { prestat.u.dir.pr_name_len }];
            // SAFETY: pointer and length are those of a live buffer.
            let named = unsafe { wasi::fd_prestat_dir_name(fd, guest.as_mut_ptr(), guest.len()) };
            if named.is_err() {
                continue;
            }
            // Some runtimes count a final zero.
            guest.truncate(guest.iter().position(|&byte| byte == 0).unwrap_or(guest.len()));
            // SAFETY: no memory is involved but the result's.
            let fdstat = unsafe { wasi::fd_fdstat_get(fd) };
            let rights =
                fdstat.map_or((!0, !0), |stat| (stat.fs_rights_base, stat.fs_rights_inheriting));
            preopens.push(Preopen { fd, inheriting: rights.1 });
            shared.push(SharedDirectory { guest, read_only: is_read_only(fd, rights) });
        }
        (Self(preopens), shared)
    }

    fn preopen(&self, at: HostPath<'_>) -> Result<&Preopen> {
        self.0.get(at.directory).ok_or(Errno::NOENT)
    }

    fn fd(&self, at: HostPath<'_>) -> Result<wasi::Fd> {
        Ok(self.preopen(at)?.fd)
    }

    fn open_fd(
        &self,
        at: HostPath<'_>,
        flags: wasi::Oflags,
        rights: wasi::Rights,
    ) -> Result<wasi::Fd> {
        let Preopen { fd, inheriting } = *self.preopen(at)?;
        // SAFETY: the path is live for the call.
        unsafe { wasi::path_open(fd, 0, text(at.path)?, flags, rights & inheriting, 0, 0) }
            .map_err(linux)
    }
}

/// A runtime may say so with the rights, or not at all: then it refuses to make anything, where
/// others would say that the directory is there already.
fn is_read_only(fd: wasi::Fd, (base, inheriting): (wasi::Rights, wasi::Rights)) -> bool {
    if base & wasi::RIGHTS_PATH_CREATE_FILE == 0 || inheriting & wasi::RIGHTS_FD_WRITE == 0 {
        return true;
    }
    // SAFETY: the path is live for the call.
    let refused = unsafe { wasi::path_create_directory(fd, ".") };
    matches!(refused, Err(wasi::ERRNO_PERM | wasi::ERRNO_NOTCAPABLE | wasi::ERRNO_ROFS))
}

/// Preview 1 has names in UTF-8 only.
fn text(path: &[u8]) -> Result<&str> {
    core::str::from_utf8(path).map_err(|_| Errno::ILSEQ)
}

/// The kind that a file type's number means; what preview 1 has no name for is a pipe.
fn kind(file_type: u8) -> Kind {
    const KINDS: [(wasi::Filetype, Kind); 7] = [
        (wasi::FILETYPE_REGULAR_FILE, Kind::File),
        (wasi::FILETYPE_DIRECTORY, Kind::Directory),
        (wasi::FILETYPE_SYMBOLIC_LINK, Kind::Symlink),
        (wasi::FILETYPE_SOCKET_DGRAM, Kind::Socket),
        (wasi::FILETYPE_SOCKET_STREAM, Kind::Socket),
        (wasi::FILETYPE_CHARACTER_DEVICE, Kind::CharDevice),
        (wasi::FILETYPE_BLOCK_DEVICE, Kind::BlockDevice),
    ];
    let known = KINDS.iter().find(|(known, _)| known.raw() == file_type);
    known.map_or(Kind::Fifo, |(_, kind)| *kind)
}

/// A number for a file whose runtime has none: the FNV-1a hash of its path, and never 0.
fn substitute(directory: usize, path: &[u8]) -> u64 {
    let bytes = path.iter().copied().chain([directory as u8]);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1
}

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
/// From here on a timestamp is one before 1970, as far back as 1901, that the runtime has taken for
/// a number without a sign. Few filesystems hold what it would be else, 2486 and later.
const NEGATIVE: u64 = 0u64.wrapping_sub(SECOND << 31);

fn time(timestamp: wasi::Timestamp) -> Time {
    let (seconds, nanoseconds) = (timestamp / SECOND, (timestamp % SECOND) as u32);
    if timestamp < NEGATIVE {
        return Time { seconds: seconds as i64, nanoseconds };
    }
    let (timestamp, second) = (timestamp as i64, SECOND as i64);
    let nanoseconds = timestamp.rem_euclid(second) as u32;
    Time { seconds: timestamp.div_euclid(second), nanoseconds }
}

/// Preview 1 does not say what a file takes: as if no block of it were a hole. Less would have
/// archivers take data for holes.
fn blocks(size: u64) -> u64 {
    const BLOCK: u64 = 4096;
    size.div_ceil(BLOCK).saturating_mul(BLOCK / 512)
}

fn stat(found: &wasi::Filestat, substitute: u64) -> Stat {
    Stat {
        device: found.dev,
        inode: if found.ino == 0 { substitute } else { found.ino },
        kind: kind(found.filetype.raw()),
        mode: None,
        links: found.nlink,
        size: found.size,
        blocks: blocks(found.size),
        accessed: time(found.atim),
        modified: time(found.mtim),
        changed: time(found.ctim),
    }
}

/// A time to set: preview 1 has none before 1970, and [`time`] none after 2486.
fn timestamp(set: SetTime) -> Result<wasi::Timestamp> {
    let SetTime::At(Time { seconds, nanoseconds }) = set else { return Ok(0) };
    let whole = u64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(SECOND));
    let timestamp = whole.and_then(|whole| whole.checked_add(nanoseconds.into()));
    timestamp.filter(|&timestamp| timestamp < NEGATIVE).ok_or(Errno::OVERFLOW)
}

fn time_flags(accessed: SetTime, modified: SetTime) -> wasi::Fstflags {
    let flags = |set, now, at| match set {
        SetTime::Keep => 0,
        SetTime::Now => now,
        SetTime::At(_) => at,
    };
    flags(accessed, wasi::FSTFLAGS_ATIM_NOW, wasi::FSTFLAGS_ATIM)
        | flags(modified, wasi::FSTFLAGS_MTIM_NOW, wasi::FSTFLAGS_MTIM)
}

/// The entries in what fd_readdir wrote.
fn entries(mut bytes: &[u8], at: HostPath<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<DIRENT>() {
        let field = |at: usize| header.iter().skip(at).take(4).rev();
        let length = field(16).fold(0, |number, &byte| number << 8 | usize::from(byte));
        let inode =
            header[8..16].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        let Some((name, rest)) = rest.split_at_checked(length) else { break };
        bytes = rest;
        if name == b"." || name == b".." {
            continue;
        }
        let inode = if inode == 0 { entry_substitute(at, name) } else { inode };
        let kind = kind(header[20]);
        entries.push(Entry { name: name.into(), inode, kind });
    }
    entries
}

/// That number of a directory's entry.
fn entry_substitute(at: HostPath<'_>, name: &[u8]) -> u64 {
    let path = if at.path == b"." { name.to_vec() } else { [at.path, b"/", name].concat() };
    substitute(at.directory, &path)
}

impl HostDirectories for Preopens {
    type File = File;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn stat(&self, target: Target<'_, File>) -> Result<Stat> {
        let (found, substitute) = match target {
            Target::Path(at) => {
                let (fd, path) = (self.fd(at)?, text(at.path)?);
                // SAFETY: the path is live for the call.
                let found = unsafe { wasi::path_filestat_get(fd, 0, path) };
                (found, substitute(at.directory, at.path))
            }
            // SAFETY: no memory is involved but the result's.
            Target::File(file) => (unsafe { wasi::fd_filestat_get(file.fd) }, file.substitute),
        };
        found.map(|found| stat(&found, substitute)).map_err(linux)
    }

    fn open(&self, at: HostPath<'_>, how: &OpenHow) -> Result<File> {
        let rights = if how.read { READ } else { 0 } | if how.write { WRITE } else { 0 };
        let flag = |is, flag| if is { flag } else { 0 };
        let flags = flag(how.truncate, wasi::OFLAGS_TRUNC)
            | flag(how.create.is_some(), wasi::OFLAGS_CREAT)
            | flag(how.exclusive, wasi::OFLAGS_EXCL);
        let fd = self.open_fd(at, flags, rights)?;
        Ok(File { fd, substitute: substitute(at.directory, at.path) })
    }

    fn read(&self, file: &File, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        file.read_at(offset, buffer).map_err(linux)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> Result<usize> {
        file.write_at(offset, bytes).map_err(linux)
    }

    fn resize(&self, file: &File, size: u64) -> Result<()> {
        // SAFETY: no memory is involved.
        unsafe { wasi::fd_filestat_set_size(file.fd, size) }.map_err(linux)
    }

    fn sync(&self, file: &File, data_only: bool) -> Result<()> {
        // SAFETY: no memory is involved.
        if data_only && unsafe { wasi::fd_datasync(file.fd) }.is_ok() {
            return Ok(());
        }
        // SAFETY: no memory is involved.
        unsafe { wasi::fd_sync(file.fd) }.map_err(linux)
    }

    fn set_times(
        &self,
        target: Target<'_, File>,
        accessed: SetTime,
        modified: SetTime,
    ) -> Result<()> {
        let flags = time_flags(accessed, modified);
        let (accessed, modified) = (timestamp(accessed)?, timestamp(modified)?);
        let set = match target {
            Target::Path(at) => {
                let (fd, path) = (self.fd(at)?, text(at.path)?);
                // SAFETY: the path is live for the call.
                match unsafe {
                    wasi::path_filestat_set_times(fd, 0, path, accessed, modified, flags)
                } {
                    // wazero opens the path for writing.
                    Err(wasi::ERRNO_ISDIR) => {
                        let directory = File {
                            fd: self.open_fd(at, wasi::OFLAGS_DIRECTORY, READ)?,
                            substitute: 0,
                        };
                        // SAFETY: no memory is involved.
                        unsafe {
                            wasi::fd_filestat_set_times(directory.fd, accessed, modified, flags)
                        }
                    }
                    set => set,
                }
            }
            Target::File(file) => {
                // SAFETY: no memory is involved.
                unsafe { wasi::fd_filestat_set_times(file.fd, accessed, modified, flags) }
            }
        };
        set.map_err(linux)
    }

    /// In one call, or a few with more and more room: runtimes may begin anew with each of them.
    fn list(&self, at: HostPath<'_>) -> Result<Vec<Entry>> {
        let fd = self.open_fd(at, wasi::OFLAGS_DIRECTORY, READ)?;
        let directory = File { fd, substitute: 0 };
        let mut room = LIST_ROOM;
        while room <= MAX_LIST_ROOM {
            let mut bytes = vec![0; room];
            // SAFETY: pointer and length are those of a live buffer.
            let used = unsafe { wasi::fd_readdir(directory.fd, bytes.as_mut_ptr(), room, 0) };
            let used = used.map_err(linux)?;
            if used < room {
                return Ok(entries(&bytes[..used], at));
            }
            room *= 8;
        }
        Err(Errno::NOMEM)
    }

    fn make_directory(&self, at: HostPath<'_>, _mode: u32) -> Result<()> {
        // SAFETY: the path is live for the call.
        unsafe { wasi::path_create_directory(self.fd(at)?, text(at.path)?) }.map_err(linux)
    }

    fn remove_directory(&self, at: HostPath<'_>) -> Result<()> {
        // SAFETY: the path is live for the call.
        unsafe { wasi::path_remove_directory(self.fd(at)?, text(at.path)?) }.map_err(linux)
    }

    fn remove_file(&self, at: HostPath<'_>) -> Result<()> {
        // SAFETY: the path is live for the call.
        unsafe { wasi::path_unlink_file(self.fd(at)?, text(at.path)?) }.map_err(linux)
    }

    fn rename(&self, from: HostPath<'_>, to: HostPath<'_>) -> Result<()> {
        let (old, new) = ((self.fd(from)?, text(from.path)?), (self.fd(to)?, text(to.path)?));
        // SAFETY: the paths are live for the call.
        unsafe { wasi::path_rename(old.0, old.1, new.0, new.1) }.map_err(linux)
    }

    fn link(&self, from: HostPath<'_>, to: HostPath<'_>) -> Result<()> {
        let (old, new) = ((self.fd(from)?, text(from.path)?), (self.fd(to)?, text(to.path)?));
        // SAFETY: the paths are live for the call.
        unsafe { wasi::path_link(old.0, 0, old.1, new.0, new.1) }.map_err(linux)
    }

    fn symlink(&self, target: &[u8], at: HostPath<'_>) -> Result<()> {
        let (target, fd, path) = (text(target)?, self.fd(at)?, text(at.path)?);
        // SAFETY: the paths are live for the call.
        unsafe { wasi::path_symlink(target, fd, path) }.map_err(linux)
    }

    fn read_link(&self, at: HostPath<'_>) -> Result<Vec<u8>> {
        let (fd, path) = (self.fd(at)?, text(at.path)?);
        let mut target = vec![0; MAX_LINK];
        // SAFETY: pointer and length are those of a live buffer; the path is live for the call.
        let length = unsafe { wasi::path_readlink(fd, path, target.as_mut_ptr(), MAX_LINK) };
        target.truncate(length.map_err(linux)?);
        Ok(target)
    }
}
