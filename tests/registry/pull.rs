//! What comes out is what went in.

use super::client::{anonymous, assert_same_as_layout, error_of, fixture, open};
use crate::docker_registry::{DockerRegistry, Guard};
use c2w::oci::digest::{Algorithm, Digest};
use c2w::oci::{self, ErrorKind};
use c2w::progress::Progress;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn images_come_out_as_they_went_in() {
    let registry = DockerRegistry::start(Guard::Open);
    let host = &registry.host;
    for layout in ["ok-gz", "ok-gzmulti", "ok-zst", "ok-none", "ok-no-layers", "rich"] {
        registry.push(&fixture(layout), "latest", &format!("a/{layout}:v1"));
        let image = open(&format!("{host}/a/{layout}:v1"), &anonymous()).unwrap();
        assert_same_as_layout(&image, layout);
        let digest = &image.manifest_digest;
        let image = open(&format!("docker://{host}/a/{layout}@{digest}"), &anonymous()).unwrap();
        assert_same_as_layout(&image, layout);
        // A second pass over the layers fetches them again.
        assert_same_as_layout(&image, layout);
        // skopeo sees the same image there.
        let manifest = registry.manifest(&format!("a/{layout}@{digest}"));
        assert_eq!(Digest::of(Algorithm::Sha256, &manifest), *digest, "{layout}");
    }
}

/// The highest count for each blob, and its size.
#[derive(Debug, Default)]
struct Counted(Mutex<BTreeMap<String, (u64, u64)>>);

impl Progress for Counted {
    fn blob_bytes(&self, digest: &str, received: u64, of: u64) {
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry(digest.to_owned()).or_default();
        assert!(received > count.0 && received <= of, "{digest}: {received} of {of}");
        *count = (received, of);
    }
}

#[test]
fn progress_is_told_for_each_layer() {
    let registry = DockerRegistry::start(Guard::Open);
    registry.push(&fixture("rich"), "latest", "a:v1");
    let counted = Arc::new(Counted::default());
    let name = format!("{}/a:v1", registry.host).parse().unwrap();
    let progress: Arc<dyn Progress> = counted.clone();
    let image = oci::open_with_progress(&name, &anonymous().options, &progress).unwrap();
    let layers = image.layers();
    assert!(!layers.is_empty());
    for layer in &layers {
        layer.open().unwrap();
        let size = layer.descriptor.size;
        assert_eq!(counted.0.lock().unwrap()[&layer.descriptor.digest.to_string()], (size, size));
    }
}

#[test]
fn unknown_images_and_platforms() {
    let registry = DockerRegistry::start(Guard::Open);
    let host = &registry.host;
    registry.push(&fixture("ok-gz"), "latest", "a/b:v1");
    for name in ["a/b:v2", "no/such", &format!("a/b@sha256:{}", "0".repeat(64))] {
        let error = error_of(&format!("{host}/{name}"), &anonymous());
        assert!(matches!(error.kind, ErrorKind::NotFound(_)), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let mut client = anonymous();
    client.options.platforms = vec!["linux/amd64".parse().unwrap()];
    let error = error_of(&format!("{host}/a/b:v1"), &client);
    assert!(error.to_string().contains("no linux/amd64 variant, only linux/riscv64"), "{error}");
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // Nobody waits for them: this would take minutes.
    let mut patient = anonymous();
    patient.options.backoff = Duration::from_secs(50);
    let error = error_of(&format!("127.0.0.1:{port}/a"), &patient);
    assert!(matches!(error.kind, ErrorKind::Unreachable { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("refused") && text.contains(&port.to_string()), "{text}");

    let error = error_of("registry.invalid/a", &patient);
    assert!(matches!(error.kind, ErrorKind::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("cannot reach registry.invalid"), "{error}");
}
