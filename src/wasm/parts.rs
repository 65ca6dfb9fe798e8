//! What the stages before have made for the module.

use super::provenance::Provenance;
use crate::units::{UnitFile, Written};
use c2w_translator::Translation;

/// What a module is made of.
pub struct Parts<'a> {
    /// Bytes of RAM.
    pub ram_length: u64,
    /// RAM at the snapshot.
    pub ram: &'a UnitFile,
    /// Bytes of the image region: the root image, and behind it maybe an emulator's disk.
    pub image_length: u64,
    /// The image region.
    pub image: &'a UnitFile,
    /// How much of it is the root image's.
    pub root: Written,
    /// The most bytes of the image region that are in memory at once.
    pub cache: u64,
    /// The machine's other state.
    pub state: &'a [u8],
    /// Guest code as functions, made with the [`Template::linkage`](super::template::Template::linkage) of the same runtime.
    pub translation: Option<&'a Translation>,
    /// Where all this comes from; the bytes of the root image are counted here.
    pub provenance: &'a Provenance,
}

impl<'a> Parts<'a> {
    /// The translation, if there are functions in it.
    pub(super) fn functions(&self) -> Option<&'a Translation> {
        self.translation.filter(|translation| !translation.functions.is_empty())
    }
}
