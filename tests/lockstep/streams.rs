//! The random streams of `emulator/streams`, all of them translated, against the interpreter.
//!
//! ```text
//! program --> run, observed --> profile --> regions of at most 1, 3, 12 or 3000 instructions
//!    |                                        |
//!    +--> plain machine                       +--> translated machine, caches dropped at random
//!           budget --------- same state? -------- budget
//! ```
//!
//! A region is left where it ends, so small ones have every instruction entered and left by itself.
//! The kernel is interrupted by its timer at random, and then writes into the program's code.

use crate::regions::{self, Functions, LINKAGE};
use crate::{LinearMemory, arena};
use c2w_emulator::riscv::board::layout::{IMAGE_BASE, RAM_BASE};
use c2w_emulator::riscv::linkage;
use c2w_emulator::{Exit, Machine, PAGE_SIZE, Region};
use c2w_streams::bare::{self, Kernel, NoHost};
use c2w_streams::check::{self, Sides};
use c2w_streams::generate::Generator;
use c2w_streams::list::Encoding;
use c2w_streams::operands::Random;
use c2w_streams::program::{self, Program, TEXT};
use c2w_streams::stream::Stream;
use c2w_translator::Riscv;
use c2w_translator::plan::code::{Bounds, ProfiledCode};
use c2w_translator::plan::profile::{Profile, SharedProfile};
use c2w_translator::plan::select::Selection;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::ops::RangeInclusive;
use std::rc::Rc;

/// Streams of one program.
const BATCH: u64 = 64;
/// Programs of a test run.
const BATCHES: u64 = 8;
/// The same, of vectors mostly.
const VECTOR_BATCHES: u64 = 8;
/// The most instructions in a region, for one program after the other.
const UNITS: [usize; 6] = [3000, 1, 3000, 3, 3000, 12];
/// The same where regions are to run to their ends. What is behind an exit is in the next region.
const WHOLE_UNITS: [usize; 4] = [10, 3000, 14, 20];
/// One in so many steps is followed by a machine without anything cached: where regions are small,
/// and where they are to run to their ends.
const CACHES_DROPPED: [u64; 2] = [40, 100];
/// The most instructions that are run at a time where regions are to run to their ends.
const WHOLE: u64 = 3000;
/// RAM is compared after so many steps.
const RAM_COMPARED: u64 = 1000;

/// Translated code and the interpreter.
struct Bench {
    generator: Generator,
    input: Vec<u8>,
    /// Whether regions are large and mostly run to their ends, without interrupts: the type of a
    /// vector is only known in regions that set it.
    whole_regions: bool,
    done: RefCell<Done>,
}

/// What was compared.
#[derive(Debug, Default)]
struct Done {
    /// Instructions and traps of the machines, kernel and all.
    steps: u64,
    /// Of these, instructions that regions have done.
    in_units: u64,
    /// Times that the machines were compared.
    compared: u64,
    /// Instructions of streams by mnemonic: executed, and executed in regions.
    mnemonics: BTreeMap<&'static str, [u64; 2]>,
}

impl Bench {
    /// For streams of all kinds.
    fn usual() -> Self {
        Self::new(Generator::new().with_usual_floats().with_environment_calls(), false)
    }

    /// For streams that are vectors mostly.
    fn vectors() -> Self {
        let translated: Vec<_> = VECTORS.split_whitespace().collect();
        Self::new(Generator::new().with_usual_vectors(&translated), true)
    }

    fn new(generator: Generator, whole_regions: bool) -> Self {
        Self { generator, input: c2w_streams::input(), whole_regions, done: RefCell::default() }
    }

    /// Compares so many programs. Of those of `rows` that the translator knows, all must have been
    /// executed in regions, and such a share of their instructions, in percent.
    fn check(&self, batches: u64, rows: impl Fn(&Encoding) -> bool, share: u64) {
        for batch in 0..batches {
            check::check(self, batch * BATCH..(batch + 1) * BATCH);
        }
        let done = self.done.borrow();
        let (mut executed, mut in_units) = (0, 0);
        for row in self.generator.made_of().filter(|row| !TRAPS.contains(&row.mnemonic)) {
            let counts = done.mnemonics.get(row.mnemonic).copied().unwrap_or_default();
            if is_left(row) {
                assert_eq!(counts[1], 0, "{} is translated: take it off the list", row.mnemonic);
                continue;
            }
            if !rows(row) {
                continue;
            }
            assert!(counts[1] > 0, "{}: of {} none in a region", row.mnemonic, counts[0]);
            (executed, in_units) = (executed + counts[0], in_units + counts[1]);
        }
        println!("{done}; {in_units} of {executed} instructions of streams that are translated");
        assert!(
            100 * in_units > share * executed,
            "{in_units} of {executed} instructions in regions"
        );
        assert!(done.compared > done.steps / 2000, "{done}");
    }

