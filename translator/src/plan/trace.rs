//! From a place in hot code to a unit: what is reached from there without a call.

use crate::emit::builder::DONE_BITS;
use crate::emit::region::is_known;
use crate::plan::profile::SLOTS;
use crate::plan::region::{Block, Flow, Unit, flow};
use crate::plan::select::{Code, MAX_PAGES, Place};
use crate::plan::structure::{Item, Regions};
use crate::riscv::vector::find_types;
use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap};
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use c2w_emulator::cpu::isa::Insn;
use core::cmp::Reverse;

/// The most instructions in a unit: engines take longer than in proportion for large functions.
pub const MAX_UNIT: usize = 3000;
/// The most pages from a unit's start to its other code: offsets have 20 bits.
const FARTHEST: i64 = 100;
/// The most instructions in a block.
const MAX_BLOCK: usize = 500;
const _: () = assert!(MAX_BLOCK < 1 << DONE_BITS);

/// A unit, and what its last instructions lead to elsewhere: for blocks by number, the place and its
/// distance in pages from the unit's first page.
pub struct Draft {
    /// The unit, without its pages.
    pub unit: Unit,
    /// Pages by distance from the first, content numbers from 0.
    pub pages: BTreeMap<i64, usize>,
    /// Block, place and distance.
    pub others: Vec<(usize, Place, i64)>,
}

impl Draft {
    /// Pages from the unit's first one to the one that it starts in.
    pub fn start_page(&self) -> i64 {
        let start = self.unit.entries.first().map_or(0, |&block| self.unit.blocks[block].offset);
        i64::from(start) / PAGE_SIZE as i64
    }
}

/// The hot code that is reached from a place without a call. Addresses are bytes from the start of
/// the place's page.
pub struct Trace<'a> {
    code: &'a Code,
    hot: u64,
    pages: BTreeMap<i64, usize>,
    /// The instructions by their addresses.
    pub insns: BTreeMap<i64, Insn>,
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
    /// Begins at a place, for instructions that are executed `hot` times or more.
    pub fn new(code: &'a Code, hot: u64, (content, slot): Place) -> Self {
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
    pub fn place(&self, at: i64) -> Option<Place> {
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

    /// Follows everything.
    pub fn follow(&mut self) {
        while let Some((_, Reverse(at))) = self.ahead.pop() {
            self.follow_from(at);
        }
    }

    /// Follows instructions up to one that transfers control.
    fn follow_from(&mut self, mut at: i64) {
        while !self.insns.contains_key(&at) && self.insns.len() < self.code.bounds.instructions {
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
                Flow::Call | Flow::IndirectCall | Flow::SystemCall => {
                    if self.lead(at, next) {
                        self.entered.insert(next);
                    }
                    return;
                }
                Flow::IndirectJump => return self.follow_jump(at, place),
                Flow::Return => return,
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
    pub fn draft(&mut self, start: Place) -> Option<Draft> {
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
        find_types(&mut unit);
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
        let missed = |at| self.place(at).is_some_and(|place| self.code.slow(place) > 0);
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
            misses: self.insns.range(at..=last).any(|(&at, _)| missed(at)),
            vtype: None,
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
    collect(&Regions::new(unit).items, &mut unit.entries);
    let mut seen = BTreeSet::new();
    unit.entries.retain(|entry| seen.insert(*entry));
}
