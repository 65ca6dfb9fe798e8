//! Loops that walk through memory.
//!
//! An innermost loop whose accesses go from registers that only move by constants can look at the TLB
//! once for many rounds: it is known how far a round moves each of them, and so how many rounds stay
//! on the page. The loop is written twice. One copy, for a *strip* of so many rounds, does not look;
//! its end is a value of the budget, which the loop compares with anyway. The other does one round
//! that looks at everything, for when that is not possible.

use crate::emit::memory::Access;
use crate::plan::region::{Unit, operands};
use crate::plan::structure::{Item, Loop};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use c2w_emulator::cpu::isa::{Insn, Opcode};
use core::cmp::Reverse;

/// The most bytes that a round accesses from one register, and that it moves it by.
const WIDEST: i32 = 512;
/// A strip uses no more registers than this: each takes one of the host's.
const MOST: usize = 5;
/// Rounds that make up for the look ahead.
const FEW_ROUNDS: u64 = 8;
/// Accesses that so many rounds do not reach are not worth to be looked at ahead.
const SELDOM: u64 = 4;

/// What a round does with one base register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The register.
    pub base: u8,
    /// From its value at the start of the round to the first and behind the last byte that is
    /// accessed.
    pub low: i32,
    /// See `low`.
    pub end: i32,
    /// The least displacement of an access.
    pub least: i32,
    /// Whether something is stored.
    pub write: bool,
    /// Bytes that a round moves it by: at most so many up.
    pub up: i32,
    /// At most so many down.
    pub down: i32,
}

/// What many rounds of a loop look at ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strip {
    /// By base register.
    pub walks: Vec<Walk>,
    /// Blocks whose accesses are in `walks`.
    pub blocks: BTreeSet<usize>,
    /// The fewest instructions of a round.
    pub shortest: u32,
}

/// A register's least and greatest distance from what it was when the round began.
type Moved = (i32, i32);

fn join(a: Option<Moved>, b: Moved) -> Option<Moved> {
    Some(a.map_or(b, |a| (a.0.min(b.0), a.1.max(b.1))))
}

/// What a loop can look at ahead, if that is of use.
pub fn strip(unit: &Unit, inner: &Loop) -> Option<Strip> {
    let block = |item: &Item| match item {
        Item::Block(block) => Some(*block),
        Item::Loop(_) => None,
    };
    let order: Vec<usize> = inner.items.iter().map(block).collect::<Option<_>>()?;
    let rounds = unit.blocks[inner.header].count;
    if rounds < FEW_ROUNDS.saturating_mul(entered(unit, &order, inner.header)) {
        return None;
    }
    let often = |block: &&usize| unit.blocks[**block].count.saturating_mul(SELDOM) >= rounds;
    let blocks: BTreeSet<usize> = order.iter().filter(often).copied().collect();
    let mut weights: BTreeMap<u8, u64> = BTreeMap::new();
    for &block in &blocks {
        for access in unit.blocks[block].insns.iter().filter_map(Access::of) {
            *weights.entry(access.base).or_default() += unit.blocks[block].count;
        }
    }
    let mut walks: Vec<(u64, Walk)> = weights
        .into_iter()
        .filter_map(|(base, weight)| Some((weight, walk(unit, &order, &blocks, base)?)))
        .collect();
    walks.sort_by_key(|&(weight, walk)| (Reverse(weight), walk.base));
    walks.truncate(MOST);
    let walks: Vec<Walk> = walks.into_iter().map(|(_, walk)| walk).collect();
    (!walks.is_empty()).then(|| Strip { walks, blocks, shortest: shortest(unit, &order) })
}

/// How often a loop was come to from elsewhere.
pub fn entered(unit: &Unit, inside: &[usize], header: usize) -> u64 {
    let outside = unit.blocks.iter().enumerate().filter(|(from, block)| {
        !inside.contains(from) && block.successors().any(|to| to == header)
    });
    outside.map(|(_, block)| block.count).sum()
}

