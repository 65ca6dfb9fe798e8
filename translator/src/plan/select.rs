//! Chooses what of a profile is translated, and cuts it into regions.
//!
//! The hottest instructions, as many as the budget allows, become regions: the blocks that a call
//! or an interrupt led to and all hot ones that follow, up to the next function.

use super::code::{CodeLocation, ProfiledCode};
use super::outline::outline;
use super::region::{Callee, MAX_PAGES, Region};
use super::trace::{RegionDraft, Tracer};
use crate::guest::Guest;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use c2w_emulator::engine::code_index::{self, MAX_CODE_PAGES, TranslatedEntry, TranslatedPage};
use core::cmp::Reverse;

/// What was chosen.
pub struct Selection<G: Guest> {
    /// The regions.
    pub regions: Vec<Region<G>>,
    /// The pages that they lie in: hashes, and where regions can be entered.
    pub index: code_index::Translated,
    /// Instructions in the regions.
    pub instructions: usize,
    /// Executions of the profile that were of instructions in the regions.
    pub covered: u64,
}

impl<G: Guest> ProfiledCode<G> {
    /// Chooses about `budget` instructions.
    pub fn select(&self, budget: usize) -> Selection<G> {
        let hot = self.threshold(budget);
        let mut selector = Selector::new(self, hot, budget);
        let mut starts: Vec<_> = self.starts.iter().filter(|(_, count)| **count >= hot).collect();
        starts.sort_by_key(|(location, count)| (Reverse(**count), **location));
        for (&location, _) in starts {
            selector.add(location);
        }
        // What no function leads to: loops that were begun before the profile, and parts of large
        // functions.
        let mut rest: Vec<(u64, CodeLocation)> = self.hot(hot).collect();
        rest.sort_by_key(|&(count, location)| (Reverse(count), location));
        for (_, location) in rest {
            if !selector.covered.contains(&location) {
                selector.add(location);
            }
        }
        selector.finish()
    }
}

struct Selector<'a, G: Guest> {
    code: &'a ProfiledCode<G>,
    hot: u64,
    budget: usize,
    covered: BTreeSet<CodeLocation>,
    drafts: Vec<RegionDraft<G>>,
    /// Regions by where they start.
    started: BTreeMap<CodeLocation, usize>,
    /// Numbers of code pages that regions lie in, from 1, as regions and runtime know them.
    numbers: BTreeMap<usize, u16>,
    instructions: usize,
}

impl<'a, G: Guest> Selector<'a, G> {
    fn new(code: &'a ProfiledCode<G>, hot: u64, budget: usize) -> Self {
        Self {
            code,
            hot,
            budget,
            covered: BTreeSet::new(),
            drafts: Vec::new(),
            started: BTreeMap::new(),
            numbers: BTreeMap::new(),
            instructions: 0,
        }
    }

    /// Adds the region that starts at a location, if there is something to translate.
    fn add(&mut self, start: CodeLocation) {
        let full = self.numbers.len() + MAX_PAGES > MAX_CODE_PAGES;
        if full || self.instructions >= self.budget || self.started.contains_key(&start) {
            return;
        }
        let mut tracer = Tracer::new(self.code, self.hot, start);
        tracer.follow();
        let Some(mut draft) = tracer.draft(start) else { return };
        for (&distance, &page) in &draft.pages {
            let next = self.numbers.len() as u16 + 1;
            let number = *self.numbers.entry(page).or_insert(next);
            draft.region.pages.push((distance as u32, number));
        }
        self.covered.extend(tracer.insns.keys().filter_map(|&at| tracer.location(at)));
        self.instructions += tracer.insns.len();
        self.started.insert(start, self.drafts.len());
        self.drafts.push(draft);
    }

    /// Joins regions that call each other, and lists where they can be entered.
    fn finish(mut self) -> Selection<G> {
        let code = self.code;
        let starts: Vec<i64> = self.drafts.iter().map(RegionDraft::start_page).collect();
        for draft in &mut self.drafts {
            for &(block, location, distance) in &draft.callees {
                if let Some(&number) = self.started.get(&location) {
                    let distance = distance - starts[number];
                    let callee = Callee { region: number as u32, distance };
                    draft.region.blocks[block].callee = Some(callee);
                }
            }
        }
        let covered = self.covered.iter().map(|&location| code.count(location)).sum();
        let mut regions: Vec<_> = self.drafts.into_iter().map(|draft| draft.region).collect();
        for number in 0..regions.len() {
            let next = regions.len() as u32;
            let cut = outline(&mut regions[number], next);
            regions.extend(cut);
        }
        let index = index(&regions, code, &self.numbers);
        Selection { regions, index, instructions: self.instructions, covered }
    }
}

