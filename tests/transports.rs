//! One image through each transport gives one tree. The archives are made by other programs.

#[path = "support/row.rs"]
mod row;
#[path = "support/tree_rows.rs"]
mod tree_rows;
#[path = "support/truth.rs"]
mod truth;

use c2w::oci::{self, SourceOptions};
use c2w::rootfs::apply::apply_layer;
use c2w::rootfs::spool::Spool;
use c2w::rootfs::tree::Tree;
use row::{Rows, assert_same};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)
}

fn truth(name: &str) -> Rows {
    truth::read(&fixture(&format!("{name}.truth.jsonl")))
}

fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    let output =
        command.output().unwrap_or_else(|error| panic!("this test needs {program:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

fn skopeo() -> Command {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "--override-os=linux", "--override-arch=riscv64"]);
    command
}

fn skopeo_copy(arguments: &[&str]) {
    run(skopeo().args(["copy", "--quiet"]).args(arguments));
}

/// The tree of an image, as `c2w` would convert it.
fn read(name: &str) -> Result<Rows, String> {
    let image = oci::open(&name.parse().unwrap(), &SourceOptions::default())
        .map_err(|error| error.to_string())?;
    let (mut tree, mut spool) = (Tree::new(), Spool::new().unwrap());
    for layer in image.layers() {
        let mut reader = layer.open().map_err(|error| error.to_string())?;
        apply_layer(&mut tree, &mut spool, &mut reader).map_err(|error| error.to_string())?;
        reader.finish().map_err(|error| error.to_string())?;
    }
    Ok(tree_rows::rows_of(&tree, &spool))
}

fn assert_is(name: &str, expected: &Rows) {
    let found = read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_same(expected, &found);
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The path of `name` in the directory, as text.
    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn what_skopeo_writes_is_the_same_image() {
    let dir = Dir::new();
    for (fixture_name, destinations) in [
        ("rich", &["dir", "oci-archive"][..]),
        ("ok-gz", &["dir", "oci-archive", "docker-archive"]),
        ("ok-gzmulti", &["docker-archive"]),
        ("ok-no-layers", &["dir", "oci-archive", "docker-archive"]),
        ("ok-none", &["docker-archive"]),
    ] {
        let expected = truth(fixture_name);
        let source = format!("oci:{}", fixture(fixture_name).display());
        for transport in destinations {
            let place = format!("{transport}:{}", dir.at(&format!("{fixture_name}.{transport}")));
            let tag = if *transport == "dir" { "" } else { ":test/name:v1" };
            skopeo_copy(&[&source, &format!("{place}{tag}")]);
            assert_is(&place, &expected);
            if *transport == "docker-archive" {
                for name in ["test/name:v1", "docker.io/test/name:v1", "@0"] {
                    assert_is(&format!("{place}:{name}"), &expected);
                }
                let error = read(&format!("{place}:other:v1")).unwrap_err();
                assert!(error.contains("the archive has"), "{error}");
            }
        }
    }
    // With all platforms: an index in a directory.
    let place = format!("dir:{}", dir.at("all"));
    skopeo_copy(&["--all", &format!("oci:{}", fixture("rich").display()), &place]);
    assert_is(&place, &truth("rich"));
}
