//! Loops that become units of their own.
//!
//! Engines give registers of the host to what a whole function needs, and a hot loop in a large
//! function gets what is left. So a loop that calls nothing and has rounds enough is cut out: where
//! it was, its unit is called, and where control has left it shows in the address that it returns.

use crate::plan::loops::hold;
use crate::plan::region::{Block, Unit};
use crate::plan::structure::{Item, Loop, Regions, blocks};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;

/// A unit with no more instructions than this keeps its loops.
const SMALL: usize = 60;

/// Cuts loops out of a unit. They are numbered from `first` on.
pub fn outline(unit: &mut Unit, first: u32) -> Vec<Unit> {
    let mut cut = Vec::new();
    while let Some(inner) = find(unit) {
        let number = first + cut.len() as u32;
        cut.push(take(unit, &inner, number));
    }
    cut
}

/// A loop to be cut out.
fn find(unit: &Unit) -> Option<Loop> {
    let instructions =
        |unit: &Unit| unit.blocks.iter().map(|block| block.insns.len()).sum::<usize>();
    if instructions(unit) <= SMALL {
        return None;
    }
    fn search(unit: &Unit, items: &[Item]) -> Option<Loop> {
        items.iter().find_map(|item| match item {
            Item::Block(_) => None,
            Item::Loop(inner) if is_worth_it(unit, inner) => Some(inner.clone()),
            Item::Loop(inner) => search(unit, &inner.items),
        })
    }
    search(unit, &Regions::new(unit).items)
}

fn is_worth_it(unit: &Unit, inner: &Loop) -> bool {
    let inside: BTreeSet<usize> = blocks(&inner.items).into_iter().collect();
    let start = unit.entries.first().copied().unwrap_or_default();
    let whole = inside.len() == unit.blocks.len();
    // The guest's own code must enter it at its header.
    let entered_elsewhere = unit.blocks.iter().enumerate().any(|(from, block)| {
        let mut ahead = block.successors().chain(block.returns());
        !inside.contains(&from) && ahead.any(|to| to != inner.header && inside.contains(&to))
    });
    let begins_inside = inside.contains(&start) && start != inner.header;
    !whole && !entered_elsewhere && !begins_inside && hold(unit, inner).is_some()
}

/// Takes a loop out of a unit and puts a call of unit `number` in its place.
fn take(unit: &mut Unit, inner: &Loop, number: u32) -> Unit {
    let inside: BTreeSet<usize> = blocks(&inner.items).into_iter().collect();
    let mut exits: Vec<usize> = inside
        .iter()
        .flat_map(|&block| unit.blocks[block].successors())
        .filter(|to| !inside.contains(to))
        .collect();
    exits.sort_unstable();
    exits.dedup();
    let header = &unit.blocks[inner.header];
    let call = Block {
        offset: header.offset,
        count: header.count,
        indirect: exits.clone(),
        ..Block::default()
    };
    let mut order: Vec<usize> = inside.iter().copied().collect();
    order.sort_by_key(|&block| unit.blocks[block].offset);
    let entries: Vec<usize> = [inner.header]
        .into_iter()
        .chain(unit.entries.iter().copied().filter(|entry| *entry != inner.header))
        .filter(|entry| inside.contains(entry))
        .collect();
    let mut cut =
        Unit { pages: unit.pages.clone(), user: unit.user, blocks: unit.blocks.clone(), entries };
    keep(&mut cut, &order);
    let shift = shrink(&mut cut);
    // What is left of the other one: the call stands where the header was.
    unit.blocks[inner.header] = Block { other: Some((number, shift)), ..call };
    let rest: Vec<usize> = (0..unit.blocks.len())
        .filter(|block| *block == inner.header || !inside.contains(block))
        .collect();
    unit.entries.extend(exits);
    let mut seen = BTreeSet::new();
    unit.entries.retain(|entry| rest.contains(entry) && seen.insert(*entry));
    keep(unit, &rest);
    cut
}

/// Keeps some blocks of a unit, in this order. Ways to others lead out of the unit.
fn keep(unit: &mut Unit, order: &[usize]) {
    let number: BTreeMap<usize, usize> = order.iter().copied().zip(0..).collect();
    let renumber = |block: usize| number.get(&block).copied();
    let block = |&block: &usize| {
        let block = &unit.blocks[block];
        Block {
            next: block.next.and_then(renumber),
            taken: block.taken.and_then(renumber),
            indirect: block.indirect.iter().filter_map(|&to| renumber(to)).collect(),
            ..block.clone()
        }
    };
    let blocks = order.iter().map(block).collect();
    unit.entries = unit.entries.iter().filter_map(|&entry| renumber(entry)).collect();
    unit.blocks = blocks;
}

/// Drops pages in which nothing of a unit lies. Returns how many pages further it now begins.
fn shrink(unit: &mut Unit) -> i64 {
    let page = |offset: u32| offset / PAGE_SIZE as u32;
    let mut used = BTreeSet::new();
    for block in &unit.blocks {
        let mut at = block.offset;
        for insn in &block.insns {
            used.extend([page(at), page(at + u32::from(insn.length) - 2)]);
            at += u32::from(insn.length);
        }
    }
    let first = used.first().copied().unwrap_or_default();
    unit.pages.retain(|(distance, _)| used.contains(distance));
    unit.pages.iter_mut().for_each(|(distance, _)| *distance -= first);
    for block in &mut unit.blocks {
        block.offset -= first * PAGE_SIZE as u32;
        if let Some((_, pages)) = &mut block.other {
            *pages -= i64::from(first);
        }
    }
    i64::from(first)
}
