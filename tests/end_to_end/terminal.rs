//! Runs in a terminal: a pseudo-terminal that the test is the other end of.

use crate::container::{Container, Engine, Surroundings, text};
use crate::runtimes::Sigpipe;
use crate::{engine_trial, process, trial};
use libtest_mimic::Trial;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Only a program that hangs takes so long, even on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("native::terminal", native),
        trial("native::terminal_is_given_back", given_back),
    ];
    for engine in Engine::all() {
        trials.push(engine_trial(engine, "tty_without_one", tty_without_one));
        trials.push(engine_trial(engine, "half_a_terminal", half_a_terminal));
        trials.push(engine_trial(engine, "tty_output_fails", output_fails));
        trials.push(engine_trial(engine, "tty_output_fails_with_init", output_fails_with_init));
        trials.push(engine_trial(engine, "tty_reader_goes_away", reader_goes_away));
    }
    for engine in Engine::commands() {
        trials.push(engine_trial(engine, "terminal_cooked", cooked));
        trials.push(engine_trial(engine, "terminal_raw", raw));
        trials.push(engine_trial(engine, "terminal_size_from_variables", size_from_variables));
        trials.push(engine_trial(engine, "no_tty", no_tty));
    }
    trials
}

/// A program in a terminal of `columns` x `rows`.
struct Dialogue {
    child: Child,
    master: File,
    slave: OwnedFd,
    shown: Receiver<Vec<u8>>,
    /// What was shown and not yet compared.
    rest: Vec<u8>,
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}

/// A new terminal of 100 x 40: who types and sees, and what a program has.
fn open_terminal() -> (OwnedFd, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    tcsetwinsize(&master, size(100, 40)).unwrap();
    (master, slave)
}

fn set_raw(terminal: &OwnedFd) {
    let mut settings = tcgetattr(terminal).unwrap();
    settings.make_raw();
    tcsetattr(terminal, OptionalActions::Now, &settings).unwrap();
}

impl Dialogue {
    fn start(command: Command, prepare: impl FnOnce(&OwnedFd)) -> Self {
        let (master, slave) = open_terminal();
        prepare(&slave);
        // Its own session, for the terminal to be its controlling one: of sizes it tells no other.
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        session.env_clear();
        for (name, value) in command.get_envs() {
            session.envs(value.map(|value| (name, value)));
        }
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = session.stdin(end()).stdout(end()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, shown) = mpsc::channel();
        let mut output = File::from(master.try_clone().unwrap());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, master: master.into(), slave, shown, rest: Vec::new() }
    }

    /// Types.
    fn type_in(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `text` is shown; what comes before it is returned.
    fn expect(&mut self, wanted: &str) -> String {
        loop {
            let found = self.rest.windows(wanted.len()).position(|part| part == wanted.as_bytes());
            if let Some(at) = found {
                let before = self.rest.drain(..at).collect::<Vec<u8>>();
                self.rest.drain(..wanted.len());
                return text(&before);
            }
            match self.shown.recv_timeout(PATIENCE) {
                Ok(bytes) => self.rest.extend(bytes),
                Err(_) => panic!("{wanted:?} is not shown, but {:?}", text(&self.rest)),
            }
        }
    }

    /// Waits for the program's end.
    fn status(self) -> Option<i32> {
        let Self { child, slave, .. } = self;
        drop(slave);
        process::finish(child, &Command::new("a program in a terminal")).status.code()
    }
}

/// The host's terminal becomes raw: the container's echoes, and hears of keys and of sizes.
fn native() {
    let line = "stty size; trap 'stty size; exit 5' WINCH; cat; echo ready; sleep 1000 & wait";
    let command = Container::busybox().command(Engine::Native, &["sh", "-c", line]);
    let mut dialogue = Dialogue::start(command, |_| {});
    dialogue.expect("40 100\r\n");
    dialogue.type_in("lime\x7fs\n");
    dialogue.expect("lime\x08 \x08s\r\nlims\r\n");
    dialogue.type_in("\x04");
    dialogue.expect("ready\r\n");
    tcsetwinsize(&dialogue.master, size(132, 50)).unwrap();
    dialogue.expect("50 132\r\n");
    assert_eq!(dialogue.status(), Some(5));
}

/// Keys that are signals reach the command; the terminal is afterwards as it was before.
fn given_back() {
    let command = Container::busybox().command(Engine::Native, &["sh", "-c", "cat; exit 3"]);
    let mut dialogue = Dialogue::start(command, |_| {});
    let before = tcgetattr(&dialogue.slave).unwrap();
    dialogue.type_in("x\r");
    dialogue.expect("x\r\nx\r\n");
    dialogue.type_in("\x04");
    let slave = dialogue.slave.try_clone().unwrap();
    assert_eq!(dialogue.status(), Some(3));
    let after = tcgetattr(&slave).unwrap();
    assert_eq!(after.local_modes, before.local_modes);
    assert_eq!(after.output_modes, before.output_modes);
}

