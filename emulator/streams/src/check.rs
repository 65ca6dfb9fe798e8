//! Two sides run the same streams; what differs is reported as short as possible.

use crate::generate::Generator;
use crate::shrink;
use crate::stream::Stream;
use std::collections::HashMap;
use std::env;
use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime};

/// Streams of one program. Their code has to lie within reach of one another.
pub const BATCH: u64 = 256;

/// Two sides that run streams.
pub trait Sides {
    /// What makes the streams.
    fn generator(&self) -> &Generator;

    /// Runs the streams on both sides, as one program: what differs, for each stream.
    fn differences(&self, streams: &[Stream]) -> Vec<Vec<String>>;

    /// Streams of one program. It begins with a multiple of this.
    fn batch(&self) -> u64 {
        BATCH
    }
}

/// Runs the streams of these seeds. Panics with those that differ, as short as possible, one for
/// each last instruction.
pub fn check(sides: &impl Sides, seeds: impl Iterator<Item = u64>) -> Vec<Stream> {
    const REPORTS: usize = 12;
    let streams: Vec<Stream> = seeds.map(|seed| sides.generator().stream(seed)).collect();
    let differences = sides.differences(&streams);
    let differing = streams.iter().zip(differences).filter(|(_, lines)| !lines.is_empty());
    let failed: Vec<_> = differing.collect();
    if failed.is_empty() {
        return streams;
    }
    let mut short = HashMap::new();
    for (stream, lines) in &failed {
        // What follows takes a while.
        eprintln!("stream {:#x} differs:\n  {}", stream.seed, lines.join("\n  "));
        if short.len() < REPORTS
            && let Some(stream) = shrink::shortest_prefix(sides, stream)
        {
            let last = stream.items.last().and_then(|item| shrink::subject(sides, item));
            short.entry(last).or_insert(stream);
        }
    }
    let reports: Vec<_> = short.values().map(|stream| shrink::report(sides, stream)).collect();
    let alone = if reports.is_empty() { ", but none of them alone" } else { "" };
    let (failed, all) = (failed.len(), streams.len());
    panic!("{failed} of {all} streams differ{alone}\n{}", reports.join("\n"));
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Checks new streams, `C2W_FUZZ_SECONDS` long, from `C2W_FUZZ_SEED` or a new seed on;
/// `C2W_FUZZ_STREAM` is a single stream's seed, to see it again.
pub fn fuzz(sides: &impl Sides) {
    if let Some(seed) = number("C2W_FUZZ_STREAM") {
        check(sides, [seed].into_iter());
        return println!("stream {seed:#x} does the same");
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let first = number("C2W_FUZZ_SEED").unwrap_or(now.as_nanos() as u64);
    let end = Instant::now() + Duration::from_secs(number("C2W_FUZZ_SECONDS").unwrap_or(60));
    let first = first - first % sides.batch();
    println!("first seed {first:#x}");
    let (mut streams, mut insns) = (0, 0);
    while Instant::now() < end {
        let from = first.wrapping_add(streams);
        // So that one is known that does not come to an end.
        print!("\rstreams from {from:#x} ");
        let _ = io::stdout().flush();
        let done = check(sides, (0..sides.batch()).map(|index| from.wrapping_add(index)));
        insns += done.iter().flat_map(|stream| &stream.items).flatten().count();
        streams += sides.batch();
    }
    println!("\n{streams} streams, {insns} instructions, no difference");
}
