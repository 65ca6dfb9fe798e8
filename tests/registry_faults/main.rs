//! Registries that are slow, broken, hostile, or behind a token server.

use crate::faulty_server;

mod downloads;
mod hostile;
mod layers;
mod pages;
mod redirects;
mod tokens;

use base64::{Engine, prelude::BASE64_STANDARD};
use c2w::oci::digest::{Algorithm, Digest};
use c2w::oci::{self, SourceOptions};
use faulty_server::{FaultyServer, Reply, Request};
use std::fs;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const MANIFEST_PATH: &str = "/v2/a/manifests/v1";

/// An image of one plain layer, as a registry holds it.
#[derive(Clone)]
struct Stored {
    manifest: String,
    config: String,
    layer: Vec<u8>,
}

impl Stored {
    fn new() -> Self {
        Self::of_size(400_000)
    }

    /// With a layer of this many bytes.
    fn of_size(size: u32) -> Self {
        let layer: Vec<u8> = (0..size / 4).flat_map(|i| (i / 3).to_le_bytes()).collect();
        let config = format!(
            r#"{{"os":"linux","architecture":"riscv64","rootfs":{{"diff_ids":["{}"]}}}}"#,
            digest(&layer)
        );
        let manifest = format!(
            r#"{{"mediaType":"{MANIFEST_TYPE}","schemaVersion":2,"config":{{
            "mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},
            "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}",
            "size":{}}}]}}"#,
            digest(config.as_bytes()),
            config.len(),
            digest(&layer),
            layer.len()
        );
        Self { manifest, config, layer }
    }

    fn layer_path(&self) -> String {
        format!("/v2/a/blobs/{}", digest(&self.layer))
    }

    /// What a good registry answers.
    fn answer(&self, request: &Request) -> Reply {
        let manifest = format!("/v2/a/manifests/{}", digest(self.manifest.as_bytes()));
        let config = format!("/v2/a/blobs/{}", digest(self.config.as_bytes()));
        match request.path.as_str() {
            path if path == MANIFEST_PATH || path == manifest => {
                Reply::new(200, self.manifest.as_str()).header("Content-Type", MANIFEST_TYPE)
            }
            path if path == config => Reply::new(200, self.config.as_str()),
            path if path == self.layer_path() => Reply::new(200, self.layer.as_slice()),
            _ => Reply::new(404, ""),
        }
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// A registry that answers `path` by `fault`, which gets the number of the try, from 0; `None` and
/// all else are answered well.
fn registry(
    path: impl Into<String>,
    fault: impl Fn(usize, &Stored, &Request) -> Option<Reply> + Send + Sync + 'static,
) -> FaultyServer {
    let (path, stored, tries) = (path.into(), Stored::new(), AtomicUsize::new(0));
    FaultyServer::start(move |request| {
        let fault = (request.path == path)
            .then(|| fault(tries.fetch_add(1, Ordering::SeqCst), &stored, request))
            .flatten();
        fault.unwrap_or_else(|| stored.answer(request))
    })
}

fn layer_path() -> String {
    Stored::new().layer_path()
}

fn pull_with(server: &FaultyServer, auth: &str, retries: u32) -> Result<Vec<u8>, String> {
    let (options, auth_file) = options(retries);
    fs::write(auth_file.path(), auth).unwrap();
    pull_as(server, &options)
}

/// Options of a client without credentials, and the file that keeps it without.
fn options(retries: u32) -> (SourceOptions, tempfile::NamedTempFile) {
    let auth_file = tempfile::NamedTempFile::new().unwrap();
    fs::write(auth_file.path(), "{}").unwrap();
    let options = SourceOptions {
        auth_file: Some(auth_file.path().to_owned()),
        stall_timeout: Duration::from_secs(10),
        backoff: Duration::from_millis(1),
        retries,
        ..SourceOptions::default()
    };
    (options, auth_file)
}

fn pull_as(server: &FaultyServer, options: &SourceOptions) -> Result<Vec<u8>, String> {
    let reference = format!("{}/a:v1", server.host()).parse().unwrap();
    let image = oci::open(&reference, options).map_err(|error| error.to_string())?;
    let layers = image.layers();
    let mut layer = layers[0].open().map_err(|error| error.to_string())?;
    let mut tar = Vec::new();
    layer.read_to_end(&mut tar).map_err(|error| error.to_string())?;
    layer.finish().map_err(|error| error.to_string())?;
    Ok(tar)
}

fn pull(server: &FaultyServer) -> Result<Vec<u8>, String> {
    pull_with(server, "{}", 4)
}

fn assert_whole(result: Result<Vec<u8>, String>) {
    assert!(result.unwrap() == Stored::new().layer);
}

fn auth_json(server: &FaultyServer, user: &str, password: &str) -> String {
    let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, server.host())
}