/// The host's terminal echoes and begins new lines: neither comes twice.
fn cooked(engine: Engine) {
    let line = "test -t 0 && stty size; cat; echo end";
    let command = Container::busybox().command(engine, &["sh", "-c", line]);
    let mut dialogue = Dialogue::start(command, |_| {});
    assert_eq!(dialogue.expect("24 80\r\n"), "");
    dialogue.type_in("one\n");
    assert_eq!(dialogue.expect("one\r\none\r\n"), "");
    dialogue.type_in("\x04");
    assert_eq!(dialogue.expect("end\r\n"), "");
    assert_eq!(dialogue.status(), Some(0));
}

/// The terminal is asked for its size; what is typed meanwhile is not lost.
fn raw(engine: Engine) {
    let line = "stty size; cat; exit 6";
    let command = Container::busybox().command(engine, &["--tty=raw", "sh", "-c", line]);
    let mut dialogue = Dialogue::start(command, set_raw);
    dialogue.expect("\x1b[6n\x1b8");
    dialogue.type_in("ea\x1b[33;99Rrly\r");
    dialogue.expect("33 99\r\n");
    dialogue.expect("early\r\n");
    dialogue.type_in("later\r");
    dialogue.expect("later\r\nlater\r\n");
    dialogue.type_in("\x04");
    assert_eq!(dialogue.status(), Some(6));
}

fn size_from_variables(engine: Engine) {
    let arguments = ["--tty=raw", "sh", "-c", "stty size"];
    let variables = [("COLUMNS", "77"), ("LINES", "11")];
    let surroundings = Surroundings { variables: &variables, ..Surroundings::default() };
    let command = Container::busybox().command_in(engine, surroundings, &arguments);
    let mut dialogue = Dialogue::start(command, set_raw);
    assert_eq!(dialogue.expect("11 77\r\n"), "");
    assert_eq!(dialogue.status(), Some(0));
}

/// Where only one of standard input and output is a terminal, data goes through the other one.
fn half_a_terminal(engine: Engine) {
    let line = "test -t 0 || test -t 1 || test -t 2 || echo none; echo err >&2";
    let command = || Container::busybox().command(engine, &["sh", "-c", line]);
    let (_master, slave) = open_terminal();
    let mut from_terminal = command();
    let child = process::spawn(from_terminal.stdin(slave));
    let output = process::finish(child, &from_terminal);
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), ("none\n", "err\n"));

    let (master, slave) = open_terminal();
    let mut to_terminal = command();
    to_terminal.stdin(Stdio::null()).stdout(slave.try_clone().unwrap()).stderr(Stdio::piped());
    let output = process::finish(to_terminal.spawn().unwrap(), &to_terminal);
    let mut shown = [0; 16];
    let length = File::from(master).read(&mut shown).unwrap();
    assert_eq!(
        (text(&shown[..length]).as_str(), text(&output.stderr).as_str()),
        ("none\r\n", "err\n")
    );
}

fn no_tty(engine: Engine) {
    let arguments = ["--no-tty", "sh", "-c", "test -t 0 || test -t 1 || echo none"];
    let command = Container::busybox().command(engine, &arguments);
    let mut dialogue = Dialogue::start(command, |_| {});
    assert_eq!(dialogue.expect("none\r\n"), "");
    assert_eq!(dialogue.status(), Some(0));
}

/// Bytes of a pipe are nobody's typing: not echoed, not translated; their end is one for everybody.
fn tty_without_one(engine: Engine) {
    let line = "test -t 0 && test -t 2 && cat; cat; echo end >&2; exit 4";
    let mut command = Container::busybox().command(engine, &["-t", "sh", "-c", line]);
    let output = process::run(&mut command, b"one\ntwo");
    assert_eq!(text(&output.stdout), "one\ntwoend\n");
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), ("", Some(4)));
}

/// The terminal hangs up: a command that takes no notice of SIGHUP fails to write, and goes on.
fn output_fails(engine: Engine) {
    let line = "trap '' HUP; head -c 500000 /dev/zero; head -c 500000 /dev/zero; cat; exit 9";
    let mut command = Container::busybox().command(engine, &["-t", "sh", "-c", line]);
    let mut child = spawn_with_full_output(command.stdin(Stdio::piped()));
    // Nobody types, and the input is not at its end.
    let _open = child.stdin.take();
    assert_eq!(process::finish(child, &command).status.code(), Some(9));
}

/// A command that is not process 1 ends by SIGHUP.
fn output_fails_with_init(engine: Engine) {
    let arguments = ["-t", "--init", "head", "-c", "500000", "/dev/zero"];
    let mut command = Container::busybox().command(engine, &arguments);
    let child = spawn_with_full_output(command.stdin(Stdio::null()));
    assert_eq!(process::finish(child, &command).status.code(), Some(engine.status(128 + 1)));
}

fn spawn_with_full_output(command: &mut Command) -> Child {
    let full = File::options().write(true).open("/dev/full").unwrap();
    command.stdout(full).stderr(Stdio::piped()).spawn().unwrap()
}

fn reader_goes_away(engine: Engine) {
    let arguments = ["-t", "head", "-c", "5000000", "/dev/zero"];
    let mut command = Container::busybox().command(engine, &arguments);
    let mut child = process::spawn(command.stdin(Stdio::null()));
    child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    let status = process::finish(child, &command).status;
    match engine.sigpipe() {
        Sigpipe::Ignored => assert_eq!(status.code(), Some(1)),
        Sigpipe::Default | Sigpipe::Dies => assert!(!status.success(), "{status}"),
    }
}