/// What a round does with a register; `None` if it moves otherwise than by constants, or too far.
fn walk(unit: &Unit, order: &[usize], often: &BTreeSet<usize>, base: u8) -> Option<Walk> {
    let header = *order.first()?;
    let mut walk =
        Walk { base, low: i32::MAX, end: i32::MIN, least: 0, write: false, up: 0, down: 0 };
    let mut at: BTreeMap<usize, Moved> = [(header, (0, 0))].into();
    for &number in order {
        let block = &unit.blocks[number];
        let mut moved = *at.get(&number)?;
        for (place, insn) in block.insns.iter().enumerate() {
            let access = Access::of(insn).filter(|access| access.base == base);
            if let Some(access) = access.filter(|_| often.contains(&number)) {
                if block.alone.contains(&place) {
                    return None;
                }
                walk.low = walk.low.min(moved.0 + access.low);
                walk.end = walk.end.max(moved.1 + access.end);
                walk.least = walk.least.min(access.low);
                walk.write |= access.write;
            }
            let step = step(insn, base)?;
            moved = (moved.0 + step, moved.1 + step);
            if moved.0 < -WIDEST || moved.1 > WIDEST {
                return None;
            }
        }
        for to in block.successors() {
            if to == header {
                walk.down = walk.down.max(-moved.0);
                walk.up = walk.up.max(moved.1);
            } else if order.contains(&to) {
                let joined = join(at.get(&to).copied(), moved);
                at.extend(joined.map(|joined| (to, joined)));
            }
        }
    }
    let near = base != 0 && walk.end - walk.low <= WIDEST && walk.least >= -WIDEST;
    near.then_some(walk)
}

/// By how much an instruction moves a register; `None` if it does something else with it.
fn step(insn: &Insn, base: u8) -> Option<i32> {
    if !operands(insn).1.has_x(base) {
        return Some(0);
    }
    (insn.opcode == Opcode::Addi && insn.rs1 == base).then_some(insn.imm)
}

/// Instructions of the shortest way round.
fn shortest(unit: &Unit, order: &[usize]) -> u32 {
    let header = order[0];
    let mut until: BTreeMap<usize, u32> = [(header, 0)].into();
    let mut shortest = u32::MAX;
    for &number in order {
        let Some(&before) = until.get(&number) else { continue };
        let block = &unit.blocks[number];
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
    use crate::plan::structure::Regions;
    use alloc::vec;
    use c2w_emulator::cpu::isa;

    const NOP: u32 = 0x13;
    const RET: u32 = 0x8067;

    /// `lw a0, imm(a1)`.
    fn load(imm: i32) -> u32 {
        (imm as u32) << 20 | 11 << 15 | 2 << 12 | 10 << 7 | 0x03
    }

    /// `sw a0, imm(a3)`.
    fn store(imm: u32) -> u32 {
        (imm >> 5) << 25 | 10 << 20 | 13 << 15 | 2 << 12 | (imm & 31) << 7 | 0x23
    }

    /// `addi register, register, imm`.
    fn step(register: u32, imm: i32) -> u32 {
        (imm as u32) << 20 | register << 15 | register << 7 | 0x13
    }

    /// `bnez a4` to somewhere.
    const BRANCH: u32 = 14 << 15 | 1 << 12 | 0x63;

    fn block(bits: &[u32], count: u64) -> Block {
        let insns = bits.iter().map(|&bits| isa::decode(bits).expect("an instruction")).collect();
        Block { insns, count, ..Block::default() }
    }

    /// The strip of a loop of one block, which is come to `entered` times and has 1000 rounds in all.
    fn strip_of(body: &[u32], entered: u64) -> Option<Strip> {
        let mut blocks = vec![block(&[NOP], entered), block(body, 1000), block(&[RET], entered)];
        blocks[0].next = Some(1);
        blocks[1].insns.push(isa::decode(BRANCH).expect("a branch"));
        (blocks[1].taken, blocks[1].next) = (Some(1), Some(2));
        let unit = Unit { blocks, entries: vec![0], ..Unit::default() };
        let loops = Regions::new(&unit).items.into_iter().find_map(|item| match item {
            Item::Loop(inner) => Some(inner),
            Item::Block(_) => None,
        });
        strip(&unit, &loops.expect("a loop"))
    }

    #[test]
    fn a_round_is_known_by_what_it_accesses_and_moves() {
        let strip = strip_of(&[load(-4), step(11, 8), load(0), store(12), step(13, -16)], 10);
        let up = Walk { base: 11, low: -4, end: 12, least: -4, write: false, up: 8, down: 0 };
        let down = Walk { base: 13, low: 12, end: 16, least: 0, write: true, up: 0, down: 16 };
        let strip = strip.expect("a strip");
        assert_eq!(strip.walks, [up, down]);
        assert_eq!(strip.shortest, 6);
    }

    #[test]
    fn a_register_that_moves_otherwise_is_not_looked_at_ahead() {
        // add a1, a1, a2
        let add = 12 << 20 | 11 << 15 | 11 << 7 | 0x33;
        assert_eq!(strip_of(&[load(0), add], 10), None);
        assert_eq!(strip_of(&[load(0), step(11, 600)], 10), None);
        let other = strip_of(&[load(0), add, store(0)], 10).expect("a strip");
        assert_eq!(other.walks.len(), 1);
        assert_eq!(other.walks[0].base, 13);
    }

    #[test]
    fn few_rounds_are_not_worth_it() {
        assert!(strip_of(&[load(0)], 125).is_some());
        assert_eq!(strip_of(&[load(0)], 126), None);
    }
}