    /// Adds a program to what is done.
    fn count(&self, case: &Case<'_>, streams: &[Stream], run: &Run) {
        let mut done = self.done.borrow_mut();
        done.steps += run.steps;
        done.in_units += run.in_units;
        done.compared += run.compared;
        let places = case.program.streams.iter().flatten();
        for (&pc, &insn) in
            places.zip(streams.iter().flat_map(|stream| stream.items.iter().flatten()))
        {
            let Some(row) = self.generator.row_of(insn) else { continue };
            if case.is_executed(pc) {
                let counts = done.mnemonics.entry(row.mnemonic).or_default();
                counts[0] += 1;
                counts[1] += u64::from(run.is_in_unit(pc));
            }
        }
    }
}

impl Sides for Bench {
    fn generator(&self) -> &Generator {
        &self.generator
    }

    fn differences(&self, streams: &[Stream]) -> Vec<Vec<String>> {
        let seed = streams[0].seed;
        let program = program::build(&self.generator.rows, streams, self.generator.vectors);
        let interrupts = (!self.whole_regions).then_some(seed);
        let kernel = Kernel::new(&self.generator.rows, &program, &self.input, interrupts);
        let case = Case::new(&program, &kernel, self.whole_regions, seed);
        let mut differences = vec![Vec::new(); streams.len()];
        match case.compare() {
            Ok(run) => self.count(&case, streams, &run),
            Err(difference) => {
                for stream in difference.streams {
                    differences[stream].push(difference.text.clone());
                }
            }
        }
        differences
    }

    fn batch(&self) -> u64 {
        BATCH
    }
}

/// The first difference: from there on, everything may differ.
struct Difference {
    /// The streams that the machines were in, as far as is known.
    streams: RangeInclusive<usize>,
    text: String,
}

/// What two machines did that were always the same.
struct Run {
    steps: u64,
    in_units: u64,
    compared: u64,
    /// Where control was in regions, from an address to another.
    spans: Vec<(u64, u64)>,
}

impl Run {
    /// Whether an instruction of a stream was executed in a region. In streams, and from one to the
    /// next, control only goes forward.
    fn is_in_unit(&self, pc: u64) -> bool {
        let behind = self.spans.partition_point(|&(from, _)| from <= pc);
        behind.checked_sub(1).is_some_and(|last| pc < self.spans[last].1)
    }
}

/// A program, and how it is run.
struct Case<'a> {
    program: &'a Program,
    kernel: &'a Kernel,
    profile: Profile<Riscv>,
    selection: Selection<Riscv>,
    whole_regions: bool,
    random: u64,
}

impl<'a> Case<'a> {
    /// Runs the program once, to have all of it translated that was executed.
    fn new(program: &'a Program, kernel: &'a Kernel, whole_regions: bool, seed: u64) -> Self {
        let profile = Rc::new(RefCell::new(Profile::default()));
        let mut machine = kernel.boot(bare::memory());
        machine.observe(Box::new(SharedProfile(profile.clone())));
        let exit = machine.run(kernel.budget, &mut NoHost);
        assert!(matches!(exit, Exit::Power(_)), "the program of {seed:#x} does not end: {exit:?}");
        let memory = machine.into_memory();
        let profile = profile.take();
        let page = |address| memory.resident(address, PAGE_SIZE).ok();
        let sizes = if whole_regions { &WHOLE_UNITS[..] } else { &UNITS };
        let instructions = sizes[(seed / BATCH) as usize % sizes.len()];
        let bounds = Bounds { executions: 1, instructions };
        let selection = ProfiledCode::new(&profile, page).bounded(bounds).select(usize::MAX);
        Self { program, kernel, profile, selection, whole_regions, random: seed }
    }

    /// Whether the instruction at an address of the program was executed.
    fn is_executed(&self, pc: u64) -> bool {
        let physical = self.kernel.text() + (pc - TEXT);
        let (page, place) = (physical & !(PAGE_SIZE as u64 - 1), physical as usize % PAGE_SIZE);
        let mut pages = self.profile.pages.iter().filter(|profiled| profiled.user);
        pages.any(|profiled| profiled.physical == page && profiled.counts[place / 2] > 0)
    }

    /// The stream that has an address, or the next one.
    fn stream_at(&self, pc: u64) -> usize {
        let streams = &self.program.streams;
        let before = streams.partition_point(|places| places.last().is_none_or(|&last| last < pc));
        before.min(streams.len() - 1)
    }

    fn is_main(&self, pc: u64) -> bool {
        (self.program.main..TEXT + self.program.text.len() as u64).contains(&pc)
    }

