//! What is known of a region before it is written: how many instructions may follow a block until
//! the budget is checked again, and which loops keep registers in locals or are strip-mined.

use super::region::Region;
use super::strip::{Strip, strip};
use super::structure::{Item, Loop, Structure, blocks, times_entered};
use crate::guest::{Guest, Registers};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// Facts about a region's blocks and loops.
pub struct Analysis {
    /// For each block, the most instructions from its first one to the next check of the budget.
    pub longest: Vec<u32>,
    /// Loops with promoted registers, by their headers. None is in another.
    pub promoted: BTreeMap<usize, Promoted>,
    /// Strip-mined loops, by their headers. Each is in one of `promoted`, so that it calls nothing
    /// that could change a TLB.
    pub strips: BTreeMap<usize, Strip>,
}

/// The registers of a loop that are promoted: they are in locals, and in memory only when the loop
/// is left. Others stay in memory, so that they take none of the host's registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promoted {
    /// Those that it writes.
    pub written: Registers,
    /// Those that it reads or writes.
    pub touched: Registers,
}

/// Registers of the guest that the host's have room for, beside what is always needed.
const HOST_REGISTERS: usize = 11;
/// Iterations of a loop that make up for what it costs to enter and leave it.
const MIN_ITERATIONS: u64 = 4;

impl Analysis {
    /// Analyses a region.
    pub fn new<G: Guest>(region: &Region<G>, structure: &Structure) -> Self {
        let promoted = promoted(region, &structure.items);
        Self {
            longest: longest(region, structure),
            strips: strips(region, structure, &structure.items, &promoted),
            promoted,
        }
    }
}

/// The header of the loop around a block that has promoted registers.
pub fn promoting_loop(
    structure: &Structure,
    promoted: &BTreeMap<usize, Promoted>,
    block: usize,
) -> Option<usize> {
    structure.loops[block].iter().copied().find(|header| promoted.contains_key(header))
}

fn longest<G: Guest>(region: &Region<G>, structure: &Structure) -> Vec<u32> {
    let mut longest = vec![0; region.blocks.len()];
    for &block in structure.in_order().iter().rev() {
        let forward = |to: &usize| !structure.is_back(block, *to);
        let after = region.blocks[block].successors().filter(forward).map(|to| longest[to]);
        longest[block] = region.blocks[block].insns.len() as u32 + after.max().unwrap_or(0);
    }
    longest
}

fn strips<G: Guest>(
    region: &Region<G>,
    structure: &Structure,
    items: &[Item],
    promoted: &BTreeMap<usize, Promoted>,
) -> BTreeMap<usize, Strip> {
    let mut strips = BTreeMap::new();
    for item in items {
        let Item::Loop(inner) = item else { continue };
        strips.extend(self::strips(region, structure, &inner.items, promoted));
        if promoting_loop(structure, promoted, inner.header).is_some() {
            strips.extend(strip(region, inner).map(|strip| (inner.header, strip)));
        }
    }
    strips
}

fn promoted<G: Guest>(region: &Region<G>, items: &[Item]) -> BTreeMap<usize, Promoted> {
    let mut promoted = BTreeMap::new();
    for item in items {
        let Item::Loop(inner) = item else { continue };
        match promotion(region, inner) {
            Some(registers) => _ = promoted.insert(inner.header, registers),
            None => promoted.extend(self::promoted(region, &inner.items)),
        }
    }
    promoted
}

/// The registers of a loop to promote, if that is of use: it calls nothing, iterates often enough,
/// and its registers fit into the host's, or it is innermost.
pub fn promotion<G: Guest>(region: &Region<G>, inner: &Loop) -> Option<Promoted> {
    let blocks = blocks(&inner.items);
    if blocks.iter().any(|&block| region.blocks[block].calls()) {
        return None;
    }
    let entered = times_entered(region, &blocks, inner.header);
    if region.blocks[inner.header].count < MIN_ITERATIONS.saturating_mul(entered) {
        return None;
    }
    let mut promoted = Promoted::default();
    for insn in blocks.iter().flat_map(|&block| &region.blocks[block].insns) {
        let registers = G::registers(insn);
        promoted.written = promoted.written.with(registers.written);
        promoted.touched = promoted.touched.with(registers.read).with(registers.written);
    }
    let innermost = inner.items.iter().all(|item| matches!(item, Item::Block(_)));
    (innermost || promoted.touched.iter().count() <= HOST_REGISTERS).then_some(promoted)
}
