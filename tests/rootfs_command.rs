//! `c2w rootfs`: the image in a file, with holes, and as a stream; nothing when it fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> String {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
    format!("oci:{}", images.join(name).display())
}

fn rootfs(name: &str, output: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_c2w"))
        .args(["rootfs", &fixture(name)])
        .arg(output)
        .output()
        .expect("c2w runs")
}

#[test]
fn a_file_and_a_stream_are_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.ext4");
    let done = rootfs("rich", &path);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let stream = rootfs("rich", &PathBuf::from("-"));
    assert!(stream.status.success());
    assert!(fs::read(&path).unwrap() == stream.stdout);
    let fsck = Command::new("e2fsck").arg("-fn").arg(&path).output();
    let fsck = fsck.expect("this test needs e2fsck: install e2fsprogs");
    assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stdout));
}

#[test]
fn a_refused_image_leaves_no_file_and_names_layer_entry_and_rule() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.ext4");
    let refused = rootfs("bad-dotdot", &path);
    assert!(!refused.status.success());
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(message.contains("layer 1 (sha256:"), "{message}");
    assert!(
        message.contains(r#"layer entry "../evil": the path leads out of the root"#),
        "{message}"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    assert!(rootfs("bad-dotdot", &PathBuf::from("-")).stdout.is_empty());
}