    /// The machine with translated code.
    fn translated(&self, place: &mut LinearMemory) -> Machine {
        let functions = Functions::new(&c2w_translator::translate(&self.selection, &LINKAGE));
        arena::inside(|| {
            let window = bare::RAM as u32;
            let ram = Region { start: RAM_BASE, length: bare::RAM, offset: 0, window };
            let image = Region { start: IMAGE_BASE, length: 0, offset: 0, window: 0 };
            let mut memory = place.memory(ram, image);
            memory.write(RAM_BASE, &vec![0; bare::RAM as usize]).unwrap();
            let mut machine = self.kernel.boot(memory);
            regions::use_regions(&mut machine, &self.selection.index, functions);
            machine
        })
    }

    /// The streams that are executed from one number of steps to another. How many are run at a
    /// time does not change which.
    fn streams_between(&self, from: u64, to: u64) -> RangeInclusive<usize> {
        let mut machine = self.kernel.boot(bare::memory());
        let (mut first, mut last) = (0, 0);
        while machine.steps() < to {
            machine.run(1, &mut NoHost);
            if self.is_main(machine.pc()) {
                last = self.stream_at(machine.pc());
            }
            if machine.steps() <= from {
                first = last;
            }
        }
        first..=last
    }

    /// Runs both machines from the start to the end.
    fn compare(&self) -> Result<Run, Difference> {
        let mut place = LinearMemory::lock();
        let mut plain = self.kernel.boot(bare::memory());
        let mut translated = self.translated(&mut place);
        regions::watch();
        let mut random = Random(self.random);
        let (mut compared, mut ram_compared) = (0, 0);
        loop {
            let (before, pc) = (plain.steps(), plain.pc());
            let budget = match self.whole_regions {
                true => random.below(WHOLE) + 1,
                false => budget(&mut random, self.is_main(pc)),
            };
            let exit = plain.run(budget, &mut NoHost);
            let exit_2 = arena::inside(|| translated.run(budget, &mut NoHost));
            compared += 1;
            let ended = exit != Exit::Budget;
            let place = |text| format!("{budget} instructions from {before} at {pc:x}: {text}");
            if let Err(text) = same_state(&plain, exit, &translated, exit_2) {
                let streams = self.streams_between(before, plain.steps());
                return Err(Difference { streams, text: place(text) });
            }
            if ended || compared % RAM_COMPARED == 0 {
                if let Err(text) = same_ram(&plain, &translated) {
                    let streams = self.streams_between(ram_compared, plain.steps());
                    return Err(Difference { streams, text: place(text) });
                }
                ram_compared = plain.steps();
            }
            // Of one machine only, so that it must not matter.
            if random.below(CACHES_DROPPED[usize::from(self.whole_regions)]) == 0 {
                arena::inside(|| linkage::drop_caches(&mut translated));
            }
            if ended {
                break;
            }
        }
        let mut spans = regions::spans();
        spans.retain(|&(from, to)| from < to && self.is_main(from) && self.is_main(to));
        let (steps, in_units) = (plain.steps(), translated.translated().instructions);
        Ok(Run { steps, in_units, compared, spans })
    }
}

/// How many instructions to run: mostly few while a stream runs, and more in what is between.
fn budget(random: &mut Random, in_stream: bool) -> u64 {
    let most = match (random.below(2000), in_stream) {
        (0, _) => 50_000,
        (..1000, true) => 1,
        (..1300, true) => 8,
        (..1600, true) => 40,
        (_, true) => 300,
        (_, false) => 500,
    };
    random.below(most) + 1
}

/// Compares two machines, but for RAM.
pub fn same_state(
    plain: &Machine,
    exit: Exit,
    translated: &Machine,
    exit_2: Exit,
) -> Result<(), String> {
    let at = |machine: &Machine| format!("{} at {:x}", machine.steps(), machine.pc());
    let place = format!("translated {}, plain {}", at(translated), at(plain));
    if exit != exit_2 {
        return Err(format!("{place}: {exit_2:?} and {exit:?}"));
    }
    if translated.save(&mut NoHost) != plain.save(&mut NoHost) {
        return Err(format!("{place}: registers differ"));
    }
    Ok(())
}

pub fn same_ram(plain: &Machine, translated: &Machine) -> Result<(), String> {
    fn pages(machine: &Machine) -> impl Iterator<Item = &[u8]> {
        let ram = machine.memory().ram();
        let ram = machine.memory().resident(ram.start, ram.length as usize);
        ram.expect("all of RAM").chunks(PAGE_SIZE)
    }
    match pages(plain).zip(pages(translated)).position(|(page, page_2)| page != page_2) {
        Some(page) => Err(format!("page {page} of RAM differs")),
        None => Ok(()),
    }
}

