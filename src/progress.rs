//! What a conversion says about its progress, to whoever shows it.

use std::fmt::{Debug, Display};

/// A part of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding the image, reading its manifest and configuration.
    Manifest,
    /// Merging a layer.
    Layer {
        /// Which, from 1.
        number: usize,
        /// Of how many.
        of: usize,
    },
    /// Reading a bare root filesystem.
    Files,
    /// Writing the root image.
    Ext4,
    /// Booting the machine up to the snapshot.
    Boot,
    /// Running commands to see which code is worth translating.
    Train,
    /// Writing the module.
    Package,
}

/// Hears how far the work is. Calls come from several threads, and often: they must return soon.
pub trait Progress: Debug + Send + Sync {
    /// A stage begins; the one before is over.
    fn stage(&self, _stage: Stage) {}

    /// Of the blob with this digest, `received` of its `of` bytes are here. Less than before means
    /// that the download began anew.
    fn blob_bytes(&self, _digest: &str, _received: u64, _of: u64) {}

    /// Something that the user should know, although the work goes on.
    fn warning(&self, text: &dyn Display) {
        eprintln!("c2w: warning: {text}");
    }

    /// Something that is good to know.
    fn note(&self, text: &dyn Display) {
        eprintln!("c2w: note: {text}");
    }

    /// All stages are over.
    fn done(&self) {}
}

/// Shows nothing but warnings.
#[derive(Debug)]
pub struct Silent;

impl Progress for Silent {}
