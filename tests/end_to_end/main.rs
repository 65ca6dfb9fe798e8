//! Images converted by the built `c2w`, and their modules run under a WASI engine, as users do.
//!
//! The same cases also run natively (`c2w run`), through the export `run` that embedders call, and
//! on each WASI runtime that this machine has.
//! This executable is the engine too: it starts itself for each run, so that every run has a
//! process with standard streams of its own.

mod case;
mod commands;
mod component;
mod compression;
mod container;
mod conversion;
mod engine;
mod guest;
mod image;
mod instructions;
mod kernel;
mod network;
mod options;
mod platforms;
mod process;
mod profile;
mod readme;
mod real_image;
mod refusals;
mod runtimes;
mod shared;
mod start_times;
mod starts;
mod streams;
mod terminal;
mod translation;
mod waiting;

use container::Engine;
use libtest_mimic::{Arguments, Trial};
use runtimes::Runtime;
use std::collections::HashSet;

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == engine::FLAG) {
        return engine::main(arguments);
    }
    let trials = [
        commands::trials(),
        component::trials(),
        options::trials(),
        image::trials(),
        kernel::trials(),
        network::trials(),
        terminal::trials(),
        waiting::trials(),
        instructions::trials(),
        streams::trials(),
        starts::trials(),
        start_times::trials(),
        compression::trials(),
        conversion::trials(),
        refusals::trials(),
        shared::trials(),
        profile::trials(),
        readme::trials(),
        platforms::trials(),
        translation::trials(),
        real_image::trials(),
        missing_runtimes(),
    ];
    let mut trials: Vec<Trial> = trials.into_iter().flatten().collect();
    trials.push(known_failures(&trials));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A case that has got another name would fail again.
fn known_failures(trials: &[Trial]) -> Trial {
    let case = |trial: &Trial| trial.name().split_once("::").map(|(_, case)| case.to_owned());
    let cases: HashSet<String> = trials.iter().filter_map(case).collect();
    trial("known_failures_are_cases", move || {
        for known in runtimes::known_failures() {
            assert!(cases.contains(known), "{known}");
        }
    })
}

/// A test that fails by panicking.
fn trial(name: impl Into<String>, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

/// A test of one engine; ignored where it is known to fail, with the cause in brackets.
fn engine_trial(
    engine: Engine,
    name: &'static str,
    test: impl FnOnce(Engine) + Send + 'static,
) -> Trial {
    let trial = trial(format!("{engine}::{name}"), move || test(engine));
    match engine.known_failure(name) {
        Some(cause) => trial.with_kind(cause).with_ignored_flag(true),
        None => trial,
    }
}

/// So that nobody takes a runtime that is not there for one that passed.
fn missing_runtimes() -> Vec<Trial> {
    Runtime::not_found().map(|(name, program)| missing(name, program)).collect()
}

/// In the place of tests that need a program: ignored, unless that is one of `C2W_REQUIRED`.
fn missing(tests: &str, program: &'static str) -> Trial {
    let required = std::env::var("C2W_REQUIRED").unwrap_or_default();
    let required = required.split_whitespace().any(|word| word == program);
    let test = move || Err(format!("{program} is not installed").into());
    Trial::test(format!("{tests}::all"), test)
        .with_kind("not installed")
        .with_ignored_flag(!required)
}
