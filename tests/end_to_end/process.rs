//! Child processes that are fed, read to their end and never waited for without end.

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Only a process that hangs takes so long, even on a loaded machine.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs a command whose standard input is `stdin`, then its end.
pub fn run(command: &mut Command, stdin: &[u8]) -> Output {
    let mut child = spawn(command.stdin(Stdio::piped()));
    let mut pipe = child.stdin.take().expect("it is piped");
    let bytes = stdin.to_vec();
    let writer = thread::spawn(move || feed(&mut pipe, &bytes));
    let output = finish(child, command);
    writer.join().expect("standard input is written");
    output
}

/// Runs a command with the standard input that it has been given.
pub fn run_with_own_stdin(command: &mut Command) -> Output {
    finish(spawn(command), command)
}

/// Runs a command whose standard input stays open, without a byte.
pub fn run_with_open_stdin(command: &mut Command) -> Output {
    let mut child = spawn(command.stdin(Stdio::piped()));
    let _open = child.stdin.take();
    finish(child, command)
}

/// A command as `"$@"` of a line for the shell. Its streams are not taken over.
pub fn under_shell(line: &str, command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", line, "sh"]).arg(command.get_program()).args(command.get_args()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// Starts a command with its outputs piped.
pub fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => panic!("this test needs {:?}: install it", command.get_program()),
        _ => panic!("cannot run {command:?}: {error}"),
    })
}

/// Writes all, or as much as the child cares to read.
fn feed(pipe: &mut ChildStdin, bytes: &[u8]) {
    match pipe.write_all(bytes) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("standard input: {error}"),
        _ => {}
    }
}

/// Collects the outputs that are still piped, and the status.
pub fn finish(mut child: Child, command: &Command) -> Output {
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            break Some(status);
        }
        if Instant::now() > deadline {
            child.kill().expect("the child can be killed");
            break None;
        }
        sleep(Duration::from_millis(5));
    };
    let (stdout, stderr) = (stdout.join().expect("stdout"), stderr.join().expect("stderr"));
    match status {
        Some(status) => Output { status, stdout, stderr },
        None => panic!("{command:?} hangs; stderr: {}", String::from_utf8_lossy(&stderr)),
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).expect("output is read");
        }
        bytes
    })
}
