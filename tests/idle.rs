//! A guest that waits costs next to nothing: counted in instructions and in waits of the host, each
//! of which is a call of `poll_oneoff` in a module, over a minute that passes at once.

use c2w::convert::{self, Options};
use c2w::oci::SourceOptions;
use c2w::timing::Timing;
use c2w_guest_abi::{RunRequest, Stream};
use c2w_session::{Closed, Outside, Session, Step};

const SECOND: u64 = 1_000_000_000;
/// Time for the command to start, and for what the kernel puts off.
const SETTLED: u64 = 20 * SECOND;
const MINUTE: u64 = 60 * SECOND;

/// A world whose clock moves by a microsecond whenever somebody looks, and by every wait.
#[derive(Default)]
struct World {
    now: u64,
}

impl Outside for World {
    fn monotonic_ns(&mut self) -> u64 {
        self.now += 1000;
        self.now
    }
    fn realtime_ns(&mut self) -> u64 {
        1_700_000_000_000_000_000
    }
    fn entropy(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
    fn output(&mut self, _: Stream, _: &[u8]) -> Result<(), Closed> {
        Ok(())
    }
}

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
    let options = Options { source: SourceOptions::default(), memory_mib: 128, kernel_log: false };
    let image = "oci:examples/busybox".parse().unwrap();
    let mut session = convert::prepare(&image, &options, &mut Timing::start()).unwrap();
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
