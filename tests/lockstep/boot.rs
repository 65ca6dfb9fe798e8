//! A boot of the kernel, up to the first word of PID 1.

use crate::regions::{self, Functions, LINKAGE};
use crate::streams::{same_ram, same_state};
use crate::{LinearMemory, arena};
use c2w::assets::Assets;
use c2w::boot::command_line;
use c2w::target::Execution;
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::board::layout::{IMAGE_BASE, RAM_BASE};
use c2w_emulator::riscv::linkage;
use c2w_emulator::{BootConfig, Exit, GuestMemory, Host, Machine, PAGE_SIZE, PortId, Region};
use c2w_guest_abi::port;
use c2w_streams::operands::Random;
use c2w_translator::Riscv;
use c2w_translator::plan::code::ProfiledCode;
use c2w_translator::plan::profile::{Profile, SharedProfile};
use c2w_translator::plan::select::Selection;
use std::cell::RefCell;
use std::rc::Rc;

const RAM: Region = Region { start: RAM_BASE, length: 128 << 20, offset: 0, window: 128 << 20 };
/// Of a root image, which nobody mounts.
const IMAGE: Region = Region { start: IMAGE_BASE, length: 2 << 20, offset: 0, window: 2 << 20 };
/// Instructions to translate.
const BUDGET: usize = 60_000;
/// The most instructions that are run at a time; one of these.
const BUDGETS: [u64; 4] = [10, 1_000, 20_000, 400_000];
/// One in so many steps is followed by a machine without anything cached.
const CACHES_DROPPED: u64 = 50;
/// RAM is compared after so many steps.
const RAM_COMPARED: u64 = 500;
const LIMIT: u64 = 200_000_000;

/// Nothing outside but somebody who notes when PID 1 speaks.
#[derive(Default)]
struct World {
    spoken_to: bool,
}

impl Host for World {
    fn monotonic_ns(&mut self) -> u64 {
        0
    }
    fn realtime_ns(&mut self) -> u64 {
        0
    }
    fn entropy(&mut self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
    fn port_output(&mut self, _: PortId, _: &[u8]) {
        self.spoken_to = true;
    }
    fn debug_output(&mut self, _: &[u8]) {}
}

fn boot(memory: GuestMemory, kernel: &[u8], initramfs: &[u8]) -> Machine {
    let config = BootConfig {
        kernel,
        initramfs,
        command_line: &command_line(Execution::default(), None),
        disks: &[IMAGE.length],
        vectors: true,
        ports: &[port::CONTROL, port::STDIN, port::STDOUT, port::STDERR],
        mount_tag: "c2w",
        seed: &[7; 64],
    };
    Machine::boot(&RiscvBoard, memory, &config).unwrap()
}

/// Goes on, over a wait for the timer.
fn go_on(machine: &mut Machine, budget: u64, world: &mut World) -> Exit {
    let exit = machine.run(budget, world);
    if let Exit::Idle(Some(tick)) = exit {
        machine.skip_to(tick);
    }
    assert!(machine.steps() < LIMIT, "PID 1 says nothing");
    exit
}

/// What a boot executes most.
fn selection(kernel: &[u8], initramfs: &[u8]) -> Selection<Riscv> {
    let profile = Rc::new(RefCell::new(Profile::default()));
    let memory = GuestMemory::allocate(RAM.start, RAM.length, IMAGE.start, IMAGE.length);
    let mut machine = boot(memory.unwrap(), kernel, initramfs);
    machine.observe(Box::new(SharedProfile(profile.clone())));
    let mut world = World::default();
    while !world.spoken_to {
        go_on(&mut machine, 1 << 20, &mut world);
    }
    let memory = machine.into_memory();
    let page = |address| memory.resident(address, PAGE_SIZE).ok();
    let profile = profile.take();
    ProfiledCode::new(&profile, page).select(BUDGET)
}

#[test]
fn a_boot_goes_through_the_same_states() {
    let assets = Assets::default();
    let (kernel, initramfs) = (assets.kernel().unwrap(), assets.initramfs().unwrap());
    let selection = selection(&kernel, &initramfs);
    let functions = Functions::new(&c2w_translator::translate(&selection, &LINKAGE));
    let memory = GuestMemory::allocate(RAM.start, RAM.length, IMAGE.start, IMAGE.length);
    let mut plain = boot(memory.unwrap(), &kernel, &initramfs);
    let mut place = LinearMemory::lock();
    let mut translated = arena::inside(|| {
        let mut memory = place.memory(RAM, IMAGE);
        memory.write(RAM.start, &vec![0; RAM.length as usize]).unwrap();
        memory.image_mut().fill(0);
        let mut machine = boot(memory, &kernel, &initramfs);
        regions::use_regions(&mut machine, &selection.index, functions);
        machine
    });
    let mut random = Random(5);
    let (mut world, mut world_2) = (World::default(), World::default());
    for step in 1.. {
        let before = plain.steps();
        let most = BUDGETS[random.below(4) as usize];
        let budget = random.below(most) + 1;
        let exit = go_on(&mut plain, budget, &mut world);
        let exit_2 = arena::inside(|| go_on(&mut translated, budget, &mut world_2));
        let place = format!("{budget} instructions from {before}");
        same_state(&plain, exit, &translated, exit_2).expect(&place);
        assert_eq!(world.spoken_to, world_2.spoken_to, "{place}");
        if world.spoken_to || step % RAM_COMPARED == 0 {
            same_ram(&plain, &translated).expect(&place);
        }
        if world.spoken_to {
            break;
        }
        if random.below(CACHES_DROPPED) == 0 {
            arena::inside(|| linkage::drop_caches(&mut translated));
        }
    }
    let counts = translated.translated();
    println!("{} steps, {counts:?}", plain.steps());
    assert!(counts.instructions > plain.steps() / 2, "{counts:?} of {}", plain.steps());
}
