//! Layers onto the tree: the layouts of `fixtures/images` (what each one tests: `CASES.json`
//! there) come out of an ext4 image as their truth files say, or are refused.

use crate::readback;
use crate::row;
use crate::truth;

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use c2w::convert;
use c2w::ext4::{self, Ext4Error, LIMITS, Options};
use c2w::oci::{self, ImageRef, SourceOptions};
use c2w::rootfs::apply::{AppliedLayer, LayerError, apply_layer};
use c2w::rootfs::spool::Spool;
use c2w::rootfs::tree::{Node, Timestamp, Tree};
use c2w::timing::Timing;
use proptest::prelude::*;
use proptest::test_runner::Config;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
}

struct Merged {
    tree: Tree,
    spool: Spool,
    layers: Vec<AppliedLayer>,
}

/// Applies all layers of a fixture.
fn merge(name: &str) -> Result<Merged, LayerError> {
    let layout = fixtures().join(name);
    let reference: ImageRef = format!("oci:{}", layout.display()).parse().unwrap();
    let image = oci::open(&reference, &SourceOptions::default()).unwrap();
    let (mut tree, mut spool) = (Tree::new(), Spool::new().unwrap());
    let mut layers = Vec::new();
    for layer in image.layers() {
        let mut reader = layer.open().unwrap();
        layers.push(apply_layer(&mut tree, &mut spool, &LIMITS, &mut reader)?);
        reader.finish().unwrap();
    }
    Ok(Merged { tree, spool, layers })
}

/// The error, with its causes, of a fixture that must be refused.
fn refusal(name: &str) -> String {
    match merge(name) {
        Ok(_) => panic!("{name} was accepted"),
        Err(error) => {
            let mut message = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                message += &format!(": {error}");
                cause = error.source();
            }
            message
        }
    }
}

/// Writes an image of the tree into `directory`.
fn write(tree: &Tree, spool: &Spool, directory: &tempfile::TempDir) -> Result<PathBuf, Ext4Error> {
    let path = directory.path().join("image");
    let created = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };
    let options = Options { uuid: *b"c2w layers tests", created };
    ext4::write_image(tree, spool, &options, &mut File::create(&path).unwrap())?;
    Ok(path)
}

/// A module, or a machine of this process, is not made from what cannot fit; files have no such
/// limit.
#[test]
fn a_limit_names_layer_and_file() {
    let place = format!("oci:{}", fixtures().join("rich").display()).parse().unwrap();
    let unpack = |limit| {
        let options = convert::Options::default();
        let mut timing = Timing::start();
        convert::unpack(&place, &options.source, limit, &options.progress, &mut timing)
    };
    assert!(unpack(None).is_ok() && unpack(Some(1 << 20)).is_ok());
    let error = format!("{:#}", unpack(Some(0)).err().unwrap());
    assert!(error.starts_with("layer 1 (sha256:") && error.contains("at most 0 MiB"), "{error}");
}

fn assert_truth(name: &str) {
    let Merged { tree, spool, layers } = merge(name).unwrap();
    assert!(layers.iter().all(|layer| layer.warnings.is_empty()), "{layers:?}");
    let directory = tempfile::tempdir().unwrap();
    let path = write(&tree, &spool, &directory).unwrap();
    let expected = truth::read(&fixtures().join(format!("{name}.truth.jsonl")));
    row::assert_same(&expected, &readback::read_back(&path));
}

#[test]
fn every_fixture_with_a_truth_comes_out_as_it_says() {
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".truth.jsonl") {
            println!("{name}");
            assert_truth(name);
            seen += 1;
        }
    }
    assert_eq!(seen, 12);
}

