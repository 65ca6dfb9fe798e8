//! Random instruction streams in the emulator and under QEMU: registers, floating-point and vector
//! state, exceptions and memory must come out the same.
//!
//! QEMU is that of `scripts/get-qemu-user.sh`. Long runs: `scripts/fuzz-isa.sh`.

mod bare;
mod kit;
mod shrink;

use kit::generate::Generator;
use kit::program::{self, Outcome};
use kit::stream::Stream;
use kit::{compare, qemu};
use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// Streams of one program. Their code has to lie within reach of one another.
const BATCH: u64 = 256;
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
        Self { generator: Generator::new(), input: kit::input(), directory }
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

    /// What differs, for each stream.
    fn differences(&self, streams: &[Stream]) -> Vec<Vec<String>> {
        let (ours, theirs) = self.run(streams);
        ours.iter().zip(&theirs).map(|(own, their)| compare::differences(own, their)).collect()
    }

    /// Runs the streams of these seeds; reports those that differ, as short as possible, one for
    /// each last instruction.
    fn check(&self, seeds: impl Iterator<Item = u64>) -> Vec<Stream> {
        const REPORTS: usize = 12;
        let streams: Vec<Stream> = seeds.map(|seed| self.generator.stream(seed)).collect();
        let differences = self.differences(&streams);
        let failed: Vec<&Stream> = streams
            .iter()
            .zip(&differences)
            .filter(|(_, differences)| !differences.is_empty())
            .map(|(stream, _)| stream)
            .collect();
        let mut short = HashMap::new();
        for stream in &failed {
            if short.len() < REPORTS {
                let stream = shrink::shortest_prefix(self, stream);
                let last = stream.items.last().and_then(|item| shrink::subject(self, item));
                short.entry(last).or_insert(stream);
            }
        }
        if !failed.is_empty() {
            let reports: Vec<_> =
                short.values().map(|stream| shrink::report(self, stream)).collect();
            panic!("{} of {} streams differ\n{}", failed.len(), streams.len(), reports.join("\n"));
        }
        streams
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn streams_do_the_same_under_qemu() {
    let bench = Bench::new();
    let mut times: HashMap<&str, u32> =
        bench.generator.mnemonics().map(|mnemonic| (mnemonic, 0)).collect();
    for batch in 0..BATCHES {
        for stream in bench.check(batch * BATCH..(batch + 1) * BATCH) {
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

/// `C2W_FUZZ_SECONDS` long, from `C2W_FUZZ_SEED` or a new seed on; `C2W_FUZZ_STREAM` is a single
/// stream's seed, to see it again.
#[test]
#[ignore = "takes as long as it is told to: scripts/fuzz-isa.sh"]
fn fuzz() {
    let bench = Bench::new();
    if let Some(seed) = number("C2W_FUZZ_STREAM") {
        bench.check([seed].into_iter());
        return println!("stream {seed:#x} does the same");
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let first = number("C2W_FUZZ_SEED").unwrap_or(now.as_nanos() as u64);
    let end = Instant::now() + Duration::from_secs(number("C2W_FUZZ_SECONDS").unwrap_or(60));
    println!("first seed {first:#x}");
    let (mut streams, mut insns) = (0, 0);
    while Instant::now() < end {
        let from = first.wrapping_add(streams);
        let done = bench.check((0..BATCH).map(|index| from.wrapping_add(index)));
        insns += done.iter().flat_map(|stream| &stream.items).flatten().count();
        streams += BATCH;
    }
    println!("{streams} streams, {insns} instructions, no difference");
}
