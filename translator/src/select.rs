//! Chooses what of a profile is translated, and cuts it into units.
//!
//! The hottest instructions, as many as the budget allows, become units: the blocks that a call or
//! an interrupt led to and all hot ones that follow, up to the next function.

use crate::emit::is_known;
use crate::outline::outline;
use crate::profile::{Profile, SLOTS};
use crate::regions::{Item, Regions};
use crate::unit::{Block, Flow, Unit, flow};
use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap};
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use c2w_emulator::cpu::isa::{self, Insn};
use c2w_emulator::cpu::translated::{self, MAX_CONTENTS};
use core::cmp::Reverse;

/// The most instructions in a unit: engines take longer than in proportion for large functions.
const MAX_UNIT: usize = 3000;
/// The most pages that a unit's code lies in: each is looked at whenever it is entered.
const MAX_PAGES: usize = 12;
/// The most pages from a unit's start to its other code: offsets have 20 bits.
const FARTHEST: i64 = 100;
/// The most instructions in a block.
const MAX_BLOCK: usize = 500;
/// What is executed less often is not worth its place, whatever the budget.
const RARE: u64 = 16;

/// A place in code: number of the content, from 0, and halfword.
type Place = (usize, u16);

/// The bytes of a page of guest code and how they were executed.
struct Content {
    hash: u64,
    user: bool,
    bytes: Vec<u8>,
    counts: Vec<u64>,
    /// Executions on the slow path.
    slow: BTreeMap<u16, u64>,
    /// What was seen to lie so many pages further: content and how often.
    neighbours: BTreeMap<i64, BTreeMap<usize, u64>>,
    /// Where jumps by register went: from a halfword, so many pages further, to a halfword.
    jumps: BTreeMap<u16, BTreeMap<(i64, u16), u64>>,
}

/// Everything that was executed.
pub struct Code {
    contents: Vec<Content>,
    /// Places that calls, interrupts and returns from them lead to.
    starts: BTreeMap<Place, u64>,
    /// Those that calls lead to: functions.
    functions: BTreeSet<Place>,
}

/// What was chosen.
pub struct Selection {
    /// The units.
    pub units: Vec<Unit>,
    /// The contents of the pages that they lie in: hash, and places where units can be entered.
    pub index: translated::Translated,
    /// Instructions in the units.
    pub instructions: usize,
    /// Executions of the profile that were of instructions in the units.
    pub covered: u64,
}

impl Code {
    /// Reads the code of a profile; `page` gives the bytes of a page at a guest-physical address.
    pub fn new<'a>(profile: &Profile, page: impl Fn(u64) -> Option<&'a [u8]>) -> Self {
        let mut code =
            Self { contents: Vec::new(), starts: BTreeMap::new(), functions: BTreeSet::new() };
        let mut known: BTreeMap<u64, usize> = BTreeMap::new();
        let mut content_of = Vec::new();
        for profiled in &profile.pages {
            let Some(bytes) = page(profiled.physical).filter(|bytes| bytes.len() == PAGE_SIZE)
            else {
                content_of.push(None);
                continue;
            };
            let hash = translated::hash(bytes);
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
        let counts = self.contents.iter().flat_map(|content| content.counts.iter().copied());
        let mut counts: Vec<u64> = counts.filter(|count| *count >= RARE).collect();
        counts.sort_unstable_by_key(|count| Reverse(*count));
        counts.get(budget).map_or(RARE, |count| count + 1)
    }

    /// Whether the interpreter's hot loop often cannot execute an instruction that it knows: mostly,
    /// because what it takes together with others lies on two pages.
    fn is_slow(&self, (content, slot): Place) -> bool {
        let slow = self.contents[content].slow.get(&slot).copied().unwrap_or_default();
        slow > RARE && slow > self.count((content, slot)) / 50
    }

    fn count(&self, (content, slot): Place) -> u64 {
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

    fn half(&self, slot: u16) -> u32 {
        let at = usize::from(slot) * 2;
        u32::from(u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]))
    }

    /// The instruction at a halfword, whose second half may be in the page that follows.
    fn insn(&self, slot: u16, following: Option<&Content>) -> Option<Insn> {
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
    fn neighbour(&self, distance: i64) -> Option<usize> {
        let seen = self.neighbours.get(&distance)?;
        seen.iter()
            .max_by_key(|(content, count)| (**count, Reverse(**content)))
            .map(|(&content, _)| content)
    }
}

