//! The command lines that the documentation has for the program wasmtime, and for c2w on the module
//! that it has made, run as they stand there.

use crate::container::{Container, text};
use crate::runtimes::find;
use crate::{missing, process, trial};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const README: &str = include_str!("../../README.md");
const RUNTIMES: &str = include_str!("../../docs/runtimes.md");
const USAGE: &str = include_str!("../../docs/usage.md");

/// What lines of README's "Running a module" print, for those that print the same everywhere.
const PRINTED: [(&str, &str); 4] = [
    ("-e A=1 env", "A=1\n"),
    ("--dir .::/work", " out.wasm\n"),
    ("--env A=1 out.wasm env", "A=1\n"),
    ("--entrypoint sh -- -c 'echo hi'", "hi\n"),
];

pub fn trials() -> Vec<Trial> {
    let Some(wasmtime) = find("wasmtime") else { return vec![missing("readme", "wasmtime")] };
    let with_shell = |name: &str, test: fn(&Shell)| {
        let wasmtime = wasmtime.clone();
        trial(format!("readme::{name}"), move || test(&Shell::new(&wasmtime)))
    };
    vec![
        with_shell("first_lines", first_lines),
        with_shell("running_a_module", running),
        with_shell("compiled_beforehand", compiled),
        with_shell("status_above_125", status_above_125),
    ]
}

/// A folder with `out.wasm` and `here`, in which lines are run that call wasmtime and c2w by their
/// names.
struct Shell {
    folder: tempfile::TempDir,
    wasmtime: PathBuf,
}

impl Shell {
    fn new(wasmtime: &Path) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::hard_link(&Container::busybox().module, folder.path().join("out.wasm")).unwrap();
        std::fs::create_dir(folder.path().join("here")).unwrap();
        std::fs::write(folder.path().join("here/file"), "").unwrap();
        Self { folder, wasmtime: wasmtime.into() }
    }

    fn run(&self, line: &str) -> Output {
        let folders = [self.wasmtime.as_path(), Path::new(env!("CARGO_BIN_EXE_c2w"))];
        let [wasmtime, c2w] = folders.map(|program| program.parent().unwrap().display());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).current_dir(&self.folder).env_clear();
        command.env("PATH", format!("{wasmtime}:{c2w}:/usr/bin:/bin"));
        // wasmtime keeps what it has compiled, once for all of these.
        command.env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/wasmtime-cache"));
        process::run(&mut command, b"")
    }

    /// Runs a line that must succeed; gives what it printed.
    fn succeed(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

/// The lines of the fenced block that has `mark` in it.
fn block<'a>(page: &'a str, mark: &str) -> Vec<&'a str> {
    let blocks = page.split("```").skip(1).step_by(2);
    let found = blocks.filter(|block| block.contains(mark)).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{mark}");
    found[0].lines().skip(1).collect()
}

/// Lines that call wasmtime, without the words about them.
fn calls<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let calls = lines.iter().filter(|line| line.starts_with("wasmtime"));
    calls.map(|line| line.split("  #").next().unwrap()).collect()
}

/// The README's first block: each command and all that it prints, in any order of its streams.
fn first_lines(shell: &Shell) {
    let lines = block(README, "exit 7");
    let sessions = lines.split(|line| line.starts_with("$ ")).skip(1);
    let commands = lines.iter().filter_map(|line| line.strip_prefix("$ "));
    let mut tried = 0;
    let is_run = |line: &str| line.contains("c2w run") || line.contains("wasmtime");
    for (command, expected) in commands.zip(sessions).filter(|(line, _)| is_run(line)) {
        let mut printed = shell.succeed(&format!("exec 2>&1; {command}"));
        if printed.lines().count() > 1 {
            let mut sorted: Vec<_> = printed.lines().collect();
            sorted.sort_by_key(|line| expected.iter().position(|wanted| wanted == line));
            printed = sorted.join("\n");
        }
        assert_eq!(printed.trim_end(), expected.join("\n"), "{command}");
        tried += 1;
    }
    assert_eq!(tried, 4);
}

fn running(shell: &Shell) {
    let lines = calls(&block(README, "docker run's options"));
    let mut expected = PRINTED.to_vec();
    for line in &lines {
        let printed = shell.succeed(line);
        expected.retain(|(part, output)| {
            let this = line.contains(part);
            assert!(!this || printed.contains(output), "{line}: {printed}");
            !this
        });
    }
    assert!(lines.len() >= 6 && expected.is_empty(), "not in the README: {expected:?}");
}

/// The blocks of both pages that compile a module; the last line of each runs what came of it.
fn compiled(shell: &Shell) {
    for (page, mark) in [(RUNTIMES, "# compiled\nwasmtime"), (USAGE, "wasmtime compile")] {
        let lines = calls(&block(page, mark));
        let printed: Vec<_> = lines.iter().map(|line| shell.succeed(line)).collect();
        assert!(printed.last().unwrap().contains("riscv64"), "{printed:?}");
    }
}

/// As docs/usage.md says: 1, and wasmtime's own words.
fn status_above_125(shell: &Shell) {
    let output = shell.run("wasmtime out.wasm sh -c 'exit 126'");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("exit with invalid exit status outside of [0..126)"));
    assert_eq!(shell.run("wasmtime out.wasm sh -c 'exit 125'").status.code(), Some(125));
}
