//! Chooses what of a profile is translated, and cuts it into units.
//!
//! The hottest instructions, as many as the budget allows, become units: the blocks that a call or
//! an interrupt led to and all hot ones that follow, up to the next function.

use crate::plan::outline::outline;
use crate::plan::profile::{Profile, SLOTS};
use crate::plan::region::{Flow, Unit, flow};
use crate::plan::trace::{Draft, MAX_UNIT, Trace};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use c2w_emulator::cpu::isa::{self, Insn};
use c2w_emulator::engine::code_index::{self, MAX_CONTENTS};
use core::cmp::Reverse;

/// The most pages that a unit's code lies in: each is looked at whenever it is entered.
pub const MAX_PAGES: usize = 12;
/// What is executed less often is not worth its place, whatever the budget.
const RARE: u64 = 16;

/// What limits units besides the budget. Tests want others than those by default.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The least number of executions that an instruction needs.
    pub executions: u64,
    /// The most instructions in a unit.
    pub instructions: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { executions: RARE, instructions: MAX_UNIT }
    }
}

/// A place in code: number of the content, from 0, and halfword.
pub type Place = (usize, u16);

/// The bytes of a page of guest code and how they were executed.
pub struct Content {
    hash: u64,
    /// Whether it is code of U-mode.
    pub user: bool,
    bytes: Vec<u8>,
    counts: Vec<u64>,
    /// Executions on the slow path.
    slow: BTreeMap<u16, u64>,
    /// What was seen to lie so many pages further: content and how often.
    neighbours: BTreeMap<i64, BTreeMap<usize, u64>>,
    /// Where jumps by register went: from a halfword, so many pages further, to a halfword.
    pub jumps: BTreeMap<u16, BTreeMap<(i64, u16), u64>>,
}

/// Everything that was executed.
pub struct Code {
    pub(crate) contents: Vec<Content>,
    /// Places that calls, interrupts and returns from them lead to.
    starts: BTreeMap<Place, u64>,
    /// Those that calls lead to: functions.
    pub(crate) functions: BTreeSet<Place>,
    pub(crate) bounds: Bounds,
}

/// What was chosen.
pub struct Selection {
    /// The units.
    pub units: Vec<Unit>,
    /// The contents of the pages that they lie in: hash, and places where units can be entered.
    pub index: code_index::Translated,
    /// Instructions in the units.
    pub instructions: usize,
    /// Executions of the profile that were of instructions in the units.
    pub covered: u64,
}

