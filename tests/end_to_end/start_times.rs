//! What a start costs on each engine: figures for the docs, compared with nothing.
//!
//! Ignored unless asked for: `cargo test --release --test end_to_end -- --ignored start_time`.

use crate::container::{Container, Engine};
use crate::{process, trial};
use libtest_mimic::Trial;
use std::process::Stdio;
use std::time::Instant;

const STARTS: usize = 9;

pub fn trials() -> Vec<Trial> {
    let engines = Engine::commands().into_iter().chain([Engine::Native]);
    let print = |engine| trial(format!("{engine}::start_time"), move || print(engine));
    engines.map(|engine| print(engine).with_kind("figures").with_ignored_flag(true)).collect()
}

/// Prints the medians of seconds that passed and of processor seconds.
fn print(engine: Engine) {
    let mut starts: Vec<(f64, f64)> = (0..STARTS).map(|_| start(engine)).collect();
    let mut median = |of: fn(&(f64, f64)) -> f64| {
        starts.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&starts[STARTS / 2])
    };
    println!("\nstart {engine} {:.2} {:.2}", median(|start| start.0), median(|start| start.1));
}

fn start(engine: Engine) -> (f64, f64) {
    let command = Container::busybox().command(engine, &["uname", "-a"]);
    // The shell knows what its children used.
    let mut shell = process::under_shell("\"$@\" > /dev/null && times", &command);
    let before = Instant::now();
    let output = process::run_with_own_stdin(shell.stdin(Stdio::null()));
    let passed = before.elapsed().as_secs_f64();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let children = printed.lines().nth(1).expect("the second line is the children's");
    (passed, children.split_whitespace().map(seconds).sum())
}

/// `1m2.34s` as 62.34.
fn seconds(time: &str) -> f64 {
    let (minutes, seconds) = time.trim_end_matches('s').split_once('m').expect("minutes");
    let number = |text: &str| text.parse::<f64>().expect("a number");
    number(minutes) * 60.0 + number(seconds)
}
