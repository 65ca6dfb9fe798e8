//! The command line.

mod cache;
mod inspect;
mod rootfs;
mod source_options;
mod text;

use crate::convert::{self, Options};
use crate::observe::Watch;
use crate::place::Place;
use crate::timing::Timing;
use crate::{boot, run};
use anyhow::{Context, Result};
use c2w_session::options::{self, Invocation};
use clap::{Args, Parser};
use source_options::SourceArgs;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Turns a container image into one WebAssembly module that runs the unmodified container.
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  c2w debian out.wasm && wasmtime out.wasm uname -a\n  \
                  c2w oci:./layout:latest out.wasm\n  c2w run debian -- sh -c 'echo hi'"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    convert: Convert,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run an image's container natively, in the same machine, without a WASI runtime.
    Run(Box<Run>),
    /// Write an image's root filesystem alone, as ext4.
    Rootfs(Box<rootfs::Rootfs>),
    /// Show what a conversion would take: platform, layers and their sizes, configuration.
    Inspect(Box<inspect::Inspect>),
    /// List or remove what earlier runs have kept of registries' images.
    #[command(subcommand)]
    Cache(cache::Cache),
}

#[derive(Args)]
struct Convert {
    /// A registry reference (debian, docker.io/library/debian:trixie, host:5000/a@sha256:...),
    /// oci:DIR[:TAG|@DIGEST], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], dir:DIR,
    /// docker-daemon:NAME, containers-storage:NAME, or a plain root filesystem, tarball:FILE or
    /// rootfs:DIR; a FILE of - is standard input.
    #[arg(required = true)]
    image: Option<String>,
    /// The module to write.
    #[arg(default_value = "out.wasm")]
    output: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Run {
    /// As for a conversion.
    image: String,
    /// The module's options, the command and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// Write a profile of the executed blocks: how often each ran, and where it went.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Write every executed instruction, disassembled (20 bytes or more each).
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Common {
    #[command(flatten)]
    source: SourceArgs,
    /// Memory of the machine in MiB.
    #[arg(long, value_name = "MIB", default_value_t = boot::DEFAULT_MEMORY_MIB,
          value_parser = clap::value_parser!(u64).range(64..=3072))]
    memory: u64,
    /// Show the guest kernel's console while it boots.
    #[arg(long)]
    debug_image: bool,
    /// Show what each stage took.
    #[arg(long)]
    timings: bool,
}

impl Common {
    fn options(&self, place: &Place) -> Result<Options> {
        Ok(Options {
            source: self.source.options(place)?,
            memory_mib: self.memory,
            kernel_log: self.debug_image,
        })
    }
}

/// The exit status of a run that never came to its command, as `docker run` has it.
const NO_CONTAINER: u8 = 125;

/// Does what the command line says; an error is printed as one line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let (done, failure) = match cli.command {
        Some(Command::Run(run)) => (run_natively(*run), ExitCode::from(NO_CONTAINER)),
        Some(Command::Rootfs(command)) => {
            (rootfs::run(&command).map(|()| ExitCode::SUCCESS), ExitCode::FAILURE)
        }
        Some(Command::Inspect(command)) => (show(inspect::run(&command)), ExitCode::FAILURE),
        Some(Command::Cache(command)) => (show(cache::run(&command)), ExitCode::FAILURE),
        None => (convert_image(&cli.convert).map(|()| ExitCode::SUCCESS), ExitCode::FAILURE),
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

fn convert_image(arguments: &Convert) -> Result<()> {
    let mut timing = Timing::start();
    let place = parse_place(arguments.image.as_deref().unwrap_or_default())?;
    let options = arguments.common.options(&place)?;
    let summary = convert::convert(&place, &arguments.output, &options, &mut timing)?;
    if arguments.common.timings {
        eprint!("{timing}");
    }
    eprintln!(
        "{}: {} MiB (root image {} MiB, memory {} MiB)",
        arguments.output.display(),
        text::mib(summary.size),
        text::mib(summary.image),
        text::mib(summary.ram)
    );
    Ok(())
}

fn run_natively(arguments: Run) -> Result<ExitCode> {
    let command = arguments.command.into_iter().map(OsString::into_vec);
    let request = match options::parse(command, Vec::new()) {
        Ok(Invocation::Run(request)) => request,
        Ok(Invocation::Help) => {
            print!("{}", options::HELP);
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => anyhow::bail!("{}", error.0),
    };
    let mut timing = Timing::start();
    let place = parse_place(&arguments.image)?;
    let options = arguments.common.options(&place)?;
    let watch = Watch::new(arguments.profile.as_deref(), arguments.trace.as_deref())?;
    let mut session = convert::prepare(&place, &options, &mut timing)?;
    if arguments.common.timings {
        eprint!("{timing}");
    }
    if let Some(observer) = watch.observer() {
        session.observe(observer);
    }
    let status = run::run(session, request)?;
    watch.finish()?;
    Ok(ExitCode::from(status))
}
