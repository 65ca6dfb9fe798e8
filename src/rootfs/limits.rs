//! What the filesystem that a tree is made for can hold. The merge refuses the rest, because only
//! there the layer and the entry are known; the writer of the filesystem gives the limits.

use super::tree::Xattrs;
use std::error::Error;

/// The limits of a filesystem.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The filesystem's name, for errors.
    pub filesystem: &'static str,
    /// Most names of one file.
    pub max_links: u32,
    /// Longest file in bytes.
    pub max_file_size: u64,
    /// Says whether an inode can have these attributes.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub check_xattrs: fn(&Xattrs) -> Result<(), Box<dyn Error + Send + Sync>>,
}