/// A unit, and what its last instructions lead to elsewhere: for blocks by number, the place and its
/// distance in pages from the unit's first page.
struct Draft {
    unit: Unit,
    /// Pages by distance from the first, content numbers from 0.
    pages: BTreeMap<i64, usize>,
    others: Vec<(usize, Place, i64)>,
}

struct Chosen<'a> {
    code: &'a Code,
    hot: u64,
    budget: usize,
    covered: BTreeSet<Place>,
    drafts: Vec<Draft>,
    /// Units by the place that they start at.
    started: BTreeMap<Place, usize>,
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
            instructions: 0,
        }
    }

    /// Makes a unit that starts at a place, if there is something to translate.
    fn add(&mut self, start: Place) {
        if self.instructions >= self.budget || self.started.contains_key(&start) {
            return;
        }
        let mut trace = Trace::new(self.code, self.hot, start);
        trace.follow();
        let Some(draft) = trace.draft(start) else { return };
        self.covered.extend(trace.insns.keys().filter_map(|&at| trace.place(at)));
        self.instructions += trace.insns.len();
        self.started.insert(start, self.drafts.len());
        self.drafts.push(draft);
    }

    /// Joins units that call each other, and lists where they can be entered.
    fn finish(mut self) -> Selection {
        let code = self.code;
        let used = self.number_contents();
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
        let index = index(&units, code, &used);
        Selection { units, index, instructions: self.instructions, covered }
    }

    /// Numbers the contents that units lie in, from 1, as units and runtime know them; returns them
    /// in that order.
    fn number_contents(&mut self) -> Vec<usize> {
        let mut numbers: BTreeMap<usize, u16> = BTreeMap::new();
        let mut used = Vec::new();
        for draft in &mut self.drafts {
            for (&distance, &content) in &draft.pages {
                let number = *numbers.entry(content).or_insert_with(|| {
                    used.push(content);
                    used.len() as u16
                });
                draft.unit.pages.push((distance as u32, number));
            }
        }
        used.truncate(MAX_CONTENTS);
        used
    }
}

/// Where units can be entered.
fn index(units: &[Unit], code: &Code, used: &[usize]) -> translated::Translated {
    let mut entries: BTreeMap<(u16, u16), translated::TranslatedEntry> = BTreeMap::new();
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
                    let entry = translated::TranslatedEntry { slot, unit, state, page };
                    entries.entry((content, slot)).or_insert(entry);
                }
            }
        }
    }
    let page = |(&content, number): (&usize, u16)| translated::TranslatedPage {
        hash: code.contents[content].hash,
        entries: entries.range((number, 0)..=(number, u16::MAX)).map(|(_, &entry)| entry).collect(),
    };
    translated::Translated {
        pages: used.iter().zip(1..).map(page).collect(),
        units: units.iter().map(|unit| unit.pages.clone()).collect(),
    }
}

impl Draft {
    /// Pages from the unit's first one to the one that it starts in.
    fn start_page(&self) -> i64 {
        let start = self.unit.entries.first().map_or(0, |&block| self.unit.blocks[block].offset);
        i64::from(start) / PAGE_SIZE as i64
    }
}

/// The hot code that is reached from a place without a call. Addresses are bytes from the start of
/// the place's page.
struct Trace<'a> {
    code: &'a Code,
    hot: u64,
    pages: BTreeMap<i64, usize>,
    insns: BTreeMap<i64, Insn>,
    leaders: BTreeSet<i64>,
    /// Leaders at which control may arrive from outside.
    entered: BTreeSet<i64>,
    /// Where jumps by register lead.
    indirect: BTreeMap<i64, Vec<i64>>,
    /// To be followed: the hottest first.
    ahead: BinaryHeap<(u64, Reverse<i64>)>,
    start: i64,
}

impl<'a> Trace<'a> {
    fn new(code: &'a Code, hot: u64, (content, slot): Place) -> Self {
        let start = i64::from(slot) * 2;
        let mut trace = Self {
            code,
            hot,
            pages: [(0, content)].into(),
            insns: BTreeMap::new(),
            leaders: BTreeSet::new(),
            entered: BTreeSet::new(),
            indirect: BTreeMap::new(),
            ahead: BinaryHeap::new(),
            start,
        };
        trace.lead(0, start);
        trace
    }

    /// The place of an address, if its page is part of the unit.
    fn place(&self, at: i64) -> Option<Place> {
        let content = *self.pages.get(&at.div_euclid(PAGE_SIZE as i64))?;
        Some((content, (at.rem_euclid(PAGE_SIZE as i64) / 2) as u16))
    }

