//! A module depends on its image, on nothing else.

use crate::container::{C2W, Container, assert_success, busybox_reference, text};
use crate::{process, trial};
use libtest_mimic::Trial;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("conversion::same_bytes_again", || assert_same_module(Command::new(C2W))),
        trial("conversion::same_bytes_in_another_environment", another_environment),
        trial("conversion::same_bytes_at_another_time", another_time),
        trial("conversion::replaces_an_older_module", replaces_an_older_module),
        trial("conversion::mode_follows_the_umask", mode_follows_the_umask),
        trial("conversion::machines_of_other_sizes", machines_of_other_sizes),
        trial("conversion::only_used_memory_is_kept", only_used_memory_is_kept),
    ]
}

/// Converts once more, in a folder of its own, and compares with the shared module.
fn assert_same_module(mut command: Command) {
    let folder = tempfile::tempdir().unwrap();
    command.current_dir(folder.path()).args([&busybox_reference(), "again.wasm"]);
    let output = process::run(&mut command, b"");
    assert!(output.status.success(), "{output:?}");
    let (one, other) = (
        fs::read(&Container::busybox().module).unwrap(),
        fs::read(folder.path().join("again.wasm")).unwrap(),
    );
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    assert!(one == other, "{} and {} bytes, {same} of them equal", one.len(), other.len());
}

fn another_environment() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "umask 077; exec \"$@\"", "sh", C2W]).env_clear();
    command.env("HOME", home.path()).env("TMPDIR", home.path());
    command.envs([("TZ", "Pacific/Chatham"), ("LC_ALL", "tr_TR.UTF-8"), ("USER", "other")]);
    assert_same_module(command);
}

fn another_time() {
    let mut command = Command::new("faketime");
    command.args(["2031-02-03 04:05:06", C2W]);
    assert_same_module(command);
}

fn replaces_an_older_module() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("out.wasm");
    fs::write(&module, "older").unwrap();
    convert_quietly(Command::new(C2W).arg(busybox_reference()).arg(&module));
    assert!(fs::read(&module).unwrap() == fs::read(&Container::busybox().module).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a file is left over");
}

fn mode_follows_the_umask() {
    for (umask, mode) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("out.wasm");
        let line = format!("umask {umask}; exec \"$@\"");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &line, "sh", C2W]).arg(busybox_reference()).arg(&module);
        convert_quietly(&mut command);
        let permissions = fs::metadata(&module).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o7777, mode, "umask {umask}");
    }
}

/// A small machine leaves the container's creation little room.
fn machines_of_other_sizes() {
    for memory in ["64", "100", "1100", "2048"] {
        let mut command = Command::new(C2W);
        command.args(["run", "--memory", memory, &busybox_reference(), "--", "echo", memory]);
        let output = process::run(&mut command, b"");
        assert_success(&output);
        assert_eq!(output.stdout, format!("{memory}\n").as_bytes());
    }
}

/// What the boot used and gave back, 20 MiB and more, is zero at the moment of the snapshot: that
/// holds the kernel, PID 1, the agent, and 16 KiB of page structures for each MiB.
fn only_used_memory_is_kept() {
    for memory in [64, 256, 1024] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(C2W);
        command.args(["--memory", &memory.to_string(), &busybox_reference()]);
        let output = process::run(command.arg(folder.path().join("out.wasm")), b"");
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        let kept = said.rsplit_once("memory ").and_then(|(_, rest)| rest.split_once(" MiB"));
        let kept: f64 = kept.expect("a summary").0.parse().expect("a number");
        let most = 12.0 + f64::from(memory) / 60.0;
        assert!((4.0..most).contains(&kept), "{kept} MiB of {memory} are kept");
    }
}

/// Standard output is for what a user asks to see: a conversion has nothing there.
fn convert_quietly(command: &mut Command) {
    let mut output = process::run(command, b"");
    assert_eq!(output.stdout, b"");
    output.stderr.clear();
    assert_success(&output);
}
