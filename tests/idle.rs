//! A guest that waits costs next to nothing: counted in instructions and in waits of the host, each
//! of which is a call of `poll_oneoff` in a module, over a minute that passes at once.

use crate::booted;

use booted::{World, booted};
use c2w_guest_abi::RunRequest;
use c2w_session::{Session, Step};

const SECOND: u64 = 1_000_000_000;
/// Time for the command to start, and for what the kernel puts off.
const SETTLED: u64 = 20 * SECOND;
const MINUTE: u64 = 60 * SECOND;

/// What a stretch of time cost.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cost {
    waits: u64,
    steps: u64,
}

/// Whether standard input stays open without a byte.
#[derive(Clone, Copy)]
enum Stdin {
    Silent,
    Ended,
}

fn started(command: &[&str], stdin: Stdin, world: &mut World) -> Session {
    let mut session = booted();
    let args = command.iter().map(|argument| argument.as_bytes().to_vec()).collect();
    let request = RunRequest { args, stdin: true, ..RunRequest::default() };
    session.start(request, world).unwrap();
    if let Stdin::Ended = stdin {
        session.end_stdin();
    }
    session
}

/// Lets `nanoseconds` of the guest's time pass.
fn pass(session: &mut Session, world: &mut World, nanoseconds: u64) -> Cost {
    let (end, steps) = (world.now + nanoseconds, session.steps());
    let mut waits = 0;
    while world.now < end {
        match session.run(1 << 20, world) {
            Step::Running => {}
            Step::Idle(wait) => {
                waits += 1;
                world.now += wait.unwrap_or(u64::MAX).min(end - world.now.min(end));
            }
            step => panic!("the command does not wait: {step:?}"),
        }
    }
    Cost { waits, steps: session.steps() - steps }
}

fn assert_idle(command: &[&str], stdin: Stdin) {
    let mut world = World::default();
    let mut session = started(command, stdin, &mut world);
    pass(&mut session, &mut world, SETTLED);
    let minute = pass(&mut session, &mut world, MINUTE);
    assert!(minute.waits <= 60 && minute.steps <= 1_000_000, "{command:?}: {minute:?}");
}

#[test]
fn a_command_that_sleeps_is_idle() {
    assert_idle(&["sleep", "1000"], Stdin::Ended);
}

#[test]
fn a_command_that_sleeps_and_may_get_input_is_idle() {
    assert_idle(&["sleep", "1000"], Stdin::Silent);
}

#[test]
fn a_command_that_waits_for_input_is_idle() {
    assert_idle(&["sh", "-c", "cat; echo never"], Stdin::Silent);
}
