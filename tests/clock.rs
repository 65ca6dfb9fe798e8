//! The container's clock, in a world whose time the test makes.

use crate::booted;

use booted::{EPOCH, World, booted};
use c2w_guest_abi::RunRequest;
use c2w_session::{Session, Step};

const SECOND: u64 = 1_000_000_000;
/// How far off the clock may be.
const TOLERANCE: u64 = SECOND / 100;

fn started(line: &str, world: &mut World) -> Session {
    let mut session = booted();
    let args = ["sh", "-c", line].map(|argument| argument.as_bytes().to_vec()).to_vec();
    let request = RunRequest { args, ..RunRequest::default() };
    session.start(request, world).unwrap();
    session
}

/// Runs to the end; waits pass at once. Returns the wall clock when each line came out.
fn finish(session: &mut Session, world: &mut World) -> Vec<u64> {
    let mut times = Vec::new();
    loop {
        let lines = |world: &World| world.output.iter().filter(|&&byte| byte == b'\n').count();
        match session.run(1 << 16, world) {
            Step::Idle(wait) => world.now += wait.expect("something to wait for"),
            Step::Exited(0) => return times,
            Step::Exited(_) | Step::Failed(_) => {
                panic!("{}", String::from_utf8_lossy(&world.output))
            }
            _ => {}
        }
        times.resize(lines(world), EPOCH + world.now);
    }
}

/// Lines of seconds with six digits behind the point, in nanoseconds.
fn shown(world: &World) -> Vec<u64> {
    let text = std::str::from_utf8(&world.output).unwrap();
    let nanoseconds = |line: &str| line.replace('.', "").parse::<u64>().unwrap() * 1000;
    text.lines().map(nanoseconds).collect()
}

fn assert_right(world: &World, times: &[u64]) {
    let shown = shown(world);
    assert_eq!(shown.len(), times.len());
    for (shown, time) in shown.iter().zip(times) {
        assert!(shown.abs_diff(*time) <= TOLERANCE, "the guest has {shown}, the world {time}");
    }
}

/// An hour passes between the host's reading of its clock and the first instruction of the guest.
#[test]
fn the_clock_is_right_however_slow_the_start() {
    let mut world = World::default();
    let mut session = started("echo $EPOCHREALTIME", &mut world);
    world.now += 3600 * SECOND;
    let times = finish(&mut session, &mut world);
    assert_right(&world, &times);
    assert!(shown(&world)[0] >= EPOCH + 3600 * SECOND);
}

/// A day of sleep, and one of many short ones.
#[test]
fn the_clock_stays_right_through_sleep() {
    let line = "echo $EPOCHREALTIME; sleep 86400; echo $EPOCHREALTIME
i=0; while [ $i -lt 1000 ]; do sleep 86.4; i=$((i + 1)); done; echo $EPOCHREALTIME";
    let mut world = World::default();
    let mut session = started(line, &mut world);
    let times = finish(&mut session, &mut world);
    assert_right(&world, &times);
    assert!(shown(&world)[2] >= EPOCH + 2 * 86_400 * SECOND);
}
