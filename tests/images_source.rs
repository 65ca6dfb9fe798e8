//! Reads the layouts of `fixtures/images` (what each one tests: `CASES.json` there).

use c2w::oci::layer::LayerError;
use c2w::oci::{self, ErrorKind, Image, ImageRef, SourceOptions, guest_config};
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)
}

fn open_dir(dir: &Path, select: &str) -> Result<Image, oci::Error> {
    let reference: ImageRef = format!("oci:{}{select}", dir.display()).parse().unwrap();
    oci::open(&reference, &SourceOptions::default())
}

/// Opens a fixture and reads all of its layers; gives their tars.
fn pull_dir(dir: &Path, select: &str) -> Result<Vec<Vec<u8>>, String> {
    let image = open_dir(dir, select).map_err(|error| error.to_string())?;
    let mut tars = Vec::new();
    for layer in image.layers() {
        let mut reader = layer.open().map_err(|error| error.to_string())?;
        let mut tar = Vec::new();
        reader.read_to_end(&mut tar).map_err(|error| error.to_string())?;
        reader.finish().map_err(|error| error.to_string())?;
        tars.push(tar);
    }
    Ok(tars)
}

fn pull(name: &str) -> Result<Vec<Vec<u8>>, String> {
    pull_dir(&fixture(name), "")
}

/// A copy of a fixture to spoil.
fn copy(name: &str) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    copy_tree(&fixture(name), target.path());
    target
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// The digest of the only manifest in `index.json`.
fn root_digest(dir: &Path) -> String {
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap();
    index["manifests"][0]["digest"].as_str().unwrap().to_owned()
}

fn blob_path(dir: &Path, digest: &str) -> PathBuf {
    dir.join("blobs").join(digest.replace(':', "/"))
}

#[test]
fn every_case_is_known_and_behaves() {
    let cases: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("CASES.json")).unwrap()).unwrap();
    // What the source refuses, and the words of it. All other cases have whole layers, whatever
    // the tars inside are.
    let refused = [
        ("bad-diffid", "not what the configuration says"),
        ("bad-digest", "has wrong content"),
        ("bad-gz-trailing", "cannot be decompressed"),
        ("bad-layer-count", "2 layers, but its configuration 1 DiffIDs"),
        ("bad-missing-blob", "is not there"),
        ("bad-truncated-gz", "cannot be decompressed"),
        ("odd-artifact", "OCI artifact of type \"application/x.test\""),
        ("odd-windows", "no variant that c2w runs, only windows/amd64"),
        ("ok-two-tags", "add one of their tags, one, two"),
    ];
    for name in cases.as_object().unwrap().keys() {
        let result = pull(name);
        match refused.iter().find(|(case, _)| case == name) {
            Some((_, words)) => {
                let error = result.expect_err(name);
                assert!(error.contains(words), "{name}: {error}");
                assert!(!error.contains('\n'), "{name}: {error}");
            }
            None => assert!(result.is_ok(), "{name}: {result:?}"),
        }
    }
}

#[test]
fn the_same_layer_in_every_compression() {
    let plain = pull("ok-none").unwrap();
    assert_eq!(plain.len(), 1);
    for name in ["ok-gz", "ok-gzmulti", "ok-zst", "odd-gz-says-tar", "odd-zst-says-gzip"] {
        assert!(pull(name).unwrap() == plain, "{name}");
    }
    assert!(pull("ok-no-layers").unwrap().is_empty());
}

