//! `c2w run`.

use super::container2wasm::BuildArgs;
use super::directories::DirectoryArgs;
use super::machine_options::MachineArgs;
use super::output::OutputArgs;
use super::parse_place;
use super::source_options::SourceArgs;
use crate::observe::Watch;
use crate::timing::Timing;
use crate::{convert, run, terminal};
use anyhow::Result;
use c2w_session::options::{self, Environment, Invocation};
use c2w_session::terminal::choose;
use clap::Args;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Run {
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
    directories: DirectoryArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    output_options: OutputArgs,
}

/// Runs a container; gives its exit status.
pub(super) fn run(arguments: Run) -> Result<ExitCode> {
    let command = arguments.command.into_iter().map(OsString::into_vec);
    let variables = variables();
    let environment = Environment { variables: variables.clone(), handed_on: false };
    let (mut request, choice) = match options::parse(command, environment) {
        Ok(Invocation::Run(request, choice)) => (request, choice),
        Ok(Invocation::Help) => {
            print!("{}", options::HELP);
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => anyhow::bail!("{}", error.0),
    };
    request.debug |= arguments.machine.debug_image();
    request.terminal = choose(choice, terminal::find(), &variables);
    let shared = arguments.directories.open()?;
    let mut timing = Timing::start();
    let shown = &arguments.output_options;
    let place = parse_place(&arguments.image)?;
    let progress = shown.progress();
    let source = arguments.source.options(&place, &progress)?;
    let options = arguments.machine.options(source, &BuildArgs::default())?;
    let watch = Watch::new(arguments.profile.as_deref(), arguments.trace.as_deref())?;
    let mut session = convert::prepare(&place, &options, &mut timing)?.session;
    progress.done();
    shown.show_timings(&timing);
    if let Some(shared) = shared {
        session.share(shared.server);
        request.mounts = shared.mounts;
    }
    if let Some(observer) = watch.observer() {
        session.observe(observer);
    }
    let status = run::run(session, request)?;
    watch.finish()?;
    Ok(ExitCode::from(status))
}

/// This process's environment, each `NAME=value`.
fn variables() -> Vec<Vec<u8>> {
    let join = |(name, value): (OsString, OsString)| {
        [name.into_vec(), b"=".to_vec(), value.into_vec()].concat()
    };
    std::env::vars_os().map(join).collect()
}
