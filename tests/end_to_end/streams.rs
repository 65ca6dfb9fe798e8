//! Standard input, output and error: exact bytes, ends and dialogues.

use crate::case::{Case, Stdin, assert_complaint, case, shell};
use crate::container::{Container, Engine, assert_success, text};
use crate::runtimes::Sigpipe;
use crate::{engine_trial, process};
use libtest_mimic::Trial;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

const SIGPIPE: i32 = 13;

/// What a module says to who calls it while it runs.
const REENTRY: &str =
    "an export of this module was called by an import of it, before that returned";

/// More than every buffer on the way.
const LARGE: usize = 64 << 20;

pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = cases().into_iter().flat_map(Case::trials).collect();
    for engine in Engine::all() {
        trials.push(engine_trial(engine, "dialogue", dialogue));
        trials.push(engine_trial(engine, "reader_goes_away", reader_goes_away));
        trials.push(engine_trial(engine, "output_fails", output_fails));
        trials.push(engine_trial(engine, "error_output_fails", error_output_fails));
        trials.push(engine_trial(engine, "nonblocking_output", output_that_does_not_block));
        trials.push(engine_trial(engine, "null_is_not_a_terminal", null));
        trials.push(engine_trial(engine, "large_output", large_output));
        trials.push(engine_trial(engine, "both_ways_at_once", both_ways));
    }
    trials.push(engine_trial(Engine::UNPOLLED, "dialogue", dialogue));
    for engine in [Engine::Native, Engine::COMMAND] {
        trials.push(engine_trial(engine, "large_input", large_input));
    }
    trials
}

fn cases() -> Vec<Case> {
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let pipe = |bytes: &[u8]| Stdin::Pipe(bytes.to_vec());
    vec![
        shell("streams_apart", "echo out; echo err >&2; exit 7")
            .stdout("out\n")
            .stderr("err\n")
            .status(7),
        case("stdin_pipe", ["cat"]).stdin(pipe(b"hello\n")).stdout("hello\n"),
        case("stdin_every_byte", ["cat"]).stdin(pipe(&every_byte)).stdout(every_byte.clone()),
        case("stdin_file", ["cat"]).stdin(Stdin::File(every_byte.clone())).stdout(every_byte),
        case("stdin_empty_file", ["wc", "-c"]).stdin(Stdin::File(Vec::new())).stdout("0\n"),
        case("stdin_null", ["wc", "-c"]).stdin(Stdin::Null).stdout("0\n"),
        shell("stdin_is_not_waited_for", "sleep 0.05; seq 3 | wc -l")
            .stdin(Stdin::Open)
            .stdout("3\n")
            .only([Engine::UNPOLLED]),
        shell("stdin_unpolled", "sleep 0.3; cat; echo done")
            .stdin(pipe(b"x"))
            .stdout("xdone\n")
            .only([Engine::UNPOLLED]),
        case("stdin_closed", ["wc", "-c"]).stdin(Stdin::Closed).stdout("0\n"),
        case("stdin_fails", ["cat"])
            .stdin(Stdin::Directory)
            .complaint("cannot read standard input: ")
            .status(125),
        shell("stdin_fails_and_the_command", "cat; exit 7")
            .stdin(Stdin::Directory)
            .complaint("cannot read standard input: ")
            .status(7),
        case("stdin_of_nohup", ["wc", "-c"]).stdin(Stdin::Unreadable).stdout("0\n"),
        case("stdin_open_but_not_read", ["echo", "done"]).stdin(Stdin::Open).stdout("done\n"),
        case("no_stdin_while_it_is_open", ["--no-stdin", "wc", "-c"])
            .stdin(Stdin::Open)
            .stdout("0\n"),
        shell("output_after_the_end_of_input", "cat; echo done")
            .stdin(pipe(b"x"))
            .stdout("xdone\n"),
        shell("more_input_than_is_read", "head -c 3").stdin(pipe(&[b'y'; 1 << 20])).stdout("yyy"),
        // More than a terminal takes of a line.
        shell("stdin_long_line", "wc -c; echo err >&2; test -t 0 || echo pipe")
            .stdin(pipe(&[b'x'; 1_000_000]))
            .stdout("1000000\npipe\n")
            .stderr("err\n")
            .only(Engine::all().into_iter().chain([Engine::DEVICES]).collect::<Vec<_>>()),
        // Both are written, after a call of the module by each was refused.
        shell("calls_within_a_call", "echo out; echo err >&2; exit 7")
            .stdout("out\n")
            .stderr(format!("c2w: {REENTRY}\nerr\n"))
            .status(7)
            .only([Engine::REENTRANT]),
        shell("output_without_newline", "printf a; printf b >&2").stdout("a").stderr("b"),
        shell("streams_by_name", "cat /dev/stdin > /dev/stdout; echo e > /dev/stderr")
            .stdin(pipe(b"in"))
            .stdout("in")
            .stderr("e\n"),
        shell("no_terminal", "test -t 0 || test -t 1 || test -t 2 || echo none").stdout("none\n"),
    ]
}

