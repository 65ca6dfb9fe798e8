//! The content store in front of registries: what is not asked for twice, what a killed run leaves,
//! and several runs at once.

use crate::docker_registry;
use crate::faulty_server;

use c2w::oci::digest::{Algorithm, Digest};
use c2w::oci::store::Store;
use c2w::oci::{self, Image, SourceOptions};
use docker_registry::{DockerRegistry, Guard};
use faulty_server::{FaultyServer, Reply, Request};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; only a broken program takes it.
const LIMIT: Duration = Duration::from_secs(120);

/// Options with a store in `dir`, that do not depend on who runs the test.
fn options(dir: &Path) -> SourceOptions {
    let auth = dir.join("auth.json");
    fs::write(&auth, "{}").unwrap();
    SourceOptions {
        store: Some(Store::open(&dir.join("cache")).unwrap()),
        auth_file: Some(auth),
        retries: 1,
        backoff: Duration::from_millis(1),
        ..SourceOptions::default()
    }
}

fn pull(name: &str, options: &SourceOptions) -> Result<Vec<Vec<u8>>, oci::Error> {
    let image = oci::open(&name.parse().unwrap(), options)?;
    tars(&image)
}

fn tars(image: &Image) -> Result<Vec<Vec<u8>>, oci::Error> {
    let read = |layer: &oci::Layer<'_>| {
        let (mut reader, mut tar) = (layer.open()?, Vec::new());
        reader.read_to_end(&mut tar).unwrap();
        reader.finish().unwrap();
        Ok(tar)
    };
    image.layers().iter().map(read).collect()
}

/// An image of one layer, which is not a tar, as a registry holds it.
struct Stored {
    manifest: String,
    config: String,
    layer: Vec<u8>,
}

impl Stored {
    fn new() -> Self {
        let layer: Vec<u8> = (0..100_000u32).flat_map(|i| (i / 3).to_le_bytes()).collect();
        let diff_id = digest(&layer);
        let config = format!(
            r#"{{"os":"linux","architecture":"riscv64","rootfs":{{"diff_ids":["{diff_id}"]}}}}"#
        );
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{
            "mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},
            "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{diff_id}",
            "size":{}}}]}}"#,
            digest(config.as_bytes()),
            config.len(),
            layer.len()
        );
        Self { manifest, config, layer }
    }

    fn layer_path(&self) -> String {
        format!("/v2/a/blobs/{}", digest(&self.layer))
    }

    fn answer(&self, request: &Request) -> Reply {
        let by_digest = format!("/v2/a/manifests/{}", digest(self.manifest.as_bytes()));
        let config = format!("/v2/a/blobs/{}", digest(self.config.as_bytes()));
        match request.path.as_str() {
            "/v2/a/manifests/v1" => Reply::new(200, self.manifest.as_str()),
            path if path == by_digest => Reply::new(200, self.manifest.as_str()),
            path if path == config => Reply::new(200, self.config.as_str()),
            path if path == self.layer_path() => Reply::new(200, self.layer.as_slice()),
            _ => Reply::new(404, ""),
        }
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)
}

#[test]
fn an_image_by_digest_needs_no_registry_the_second_time() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let registry = DockerRegistry::start(Guard::Open);
    registry.push(&fixture("rich"), "latest", "a/rich:v1");
    let (tag, host) = (format!("{}/a/rich:v1", registry.host), registry.host.clone());
    let tag_image = oci::open(&tag.parse().unwrap(), &options).unwrap();
    let whole = tars(&tag_image).unwrap();
    assert_eq!(whole.len(), 3);
    drop(registry);

    // By the digest of the image itself, and by that of the index it was found through.
    let index = fs::read_to_string(fixture("rich").join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let index = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    for digest in [tag_image.manifest_digest.to_string(), index] {
        let image = oci::open(&format!("{host}/a/rich@{digest}").parse().unwrap(), &options);
        let image = image.unwrap();
        assert_eq!(image.manifest_digest, tag_image.manifest_digest);
        assert!(tars(&image).unwrap() == whole);
    }
    // A tag may have moved: it is asked for.
    let error = pull(&tag, &options).err().unwrap();
    assert!(matches!(error.kind, oci::ErrorKind::Unreachable { .. }), "{error}");
}

#[test]
fn a_tag_is_asked_for_and_its_blobs_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let stored = Stored::new();
    let (layer, path) = (stored.layer.clone(), stored.layer_path());
    let server = FaultyServer::start(move |request| stored.answer(request));
    let name = format!("{}/a:v1", server.host());
    for run in 1..=3 {
        assert!(pull(&name, &options).unwrap() == [layer.clone()]);
        assert_eq!(server.count("/v2/a/manifests/v1"), run);
        assert_eq!(server.count(&path), 1);
    }
    assert_eq!(server.seen().iter().filter(|seen| seen.path.contains("/blobs/")).count(), 2);

    // Spoilt on the disk: no error, but fetched again.
    let kept = format!("cache/blobs/sha256/{}", digest(&layer).hex());
    let kept = dir.path().join(kept);
    let mut spoilt = layer.clone();
    spoilt[77] ^= 1;
    fs::write(&kept, spoilt).unwrap();
    assert!(pull(&name, &options).unwrap() == [layer.clone()]);
    assert_eq!(server.count(&path), 2);
    assert!(fs::read(&kept).unwrap() == layer);

    let without = SourceOptions { store: None, ..options };
    assert!(pull(&name, &without).unwrap() == [layer]);
    assert_eq!(server.count(&path), 3);
}

