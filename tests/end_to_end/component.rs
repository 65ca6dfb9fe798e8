//! Components for WASI 0.2.

use crate::case::{Case, Stdin, case, shell};
use crate::container::{C2W, Container, Engine, assert_success, busybox_reference};
use crate::engine::Directory;
use crate::{engine_trial, process, trial};
use libtest_mimic::Trial;
use std::fs;
use std::process::Command;

pub fn trials() -> Vec<Trial> {
    let cases = [
        case("component_true", ["true"]),
        case("component_false", ["false"]).status(1),
        shell("component_streams", "cat; echo err >&2")
            .stdin(Stdin::Pipe(b"in".repeat(1 << 20)))
            .stdout(b"in".repeat(1 << 20))
            .stderr("err\n"),
        shell("component_waits", "sleep 0.1; read line; echo $line$?").stdout("1\n"),
        shell("component_variable", "echo $A").environment(&[("A", "b c")]).stdout("b c\n"),
        case("component_options", ["-e", "A=1", "-w", "/tmp", "sh", "-c", "echo $A; pwd"])
            .stdout("1\n/tmp\n"),
    ];
    let cases = cases.map(|case| case.only(Engine::components())).into_iter();
    let directories = Engine::components()
        .into_iter()
        .map(|engine| engine_trial(engine, "component_directory", directory));
    let others = [
        trial("component::on_standard_output", on_standard_output),
        trial("native::component", natively),
    ];
    cases.flat_map(Case::trials).chain(directories).chain(others).collect()
}

fn directory(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("here"), "mapped\n").unwrap();
    let directories = [Directory::new(folder.path(), "/mapped")];
    let line = ["sh", "-c", "cat /mapped/here; echo written > /mapped/there"];
    let mut command = Container::busybox().command_with(engine, &directories, &line);
    let output = process::run(&mut command, b"");
    assert_success(&output);
    assert_eq!(output.stdout, b"mapped\n");
    assert_eq!(fs::read(folder.path().join("there")).unwrap(), b"written\n");
}

/// A stream cannot be gone back in.
fn on_standard_output() {
    let mut command = Command::new(C2W);
    command.args(["--target=wasip2", &busybox_reference(), "-"]);
    let output = process::run(&mut command, b"");
    assert!(output.status.success());
    assert!(output.stdout == fs::read(Container::busybox().component()).unwrap());
}

/// Without a WASI runtime, as from a module.
fn natively() {
    let mut command = Command::new(C2W);
    command.arg("run").arg(Container::busybox().component()).args(["sh", "-c", "cat; exit 200"]);
    let output = process::run(&mut command, b"in");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(200), &b"in"[..]));
}
