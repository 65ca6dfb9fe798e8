//! `c2w run`.

use super::container_options::{ContainerArgs, read_env_file};
use super::directories::DirectoryArgs;
use super::machine_options::{BuildArgs, MachineArgs};
use super::output::OutputArgs;
use super::source_options::SourceArgs;
use super::usage::usage;
use super::{must_exist, parse_source};
use crate::convert::DEFAULT_IMAGE_CACHE;
use crate::image_source::{ImageSource, module_file};
use crate::observe::Watch;
use crate::space::Space;
use crate::staged::InputPath;
use crate::target::Target;
use crate::timing::Timing;
use crate::wasm::Snapshot;
use crate::{convert, network, run, terminal};
use anyhow::{Context, Result};
use c2w_session::options::{self, Environment, Invocation, RunOptions};
use c2w_session::terminal::choose;
use c2w_session::{Session, check_mounts};
use clap::{ArgAction, Args};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

#[derive(Args)]
pub(super) struct Run {
    /// As for a conversion; or a module that c2w has made, by its file's name or as wasm:FILE.
    image: String,
    /// The command and its arguments; behind --, the options of the container may precede it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// Write a profile of the executed blocks: how often each ran, and where it went.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Write every executed instruction, disassembled (20 bytes or more each).
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Print help.
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    #[command(flatten)]
    directories: DirectoryArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    output_options: OutputArgs,
    /// Set the variables that are in a file, one NAME=VALUE on a line. Repeatable.
    #[arg(long, value_name = "FILE", help_heading = "Options of the container")]
    env_file: Vec<PathBuf>,
    #[command(flatten)]
    container: ContainerArgs,
}

/// What to run.
enum Runnable {
    Module(PathBuf),
    Image(ImageSource),
}

impl Runnable {
    fn reads(&self) -> InputPath<'_> {
        match self {
            Self::Module(file) => InputPath::File(file),
            Self::Image(image) => image.reads(),
        }
    }
}

/// Runs a container; gives its exit status.
pub(super) fn run(arguments: &Run) -> Result<ExitCode> {
    let variables = variables();
    let environment = Environment { variables: variables.clone(), handed_on: false };
    // What stands in front of IMAGE is this program's to refuse.
    let before = [arguments.variables_of_files()?, arguments.container.words().to_vec()].concat();
    options::parse(before.clone(), environment.clone()).map_err(|error| usage!("{}", error.0))?;
    let command = arguments.command.iter().cloned().map(OsString::into_vec);
    let words = before.into_iter().chain(command);
    let RunOptions { mut request, terminal, network: wanted } =
        match options::parse(words, environment) {
            Ok(Invocation::Run(run)) => run,
            Ok(Invocation::Help) => return super::show(Ok(options::help())),
            // The first -- has ended this program's options, or is still missing.
            Err(error) => match error.0.strip_suffix(options::UNKNOWN_TIP) {
                Some(what) => anyhow::bail!(
                    "{what}try c2w run --help, or -- -- before a command that begins with a dash"
                ),
                None => anyhow::bail!("{}", error.0),
            },
        };
    request.debug |= arguments.machine.debug_image();
    request.terminal = choose(terminal, terminal::find(), &variables);
    let source = arguments.source()?;
    let shared = arguments.directories.open()?;
    let (server, mounts) = shared.map(|shared| (shared.server, shared.mounts)).unzip();
    request.mounts = mounts.unwrap_or_default();
    check_mounts(&request).map_err(|error| anyhow::anyhow!(error.0))?;
    let (profile, trace) = (arguments.profile.as_deref(), arguments.trace.as_deref());
    let watch = Watch::new(profile, trace, source.reads())?;
    // A port that is taken is said before the work.
    let start = Instant::now();
    let mut network = network::of_container(&wanted, start)?;
    let (mut session, exposed_ports) = arguments.session(&source)?;
    if let Some(network) = &mut network {
        if wanted.publish_all {
            network.publish_exposed(&exposed_ports).map_err(anyhow::Error::msg)?;
        }
        let progress = arguments.output_options.progress();
        network.notes().iter().for_each(|note| progress.note(note));
    }
    if let Some(server) = server {
        session.share(server);
    }
    if let Some(observer) = watch.observer() {
        session.observe(observer);
    }
    let status = run::run(session, request, network, start)?;
    watch.finish()?;
    Ok(ExitCode::from(status))
}

impl Run {
    fn variables_of_files(&self) -> Result<Vec<Vec<u8>>> {
        let files = self.env_file.iter().map(|file| read_env_file(file));
        Ok(files.collect::<Result<Vec<_>>>()?.concat())
    }

    /// The module or image, with the options that make sense for it.
    fn source(&self) -> Result<Runnable> {
        let Some(file) = module_file(&self.image) else {
            return Ok(Runnable::Image(parse_source(&self.image)?));
        };
        must_exist(&file)?;
        let name = file.display();
        if let Some(option) = self.machine.for_a_new_machine() {
            return Err(usage!(
                "{name} is a module, whose machine is made already: leave out {option}"
            ));
        }
        if let Some(option) = self.source.for_an_image() {
            return Err(usage!(
                "{name} is a module, for which no image is read: leave out {option}"
            ));
        }
        Ok(Runnable::Module(file))
    }

    /// A machine whose container waits for its command, and the ports that the image exposes.
    fn session(&self, source: &Runnable) -> Result<(Session, Vec<String>)> {
        let mut timing = Timing::start();
        let shown = &self.output_options;
        let session = match source {
            Runnable::Module(file) => {
                let restored = restore(file);
                let restored =
                    restored.with_context(|| format!("cannot run {}", file.display()))?;
                timing.stage("module");
                restored
            }
            Runnable::Image(image) => {
                let progress = shown.progress();
                let source = self.source.options(image, progress.as_ref())?;
                let mut options = self.machine.options(source, &BuildArgs::default())?;
                options.progress = Arc::clone(&progress);
                let prepared = convert::prepare(image, &options, &mut timing)?;
                progress.done();
                (prepared.session, prepared.exposed_ports)
            }
        };
        shown.show_timings(&timing);
        Ok(session)
    }
}

/// Takes the machine out of a module. Translated code in it is for WebAssembly: it is not used.
fn restore(file: &Path) -> Result<(Session, Vec<String>)> {
    let cache = |memory_mib| Space::native().image_cache(DEFAULT_IMAGE_CACHE, memory_mib);
    let snapshot = Snapshot::read(&File::open(file)?, cache)?;
    let session = Session::restore(Target::default().board(), snapshot.memory, &snapshot.state);
    let session =
        session.context("another c2w has made it, or it is damaged: convert its image again")?;
    Ok((session, snapshot.provenance.exposed_ports))
}

/// This process's environment, each `NAME=value`.
fn variables() -> Vec<Vec<u8>> {
    let join = |(name, value): (OsString, OsString)| {
        [name.into_vec(), b"=".to_vec(), value.into_vec()].concat()
    };
    std::env::vars_os().map(join).collect()
}