/// Where regions can be entered.
fn index<G: Guest>(
    regions: &[Region<G>],
    code: &ProfiledCode<G>,
    numbers: &BTreeMap<usize, u16>,
) -> code_index::Translated {
    let mut entries: BTreeMap<(u16, u16), TranslatedEntry> = BTreeMap::new();
    // Where a region starts it is the best one to enter; the last ones are loops.
    for first in [true, false] {
        for (number, region) in regions.iter().enumerate().rev() {
            for (state, &block) in region.entries.iter().enumerate() {
                let page = region.blocks[block].offset / PAGE_SIZE as u32;
                let offset = (region.blocks[block].offset as usize % PAGE_SIZE) as u16;
                let code_page = region.pages.iter().find(|(distance, _)| *distance == page);
                let Some(&(_, code_page)) = code_page else { continue };
                if first == (state == 0) {
                    let (region, state) = (number as u32, state as u32);
                    let entry = TranslatedEntry { offset, region, state, page };
                    entries.entry((code_page, offset)).or_insert(entry);
                }
            }
        }
    }
    let page = |(number, page): (u16, usize)| TranslatedPage {
        hash: code.pages[page].hash,
        entries: entries.range((number, 0)..=(number, u16::MAX)).map(|(_, &entry)| entry).collect(),
    };
    let by_number: BTreeMap<u16, usize> =
        numbers.iter().map(|(&page, &number)| (number, page)).collect();
    let pages = by_number.into_iter().map(page).collect();
    code_index::Translated::new(pages, regions.iter().map(|region| region.pages.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::code::Bounds;
    use crate::plan::profile::Profile;
    use crate::plan::toy::Toy;
    use alloc::vec;
    use c2w_emulator::engine::observe::{Block, Observer};

    /// Virtual address of two pages that lie beside each other.
    const VIRTUAL: u64 = 0x5000;
    /// Where they are in guest-physical memory.
    const PHYSICAL: [u64; 2] = [0x8000, 0x3000];
    /// Instructions of 2, 12, 2 and 1 bytes: the second one straddles, and the third jumps back to
    /// it.
    const START: usize = 0xff7;
    const CODE: [u8; 17] =
        [4, 1, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 1, 1, 5, 0x10, 0xf2, 0x13];

    fn executed(profile: &mut Profile<Toy>, from: usize, length: usize, next: usize) {
        let at = START + from;
        profile.block(&Block {
            pc: VIRTUAL + at as u64,
            physical: PHYSICAL[at / PAGE_SIZE] + (at % PAGE_SIZE) as u64,
            user: true,
            slow: false,
            instructions: 1,
            code: &CODE[from..from + length],
            next: VIRTUAL + (START + next) as u64,
        });
    }

    #[test]
    fn instructions_may_start_and_end_at_any_byte() {
        let mut profile = Profile::default();
        for _ in 0..50 {
            profile.interrupt();
            executed(&mut profile, 0, 14, 14);
            executed(&mut profile, 14, 2, 2);
            executed(&mut profile, 2, 12, 14);
            executed(&mut profile, 14, 3, 0x1000);
        }
        let mut memory = vec![0; 2 * PAGE_SIZE];
        memory[START..START + CODE.len()].copy_from_slice(&CODE);
        let pages: Vec<&[u8]> = memory.chunks(PAGE_SIZE).collect();
        let page = |address| PHYSICAL.iter().position(|page| *page == address).map(|at| pages[at]);
        let bounds = Bounds { executions: 1, ..Bounds::default() };
        let selection = ProfiledCode::new(&profile, page).bounded(bounds).select(100);
        let [region] = &selection.regions[..] else { panic!("{:?}", selection.regions) };
        assert_eq!(region.pages, [(0, 1), (1, 2)]);
        let blocks: Vec<_> = region
            .blocks
            .iter()
            .map(|block| (block.offset, block.insns.len(), block.taken, block.next))
            .collect();
        assert_eq!(
            blocks,
            [(0xff7, 1, None, Some(1)), (0xff9, 2, Some(1), Some(2)), (0x1007, 1, None, None)]
        );
        assert_eq!(region.entries, [0, 1]);
        let offsets = selection.index.pages()[0].entries.iter().map(|entry| entry.offset);
        assert_eq!(offsets.collect::<Vec<_>>(), [0xff7, 0xff9]);
        assert_eq!((selection.instructions, selection.covered), (4, 50 + 100 + 100 + 50));
    }
}