/// `c2w IMAGE` with its cache in `dir`. The layer is not a tar, so no run comes far.
fn c2w(server: &FaultyServer, dir: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
    command.arg(format!("{}/a:v1", server.host())).arg(dir.join("out.wasm"));
    command.env("C2W_CACHE_DIR", dir.join("cache")).env("HOME", dir).env("XDG_RUNTIME_DIR", dir);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn assert_came_to_the_layer(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("layer 1") && said.contains("checksum"), "{said}");
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LIMIT, "no {what}");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_killed_run_leaves_no_torn_blob_and_the_next_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (stored, tries) = (Stored::new(), AtomicUsize::new(0));
    let (layer, path) = (stored.layer.clone(), stored.layer_path());
    let half = layer.len() / 2;
    let (fault_path, fault_layer) = (path.clone(), layer.clone());
    let server = FaultyServer::start(move |request| {
        let whole = stored.answer(request);
        if request.path != fault_path {
            return whole;
        }
        if tries.fetch_add(1, Ordering::SeqCst) == 0 {
            return Reply { cut: Some(half), stall: true, ..whole };
        }
        let rest = Reply::new(206, &fault_layer[half..]);
        let last = fault_layer.len() - 1;
        rest.header("Content-Range", format!("bytes {half}-{last}/{}", fault_layer.len()))
    });
    let hex = digest(&layer).hex().to_owned();
    let partial = dir.path().join(format!("cache/partial/sha256-{hex}"));
    let blob = dir.path().join(format!("cache/blobs/sha256/{hex}"));

    let mut first = c2w(&server, dir.path());
    wait_for("half a layer", || fs::metadata(&partial).is_ok_and(|m| m.len() == half as u64));
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(partial.exists() && !blob.exists());

    assert_came_to_the_layer(&c2w(&server, dir.path()).wait_with_output().unwrap());
    let requests = server.seen();
    let ranges = requests.iter().filter(|seen| seen.path == path).map(|seen| seen.header("range"));
    assert_eq!(
        ranges.collect::<Vec<_>>(),
        [None, Some(&*format!("bytes={half}-{}", layer.len() - 1))]
    );
    assert!(fs::read(blob).unwrap() == layer && !partial.exists());
}

#[test]
fn two_runs_at_once_fetch_a_layer_once() {
    let dir = tempfile::tempdir().unwrap();
    let (stored, tags) = (Stored::new(), Arc::new(AtomicUsize::new(0)));
    let path = stored.layer_path();
    let layer_path = path.clone();
    let server = FaultyServer::start(move |request| {
        match request.path.as_str() {
            "/v2/a/manifests/v1" => {
                tags.fetch_add(1, Ordering::SeqCst);
            }
            // Both must be under way before the layer comes.
            other if other == layer_path => {
                wait_for("second run", || tags.load(Ordering::SeqCst) == 2);
            }
            _ => {}
        }
        stored.answer(request)
    });
    let runs = [c2w(&server, dir.path()), c2w(&server, dir.path())];
    for run in runs {
        assert_came_to_the_layer(&run.wait_with_output().unwrap());
    }
    assert_eq!(server.count(&path), 1);
}

#[test]
fn without_a_place_for_it_there_is_a_note_and_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let stored = Stored::new();
    let server = FaultyServer::start(move |request| stored.answer(request));
    fs::write(dir.path().join("cache"), "a file is in the way").unwrap();
    let output = c2w(&server, dir.path()).wait_with_output().unwrap();
    assert_came_to_the_layer(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("warning: nothing is cached: cannot make"), "{said}");

    let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
    command.arg(format!("{}/a:v1", server.host())).arg(dir.path().join("out.wasm"));
    command.env_remove("HOME").env_remove("C2W_CACHE_DIR").env_remove("XDG_CACHE_HOME");
    command.env("XDG_RUNTIME_DIR", dir.path());
    let homeless = command.output().unwrap();
    assert_came_to_the_layer(&homeless);
    let said = String::from_utf8_lossy(&homeless.stderr).into_owned();
    assert!(said.contains("warning: nothing is cached: set HOME"), "{said}");
    let silent = command.arg("--no-cache").output().unwrap();
    assert!(!String::from_utf8_lossy(&silent.stderr).contains("note"));
}
