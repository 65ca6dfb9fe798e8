//! Conversions that cannot be: one line that says why, a status, and no file left behind.

use crate::case::assert_complaint;
use crate::container::{C2W, busybox_reference, text};
use crate::{process, trial};
use libtest_mimic::Trial;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<_> = images()
        .into_iter()
        .map(|(name, reference, parts)| {
            trial(format!("refusal::{name}"), move || image_refused(&reference, parts))
        })
        .collect();
    trials.extend([
        trial("refusal::unreachable_registry", unreachable_registry),
        trial("refusal::output_in_a_missing_folder", output_in_a_missing_folder),
        trial("refusal::output_is_a_folder", output_is_a_folder),
        trial("refusal::output_not_writable", output_not_writable),
        trial("refusal::file_size_limit", file_size_limit),
        trial("refusal::full_disk", full_disk).with_ignored_flag(!can_mount()),
        trial("refusal::older_module_survives", older_module_survives),
        trial("refusal::memory_too_small", memory_too_small),
        trial("refusal::another_platform", another_platform),
        trial("refusal::root_in_the_system's_way", root_in_the_way),
        trial("refusal::training", training),
        trial("refusal::run_of_an_unknown_image", run_of_an_unknown_image),
    ]);
    trials
}

/// Name, reference, and what the message must mention.
fn images() -> Vec<(&'static str, String, &'static [&'static str])> {
    let fixture =
        |name: &str| format!("oci:{}/tests/fixtures/images/{name}", env!("CARGO_MANIFEST_DIR"));
    vec![
        ("no_such_layout", "oci:/no/such/layout".into(), &["/no/such/layout"]),
        ("no_such_tag", format!("{}:absent", busybox_reference()), &["absent", "latest"]),
        ("malformed_reference", "UPPER/case:tag".into(), &["UPPER/case"]),
        ("corrupt_layer", fixture("bad-digest"), &["digest"]),
        ("layer_with_another_diff_id", fixture("bad-diffid"), &["layer 1"]),
        ("missing_layer", fixture("bad-missing-blob"), &["sha256:"]),
        ("truncated_layer", fixture("bad-truncated-gz"), &["layer 1"]),
        ("path_out_of_the_image", fixture("bad-dotdot"), &["layer 1", ".."]),
        ("other_platforms_only", fixture("odd-windows"), &["linux/riscv64", "windows/amd64"]),
    ]
}

/// Converts to `output`, seen from `folder`, and returns standard error.
fn fail_in(folder: &Path, command: &mut Command, output: &str) -> Vec<u8> {
    let result = process::run(command.current_dir(folder).arg(output), b"");
    let said = text(&result.stderr);
    assert!(!result.status.success() && result.stdout.is_empty(), "{said}");
    result.stderr
}

fn assert_empty(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "left over: {left:?}");
}

fn image_refused(reference: &str, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let stderr = fail_in(folder.path(), Command::new(C2W).arg(reference), "out.wasm");
    for part in parts {
        assert_complaint(&stderr, part);
    }
    assert_empty(folder.path());
}

fn another_platform() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(C2W);
    command.args(["--platform", "linux/amd64", &busybox_reference()]);
    let stderr = fail_in(folder.path(), &mut command, "out.wasm");
    assert_complaint(&stderr, "no linux/amd64 variant, only linux/riscv64");
    assert_empty(folder.path());
}

/// What creates the container has words of its own for it.
fn root_in_the_way() {
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("elsewhere", root.path().join("proc")).unwrap();
    let reference = format!("rootfs:{}", root.path().display());
    let refused = |part| image_refused(&reference, &[part]);
    refused("cannot be created: the image's /proc is not a directory, but a link or a file\n");
    std::fs::remove_file(root.path().join("proc")).unwrap();
    std::fs::create_dir_all(root.path().join("etc/hosts")).unwrap();
    refused("at the image's /etc/hosts: what is there is in the way\n");
}

