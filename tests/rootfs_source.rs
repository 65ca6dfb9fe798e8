//! Bare root filesystems: a directory, and what GNU tar makes of it, are the same tree.

use crate::foreign;
use crate::row;
use crate::tree_rows;
use crate::truth;

use c2w::ext4::LIMITS;
use c2w::image_source::ImageSource;
use c2w::oci::digest::{Algorithm, Digest};
use c2w::oci::{self, SourceOptions};
use c2w::rootfs::spool::Spool;
use c2w::rootfs_source::{self, Contents};
use foreign::run;
use row::{Rows, assert_same};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, makedev, mknodat};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn read(source: &str) -> Result<Contents, String> {
    match source.parse().unwrap() {
        ImageSource::Rootfs(rootfs) => rootfs_source::read(&rootfs, Spool::new().unwrap(), &LIMITS)
            .map_err(|error| format!("{error:#}")),
        ImageSource::Image(_) => panic!("{source} is an image"),
    }
}

fn rows(place: &str) -> Rows {
    let contents = read(place).unwrap_or_else(|error| panic!("{place}: {error}"));
    tree_rows::rows_of(&contents.tree, &contents.spool)
}

/// Every kind of node, with all that can be said about it.
fn make_root(root: &Path) {
    let path = |name: &str| root.join(name);
    for dir in ["bin", "empty", "etc/deep/er", "tmp"] {
        fs::create_dir_all(path(dir)).unwrap();
    }
    fs::set_permissions(path("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(path("bin/tool"), vec![0x5a; 200_001]).unwrap();
    fs::set_permissions(path("bin/tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(path("bin/tool"), path("etc/deep/er/same")).unwrap();
    fs::write(path("etc/secret"), "x").unwrap();
    fs::set_permissions(path("etc/secret"), fs::Permissions::from_mode(0o400)).unwrap();
    fs::write(path("etc/nothing"), "").unwrap();
    fs::write(root.join(OsStr::from_bytes(b"not \xff\xfe utf8\n")), "odd").unwrap();
    fs::write(path(&"n".repeat(255)), "long").unwrap();
    symlink("../bin/tool", path("etc/link")).unwrap();
    symlink("/etc/passwd", path("etc/absolute")).unwrap();
    symlink("/", path("etc/loop")).unwrap();
    let fifo = mknodat(CWD, path("pipe"), FileType::Fifo, Mode::from(0o600), 0);
    fifo.unwrap();
    sparse(&path("sparse"));
    if is_root() {
        let device = |name: &str, kind, device| {
            mknodat(CWD, path(name), kind, Mode::from(0o640), device).unwrap();
        };
        device("null", FileType::CharacterDevice, makedev(1, 3));
        device("disk", FileType::BlockDevice, makedev(259, 70_000));
        chown(path("etc/secret"), Some(1000), Some(70_000)).unwrap();
        let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        set_xattr(&path("bin/tool"), "security.capability", capability);
    }
    set_xattr(&path("etc/nothing"), "user.binary", b"a\0\n=\xff");
    set_xattr(&path("empty"), "user.on.directory", b"");
    for (name, seconds, nanoseconds) in [
        ("etc/nothing", -5_i64, 999_999_999_u32),
        ("etc/secret", 5_000_000_000, 1),
        ("empty", 1, 0),
    ] {
        set_time(&path(name), seconds, nanoseconds);
    }
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn set_time(path: &Path, seconds: i64, nanoseconds: u32) {
    let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, rustix::fs::AtFlags::empty()).unwrap();
}

/// 3 MiB with data at the front, at odd places and in the middle of nowhere.
fn sparse(path: &Path) {
    let mut file = File::create(path).unwrap();
    for (at, bytes) in [(0, &b"front"[..]), (1_000_001, b"odd"), (2 << 20, &[7; 70_000])] {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    }
    file.set_len(3 << 20).unwrap();
}

fn gnu_tar(root: &Path, archive: &Path) {
    let mut tar = Command::new("tar");
    tar.args(["--format=pax", "--xattrs", "--xattrs-include=*", "--sparse", "--numeric-owner"]);
    tar.args(["--pax-option=exthdr.name=%d/%f,delete=atime,delete=ctime", "-cf"]);
    run(tar.arg(archive).arg("-C").arg(root).arg("."));
}

struct Root {
    dir: tempfile::TempDir,
}

impl Root {
    fn new() -> Self {
        let root = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(root.path("root")).unwrap();
        make_root(&root.path("root"));
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn rootfs(&self) -> String {
        format!("rootfs:{}", self.path("root").display())
    }

    fn tarball(&self) -> PathBuf {
        let archive = self.path("root.tar");
        gnu_tar(&self.path("root"), &archive);
        archive
    }
}

#[test]
fn a_directory_and_its_archive_are_one_tree() {
    let root = Root::new();
    let found = rows(&root.rootfs());
    let expected = rows(&format!("tarball:{}", root.tarball().display()));
    assert_same(&expected, &found);
    assert!(found.len() >= 18, "{}", found.len());
    let tool = &found[&b"/bin/tool"[..]];
    assert_eq!((tool.mode, tool.names), (0o4755, Some(2)));
    assert_eq!(tool.xattrs.contains_key(&b"security.capability"[..]), is_root());
    assert_eq!(found[&b"/etc/nothing"[..]].mtime, (-5, 999_999_999));
    assert_eq!(found[&b"/etc/nothing"[..]].xattrs[&b"user.binary"[..]], b"a\0\n=\xff");
}

#[test]
fn holes_cost_nothing_and_change_nothing() {
    let root = Root::new();
    let (sparse, dense) = (root.path("sparse"), root.path("dense"));
    for (dir, option) in [(&sparse, "--sparse=always"), (&dense, "--sparse=never")] {
        fs::create_dir(dir).unwrap();
        let file = dir.join("file");
        run(Command::new("cp").arg(option).arg(root.path("root/sparse")).arg(&file));
        set_time(&file, 1, 2);
        set_time(dir, 1, 2);
    }
    let read = |dir: &Path| read(&format!("rootfs:{}", dir.display())).unwrap();
    let (sparse, dense) = (read(&sparse), read(&dense));
    assert_eq!(sparse.digest, dense.digest);
    assert_eq!(sparse.spool.len(), dense.spool.len());
    assert!(sparse.spool.len() < 100_000, "{}", sparse.spool.len());
}

#[test]
fn a_directory_has_a_digest_of_its_own() {
    let root = Root::new();
    let digest = || read(&root.rootfs()).unwrap().digest;
    let before = digest();
    let copy = root.path("copy");
    run(Command::new("cp").arg("-a").arg(root.path("root")).arg(&copy));
    assert_eq!(read(&format!("rootfs:{}", copy.display())).unwrap().digest, before);
    set_time(&root.path("root/etc/nothing"), -5, 1);
    assert_ne!(digest(), before);
    set_time(&root.path("root/etc/nothing"), -5, 999_999_999);
    assert_eq!(digest(), before);
}

#[test]
fn archives_may_be_compressed() {
    let root = Root::new();
    let archive = root.tarball();
    let expected = rows(&format!("tarball:{}", archive.display()));
    for program in ["gzip", "bzip2", "xz", "zstd"] {
        let packed = root.path(program);
        let input = File::open(&archive).unwrap();
        let output = File::create(&packed).unwrap();
        run(Command::new(program).arg("-c").stdin(input).stdout(output));
        let contents = read(&format!("tarball:{}", packed.display())).unwrap();
        assert_same(&expected, &tree_rows::rows_of(&contents.tree, &contents.spool));
        let digest = Digest::of(Algorithm::Sha256, &fs::read(&packed).unwrap());
        assert_eq!(contents.digest, digest, "{program}");

        let cut = fs::read(&packed).unwrap();
        fs::write(&packed, &cut[..cut.len() - 20]).unwrap();
        assert!(read(&format!("tarball:{}", packed.display())).is_err(), "{program}");
    }
}

#[test]
fn what_is_no_part_of_a_root_is_noted() {
    let root = Root::new();
    let _socket = UnixListener::bind(root.path("root/etc/socket")).unwrap();
    let contents = read(&root.rootfs()).unwrap();
    assert_eq!(contents.notes, ["/etc/socket: left out: a socket"]);
    assert!(contents.tree.lookup(b"/etc/socket").is_none());
    assert!(contents.tree.lookup(b"/etc/loop").is_some());
    assert!(contents.tree.lookup(b"/etc/loop/etc").is_none());
}

/// `c2w rootfs PLACE OUT`, in the namespaces that `unshare` makes with these arguments.
fn c2w_unshared(arguments: &[&str], before: &str, root: &Root) -> Output {
    let mut command = Command::new("unshare");
    let script = format!("{before}; exec \"$0\" rootfs \"$1\" \"$2\"");
    command.args(arguments).args(["sh", "-c", &script, env!("CARGO_BIN_EXE_c2w")]);
    command.arg(root.rootfs()).arg(root.path("out.ext4")).current_dir(root.path("root"));
    command.output().expect("this test needs unshare: install util-linux")
}

#[test]
fn other_filesystems_stay_outside() {
    let root = Root::new();
    let arguments = if is_root() { &["-m"][..] } else { &["-r", "-m"] };
    let mount = "mount -t tmpfs none empty && touch empty/hidden";
    let output = c2w_unshared(arguments, mount, &root);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("/empty: left empty: another filesystem begins here"), "{said}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let root = Root::new();
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(root.dir.path(), 0o777);
    mode(&root.path("root/etc/secret"), 0o000);
    // Without a mapping of its user, the process has no rights beyond the files' modes.
    let output = c2w_unshared(&["-U"], ":", &root);
    mode(&root.path("root/etc/secret"), 0o400);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("cannot read /etc/secret: Permission denied"), "{said}");
    assert!(!root.path("out.ext4").exists());

    let error = read(&format!("rootfs:{}", root.path("none").display())).err().unwrap();
    assert!(error.contains("cannot open the directory: No such file"), "{error}");
    let error = read(&format!("rootfs:{}", root.tarball().display())).err().unwrap();
    assert!(error.contains("Not a directory"), "{error}");
    let error = read(&format!("tarball:{}", root.path("root").display())).err().unwrap();
    assert!(error.contains("is a directory"), "{error}");
    fs::write(root.path("text"), "no archive").unwrap();
    let error = read(&format!("tarball:{}", root.path("text").display())).err().unwrap();
    assert!(error.contains("cut short"), "{error}");
}

#[test]
fn an_archive_may_come_through_a_pipe() {
    let root = Root::new();
    let archive = root.tarball();
    let packed = root.path("packed");
    let output = File::create(&packed).unwrap();
    run(Command::new("zstd").arg("-c").arg(&archive).stdout(output));
    for file in [&archive, &packed] {
        let out = |name: &str| root.path(name);
        let mut from_file = Command::new(env!("CARGO_BIN_EXE_c2w"));
        run(from_file.arg("rootfs").arg(format!("tarball:{}", file.display())).arg(out("1")));
        let mut cat = Command::new("cat").arg(file).stdout(Stdio::piped()).spawn().unwrap();
        let mut from_pipe = Command::new(env!("CARGO_BIN_EXE_c2w"));
        from_pipe.args(["rootfs", "tarball:-"]).arg(out("2"));
        run(from_pipe.stdin(cat.stdout.take().unwrap()));
        cat.wait().unwrap();
        assert!(fs::read(out("1")).unwrap() == fs::read(out("2")).unwrap());
        fs::remove_file(out("1")).unwrap();
    }
}

/// What GNU tar unpacks of an image of one layer.
#[test]
#[ignore = "needs root, to unpack with owners and devices"]
fn as_root_an_unpacked_image_is_the_same_as_its_layer() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
    for name in ["ok-gz", "ok-none", "ok-deep", "ok-hardlink-chain", "ok-sparse-gnu"] {
        let image = format!("oci:{}", fixtures.join(name).display());
        let image = oci::open(&image.parse().unwrap(), &SourceOptions::default()).unwrap();
        let digest = image.layers()[0].descriptor.digest.hex().to_owned();
        let layer = fixtures.join(name).join("blobs/sha256").join(digest);
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        run(Command::new("tar").arg("-xpf").arg(layer).arg("-C").arg(dir.path()));
        set_time(dir.path(), 0, 0);
        let expected = truth::read(&fixtures.join(format!("{name}.truth.jsonl")));
        let mut found = rows(&format!("rootfs:{}", dir.path().display()));
        // Directories without an entry have no defined time.
        for (path, row) in &mut found {
            if row.kind == "dir" && expected[path].mtime == (0, 0) {
                row.mtime = (0, 0);
            }
        }
        assert_same(&expected, &found);
    }
}

/// Busybox as a bare root filesystem: the shell is the command, and the same files give the same
/// module.
#[test]
fn a_bare_root_filesystem_runs() {
    let layout = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/busybox");
    let image = format!("oci:{}", layout.display());
    let image = oci::open(&image.parse().unwrap(), &SourceOptions::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("root")).unwrap();
    for layer in image.layers() {
        let digest = layer.descriptor.digest.to_string().replace(':', "/");
        let blob = layout.join("blobs").join(digest);
        run(Command::new("tar").arg("-xpf").arg(blob).arg("-C").arg(at("root")));
    }
    run(Command::new("cp").arg("-a").arg(at("root")).arg(at("copy")));

    let mut shell = Command::new(env!("CARGO_BIN_EXE_c2w"));
    shell.arg("run").arg(format!("rootfs:{}", at("root").display()));
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(b"uname -m; pwd; exit 3").unwrap();
    let output = shell.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "riscv64\n/\n");
    assert_eq!(output.status.code(), Some(3));

    let convert = |root: &str, module: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
        run(command.arg(format!("rootfs:{}", at(root).display())).arg(at(module)));
        fs::read(at(module)).unwrap()
    };
    assert!(convert("root", "1.wasm") == convert("copy", "2.wasm"));
}
