//! What is known of a unit before it is written: how many instructions may follow a block
//! without a look at the budget, and which loops hold registers or walk through memory.

use crate::emit::builder::Registers;
use crate::plan::region::{Unit, operands};
use crate::plan::strip::{Strip, entered, strip};
use crate::plan::structure::{Item, Loop, Regions, blocks};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// Facts about each block of a unit.
pub struct Analysis {
    /// The most instructions from the block's first one to the next look at the budget.
    pub longest: Vec<u32>,
    /// Loops that hold registers, by their headers. None is in another.
    pub held: BTreeMap<usize, Held>,
    /// Loops that walk through memory, by their headers. Each is in one of `held`, so that nothing
    /// is called that could change a TLB.
    pub strips: BTreeMap<usize, Strip>,
}

/// What a loop does with registers that it holds: they are in locals, and in memory only when the
/// loop is left. Those that it does not touch are in memory only, so that they are in nobody's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Those that it writes.
    pub written: Registers,
    /// Those that it reads or writes.
    pub touched: Registers,
}

/// Registers of the guest that the host's have room for, beside what is always needed.
const ROOM: usize = 11;
/// Rounds of a loop that make up for what it takes to enter and leave it.
const FEW_ROUNDS: u64 = 4;

impl Analysis {
    /// Looks at a unit.
    pub fn new(unit: &Unit, regions: &Regions) -> Self {
        let held = held(unit, &regions.items);
        Self {
            longest: longest(unit, regions),
            strips: strips(unit, regions, &regions.items, &held),
            held,
        }
    }
}

/// The header of the loop around a block that holds registers.
pub fn holder(regions: &Regions, held: &BTreeMap<usize, Held>, block: usize) -> Option<usize> {
    regions.loops[block].iter().copied().find(|header| held.contains_key(header))
}

fn longest(unit: &Unit, regions: &Regions) -> Vec<u32> {
    let mut longest = vec![0; unit.blocks.len()];
    for &block in regions.in_order().iter().rev() {
        let forward = |to: &usize| !regions.is_back(block, *to);
        let after = unit.blocks[block].successors().filter(forward).map(|to| longest[to]);
        longest[block] = unit.blocks[block].insns.len() as u32 + after.max().unwrap_or(0);
    }
    longest
}

fn strips(
    unit: &Unit,
    regions: &Regions,
    items: &[Item],
    held: &BTreeMap<usize, Held>,
) -> BTreeMap<usize, Strip> {
    let mut strips = BTreeMap::new();
    for item in items {
        let Item::Loop(inner) = item else { continue };
        strips.extend(self::strips(unit, regions, &inner.items, held));
        if holder(regions, held, inner.header).is_some() {
            strips.extend(strip(unit, inner).map(|strip| (inner.header, strip)));
        }
    }
    strips
}

fn held(unit: &Unit, items: &[Item]) -> BTreeMap<usize, Held> {
    let mut held = BTreeMap::new();
    for item in items {
        let Item::Loop(inner) = item else { continue };
        match hold(unit, inner) {
            Some(registers) => _ = held.insert(inner.header, registers),
            None => held.extend(self::held(unit, &inner.items)),
        }
    }
    held
}

/// What a loop would hold, if that is of use: it calls nothing, has rounds enough, and its registers
/// have room in the host's, or it has no other loop in it.
pub fn hold(unit: &Unit, inner: &Loop) -> Option<Held> {
    let blocks = blocks(&inner.items);
    if blocks.iter().any(|&block| unit.blocks[block].calls()) {
        return None;
    }
    let entered = entered(unit, &blocks, inner.header);
    if unit.blocks[inner.header].count < FEW_ROUNDS.saturating_mul(entered) {
        return None;
    }
    let mut held = Held::default();
    for insn in blocks.iter().flat_map(|&block| &unit.blocks[block].insns) {
        let (reads, writes) = operands(insn);
        held.written = held.written.with(writes);
        held.touched = held.touched.with(reads).with(writes);
    }
    let innermost = inner.items.iter().all(|item| matches!(item, Item::Block(_)));
    (innermost || held.touched.iter().count() <= ROOM).then_some(held)
}
