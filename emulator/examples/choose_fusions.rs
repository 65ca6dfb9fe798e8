//! Chooses superinstructions from block profiles (`c2w run --profile`) and prints the table of
//! `src/riscv/interpreter/fusion.rs`.
//!
//! ```text
//! choose_fusions COUNT LENGTH WEIGHT=PROFILE...
//! ```
//!
//! at most COUNT superinstructions of at most LENGTH operations; each profile counts by its weight
//! however long it ran. Like byte pair encoding: the most frequent pair of neighbours becomes one,
//! again and again; in the end those that hardly run are dropped.

use c2w_emulator::riscv::interpreter::fusion;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::process::ExitCode;

/// Up to [`fusion::LONGEST`] operations, each as its number + 1, the first one lowest: quick to
/// hash.
type Run = u128;

/// Bits of an operation in a [`Run`].
const BITS: usize = 16;

/// A stretch of operations that ran together, and its share of all instructions per execution.
struct Stretch {
    operations: Vec<Operation>,
    instructions: f64,
    weight: f64,
}

/// An operation's number, and whether another may follow it in a superinstruction.
type Operation = (u16, bool);

/// A superinstruction that saves less than this share of all dispatches is not worth its code.
const WORTHWHILE: f64 = 1e-5;

/// The share of a profile's instructions that is looked at.
const COVERED: f64 = 0.98;

