//! From what a reference names, which may be an index of indexes, to the manifest and the
//! configuration of one platform: the first of those wanted that there is.

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

/// The image for a wanted platform.
pub struct Found {
    /// What it says that it runs on; when it says nothing, what was wanted.
    pub platform: Platform,
    pub descriptor: Descriptor,
    pub layers: Vec<Descriptor>,
    pub config: ImageConfig,
}

/// Finds the image of the first of `platforms` for which there is one, among what the source's
/// reference names.
pub fn resolve(source: &dyn Source, platforms: &[Platform]) -> Result<Found, ErrorKind> {
    let roots = source.roots()?;
    let (mut have, mut refused, mut read) = (Vec::new(), None, 0);
    for (index, want) in platforms.iter().enumerate() {
        // The first search has seen all there is.
        let known = index > 0 && have.len() < MAX_NAMED;
        if known && !have.iter().any(|have| want.accepts(have)) {
            continue;
        }
        let (have, refused, read) = (&mut have, &mut refused, &mut read);
        let mut search = Search { source, want, have, refused, read };
        if let Some(found) = search.among(&roots, 0)? {
            return Ok(found);
        }
    }
    match refused {
        // What is there for a wanted platform, or for none, is not an image.
        Some(error) if have.is_empty() || accepts_one_of(platforms, &have) => Err(error),
        _ => Err(ErrorKind::Platform { want: platforms.to_vec(), have }),
    }
}

struct Search<'a> {
    source: &'a dyn Source,
    want: &'a Platform,
    /// Platforms seen and passed over.
    have: &'a mut Vec<Platform>,
    /// The first entry that turned out not to be an image.
    refused: &'a mut Option<ErrorKind>,
    read: &'a mut usize,
}

fn accepts_one_of(wanted: &[Platform], have: &[Platform]) -> bool {
    wanted.iter().any(|want| have.iter().any(|have| want.accepts(have)))
}

impl Search<'_> {
    fn among(&mut self, entries: &[Descriptor], depth: usize) -> Result<Option<Found>, ErrorKind> {
        if depth > MAX_DEPTH {
            return Err(ErrorKind::Nesting);
        }
        let mut candidates: Vec<&Descriptor> = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_attestation()) {
            match &entry.platform {
                Some(platform) if !self.takes(platform) => self.passed_over(platform),
                _ => candidates.push(entry),
            }
        }
        // An entry that says the platform goes before one that leaves it open.
        candidates.sort_by_cached_key(|entry| {
            entry.platform.as_ref().map_or(u32::MAX, |platform| self.want.distance(platform))
        });
        for entry in candidates {
            if let Some(found) = self.at(entry, depth)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether an image of a platform will do. One of a variant that is not executed is taken only
    /// by name.
    fn takes(&self, platform: &Platform) -> bool {
        let named = !self.want.variant.is_empty() || self.want.execution().is_err();
        self.want.accepts(platform) && (named || platform.execution().is_ok())
    }

    fn at(&mut self, entry: &Descriptor, depth: usize) -> Result<Option<Found>, ErrorKind> {
        *self.read += 1;
        if *self.read > MAX_DOCUMENTS {
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
        let said = entry.platform.as_ref().unwrap_or(&config.platform);
        let platform = if *said == Platform::default() { self.want.clone() } else { said.clone() };
        let descriptor = entry.clone();
        Ok(Some(Found { platform, descriptor, layers: manifest.layers, config }))
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