#[test]
fn the_rich_image_is_found_for_its_platform() {
    let image = open_dir(&fixture("rich"), ":latest").unwrap();
    assert_eq!(
        image.manifest_digest.to_string(),
        "sha256:3dbc518e09b67cf02aaf9ca9f4d6af06fbe32168410d0effd053be278082481f"
    );
    assert_eq!(image.layers().len(), 3);
    let guest = guest_config(&image.config);
    assert_eq!(guest.entrypoint, [b"/bin/sh".to_vec(), b"-c".to_vec()]);
    assert_eq!(guest.cmd, [b"echo hi".to_vec()]);
    assert_eq!(guest.volumes, [b"/data".to_vec()]);

    let reference: ImageRef = format!("oci:{}", fixture("rich").display()).parse().unwrap();
    let on = |platform: &str| {
        let platforms = vec![platform.parse().unwrap()];
        let options = SourceOptions { platforms, ..SourceOptions::default() };
        oci::open(&reference, &options).map(|image| image.config.platform.to_string())
    };
    for platform in ["linux/arm/v6", "linux/arm/v7", "linux/arm64/v8", "linux/ppc64le"] {
        assert_eq!(on(platform).unwrap(), platform);
    }
    let error = on("linux/s390x").unwrap_err();
    let ErrorKind::Platform { have, .. } = &error.kind else { panic!("{error}") };
    // Six images; the attestation is none.
    assert_eq!(have.len(), 6, "{error}");
    assert!(error.to_string().contains("linux/riscv64"), "{error}");
}

#[test]
fn tags_and_digests_choose() {
    let dir = fixture("ok-two-tags");
    let one = open_dir(&dir, ":one").unwrap().manifest_digest;
    let two = open_dir(&dir, ":two").unwrap().manifest_digest;
    assert_ne!(one, two);
    assert_eq!(open_dir(&dir, &format!("@{two}")).unwrap().manifest_digest, two);
    let error = open_dir(&dir, ":three").err().unwrap().to_string();
    assert!(error.contains("no such image") && error.contains("one, two"), "{error}");
    let nested = open_dir(&fixture("ok-nested-index"), "").unwrap();
    assert_eq!(nested.config.platform.to_string(), "linux/riscv64");
}

#[test]
fn errors_name_the_image_and_the_digest() {
    let error = pull("bad-missing-blob").unwrap_err();
    assert!(error.starts_with("image oci:/") && error.contains("bad-missing-blob"), "{error}");
    let image = open_dir(&fixture("bad-digest"), "").unwrap();
    let layers = image.layers();
    let error = layers[0].open().unwrap().finish().unwrap_err();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<LayerError>());
    assert!(matches!(inner, Some(LayerError::Blob(_))), "{error}");
    assert!(error.to_string().contains(&layers[0].descriptor.digest.to_string()), "{error}");
}

