//! One run: from the restored machine to the command's exit status.

use crate::directories::Preopens;
use crate::regions::TableUnits;
use crate::standard_input::{Input, StandardInput};
use crate::{placement, wasi_calls, regions, wasi_terminal};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::engine::code_index::Translated;
use c2w_guest_abi::{RunRequest, Stream};
use c2w_p9::Server;
use c2w_session::options::{self, Environment, Invocation};
use c2w_session::{Closed, Session, SessionHost, SharedDirectory, Step, terminal};
use wasi_calls::Wasi;

/// Why [`Program::run`] came back. The numbers are what the export `run` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Reason {
    /// The budget is used up; call again.
    Budget = 0,
    /// The guest waits for standard input (and perhaps its timer).
    Input = 1,
    /// The guest waits for its timer.
    Timer = 2,
    /// The command ended.
    Finished = 3,
}

/// Most bytes of standard input read at once.
const INPUT_CHUNK: usize = 256 << 10;
/// How long to sleep when the guest waits for nothing: an hour, in nanoseconds.
const FOREVER: u64 = 3_600_000_000_000;

/// The running container.
pub struct Program {
    session: Session,
    input: StandardInput,
    buffer: Vec<u8>,
    /// When the guest wants to run again, in nanoseconds from the last [`Self::run`].
    pub wait_ns: u64,
    /// The exit status, once finished.
    pub status: u8,
}

impl Program {
    /// Restores the machine and gives it its command.
    ///
    /// # Errors
    /// The exit status, when there is nothing to run; the reason has been printed.
    ///
    /// # Safety
    /// To be called once.
    pub unsafe fn start() -> Result<Self, u8> {
        let arguments = wasi_calls::arguments().into_iter().skip(1);
        let environment = Environment { variables: wasi_calls::environment(), handed_on: true };
        let (mut request, choice) = match options::parse(arguments, environment.clone()) {
            Ok(Invocation::Run(request, choice)) => (request, choice),
            Ok(Invocation::Help) => {
                return Err(help());
            }
            Err(error) => return Err(fail(125, &error.0)),
        };
        let host = wasi_terminal::find();
        let variables = &environment.variables;
        request.terminal = terminal::choose(choice, host, variables);
        let mut input = StandardInput::find(host.is_some());
        let typed = match (&mut request.terminal, host) {
            (Some(wanted), Some(_)) => wasi_terminal::ask_size(wanted, variables, &mut input),
            _ => Vec::new(),
        };
        // SAFETY: once, as the caller promises.
        let Some(packed) = (unsafe { placement::unpack() }) else {
            return Err(fail(125, "this module holds no container; make one with `c2w IMAGE`"));
        };
        let mut session = Session::restore(packed.memory, packed.state).map_err(|error| {
            wasi_calls::complain(format_args!("the snapshot cannot be restored: {error}"));
            125
        })?;
        if let Some(translated) = Translated::decode(packed.translation) {
            // SAFETY: once, as the caller promises.
            let place = unsafe { regions::place() };
            let units = Box::new(TableUnits::new(packed.first_region));
            session.set_translated(&translated, units, place);
        }
        share_preopens(&mut session, &mut request)?;
        session.start(request, &mut Wasi).map_err(|error| {
            wasi_calls::complain(format_args!("arguments and environment: {error}"));
            125
        })?;
        session.push_stdin(&typed, &mut Wasi);
        Ok(Self { session, input, buffer: vec![0; INPUT_CHUNK], wait_ns: 0, status: 0 })
    }

    /// Runs about `budget` instructions, or until the guest waits.
    pub fn run(&mut self, budget: u64) -> Reason {
        let (reason, wait) = match self.session.run(budget, &mut Wasi) {
            Step::Running | Step::Hello | Step::Reached(_) | Step::Ready => (Reason::Budget, 0),
            Step::Idle(timer) if self.session.stdin_room() > 0 => {
                (Reason::Input, timer.unwrap_or(FOREVER))
            }
            Step::Idle(timer) => (Reason::Timer, timer.unwrap_or(FOREVER)),
            Step::Notice(notice) => {
                wasi_calls::complain(format_args!("{}", notice.text()));
                (Reason::Budget, 0)
            }
            Step::StreamFailed(failure) => {
                wasi_calls::complain(format_args!("{failure}"));
                (Reason::Budget, 0)
            }
            Step::Exited(status) => {
                self.status = status;
                (Reason::Finished, 0)
            }
            Step::Failed(failure) => {
                self.status = fail(failure.status, &failure.message);
                (Reason::Finished, 0)
            }
        };
        self.wait_ns = wait;
        reason
    }

    /// A number of [`crate::exports::count`].
    pub fn count(&self, which: u32) -> u64 {
        let translated = self.session.translated();
        match which {
            0 => self.session.steps(),
            1 => translated.instructions,
            2 => translated.entries,
            _ => translated.refusals,
        }
    }

    /// Passes standard input on if there is any, waiting at most `timeout` nanoseconds for it.
    pub fn pump_input(&mut self, timeout: u64) {
        let room = self.session.stdin_room().min(INPUT_CHUNK);
        if room == 0 && timeout == 0 || !self.input.wait(room > 0, timeout, self.wait_ns) {
            return;
        }
        match self.input.read(&mut self.buffer[..room]) {
            Input::Bytes(length) => {
                self.session.push_stdin(&self.buffer[..length], &mut Wasi);
            }
            Input::End => self.session.end_stdin(),
            Input::Failed(reason) => self.session.fail_stdin(&reason),
            Input::Nothing => {}
        }
    }
}

/// Has the directories that the runtime has opened mounted in the container.
fn share_preopens(session: &mut Session, request: &mut RunRequest) -> Result<(), u8> {
    let (preopens, shared) = Preopens::find();
    request.mounts = c2w_session::mounts(&shared).map_err(|error| fail(125, &error.0))?;
    // wasmer opens its root several times, under names of the root: once is enough.
    let is_root = |shared: &SharedDirectory| shared.guest.iter().all(|byte| b"/.".contains(byte));
    let roots = shared.iter().enumerate().filter(|(_, shared)| is_root(shared));
    for (number, _) in roots.skip(1) {
        let name = number.to_string().into_bytes();
        request.mounts.retain(|mount| mount.name != name);
    }
    c2w_session::check_mounts(request).map_err(|error| fail(125, &error.0))?;
    if !request.mounts.is_empty() {
        session.share(Box::new(Server::new(preopens)));
    }
    Ok(())
}

/// Shows the options; returns the exit status.
fn help() -> u8 {
    match Wasi.output(Stream::Stdout, options::help().as_bytes()) {
        Ok(()) | Err(Closed::ReaderGone) => 0,
        Err(Closed::Failed(reason)) => {
            fail(125, &format!("cannot write standard output: {reason}"))
        }
    }
}

/// Says why there is no status of a command, and returns ours.
fn fail(status: u8, message: &str) -> u8 {
    wasi_calls::complain(format_args!("{message}"));
    status
}
