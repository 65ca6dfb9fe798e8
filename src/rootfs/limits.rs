//! What the filesystem that a tree is made for can hold. Who merges refuses the rest, because only
//! there the layer and the entry are known; who writes the filesystem says what the limits are.

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