    /// The place of an address that control comes to from another; its page becomes part of the unit
    /// if `joins`.
    fn reach(&mut self, from: i64, at: i64, joins: bool) -> Option<Place> {
        let pages = [from, at].map(|address| address.div_euclid(PAGE_SIZE as i64));
        if !self.pages.contains_key(&pages[1]) {
            let origin = *self.pages.get(&pages[0])?;
            let content = self.code.contents[origin].neighbour(pages[1] - pages[0])?;
            let user = self.code.contents[origin].user;
            if self.code.contents[content].user != user {
                return None;
            }
            if !joins {
                return Some((content, (at.rem_euclid(PAGE_SIZE as i64) / 2) as u16));
            }
            if self.pages.len() >= MAX_PAGES || pages[1].abs() > FARTHEST {
                return None;
            }
            self.pages.insert(pages[1], content);
        }
        self.place(at)
    }

    fn is_hot(&self, place: Place) -> bool {
        self.code.count(place) >= self.hot
    }

    /// Has a hot address followed that control comes to from another. Returns whether it is part of
    /// the unit.
    fn lead(&mut self, from: i64, at: i64) -> bool {
        let hot = self.reach(from, at, false).filter(|&place| self.is_hot(place));
        let Some(place) = hot.and_then(|_| self.reach(from, at, true)) else { return false };
        if self.leaders.insert(at) {
            self.ahead.push((self.code.count(place), Reverse(at)));
        }
        true
    }

    fn follow(&mut self) {
        while let Some((_, Reverse(at))) = self.ahead.pop() {
            self.follow_from(at);
        }
    }

    /// Follows instructions up to one that transfers control.
    fn follow_from(&mut self, mut at: i64) {
        while !self.insns.contains_key(&at) && self.insns.len() < MAX_UNIT {
            let Some(place) = self.reach(at, at, true).filter(|&place| self.is_hot(place)) else {
                return;
            };
            let Some(insn) = self.insn(at, place) else { return };
            let next = at + i64::from(insn.length);
            if !is_known(&insn, self.code.contents[place.0].user) {
                // The interpreter does it and comes back.
                if self.lead(at, next) {
                    self.entered.insert(next);
                }
                return;
            }
            self.insns.insert(at, insn);
            let target = at + i64::from(insn.imm);
            match flow(&insn) {
                Flow::Next | Flow::Loop => {}
                Flow::Branch => {
                    self.lead(at, target);
                    self.lead(at, next);
                    return;
                }
                Flow::Jump => {
                    let elsewhere = self.reach(at, target, false);
                    let function =
                        elsewhere.is_some_and(|place| self.code.functions.contains(&place));
                    if !function || target == self.start {
                        self.lead(at, target);
                    }
                    return;
                }
                Flow::Call | Flow::IndirectCall => {
                    if self.lead(at, next) {
                        self.entered.insert(next);
                    }
                    return;
                }
                Flow::IndirectJump => return self.follow_jump(at, place),
                Flow::Return => return,
            }
            if self.reach(at, next, false).is_none() {
                return;
            }
            if self.reach(at, next, true).is_none() {
                return;
            }
            at = next;
        }
        if self.insns.contains_key(&at) {
            self.leaders.insert(at);
        }
    }

    /// A jump by register: to other functions, or to parts of this one.
    fn follow_jump(&mut self, at: i64, (content, slot): Place) {
        let Some(jumps) = self.code.contents[content].jumps.get(&slot) else { return };
        for &(distance, to) in jumps.keys() {
            let page = at.div_euclid(PAGE_SIZE as i64) + distance;
            let target = page * PAGE_SIZE as i64 + i64::from(to) * 2;
            let near = (target - self.start).abs() < 1 << 17;
            let place = self.reach(at, target, false);
            let function = place.is_none_or(|place| self.code.functions.contains(&place));
            if near && !function && self.lead(at, target) {
                self.entered.insert(target);
                self.indirect.entry(at).or_default().push(target);
            }
        }
    }

    fn insn(&mut self, at: i64, (content, slot): Place) -> Option<Insn> {
        let page = &self.code.contents[content];
        let straddles = usize::from(slot) + 1 == SLOTS && page.half(slot) & 3 == 3;
        let following = match straddles {
            true => Some(self.reach(at, at + 2, true)?.0),
            false => None,
        };
        page.insn(slot, following.map(|number| &self.code.contents[number]))
    }

