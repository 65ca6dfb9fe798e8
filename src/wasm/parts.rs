//! What the stages before have made for the module.

use super::provenance::Provenance;
use c2w_translator::Translation;

/// What a module is made of.
pub struct Parts<'a> {
    /// RAM at the snapshot.
    pub ram: &'a [u8],
    /// The image region: the root image, and behind it maybe an emulator's disk.
    pub image: &'a [u8],
    /// How many bytes of it are the root image's.
    pub root: usize,
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
