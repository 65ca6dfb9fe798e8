//! umoci as a foreign judge: what it makes of random layers, we make of them.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{apply, run};
use crate::row::{self, Rows};
use crate::tar_builder::{Header, Tar, put};
use crate::{tree_rows, walk};

/// One entry of a random layer.
#[derive(Debug, Clone)]
enum Step {
    Directory(String, u16),
    File(String, u16, Vec<u8>),
    Symlink(String, String),
    HardLink(String, String),
    Whiteout(String),
    Opaque(String),
}

/// Paths of one to three names; few, so that entries meet.
fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]", 1..=3).prop_map(|names| names.join("/"))
}

fn steps() -> impl Strategy<Value = Step> {
    let modes = prop::sample::select(vec![0o755_u16, 0o700, 0o1777, 0o4711, 0o644]);
    let target =
        prop_oneof![paths(), paths().prop_map(|path| format!("/{path}")), Just("..".into())];
    prop_oneof![
        3 => (paths(), modes.clone()).prop_map(|(path, mode)| Step::Directory(path, mode)),
        4 => (paths(), modes, prop::collection::vec(any::<u8>(), 0..9))
            .prop_map(|(path, mode, content)| Step::File(path, mode, content)),
        2 => (paths(), target).prop_map(|(path, target)| Step::Symlink(path, target)),
        2 => (paths(), paths()).prop_map(|(path, target)| Step::HardLink(path, target)),
        2 => paths().prop_map(Step::Whiteout),
        1 => "[abc]".prop_map(Step::Opaque),
    ]
}

fn add(tar: Tar, step: &Step) -> Tar {
    let mode =
        |mode: u16| move |header: &mut Header| put(header, 100, format!("{mode:07o}").as_bytes());
    match step {
        Step::Directory(path, bits) => tar.header(b'5', path.as_bytes(), 0, mode(*bits)),
        Step::File(path, bits, content) => {
            tar.header(b'0', path.as_bytes(), content.len() as u64, mode(*bits)).data(content)
        }
        Step::Symlink(path, target) => tar.symlink(path, target),
        Step::HardLink(path, target) => tar.link(path, target),
        Step::Whiteout(path) => {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            tar.file(format!("{parent}/.wh.{name}").trim_start_matches('/'), "")
        }
        // With its directory: umoci makes none for the marker alone, as containers/storage does.
        Step::Opaque(path) => tar.dir(path).file(format!("{path}/.wh..wh..opq"), ""),
    }
}

/// Keeps of a random layer what we accept, entry by entry: umoci must then accept it as well.
fn accepted(layers: &[Vec<Step>]) -> Vec<Vec<u8>> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for steps in layers {
        let mut layer = Tar::new();
        for step in steps {
            let longer = add(layer.clone(), step);
            kept.push(longer.clone().end());
            if apply(&kept).is_ok() {
                layer = longer;
            }
            kept.pop();
        }
        kept.push(layer.end());
    }
    kept
}

/// An OCI layout with these layers, uncompressed.
fn layout(directory: &Path, layers: &[Vec<u8>]) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8], kind: &str| {
        let digest = row::sha256(bytes);
        fs::write(blobs.join(&digest), bytes).unwrap();
        let size = bytes.len();
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{digest}","size":{size}}}"#
        )
    };
    let descriptors: Vec<_> = layers.iter().map(|layer| blob(layer, "layer.v1.tar")).collect();
    let ids: Vec<_> =
        layers.iter().map(|layer| format!("\"sha256:{}\"", row::sha256(layer))).collect();
    let config = format!(
        r#"{{"architecture":"riscv64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    );
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
        blob(config.as_bytes(), "config.v1+json"),
        descriptors.join(",")
    );
    let manifest = blob(manifest.as_bytes(), "manifest.v1+json");
    let named =
        manifest.replacen('{', r#"{"annotations":{"org.opencontainers.image.ref.name":"t"},"#, 1);
    fs::write(
        directory.join("index.json"),
        format!(r#"{{"schemaVersion":2,"manifests":[{named}]}}"#),
    )
    .unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// Unpacks with umoci; gives the root directory.
fn umoci(directory: &Path, layers: &[Vec<u8>]) -> Result<PathBuf, String> {
    layout(directory, layers);
    let (image, bundle) = (format!("{}:t", directory.display()), directory.join("bundle"));
    run("umoci", &["unpack", "--rootless", "--image", &image, bundle.to_str().unwrap()])
        .expect("umoci was there")?;
    Ok(bundle.join("rootfs"))
}

/// What both must agree on: not the times and modes of directories that no layer describes, and
/// not what a rootless umoci cannot set.
fn comparable(mut rows: Rows) -> Rows {
    rows.remove(&b"/"[..]);
    for row in rows.values_mut() {
        (row.uid, row.gid) = (0, 0);
        if row.kind == "dir" {
            row.mtime = (0, 0);
        }
    }
    rows
}

#[test]
fn umoci_makes_the_same_tree_of_random_layers() {
    assert!(run("umoci", &["--version"]).is_some(), "this test needs umoci: install it");
    let cases = std::env::var("C2W_UMOCI_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let layers = prop::collection::vec(prop::collection::vec(steps(), 1..10), 1..4);
    TestRunner::new(config)
        .run(&layers, |layers| {
            let layers = accepted(&layers);
            let ours = apply(&layers).unwrap();
            let directory = tempfile::tempdir().unwrap();
            let root = match umoci(directory.path(), &layers) {
                // It removes what has the link's name first, even when that is the target.
                Err(error) if error.contains("unpriv.link") => return Ok(()),
                root => root.map_err(TestCaseError::fail)?,
            };
            let theirs = comparable(walk::rows(&root));
            let ours = comparable(tree_rows::rows_of(&ours.tree, &ours.spool));
            let differences = row::differences(&theirs, &ours).join("\n");
            prop_assert!(differences.is_empty(), "umoci expects:\n{differences}");
            Ok(())
        })
        .unwrap();
}
