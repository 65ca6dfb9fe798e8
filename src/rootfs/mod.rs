//! The merged root filesystem, independent of image formats and of the filesystem it is written as.
//!
//! A layer is a tar stream. [`tar`] turns it into entries, [`apply`] merges the entries into one
//! [`tree::Tree`] by the layer rules of the OCI image specification, and file contents go to a
//! [`spool::Spool`] on disk, so that memory does not grow with the size of the files.

pub mod apply;
pub mod limits;
pub mod spool;
pub mod tar;
pub mod tree;

/// `bytes` in a form fit for messages: escaped, and shortened when it is very long.
pub(crate) fn printable(bytes: &[u8]) -> String {
    const SHOWN: usize = 200;
    let shown = bytes[..bytes.len().min(SHOWN)].escape_ascii();
    let rest = bytes.len().saturating_sub(SHOWN);
    if rest == 0 { shown.to_string() } else { format!("{shown}... ({rest} more bytes)") }
}
