//! What a conversion says about its progress, to whoever shows it.

use crate::oci::digest::Digest;
use std::fmt::Debug;

/// Hears how far the work is. Calls come from several threads, and often: they must return soon.
pub trait Progress: Debug + Send + Sync {
    /// Of the blob `digest`, `received` of its `of` bytes are here. Less than before means that the
    /// download began anew.
    fn layer_bytes(&self, digest: &Digest, received: u64, of: u64);
}

/// Shows nothing.
#[derive(Debug)]
pub struct Silent;

impl Progress for Silent {
    fn layer_bytes(&self, _digest: &Digest, _received: u64, _of: u64) {}
}