fn main() -> ExitCode {
    match choose(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn choose(arguments: Vec<String>) -> Result<(), String> {
    let [count, length, profiles @ ..] = &arguments[..] else {
        return Err("usage: choose_fusions COUNT LENGTH WEIGHT=PROFILE...".into());
    };
    let count: usize = count.parse().map_err(|_| format!("{count} is not a number"))?;
    let length: usize = length.parse().map_err(|_| format!("{length} is not a number"))?;
    if length > fusion::LONGEST {
        return Err(format!("{length} operations are too many"));
    }
    let names: Vec<&str> = fusion::base_operations().collect();
    let mut stretches = Vec::new();
    for profile in profiles {
        stretches.extend(read(profile, &names)?);
    }
    let slow = names.iter().position(|&name| name == "Slow").ok_or("no slow path")? as u16;
    let runs = join(&stretches, count, length, slow);
    print(&runs, &names);
    let all: f64 = stretches.iter().map(|s| s.weight * s.instructions).sum();
    let dispatches: f64 = usage(&stretches, &runs).values().sum();
    eprintln!("{} superinstructions, {:.2} instructions a dispatch", runs.len(), all / dispatches);
    Ok(())
}

/// The blocks of a profile, as operations.
fn read(argument: &str, names: &[&str]) -> Result<Vec<Stretch>, String> {
    let bad = |what: &str| format!("{argument}: {what}");
    let (weight, path) = argument.split_once('=').ok_or(bad("not WEIGHT=PROFILE"))?;
    let weight: f64 = weight.parse().map_err(|_| bad("the weight is not a number"))?;
    let text = std::fs::read_to_string(path).map_err(|error| bad(&error.to_string()))?;
    let number: HashMap<&str, u16> = names.iter().copied().zip(0..).collect();
    let mut blocks = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [count, _, _, "hot", _, physical, code, _] = fields[..] else { continue };
        let count: f64 = count.parse().map_err(|_| bad(line))?;
        let physical = u64::from_str_radix(physical, 16).map_err(|_| bad(line))?;
        let code = (0..code.len() / 2).map(|at| u8::from_str_radix(&code[at * 2..][..2], 16));
        let code: Vec<u8> = code.collect::<Result<_, _>>().map_err(|_| bad(line))?;
        let operations = fusion::operations(&code, physical as usize & 0xfff);
        let instructions: usize = operations.iter().map(|&(_, length, _)| length).sum();
        let operations: Vec<Operation> =
            operations.into_iter().map(|(name, _, goes_on)| (number[name], goes_on)).collect();
        blocks.push((count, instructions as f64, operations));
    }
    type Block = (f64, f64, Vec<Operation>);
    let share = |(count, instructions, _): &Block| count * instructions;
    let total: f64 = blocks.iter().map(share).sum();
    // A profile's lines are sorted: the many at the end hardly count.
    let mut left = total * COVERED;
    let counting = blocks.into_iter().take_while(|block| {
        left -= share(block);
        left > 0.0
    });
    let stretch = |(count, instructions, operations)| Stretch {
        operations,
        instructions,
        weight: count * weight / total,
    };
    Ok(counting.map(stretch).collect())
}

/// Joins neighbours until there are `count` runs, each used enough.
fn join(stretches: &[Stretch], count: usize, length: usize, slow: u16) -> HashSet<Run> {
    let mut runs = HashSet::new();
    let mut dropped = HashSet::new();
    loop {
        while runs.len() < count {
            let Some(run) = best_pair(stretches, &runs, &dropped, length, slow) else { break };
            runs.insert(run);
        }
        // A run that became part of longer ones may not be needed any more.
        let used = usage(stretches, &runs);
        let saved = |run: Run| used.get(&run).unwrap_or(&0.0) * (parts(run).len() - 1) as f64;
        let useless: Vec<Run> =
            runs.iter().copied().filter(|&run| saved(run) < WORTHWHILE).collect();
        if useless.is_empty() {
            return runs;
        }
        for run in useless {
            runs.remove(&run);
            dropped.insert(run);
        }
    }
}

/// The two neighbours that follow each other most often, as one run.
fn best_pair(
    stretches: &[Stretch],
    runs: &HashSet<Run>,
    dropped: &HashSet<Run>,
    length: usize,
    slow: u16,
) -> Option<Run> {
    let mut pairs: HashMap<Run, f64> = HashMap::new();
    for stretch in stretches {
        let tiles = tile(&stretch.operations, runs, length);
        for pair in tiles.windows(2) {
            let joined = &stretch.operations[pair[0].start..pair[1].end];
            let goes_on = joined[..joined.len() - 1].iter().all(|&(_, goes_on)| goes_on);
            // What leaves the loop gains nothing from being reached sooner.
            let stays = joined.iter().all(|&(number, _)| number != slow);
            if goes_on && stays && joined.len() <= length {
                *pairs.entry(pack(joined)).or_default() += stretch.weight;
            }
        }
    }
    pairs.retain(|run, weight| {
        !runs.contains(run) && !dropped.contains(run) && *weight > WORTHWHILE
    });
    let best = pairs.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    best.map(|(run, _)| run)
}

/// How the interpreter loop goes through a stretch: the longest run that fits, at each place.
fn tile(operations: &[Operation], runs: &HashSet<Run>, longest: usize) -> Vec<Range<usize>> {
    let mut tiles = Vec::new();
    let mut at = 0;
    while at < operations.len() {
        let most = longest.min(operations.len() - at);
        let ahead = pack(&operations[at..at + most]);
        let fits = (2..=most).rev().find(|&length| runs.contains(&prefix(ahead, length)));
        let end = at + fits.unwrap_or(1);
        tiles.push(at..end);
        at = end;
    }
    tiles
}

/// How often each run, and each operation alone, is dispatched.
fn usage(stretches: &[Stretch], runs: &HashSet<Run>) -> HashMap<Run, f64> {
    let longest = runs.iter().map(|&run| parts(run).len()).max().unwrap_or(1);
    let mut used = HashMap::new();
    for stretch in stretches {
        for tile in tile(&stretch.operations, runs, longest) {
            *used.entry(pack(&stretch.operations[tile])).or_default() += stretch.weight;
        }
    }
    used
}

fn pack(operations: &[Operation]) -> Run {
    operations.iter().rev().fold(0, |run, &(number, _)| run << BITS | Run::from(number + 1))
}

fn prefix(run: Run, length: usize) -> Run {
    run & (Run::MAX >> (Run::BITS as usize - length * BITS))
}

fn parts(mut run: Run) -> Vec<usize> {
    let mut parts = Vec::new();
    while run != 0 {
        parts.push((run as u16 - 1) as usize);
        run >>= BITS;
    }
    parts
}

/// The table, in the order that `fusion.rs` wants.
fn print(runs: &HashSet<Run>, names: &[&str]) {
    let mut runs: Vec<Vec<usize>> = runs.iter().map(|&run| parts(run)).collect();
    runs.sort_by_key(|run| (run[0], std::cmp::Reverse(run.len()), run.clone()));
    for run in runs {
        let parts: Vec<&str> = run.iter().map(|&number| names[number]).collect();
        println!("                {} = {};", parts.concat(), parts.join(" "));
    }
}