    /// The unit of what was followed.
    fn draft(&mut self, start: Place) -> Option<Draft> {
        if !self.insns.contains_key(&self.start) {
            return None;
        }
        let used: BTreeSet<i64> = self
            .insns
            .iter()
            .flat_map(|(&at, insn)| [at, at + i64::from(insn.length) - 2])
            .map(|at| at.div_euclid(PAGE_SIZE as i64))
            .collect();
        let first = *used.first()?;
        let base = first * PAGE_SIZE as i64;
        let spans: Vec<(i64, i64)> = self.spans();
        let number: BTreeMap<i64, usize> =
            spans.iter().zip(0..).map(|(&(at, _), number)| (at, number)).collect();
        let mut unit = Unit { user: self.code.contents[start.0].user, ..Unit::default() };
        let mut others = Vec::new();
        for (place, &(at, last)) in spans.iter().enumerate() {
            unit.blocks.push(self.block(at, last, base, &number));
            if let Some((to, distance)) = self.other(last, &number) {
                others.push((place, to, distance - first));
            }
        }
        let mut entries = vec![number[&self.start]];
        entries.extend(self.entered.iter().filter_map(|at| number.get(at)).copied());
        unit.entries = entries;
        loop_headers(&mut unit);
        let pages = used.iter().map(|page| (page - first, self.pages[page])).collect();
        Some(Draft { unit, pages, others })
    }

    /// First and last instruction of each block.
    fn spans(&self) -> Vec<(i64, i64)> {
        let mut spans: Vec<(i64, i64)> = Vec::new();
        let (mut expected, mut length) = (None, 0);
        for (&at, insn) in &self.insns {
            let goes_on = expected == Some(at) && !self.leaders.contains(&at) && length < MAX_BLOCK;
            match spans.last_mut() {
                Some(span) if goes_on => (span.1, length) = (at, length + 1),
                _ => {
                    spans.push((at, at));
                    length = 1;
                }
            }
            let ends = flow(insn) != Flow::Next;
            expected = (!ends).then_some(at + i64::from(insn.length));
        }
        spans
    }

    fn block(&self, at: i64, last: i64, base: i64, number: &BTreeMap<i64, usize>) -> Block {
        let insns: Vec<Insn> = self.insns.range(at..=last).map(|(_, &insn)| insn).collect();
        let slow = |at: &i64| self.place(*at).is_some_and(|place| self.code.is_slow(place));
        let places = self.insns.range(at..=last).zip(0..);
        let alone = places.filter(|((at, _), _)| slow(at)).map(|(_, place)| place).collect();
        let insn = self.insns[&last];
        let next = number.get(&(last + i64::from(insn.length))).copied();
        let jumps = matches!(flow(&insn), Flow::Branch | Flow::Jump);
        let taken = number.get(&(last + i64::from(insn.imm))).copied().filter(|_| jumps);
        let indirect = self.indirect.get(&last).into_iter().flatten();
        Block {
            offset: (at - base) as u32,
            insns,
            alone,
            count: self.place(at).map_or(0, |place| self.code.count(place)),
            next,
            taken,
            indirect: indirect.filter_map(|at| number.get(at)).copied().collect(),
            other: None,
        }
    }

    /// The place that a direct jump or call leads to outside of the unit, and its distance in pages.
    fn other(&mut self, last: i64, number: &BTreeMap<i64, usize>) -> Option<(Place, i64)> {
        let insn = self.insns[&last];
        let target = last + i64::from(insn.imm);
        match flow(&insn) {
            Flow::Call => {}
            Flow::Jump if !number.contains_key(&target) => {}
            _ => return None,
        }
        let place = self.reach(last, target, false)?;
        Some((place, target.div_euclid(PAGE_SIZE as i64)))
    }
}

/// Loops can be entered at their headers, too: the interpreter comes to them after something
/// unusual.
fn loop_headers(unit: &mut Unit) {
    fn collect(items: &[Item], headers: &mut Vec<usize>) {
        for item in items {
            if let Item::Loop(inner) = item {
                headers.push(inner.header);
                collect(&inner.items, headers);
            }
        }
    }
    let mut headers = Vec::new();
    collect(&Regions::new(unit).items, &mut headers);
    for header in headers {
        if !unit.entries.contains(&header) {
            unit.entries.push(header);
        }
    }
    let mut seen = BTreeSet::new();
    unit.entries.retain(|entry| seen.insert(*entry));
}
