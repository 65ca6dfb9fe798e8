//! One command and what must come of it, whatever executes it.

use crate::container::{Container, Engine, Surroundings, text};
use crate::{engine_trial, process};
use libtest_mimic::Trial;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, Write};
use std::process::{Command, Output, Stdio};

/// What a command finds on its standard input.
#[derive(Clone)]
pub enum Stdin {
    /// A pipe with these bytes, then its end.
    Pipe(Vec<u8>),
    /// A pipe that stays open, without a byte.
    Open,
    /// A regular file.
    File(Vec<u8>),
    /// `/dev/null`.
    Null,
    /// No file descriptor 0 at all.
    Closed,
    /// A directory, which can be opened but not read.
    Directory,
    /// `/dev/null` for writing, as nohup(1) has it.
    Unreadable,
}

/// What must be on standard error.
#[derive(Clone)]
enum Stderr {
    /// These bytes, from the command.
    Exactly(Vec<u8>),
    /// One line of c2w's own, with this in it.
    Complaint(&'static str),
}

/// A command and what is expected of it.
#[derive(Clone)]
pub struct Case {
    name: &'static str,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, &'static str)>,
    stdin: Stdin,
    stdout: Vec<u8>,
    stderr: Stderr,
    status: i32,
    engines: Vec<Engine>,
}

/// A case that expects silent success.
pub fn case<T: Into<OsString>>(name: &'static str, arguments: impl IntoIterator<Item = T>) -> Case {
    Case {
        name,
        arguments: arguments.into_iter().map(Into::into).collect(),
        environment: Vec::new(),
        stdin: Stdin::Pipe(Vec::new()),
        stdout: Vec::new(),
        stderr: Stderr::Exactly(Vec::new()),
        status: 0,
        engines: Engine::all(),
    }
}

/// A case whose command is a line for the shell.
pub fn shell(name: &'static str, line: &str) -> Case {
    case(name, ["sh", "-c", line])
}

impl Case {
    pub fn stdin(self, stdin: Stdin) -> Self {
        Self { stdin, ..self }
    }

    pub fn environment(self, environment: &[(&'static str, &'static str)]) -> Self {
        Self { environment: environment.to_vec(), ..self }
    }

    pub fn stdout(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { stdout: bytes.into(), ..self }
    }

    pub fn stderr(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { stderr: Stderr::Exactly(bytes.into()), ..self }
    }

    pub fn complaint(self, part: &'static str) -> Self {
        Self { stderr: Stderr::Complaint(part), ..self }
    }

    pub fn status(self, status: i32) -> Self {
        Self { status, ..self }
    }

    /// For what an engine cannot pass on, or does on its own.
    pub fn only(self, engines: impl Into<Vec<Engine>>) -> Self {
        Self { engines: engines.into(), ..self }
    }

    /// On an image that is booted for it, too.
    pub fn on_the_image(mut self) -> Self {
        self.engines.push(Engine::Image);
        self
    }

    /// One test for each engine.
    pub fn trials(self) -> Vec<Trial> {
        let test = |&engine| {
            let case = self.clone();
            engine_trial(engine, self.name, move |engine| case.check(engine))
        };
        self.engines.iter().map(test).collect()
    }

    fn check(&self, engine: Engine) {
        let container = Container::busybox();
        let surroundings = Surroundings { variables: &self.environment, ..Surroundings::default() };
        let command = container.command_in(engine, surroundings, &self.arguments);
        let mut output = with_stdin(command, &self.stdin);
        let status = engine.status(self.status);
        if status != self.status {
            remove_refusal(&mut output.stderr);
        }
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "status; stderr: {said}");
        assert!(output.stdout == self.stdout, "{}", difference(&output.stdout, &self.stdout));
        match &self.stderr {
            Stderr::Exactly(bytes) => assert_eq!(said, text(bytes)),
            Stderr::Complaint(part) => assert_complaint(&output.stderr, part),
        }
    }
}

/// Cuts off what the program wasmtime says to a status that it does not pass on.
fn remove_refusal(stderr: &mut Vec<u8>) {
    let refusal = b"Error: failed to run main module";
    let start = stderr.windows(refusal.len()).position(|window| window == refusal);
    stderr.truncate(start.expect("a status that is not passed on is told"));
}

/// One line from c2w with `part` in it.
pub fn assert_complaint(stderr: &[u8], part: &str) {
    let said = text(stderr);
    let one_line = said.starts_with("c2w: ") && said.ends_with('\n') && said.lines().count() == 1;
    assert!(one_line && said.contains(part), "not one line with {part:?}: {said:?}");
}

fn with_stdin(mut command: Command, stdin: &Stdin) -> Output {
    match stdin {
        Stdin::Pipe(bytes) => process::run(&mut command, bytes),
        Stdin::Open => process::run_with_open_stdin(&mut command),
        Stdin::File(bytes) => process::run_with_own_stdin(command.stdin(file(bytes))),
        Stdin::Directory => {
            let directory = File::open("/").expect("there is one");
            process::run_with_own_stdin(command.stdin(directory))
        }
        Stdin::Unreadable => {
            let null = File::options().write(true).open("/dev/null").expect("there is one");
            process::run_with_own_stdin(command.stdin(null))
        }
        Stdin::Null => process::run_with_own_stdin(command.stdin(Stdio::null())),
        Stdin::Closed => {
            process::run_with_own_stdin(&mut process::under_shell("exec \"$@\" <&-", &command))
        }
    }
}

/// A regular file with these bytes.
pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("it is written");
    file.rewind().expect("it is read from its start");
    file
}

/// Where two outputs part, for outputs that are too long to show.
fn difference(found: &[u8], wanted: &[u8]) -> String {
    let same = found.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    let excerpt = |bytes: &[u8]| text(&bytes[same..(same + 200).min(bytes.len())]);
    format!(
        "stdout: {} bytes, expected {}; after {same} equal ones {:?}, expected {:?}",
        found.len(),
        wanted.len(),
        excerpt(found),
        excerpt(wanted)
    )
}
