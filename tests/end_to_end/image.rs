//! What an image's configuration asks for, and signals to the program that runs it.

use crate::container::{Container, Engine, busybox_reference, text};
use crate::{process, trial};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("native::stop_signal_of_the_image", stop_signal),
        trial("native::signals_are_passed_on", passed_on),
        trial("native::second_signal_ends_the_machine", second_signal),
    ];
    for engine in Engine::BUILT_IN {
        trials.push(trial(format!("{engine}::image_configuration"), move || configured(engine)));
        trials.push(trial(format!("{engine}::volume_stays_writable"), move || volume(engine)));
    }
    trials
}

/// The example with another configuration.
fn image() -> &'static Container {
    static IMAGE: OnceLock<Container> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("end_to_end-configured");
        let _ = std::fs::remove_dir_all(&folder);
        let original = busybox_reference();
        let original = original.strip_prefix("oci:").unwrap();
        succeed(Command::new("cp").args(["-r", original]).arg(&folder));
        let tag = format!("{}:latest", folder.display());
        succeed(Command::new("umoci").args(["config", "--image", &tag]).args([
            "--config.user=1234:77",
            "--config.workingdir=/link",
            "--config.volume=/data",
            "--config.env=FROM=image",
            "--config.stopsignal=SIGUSR1",
            "--config.entrypoint=sh",
            "--config.cmd=-c",
            "--config.cmd=id; pwd; echo $FROM; stat -c '%a %u %g %X %Y' /; readlink /etc/mtab",
        ]));
        let layer = folder.join("layer.tar");
        make_layer_of_the_root(&layer);
        succeed(Command::new("umoci").args(["raw", "add-layer", "--image", &tag]).arg(&layer));
        Container::convert(format!("oci:{tag}"), "configured")
    })
}

/// An archive of `/` itself, unlike what a directory is by default, and of a link to a missing
/// place.
fn make_layer_of_the_root(layer: &Path) {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("made")).unwrap();
    symlink("made/here", root.path().join("link")).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("--create").arg("--file").arg(layer).args(["--owner=12", "--group=34"]);
    tar.args(["--mode=0555", "--mtime=@86400", "--directory"]).arg(root.path()).arg(".");
    succeed(&mut tar);
}

fn succeed(command: &mut Command) {
    let output = process::run(command, b"");
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
}

/// A user without a line in /etc/passwd, a directory that is not there, behind a link; the root's
/// own attributes, and what Docker adds to an image.
fn configured(engine: Engine) {
    let shown = image().stdout(engine, &[""; 0]);
    assert_eq!(
        shown,
        "uid=1234 gid=77 groups=77\n/made/here\nimage\n555 12 34 86400 86400\n/proc/mounts\n"
    );
}

fn volume(engine: Engine) {
    let line = "touch /data/x /x; ls /data";
    let arguments = ["--user=0", "--read-only", "--entrypoint=sh", "--", "-c", line];
    let output = process::run(&mut image().command(engine, &arguments), b"");
    assert_eq!(text(&output.stderr), "touch: /x: Read-only file system\n");
    assert_eq!(text(&output.stdout), "x\n");
}

/// A run that has said that it is ready.
fn ready(container: &Container, line: &str) -> (Child, Command, Lines<BufReader<ChildStdout>>) {
    let arguments = ["--user=0", "--entrypoint=sh", "--", "-c", line];
    let mut command = container.command(Engine::Native, &arguments);
    let mut child = process::spawn(command.stdin(Stdio::null()));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    (child, command, lines)
}

const TRAPS: &str = "for s in INT HUP USR1 TERM; do trap \"echo $s; exit 9\" $s; done
echo ready; while :; do sleep 0.1; done";

fn assert_ends_by(container: &Container, signal: Signal, trapped: &str) {
    let (child, command, mut lines) = ready(container, TRAPS);
    kill_process(Pid::from_child(&child), signal).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), trapped);
    assert_eq!(process::finish(child, &command).status.code(), Some(9));
}

/// To be asked to end is not to be killed by SIGTERM.
fn stop_signal() {
    assert_ends_by(image(), Signal::TERM, "USR1");
    assert_ends_by(Container::busybox(), Signal::TERM, "TERM");
}

fn passed_on() {
    assert_ends_by(Container::busybox(), Signal::INT, "INT");
    assert_ends_by(Container::busybox(), Signal::HUP, "HUP");
}

/// A command that does not end must not keep it.
fn second_signal() {
    let line = "trap 'echo INT' INT; echo ready; while :; do sleep 0.1; done";
    let (child, command, mut lines) = ready(Container::busybox(), line);
    let process = Pid::from_child(&child);
    kill_process(process, Signal::INT).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "INT");
    kill_process(process, Signal::INT).unwrap();
    assert_eq!(process::finish(child, &command).status.code(), Some(130));
}
