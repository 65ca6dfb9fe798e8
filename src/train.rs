//! Which guest code is worth translating: commands are run natively from the snapshot, and what
//! they execute is counted.
//!
//! Everything that the guest sees is the same each time: the same image and options make the same
//! profile, and so the same module.

mod directory;

use crate::boot::{BootOptions, Deterministic};
use crate::shell_words::shell_syntax;
use crate::timing::Timing;
use anyhow::{Context, Result, bail};
use c2w_emulator::{GuestMemory, PAGE_SIZE};
use c2w_guest_abi::{Mount, RunRequest, Stream};
use c2w_p9::Server;
use c2w_session::options::{self, Environment, Invocation};
use c2w_session::{Closed, Session, SessionHost, Step};
use c2w_translator::Riscv;
use c2w_translator::plan::code::ProfiledCode;
use c2w_translator::plan::profile::{Profile, SharedProfile};
use c2w_translator::plan::select::Selection;
use directory::MemoryDirectory;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// How much is translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Aot {
    /// Nothing: everything is interpreted.
    #[default]
    Off,
    /// Of an image that is emulated what the emulator executes in each start; else nothing.
    #[value(skip)]
    Emulator,
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
            Aot::Emulator => 20_000,
            Aot::Auto => 40_000,
            Aot::Max => 400_000,
        })
    }

    /// Whether anything of an image is translated, which is `emulated` or not.
    pub fn translates(&self, emulated: bool) -> bool {
        match self.aot {
            Aot::Off => false,
            Aot::Emulator => emulated,
            Aot::Auto | Aot::Max => true,
        }
    }

    /// The most instructions of one command.
    fn limit(&self) -> u64 {
        match self.aot {
            Aot::Max => 2_000_000_000,
            _ => 200_000_000,
        }
    }

    /// What in the commands only a shell understands: each is run without one.
    pub fn warnings(&self) -> Vec<String> {
        let warning = |text: &String| {
            let syntax = shell_syntax(text)?;
            let quoted = shlex::try_quote(text).ok()?;
            let written = shlex::try_quote(&format!("sh -c {quoted}")).ok()?.into_owned();
            Some(format!(
                "--train {text:?}: no shell runs it, so that {syntax} means nothing there; write \
                 --train {written}"
            ))
        };
        self.commands.iter().filter_map(warning).collect()
    }

    /// The runs to train on.
    ///
    /// # Errors
    /// When a command cannot be read.
    pub fn runs(&self) -> Result<Vec<Workload>> {
        let own = match &self.commands[..] {
            [] => vec![Workload {
                is_unasked: self.aot == Aot::Emulator,
                ..Workload::own("the image's command".into(), request(&[])?)
            }],
            commands => commands.iter().map(|text| named(text)).collect::<Result<_>>()?,
        };
        // A start is a start: the longer workload would show little more of the emulator.
        let count = if self.aot == Aot::Emulator { 1 } else { COMMON_WORKLOADS.len() };
        let common = COMMON_WORKLOADS[..count].iter().map(|words| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            let mut request = request(&words)?;
            request.entrypoint = Some(Vec::new());
            let target = MAPPED.as_bytes().to_vec();
            request.mounts = vec![Mount { name: b"0".to_vec(), target, read_only: false }];
            Ok(Workload { name: words[0].clone(), request, is_unasked: true })
        });
        own.into_iter().map(Ok).chain(common).collect()
    }
}

/// A command to train on.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What to call it.
    name: String,
    request: RunRequest,
    /// Whether nobody has asked for it, so that a failure is not to be reported.
    is_unasked: bool,
}

impl Workload {
    fn own(name: String, request: RunRequest) -> Self {
        Self { name, request, is_unasked: false }
    }
}