impl Code {
    /// Reads the code of a profile; `page` gives the bytes of a page at a guest-physical address.
    pub fn new<'a>(profile: &Profile, page: impl Fn(u64) -> Option<&'a [u8]>) -> Self {
        let mut code = Self {
            contents: Vec::new(),
            starts: BTreeMap::new(),
            functions: BTreeSet::new(),
            bounds: Bounds::default(),
        };
        let mut known: BTreeMap<u64, usize> = BTreeMap::new();
        let mut content_of = Vec::new();
        for profiled in &profile.pages {
            let Some(bytes) = page(profiled.physical).filter(|bytes| bytes.len() == PAGE_SIZE)
            else {
                content_of.push(None);
                continue;
            };
            let hash = code_index::hash(bytes);
            let number = *known.entry(hash).or_insert(code.contents.len());
            if number == code.contents.len() {
                code.contents.push(Content::new(hash, profiled.user, bytes));
            }
            // The same code in both modes: it belongs to the first one.
            content_of.push(Some(number).filter(|_| code.contents[number].user == profiled.user));
        }
        for (profiled, content) in profile.pages.iter().zip(&content_of) {
            let Some(content) = *content else { continue };
            for (count, &more) in code.contents[content].counts.iter_mut().zip(&profiled.counts) {
                *count += u64::from(more);
            }
            for (&slot, &count) in &profiled.slow {
                *code.contents[content].slow.entry(slot).or_default() += u64::from(count);
            }
            for (&to, &count) in &profiled.arrivals {
                *code.starts.entry((content, to)).or_default() += u64::from(count);
            }
            for (edge, &count) in &profiled.edges {
                if let Some(to) = content_of[edge.page as usize] {
                    code.add_edge(content, edge.from, to, edge.to, edge.distance, u64::from(count));
                }
            }
        }
        code
    }

    fn add_edge(
        &mut self,
        content: usize,
        from: u16,
        to_content: usize,
        to: u16,
        distance: i64,
        count: u64,
    ) {
        let page = &mut self.contents[content];
        if distance != 0 {
            let seen = page.neighbours.entry(distance).or_default();
            *seen.entry(to_content).or_default() += count;
        }
        let Some(insn) = page.insn(from, None) else { return };
        match flow(&insn) {
            Flow::Call | Flow::IndirectCall => {
                *self.starts.entry((to_content, to)).or_default() += count;
                self.functions.insert((to_content, to));
            }
            Flow::IndirectJump => {
                let jumps = page.jumps.entry(from).or_default();
                *jumps.entry((distance, to)).or_default() += count;
            }
            _ => {}
        }
    }

    /// The same code, for units with other bounds.
    pub fn bounded(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Chooses about `budget` instructions.
    pub fn select(&self, budget: usize) -> Selection {
        let hot = self.threshold(budget);
        let mut chosen = Chosen::new(self, hot, budget);
        let mut starts: Vec<_> = self.starts.iter().filter(|(_, count)| **count >= hot).collect();
        starts.sort_by_key(|(place, count)| (Reverse(**count), **place));
        for (&place, _) in starts {
            chosen.add(place);
        }
        // What no function leads to: loops that were begun before the profile, and parts of large
        // functions.
        let mut rest: Vec<(u64, Place)> = Vec::new();
        for (number, content) in self.contents.iter().enumerate() {
            let counts = content.counts.iter().zip(0..);
            rest.extend(
                counts
                    .filter(|(count, _)| **count >= hot)
                    .map(|(&count, slot)| (count, (number, slot))),
            );
        }
        rest.sort_by_key(|&(count, place)| (Reverse(count), place));
        for (_, place) in rest {
            if !chosen.covered.contains(&place) {
                chosen.add(place);
            }
        }
        chosen.finish()
    }

    /// The least number of executions that an instruction needs to be among the `budget` hottest.
    fn threshold(&self, budget: usize) -> u64 {
        let least = self.bounds.executions;
        let counts = self.contents.iter().flat_map(|content| content.counts.iter().copied());
        let mut counts: Vec<u64> = counts.filter(|count| *count >= least).collect();
        counts.sort_unstable_by_key(|count| Reverse(*count));
        counts.get(budget).map_or(least, |count| count + 1)
    }

    /// Whether the interpreter's hot loop often cannot execute an instruction that it knows: mostly,
    /// because what it takes together with others lies on two pages.
    pub(crate) fn is_slow(&self, place: Place) -> bool {
        let slow = self.slow(place);
        slow > self.bounds.executions && slow > self.count(place) / 50
    }

    /// Executions of the instruction at a place on the slow path.
    pub(crate) fn slow(&self, (content, slot): Place) -> u64 {
        self.contents[content].slow.get(&slot).copied().unwrap_or_default()
    }

    /// Executions of the instruction at a place.
    pub(crate) fn count(&self, (content, slot): Place) -> u64 {
        self.contents[content].counts[slot as usize]
    }
}

impl Content {
    fn new(hash: u64, user: bool, bytes: &[u8]) -> Self {
        Self {
            hash,
            user,
            bytes: bytes.to_vec(),
            counts: vec![0; SLOTS],
            slow: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            jumps: BTreeMap::new(),
        }
    }

    /// The bits at a halfword.
    pub fn half(&self, slot: u16) -> u32 {
        let at = usize::from(slot) * 2;
        u32::from(u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]))
    }

    /// The instruction at a halfword, whose second half may be in the page that follows.
    pub fn insn(&self, slot: u16, following: Option<&Content>) -> Option<Insn> {
        let low = self.half(slot);
        if low & 3 != 3 {
            return isa::decode(low);
        }
        let high = match usize::from(slot) + 1 {
            SLOTS => following?.half(0),
            next => self.half(next as u16),
        };
        isa::decode(low | high << 16)
    }

    /// The content that most often lay so many pages further.
    pub fn neighbour(&self, distance: i64) -> Option<usize> {
        let seen = self.neighbours.get(&distance)?;
        seen.iter()
            .max_by_key(|(content, count)| (**count, Reverse(**content)))
            .map(|(&content, _)| content)
    }
}