#[test]
fn what_is_no_layout_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let missing = pull_dir(&dir.path().join("none"), "").unwrap_err();
    assert!(missing.contains("open the directory"), "{missing}");
    let empty = pull_dir(dir.path(), "").unwrap_err();
    assert!(empty.contains("not an OCI layout: it has no file oci-layout"), "{empty}");
    for (file, text, words) in [
        ("oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#, "\"2.0.0\" is unknown"),
        ("oci-layout", "{}", "malformed"),
        ("index.json", "{", "malformed"),
        ("index.json", r#"{"manifests":[]}"#, "no such image"),
        ("index.json", r#"{"manifests":null}"#, "its index.json is not an image index"),
        ("index.json", r#"{"schemaVersion":2}"#, r#"an image index: it has no "manifests""#),
        ("index.json", r#"{"mediaType":"a/b"}"#, "its index.json is not an image index"),
        ("index.json", "[]", "its index.json is malformed: it must be an object, not a list"),
        (
            "index.json",
            r#"{"manifests":[{"size":"2"}]}"#,
            r#"manifests[0].size must be a whole number, not the string "2""#,
        ),
    ] {
        let dir = copy("ok-gz");
        fs::write(dir.path().join(file), text).unwrap();
        let error = pull_dir(dir.path(), "").unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
    let dir = copy("ok-gz");
    fs::write(dir.path().join("index.json"), vec![b' '; (4 << 20) + 1]).unwrap();
    let error = pull_dir(dir.path(), "").unwrap_err();
    assert!(error.contains("more than 4194304 bytes"), "{error}");
}

/// A layout in which everything is a symbolic link, as Bazel's rules make it: files are elsewhere
/// in the directory, and so are `blobs` and `blobs/sha256`.
fn linked(name: &str) -> tempfile::TempDir {
    let dir = copy(name);
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("store/deep")).unwrap();
    for file in ["oci-layout", "index.json"] {
        fs::rename(at(file), at("store").join(file)).unwrap();
        symlink(Path::new("store").join(file), at(file)).unwrap();
    }
    for blob in fs::read_dir(at("blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        let kept = at("store/deep").join(blob.file_name());
        fs::rename(blob.path(), &kept).unwrap();
        symlink(Path::new("../deep").join(blob.file_name()), blob.path()).unwrap();
    }
    fs::rename(at("blobs/sha256"), at("store/sha256")).unwrap();
    fs::remove_dir(at("blobs")).unwrap();
    fs::create_dir(at("real")).unwrap();
    symlink(at("store/sha256"), at("real/sha256")).unwrap();
    symlink("./real", at("blobs")).unwrap();
    dir
}

#[test]
fn links_inside_of_a_layout_are_followed() {
    let dir = linked("ok-gz");
    assert_eq!(pull_dir(dir.path(), ""), pull("ok-gz"));
    // Also in an archive, if they are relative.
    fs::remove_file(dir.path().join("real/sha256")).unwrap();
    symlink("../store/sha256", dir.path().join("real/sha256")).unwrap();
    let archive = |flags: &[&str]| {
        let path = dir.path().join("a.tar");
        let mut tar = Command::new("tar");
        tar.args(flags).arg("--exclude=a.tar").arg("-cf").arg(&path).arg("-C").arg(dir.path());
        assert!(tar.arg(".").status().unwrap().success());
        let reference = format!("oci-archive:{}", path.display()).parse().unwrap();
        oci::open(&reference, &SourceOptions::default()).map(|image| image.manifest_digest)
    };
    let expected = open_dir(&fixture("ok-gz"), "").unwrap().manifest_digest;
    assert_eq!(archive(&[]).unwrap(), expected);
    // As they come from Bazel: the files are in its cache.
    let cache = tempfile::tempdir().unwrap();
    fs::rename(dir.path().join("store/deep"), cache.path().join("deep")).unwrap();
    symlink(cache.path().join("deep"), dir.path().join("store/deep")).unwrap();
    let error = archive(&[]).unwrap_err().to_string();
    assert!(error.contains("tar --dereference"), "{error}");
    assert_eq!(archive(&["--dereference"]).unwrap(), expected);
}

#[test]
fn links_out_of_a_layout_are_refused() {
    // The link's target even has the right content.
    let outside = tempfile::tempdir().unwrap();
    let move_out = |dir: &Path, name: &Path| {
        let kept = outside.path().join("kept");
        let _ = fs::remove_dir_all(&kept);
        let _ = fs::remove_file(&kept);
        assert!(Command::new("mv").arg(dir.join(name)).arg(&kept).status().unwrap().success());
        symlink(&kept, dir.join(name)).unwrap();
    };
    let dir = copy("ok-gz");
    let root = blob_path(Path::new(""), &root_digest(dir.path()));
    for name in ["oci-layout", "index.json", "blobs", "blobs/sha256", root.to_str().unwrap()] {
        let dir = copy("ok-gz");
        move_out(dir.path(), Path::new(name));
        let error = pull_dir(dir.path(), "").unwrap_err();
        let advice = format!("`cp -rL {} COPY`", dir.path().display());
        assert!(error.contains(&format!("{name:?} is a symbolic link to")), "{error}");
        assert!(error.contains(&advice), "{error}");
        // The advice is good.
        let copied = outside.path().join("copy");
        let _ = fs::remove_dir_all(&copied);
        let done = Command::new("cp").arg("-rL").arg(dir.path()).arg(&copied).status();
        assert!(done.unwrap().success());
        assert_eq!(pull_dir(&copied, ""), pull("ok-gz"));
    }

    let dir = copy("ok-gz");
    let blob = blob_path(dir.path(), &root_digest(dir.path()));
    fs::remove_file(&blob).unwrap();
    let fifo = Command::new("mkfifo").arg(dir.path().join("fifo")).status().unwrap();
    assert!(fifo.success());
    symlink("../../fifo", &blob).unwrap();
    let error = pull_dir(dir.path(), "").unwrap_err();
    assert!(error.contains("not a regular file"), "{error}");
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    for (file, from, to, words) in [
        ("oci-layout", "{", "{\"a\":1,\"a\":2,", "oci-layout has the key \"a\" twice: refused"),
        ("index.json", "{", "{\"manifests\":[],", "index.json has the key \"manifests\" twice: r"),
        ("index.json", "\"size\"", "\"size\":1,\"size\"", "twice in manifests[0]: refused"),
        (
            "index.json",
            "\"org.",
            "\"x\":\"1\",\"x\":\"2\",\"org.",
            "the key \"x\" twice in manifests[0].annotations: refused",
        ),
    ] {
        let dir = copy("ok-gz");
        let text = fs::read_to_string(dir.path().join(file)).unwrap();
        fs::write(dir.path().join(file), text.replacen(from, to, 1)).unwrap();
        let error = pull_dir(dir.path(), "").unwrap_err();
        assert!(error.contains(words) && error.contains("in two ways"), "{error}");
    }
}

#[test]
fn documents_over_their_limit_are_not_read() {
    let dir = copy("ok-gz");
    let index = dir.path().join("index.json");
    let text = fs::read_to_string(&index).unwrap();
    let digest = root_digest(dir.path());
    let size = fs::metadata(blob_path(dir.path(), &digest)).unwrap().len();
    let huge = text.replace(&format!("\"size\": {size}"), "\"size\": 4194305");
    assert_ne!(huge, text);
    fs::write(&index, huge).unwrap();
    let error = pull_dir(dir.path(), "").unwrap_err();
    assert!(error.contains("has 4194305 bytes, at most 4194304"), "{error}");
}

/// The same image as Docker stores it: schema 2, in a list, and as schema 1 before that.
#[test]
fn dockers_own_documents() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| format!("dir:{}", dir.path().join(name).display());
    for format in ["v2s2", "v2s1"] {
        let output = Command::new("skopeo")
            .args(["--insecure-policy", "--override-arch=riscv64", "copy", "--quiet", "--format"])
            .args([format, &format!("oci:{}", fixture("ok-gz").display()), &place(format)])
            .output()
            .expect("this test needs skopeo");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let open = |name: &str| oci::open(&place(name).parse().unwrap(), &SourceOptions::default());
    let image = open("v2s2").unwrap();
    assert!(image.layers()[0].descriptor.media_type.starts_with("application/vnd.docker.image."));

    let manifest = dir.path().join("v2s2/manifest.json");
    let digest = &image.manifest_digest;
    let size = fs::metadata(&manifest).unwrap().len();
    fs::rename(&manifest, dir.path().join(format!("v2s2/{}.manifest.json", digest.hex()))).unwrap();
    let list = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": [{
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "digest": digest.to_string(), "size": size,
            "platform": { "os": "linux", "architecture": "riscv64" },
        }],
    });
    fs::write(&manifest, list.to_string()).unwrap();
    assert_eq!(open("v2s2").unwrap().manifest_digest, *digest);
    let error = open("v2s1").err().unwrap().to_string();
    assert!(error.contains("Docker's old schema 1"), "{error}");
}

/// A layer that registries must not have, and do not.
#[test]
fn a_foreign_layer_that_is_missing_has_its_own_error() {
    assert!(pull("odd-foreign").is_ok());
    let dir = copy("odd-foreign");
    let image = open_dir(dir.path(), "").unwrap();
    let layer = image.layer_descriptors().next().unwrap().0.clone();
    assert!(layer.is_foreign(), "{}", layer.media_type);
    fs::remove_file(blob_path(dir.path(), &layer.digest.to_string())).unwrap();
    let error = pull_dir(dir.path(), "").unwrap_err();
    assert!(error.contains("(a foreign layer)") && error.contains("skopeo copy"), "{error}");
}

/// What a descriptor brings along needs no file, if it is what the descriptor says.
#[test]
fn data_in_a_descriptor_is_used() {
    let whole = pull("odd-data-field").unwrap();
    let dir = copy("odd-data-field");
    let image = open_dir(dir.path(), "").unwrap();
    let layer = image.layer_descriptors().next().unwrap().0.clone();
    assert!(layer.embedded().is_some());
    fs::remove_file(blob_path(dir.path(), &layer.digest.to_string())).unwrap();
    assert!(pull_dir(dir.path(), "").unwrap() == whole);
}