/// What most containers do at some time: start programs, read and write files and pipes, those of a
/// mapped directory too. What an image lacks is passed over.
const COMMON_WORKLOADS: [&[&str]; 2] = [
    &["true"],
    &[
        "sh",
        "-c",
        "for i in 1 2 3 4 5 6 7 8; do /bin/true; ls -l / >/tmp/c2w; done; \
         ls -l /etc /usr/bin | cat; \
         for i in 1 2 3 4; do cat /etc/passwd | (read line; echo \"$line\"); done; rm /tmp/c2w; \
         cd /mnt && for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do \
         echo a line >f$i; [ -s f$i ] && read line <f$i; done && ls -l && cat f*; rm f*",
    ],
];

/// Where that directory appears.
const MAPPED: &str = "/mnt";

/// The files that are in it.
const MAPPED_FILES: u64 = 100;

fn named(text: &str) -> Result<Workload> {
    let words = shlex::split(text).filter(|words| !words.is_empty());
    let words = words.with_context(|| format!("cannot read the command {text:?} of --train"))?;
    let request = request(&words).with_context(|| format!("--train {text:?}"))?;
    Ok(Workload::own(text.to_owned(), request))
}

/// Instructions at the start of a run that are all counted; those after them are sampled.
const FULLY_COUNTED: u64 = 10_000_000;

/// The request that a module makes of its arguments, with an empty standard input.
fn request(words: &[String]) -> Result<RunRequest> {
    let arguments = words.iter().map(|word| word.clone().into_bytes());
    match options::parse(arguments, Environment::default()) {
        Ok(Invocation::Run(run)) => Ok(RunRequest { stdin: false, ..run.request }),
        Ok(Invocation::Help) => bail!("--help runs no command"),
        Err(error) => bail!("{}", error.0),
    }
}

/// What training has found.
pub struct TrainingResult {
    /// The code to translate.
    pub selection: Selection<Riscv>,
    /// Each run.
    pub runs: Vec<Run>,
    /// Executions that were counted.
    pub total: u64,
}

/// A command that was run for training.
pub struct Run {
    /// What to call it.
    pub name: String,
    /// The instructions that it took.
    pub instructions: u64,
    /// How it failed, if somebody has asked for it and it did.
    pub failure: Option<Failure>,
}

/// A command that did not end well.
pub struct Failure {
    /// Its exit status, or c2w's own where it never ran.
    pub status: u8,
    /// The last line that it wrote to standard error, or why it never ran.
    pub said: String,
}

/// The snapshot that each run begins from.
pub struct Snapshot<'a> {
    /// The bytes of RAM.
    pub ram: &'a [u8],
    /// The machine's other state.
    pub state: &'a [u8],
}

/// Runs commands from a snapshot and chooses code to translate. `memory` has the snapshot's root image;
/// `runs` are those of `options`.
///
/// # Errors
/// When the snapshot cannot be restored, or a command is too long.
pub fn train(
    mut memory: GuestMemory,
    snapshot: &Snapshot<'_>,
    runs: Vec<Workload>,
    options: &Options,
    boot: &BootOptions,
) -> Result<TrainingResult> {
    let boot = later(boot);
    let mut timing = Timing::start();
    let host = Deterministic::new(&boot, &mut timing);
    let mut host = Listening { host, said: Vec::new() };
    let profile = Rc::new(RefCell::new(Profile::default()));
    let mut done = Vec::new();
    for Workload { name, request, is_unasked } in runs {
        host.said.clear();
        restore_ram(&mut memory, snapshot.ram);
        let mut session = Session::restore(boot.execution.target.board(), memory, snapshot.state)?;
        if !request.mounts.is_empty() {
            let time = i64::try_from(boot.epoch).unwrap_or(0);
            let directory = MemoryDirectory::with_files(MAPPED_FILES, time);
            session.share(Box::new(Server::new(directory)));
        }
        session.sample(Box::new(SharedProfile(profile.clone())), FULLY_COUNTED);
        let (instructions, failure) = run(&mut session, request, options.limit(), &mut host)?;
        profile.borrow_mut().interrupt();
        done.push(Run { name, instructions, failure: failure.filter(|_| !is_unasked) });
        memory = session.into_memory();
    }
    let profile = profile.borrow();
    let ram = memory.ram();
    let pages = pages(&profile, &mut memory);
    let page = |address: u64| {
        let page = &pages.get(&address)?[..];
        // An emulator writes its code anew in each run, and elsewhere: no other run has this page.
        let place = address.checked_sub(ram.start).filter(|_| boot.execution.emulator.is_some());
        let was = place.and_then(|at| snapshot.ram.get(at as usize..)?.get(..PAGE_SIZE));
        was.is_none_or(|was| was == page).then_some(page)
    };
    let selection = ProfiledCode::new(&profile, page).select(options.budget());
    let total = profile.total();
    Ok(TrainingResult { selection, runs: done, total })
}

