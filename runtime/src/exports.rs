//! What a runtime or an embedder calls.

use crate::wasi_calls;
use crate::program::{Program, Reason};
use core::cell::UnsafeCell;

/// Instructions between two looks at standard input: a few milliseconds.
const BUDGET: u64 = 1 << 21;

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
    let status = match program() {
        Ok(program) => run_to_end(program),
        Err(status) => status,
    };
    // Some runtimes take every proc_exit for a failure: success just returns.
    if status != 0 {
        wasi_calls::exit(status);
    }
}

fn run_to_end(program: &mut Program) -> u8 {
    loop {
        let timeout = match program.run(BUDGET) {
            Reason::Budget => 0,
            Reason::Input | Reason::Timer => program.wait_ns,
            Reason::Finished => return program.status,
        };
        program.pump_input(timeout);
    }
}

/// Runs about `budget` instructions and says why it came back, as a [`Reason`]. The caller
/// waits as it sees fit: standard input is read here, without waiting for it.
#[unsafe(no_mangle)]
pub extern "C" fn run(budget: u64) -> u32 {
    let Ok(program) = program() else { return Reason::Finished as u32 };
    program.pump_input(0);
    program.run(budget) as u32
}

/// Nanoseconds from the last [`run`] until the guest's timer.
#[unsafe(no_mangle)]
pub extern "C" fn wait_ns() -> u64 {
    program().map_or(0, |program| program.wait_ns)
}

/// The exit status, once [`run`] has said that the command ended.
#[unsafe(no_mangle)]
pub extern "C" fn status() -> u32 {
    program().map_or_else(u32::from, |program| u32::from(program.status))
}

/// How much was executed: 0, all instructions since the machine was switched on; 1, instructions of
/// translated code; 2, how often translated code was entered; 3, how often it came back at once.
#[unsafe(no_mangle)]
pub extern "C" fn count(which: u32) -> u64 {
    program().map_or(0, |program| program.count(which))
}
