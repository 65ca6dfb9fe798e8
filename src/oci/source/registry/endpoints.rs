//! The endpoints of one image: its mirrors, then its own registry.

use super::api::Api;
use super::lock;
use super::registries_conf::{self, PullSource};
use crate::oci::reference::Reference;
use crate::oci::store::Store;
use crate::oci::{ErrorKind, SourceOptions};
use crate::progress::Progress;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub(super) struct Endpoints {
    all: Vec<Endpoint>,
    /// The registry that was asked for, wherever it is.
    registry: String,
    options: SourceOptions,
    progress: Arc<dyn Progress>,
    /// The endpoint that last had what was asked: the first one to ask for what belongs to it.
    chosen: AtomicUsize,
    stop: Arc<AtomicBool>,
}

struct Endpoint {
    source: PullSource,
    api: Mutex<Option<Arc<Api>>>,
}

impl Endpoints {
    pub(super) fn of(
        reference: &Reference,
        options: &SourceOptions,
        progress: &Arc<dyn Progress>,
    ) -> Result<Self, ErrorKind> {
        let pull_sources = registries_conf::pull_sources(reference)?;
        let endpoint = |source| Endpoint { source, api: Mutex::default() };
        Ok(Self {
            all: pull_sources.into_iter().map(endpoint).collect(),
            registry: reference.registry.clone(),
            options: options.clone(),
            progress: Arc::clone(progress),
            chosen: AtomicUsize::new(0),
            stop: Arc::default(),
        })
    }

    pub(super) fn store(&self) -> Option<&Store> {
        self.options.store.as_ref()
    }

    /// Lets the downloads under way end early.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What the first endpoint gives that can do it. From then on, that endpoint is asked first.
    pub(super) fn ask<T>(
        &self,
        mut ask: impl FnMut(&Api) -> Result<T, ErrorKind>,
    ) -> Result<T, ErrorKind> {
        let (chosen, last) = (self.chosen.load(Ordering::Relaxed), self.all.len() - 1);
        let others = (0..=last).filter(|index| *index != chosen);
        let mut failed = Vec::new();
        for index in std::iter::once(chosen).chain(others) {
            match self.api(&self.all[index]).and_then(|api| ask(&api)) {
                Ok(found) => {
                    self.chosen.store(index, Ordering::Relaxed);
                    return Ok(found);
                }
                // No other endpoint has another disk.
                Err(error @ ErrorKind::Io { .. }) => return Err(error),
                Err(error) if self.stopped() => return Err(error),
                Err(error) => failed.push((index, error)),
            }
        }
        // The registry itself has the last word, whenever it was asked.
        let at = failed.iter().position(|(index, _)| *index == last).unwrap_or_default();
        let (_, error) = failed.remove(at);
        // A mirror may lack images: that is not worth a word.
        let lacks =
            |error: &ErrorKind| matches!(error, ErrorKind::NotFound(_) | ErrorKind::MissingBlob(_));
        failed.retain(|(_, error)| !lacks(error));
        if failed.is_empty() {
            return Err(error);
        }
        let name = |index: usize| &self.all[index].source.reference.registry;
        let mirrors: Vec<_> =
            failed.iter().map(|(index, error)| format!("{}: {error}", name(*index))).collect();
        Err(ErrorKind::Mirrors { error: Box::new(error), mirrors: mirrors.join("; ") })
    }

    fn api(&self, endpoint: &Endpoint) -> Result<Arc<Api>, ErrorKind> {
        let mut api = lock(&endpoint.api);
        if let Some(api) = &*api {
            return Ok(Arc::clone(api));
        }
        let mut options = self.options.clone();
        if endpoint.source.reference.registry != self.registry {
            // They are for the registry on the command line, not for whoever mirrors it.
            options.creds = None;
        }
        let (progress, stop) = (Arc::clone(&self.progress), Arc::clone(&self.stop));
        let new = Api::connect(&endpoint.source, &options, progress, stop)?;
        Ok(Arc::clone(api.insert(Arc::new(new))))
    }
}
