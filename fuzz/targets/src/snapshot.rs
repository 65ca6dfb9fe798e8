//! Saved state of a machine: any bytes are refused or make a machine that runs.

use crate::driver::{self, DEVICES, Layout};
use crate::guest::{self, RAM_LENGTH};
use crate::world::{Counter, RAM, World};
use c2w_emulator::GuestMemory;
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::board::layout;
use c2w_guest_abi::{RunRequest, Stream};
use c2w_session::{Closed, Session, SessionHost, Step};
use std::sync::OnceLock;

const DISK_LENGTH: u64 = 0x4000;
const SLICE: u64 = 2000;

/// A session's host, by way of a [`Counter`].
#[derive(Default)]
pub struct CountingHost {
    /// What has happened.
    pub counter: Counter,
    /// Whether the outputs are closed.
    pub closed: bool,
}

impl SessionHost for CountingHost {
    fn monotonic_ns(&mut self) -> u64 {
        self.counter.now += 1000;
        self.counter.now
    }

    fn realtime_ns(&mut self) -> u64 {
        self.monotonic_ns()
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Closed> {
        self.counter.output[stream as usize] += bytes.len() as u64;
        if self.closed { Err(Closed::ReaderGone) } else { Ok(()) }
    }
}

/// RAM of a guest that sets all devices up and waits: what the state is restored on. Also the
/// states that its machine goes through, from which a corpus can start.
pub fn guest() -> &'static (Vec<u8>, Vec<Vec<u8>>) {
    static GUEST: OnceLock<(Vec<u8>, Vec<Vec<u8>>)> = OnceLock::new();
    GUEST.get_or_init(|| {
        let mut machine = guest::boot(&guest::stores(&set_up()), DISK_LENGTH);
        let ram = guest::parts(&machine).0;
        let mut states = Vec::new();
        for _ in 0..8 {
            states.push(guest::parts(&machine).1);
            machine.run(150, &mut Counter::default());
        }
        (ram, states)
    })
}

/// The stores that set all virtio devices up.
fn set_up() -> Vec<(u64, u32)> {
    let mut stores = Vec::new();
    for (place, features) in DEVICES.into_iter().zip([2, 0, 1, 0x1_802b]) {
        let mut device = |writes: &[(u64, u32)]| {
            stores.extend(writes.iter().map(|&(offset, value)| (place.base + offset, value)));
        };
        device(&driver::negotiate(features));
        let sizes = World::new(0, 0).queue_sizes(place);
        for (queue, size) in sizes.into_iter().enumerate() {
            device(&Layout::of(queue, size).set_up(queue));
        }
        device(&[driver::START]);
    }
    stores
}

/// Runs one input: a byte of options, then the state.
///
/// # Panics
/// When the machine panics.
pub fn check(bytes: &[u8]) {
    let Some((&options, state)) = bytes.split_first() else { return };
    let mut host = CountingHost { closed: options & 1 != 0, ..CountingHost::default() };
    let Some(mut session) = restore(state) else { return };
    let saved = session.save(&mut host);
    let again = restore(&saved).map(|mut session| session.save(&mut host));
    assert!(again.as_ref() == Some(&saved), "saved state is not restored as it was");
    if options & 2 != 0 {
        let request = RunRequest { stdin: options & 4 != 0, ..RunRequest::default() };
        session.start(request, &mut host).expect("a short request");
    }
    for _ in 0..3 {
        let taken = session.push_stdin(&[1; 100], &mut host);
        assert!(taken <= 100);
        if let Step::Exited(_) | Step::Failed(_) = session.run(SLICE, &mut host) {
            break;
        }
    }
    session.end_stdin();
    session.run(SLICE, &mut host);
    session.save(&mut host);
}

/// Whether the state of an input is one that a machine restores.
pub fn is_restored(bytes: &[u8]) -> bool {
    bytes.split_first().is_some_and(|(_, state)| restore(state).is_some())
}

fn restore(state: &[u8]) -> Option<Session> {
    let mut memory =
        GuestMemory::allocate(RAM, RAM_LENGTH, layout::IMAGE_BASE, DISK_LENGTH).expect("small");
    memory.write(RAM, &guest().0).expect("as long as RAM");
    Session::restore(&RiscvBoard, memory, state).ok()
}
