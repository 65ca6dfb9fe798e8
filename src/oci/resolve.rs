//! From what a reference names, which may be an index of indexes, to the manifest and the
//! configuration of one platform.

use super::ErrorKind;
use super::digest::{ContentError, Verifier};
use super::image_config::{ImageConfig, MAX_CONFIG};
use super::manifest::{self, Descriptor, Document, MAX_MANIFEST, Manifest};
use super::platform::Platform;
use super::source::{self, Blob, Source};
use std::io::Read;

/// How deep indexes may nest. Real ones nest once or twice.
const MAX_DEPTH: usize = 8;

/// How many manifests and indexes are read for one image.
const MAX_DOCUMENTS: usize = 64;

/// How many platforms an error names.
const MAX_NAMED: usize = 32;

/// The image for the wanted platform.
pub struct Found {
    pub descriptor: Descriptor,
    pub layers: Vec<Descriptor>,
    pub config: ImageConfig,
}

/// Finds the image of `platform` among what the source's reference names.
pub fn resolve(source: &dyn Source, platform: &Platform) -> Result<Found, ErrorKind> {
    let mut search = Search { source, want: platform, have: Vec::new(), refused: None, read: 0 };
    if let Some(found) = search.among(&source.roots()?, 0)? {
        return Ok(found);
    }
    match search.refused {
        Some(error) if search.have.is_empty() => Err(error),
        _ => Err(ErrorKind::Platform { want: platform.clone(), have: search.have }),
    }
}

struct Search<'a> {
    source: &'a dyn Source,
    want: &'a Platform,
    /// Platforms seen and passed over.
    have: Vec<Platform>,
    /// The first entry that turned out not to be an image.
    refused: Option<ErrorKind>,
    read: usize,
}

impl Search<'_> {
    fn among(&mut self, entries: &[Descriptor], depth: usize) -> Result<Option<Found>, ErrorKind> {
        if depth > MAX_DEPTH {
            return Err(ErrorKind::Nesting);
        }
        let mut candidates: Vec<&Descriptor> = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_attestation()) {
            match &entry.platform {
                Some(platform) if !self.want.accepts(platform) => self.passed_over(platform),
                _ => candidates.push(entry),
            }
        }
        // An entry that says the platform goes before one that leaves it open, and the plain
        // platform before a variant of it that may want more of the CPU.
        candidates.sort_by_key(|entry| {
            entry.platform.as_ref().map_or(2, |platform| usize::from(!platform.variant.is_empty()))
        });
        for entry in candidates {
            if let Some(found) = self.at(entry, depth)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn at(&mut self, entry: &Descriptor, depth: usize) -> Result<Option<Found>, ErrorKind> {
        self.read += 1;
        if self.read > MAX_DOCUMENTS {
            return Err(ErrorKind::Nesting);
        }
        let fetch = |descriptor: &Descriptor| source::manifest(self.source, descriptor);
        let bytes = read_limited(entry, "manifest", MAX_MANIFEST, fetch)?;
        match manifest::parse(&bytes, &entry.media_type) {
            Ok(Document::Index(entries)) => self.among(&entries, depth + 1),
            Ok(Document::Manifest(manifest)) => self.image(entry, manifest),
            Err(error) => {
                self.refused.get_or_insert(error.into());
                Ok(None)
            }
        }
    }

    fn image(
        &mut self,
        entry: &Descriptor,
        manifest: Manifest,
    ) -> Result<Option<Found>, ErrorKind> {
        let fetch = |descriptor: &Descriptor| source::blob(self.source, descriptor);
        let bytes = read_limited(&manifest.config, "configuration", MAX_CONFIG, fetch)?;
        let config = ImageConfig::parse(&bytes, manifest.layers.len())?;
        // An index is believed over a configuration: builders copy the latter from a base image.
        // One that says nothing at all is given a try.
        let contradicts =
            config.platform != Platform::default() && !self.want.accepts(&config.platform);
        if entry.platform.is_none() && contradicts {
            self.passed_over(&config.platform);
            return Ok(None);
        }
        Ok(Some(Found { descriptor: entry.clone(), layers: manifest.layers, config }))
    }

    fn passed_over(&mut self, platform: &Platform) {
        if self.have.len() < MAX_NAMED && !self.have.contains(platform) {
            self.have.push(platform.clone());
        }
    }
}

/// The checked bytes of a manifest or a configuration.
fn read_limited(
    descriptor: &Descriptor,
    what: &'static str,
    limit: u64,
    fetch: impl FnOnce(&Descriptor) -> Result<Blob, ErrorKind>,
) -> Result<Vec<u8>, ErrorKind> {
    let (digest, size) = (descriptor.digest.clone(), descriptor.size);
    if size > limit {
        return Err(ErrorKind::TooLarge { what, digest: digest.to_string(), size, limit });
    }
    let mut bytes = Vec::new();
    let mut reader = Verifier::new(fetch(descriptor)?, digest.clone(), Some(size));
    match reader.read_to_end(&mut bytes).map_err(|error| error.downcast::<ContentError>()) {
        Ok(_) => Ok(bytes),
        Err(Ok(content)) => Err(ErrorKind::Content(content)),
        Err(Err(source)) => Err(ErrorKind::io(format!("read {digest}"))(source)),
    }
}
