//! The property that snapshots rest on: boot, then run the command, equals boot, save, restore,
//! then run the command - registers, devices, memory and output alike.

use crate::booted;

use booted::{World, prepared};
use c2w::convert::{Disks, Prepared};
use c2w_emulator::GuestMemory;
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_guest_abi::RunRequest;
use c2w_session::{Session, Step};
use c2w_streams::units::{ByteUnits, poisoned};
use std::rc::Rc;

/// A copy of a session by way of its saved state. RAM is brought in when it is touched, and has
/// something else in its place until then; the root image has `cache` bytes in memory at once.
fn restored(session: &mut Session, disks: &Disks, cache: u64) -> Session {
    let state = session.save(&mut World::default());
    let old = session.memory();
    let (ram, image) = (old.ram(), old.image());
    let bytes = old.resident(ram.start, ram.length as usize).unwrap();
    let memory =
        GuestMemory::allocate_cached(ram.start, ram.length, (image.start, image.length), cache);
    let mut memory = memory.unwrap();
    memory.write(ram.start, &poisoned(bytes)).unwrap();
    memory.set_ram_source(Box::new(ByteUnits(Rc::new(bytes.to_vec()))));
    memory.set_image_source(Box::new(disks.source().unwrap()));
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
    let mut memory = session.into_memory();
    let ram = memory.ram();
    let mut bytes = vec![0; ram.length as usize];
    memory.read(ram.start, &mut bytes).unwrap();
    (world.output, state, bytes, end)
}

#[test]
fn a_restored_machine_goes_on_as_if_nothing_had_happened() {
    let script = b"sleep 0.2; for i in 1 2 3; do echo $i | md5sum; done; cat; ls -l /proc; \
                   od -N16 -tx1 /dev/urandom; date; exit 3";
    let command: &[&[u8]] = &[b"sh", b"-c", script];
    let Prepared { session: mut original, disks, .. } = prepared();
    // All of the image, and a few units of it: those that are touched are evicted all the time.
    let copies = [u64::MAX, 0].map(|cache| restored(&mut original, &disks, cache));
    let (output, state, memory, end) = outcome(original, command);
    assert_eq!(end, Step::Exited(3), "{}", String::from_utf8_lossy(&output));
    for copy in copies {
        let (output_2, state_2, memory_2, end_2) = outcome(copy, command);
        assert_eq!(String::from_utf8_lossy(&output_2), String::from_utf8_lossy(&output));
        assert_eq!(end_2, end);
        assert!(memory_2 == memory, "RAM differs");
        assert!(state_2 == state, "registers or devices differ");
    }
}
