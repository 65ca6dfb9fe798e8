//! Translated code against the interpreter: two machines go on from the same snapshot, one of them
//! with translated code, in steps of random length, and must be the same after each.

mod arena;
mod boot;
mod regions;
mod streams;

use c2w::boot::{BootOptions, Deterministic};
use c2w::convert::{self, Options, Prepared};
use c2w::timing::Timing;
use c2w::train::{self, Aot};
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::linkage;
use c2w_emulator::{GuestMemory, PAGE_SIZE, Region};
use c2w_guest_abi::RunRequest;
use c2w_session::{Session, Step};
use c2w_streams::operands::Random;
use c2w_streams::units::{ByteUnits, poisoned};
use regions::{Functions, LINKAGE};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[global_allocator]
static ARENA: arena::Arena = arena::Arena;

/// Linear memory of the machine, from here on.
const MACHINE: u32 = 1 << 20;

/// One in so many steps is followed by a machine without anything cached.
const CACHES_DROPPED: u64 = 50;

/// A machine at its snapshot.
struct Snapshot {
    ram: Rc<Vec<u8>>,
    image: Rc<Vec<u8>>,
    ram_region: Region,
    image_region: Region,
    state: Vec<u8>,
    boot: BootOptions,
}

fn snapshot(image: &str) -> Snapshot {
    let options = Options { memory_mib: 128, ..Options::default() };
    let prepared = convert::prepare(&image.parse().unwrap(), &options, &mut Timing::start());
    let Prepared { mut session, boot, .. } = prepared.unwrap();
    let mut timing = Timing::start();
    let state = session.save(&mut Deterministic::new(&boot, &mut timing));
    let mut memory = session.into_memory();
    let (ram_region, image_region) = (memory.ram(), memory.image());
    let mut bytes = |region: Region| {
        let mut bytes = vec![0; region.length as usize];
        memory.read(region.start, &mut bytes).unwrap();
        Rc::new(bytes)
    };
    Snapshot {
        ram: bytes(ram_region),
        image: bytes(image_region),
        ram_region,
        image_region,
        state,
        boot,
    }
}

impl Snapshot {
    /// Memory of its own.
    fn memory(&self) -> GuestMemory {
        let (ram, image) = (self.ram_region, self.image_region);
        let memory = GuestMemory::allocate(ram.start, ram.length, image.start, image.length);
        let mut memory = memory.unwrap();
        memory.write(ram.start, &self.ram).unwrap();
        memory.image_mut().copy_from_slice(&self.image);
        memory
    }

    /// Memory in the engine's linear memory. What is not zero is brought in when it is touched, and
    /// something else lies in its place until then.
    fn linear_memory(&self, place: &mut LinearMemory) -> GuestMemory {
        let mut memory = place.memory(self.ram_region, self.image_region);
        memory.write(self.ram_region.start, &poisoned(&self.ram)).unwrap();
        memory.image_mut().copy_from_slice(&poisoned(&self.image));
        memory.set_ram_source(Box::new(ByteUnits(self.ram.clone())));
        memory.set_image_source(Box::new(ByteUnits(self.image.clone())));
        memory
    }

    /// Whether RAM is the same in both machines. What `translated` has never touched is as it was.
    fn same_ram(&self, translated: &Session, plain: &Session) -> bool {
        let start = self.ram_region.start;
        self.ram.chunks(PAGE_SIZE).enumerate().all(|(page, was)| {
            let address = start + (page * PAGE_SIZE) as u64;
            let is = translated.memory().resident(address, PAGE_SIZE).unwrap_or(was);
            plain.memory().resident(address, PAGE_SIZE) == Ok(is)
        })
    }
}

