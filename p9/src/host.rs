//! What the server asks of the host.

use crate::errno::{Errno, Result};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A path below a shared directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPath<'a> {
    /// Which of the shared directories.
    pub directory: usize,
    /// Names with slashes between them, none of them `.` or `..`; `.` alone is the directory.
    pub path: &'a [u8],
}

/// A file by its path, or as it was opened, which also reaches one whose path is gone.
#[derive(Debug)]
pub enum Target<'a, F> {
    /// What is there now; a symbolic link itself.
    Path(HostPath<'a>),
    /// An open file.
    File(&'a F),
}

impl<F> Clone for Target<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

// A derived one would require it of `F`, too.
impl<F> Copy for Target<'_, F> {}

/// A type of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe, or what the host has no name for.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl Kind {
    /// The `S_IFMT` bits of stat(2)'s mode.
    pub fn mode_bits(self) -> u32 {
        u32::from(self.directory_type()) << 12
    }

    /// The kind that a mode's `S_IFMT` bits mean.
    pub fn from_mode(mode: u32) -> Option<Self> {
        Some(match mode >> 12 & 0xf {
            1 => Self::Fifo,
            2 => Self::CharDevice,
            4 => Self::Directory,
            6 => Self::BlockDevice,
            8 => Self::File,
            10 => Self::Symlink,
            12 => Self::Socket,
            _ => return None,
        })
    }

    /// readdir(3)'s `d_type`.
    pub(crate) fn directory_type(self) -> u8 {
        match self {
            Self::Fifo => 1,
            Self::CharDevice => 2,
            Self::Directory => 4,
            Self::BlockDevice => 6,
            Self::File => 8,
            Self::Symlink => 10,
            Self::Socket => 12,
        }
    }

    /// The type in a qid.
    pub(crate) fn qid_type(self) -> u8 {
        match self {
            Self::Directory => 0x80,
            Self::Symlink => 0x02,
            _ => 0,
        }
    }
}

/// A moment: seconds and nanoseconds (below 10^9) since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds after that.
    pub nanoseconds: u32,
}

/// What to do with one of a file's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// Leave it.
    Keep,
    /// Set it to the host's clock.
    Now,
    /// Set it to this.
    At(Time),
}

/// What the host knows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The filesystem it is on.
    pub device: u64,
    /// Its number there, 0 if the host has none.
    pub inode: u64,
    /// Its type.
    pub kind: Kind,
    /// Its permission bits, where the host has them.
    pub mode: Option<u32>,
    /// How many names it has.
    pub links: u64,
    /// Its length in bytes.
    pub size: u64,
    /// What it takes, in units of 512 bytes.
    pub blocks: u64,
    /// When it was last read.
    pub accessed: Time,
    /// When it was last written.
    pub modified: Time,
    /// When anything of it was last changed.
    pub changed: Time,
}

/// How to open a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenHow {
    /// To be read.
    pub read: bool,
    /// To be written.
    pub write: bool,
    /// With its contents dropped.
    pub truncate: bool,
    /// Made when it is missing, with these permission bits as far as the host has such.
    pub create: Option<u32>,
    /// Only if it was made by this call.
    pub exclusive: bool,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Box<[u8]>,
    /// As in [`Stat`].
    pub inode: u64,
    /// Its type.
    pub kind: Kind,
}

/// How much a filesystem holds, in blocks of `block_size` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes of a block.
    pub block_size: u32,
    /// All blocks.
    pub blocks: u64,
    /// Those free.
    pub free: u64,
    /// Those free for anybody.
    pub available: u64,
    /// All inodes.
    pub files: u64,
    /// Those free.
    pub free_files: u64,
    /// Bytes of the longest name.
    pub name_length: u32,
}

impl Space {
    /// For a host that does not say: a terabyte, half of it free.
    pub const UNKNOWN: Self = Self {
        block_size: 4096,
        blocks: 1 << 28,
        free: 1 << 27,
        available: 1 << 27,
        files: 1 << 24,
        free_files: 1 << 23,
        name_length: 255,
    };
}

/// Directories of the host, and what can be done below them. Nothing follows a symbolic link in
/// the last name of a path, and nothing ever reaches out of a shared directory.
///
/// Errors are what Linux has for the same.
pub trait HostDirectories {
    /// An open regular file, closed when it is dropped.
    type File;

    /// How many directories are shared.
    fn count(&self) -> usize;

    /// What is known of a file.
    fn stat(&self, target: Target<'_, Self::File>) -> Result<Stat>;

    /// Opens a regular file, or makes one.
    fn open(&self, path: HostPath<'_>, how: &OpenHow) -> Result<Self::File>;

    /// Reads from `offset` on; 0 at the end of the file.
    fn read(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// Writes at `offset`, perhaps less than all.
    fn write(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> Result<usize>;

    /// Cuts or lengthens a file that is open for writing.
    fn resize(&self, file: &Self::File, size: u64) -> Result<()>;

    /// Puts a file on the disk, `data_only` without its times.
    fn sync(&self, file: &Self::File, data_only: bool) -> Result<()>;

    /// Sets the times of access and modification.
    fn set_times(
        &self,
        target: Target<'_, Self::File>,
        accessed: SetTime,
        modified: SetTime,
    ) -> Result<()>;

    /// Sets the permission bits (0 to 0o777).
    ///
    /// # Errors
    /// [`Errno::OPNOTSUPP`] where there are none.
    fn set_mode(&self, _target: Target<'_, Self::File>, _mode: u32) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }

    /// All entries of a directory but `.` and `..`.
    fn list(&self, path: HostPath<'_>) -> Result<Vec<Entry>>;

    /// Makes a directory.
    fn make_directory(&self, path: HostPath<'_>, mode: u32) -> Result<()>;

    /// Removes an empty directory.
    fn remove_directory(&self, path: HostPath<'_>) -> Result<()>;

    /// Removes a name of anything else.
    fn remove_file(&self, path: HostPath<'_>) -> Result<()>;

    /// Moves a file, over what is there already.
    fn rename(&self, from: HostPath<'_>, to: HostPath<'_>) -> Result<()>;

    /// Gives a file a second name.
    fn link(&self, from: HostPath<'_>, to: HostPath<'_>) -> Result<()>;

    /// Makes a symbolic link.
    fn symlink(&self, target: &[u8], path: HostPath<'_>) -> Result<()>;

    /// What a symbolic link says.
    fn read_link(&self, path: HostPath<'_>) -> Result<Vec<u8>>;

    /// What the filesystem of a shared directory holds.
    fn space(&self, _directory: usize) -> Result<Space> {
        Ok(Space::UNKNOWN)
    }
}
