//! What is known of a unit before it is written: which registers a block needs, and how many
//! instructions may follow it without a look at the budget.

use crate::body::Registers;
use crate::regions::Regions;
use crate::unit::{Unit, operands};
use alloc::vec;
use alloc::vec::Vec;

/// Facts about each block of a unit.
pub struct Analysis {
    /// Registers that are read before they are written or loaded anew.
    pub needed: Vec<Registers>,
    /// The most instructions from the block's first one to the next look at the budget.
    pub longest: Vec<u32>,
    /// How many ways lead to it.
    pub ways: Vec<u32>,
}

impl Analysis {
    /// Looks at a unit.
    pub fn new(unit: &Unit, regions: &Regions) -> Self {
        Self {
            needed: needed(unit, regions),
            longest: longest(unit, regions),
            ways: ways(unit, regions),
        }
    }
}

/// Backwards data flow. Behind a call everything is loaded again, so nothing is needed there.
fn needed(unit: &Unit, regions: &Regions) -> Vec<Registers> {
    let own: Vec<_> = unit.blocks.iter().map(|block| reads_and_writes(&block.insns)).collect();
    let mut needed: Vec<Registers> = own.iter().map(|&(reads, _)| reads).collect();
    let order = regions.in_order();
    loop {
        let before = needed.clone();
        for &block in order.iter().rev() {
            let after = unit.blocks[block]
                .successors()
                .fold(Registers::default(), |all, successor| all.with(needed[successor]));
            let (reads, writes) = own[block];
            needed[block] = reads.with(after.without(writes));
        }
        if needed == before {
            return needed;
        }
    }
}

/// Registers that instructions read before they write them, and those that they write.
fn reads_and_writes(insns: &[c2w_emulator::cpu::isa::Insn]) -> (Registers, Registers) {
    insns.iter().fold(Default::default(), |(reads, writes): (Registers, Registers), insn| {
        let (read, written) = operands(insn);
        (reads.with(read.without(writes)), writes.with(written))
    })
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

fn ways(unit: &Unit, regions: &Regions) -> Vec<u32> {
    let mut ways = vec![0; unit.blocks.len()];
    for block in &unit.blocks {
        block.successors().for_each(|to| ways[to] += 1);
        block.back().into_iter().for_each(|to| ways[to] += 2);
    }
    unit.entries.iter().for_each(|&entry| ways[entry] += 2);
    // A header's way back.
    regions.loops.iter().flatten().for_each(|&header| ways[header] += 1);
    ways
}
