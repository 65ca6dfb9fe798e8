//! The command line.

mod aot_options;
mod bars;
mod cache;
mod container2wasm;
mod convert;
mod directories;
mod documents;
mod inspect;
mod machine_options;
mod output;
mod rootfs;
mod run;
mod source_options;
mod text;

use crate::place::Place;
use anyhow::{Context, Result};
use clap::{ArgAction, Parser};
use std::io::Write;
use std::process::ExitCode;

/// Turns a container image into one WebAssembly module that runs the unmodified container.
#[derive(Parser)]
#[command(
    version,
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  c2w debian out.wasm && wasmtime out.wasm uname -a\n  \
                  c2w oci:./layout:latest out.wasm\n  c2w run debian -- sh -c 'echo hi'"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    convert: convert::Convert,
    /// Print the version.
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run an image's container natively, in the same machine, without a WASI runtime.
    Run(Box<run::Run>),
    /// Write an image's root filesystem alone, as ext4.
    Rootfs(Box<rootfs::Rootfs>),
    /// Show what a conversion would take: platform, layers and their sizes, configuration.
    Inspect(Box<inspect::Inspect>),
    /// List or remove what earlier runs have kept of registries' images.
    #[command(subcommand)]
    Cache(cache::Cache),
    /// Print a completion script for a shell.
    Completions(documents::Completions),
    /// Print the manual page, or write a page for each command.
    Man(documents::Man),
}

/// The exit status of a run that never came to its command, as `docker run` has it.
const NO_CONTAINER: u8 = 125;

/// Does what the command line says; an error is printed as one line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let failure = match &cli.command {
        Some(Command::Run(_)) => ExitCode::from(NO_CONTAINER),
        _ => ExitCode::FAILURE,
    };
    let done = match cli.command {
        Some(Command::Run(command)) => run::run(*command),
        Some(Command::Rootfs(command)) => rootfs::run(&command).map(|()| ExitCode::SUCCESS),
        Some(Command::Inspect(command)) => show(inspect::run(&command)),
        Some(Command::Cache(command)) => show(cache::run(&command)),
        Some(Command::Completions(command)) => show(documents::completions(&command)),
        Some(Command::Man(command)) => show(documents::man(&command)),
        None => convert::run(&cli.convert).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("c2w: {error:#}");
        failure
    })
}

/// Prints a text; a reader that went away is no error.
fn show(text: Result<String>) -> Result<ExitCode> {
    let _ = std::io::stdout().write_all(text?.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn parse_place(text: &str) -> Result<Place> {
    text.parse().with_context(|| format!("cannot use image {text:?}"))
}
