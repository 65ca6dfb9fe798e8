//! What the guest's kernel does for programs: inode numbers of the container's root, and system
//! calls that programs look for. C programs use them.

use crate::container::{C2W, text};
use crate::{guest, process, trial};
use libtest_mimic::Trial;
use std::fs;
use std::path::Path;
use std::process::Command;

pub fn trials() -> Vec<Trial> {
    guest::trials("kernel", || {
        vec![trial("native::inodes", inodes), trial("native::kernel_features", features)]
    })
}

/// The program walks the root, changes the image's files and looks again.
fn inodes() {
    let all_right = "\
the image's files have numbers of their own
they keep them
hard links stay together
/proc says the same
";
    assert_says("inodes", all_right);
}

fn features() {
    let all_there = "\
memfd_secret: yes
cachestat: yes
/proc/self/io: yes
/proc/pressure: yes
memory blocks: yes
landlock: version 6
landlock: yes
";
    assert_says("features", all_there);
}

/// Runs a program in an image of nothing but it and files for it.
fn assert_says(program: &str, expected: &str) {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("end_to_end-{program}"));
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join("folder/empty")).unwrap();
    for name in ["written", "first-link", "moved", "linked", "removed", "folder/inside"] {
        fs::write(root.join(name), "text\n").unwrap();
    }
    fs::hard_link(root.join("first-link"), root.join("second-link")).unwrap();
    guest::compile(program, &root.join("program"));
    let image = format!("rootfs:{}", root.display());
    let output = process::run(Command::new(C2W).args(["run", &image, "--", "/program"]), b"");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(0));
}