/// The engine's linear memory, for one machine at a time.
struct LinearMemory(#[allow(dead_code)] MutexGuard<'static, ()>);

impl LinearMemory {
    /// Waits until no other test uses it.
    fn lock() -> Self {
        static USED: Mutex<()> = Mutex::new(());
        Self(USED.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Memory of a machine, with what the last one has left.
    fn memory(&mut self, ram: Region, image: Region) -> GuestMemory {
        let image = Region { offset: MACHINE, ..image };
        let offset = (MACHINE + image.length as u32).next_multiple_of(4096);
        let ram = Region { offset, ..ram };
        // SAFETY: linear memory that nothing else uses.
        unsafe { GuestMemory::from_window(arena::base(), ram, image) }
    }
}

/// Numbers of instructions.
struct Budgets(Random);

impl Budgets {
    /// The next one, after so many steps: often few, sometimes many; or what the environment asks
    /// for from there on, `C2W_FROM` and `C2W_BUDGET`.
    fn budget_at(&mut self, steps: u64) -> u64 {
        let most = [10, 300, 5_000, 200_000][self.0.below(4) as usize];
        let budget = self.0.below(most) + 1;
        match std::env::var("C2W_FROM") {
            Ok(from) if steps >= from.parse().unwrap() => {
                std::env::var("C2W_BUDGET").map_or(1, |text| text.parse().unwrap())
            }
            _ => budget,
        }
    }
}

/// The same for the same code, whatever module it becomes part of: [`LINKAGE`] is always the same.
fn hash(functions: &[Vec<u8>]) -> String {
    let mut hash = Sha256::new();
    functions.iter().for_each(|function| hash.update(function));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn request(command: &str) -> RunRequest {
    let args = shlex::split(command).unwrap().into_iter().map(String::into_bytes).collect();
    RunRequest { entrypoint: Some(Vec::new()), args, ..RunRequest::default() }
}

/// Runs a command in both machines, at most so many instructions. Returns the share of translated
/// ones in percent.
fn compare(
    snapshot: &Snapshot,
    options: &train::Options,
    command: &str,
    limit: u64,
    seed: u64,
) -> u64 {
    let mut budgets = Budgets(Random(seed));
    let kept = train::Snapshot { ram: &snapshot.ram, state: &snapshot.state };
    let runs = options.runs().unwrap();
    let trained = train::train(snapshot.memory(), &kept, runs, options, &snapshot.boot);
    let trained = trained.unwrap();
    let translation = c2w_translator::translate(&trained.selection, &LINKAGE);
    eprintln!("functions {}", hash(&translation.functions));
    let functions = Functions::new(&translation);
    let mut plain = Session::restore(&RiscvBoard, snapshot.memory(), &snapshot.state).unwrap();
    let boot = train::later(&snapshot.boot);
    let (mut timing, mut timing_2) = (Timing::start(), Timing::start());
    let mut world = Deterministic::new(&boot, &mut timing);
    let mut world_2 = Deterministic::new(&boot, &mut timing_2);
    let mut place = LinearMemory::lock();
    let mut translated = arena::inside(|| {
        let memory = snapshot.linear_memory(&mut place);
        let mut session = Session::restore(&RiscvBoard, memory, &snapshot.state).unwrap();
        regions::use_regions(session.machine_mut(), &trained.selection.index, functions);
        session
    });
    plain.start_deterministic(request(command), &mut world).unwrap();
    translated.start_deterministic(request(command), &mut world_2).unwrap();
    let start = plain.steps();
    let (mut rounds, mut last) = (0, Step::Running);
    while plain.steps() - start < limit {
        let (start_pc, before) = (plain.pc(), plain.steps());
        let budget = budgets.budget_at(before);
        let step = plain.run_to_timer(budget, &mut world);
        let step_2 = arena::inside(|| translated.run_to_timer(budget, &mut world_2));
        let place = format!("round {rounds}, {budget} instructions from {before} at {start_pc:x}");
        let place = format!("{place}: pc {:x} and {:x}", translated.pc(), plain.pc());
        assert_eq!(translated.steps(), plain.steps(), "{place}");
        assert_eq!(step_2, step, "{place}");
        let same = translated.save(&mut world_2) == plain.save(&mut world);
        assert!(same, "{place}: registers differ");
        rounds += 1;
        let ended = matches!(step, Step::Exited(_) | Step::Failed(_) | Step::Idle(None));
        if rounds % 5000 == 0 || ended {
            assert!(snapshot.same_ram(&translated, &plain), "{place}: RAM differs");
        }
        // Of one machine only, so that it must not matter.
        if budgets.0.below(CACHES_DROPPED) == 0 {
            linkage::drop_caches(translated.machine_mut());
        }
        last = step;
        if ended {
            break;
        }
    }
    let share = 100 * translated.translated().instructions / (translated.steps() - start);
    eprintln!(
        "{last:?}: {command}: {} steps, {share} % translated, {:?}",
        plain.steps() - start,
        translated.translated()
    );
    share
}

/// Whatever the environment asks for: `C2W_IMAGE`, `C2W_COMMAND`, `C2W_SEED`, `C2W_LIMIT`.
#[test]
#[ignore = "for images that are not in this repository"]
fn a_given_command() {
    let variable = |name: &str| std::env::var(name).ok();
    let image = variable("C2W_IMAGE").unwrap_or("oci:examples/busybox".into());
    let command = variable("C2W_COMMAND").unwrap_or("true".into());
    let number = |name, default| variable(name).map_or(default, |text| text.parse().unwrap());
    let options = train::Options {
        aot: if variable("C2W_AOT").is_some_and(|text| text == "auto") {
            Aot::Auto
        } else {
            Aot::Max
        },
        commands: vec![variable("C2W_TRAIN").unwrap_or(command.clone())],
        ..Default::default()
    };
    let snapshot = snapshot(&image);
    compare(&snapshot, &options, &command, number("C2W_LIMIT", 300_000_000), number("C2W_SEED", 1));
}

#[test]
fn busybox_goes_through_the_same_states() {
    assert!(Path::new("examples/busybox/index.json").exists());
    let snapshot = snapshot("oci:examples/busybox");
    let options = |aot| train::Options { aot, ..Default::default() };
    let script =
        "sh -c 'for i in 1 2 3; do echo $i | md5sum; done; ls -l /proc/self; sleep 0.1; exit 3'";
    assert!(compare(&snapshot, &options(Aot::Max), script, 100_000_000, 1) > 50);
    let hash = "sha256sum /bin/busybox";
    let commands = vec![hash.to_owned()];
    let trained = train::Options { commands, ..options(Aot::Auto) };
    assert!(compare(&snapshot, &trained, hash, 50_000_000, 2) > 90);
}
