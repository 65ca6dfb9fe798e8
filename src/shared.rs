//! Directories of this host for `c2w run`: what a WASI runtime does for a module, with cap-std,
//! so that neither symbolic links nor races lead out of a directory.

use c2w_p9::{
    Entry, Errno, HostDirectories, HostPath, Kind, OpenHow, Result, SetTime, Space, Stat, Target,
    Time,
};
use cap_std::ambient_authority;
use cap_std::fs::{
    Dir, DirBuilder, DirBuilderExt, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt,
    Permissions, PermissionsExt,
};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// One shared directory.
struct Shared {
    directory: Dir,
    read_only: bool,
}

/// An open file of a shared directory.
pub struct SharedFile {
    file: std::fs::File,
    read_only: bool,
}

/// Directories of the host, in the order in which they were added.
#[derive(Default)]
pub struct SharedDirectories(Vec<Shared>);

impl SharedDirectories {
    /// Adds a directory of the host.
    ///
    /// # Errors
    /// When it cannot be opened as a directory.
    pub fn add(&mut self, path: &Path, read_only: bool) -> io::Result<()> {
        let directory = Dir::open_ambient_dir(path, ambient_authority())?;
        self.0.push(Shared { directory, read_only });
        Ok(())
    }

    fn directory(&self, place: HostPath<'_>) -> Result<&Dir> {
        Ok(&self.0.get(place.directory).ok_or(Errno::NOENT)?.directory)
    }

    /// A directory that something is to be changed in.
    fn writable(&self, place: HostPath<'_>) -> Result<&Dir> {
        match self.0.get(place.directory) {
            Some(Shared { read_only: true, .. }) => Err(Errno::ROFS),
            Some(shared) => Ok(&shared.directory),
            None => Err(Errno::NOENT),
        }
    }
}

fn path(place: HostPath<'_>) -> &Path {
    Path::new(OsStr::from_bytes(place.path))
}

/// cap-std's own refusals have no number: a path that led out of the directory.
fn refused(error: io::Error) -> Errno {
    let number = error.raw_os_error().and_then(|number| u32::try_from(number).ok());
    number.map_or_else(
        || match error.kind() {
            io::ErrorKind::PermissionDenied => Errno::PERM,
            io::ErrorKind::NotFound => Errno::NOENT,
            io::ErrorKind::InvalidInput => Errno::INVAL,
            _ => Errno::IO,
        },
        Errno,
    )
}

fn number(errno: rustix::io::Errno) -> Errno {
    refused(errno.into())
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo | FileType::Unknown => Kind::Fifo,
    }
}

fn stat(metadata: &Metadata) -> Stat {
    let time = |seconds, nanoseconds: i64| Time { seconds, nanoseconds: nanoseconds as u32 };
    Stat {
        device: metadata.dev(),
        inode: metadata.ino(),
        kind: kind(FileType::from_raw_mode(metadata.mode())),
        mode: Some(metadata.mode() & 0o7777),
        links: metadata.nlink(),
        size: metadata.size(),
        blocks: metadata.blocks(),
        accessed: time(metadata.atime(), metadata.atime_nsec()),
        modified: time(metadata.mtime(), metadata.mtime_nsec()),
        changed: time(metadata.ctime(), metadata.ctime_nsec()),
    }
}

fn timestamps(accessed: SetTime, modified: SetTime) -> Timestamps {
    let time = |time| match time {
        SetTime::Keep => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        SetTime::Now => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        SetTime::At(Time { seconds, nanoseconds }) => {
            Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() }
        }
    };
    Timestamps { last_access: time(accessed), last_modification: time(modified) }
}

impl HostDirectories for SharedDirectories {
    type File = SharedFile;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn stat(&self, target: Target<'_, SharedFile>) -> Result<Stat> {
        let metadata = match target {
            Target::Path(place) => self.directory(place)?.symlink_metadata(path(place)),
            Target::File(file) => Metadata::from_file(&file.file),
        };
        metadata.map(|metadata| stat(&metadata)).map_err(refused)
    }

    fn open(&self, place: HostPath<'_>, how: &OpenHow) -> Result<SharedFile> {
        let changes = how.write || how.truncate || how.create.is_some();
        let directory = if changes { self.writable(place)? } else { self.directory(place)? };
        let mut options = OpenOptions::new();
        // What is made can be opened for reading only; the standard library thinks otherwise.
        let write = how.write || how.create.is_some();
        options.read(how.read).write(write).truncate(how.truncate);
        // A pipe that has come to that place would have this process wait.
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
        if let Some(mode) = how.create {
            options.mode(mode & 0o777).create(!how.exclusive).create_new(how.exclusive);
        }
        let file: File = directory.open_with(path(place), &options).map_err(refused)?;
        let read_only = self.writable(place).is_err();
        Ok(SharedFile { file: file.into_std(), read_only })
    }

