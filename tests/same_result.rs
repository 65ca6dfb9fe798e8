//! The property that snapshots rest on: boot, then run the command, equals boot, save, restore,
//! then run the command - registers, devices, memory and output alike.

use crate::booted;

use booted::{World, booted};
use c2w_emulator::GuestMemory;
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_guest_abi::RunRequest;
use c2w_session::{Session, Step};

/// A copy of a session by way of its saved state.
fn restored(session: &mut Session) -> Session {
    let state = session.save(&mut World::default());
    let old = session.memory();
    let (ram, image) = (old.ram(), old.image());
    let mut memory =
        GuestMemory::allocate(ram.start, ram.length, image.start, image.length).unwrap();
    for region in [ram, image] {
        let bytes = old.slice(region.start, region.length as usize).unwrap();
        memory.write(region.start, bytes).unwrap();
    }
    Session::restore(&RiscvBoard, memory, &state).unwrap()
}

/// Runs a command to its end; returns everything that can differ.
fn outcome(mut session: Session, command: &[&[u8]]) -> (Vec<u8>, Vec<u8>, Vec<u8>, Step) {
    let mut world = World::default();
    let args = command.iter().map(|argument| argument.to_vec()).collect();
    let request = RunRequest { args, stdin: true, ..RunRequest::default() };
    session.start(request, &mut world).unwrap();
    session.end_stdin();
    let end = loop {
        match session.run(1 << 20, &mut world) {
            Step::Running => {}
            Step::Idle(wait) => world.now += wait.expect("a timer, or the guest hangs"),
            end => break end,
        }
        assert!(session.steps() < 4_000_000_000, "the command never ends");
    };
    let state = session.save(&mut world);
    let ram = session.memory().ram();
    let memory = session.memory().slice(ram.start, ram.length as usize).unwrap().to_vec();
    (world.output, state, memory, end)
}

#[test]
fn a_restored_machine_goes_on_as_if_nothing_had_happened() {
    let script = b"sleep 0.2; for i in 1 2 3; do echo $i | md5sum; done; cat; ls -l /proc; \
                   od -N16 -tx1 /dev/urandom; date; exit 3";
    let command: &[&[u8]] = &[b"sh", b"-c", script];
    let mut original = booted();
    let copy = restored(&mut original);
    let (output, state, memory, end) = outcome(original, command);
    assert_eq!(end, Step::Exited(3), "{}", String::from_utf8_lossy(&output));
    let (output_2, state_2, memory_2, end_2) = outcome(copy, command);
    assert_eq!(String::from_utf8_lossy(&output_2), String::from_utf8_lossy(&output));
    assert_eq!(end_2, end);
    assert!(memory_2 == memory, "RAM differs");
    assert!(state_2 == state, "registers or devices differ");
}
