//! Images converted by the built `c2w`, and their modules run under a WASI engine, as users do.
//!
//! The same cases also run natively (`c2w run`), and through the export `run` that embedders call.
//! This executable is the engine too: it starts itself for each run, so that every run has a
//! process with standard streams of its own.

mod case;
mod commands;
mod container;
mod conversion;
mod engine;
mod image;
mod instructions;
mod options;
mod process;
mod profile;
mod real_image;
mod refusals;
mod shared;
mod starts;
mod streams;
mod terminal;

use libtest_mimic::{Arguments, Trial};

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == engine::FLAG) {
        return engine::main(arguments);
    }
    let trials = [
        commands::trials(),
        options::trials(),
        image::trials(),
        terminal::trials(),
        instructions::trials(),
        streams::trials(),
        starts::trials(),
        conversion::trials(),
        refusals::trials(),
        shared::trials(),
        profile::trials(),
        real_image::trials(),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit_code()
}

/// A test that fails by panicking.
fn trial(name: impl Into<String>, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
