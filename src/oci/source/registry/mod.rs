//! A registry ([distribution-spec], pull).
//!
//! ```text
//! registries_conf   which endpoints a reference stands for: mirrors, other names, none
//! endpoints         asks one after the other
//! api, download     the HTTP interface of one repository; blobs into files
//! challenge, auth   what a registry asks for, and the answer to it
//! credentials       what docker, podman and the command line know
//! http, retry, pace one request: redirects, proxies, time limits; sending it again
//! tls, certs_d      whom we believe; a registry's own certificates
//! ```
//!
//! Blobs are streamed to nameless temporary files, several at once, and taken up again where a
//! connection broke.
//!
//! [distribution-spec]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pull

mod api;
mod auth;
mod certs_d;
mod challenge;
mod credentials;
mod download;
mod endpoints;
mod environment;
mod fault;
mod http;
mod pace;
mod registries_conf;
mod retry;
mod tls;

use super::{Blob, Source, SourceOptions};
use crate::oci::ErrorKind;
use crate::oci::digest::Digest;
use crate::oci::manifest::Descriptor;
use crate::oci::reference::Reference;
use crate::oci::store;
use crate::progress::Progress;
use api::Api;
use endpoints::Endpoints;
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
    endpoints: Arc<Endpoints>,
    root: (Descriptor, Vec<u8>),
    /// Blobs under way; a digest may be wanted more than once.
    coming: Mutex<HashMap<Digest, VecDeque<Receiver<Fetched>>>>,
}

impl Registry {
    /// Connects, and fetches the manifest or index.
    pub(super) fn open(
        reference: &Reference,
        options: &SourceOptions,
        progress: &Arc<dyn Progress>,
    ) -> Result<Self, ErrorKind> {
        let endpoints = Endpoints::of(reference, options, progress)?;
        let root = endpoints.ask(Api::root)?;
        Ok(Self { endpoints: Arc::new(endpoints), root, coming: Mutex::default() })
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
        let bytes = self.endpoints.ask(|api| api.manifest(descriptor))?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        let coming = lock(&self.coming).get_mut(&descriptor.digest).and_then(VecDeque::pop_front);
        // A worker that is gone sends nothing: then as if it had never been asked.
        let fetched = coming.and_then(|coming| coming.recv().ok());
        Ok(Box::new(fetched.unwrap_or_else(|| fetch(&self.endpoints, descriptor))?))
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
            let (endpoints, queue) = (Arc::clone(&self.endpoints), Arc::clone(&queue));
            std::thread::spawn(move || fetch_all(&endpoints, &queue));
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.endpoints.stop();
    }
}

fn fetch_all(endpoints: &Endpoints, queue: &Mutex<VecDeque<(Descriptor, Sender<Fetched>)>>) {
    loop {
        let next = lock(queue).pop_front();
        match next {
            Some((blob, sender)) if !endpoints.stopped() => {
                // Nobody waits any more when this fails.
                let _ = sender.send(fetch(endpoints, &blob));
            }
            _ => return,
        }
    }
}

/// A blob, checked, from the store or from the first endpoint that has it.
fn fetch(endpoints: &Endpoints, blob: &Descriptor) -> Fetched {
    let receive = |file: &mut File| endpoints.ask(|api| api.receive(blob, file));
    match endpoints.store() {
        Some(store) => store.fetch(&blob.digest, receive),
        None => store::nameless(receive),
    }
}

/// A thread that panicked leaves nothing half-done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