fn unreachable_registry() {
    // A port that was free a moment ago, and has nobody listening.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = format!("127.0.0.1:{port}");
    image_refused(&format!("{host}/some/image:tag"), &[&host]);
}

/// A conversion of an image that is fine.
fn conversion() -> Command {
    let mut command = Command::new(C2W);
    command.arg(busybox_reference());
    command
}

fn output_in_a_missing_folder() {
    let folder = tempfile::tempdir().unwrap();
    let stderr = fail_in(folder.path(), &mut conversion(), "absent/out.wasm");
    assert_complaint(&stderr, "absent/out.wasm");
    assert_empty(folder.path());
}

fn output_is_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("out.wasm")).unwrap();
    let stderr = fail_in(folder.path(), &mut conversion(), "out.wasm");
    assert_complaint(&stderr, "out.wasm");
    assert_empty(&folder.path().join("out.wasm"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// In sysfs not even root makes files.
fn output_not_writable() {
    let stderr = fail_in(Path::new("/"), &mut conversion(), "/sys/out.wasm");
    assert_complaint(&stderr, "/sys/out.wasm");
}

/// The file system takes files as large as those of the image, but not as large as the module.
fn file_size_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 12000; exec \"$@\"", "sh", C2W]);
    let stderr = fail_in(folder.path(), command.arg(busybox_reference()), "out.wasm");
    assert_complaint(&stderr, "out.wasm");
    assert_empty(folder.path());
}

/// Runs a shell line in a mount namespace of its own.
fn unshare(line: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "/bin/sh", "-c", line, "sh"]);
    command
}

fn can_mount() -> bool {
    let probe = unshare("mount -t tmpfs none /mnt").output();
    probe.is_ok_and(|output| output.status.success())
}

fn full_disk() {
    let line = "mount -t tmpfs -o size=1m none /mnt && cd /mnt && ! \"$@\" out.wasm && ls -A";
    let output = process::run(unshare(line).arg(C2W).arg(busybox_reference()), b"");
    assert!(output.status.success(), "{output:?}");
    assert_complaint(&output.stderr, "No space left on device");
    assert_eq!(text(&output.stdout), "", "left over");
}

fn older_module_survives() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("out.wasm");
    fs::write(&module, "older").unwrap();
    let image = format!("oci:{}/tests/fixtures/images/bad-digest", env!("CARGO_MANIFEST_DIR"));
    fail_in(folder.path(), Command::new(C2W).arg(image), "out.wasm");
    assert_eq!(fs::read(&module).unwrap(), b"older");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A machine without room for the kernel and the container stops, and the message says where.
fn memory_too_small() {
    let folder = tempfile::tempdir().unwrap();
    let output = process::run(
        conversion().current_dir(folder.path()).args(["out.wasm", "--memory", "1"]),
        b"",
    );
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("--memory"), "{}", text(&output.stderr));
    assert_empty(folder.path());
}

/// A command to train on that is none, or that no module would take.
fn training() {
    let cases = [("'", "\"'\""), ("", "\"\""), ("--bogus x", "--bogus"), ("--help", "no command")];
    for (command, part) in cases {
        let folder = tempfile::tempdir().unwrap();
        let stderr =
            fail_in(folder.path(), conversion().arg(format!("--train={command}")), "out.wasm");
        assert_complaint(&stderr, part);
        assert_complaint(&stderr, "--train");
        assert_empty(folder.path());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut off = conversion();
    assert_complaint(
        &fail_in(folder.path(), off.args(["--aot=off", "--train=true"]), "out.wasm"),
        "--aot=off",
    );
    assert_empty(folder.path());
}

fn run_of_an_unknown_image() {
    let output = process::run(Command::new(C2W).args(["run", "oci:/no/such/layout", "true"]), b"");
    assert_eq!(output.status.code(), Some(125), "as docker run: the container was not there");
    assert_complaint(&output.stderr, "/no/such/layout");
}