    fn read(&self, file: &SharedFile, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        file.file.read_at(buffer, offset).map_err(refused)
    }

    fn write(&self, file: &SharedFile, offset: u64, bytes: &[u8]) -> Result<usize> {
        file.file.write_at(bytes, offset).map_err(refused)
    }

    fn resize(&self, file: &SharedFile, size: u64) -> Result<()> {
        file.file.set_len(size).map_err(refused)
    }

    fn sync(&self, file: &SharedFile, data_only: bool) -> Result<()> {
        let synced = if data_only { file.file.sync_data() } else { file.file.sync_all() };
        synced.map_err(refused)
    }

    fn set_times(
        &self,
        target: Target<'_, SharedFile>,
        accessed: SetTime,
        modified: SetTime,
    ) -> Result<()> {
        let times = timestamps(accessed, modified);
        match target {
            Target::File(SharedFile { read_only: true, .. }) => Err(Errno::ROFS),
            Target::File(file) => rustix::fs::futimens(&file.file, &times).map_err(number),
            Target::Path(place) => {
                let directory = self.writable(place)?;
                let (parent, name) = match (path(place).parent(), path(place).file_name()) {
                    (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => {
                        (directory.open_dir(parent).map_err(refused)?, name)
                    }
                    // One name, or the directory itself.
                    _ => (directory.try_clone().map_err(refused)?, path(place).as_os_str()),
                };
                rustix::fs::utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(number)
            }
        }
    }

    fn set_mode(&self, target: Target<'_, SharedFile>, mode: u32) -> Result<()> {
        let changed = match target {
            Target::File(SharedFile { read_only: true, .. }) => return Err(Errno::ROFS),
            Target::File(file) => {
                file.file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
            }
            Target::Path(place) => {
                let permissions = Permissions::from_mode(mode);
                self.writable(place)?.set_permissions(path(place), permissions)
            }
        };
        changed.map_err(refused)
    }

    fn list(&self, place: HostPath<'_>) -> Result<Vec<Entry>> {
        let directory = self.directory(place)?.open_dir(path(place)).map_err(refused)?;
        // cap-std's is only good for paths from it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let readable = rustix::fs::openat(&directory, ".", flags, Mode::empty()).map_err(number)?;
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::new(readable).map_err(number)? {
            let entry = entry.map_err(number)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let kind = kind(entry.file_type());
                entries.push(Entry { name: name.into(), inode: entry.ino(), kind });
            }
        }
        Ok(entries)
    }

    fn make_directory(&self, place: HostPath<'_>, mode: u32) -> Result<()> {
        let mut builder = DirBuilder::new();
        builder.mode(mode);
        self.writable(place)?.create_dir_with(path(place), &builder).map_err(refused)
    }

    fn remove_directory(&self, place: HostPath<'_>) -> Result<()> {
        self.writable(place)?.remove_dir(path(place)).map_err(refused)
    }

    fn remove_file(&self, place: HostPath<'_>) -> Result<()> {
        self.writable(place)?.remove_file(path(place)).map_err(refused)
    }

    fn rename(&self, from: HostPath<'_>, to: HostPath<'_>) -> Result<()> {
        let target = self.writable(to)?;
        self.writable(from)?.rename(path(from), target, path(to)).map_err(refused)
    }

    fn link(&self, from: HostPath<'_>, to: HostPath<'_>) -> Result<()> {
        let target = self.writable(to)?;
        self.writable(from)?.hard_link(path(from), target, path(to)).map_err(refused)
    }

    /// As a WASI runtime, without absolute ones: they would mean something else on the host.
    fn symlink(&self, target: &[u8], place: HostPath<'_>) -> Result<()> {
        let target = OsStr::from_bytes(target);
        self.writable(place)?.symlink(target, path(place)).map_err(refused)
    }

    fn read_link(&self, place: HostPath<'_>) -> Result<Vec<u8>> {
        let target = self.directory(place)?.read_link(path(place)).map_err(refused)?;
        Ok(target.into_os_string().into_vec())
    }

    fn space(&self, directory: usize) -> Result<Space> {
        let directory = self.directory(HostPath { directory, path: b"." })?;
        let space = rustix::fs::fstatvfs(directory).map_err(number)?;
        Ok(Space {
            block_size: u32::try_from(space.f_frsize).unwrap_or(4096),
            blocks: space.f_blocks,
            free: space.f_bfree,
            available: space.f_bavail,
            files: space.f_files,
            free_files: space.f_ffree,
            name_length: u32::try_from(space.f_namemax).unwrap_or(255),
        })
    }
}
