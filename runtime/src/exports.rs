//! What a runtime or an embedder calls.

use crate::host::FOREVER;
use crate::program::Program;
use crate::wasi_calls;
use c2w_session::RunState;
use core::cell::UnsafeCell;

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

struct Global(UnsafeCell<Option<Result<Program, u8>>>);

// SAFETY: a module has one thread, and no export calls another while it holds the program.
unsafe impl Sync for Global {}

static PROGRAM: Global = Global(UnsafeCell::new(None));

/// The program, started at the first call; `Err` is the status of one that cannot start.
fn program() -> Result<&'static mut Program, u8> {
    // SAFETY: every export takes this reference once and drops it before it returns.
    let slot = unsafe { &mut *PROGRAM.0.get() };
    // SAFETY: only here, and only while the slot is empty.
    let program = slot.get_or_insert_with(|| unsafe { Program::start() });
    program.as_mut().map_err(|status| *status)
}

/// Runs the container to its end, as a WASI command.
#[unsafe(no_mangle)]
pub extern "C" fn _start() {
    let status = program().map_or_else(|status| status, Program::run_to_end);
    // Some runtimes take every proc_exit for a failure: success just returns.
    if status != 0 {
        wasi_calls::exit(status);
    }
}

/// Runs about `budget` instructions and says why it came back, as a [`Reason`]. The caller
/// waits as it sees fit: standard input is read here, without waiting for it.
#[unsafe(no_mangle)]
pub extern "C" fn run(budget: u64) -> u32 {
    program().map_or(Reason::Finished, |program| program.run_slice(budget).into()) as u32
}

/// Nanoseconds from the last [`run`] until the guest's timer.
#[unsafe(no_mangle)]
pub extern "C" fn wait_ns() -> u64 {
    program().map_or(0, |program| match program.state() {
        RunState::Waiting { timer, .. } => timer.unwrap_or(FOREVER),
        RunState::Running | RunState::Finished(_) => 0,
    })
}

/// The exit status, once [`run`] has said that the command ended.
#[unsafe(no_mangle)]
pub extern "C" fn status() -> u32 {
    let status = program().map_or_else(
        |status| status,
        |program| match program.state() {
            RunState::Finished(status) => status,
            RunState::Running | RunState::Waiting { .. } => 0,
        },
    );
    status.into()
}

/// How much was executed: 0, all instructions since the machine was switched on; 1, instructions of
/// translated code; 2, how often translated code was entered; 3, how often it came back at once.
#[unsafe(no_mangle)]
pub extern "C" fn count(which: u32) -> u64 {
    program().map_or(0, |program| program.count(which))
}
