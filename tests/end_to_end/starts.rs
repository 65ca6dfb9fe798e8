//! What differs from one start of a module to the next, and what a module asks of its runtime.

use crate::case::assert_complaint;
use crate::container::{Container, Engine, text};
use crate::{engine_trial, process, trial};
use libtest_mimic::Trial;
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};
use wasmparser::{Parser, Payload};

/// Everything random that a container sees, a line each.
const RANDOM: &str = "head -c 32 /dev/urandom | sha256sum; cat /proc/sys/kernel/random/boot_id; \
                      cat /proc/sys/kernel/random/uuid; mktemp -u XXXXXXXXXXXX; \
                      grep stack /proc/self/maps";
const RANDOM_LINES: usize = 5;

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("imports_are_wasi_preview_1", imports_are_wasi_preview_1),
        trial("exports_for_commands_and_embedders", exports_for_commands_and_embedders),
        trial("command::damaged_snapshot", damaged_snapshot),
        trial("command::20_starts_at_once_differ", || starts_at_once_differ(20)),
    ];
    for engine in Engine::all() {
        trials.push(engine_trial(engine, "clock_is_right", clock_is_right));
        trials.push(engine_trial(engine, "two_starts_differ", two_starts_differ));
        trials.push(engine_trial(engine, "clock_runs", clock_runs));
    }
    trials
}

/// No line of any start is a line of another.
fn assert_all_differ(starts: &[String]) {
    let lines: Vec<&str> = starts.iter().flat_map(|start| start.lines()).collect();
    assert_eq!(lines.len(), starts.len() * RANDOM_LINES, "{starts:?}");
    let different: BTreeSet<_> = lines.iter().collect();
    assert_eq!(different.len(), lines.len(), "{starts:?}");
}

fn two_starts_differ(engine: Engine) {
    let start = || Container::busybox().stdout(engine, &["sh", "-c", RANDOM]);
    assert_all_differ(&[start(), start()]);
}

fn starts_at_once_differ(count: usize) {
    let start = |_| {
        let mut command = Container::busybox().command(Engine::COMMAND, &["sh", "-c", RANDOM]);
        let child = process::spawn(command.stdin(Stdio::null()));
        (child, command)
    };
    let running: Vec<_> = (0..count).map(start).collect();
    let finish = |(child, command)| process::finish(child, &command);
    let outputs = running.into_iter().map(finish).map(|output| output.stdout);
    let outputs: Vec<_> = outputs.map(|bytes| String::from_utf8(bytes).unwrap()).collect();
    assert_all_differ(&outputs);
}

/// A snapshot of another version says so, and nothing runs.
fn damaged_snapshot() {
    const MAGIC: &[u8] = b"c2wsnap";
    let damaged = Container::busybox().altered("damaged", |bytes| {
        // The code that looks for it has one, too, before the snapshot.
        let last = bytes.windows(MAGIC.len()).rposition(|part| part == MAGIC).unwrap();
        bytes[last + MAGIC.len()] ^= 0x80;
    });
    let output = process::run(&mut damaged.command(Engine::COMMAND, &["echo", "hi"]), b"");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(125), ""));
    assert_complaint(&output.stderr, "the snapshot cannot be restored");
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The guest's clock lies between the host's before and after, give or take the 2 seconds that
/// the guest's may be off.
fn clock_is_right(engine: Engine) {
    let before = seconds_now();
    let shown = Container::busybox().stdout(engine, &["date", "+%s"]);
    let after = seconds_now();
    let shown: u64 = shown.trim().parse().unwrap();
    assert!((before - 2..=after + 2).contains(&shown), "{shown} is not in {before}..={after}");
}

/// A second of sleep is at least a second on the guest's clock.
fn clock_runs(engine: Engine) {
    let line =
        "a=$(cut -d. -f1 /proc/uptime); sleep 1; b=$(cut -d. -f1 /proc/uptime); echo $((b > a))";
    assert_eq!(Container::busybox().stdout(engine, &["sh", "-c", line]), "1\n");
}

fn payloads(wasm: &[u8]) -> impl Iterator<Item = Payload<'_>> {
    Parser::new(0).parse_all(wasm).map(|payload| payload.expect("a valid module"))
}

fn imports_are_wasi_preview_1() {
    let wasm = std::fs::read(&Container::busybox().module).unwrap();
    let mut count = 0;
    for payload in payloads(&wasm) {
        let Payload::ImportSection(section) = payload else { continue };
        for import in section.into_imports() {
            let import = import.unwrap();
            assert_eq!(import.module, "wasi_snapshot_preview1", "{}", import.name);
            count += 1;
        }
    }
    assert!(count > 0, "a module without imports cannot print");
}

fn exports_for_commands_and_embedders() {
    let wasm = std::fs::read(&Container::busybox().module).unwrap();
    let mut names = BTreeSet::new();
    for payload in payloads(&wasm) {
        let Payload::ExportSection(section) = payload else { continue };
        names.extend(section.into_iter().map(|export| export.unwrap().name.to_string()));
    }
    for name in ["_start", "memory", "run", "status", "wait_ns"] {
        assert!(names.contains(name), "{name} is missing: {names:?}");
    }
}