/// Each answer comes before the next question is asked.
fn dialogue(engine: Engine) {
    let line = "while read -r a; do echo \"<$a>\"; done; echo end";
    let mut command = Container::busybox().command(engine, &["sh", "-c", line]);
    let mut child = process::spawn(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for number in 0..10 {
        writeln!(stdin, "question {number}").unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), format!("<question {number}>"));
    }
    drop(stdin);
    assert_eq!(answers.next().unwrap().unwrap(), "end");
    assert!(answers.next().is_none());
    assert_success(&process::finish(child, &command));
}

/// The writer in the container gets SIGPIPE; the rest of the container goes on, if the runtime
/// does.
fn reader_goes_away(engine: Engine) {
    let command = Container::busybox().command(engine, &["sh", "-c", "yes; echo $? >&2"]);
    let mut command = process::under_shell("trap '' PIPE; exec \"$@\"", &command);
    let mut child = process::spawn(command.stdin(Stdio::null()));
    let mut start = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    assert_eq!(&start, b"y\ny\n");
    let output = process::finish(child, &command);
    let said = text(&output.stderr);
    match engine.sigpipe() {
        Sigpipe::Dies => assert_eq!((said.as_str(), output.status.signal()), ("", Some(SIGPIPE))),
        _ => assert_eq!((said.as_str(), output.status.code()), ("141\n", Some(0))),
    }
}

/// What is lost is told, and a command that knows of nothing has not succeeded.
fn output_fails(engine: Engine) {
    for (line, status) in [("echo lost", 125), ("echo lost; exit 7", 7)] {
        let mut command = Container::busybox().command(engine, &["sh", "-c", line]);
        command.stdin(Stdio::null()).stdout(full()).stderr(Stdio::piped());
        let output = process::finish(command.spawn().unwrap(), &command);
        assert_complaint(&output.stderr, "cannot write standard output: ");
        assert_eq!(output.status.code(), Some(status), "{line}");
    }
}

/// There is nowhere to tell it.
fn error_output_fails(engine: Engine) {
    let line = "echo lost >&2; echo kept";
    let mut command = Container::busybox().command(engine, &["sh", "-c", line]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(full());
    let output = process::finish(command.spawn().unwrap(), &command);
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("kept\n", Some(125)));
}

/// A device that has no room.
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// `/dev/null` is a character device, too: what is said on standard error must not end up there.
fn null(engine: Engine) {
    let line = "test -t 0 || test -t 1 || echo err >&2";
    let mut command = Container::busybox().command(engine, &["sh", "-c", line]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = process::finish(command.spawn().unwrap(), &command);
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), ("err\n", Some(0)));
}

/// An output that takes nothing for a while is waited for.
fn output_that_does_not_block(engine: Engine) {
    let mut command = Container::busybox().command(engine, &["seq", "200000"]);
    let (reader, writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // It holds the pipe's other end, too.
    let same = process::under_shell("", &command);
    drop(command);
    std::thread::sleep(std::time::Duration::from_millis(500));
    let lines = BufReader::new(reader).lines().map(Result::unwrap);
    assert!(lines.eq((1..=200_000).map(|number| number.to_string())));
    assert_success(&process::finish(child, &same));
}

fn large_output(engine: Engine) {
    let length = 16 << 20;
    // To print numbers is most of the work, so the same ones come again.
    const NUMBERS: u32 = 100_000;
    let file = format!("seq {NUMBERS} > /tmp/c2w-$$; trap 'rm /tmp/c2w-$$' EXIT");
    let line = format!("{file}; while cat /tmp/c2w-$$; do :; done | head -c {length}");
    let output = process::run(&mut Container::busybox().command(engine, &["sh", "-c", &line]), b"");
    assert_success(&output);
    let numbers: Vec<u8> = (1..=NUMBERS).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    let expected: Vec<u8> = numbers.into_iter().cycle().take(length).collect();
    assert!(output.stdout == expected, "{} bytes differ", output.stdout.len());
}

/// Far more than all buffers hold goes in while it comes out.
fn both_ways(engine: Engine) {
    let bytes: Vec<u8> = (0..LARGE as u32 / 8).flat_map(|n| n.to_be_bytes()).collect();
    let output = process::run(&mut Container::busybox().command(engine, &["cat"]), &bytes);
    assert_success(&output);
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
}

fn large_input(engine: Engine) {
    let block: Vec<u8> =
        (0..LARGE as u32 / 16).flat_map(|n| n.wrapping_mul(0x9E37_79B1).to_le_bytes()).collect();
    let mut command = Container::busybox().command(engine, &["sha256sum"]);
    let output = process::run(&mut command, &block);
    assert_success(&output);
    let digest: String = Sha256::digest(&block).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text(&output.stdout), format!("{digest}  -\n"));
}
