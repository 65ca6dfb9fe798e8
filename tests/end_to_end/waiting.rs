//! A container that waits leaves the processor alone, whatever its standard input is.
//!
//! `tests/idle.rs` counts what the machine does meanwhile; here is what the runtime makes of it.

use crate::case::file;
use crate::container::{Container, Engine};
use crate::{engine_trial, process};
use libtest_mimic::Trial;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Time for what a start leaves to be done, then time that is measured.
const SETTLED: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_secs(4);
/// The kernel's unit in /proc/PID/stat, for user space.
const TICKS_A_SECOND: u64 = 100;
/// A quarter of the time: who waits in a loop takes all of it, or shares it with what else runs.
const MOST_TICKS: u64 = TICKS_A_SECOND;

/// A command that waits for its input, and one that waits for time to pass.
const CAT: &str = "echo ready; cat";
const SLEEP: &str = "echo ready; sleep 1000";

pub fn trials() -> Vec<Trial> {
    // An embedder waits as it likes: there is nothing to be seen.
    let engines = [Engine::Native].into_iter().chain(Engine::commands());
    let unpolled = engine_trial(Engine::UNPOLLED, "idle_sleep_null", |engine| {
        waits(engine, SLEEP, "", Stdio::null());
    });
    engines.flat_map(trials_of).chain([unpolled]).collect()
}

fn trials_of(engine: Engine) -> Vec<Trial> {
    let large = || file(&[b'x'; 4 << 20]).into();
    vec![
        engine_trial(engine, "idle_cat_open", move |e| waits(e, CAT, "", Stdio::piped())),
        engine_trial(engine, "idle_sleep_open", move |e| waits(e, SLEEP, "", Stdio::piped())),
        engine_trial(engine, "idle_sleep_null", move |e| waits(e, SLEEP, "", Stdio::null())),
        engine_trial(engine, "idle_sleep_closed", move |e| waits(e, SLEEP, "<&-", Stdio::null())),
        engine_trial(engine, "idle_sleep_file", move |e| waits(e, SLEEP, "", large())),
    ]
}

fn waits(engine: Engine, line: &str, redirection: &str, stdin: Stdio) {
    let command = Container::busybox().command(engine, &["sh", "-c", line]);
    let mut command = process::under_shell(&format!("exec \"$@\" {redirection}"), &command);
    let mut child = process::spawn(command.stdin(stdin));
    let mut shown = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    assert_eq!(shown.next().expect("a line").expect("UTF-8"), "ready");
    sleep(SETTLED);
    let before = ticks(&child);
    sleep(LOOK);
    let used = ticks(&child) - before;
    end(child, &command);
    assert!(used <= MOST_TICKS, "{used} ticks of processor time in {LOOK:?}");
}

/// Processor time of all threads of a process, in clock ticks.
fn ticks(child: &Child) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || times.next().and_then(|time| time.parse::<u64>().ok()).expect("a time");
    next() + next()
}

fn end(mut child: Child, command: &Command) {
    child.kill().expect("it runs");
    process::finish(child, command);
}
