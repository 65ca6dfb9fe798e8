//! The command line.

mod aot_options;
mod bars;
mod cache;
mod container2wasm;
mod container_options;
// Its help has brackets that are not links.
#[allow(rustdoc::broken_intra_doc_links)]
mod convert;
mod directories;
mod documents;
mod inspect;
mod machine_options;
mod net_helper;
mod output;
mod rootfs;
mod run;
mod source_options;
mod text;
mod usage;

use crate::image_source::{ImageSource, module_file};
use crate::staged::{ReaderGone, ReservedName};
use anyhow::{Context, Result};
use clap::{ArgAction, Parser};
use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use usage::usage;

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
    /// Run an image or a module natively, in the same machine, without a WASI runtime.
    #[command(disable_help_flag = true)]
    Run(Box<run::Run>),
    /// Write an image's root filesystem alone, as ext4.
    Rootfs(Box<rootfs::Rootfs>),
    /// Show what a conversion would take: platform, layers and their sizes, configuration.
    Inspect(Box<inspect::Inspect>),
    /// List or remove what earlier runs have kept of registries' images.
    #[command(subcommand)]
    Cache(cache::Cache),
    /// Give modules a network that run in a WASI runtime without sockets.
    NetHelper(Box<net_helper::NetHelper>),
    /// Print a completion script for a shell.
    Completions(documents::Completions),
    /// Print the manual page, or write a page for each command.
    Man(documents::Man),
}

/// The exit status of a run that never came to its command, as `docker run` has it.
const NO_CONTAINER: u8 = 125;
/// What a shell reports of a program whose reader went away: 128 and the number of SIGPIPE.
const BY_SIGPIPE: u8 = 141;

/// Does what the command line says; an error is printed as one line.
pub fn main() -> ExitCode {
    let words = usage::in_order(std::env::args_os().collect());
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error, &words),
    };
    let failure = match &cli.command {
        Some(Command::Run(_) | Command::NetHelper(_)) => ExitCode::from(NO_CONTAINER),
        _ => ExitCode::FAILURE,
    };
    let done = match cli.command {
        Some(Command::Run(command)) => run::run(&command),
        Some(Command::Rootfs(command)) => rootfs::run(&command).map(|()| ExitCode::SUCCESS),
        Some(Command::Inspect(command)) => show(inspect::run(&command)),
        Some(Command::Cache(command)) => show(cache::run(&command)),
        Some(Command::NetHelper(command)) => net_helper::run(&command),
        Some(Command::Completions(command)) => show(documents::completions(&command)),
        Some(Command::Man(command)) => show(documents::man(&command)),
        None => convert::run(&cli.convert).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        if error.is::<ReaderGone>() {
            return ExitCode::from(BY_SIGPIPE);
        }
        complain(&format_args!("{error:#}"));
        let is_usage = error.is::<usage::Usage>() || error.is::<ReservedName>();
        if is_usage { ExitCode::from(usage::STATUS) } else { failure }
    })
}

/// Prints an error, if standard error can be written.
fn complain(what: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "c2w: {what}");
}

/// Prints a text; a reader that went away is not an error.
fn show(text: Result<String>) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    match out.write_all(text?.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write standard output")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Refuses the name of a module that is not there: what is meant may be an image.
fn must_exist(module: &Path) -> Result<()> {
    let name = module.display();
    match module.exists() {
        true => Ok(()),
        false => {
            Err(usage!("there is no file {name} (for an image of this name: docker://{name})"))
        }
    }
}

fn parse_source(text: &str) -> Result<ImageSource> {
    if let Some(module) = module_file(text) {
        let name = module.display();
        must_exist(&module)?;
        return Err(usage!("{name} is a module, not an image: c2w run or a WASI runtime runs it"));
    }
    text.parse().map_err(|error| usage!("cannot use image {text:?}: {error}"))
}