#[test]
fn hostile_layers_are_refused_with_the_entry_and_the_rule() {
    let cases = [
        ("bad-checksum", "tar header at byte 0: the header's checksum is wrong"),
        ("bad-dotdot", r#"layer entry "../evil": the path leads out of the root"#),
        ("bad-file-parent", r#"layer entry "f/below": "f" in the path is not a directory"#),
        ("bad-hardlink-dir", r#"layer entry "e": hard link to the directory "d""#),
        (
            "bad-hardlink-escape",
            r#"layer entry "pw": hard link to "../../../../etc/passwd", which is not in the image"#,
        ),
        (
            "bad-hardlink-missing",
            r#"layer entry "a": hard link to "not/there", which is not in the image"#,
        ),
        ("bad-huge-longname", "its long names and pax records have more than 1048576 bytes"),
        ("bad-huge-pax", "its long names and pax records have more than 1048576 bytes"),
        ("bad-huge-size", r#"entry "huge": the archive has more than 68719476736 bytes"#),
        ("bad-nul-name", r#"layer entry "a\x00b": a name holds a NUL byte"#),
        (
            "bad-symlink-4096",
            r#"layer entry "s": the target of a symbolic link is longer than 4095 bytes"#,
        ),
        ("bad-symlink-escape", r#"goes through a symbolic link to "tmp", which is not there"#),
        ("bad-symlink-escape2", r#"goes through a symbolic link to "tmp", which is not there"#),
        ("bad-wh-dotdot", r#"layer entry "etc/.wh...": a whiteout must name a file"#),
    ];
    for (name, expected) in cases {
        let error = refusal(name);
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn attributes_that_no_filesystem_takes_are_left_out_with_a_warning() {
    let Merged { tree, layers, .. } = merge("bad-xattr-ns").unwrap();
    let file = tree.inode(tree.lookup(b"/f").unwrap());
    assert!(file.metadata.xattrs.is_empty());
    assert_eq!(layers[0].warnings.len(), 3, "{layers:?}");
    assert!(layers[0].warnings[0].contains(r#""f": left out the attribute "bogus.name""#));
}

#[test]
fn a_bomb_of_zeros_takes_no_space() {
    let Merged { tree, spool, .. } = merge("ok-bomb-zst").unwrap();
    let sizes: Vec<_> = tree
        .entries(tree.root())
        .filter_map(|(_, id)| match &tree.inode(id).node {
            Node::File(content) => Some(content.size),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [64 << 20]);
    assert!(spool.is_empty());
}

/// The uncompressed layers of a fixture.
fn tars(name: &str) -> Vec<Vec<u8>> {
    let layout = fixtures().join(name);
    let reference: ImageRef = format!("oci:{}", layout.display()).parse().unwrap();
    let image = oci::open(&reference, &SourceOptions::default()).unwrap();
    let read = |layer: &oci::Layer| {
        let mut tar = Vec::new();
        layer.open().unwrap().read_to_end(&mut tar).unwrap();
        tar
    };
    image.layers().iter().map(read).collect()
}

/// Puts the right checksum into a header block that was changed.
fn fix_checksum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    /// Whatever a layer says, it is refused or gives an image that e2fsck likes.
    #[test]
    fn changed_layers_are_refused_or_give_sound_images(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..512_usize, any::<u8>()),
            1..6,
        ),
    ) {
        let mut layers = tars("rich");
        let headers: Vec<(usize, usize)> = layers
            .iter()
            .enumerate()
            .flat_map(|(layer, tar)| {
                let is_header = |at: &usize| tar[at + 257..].starts_with(b"ustar");
                (0..tar.len()).step_by(512).filter(is_header).map(move |at| (layer, at))
            })
            .collect();
        for (header, offset, byte) in changes {
            let (layer, at) = *header.get(&headers);
            let block = &mut layers[layer][at..at + 512];
            block[offset] = byte;
            fix_checksum(block);
        }
        let (mut tree, mut spool) = (Tree::new(), Spool::new().unwrap());
        let applied = layers.iter().try_for_each(|layer| {
            apply_layer(&mut tree, &mut spool, &LIMITS, &layer[..]).map(drop)
        });
        let directory = tempfile::tempdir().unwrap();
        if applied.is_ok() && let Ok(path) = write(&tree, &spool, &directory) {
            readback::fsck(&path);
        }
    }
}
