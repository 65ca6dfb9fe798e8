//! Guests that once brought a host out of step, each by what it did.

use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::board::layout;
use c2w_emulator::{Exit, GuestMemory, Host, Machine, PortId};
use c2w_fuzz_targets::driver::{self, BUFFERS, DEVICES, Layout, NEXT, WRITE, register};
use c2w_fuzz_targets::guest::{self, IMAGE_OFFSET, RAM_LENGTH, asm};
use c2w_fuzz_targets::snapshot::CountingHost;
use c2w_fuzz_targets::world::{Counter, RAM};
use c2w_guest_abi::{ContainerConfig, FromGuest, frame};
use c2w_session::{BootFailure, Guest, Session, Step, boot};

const STIMECMP: u32 = 0x14d;

/// The stores by which a driver sets one queue of a device up and notifies it.
fn run_queue(device: usize, features: u32, queue: usize, layout: Layout) -> Vec<(u64, u32)> {
    let writes = driver::negotiate(features)
        .into_iter()
        .chain(layout.set_up(queue))
        .chain([driver::START, (register::QUEUE_NOTIFY, queue as u32)]);
    writes.map(|(offset, value)| (DEVICES[device].base + offset, value)).collect()
}

/// Memory and state of a machine that is about to run `image`.
fn unstarted(image: &[u8]) -> (GuestMemory, Vec<u8>) {
    let (ram, state) = guest::parts(&guest::boot(image, 0));
    let mut memory = GuestMemory::allocate(RAM, RAM_LENGTH, layout::IMAGE_BASE, 0).unwrap();
    memory.write(RAM, &ram).unwrap();
    (memory, state)
}

#[test]
fn one_that_floods_its_control_port_fails() {
    const TRANSMIT: usize = 1;
    let layout = Layout::of(TRANSMIT, 64);
    let stores = run_queue(driver::CONSOLE, 2, TRANSMIT, layout);
    let (mut memory, state) = unstarted(&guest::stores(&stores));
    // Half a megabyte of short messages that mean nothing at this moment, 64 times.
    let message = frame::encode(&FromGuest::StdinClosed).unwrap();
    let messages = message.repeat((IMAGE_OFFSET - (BUFFERS - RAM)) as usize / message.len());
    memory.write(BUFFERS, &messages).unwrap();
    for index in 0..64 {
        let more = if index < 63 { NEXT } else { 0 };
        let entry = driver::descriptor(BUFFERS, messages.len() as u32, more, index + 1);
        memory.write(layout.descriptor(index), &entry).unwrap();
    }
    memory.write(layout.available_index(), &[1, 0]).unwrap();

    let mut session = Session::restore(&RiscvBoard, memory, &state).unwrap();
    let step = session.run(10_000, &mut CountingHost::default());
    let Step::Failed(failure) = step else { panic!("{step:?}") };
    let said = format!("control message of {} bytes", 64 * messages.len());
    assert!(failure.message.starts_with(&said), "{}", failure.message);
}

/// A guest that waits with its timer due and the timer's interrupt masked.
fn waits_for_nothing() -> Vec<u8> {
    let code = [asm::addi(5, 0, 1), asm::csrw(STIMECMP, 5), asm::WFI, asm::j(-4)];
    guest::image(&code, 0x1000, &[])
}

#[test]
fn one_that_waits_for_a_masked_timer_waits_for_ever() {
    let mut machine = guest::boot(&waits_for_nothing(), 0);
    assert_eq!(machine.run(1000, &mut Counter::default()), Exit::Idle(None));
}

#[test]
fn one_that_waits_for_a_masked_timer_does_not_boot_for_ever() {
    let memory = GuestMemory::allocate(RAM, RAM_LENGTH, layout::IMAGE_BASE, 0).unwrap();
    let kernel = waits_for_nothing();
    let guest = Guest {
        board: &RiscvBoard,
        kernel: &kernel,
        initramfs: &[],
        command_line: "",
        disks: &[],
        vectors: true,
        seed: &[],
    };
    let mut host = CountingHost::default();
    let end = boot(memory, &guest, ContainerConfig::default(), &mut host);
    assert_eq!(end.err(), Some(BootFailure::Stuck));
}

#[test]
fn one_that_skips_to_the_end_of_time_still_stops() {
    const SIE: u32 = 0x104;
    const TIMER: i32 = 1 << 5;
    let code = [
        asm::addi(5, 0, -2),
        asm::csrw(STIMECMP, 5),
        asm::addi(5, 0, TIMER),
        asm::csrw(SIE, 5),
        asm::WFI,
        // Off: as far as can be.
        asm::addi(5, 0, -1),
        asm::csrw(STIMECMP, 5),
        asm::j(0),
    ];
    let mut machine = guest::boot(&guest::image(&code, 0x1000, &[]), 0);
    let mut host = Counter::default();
    assert_eq!(machine.run(1000, &mut host), Exit::Idle(Some(u64::MAX - 1)));
    machine.skip_to(u64::MAX - 1);
    assert_eq!(machine.run(100_000, &mut host), Exit::Budget);
}

/// A host whose entropy is a guest's function: `addi a0, a0, 2; ret`.
struct Function;

const FUNCTION: [u32; 2] = [0x0025_0513, 0x0000_8067];

impl Host for Function {
    fn monotonic_ns(&mut self) -> u64 {
        0
    }
    fn realtime_ns(&mut self) -> u64 {
        0
    }
    fn entropy(&mut self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&FUNCTION.map(u32::to_le_bytes).concat());
    }
    fn port_output(&mut self, _: PortId, _: &[u8]) {}
    fn debug_output(&mut self, _: &[u8]) {}
}

#[test]
fn one_that_lets_a_device_overwrite_code_runs_the_new_code() {
    const RNG: usize = 1;
    const RESULT: u64 = BUFFERS + 0x1000;
    let layout = Layout::of(0, 16);
    let mut stores = run_queue(RNG, 0, 0, layout);
    let (notify, _) = stores.pop().unwrap();
    let code = [
        asm::ld(6, 5, 0),
        asm::ld(7, 5, 8),
        asm::ld(8, 5, 16),
        asm::jalr(1, 6),
        asm::sw(0, 7),
        asm::jalr(1, 6),
        asm::sw(10, 8),
        asm::WFI,
        asm::j(-4),
    ];
    let image = guest::stores_then(&stores, &code, &[BUFFERS, notify, RESULT]);
    let (mut memory, state) = unstarted(&image);
    // `addi a0, a0, 1; ret`, until entropy comes over it.
    let old = [0x0015_0513, FUNCTION[1]].map(u32::to_le_bytes).concat();
    memory.write(BUFFERS, &old).unwrap();
    memory.write(layout.descriptor(0), &driver::descriptor(BUFFERS, 8, WRITE, 0)).unwrap();
    memory.write(layout.available_index(), &[1, 0]).unwrap();
    let mut machine = Machine::restore(&RiscvBoard, memory, &state).unwrap();
    assert_eq!(machine.run(1000, &mut Function), Exit::Idle(None));
    assert_eq!(machine.memory().resident(RESULT, 4), Ok(&[1 + 2, 0, 0, 0][..]));
}
