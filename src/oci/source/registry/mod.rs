//! A registry ([distribution-spec], pull).
//!
//! Blobs are streamed to nameless temporary files, several at once, and taken up again where a
//! connection broke.
//!
//! [distribution-spec]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pull

mod api;
mod auth;
mod credentials;
mod download;
mod http;

use super::{Blob, Source, SourceOptions};
use crate::oci::ErrorKind;
use crate::oci::digest::Digest;
use crate::oci::manifest::Descriptor;
use crate::oci::reference::Reference;
use api::Api;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Cursor;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blobs that are fetched at the same time, as Docker and containerd do.
const PARALLEL: usize = 3;

type Fetched = Result<File, ErrorKind>;

/// One image of a registry.
pub(super) struct Registry {
    api: Arc<Api>,
    root: (Descriptor, Vec<u8>),
    /// Blobs under way; a digest may be wanted more than once.
    coming: Mutex<HashMap<Digest, VecDeque<Receiver<Fetched>>>>,
}

impl Registry {
    /// Connects, and fetches the manifest or index.
    pub(super) fn open(reference: &Reference, options: &SourceOptions) -> Result<Self, ErrorKind> {
        let api = Api::connect(reference, options)?;
        let root = api.root(reference)?;
        Ok(Self { api: Arc::new(api), root, coming: Mutex::default() })
    }
}

impl Source for Registry {
    fn roots(&self) -> Result<Vec<Descriptor>, ErrorKind> {
        Ok(vec![self.root.0.clone()])
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        let (root, bytes) = &self.root;
        if root.digest == descriptor.digest {
            return Ok(Box::new(Cursor::new(bytes.clone())));
        }
        let path = format!("manifests/{}", descriptor.digest);
        let (_, bytes) =
            self.api.document(&path).map_err(|error| missing(error, &descriptor.digest))?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        let digest = &descriptor.digest;
        let coming = lock(&self.coming).get_mut(digest).and_then(VecDeque::pop_front);
        // A worker that is gone sends nothing: then as if it had never been asked.
        let fetched = coming.and_then(|coming| coming.recv().ok());
        let file = fetched.unwrap_or_else(|| self.api.download(descriptor));
        Ok(Box::new(file.map_err(|error| missing(error, digest))?))
    }

    fn prefetch(&self, blobs: &[Descriptor]) {
        let mut queue = VecDeque::new();
        let mut coming = lock(&self.coming);
        for blob in blobs {
            let (sender, receiver) = channel();
            queue.push_back((blob.clone(), sender));
            coming.entry(blob.digest.clone()).or_default().push_back(receiver);
        }
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..PARALLEL.min(blobs.len()) {
            let (api, queue) = (Arc::clone(&self.api), Arc::clone(&queue));
            std::thread::spawn(move || fetch_all(&api, &queue));
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.api.stop();
    }
}

fn fetch_all(api: &Api, queue: &Mutex<VecDeque<(Descriptor, Sender<Fetched>)>>) {
    loop {
        let next = lock(queue).pop_front();
        match next {
            Some((blob, sender)) if !api.stopped() => {
                // Nobody waits any more when this fails.
                let _ = sender.send(api.download(&blob));
            }
            _ => return,
        }
    }
}

/// A thread that panicked leaves nothing half-done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing(error: ErrorKind, digest: &Digest) -> ErrorKind {
    match error {
        ErrorKind::NotFound(_) => ErrorKind::MissingBlob(digest.clone()),
        error => error,
    }
}
