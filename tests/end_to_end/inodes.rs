//! Inode numbers of the container's root: a C program walks it, changes the image's files and
//! looks again.

use crate::container::{C2W, text};
use crate::{guest, process, trial};
use libtest_mimic::Trial;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What the program in `guest/inodes.c` prints when all is right.
const ALL_RIGHT: &str = "\
the image's files have numbers of their own
they keep them
hard links stay together
/proc says the same
";

pub fn trials() -> Vec<Trial> {
    guest::trials("inodes", || vec![trial("native::inodes", inodes)])
}

/// The program alone, and files for it.
fn inodes() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("end_to_end-inodes");
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join("folder/empty")).unwrap();
    for name in ["written", "first-link", "moved", "linked", "removed", "folder/inside"] {
        fs::write(root.join(name), "text\n").unwrap();
    }
    fs::hard_link(root.join("first-link"), root.join("second-link")).unwrap();
    guest::compile("inodes", &root.join("inodes"));
    let image = format!("rootfs:{}", root.display());
    let output = process::run(Command::new(C2W).args(["run", &image, "--", "/inodes"]), b"");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout), ALL_RIGHT);
    assert_eq!(output.status.code(), Some(0));
}
