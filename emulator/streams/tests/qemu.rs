//! Random instruction streams in the emulator and under QEMU: registers, floating-point and vector
//! state, exceptions and memory must come out the same.
//!
//! QEMU is that of `scripts/get-qemu-user.sh`. Long runs: `scripts/fuzz-isa.sh`.

use c2w_streams::check::{self, BATCH, Sides};
use c2w_streams::generate::Generator;
use c2w_streams::program::{self, Outcome};
use c2w_streams::stream::Stream;
use c2w_streams::{bare, compare, input, qemu};
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

/// Batches of a test run.
const BATCHES: u64 = 40;

/// Both sides, and what they have in common.
struct Bench {
    generator: Generator,
    input: Vec<u8>,
    directory: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("streams");
        fs::create_dir_all(&directory).expect("the test's directory is made");
        Self { generator: Generator::new(), input: input(), directory }
    }

    /// Runs the streams on both sides.
    fn run(&self, streams: &[Stream]) -> (Vec<Outcome>, Vec<Outcome>) {
        let rows = &self.generator.rows;
        let program = program::build(rows, streams, self.generator.vectors);
        let ours = bare::run(rows, &program, &self.input);
        let theirs = qemu::run(rows, &program, &self.input, &self.directory);
        let mut ours = program::outcomes(&program, &ours);
        for logged in ours.iter_mut().flat_map(|outcome| &mut outcome.log) {
            logged.signal = bare::signal(logged.signal);
        }
        (ours, program::outcomes(&program, &theirs))
    }
}

impl Sides for Bench {
    fn generator(&self) -> &Generator {
        &self.generator
    }

    fn differences(&self, streams: &[Stream]) -> Vec<Vec<String>> {
        let (ours, theirs) = self.run(streams);
        ours.iter().zip(&theirs).map(|(own, their)| compare::differences(own, their)).collect()
    }
}

#[test]
fn streams_do_the_same_under_qemu() {
    let bench = Bench::new();
    let mut times: HashMap<&str, u32> =
        bench.generator.made_of().map(|row| (row.mnemonic, 0)).collect();
    for batch in 0..BATCHES {
        for stream in check::check(&bench, batch * BATCH..(batch + 1) * BATCH) {
            for &insn in stream.items.iter().flatten() {
                if let Some(row) = bench.generator.row_of(insn)
                    && let Some(times) = times.get_mut(row.mnemonic)
                {
                    *times += 1;
                }
            }
        }
    }
    let rare: Vec<_> = times.iter().filter(|(_, times)| **times < 4).collect();
    assert!(rare.is_empty(), "instructions that hardly occur: {rare:?}");
}

/// A comparison that sees too little would never fail.
#[test]
fn every_byte_of_an_outcome_is_compared() {
    let bench = Bench::new();
    let (ours, theirs) = bench.run(&[bench.generator.stream(5)]);
    let (own, same) = (&ours[0], &theirs[0]);
    assert_eq!(compare::differences(own, same), Vec::<String>::new());
    let altered = |change: &dyn Fn(&mut Outcome)| {
        let mut other = same.clone();
        change(&mut other);
        !compare::differences(own, &other).is_empty()
    };
    for at in 0..same.block.len() {
        assert!(altered(&|other| other.block[at] ^= 1), "byte {at} of the block");
    }
    for at in 0..same.data.len() {
        assert!(altered(&|other| other.data[at] ^= 1), "byte {at} of the data");
    }
    assert!(!same.log.is_empty(), "illegal instructions of an illegal stream");
    for entry in 0..same.log.len() {
        assert!(altered(&|other| other.log[entry].pc += 2));
        assert!(altered(&|other| other.log[entry].signal ^= 1));
        assert!(altered(&|other| other.log.truncate(entry)));
    }
}

/// See [`check::fuzz`] for what it is told.
#[test]
#[ignore = "takes as long as it is told to: scripts/fuzz-isa.sh"]
fn fuzz() {
    check::fuzz(&Bench::new());
}
