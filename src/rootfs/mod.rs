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
