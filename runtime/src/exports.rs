//! What a runtime or an embedder calls. One call at a time: an import of this module that calls one
//! of these before it returns is refused with a trap.

use crate::program::Program;
use crate::single_thread::{Exclusive, SingleThread};
use crate::world;
use c2w_session::RunState;
use core::cell::RefCell;

/// What [`run`] returns: why it came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Reason {
    /// The budget is used up; call again.
    Budget = 0,
    /// The guest waits for standard input (and perhaps its timer).
    Input = 1,
    /// The guest waits for its timer.
    Timer = 2,
    /// The command ended.
    Finished = 3,
}

impl From<RunState> for Reason {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Running => Self::Budget,
            RunState::Waiting { input: true, .. } => Self::Input,
            RunState::Waiting { input: false, .. } => Self::Timer,
            RunState::Finished(_) => Self::Finished,
        }
    }
}

/// The program, from the first call on; `Err` is the status of one that cannot start.
static PROGRAM: Exclusive<Option<Result<Program, u8>>> = SingleThread(RefCell::new(None));

/// Lends `f` the program, which the first call starts. `Err` is the status of one that cannot
/// start.
fn with<R>(f: impl FnOnce(&mut Program) -> R) -> Result<R, u8> {
    PROGRAM.with(|slot| {
        let program = slot.get_or_insert_with(Program::start);
        program.as_mut().map(f).map_err(|status| *status)
    })
}

/// Runs the container to its end, as a WASI command.
#[unsafe(no_mangle)]
pub extern "C" fn _start() {
    let status = with(Program::run_to_end).unwrap_or_else(|status| status);
    // Some runtimes take every proc_exit for a failure: success just returns.
    if status != 0 {
        world::exit(status);
    }
}

/// Runs about `budget` instructions and says why it came back, as a [`Reason`]. The caller
/// waits as it sees fit: standard input is read here, without waiting for it.
#[unsafe(no_mangle)]
pub extern "C" fn run(budget: u64) -> u32 {
    with(|program| program.run_slice(budget).into()).unwrap_or(Reason::Finished) as u32
}

/// Nanoseconds from the last [`run`] until the guest's timer, or until its network may have something.
#[unsafe(no_mangle)]
pub extern "C" fn wait_ns() -> u64 {
    with(Program::wait_ns).unwrap_or(0)
}

/// The exit status, once [`run`] has said that the command ended.
#[unsafe(no_mangle)]
pub extern "C" fn status() -> u32 {
    match with(|program| program.state()) {
        Ok(RunState::Finished(status)) | Err(status) => status.into(),
        Ok(RunState::Running | RunState::Waiting { .. }) => 0,
    }
}

/// How much was executed: 0, all instructions since the machine was switched on; 1, instructions of
/// translated code; 2, how often translated code was entered; 3, entries that it refused.
#[unsafe(no_mangle)]
pub extern "C" fn count(which: u32) -> u64 {
    with(|program| program.count(which)).unwrap_or(0)
}
