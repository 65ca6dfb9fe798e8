//! Whole images: what the kernel shows of them when it mounts them, and what mke2fs needs for the
//! same tree.

use std::fs;
use std::path::Path;

use super::{apply, run, tar, write};
use crate::layered::Merged;
use crate::tar_builder::{Header, put};
use crate::{readback, row, tree_rows, walk};

/// An image that this machine's kernel has mounted.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(image: &Path, options: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let (image, target) = (image.to_str().unwrap(), place.path().to_str().unwrap());
        let mounted = run("mount", &["-t", "ext4", "-o", options, image, target]);
        assert!(matches!(mounted, Some(Ok(_))), "{mounted:?}");
        Self(place)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = run("umount", &[self.0.path().to_str().unwrap()]);
        assert!(matches!(unmounted, Some(Ok(_))), "{unmounted:?}");
    }
}

/// An image with some of everything.
fn varied() -> Merged {
    let mode = |header: &mut Header| put(header, 100, b"0004711");
    let mut layer = tar()
        .dir("d")
        .header(b'0', b"d/setuid", 4, mode)
        .data(b"data")
        .pax(&[(b"mtime", b"-1.25"), (b"uid", b"3000000000")])
        .file("d/old", "x".repeat(5000))
        .pax(&[(b"mtime", b"4294967297.000000001")])
        .file("d/new", "")
        .pax(&[
            (b"SCHILY.xattr.user.small", b"\0\n"),
            (b"SCHILY.xattr.user.large", &[7; 3000]),
            (
                b"SCHILY.xattr.security.capability",
                b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            ),
        ])
        .file(b"d/\xff\xfe", "")
        .link("d/hard", "d/setuid")
        .symlink("short", "d/new")
        .symlink("long", "t/".repeat(100))
        .device(b'3', "null", 1, 3)
        .device(b'4', "block", 259, 1_000_000)
        .header(b'6', b"pipe", 0, |_| {});
    for i in 0..3000 {
        layer = layer.file(format!("many/{i}"), format!("{i}"));
    }
    let mut holes = vec![0; 1 << 20];
    (0..20).for_each(|i| holes[i * 50_000] = 1);
    apply(&[layer.file("holes", holes).end()]).unwrap()
}

/// What the kernel shows, in the form that trees have here.
fn shown(root: &Path) -> row::Rows {
    let mut rows = walk::rows(root);
    // What has no place in a tree: what e2fsck wants.
    rows.remove(&b"/lost+found"[..]);
    rows
}

#[test]
#[ignore = "needs root and a kernel that mounts images"]
fn as_root_the_kernel_shows_what_the_tree_says() {
    let merged = varied();
    let directory = tempfile::tempdir().unwrap();
    let image = write(&merged, &directory);
    let mount = Mount::new(&image, "ro,loop");
    row::assert_same(&tree_rows::rows_of(&merged.tree, &merged.spool), &shown(mount.path()));
}

#[test]
#[ignore = "needs root and a kernel that mounts images"]
fn as_root_the_kernel_can_write_to_an_image_and_it_stays_sound() {
    let merged = varied();
    let directory = tempfile::tempdir().unwrap();
    let image = write(&merged, &directory);
    // All of it is in use; only what is removed makes room.
    let mount = Mount::new(&image, "rw,loop");
    fs::remove_file(mount.path().join("d/old")).unwrap();
    for i in (0..3000).step_by(2) {
        fs::remove_file(mount.path().join(format!("many/{i}"))).unwrap();
    }
    for i in 0..1000 {
        fs::write(mount.path().join(format!("many/a new file {i}")), "new").unwrap();
    }
    fs::rename(mount.path().join("short"), mount.path().join("d/renamed")).unwrap();
    drop(mount);
    readback::fsck(&image);
}

/// The blocks in use of the image that mke2fs makes of a directory, in bytes: what it would have
/// when it were made as small as can be.
fn mke2fs(source: &Path, inodes: u32, image: &Path) -> u64 {
    fs::File::create(image).unwrap().set_len(1 << 30).unwrap();
    let (source, target) = (source.to_str().unwrap(), image.to_str().unwrap());
    let inodes = inodes.to_string();
    let features = "^has_journal,^resize_inode";
    let arguments = ["-q", "-t", "ext4", "-b", "4096", "-m", "0", "-O", features, "-N", &inodes];
    let made = run("mke2fs", &[&arguments[..], &["-d", source, target]].concat());
    made.expect("this test needs mke2fs: install e2fsprogs").unwrap();
    let superblock = fs::read(image).unwrap()[1024..2048].to_vec();
    let field = |at: usize| u64::from(u32::from_le_bytes(*superblock[at..].first_chunk().unwrap()));
    (field(4) - field(12)) * 4096
}

#[test]
fn images_are_no_larger_than_what_mke2fs_fills() {
    type Content = fn(u64) -> Vec<u8>;
    let trees: [(&str, Content); 4] = [
        ("small files", |i| vec![1; (i * 37 % 9000) as usize]),
        ("empty files", |_| Vec::new()),
        ("files with many holes", |i| {
            let mut content = vec![0; 300_000];
            (0..300_000).step_by(4096 * (1 + i as usize % 9)).for_each(|at| content[at] = 1);
            content
        }),
        ("files with a few holes", |i| {
            let mut content = vec![1; 200_000];
            content[8192..(i as usize % 4) * 20_000 + 12_288].fill(0);
            content
        }),
    ];
    for (name, content) in trees {
        let source = tempfile::tempdir().unwrap();
        let mut layer = tar();
        for i in 0..400_u64 {
            let (parent, file) = (format!("{}", i % 20), format!("{}/{i}", i % 20));
            if i < 20 {
                fs::create_dir(source.path().join(&parent)).unwrap();
                layer = layer.dir(&parent);
            }
            fs::write(source.path().join(&file), content(i)).unwrap();
            layer = layer.file(&file, content(i));
        }
        let merged = apply(&[layer.end()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ours = fs::metadata(write(&merged, &directory)).unwrap().len();
        let theirs = mke2fs(source.path(), 440, &directory.path().join("theirs"));
        println!("{name}: {ours} bytes, mke2fs {theirs}");
        assert!(ours <= theirs, "{name}: {ours} bytes, mke2fs {theirs}");
    }
}