/// What the translator leaves to the interpreter, besides most vector instructions.
const LEFT: [&str; 29] = [
    "amomax.d",
    "amomax.w",
    "amomaxu.d",
    "amomaxu.w",
    "amomin.d",
    "amomin.w",
    "amominu.d",
    "amominu.w",
    "csrrc",
    "csrrci",
    "csrrsi",
    "csrrw",
    "csrrwi",
    "fclass.d",
    "fclass.s",
    "fcvt.d.h",
    "fcvt.h.d",
    "fcvt.h.s",
    "fcvt.s.h",
    "fcvtmod.w.d",
    "fence.i",
    "flh",
    "fmv.h.x",
    "fmv.x.h",
    "fround.d",
    "fround.s",
    "froundnx.d",
    "froundnx.s",
    "fsh",
];
/// What never comes to an end in U-mode.
const TRAPS: [&str; 11] = [
    "c.ebreak",
    "cbo.clean",
    "cbo.flush",
    "cbo.inval",
    "ebreak",
    "sfence.inval.ir",
    "sfence.vma",
    "sfence.w.inval",
    "sinval.vma",
    "sret",
    "wfi",
];

/// The vector instructions that the translator knows.
const VECTORS: &str = "
    vsetvli vsetivli
    vle8.v vle16.v vle32.v vle64.v vle8ff.v vle16ff.v vle32ff.v vle64ff.v
    vse8.v vse16.v vse32.v vse64.v
    vl1re8.v vl1re16.v vl1re32.v vl1re64.v vl2re8.v vl2re16.v vl2re32.v vl2re64.v
    vl4re8.v vl4re16.v vl4re32.v vl4re64.v vl8re8.v vl8re16.v vl8re32.v vl8re64.v
    vs1r.v vs2r.v vs4r.v vs8r.v
    vadd.vv vadd.vx vadd.vi vsub.vv vsub.vx vrsub.vx vrsub.vi vmul.vv vmul.vx
    vand.vv vand.vx vand.vi vandn.vv vandn.vx vor.vv vor.vx vor.vi vxor.vv vxor.vx vxor.vi
    vminu.vv vminu.vx vmin.vv vmin.vx vmaxu.vv vmaxu.vx vmax.vv vmax.vx
    vsll.vx vsll.vi vsrl.vx vsrl.vi vsra.vx vsra.vi
    vmv.v.v vmv.v.x vmv.v.i vmv.s.x vmv.x.s
    vmseq.vv vmseq.vx vmseq.vi vmsne.vv vmsne.vx vmsne.vi vmsltu.vv vmsltu.vx vmslt.vv vmslt.vx
    vmsleu.vv vmsleu.vx vmsleu.vi vmsle.vv vmsle.vx vmsle.vi
    vmsgtu.vx vmsgtu.vi vmsgt.vx vmsgt.vi
    vmand.mm vmnand.mm vmandn.mm vmxor.mm vmor.mm vmnor.mm vmorn.mm vmxnor.mm
    vfirst.m vcpop.m
";

fn is_vector(row: &Encoding) -> bool {
    matches!(row.extension, "V" | "Zvbb")
}

fn is_left(row: &Encoding) -> bool {
    match is_vector(row) {
        true => VECTORS.split_whitespace().all(|mnemonic| mnemonic != row.mnemonic),
        false => LEFT.contains(&row.mnemonic),
    }
}

impl Display for Done {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { steps, in_units, compared, .. } = self;
        write!(f, "compared {compared} times in {steps} steps, {in_units} of them in regions")
    }
}

/// Also, that all was translated that is not left to the interpreter, and executed so: a comparison
/// without regions would show nothing.
#[test]
fn streams_go_through_the_same_states() {
    Bench::usual().check(BATCHES, |row| !is_vector(row), 40);
}

/// The same for streams that are vectors mostly.
#[test]
fn vector_streams_go_through_the_same_states() {
    // What is behind an exit is interpreted up to the next region.
    Bench::vectors().check(VECTOR_BATCHES, is_vector, 20);
}

/// See [`check::fuzz`] for what it is told.
#[test]
#[ignore = "takes as long as it is told to: scripts/fuzz-isa.sh"]
fn fuzz() {
    let bench = Bench::usual();
    check::fuzz(&bench);
    println!("{}", bench.done.borrow());
}

/// The same for streams that are vectors mostly.
#[test]
#[ignore = "takes as long as it is told to: scripts/fuzz-isa.sh"]
fn fuzz_vectors() {
    let bench = Bench::vectors();
    check::fuzz(&bench);
    println!("{}", bench.done.borrow());
}
