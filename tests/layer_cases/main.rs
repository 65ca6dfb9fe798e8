//! Layers made for one rule each: what they become, or why they are refused. All that is accepted
//! is written as ext4, judged by e2fsck and read back.

mod hostile;
mod images;
mod links;
mod metadata;
mod names;
mod sparse;
mod umoci;
mod whiteouts;

use crate::layered;
use crate::readback;
use crate::row;
use crate::tar_builder;
use crate::tree_rows;

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use c2w::ext4::{self, Options};
use c2w::rootfs::tree::Timestamp;
use layered::{Merged, apply};
use tar_builder::Tar;

/// Writes the image into `directory`.
fn write(merged: &Merged, directory: &tempfile::TempDir) -> PathBuf {
    let path = directory.path().join("image");
    let created = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };
    let options = Options { uuid: *b"c2w's layer test", created };
    let mut file = File::create(&path).unwrap();
    ext4::write_image(&merged.tree, &merged.spool, &options, &mut file).unwrap();
    path
}

/// Writes the image and compares all that comes back with the tree.
fn assert_round_trip(merged: &Merged) {
    let directory = tempfile::tempdir().unwrap();
    let path = write(merged, &directory);
    let rows = tree_rows::rows_of(&merged.tree, &merged.spool);
    row::assert_same(&rows, &readback::read_back(&path));
}

/// Layers that are accepted, and what they become.
#[track_caller]
fn becomes(layers: Vec<Vec<u8>>, expected: &[&str]) -> Merged {
    let merged = apply(&layers).unwrap();
    assert_eq!(merged.listing(), expected);
    assert_round_trip(&merged);
    merged
}

/// Layers that are refused, and a part of the message.
#[track_caller]
fn refused(layers: Vec<Vec<u8>>, expected: &str) {
    match apply(&layers) {
        Ok(merged) => panic!("accepted: {:?}", merged.listing()),
        Err(error) => assert!(error.contains(expected), "{error}"),
    }
}

fn tar() -> Tar {
    Tar::new()
}

/// Runs a program; `None` when there is none. Else what it printed.
fn run(program: &str, arguments: &[&str]) -> Option<Result<String, String>> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stdout) + &text(&output.stderr)),
    })
}
