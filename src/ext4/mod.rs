//! Writes a filesystem tree as an ext4 image.
//!
//! The image is made to be mounted read-only with DAX: 4096-byte blocks, no journal, each file in
//! one piece, no free space. It is planned in full, then streamed once; the same tree and options
//! give the same bytes. Format: "ext4 Data Structures and Algorithms" in the kernel's
//! documentation.

mod bitmap;
mod checksum;
mod directory;
mod extent;
mod format;
mod hash;
mod inode;
mod layout;
mod superblock;
mod writer;
mod xattr;

use std::io::{self, Write};

use crate::printable::printable;
use crate::rootfs::limits::Limits;
use crate::rootfs::spool::Spool;
use crate::rootfs::tree::{Timestamp, Tree};
use layout::{MAX_FILE_SIZE, MAX_LINKS};
pub use xattr::XattrError;

/// What a tree may hold to become an image.
pub const LIMITS: Limits = Limits {
    filesystem: "ext4",
    max_links: MAX_LINKS,
    max_file_size: MAX_FILE_SIZE,
    check_xattrs: |xattrs| Ok(xattr::encode(xattrs).map(drop)?),
};

/// The directory that e2fsck puts files without a name into; it must be there.
const LOST_AND_FOUND: &[u8] = b"lost+found";

/// What the tree does not say. Both come from the caller, so that an image can be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The filesystem's identity; must not be all zeros.
    pub uuid: [u8; 16],
    /// When the image is made: creation of the filesystem, creation and change of its inodes.
    pub created: Timestamp,
}

/// What an image has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSummary {
    /// Size in bytes, a multiple of 4096.
    pub size: u64,
    /// Inodes in use, without the ten reserved ones.
    pub inodes: u32,
    /// Bytes of the image that are not content of files: tables, directories, attributes.
    pub overhead: u64,
}

/// Why a tree cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Ext4Error {
    /// Extended attributes have no place.
    #[error("\"{}\"", printable(.path))]
    Xattrs {
        /// The inode's first path.
        path: Vec<u8>,
        /// What is wrong.
        #[source]
        problem: XattrError,
    },
    /// More names than an inode can count.
    #[error("\"{}\": ext4 allows a file at most 65,000 hard links", printable(.path))]
    TooManyLinks {
        /// The file's first path.
        path: Vec<u8>,
    },
    /// A file over 16 TiB.
    #[error("\"{}\": a file of {size} bytes is larger than ext4 allows", printable(.path))]
    FileTooLarge {
        /// The file's first path.
        path: Vec<u8>,
        /// Its size in bytes.
        size: u64,
    },
    /// A symlink target over 4095 bytes.
    #[error("\"{}\": ext4 allows a symbolic link at most 4095 bytes", printable(.path))]
    SymlinkTooLong {
        /// The link's first path.
        path: Vec<u8>,
    },
    /// A directory over 1 GiB.
    #[error("\"{}\": ext4 allows no directory with that many names", printable(.path))]
    DirectoryTooLarge {
        /// The directory's path.
        path: Vec<u8>,
    },
    /// More inodes or blocks than an image can have.
    #[error("the image is larger than ext4 allows")]
    TooLarge,
    /// The contents could not be read back.
    #[error("cannot read the temporary file")]
    Spool(#[source] io::Error),
    /// The image could not be written.
    #[error("cannot write the ext4 image")]
    Write(#[source] io::Error),
}

/// A tree laid out as an image: its size is known, nothing is written yet.
pub struct Plan<'a>(layout::Layout<'a>);

/// Lays `tree` out. A directory lost+found is added to the root when it has none.
///
/// # Errors
///
/// When the tree holds what ext4 cannot.
pub fn plan(tree: &Tree) -> Result<Plan<'_>, Ext4Error> {
    layout::Layout::new(tree).map(Plan)
}

impl Plan<'_> {
    /// What the image will be.
    pub fn summary(&self) -> ImageSummary {
        self.0.summary()
    }

    /// Writes the image, with the contents from `spool`, to `out`, from where `out` is.
    ///
    /// # Errors
    ///
    /// When reading or writing fails.
    pub fn write(
        &self,
        spool: &Spool,
        options: &Options,
        out: &mut impl Write,
    ) -> Result<(), Ext4Error> {
        writer::write(&self.0, spool, options, out)
    }
}

/// Writes `tree`, whose contents are in `spool`, to `out`, from where `out` is to its end. A
/// directory lost+found is added to the root when it has none.
///
/// # Errors
///
/// When the tree holds what ext4 cannot; nothing is written then. Or when reading or writing fails.
pub fn write_image(
    tree: &Tree,
    spool: &Spool,
    options: &Options,
    out: &mut impl Write,
) -> Result<ImageSummary, Ext4Error> {
    let plan = plan(tree)?;
    plan.write(spool, options, out)?;
    Ok(plan.summary())
}
