//! Strip-mined loops.
//!
//! An innermost loop whose accesses have bases that only move by constants can probe the TLB once
//! for many iterations: how far an iteration moves each base is known, and so how many of them stay
//! on the page. The loop is written twice. One copy, for a *strip* of that many iterations, makes
//! no probes; it ends at a value of the budget, which the loop compares with anyway. The other does
//! one iteration with all its probes, for when there is no strip.

use super::region::Region;
use super::structure::{Item, Loop, times_entered};
use crate::guest::{Guest, MemoryAccess};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// The most bytes that an iteration accesses from one base, and that it moves it by.
const MAX_SPAN: i32 = 512;
/// The most bases of a strip: each takes one of the host's registers.
const MAX_BASES: usize = 5;
/// Iterations that make up for the checks before a strip.
const MIN_ITERATIONS: u64 = 8;
/// A block's accesses are checked ahead if at least one in this many iterations reaches it.
const MIN_SHARE: u64 = 4;

/// What an iteration accesses at one base register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StridedAccess {
    /// The register.
    pub base: u8,
    /// From its value at the start of the iteration to the first and behind the last byte that is
    /// accessed.
    pub low: i32,
    /// See `low`.
    pub end: i32,
    /// The least displacement of an access.
    pub least: i32,
    /// Whether something is stored.
    pub write: bool,
    /// The most bytes that an iteration moves it up by.
    pub up: i32,
    /// The most that it moves it down by.
    pub down: i32,
}

/// What is checked once for many iterations of a loop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strip {
    /// By base register.
    pub accesses: Vec<StridedAccess>,
    /// Blocks whose accesses are in `accesses`.
    pub blocks: BTreeSet<usize>,
    /// The fewest instructions of an iteration.
    pub shortest: u32,
}

/// The least and greatest distance of a register from its value when the iteration began.
type Moved = (i32, i32);

fn join(a: Option<Moved>, b: Moved) -> Moved {
    a.map_or(b, |a| (a.0.min(b.0), a.1.max(b.1)))
}

/// The strips of a loop, if they are of use.
pub fn strip<G: Guest>(region: &Region<G>, inner: &Loop) -> Option<Strip> {
    let block = |item: &Item| match item {
        Item::Block(block) => Some(*block),
        Item::Loop(_) => None,
    };
    let order: Vec<usize> = inner.items.iter().map(block).collect::<Option<_>>()?;
    let iterations = region.blocks[inner.header].count;
    let entered = times_entered(region, &order, inner.header);
    if iterations < MIN_ITERATIONS.saturating_mul(entered) {
        return None;
    }
    let is_frequent =
        |block: &&usize| region.blocks[**block].count.saturating_mul(MIN_SHARE) >= iterations;
    let blocks: BTreeSet<usize> = order.iter().filter(is_frequent).copied().collect();
    let mut weights: BTreeMap<u8, u64> = BTreeMap::new();
    for &block in &blocks {
        for access in region.blocks[block].insns.iter().filter_map(G::memory_access) {
            *weights.entry(access.base).or_default() += region.blocks[block].count;
        }
    }
    let mut accesses: Vec<(u64, StridedAccess)> = weights
        .into_iter()
        .filter_map(|(base, weight)| Some((weight, strided(region, &order, &blocks, base)?)))
        .collect();
    accesses.sort_by_key(|&(weight, access)| (Reverse(weight), access.base));
    accesses.truncate(MAX_BASES);
    let accesses: Vec<StridedAccess> = accesses.into_iter().map(|(_, access)| access).collect();
    (!accesses.is_empty()).then(|| Strip { accesses, blocks, shortest: shortest(region, &order) })
}

impl StridedAccess {
    fn new(base: u8) -> Self {
        Self { base, low: i32::MAX, end: i32::MIN, least: 0, write: false, up: 0, down: 0 }
    }

    /// Adds an access at a point where the base has moved so far.
    fn add(&mut self, access: MemoryAccess, moved: Moved) {
        self.low = self.low.min(moved.0 + access.low);
        self.end = self.end.max(moved.1 + access.end);
        self.least = self.least.min(access.low);
        self.write |= access.write;
    }

    /// Whether few enough bytes are accessed, near enough to the base.
    fn is_near(&self) -> bool {
        self.end - self.low <= MAX_SPAN && self.least >= -MAX_SPAN
    }
}

