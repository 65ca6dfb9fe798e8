//! A registry behind the content store: what the store holds is not asked for, and the registry is
//! not even connected to before something is missing.

use super::registry::Registry;
use super::{Blob, Source, SourceOptions};
use crate::oci::ErrorKind;
use crate::oci::manifest::{Descriptor, MAX_MANIFEST};
use crate::oci::reference::Reference;
use crate::oci::store::Store;
use crate::progress::Progress;
use std::cell::OnceCell;
use std::io::{Cursor, Read};
use std::sync::Arc;

pub(super) struct Cached {
    store: Store,
    reference: Reference,
    options: SourceOptions,
    progress: Arc<dyn Progress>,
    registry: OnceCell<Registry>,
}

impl Cached {
    pub(super) fn new(
        store: &Store,
        reference: &Reference,
        options: &SourceOptions,
        progress: &Arc<dyn Progress>,
    ) -> Self {
        Self {
            store: store.clone(),
            reference: reference.clone(),
            options: options.clone(),
            progress: Arc::clone(progress),
            registry: OnceCell::new(),
        }
    }

    fn registry(&self) -> Result<&Registry, ErrorKind> {
        if let Some(registry) = self.registry.get() {
            return Ok(registry);
        }
        let registry = Registry::open(&self.reference, &self.options, &self.progress)?;
        Ok(self.registry.get_or_init(|| registry))
    }
}

impl Source for Cached {
    /// A tag may have moved since: only a digest is found in the store.
    fn roots(&self) -> Result<Vec<Descriptor>, ErrorKind> {
        if let Some(digest) = &self.reference.digest
            && let Some(file) = self.store.get(digest)
        {
            let size = file.metadata().map_err(ErrorKind::io("read from the cache"))?.len();
            return Ok(vec![Descriptor::new(String::new(), digest.clone(), size)]);
        }
        self.registry()?.roots()
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        if let Some(file) = self.store.get(&descriptor.digest) {
            return Ok(Box::new(file));
        }
        let mut bytes = Vec::new();
        let document = self.registry()?.manifest(descriptor)?;
        document
            .take(MAX_MANIFEST + 1)
            .read_to_end(&mut bytes)
            .map_err(ErrorKind::io(format!("read {}", descriptor.digest)))?;
        self.store.put(&descriptor.digest, &bytes);
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        match self.store.get(&descriptor.digest) {
            Some(file) => Ok(Box::new(file)),
            None => self.registry()?.blob(descriptor),
        }
    }

    fn prefetch(&self, blobs: &[Descriptor]) {
        let missing = |blob: &&Descriptor| !self.store.has(&blob.digest);
        let missing: Vec<Descriptor> = blobs.iter().filter(missing).cloned().collect();
        // A registry that cannot be reached is an error when the blob is read.
        if !missing.is_empty()
            && let Ok(registry) = self.registry()
        {
            registry.prefetch(&missing);
        }
    }
}
