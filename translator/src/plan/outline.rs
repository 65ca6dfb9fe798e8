//! Outlined loops: loops that become regions of their own.
//!
//! Engines allocate the host's registers by function, and a hot loop in a large function gets what
//! the rest leaves. So a loop that calls nothing and iterates often enough is cut out: in its place
//! its region is called, and the address that this returns tells where control has left the loop.

use super::loops::promotion;
use super::region::{Block, Callee, Region};
use super::structure::{Item, Loop, Structure, blocks};
use crate::guest::Guest;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;

/// A region with no more instructions than this keeps its loops.
const SMALL: usize = 60;

/// Cuts loops out of a region. They are numbered from `first` on.
pub fn outline<G: Guest>(region: &mut Region<G>, first: u32) -> Vec<Region<G>> {
    let mut cut = Vec::new();
    while let Some(inner) = find(region) {
        let number = first + cut.len() as u32;
        cut.push(take(region, &inner, number));
    }
    cut
}

/// A loop to be cut out.
fn find<G: Guest>(region: &Region<G>) -> Option<Loop> {
    let instructions: usize = region.blocks.iter().map(|block| block.insns.len()).sum();
    if instructions <= SMALL {
        return None;
    }
    fn search<G: Guest>(region: &Region<G>, items: &[Item]) -> Option<Loop> {
        items.iter().find_map(|item| match item {
            Item::Block(_) => None,
            Item::Loop(inner) if is_worth_it(region, inner) => Some(inner.clone()),
            Item::Loop(inner) => search(region, &inner.items),
        })
    }
    search(region, &Structure::new(region).items)
}

fn is_worth_it<G: Guest>(region: &Region<G>, inner: &Loop) -> bool {
    let inside: BTreeSet<usize> = blocks(&inner.items).into_iter().collect();
    let start = region.entries.first().copied().unwrap_or_default();
    let whole = inside.len() == region.blocks.len();
    // The guest's own code must enter it at its header.
    let entered_elsewhere = region.blocks.iter().enumerate().any(|(from, block)| {
        let mut next = block.successors().chain(block.returns());
        !inside.contains(&from) && next.any(|to| to != inner.header && inside.contains(&to))
    });
    let begins_inside = inside.contains(&start) && start != inner.header;
    !whole && !entered_elsewhere && !begins_inside && promotion(region, inner).is_some()
}

/// Takes a loop out of a region and puts a call of region `number` in its place.
fn take<G: Guest>(region: &mut Region<G>, inner: &Loop, number: u32) -> Region<G> {
    let inside: BTreeSet<usize> = blocks(&inner.items).into_iter().collect();
    let mut exits: Vec<usize> = inside
        .iter()
        .flat_map(|&block| region.blocks[block].successors())
        .filter(|to| !inside.contains(to))
        .collect();
    exits.sort_unstable();
    exits.dedup();
    let header = &region.blocks[inner.header];
    let call = Block {
        offset: header.offset,
        count: header.count,
        indirect: exits.clone(),
        ..Block::default()
    };
    let mut order: Vec<usize> = inside.iter().copied().collect();
    order.sort_by_key(|&block| region.blocks[block].offset);
    let entries: Vec<usize> = [inner.header]
        .into_iter()
        .chain(region.entries.iter().copied().filter(|entry| *entry != inner.header))
        .filter(|entry| inside.contains(entry))
        .collect();
    let mut cut = Region {
        pages: region.pages.clone(),
        user: region.user,
        blocks: region.blocks.clone(),
        entries,
    };
    keep(&mut cut, &order);
    let shift = shrink(&mut cut);
    // The rest of the other region: the call stands where the header was.
    region.blocks[inner.header] =
        Block { callee: Some(Callee { region: number, distance: shift }), ..call };
    let rest: Vec<usize> = (0..region.blocks.len())
        .filter(|block| *block == inner.header || !inside.contains(block))
        .collect();
    region.entries.extend(exits);
    let mut seen = BTreeSet::new();
    region.entries.retain(|entry| rest.contains(entry) && seen.insert(*entry));
    keep(region, &rest);
    cut
}

/// Keeps some blocks of a region, in this order. Edges to others lead out of the region.
fn keep<G: Guest>(region: &mut Region<G>, order: &[usize]) {
    let number: BTreeMap<usize, usize> = order.iter().copied().zip(0..).collect();
    let renumber = |block: usize| number.get(&block).copied();
    let block = |&block: &usize| {
        let block = &region.blocks[block];
        Block {
            next: block.next.and_then(renumber),
            taken: block.taken.and_then(renumber),
            indirect: block.indirect.iter().filter_map(|&to| renumber(to)).collect(),
            ..block.clone()
        }
    };
    let blocks = order.iter().map(block).collect();
    region.entries = region.entries.iter().filter_map(|&entry| renumber(entry)).collect();
    region.blocks = blocks;
}

/// Drops pages in which nothing of a region lies. Returns how many pages further it now begins.
fn shrink<G: Guest>(region: &mut Region<G>) -> i64 {
    let page = |offset: u32| offset / PAGE_SIZE as u32;
    let mut used = BTreeSet::new();
    for block in &region.blocks {
        let mut at = block.offset;
        for insn in &block.insns {
            used.extend([page(at), page(at + G::length(insn) - 1)]);
            at += G::length(insn);
        }
    }
    let first = used.first().copied().unwrap_or_default();
    region.pages.retain(|(distance, _)| used.contains(distance));
    region.pages.iter_mut().for_each(|(distance, _)| *distance -= first);
    for block in &mut region.blocks {
        block.offset -= first * PAGE_SIZE as u32;
        if let Some(callee) = &mut block.callee {
            callee.distance -= i64::from(first);
        }
    }
    i64::from(first)
}