struct Chosen<'a> {
    code: &'a Code,
    hot: u64,
    budget: usize,
    covered: BTreeSet<Place>,
    drafts: Vec<Draft>,
    /// Units by the place that they start at.
    started: BTreeMap<Place, usize>,
    /// Numbers of contents that units lie in, from 1, as units and runtime know them.
    numbers: BTreeMap<usize, u16>,
    instructions: usize,
}

impl<'a> Chosen<'a> {
    fn new(code: &'a Code, hot: u64, budget: usize) -> Self {
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

    /// Makes a unit that starts at a place, if there is something to translate.
    fn add(&mut self, start: Place) {
        let full = self.numbers.len() + MAX_PAGES > MAX_CONTENTS;
        if full || self.instructions >= self.budget || self.started.contains_key(&start) {
            return;
        }
        let mut trace = Trace::new(self.code, self.hot, start);
        trace.follow();
        let Some(mut draft) = trace.draft(start) else { return };
        for (&distance, &content) in &draft.pages {
            let next = self.numbers.len() as u16 + 1;
            let number = *self.numbers.entry(content).or_insert(next);
            draft.unit.pages.push((distance as u32, number));
        }
        self.covered.extend(trace.insns.keys().filter_map(|&at| trace.place(at)));
        self.instructions += trace.insns.len();
        self.started.insert(start, self.drafts.len());
        self.drafts.push(draft);
    }

    /// Joins units that call each other, and lists where they can be entered.
    fn finish(mut self) -> Selection {
        let code = self.code;
        let starts: Vec<i64> = self.drafts.iter().map(Draft::start_page).collect();
        for draft in &mut self.drafts {
            for &(block, place, distance) in &draft.others {
                if let Some(&unit) = self.started.get(&place) {
                    draft.unit.blocks[block].other = Some((unit as u32, distance - starts[unit]));
                }
            }
        }
        let covered = self.covered.iter().map(|&place| code.count(place)).sum();
        let mut units: Vec<Unit> = self.drafts.into_iter().map(|draft| draft.unit).collect();
        for number in 0..units.len() {
            let next = units.len() as u32;
            let cut = outline(&mut units[number], next);
            units.extend(cut);
        }
        let index = index(&units, code, &self.numbers);
        Selection { units, index, instructions: self.instructions, covered }
    }
}

/// Where units can be entered.
fn index(units: &[Unit], code: &Code, numbers: &BTreeMap<usize, u16>) -> code_index::Translated {
    let mut entries: BTreeMap<(u16, u16), code_index::TranslatedEntry> = BTreeMap::new();
    // Where a unit starts it is the best one to enter; the last ones are loops.
    for first in [true, false] {
        for (number, unit) in units.iter().enumerate().rev() {
            for (state, &block) in unit.entries.iter().enumerate() {
                let page = unit.blocks[block].offset / PAGE_SIZE as u32;
                let slot = (unit.blocks[block].offset as usize % PAGE_SIZE / 2) as u16;
                let content = unit.pages.iter().find(|(distance, _)| *distance == page);
                let Some(&(_, content)) = content else { continue };
                if first == (state == 0) {
                    let (unit, state) = (number as u32, state as u32);
                    let entry = code_index::TranslatedEntry { slot, unit, state, page };
                    entries.entry((content, slot)).or_insert(entry);
                }
            }
        }
    }
    let page = |(number, content): (u16, usize)| code_index::TranslatedPage {
        hash: code.contents[content].hash,
        entries: entries.range((number, 0)..=(number, u16::MAX)).map(|(_, &entry)| entry).collect(),
    };
    let by_number: BTreeMap<u16, usize> =
        numbers.iter().map(|(&content, &number)| (number, content)).collect();
    code_index::Translated {
        pages: by_number.into_iter().map(page).collect(),
        units: units.iter().map(|unit| unit.pages.clone()).collect(),
    }
}