/// The pages that have code which was counted, by their addresses. They may be of units that were
/// evicted since.
fn pages(profile: &Profile<Riscv>, memory: &mut GuestMemory) -> HashMap<u64, Vec<u8>> {
    let mut pages = HashMap::new();
    for address in profile.pages.iter().map(|page| page.physical) {
        let mut bytes = vec![0; PAGE_SIZE];
        if !pages.contains_key(&address) && memory.read(address, &mut bytes).is_ok() {
            pages.insert(address, bytes);
        }
    }
    pages
}

/// The host of a run: a day after the snapshot, as a clock cannot be set to a time before the
/// boot.
pub fn later(boot: &BootOptions) -> BootOptions {
    BootOptions { epoch: boot.epoch + 24 * 60 * 60, ..boot.clone() }
}

/// Makes RAM what it was at the snapshot. Only pages that differ are written, so that those never
/// used need no memory of the host.
fn restore_ram(memory: &mut GuestMemory, ram: &[u8]) {
    let start = memory.ram().start;
    for (page, was) in ram.chunks(PAGE_SIZE).enumerate() {
        let address = start + (page * PAGE_SIZE) as u64;
        if memory.slice(address, was.len()).is_ok_and(|is| is != was) {
            let written = memory.write(address, was);
            debug_assert!(written.is_ok(), "RAM is memory");
        }
    }
}

/// The host of a run, which keeps the end of standard error.
struct Listening<'a> {
    host: Deterministic<'a>,
    said: Vec<u8>,
}

impl Listening<'_> {
    /// The last line that is not empty.
    fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.said);
        text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("").to_owned()
    }
}

impl SessionHost for Listening<'_> {
    fn monotonic_ns(&mut self) -> u64 {
        self.host.monotonic_ns()
    }

    fn realtime_ns(&mut self) -> u64 {
        self.host.realtime_ns()
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        self.host.entropy(buffer);
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Closed> {
        /// Most bytes kept of standard error.
        const KEPT: usize = 300;
        if stream == Stream::Stderr {
            self.said.extend_from_slice(bytes);
            self.said.drain(..self.said.len().saturating_sub(KEPT));
        }
        self.host.output(stream, bytes)
    }

    fn kernel_log(&mut self, bytes: &[u8]) {
        self.host.kernel_log(bytes);
    }
}

/// Runs a command to its end, or to the limit. Returns how many instructions that were, and how it
/// failed.
fn run(
    session: &mut Session,
    request: RunRequest,
    limit: u64,
    host: &mut Listening<'_>,
) -> Result<(u64, Option<Failure>)> {
    /// Instructions between two checks of the machine.
    const SLICE: u64 = 1 << 20;
    let start = session.steps();
    session.start_deterministic(request, host)?;
    let mut failure = None;
    while session.steps() - start < limit {
        match session.run_to_timer(SLICE, host) {
            Step::Exited(0) | Step::Idle(None) => break,
            Step::Exited(status) => {
                failure = Some(Failure { status, said: host.last_line() });
                break;
            }
            Step::Failed(error) => {
                failure = Some(Failure { status: error.status, said: error.message });
                break;
            }
            _ => {}
        }
    }
    Ok((session.steps() - start, failure))
}
