//! Which guest code is worth translating: commands are run natively from the snapshot, and what they
//! execute is counted.
//!
//! Everything that the guest sees is the same each time: the same image and options make the same
//! profile, and so the same module.

use crate::boot::{Deterministic, Options as BootOptions};
use crate::timing::Timing;
use anyhow::{Context, Result, bail};
use c2w_emulator::{GuestMemory, PAGE_SIZE};
use c2w_guest_abi::RunRequest;
use c2w_session::options::{self, Environment, Invocation};
use c2w_session::{Session, Step};
use c2w_translator::profile::{Profile, Shared};
use c2w_translator::select::{Code, Selection};
use std::cell::RefCell;
use std::rc::Rc;

/// How much is translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Aot {
    /// Nothing: everything is interpreted.
    #[default]
    Off,
    /// The hottest code, about as much as a start can afford to compile.
    Auto,
    /// All code that is executed more than a few times.
    Max,
}

/// What to translate.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How much.
    pub aot: Aot,
    /// Guest instructions to translate, in place of [`Aot`]'s.
    pub budget: Option<usize>,
    /// Commands to train on, as one writes them behind a module's name; none for the image's own.
    pub commands: Vec<String>,
}

impl Options {
    fn budget(&self) -> usize {
        self.budget.unwrap_or(match self.aot {
            Aot::Off => 0,
            Aot::Auto => 40_000,
            Aot::Max => 400_000,
        })
    }

    /// The most instructions of one command.
    fn limit(&self) -> u64 {
        match self.aot {
            Aot::Max => 2_000_000_000,
            _ => 200_000_000,
        }
    }

    /// The runs to train on.
    ///
    /// # Errors
    /// When a command cannot be read.
    pub fn runs(&self) -> Result<Vec<(String, RunRequest)>> {
        let own = match &self.commands[..] {
            [] => vec![(String::from("the image's command"), request(&[])?)],
            commands => commands.iter().map(|text| named(text)).collect::<Result<_>>()?,
        };
        let usual = USUAL.iter().map(|words| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            let mut request = request(&words)?;
            request.entrypoint = Some(Vec::new());
            Ok((words[0].clone(), request))
        });
        own.into_iter().map(Ok).chain(usual).collect()
    }
}

/// What most containers do at some time: start programs, read and write files and pipes. What an
/// image lacks is passed over.
const USUAL: [&[&str]; 2] = [
    &["true"],
    &[
        "sh",
        "-c",
        "for i in 1 2 3 4 5 6 7 8; do /bin/true; ls -l / >/tmp/c2w; done; ls -l /etc /usr/bin | cat; \
         for i in 1 2 3 4; do cat /etc/passwd | (read line; echo \"$line\"); done; rm /tmp/c2w",
    ],
];

fn named(text: &str) -> Result<(String, RunRequest)> {
    let words = shlex::split(text).filter(|words| !words.is_empty());
    let words = words.with_context(|| format!("cannot read the command {text:?} of --train"))?;
    Ok((text.to_owned(), request(&words).with_context(|| format!("--train {text:?}"))?))
}

/// Instructions of a run that are all counted; of those behind them a part is.
const ALL: u64 = 10_000_000;

/// The request that a module makes of its arguments, with an empty standard input.
fn request(words: &[String]) -> Result<RunRequest> {
    let arguments = words.iter().map(|word| word.clone().into_bytes());
    match options::parse(arguments, Environment::default()) {
        Ok(Invocation::Run(request, _)) => Ok(RunRequest { stdin: false, ..request }),
        Ok(Invocation::Help) => bail!("--help runs no command"),
        Err(error) => bail!("{}", error.0),
    }
}

/// What was run for training.
pub struct Trained {
    /// The code to translate.
    pub selection: Selection,
    /// Each run: the command, and its instructions.
    pub runs: Vec<(String, u64)>,
    /// Executions that were counted.
    pub total: u64,
}

/// RAM of a snapshot, kept while other runs begin from it.
pub struct Kept<'a> {
    /// The bytes of RAM.
    pub ram: &'a [u8],
    /// The machine's other state.
    pub state: &'a [u8],
}

/// Runs commands from a snapshot and chooses code to translate. `memory` holds the snapshot's root
/// image; it is given back with what the last run has left in RAM. `runs` are those of `options`.
///
/// # Errors
/// When the snapshot cannot be restored, or a command is too long.
pub fn train(
    mut memory: GuestMemory,
    kept: &Kept<'_>,
    runs: Vec<(String, RunRequest)>,
    options: &Options,
    boot: &BootOptions,
) -> Result<(GuestMemory, Trained)> {
    let boot = later(boot);
    let mut timing = Timing::start();
    let mut world = Deterministic::new(&boot, &mut timing);
    let profile = Rc::new(RefCell::new(Profile::default()));
    let mut done = Vec::new();
    for (name, request) in runs {
        restore_ram(&mut memory, kept.ram);
        let mut session = Session::restore(memory, kept.state)?;
        session.sample(Box::new(Shared(profile.clone())), ALL);
        let instructions = run(&mut session, request, options.limit(), &mut world)?;
        profile.borrow_mut().interrupt();
        done.push((name, instructions));
        memory = session.into_memory();
    }
    let profile = profile.borrow();
    let page = |address| memory.slice(address, PAGE_SIZE).ok();
    let selection = Code::new(&profile, page).select(options.budget());
    let total = profile.total();
    Ok((memory, Trained { selection, runs: done, total }))
}

/// The world of a run: a day after the snapshot, as a clock cannot be set to a time before the boot.
pub fn later(boot: &BootOptions) -> BootOptions {
    BootOptions { epoch: boot.epoch + 24 * 60 * 60, ..boot.clone() }
}

/// Makes RAM what it was at the snapshot. Only pages that differ are written, so that those never
/// used need no memory of the host.
fn restore_ram(memory: &mut GuestMemory, kept: &[u8]) {
    let start = memory.ram().start;
    for (page, was) in kept.chunks(PAGE_SIZE).enumerate() {
        let address = start + (page * PAGE_SIZE) as u64;
        if memory.slice(address, was.len()).is_ok_and(|is| is != was) {
            let written = memory.write(address, was);
            debug_assert!(written.is_ok(), "RAM is memory");
        }
    }
}

/// Runs a command to its end, or to the limit. Returns how many instructions that were.
fn run(
    session: &mut Session,
    request: RunRequest,
    limit: u64,
    world: &mut Deterministic<'_>,
) -> Result<u64> {
    /// Instructions between two looks at the machine.
    const SLICE: u64 = 1 << 20;
    let start = session.steps();
    session.rehearse(request, world)?;
    while session.steps() - start < limit {
        match session.run_to_timer(SLICE, world) {
            Step::Exited(_) | Step::Failed(_) | Step::Idle(None) => break,
            _ => {}
        }
    }
    Ok(session.steps() - start)
}