/// What an iteration accesses at a base; `None` if it moves it otherwise than by constants, or too
/// far.
fn strided<G: Guest>(
    region: &Region<G>,
    order: &[usize],
    frequent: &BTreeSet<usize>,
    base: u8,
) -> Option<StridedAccess> {
    let header = *order.first()?;
    let mut strided = StridedAccess::new(base);
    let mut moved_at: BTreeMap<usize, Moved> = [(header, (0, 0))].into();
    for &number in order {
        let block = &region.blocks[number];
        let mut moved = *moved_at.get(&number)?;
        for (index, insn) in block.insns.iter().enumerate() {
            let access = G::memory_access(insn).filter(|access| access.base == base);
            if let Some(access) = access.filter(|_| frequent.contains(&number)) {
                if block.unshared.contains(&index) {
                    return None;
                }
                strided.add(access, moved);
            }
            let step = step::<G>(insn, base)?;
            moved = (moved.0 + step, moved.1 + step);
            if moved.0 < -MAX_SPAN || moved.1 > MAX_SPAN {
                return None;
            }
        }
        for to in block.successors() {
            if to == header {
                strided.down = strided.down.max(-moved.0);
                strided.up = strided.up.max(moved.1);
            } else if order.contains(&to) {
                moved_at.insert(to, join(moved_at.get(&to).copied(), moved));
            }
        }
    }
    (Some(base) != G::ZERO && strided.is_near()).then_some(strided)
}

/// By how much an instruction moves a register; `None` if it does something else with it.
fn step<G: Guest>(insn: &G::Insn, base: u8) -> Option<i32> {
    if G::registers(insn).written.has(base) { G::increment(insn, base) } else { Some(0) }
}

/// Instructions of the shortest iteration.
fn shortest<G: Guest>(region: &Region<G>, order: &[usize]) -> u32 {
    let header = order[0];
    let mut until: BTreeMap<usize, u32> = [(header, 0)].into();
    let mut shortest = u32::MAX;
    for &number in order {
        let Some(&before) = until.get(&number) else { continue };
        let block = &region.blocks[number];
        let length = before + block.insns.len() as u32;
        for to in block.successors() {
            if to == header {
                shortest = shortest.min(length);
            } else if order.contains(&to) {
                until.entry(to).and_modify(|known| *known = (*known).min(length)).or_insert(length);
            }
        }
    }
    shortest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::region::Block;
    use crate::plan::structure::Structure;
    use crate::plan::toy::{Toy, decode};
    use alloc::vec;

    const RET: [u8; 1] = [0x13];

    /// Loads from register 11.
    fn load(displacement: i8) -> [u8; 3] {
        [0x02, 11, displacement as u8]
    }

    /// Stores to register 13.
    fn store(displacement: i8) -> [u8; 3] {
        [0x03, 13, displacement as u8]
    }

    /// Adds to a register.
    fn step(register: u8, distance: i8) -> [u8; 3] {
        [0x01, register, distance as u8]
    }

    /// Writes something to register 11.
    const OTHER: [u8; 2] = [0x04, 11];

    fn block(code: &[&[u8]], count: u64) -> Block<Toy> {
        Block { insns: decode(&code.concat()), count, ..Block::default() }
    }

    /// The strip of a loop of one block, which is entered `entered` times and has 1000 iterations
    /// in all.
    fn strip_of(body: &[&[u8]], entered: u64) -> Option<Strip> {
        let body = [body, &[&[0x10, 0]]].concat();
        let mut blocks = vec![block(&[&[0]], entered), block(&body, 1000), block(&[&RET], entered)];
        blocks[0].next = Some(1);
        (blocks[1].taken, blocks[1].next) = (Some(1), Some(2));
        let region = Region { blocks, entries: vec![0], ..Region::default() };
        let loops = Structure::new(&region).items.into_iter().find_map(|item| match item {
            Item::Loop(inner) => Some(inner),
            Item::Block(_) => None,
        });
        strip(&region, &loops.expect("a loop"))
    }

    #[test]
    fn an_iteration_is_known_by_what_it_accesses_and_moves() {
        let body: [&[u8]; 5] = [&load(-4), &step(11, 8), &load(0), &store(12), &step(13, -16)];
        let up =
            StridedAccess { base: 11, low: -4, end: 12, least: -4, write: false, up: 8, down: 0 };
        let down =
            StridedAccess { base: 13, low: 12, end: 16, least: 0, write: true, up: 0, down: 16 };
        let strip = strip_of(&body, 10).expect("a strip");
        assert_eq!(strip.accesses, [up, down]);
        assert_eq!(strip.shortest, 6);
    }

    #[test]
    fn a_base_that_moves_otherwise_is_not_checked_ahead() {
        assert_eq!(strip_of(&[&load(0), &OTHER], 10), None);
        let far: Vec<[u8; 3]> = vec![step(11, 120); 5];
        let far: Vec<&[u8]> = far.iter().map(|step| &step[..]).collect();
        assert_eq!(strip_of(&[&[&load(0)[..]], &far[..]].concat(), 10), None);
        let other = strip_of(&[&load(0), &OTHER, &store(0)], 10).expect("a strip");
        assert_eq!(other.accesses.len(), 1);
        assert_eq!(other.accesses[0].base, 13);
    }

    #[test]
    fn few_iterations_are_not_worth_it() {
        assert!(strip_of(&[&load(0)], 125).is_some());
        assert_eq!(strip_of(&[&load(0)], 126), None);
    }
}
