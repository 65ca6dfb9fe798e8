//! `c2w rootfs`: the image in a file, with holes, and as a stream; nothing when it fails. And what
//! all outputs have in common: what they replace, what they only write to, and what they refuse.

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

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

/// Where in the archive it shows says nothing.
#[test]
fn a_damaged_blob_is_the_first_that_is_said() {
    let output = rootfs("bad-digest", &PathBuf::from("-"));
    let said = String::from_utf8_lossy(&output.stderr);
    let place = said.find("): layer blob sha256:");
    assert!(place.is_some() && !said.contains("tar header"), "{said}");
}

/// A folder for outputs.
struct Outputs(tempfile::TempDir);

impl Outputs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str) {
        assert_written(&rootfs("rich", &self.path(name)));
    }

    /// What stands in the folder, all of it.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn assert_refused(&self, name: &str, reason: &str) {
        assert_refused(&rootfs("rich", &self.path(name)), reason);
    }
}

fn assert_written(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn assert_refused(output: &Output, reason: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(said.contains(reason) && said.lines().count() == 1, "{said}");
}

/// The image that every output gets.
fn expected() -> &'static [u8] {
    static EXPECTED: OnceLock<Vec<u8>> = OnceLock::new();
    EXPECTED.get_or_init(|| rootfs("rich", &PathBuf::from("-")).stdout)
}

#[test]
fn links_are_followed_and_stay() {
    let outputs = Outputs::new();
    fs::create_dir(outputs.path("dir")).unwrap();
    for (link, target) in
        [("a", "dir/b"), ("dir/b", "../target"), ("dangling", "dir/new"), ("round", "round")]
    {
        symlink(target, outputs.path(link)).unwrap();
    }
    fs::write(outputs.path("target"), "old").unwrap();
    outputs.write("a");
    outputs.write("dangling");
    outputs.assert_refused("round", "links");
    assert_eq!(fs::read_link(outputs.path("a")).unwrap(), Path::new("dir/b"));
    assert!(fs::read(outputs.path("target")).unwrap() == expected());
    assert!(fs::read(outputs.path("dir/new")).unwrap() == expected());
    assert_eq!(outputs.names(), ["a", "dangling", "dir", "round", "target"]);
}

