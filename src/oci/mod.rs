//! Reads a container image from wherever it is.
//!
//! ```text
//! reference::ImageRef    what the user typed
//! source::Source         a registry, a layout, an archive: documents and blobs by descriptor
//! store::Store           what registries have sent, kept between runs
//! resolve                index in index, down to the manifest for the wanted platform
//! image_config           what to run; the DiffIDs
//! layer::LayerReader     blob -> uncompressed tar, digest and DiffID checked on the way
//! ```
//!
//! Nothing that comes from a source is believed before its digest is checked, and nothing is read
//! beyond the size its descriptor announces.

pub mod digest;
mod error;
pub mod image_config;
pub mod json;
pub mod layer;
pub mod manifest;
pub mod platform;
mod read_ahead;
pub mod reference;
mod resolve;
pub mod source;
mod stop_signal;
pub mod store;

pub use error::{Error, ErrorKind};
pub use image_config::{ImageConfig, guest_config};
pub use layer::LayerReader;
pub use platform::Platform;
pub use reference::ImageRef;
pub use source::{SourceOptions, UserPassword};

use crate::progress::{Progress, Silent};
use digest::Digest;
use manifest::Descriptor;
use source::Source;
use std::sync::Arc;

/// An image, found and described; its layers are read on demand.
pub struct Image {
    /// The digest of the manifest of the chosen platform: the image's identity.
    pub manifest_digest: Digest,
    /// What the image says it runs on.
    pub platform: Platform,
    /// What to run, and the DiffIDs.
    pub config: ImageConfig,
    name: String,
    name_inside: Option<String>,
    layers: Vec<Descriptor>,
    source: Box<dyn Source>,
}

/// One layer of an [`Image`].
pub struct Layer<'a> {
    /// What its blob is.
    pub descriptor: &'a Descriptor,
    /// What its uncompressed content is.
    pub diff_id: &'a Digest,
    image: &'a Image,
}

/// Finds an image and reads its manifest and configuration.
///
/// # Errors
/// [`Error`], which names the image, the fault and what to do.
pub fn open(reference: &ImageRef, options: &SourceOptions) -> Result<Image, Error> {
    open_with_progress(reference, options, &(Arc::new(Silent) as _))
}

/// As [`open`]; `progress` hears how far downloads are, of the layers' too.
///
/// # Errors
/// As [`open`].
pub fn open_with_progress(
    reference: &ImageRef,
    options: &SourceOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Image, Error> {
    let name = reference.to_string();
    let open = || -> Result<Image, ErrorKind> {
        let source = source::open(reference, options, progress)?;
        let found = resolve::resolve(source.as_ref(), &options.platforms)?;
        Ok(Image {
            platform: found.platform,
            manifest_digest: found.descriptor.digest,
            config: found.config,
            name: name.clone(),
            name_inside: source.name(),
            layers: found.layers,
            source,
        })
    };
    open().map_err(|kind| kind.of(&name))
}

impl Image {
    /// The image's full reference.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name in a registry, if a layout or an archive says so.
    pub fn name_inside(&self) -> Option<&str> {
        self.name_inside.as_deref()
    }

    /// What the layers are, base first: their blobs and their DiffIDs.
    pub fn layer_descriptors(&self) -> impl Iterator<Item = (&Descriptor, &Digest)> + Clone {
        self.layers.iter().zip(&self.config.diff_ids)
    }

    /// The layers, base first. A registry starts to send them now, several at once.
    pub fn layers(&self) -> Vec<Layer<'_>> {
        let elsewhere = self.layers.iter().filter(|layer| layer.embedded().is_none());
        self.source.prefetch(&elsewhere.cloned().collect::<Vec<_>>());
        self.layer_descriptors()
            .map(|(descriptor, diff_id)| Layer { descriptor, diff_id, image: self })
            .collect()
    }
}

impl Layer<'_> {
    /// The layer's uncompressed tar. Waits until a registry has sent the whole blob.
    ///
    /// # Errors
    /// [`Error`] when the blob cannot be had. The reader itself fails with an [`std::io::Error`]
    /// around a [`layer::LayerError`]; call [`LayerReader::finish`] when the tar has ended.
    pub fn open(&self) -> Result<LayerReader, Error> {
        let fail = |kind: ErrorKind| kind.of(&self.image.name);
        let blob = source::blob(self.image.source.as_ref(), self.descriptor).map_err(fail)?;
        LayerReader::new(blob, self.descriptor, self.diff_id)
            .map_err(|error| fail(ErrorKind::Layer(error)))
    }
}
