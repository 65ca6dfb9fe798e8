//! Chooses superinstructions from block profiles (`c2w run --profile`) and prints the table of
//! `src/cpu/fusion.rs`.
//!
//! ```text
//! choose_fusions COUNT LENGTH WEIGHT=PROFILE...
//! ```
//!
//! at most COUNT superinstructions of at most LENGTH operations; each profile counts by its weight
//! however long it ran. Like byte pair encoding: the most frequent pair of neighbours becomes one,
//! again and again; in the end those that hardly run are dropped.

use c2w_emulator::cpu::fusion;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::ExitCode;

type Name = &'static str;
type Run = Vec<Name>;

/// A stretch of operations that can be joined, and its share of all instructions per execution.
struct Stretch {
    operations: Vec<(Name, bool)>,
    weight: f64,
}

/// A superinstruction that saves less than this share of all dispatches is not worth its code.
const WORTHWHILE: f64 = 1e-5;

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
    let count: usize = count.parse().map_err(|_| format!("{count} is no number"))?;
    let length: usize = length.parse().map_err(|_| format!("{length} is no number"))?;
    let mut stretches = Vec::new();
    for profile in profiles {
        stretches.extend(read(profile)?);
    }
    let runs = join(&stretches, count, length);
    print(&runs);
    let all: f64 = stretches.iter().map(|s| s.weight * s.operations.len() as f64).sum();
    let dispatches: f64 = usage(&stretches, &runs).values().sum();
    eprintln!("{} superinstructions, {:.2} instructions a dispatch", runs.len(), all / dispatches);
    Ok(())
}

/// The blocks of a profile, as operations.
fn read(argument: &str) -> Result<Vec<Stretch>, String> {
    let bad = |what: &str| format!("{argument}: {what}");
    let (weight, path) = argument.split_once('=').ok_or(bad("not WEIGHT=PROFILE"))?;
    let weight: f64 = weight.parse().map_err(|_| bad("the weight is no number"))?;
    let text = std::fs::read_to_string(path).map_err(|error| bad(&error.to_string()))?;
    let mut blocks = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [count, _, _, "hot", _, physical, code, _] = fields[..] else { continue };
        let count: f64 = count.parse().map_err(|_| bad(line))?;
        let physical = u64::from_str_radix(physical, 16).map_err(|_| bad(line))?;
        let code = (0..code.len() / 2).map(|at| u8::from_str_radix(&code[at * 2..][..2], 16));
        let code: Vec<u8> = code.collect::<Result<_, _>>().map_err(|_| bad(line))?;
        blocks.push((count, fusion::operations(&code, physical as usize & 0xfff)));
    }
    let total: f64 = blocks.iter().map(|(count, block)| count * block.len() as f64).sum();
    let stretch = |(count, operations)| Stretch { operations, weight: count * weight / total };
    Ok(blocks.into_iter().map(stretch).collect())
}

/// Joins neighbours until there are `count` runs, each used enough.
fn join(stretches: &[Stretch], count: usize, length: usize) -> BTreeSet<Run> {
    let mut runs = BTreeSet::new();
    let mut dropped = BTreeSet::new();
    loop {
        while runs.len() < count {
            let Some(run) = best_pair(stretches, &runs, &dropped, length) else { break };
            runs.insert(run);
        }
        // A run that became part of longer ones may not be needed any more.
        let used = usage(stretches, &runs);
        let saved = |run: &Run| used.get(run).unwrap_or(&0.0) * (run.len() - 1) as f64;
        let useless: Vec<Run> =
            runs.iter().filter(|run| saved(run) < WORTHWHILE).cloned().collect();
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
    runs: &BTreeSet<Run>,
    dropped: &BTreeSet<Run>,
    length: usize,
) -> Option<Run> {
    let mut pairs: HashMap<Run, f64> = HashMap::new();
    for stretch in stretches {
        let tiles = tile(&stretch.operations, runs);
        for pair in tiles.windows(2) {
            let joined = &stretch.operations[pair[0].start..pair[1].end];
            let goes_on = joined[..joined.len() - 1].iter().all(|&(_, goes_on)| goes_on);
            if goes_on && joined.len() <= length {
                let run = joined.iter().map(|&(name, _)| name).collect();
                *pairs.entry(run).or_default() += stretch.weight;
            }
        }
    }
    pairs.retain(|run, weight| {
        !runs.contains(run) && !dropped.contains(run) && *weight > WORTHWHILE
    });
    let best = pairs.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
    best.map(|(run, _)| run)
}

/// How the hot loop goes through a stretch: the longest run that fits, at each place.
fn tile(operations: &[(Name, bool)], runs: &BTreeSet<Run>) -> Vec<std::ops::Range<usize>> {
    let longest = runs.iter().map(Vec::len).max().unwrap_or(1);
    let mut tiles = Vec::new();
    let mut at = 0;
    while at < operations.len() {
        let most = longest.min(operations.len() - at);
        let names: Run = operations[at..at + most].iter().map(|&(name, _)| name).collect();
        let fits = (2..=most).rev().find(|&length| runs.contains(&names[..length]));
        let end = at + fits.unwrap_or(1);
        tiles.push(at..end);
        at = end;
    }
    tiles
}

/// How often each run, and each operation alone, is dispatched.
fn usage(stretches: &[Stretch], runs: &BTreeSet<Run>) -> BTreeMap<Run, f64> {
    let mut used = BTreeMap::new();
    for stretch in stretches {
        for tile in tile(&stretch.operations, runs) {
            let run = stretch.operations[tile].iter().map(|&(name, _)| name).collect();
            *used.entry(run).or_default() += stretch.weight;
        }
    }
    used
}

/// The table, in the order that `fusion.rs` wants.
fn print(runs: &BTreeSet<Run>) {
    let heads = fusion::plain_operations();
    for head in heads {
        let mut group: Vec<&Run> = runs.iter().filter(|run| run[0] == head).collect();
        group.sort_by_key(|run| (std::cmp::Reverse(run.len()), (*run).clone()));
        for run in group {
            println!("                {} = {};", run.concat(), run.join(" "));
        }
    }
}