#[test]
fn pipes_and_devices_are_written_and_stay() {
    let outputs = Outputs::new();
    let fifo = outputs.path("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let read = fs::File::create(outputs.path("read")).unwrap();
    let mut reader = Command::new("cat").arg(&fifo).stdout(read).spawn().unwrap();
    outputs.write("fifo");
    assert!(reader.wait().unwrap().success());
    assert!(fs::read(outputs.path("read")).unwrap() == expected());
    // As root a device of our own; others cannot harm the system's.
    let device = |name: &str, minor| {
        let (path, mode) = (outputs.path(name), Mode::from_raw_mode(0o666));
        let made = mknodat(CWD, &path, FileType::CharacterDevice, mode, makedev(1, minor));
        if made.is_ok() { path } else { Path::new("/dev").join(name) }
    };
    let (null, full) = (device("null", 3), device("full", 7));
    let opens = fs::OpenOptions::new().write(true).open(&null).is_ok();
    if opens {
        assert_written(&rootfs("rich", &null));
        assert_refused(&rootfs("rich", &full), "No space left on device");
    }
    for (path, kind) in [(&fifo, FileType::Fifo), (&null, FileType::CharacterDevice)] {
        assert_eq!(FileType::from_raw_mode(fs::metadata(path).unwrap().mode()), kind);
    }
    let _socket = UnixListener::bind(outputs.path("socket")).unwrap();
    outputs.assert_refused("socket", "socket");
    outputs.assert_refused(".", "directory");
    outputs.assert_refused("./", "it is a directory");
    for name in ["new/", "read/"] {
        outputs.assert_refused(name, "ends with a slash, but it is to be a file");
    }
    assert!(!outputs.path("new").exists());
    let folder = outputs.path("missing");
    outputs.assert_refused("missing/out", &format!("there is no folder {}\n", folder.display()));
    outputs.assert_refused("read/out", "Not a directory");
    assert_refused(&rootfs("rich", Path::new("/proc/out")), "the folder /proc takes no new file: ");
}

/// `/dev/stdout` is what standard output is: a pipe, or a file that goes on where it is.
#[test]
fn open_descriptors_are_written_where_they_stand() {
    let outputs = Outputs::new();
    assert!(rootfs("rich", Path::new("/dev/stdout")).stdout == expected());
    let file = outputs.path("file");
    fs::write(&file, "before").unwrap();
    let line = |redirection: &str, output: &str| {
        let line = format!("exec \"$@\" {output} {redirection}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &line, "sh", env!("CARGO_BIN_EXE_c2w"), "rootfs", "-q"]);
        shell.arg(fixture("rich")).current_dir(outputs.0.path()).output().unwrap()
    };
    for (redirection, output) in
        [(">> file", "/proc/self/fd/1"), (">> file", "-"), ("3>> file", "/dev/fd/3")]
    {
        fs::write(&file, "before").unwrap();
        assert_written(&line(redirection, output));
        let written = fs::read(&file).unwrap();
        assert!(written.strip_prefix(b"before").unwrap() == expected(), "{redirection} {output}");
    }
    assert_refused(&line("< file", "/dev/stdin"), "not open for writing");
    // Nobody reads: as any program that SIGPIPE ends, and without a word.
    let mut child = Command::new(env!("CARGO_BIN_EXE_c2w"))
        .args(["rootfs", &fixture("rich"), "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(141), &b""[..]));
    assert_eq!(outputs.names(), ["file"]);
}

/// Whoever reads has made the pipe so, and reads when it likes.
#[test]
fn a_pipe_that_does_not_block_is_waited_for() {
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_c2w"))
        .args(["rootfs", "-q", &fixture("rich"), "-"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut &reader, &mut bytes).unwrap();
    assert_written(&child.wait_with_output().unwrap());
    assert!(bytes == expected() && bytes.len() > 1 << 16);
}

/// Where there is no room for temporary files is said, and how to choose another place.
#[test]
#[ignore = "needs root, to mount a small file system"]
fn as_root_a_full_folder_of_temporary_files_is_named() {
    let outputs = Outputs::new();
    let line = "cd \"$1\" && mkdir -p small && mount -t tmpfs -o size=4k none small || exit
                TMPDIR=small exec \"$2\" rootfs -q \"$3\" out";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", line, "sh"]).arg(outputs.0.path());
    let output = command.args([env!("CARGO_BIN_EXE_c2w"), &fixture("rich")]).output().unwrap();
    assert_refused(&output, "written in small (TMPDIR names another folder): No space left");
}

#[test]
fn a_file_that_is_replaced_hands_on_its_mode() {
    let outputs = Outputs::new();
    for (mode, kept) in [(0o640, 0o640), (0o600, 0o600), (0o4755, 0o755)] {
        fs::write(outputs.path("file"), "old").unwrap();
        fs::set_permissions(outputs.path("file"), Permissions::from_mode(mode)).unwrap();
        fs::hard_link(outputs.path("file"), outputs.path("other")).unwrap();
        outputs.write("file");
        let metadata = fs::metadata(outputs.path("file")).unwrap();
        assert_eq!(metadata.mode() & 0o7777, kept);
        assert!(fs::read(outputs.path("file")).unwrap() == expected());
        // Other names keep what they had.
        assert_eq!(fs::read(outputs.path("other")).unwrap(), b"old");
        outputs.names().iter().for_each(|name| fs::remove_file(outputs.path(name)).unwrap());
    }
}

/// A user who is not root: may not replace what may not be written, and writes a file in a folder
/// that takes no new names.
#[test]
fn permissions_are_those_of_writing() {
    let outputs = Outputs::new();
    for (name, mode) in [("read-only", 0o444), ("ours", 0o666)] {
        fs::write(outputs.path(name), "old").unwrap();
        fs::set_permissions(outputs.path(name), Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(outputs.0.path(), Permissions::from_mode(0o755)).unwrap();
    let root = rustix::process::geteuid().is_root();
    if !root {
        fs::set_permissions(outputs.0.path(), Permissions::from_mode(0o555)).unwrap();
    }
    // Where the program and the image are, another user may not look: both are copied.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let (program, image) = (place.path().join("c2w"), place.path().join("image"));
    fs::copy(env!("CARGO_BIN_EXE_c2w"), &program).unwrap();
    let fixture = fixture("rich");
    let copied = Command::new("cp").arg("-r").arg(&fixture["oci:".len()..]).arg(&image).status();
    assert!(copied.unwrap().success());
    let write = |name: &str| {
        let mut command = match root {
            true => Command::new("setpriv"),
            false => Command::new("env"),
        };
        if root {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command.arg(&program).arg("rootfs").arg(format!("oci:{}", image.display()));
        command.arg(outputs.path(name)).env("TMPDIR", "/tmp").output().unwrap()
    };
    assert_refused(&write("read-only"), "Permission denied");
    let takes_none = format!("the folder {} takes no new file: Perm", outputs.0.path().display());
    assert_refused(&write("new"), &takes_none);
    assert_written(&write("ours"));
    assert!(fs::read(outputs.path("ours")).unwrap() == expected());
    assert_eq!(fs::read(outputs.path("read-only")).unwrap(), b"old");
    fs::set_permissions(outputs.0.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(outputs.names(), ["ours", "read-only"]);
}

/// A file that cannot be replaced keeps what it has until there is room for the new bytes.
#[test]
#[ignore = "needs root, to mount a small file system"]
fn as_root_a_full_disk_costs_a_file_in_its_place_nothing() {
    let outputs = Outputs::new();
    let size = expected().len().div_ceil(1024);
    let line = |size: usize, old: &str| {
        let script = format!(
            "cd \"$1\" && mkdir -p small && mount -t tmpfs -o size={size}k none small &&
             {old} small/file && cp small/file before && touch out && mount --bind small/file out || exit
             \"$2\" rootfs -q \"$3\" out; status=$?; cp small/file after; exit $status"
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script, "sh"]).arg(outputs.0.path());
        command.args([env!("CARGO_BIN_EXE_c2w"), &fixture("rich")]).output().unwrap()
    };
    let read = |name: &str| fs::read(outputs.path(name)).unwrap();
    let output = line(64, "head -c 30000 /dev/urandom >");
    assert_refused(&output, "No space left on device");
    assert!(read("before").len() == 30_000 && read("before") == read("after"));
    // Holes take no room, neither old ones nor new ones.
    for old in ["head -c 30000 /dev/urandom >", "truncate -s 100M", "true >"] {
        assert_written(&line(size, old));
        assert!(read("after") == expected(), "{old}");
    }
}

/// What is read is never the output, whatever it is called.
#[test]
fn the_image_is_not_written_over() {
    let outputs = Outputs::new();
    let tar = outputs.path("root.tar");
    let made =
        Command::new("tar").args(["-C", "examples/busybox", "-cf"]).arg(&tar).arg(".").status();
    assert!(made.unwrap().success());
    let before = fs::read(&tar).unwrap();
    fs::hard_link(&tar, outputs.path("hard")).unwrap();
    symlink("root.tar", outputs.path("soft")).unwrap();
    let c2w = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
        command.arg("rootfs").args(arguments).current_dir(outputs.0.path());
        command.stdin(fs::File::open(&tar).unwrap()).output().unwrap()
    };
    for (image, output) in
        [("root.tar", "root.tar"), ("root.tar", "hard"), ("soft", "root.tar"), ("-", "soft")]
    {
        assert_refused(&c2w(&[&format!("tarball:{image}"), output]), "the file that is read");
    }
    assert!(fs::read(&tar).unwrap() == before);
    let image = fixture("rich");
    let copied = Command::new("cp")
        .args(["-r", &image["oci:".len()..]])
        .arg(outputs.path("layout"))
        .status();
    assert!(copied.unwrap().success());
    let index = fs::read(outputs.path("layout/index.json")).unwrap();
    for output in ["layout/index.json", "layout/blobs/new", "layout/oci-layout"] {
        assert_refused(&c2w(&["oci:layout", output]), "read as the image");
    }
    assert_eq!(fs::read(outputs.path("layout/index.json")).unwrap(), index);
    // A new file beside them harms nobody, and is replaced the next time.
    assert_written(&c2w(&["oci:layout", "layout/out.ext4"]));
    assert_written(&c2w(&["oci:layout", "layout/out.ext4"]));
    fs::create_dir(outputs.path("root")).unwrap();
    assert_refused(&c2w(&["rootfs:root", "root/out.ext4"]), "read as the image");
    assert!(!outputs.path("root/out.ext4").exists());
}

/// A program that is killed leaves nothing, and what another filesystem made it leave goes.
#[test]
fn stale_files_are_swept_up_and_no_others() {
    let outputs = Outputs::new();
    let stale = |name: &str| outputs.path(name);
    fs::write(stale(".c2w-abc123.tmp"), "of one that was killed").unwrap();
    fs::write(stale(".c2w-abc1234.tmp"), "another pattern").unwrap();
    fs::write(stale("c2w-abc123.tmp"), "another pattern").unwrap();
    fs::create_dir(stale(".c2w-folder.tmp")).unwrap();
    symlink("nowhere", stale(".c2w-linked.tmp")).unwrap();
    fs::write(stale(".c2w-locked.tmp"), "in use").unwrap();
    let locked = fs::File::open(stale(".c2w-locked.tmp")).unwrap();
    rustix::fs::flock(&locked, rustix::fs::FlockOperation::LockExclusive).unwrap();
    outputs.write("out");
    // The next one would remove it.
    symlink(".c2w-QWERTY.tmp", stale("link")).unwrap();
    for name in [".c2w-QWERTY.tmp", "link"] {
        let refused = rootfs("rich", &outputs.path(name));
        assert_refused(&refused, "c2w's temporary files");
        assert_eq!(refused.status.code(), Some(2));
    }
    fs::remove_file(stale("link")).unwrap();
    let mut left = [
        ".c2w-abc1234.tmp",
        ".c2w-folder.tmp",
        ".c2w-linked.tmp",
        ".c2w-locked.tmp",
        "c2w-abc123.tmp",
        "out",
    ];
    left.sort_unstable();
    assert_eq!(outputs.names(), left);
    // While a pipe is waited for, there is nothing to see, and nothing when that is killed.
    let other = Outputs::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_c2w"))
        .args(["rootfs", "tarball:-"])
        .arg(other.path("out"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let waits = |child: &std::process::Child| {
        let links = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        let mut targets = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
        targets.any(|target| target.starts_with(other.0.path()))
    };
    while !waits(&child) {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    outputs_are_nameless(&other);
}

/// Nothing on filesystems that know nameless files; else one that the next run removes.
fn outputs_are_nameless(outputs: &Outputs) {
    let left = outputs.names().len();
    outputs.write("out");
    assert_eq!(outputs.names(), ["out"]);
    let flags = OFlags::TMPFILE | OFlags::RDWR;
    let nameless = rustix::fs::open(outputs.0.path(), flags, Mode::from_raw_mode(0o600)).is_ok();
    assert_eq!(left, if nameless { 0 } else { 1 });
}
