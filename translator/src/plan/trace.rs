//! From a location in hot code to a region: what is reached from there without a call.

use super::assumption::find_assumptions;
use super::code::{CodeLocation, ProfiledCode};
use super::region::{Block, MAX_BLOCK, MAX_DISTANCE, MAX_PAGES, Region};
use super::structure::{Item, Structure};
use crate::guest::{Flow, Guest};
use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap};
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use core::cmp::Reverse;

const PAGE: i64 = PAGE_SIZE as i64;
/// Bytes from a region's start to where its indirect jumps may lead.
const MAX_JUMP: i64 = 1 << 17;

/// A region, and what its last instructions lead to elsewhere.
pub struct RegionDraft<G: Guest> {
    /// The region, without its pages.
    pub region: Region<G>,
    /// Code pages by distance from the first, numbered from 0.
    pub pages: BTreeMap<i64, usize>,
    /// For blocks by number, where a call or jump out of the region leads to, and its distance in
    /// pages from the region's first page.
    pub callees: Vec<(usize, CodeLocation, i64)>,
}

impl<G: Guest> RegionDraft<G> {
    /// Pages from the region's first one to the one that it starts in.
    pub fn start_page(&self) -> i64 {
        let entry = self.region.entries.first();
        let start = entry.map_or(0, |&block| self.region.blocks[block].offset);
        i64::from(start) / PAGE
    }
}

/// Follows the hot code that is reached from a location without a call. Addresses are bytes from
/// the start of the location's page.
pub struct Tracer<'a, G: Guest> {
    code: &'a ProfiledCode<G>,
    hot: u64,
    pages: BTreeMap<i64, usize>,
    /// The instructions by their addresses.
    pub insns: BTreeMap<i64, G::Insn>,
    leaders: BTreeSet<i64>,
    /// Leaders at which control may come from outside.
    entered: BTreeSet<i64>,
    /// Where indirect jumps lead.
    indirect: BTreeMap<i64, Vec<i64>>,
    /// To be followed: the hottest first.
    queue: BinaryHeap<(u64, Reverse<i64>)>,
    start: i64,
}

impl<'a, G: Guest> Tracer<'a, G> {
    /// Begins at a location, for instructions that are executed `hot` times or more.
    pub fn new(code: &'a ProfiledCode<G>, hot: u64, location: CodeLocation) -> Self {
        let start = i64::from(location.offset);
        let mut tracer = Self {
            code,
            hot,
            pages: [(0, location.page)].into(),
            insns: BTreeMap::new(),
            leaders: BTreeSet::new(),
            entered: BTreeSet::new(),
            indirect: BTreeMap::new(),
            queue: BinaryHeap::new(),
            start,
        };
        tracer.lead(0, start);
        tracer
    }

    /// The location of an address, if its page is part of the region.
    pub fn location(&self, at: i64) -> Option<CodeLocation> {
        let page = *self.pages.get(&at.div_euclid(PAGE))?;
        Some(CodeLocation { page, offset: at.rem_euclid(PAGE) as u16 })
    }

    /// The location of an address that control comes to from another; its page becomes part of the
    /// region if `joins`.
    fn reach(&mut self, from: i64, at: i64, joins: bool) -> Option<CodeLocation> {
        let [from_page, to_page] = [from, at].map(|address| address.div_euclid(PAGE));
        if !self.pages.contains_key(&to_page) {
            let origin = *self.pages.get(&from_page)?;
            let page = self.code.pages[origin].neighbour(to_page - from_page)?;
            if self.code.pages[page].user != self.code.pages[origin].user {
                return None;
            }
            if !joins {
                return Some(CodeLocation { page, offset: at.rem_euclid(PAGE) as u16 });
            }
            if self.pages.len() >= MAX_PAGES || to_page.abs() > MAX_DISTANCE {
                return None;
            }
            self.pages.insert(to_page, page);
        }
        self.location(at)
    }

    fn is_hot(&self, location: CodeLocation) -> bool {
        self.code.count(location) >= self.hot
    }

    /// Has a hot address followed that control comes to from another. Returns whether it is part of
    /// the region.
    fn lead(&mut self, from: i64, at: i64) -> bool {
        let hot = self.reach(from, at, false).filter(|&location| self.is_hot(location));
        let Some(location) = hot.and_then(|_| self.reach(from, at, true)) else { return false };
        if self.leaders.insert(at) {
            self.queue.push((self.code.count(location), Reverse(at)));
        }
        true
    }

    /// The same for an address that control may come to from outside, too.
    fn lead_back(&mut self, from: i64, at: i64) {
        if self.lead(from, at) {
            self.entered.insert(at);
        }
    }

    /// Follows everything.
    pub fn follow(&mut self) {
        while let Some((_, Reverse(at))) = self.queue.pop() {
            self.follow_from(at);
        }
    }

    /// Follows instructions up to one that transfers control.
    fn follow_from(&mut self, mut at: i64) {
        while !self.insns.contains_key(&at) && self.insns.len() < self.code.bounds.instructions {
            let reached = self.reach(at, at, true);
            let Some(location) = reached.filter(|&location| self.is_hot(location)) else { return };
            let Some(insn) = self.insn(at, location) else { return };
            let next = at + i64::from(G::length(&insn));
            if !G::can_translate(&insn, self.code.pages[location.page].user) {
                // The interpreter executes it, and control comes back behind it.
                return self.lead_back(at, next);
            }
            self.insns.insert(at, insn);
            if G::flow(&insn) != Flow::Next {
                return self.follow_transfer(at, next, location, G::flow(&insn));
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

    /// Has followed what the instruction at an address transfers control to.
    fn follow_transfer(&mut self, at: i64, next: i64, location: CodeLocation, flow: Flow) {
        match flow {
            Flow::Branch(distance) => {
                self.lead(at, at + distance);
                self.lead(at, next);
            }
            Flow::Jump(distance) => {
                let target = at + distance;
                let reached = self.reach(at, target, false);
                let is_function =
                    reached.is_some_and(|location| self.code.functions.contains(&location));
                if !is_function || target == self.start {
                    self.lead(at, target);
                }
            }
            Flow::Call(_) | Flow::IndirectCall | Flow::SystemCall => self.lead_back(at, next),
            Flow::IndirectJump => self.follow_jump(at, location),
            Flow::Next | Flow::Return => {}
        }
    }

    /// An indirect jump: to other functions, or to parts of this one.
    fn follow_jump(&mut self, at: i64, location: CodeLocation) {
        let code = self.code;
        let Some(jumps) = code.pages[location.page].jumps.get(&location.offset) else { return };
        for &(distance, to) in jumps {
            let page = at.div_euclid(PAGE) + distance;
            let target = page * PAGE + i64::from(to);
            let is_near = (target - self.start).abs() < MAX_JUMP;
            let reached = self.reach(at, target, false);
            let is_function =
                reached.is_none_or(|location| self.code.functions.contains(&location));
            if is_near && !is_function && self.lead(at, target) {
                self.entered.insert(target);
                self.indirect.entry(at).or_default().push(target);
            }
        }
    }

    fn insn(&mut self, at: i64, location: CodeLocation) -> Option<G::Insn> {
        let code = self.code;
        let page = &code.pages[location.page];
        let following = match page.straddles::<G>(location.offset) {
            true => {
                let behind = (at.div_euclid(PAGE) + 1) * PAGE;
                Some(self.reach(at, behind, true)?.page)
            }
            false => None,
        };
        page.insn::<G>(location.offset, following.map(|number| &code.pages[number]))
    }

    /// The region of what was followed.
    pub fn draft(&mut self, start: CodeLocation) -> Option<RegionDraft<G>> {
        if !self.insns.contains_key(&self.start) {
            return None;
        }
        let used: BTreeSet<i64> = self
            .insns
            .iter()
            .flat_map(|(&at, insn)| [at, at + i64::from(G::length(insn)) - 1])
            .map(|at| at.div_euclid(PAGE))
            .collect();
        let first = *used.first()?;
        let base = first * PAGE;
        let spans: Vec<(i64, i64)> = self.spans();
        let numbers: BTreeMap<i64, usize> =
            spans.iter().zip(0..).map(|(&(at, _), number)| (at, number)).collect();
        let mut region = Region { user: self.code.pages[start.page].user, ..Region::default() };
        let mut callees = Vec::new();
        for (block, &(at, last)) in spans.iter().enumerate() {
            region.blocks.push(self.block(at, last, base, &numbers));
            if let Some((to, distance)) = self.callee(last, &numbers) {
                callees.push((block, to, distance - first));
            }
        }
        region.entries = vec![numbers[&self.start]];
        region.entries.extend(self.entered.iter().filter_map(|at| numbers.get(at)).copied());
        enter_loops(&mut region);
        find_assumptions(&mut region);
        let pages = used.iter().map(|page| (page - first, self.pages[page])).collect();
        Some(RegionDraft { region, pages, callees })
    }

    /// First and last instruction of each block.
    fn spans(&self) -> Vec<(i64, i64)> {
        let mut spans: Vec<(i64, i64)> = Vec::new();
        let (mut expected, mut length) = (None, 0);
        for (&at, insn) in &self.insns {
            let continues =
                expected == Some(at) && !self.leaders.contains(&at) && length < MAX_BLOCK;
            match spans.last_mut() {
                Some(span) if continues => (span.1, length) = (at, length + 1),
                _ => {
                    spans.push((at, at));
                    length = 1;
                }
            }
            let ends = G::flow(insn) != Flow::Next;
            expected = (!ends).then_some(at + i64::from(G::length(insn)));
        }
        spans
    }

    fn block(&self, at: i64, last: i64, base: i64, numbers: &BTreeMap<i64, usize>) -> Block<G> {
        let insns: Vec<G::Insn> = self.insns.range(at..=last).map(|(_, &insn)| insn).collect();
        let is_slow =
            |at: &i64| self.location(*at).is_some_and(|location| self.code.is_slow(location));
        let was_slow = |at| self.location(at).is_some_and(|location| self.code.slow(location) > 0);
        let indexed = self.insns.range(at..=last).zip(0..);
        let unshared = indexed.filter(|((at, _), _)| is_slow(at)).map(|(_, index)| index);
        let insn = self.insns[&last];
        let next = numbers.get(&(last + i64::from(G::length(&insn)))).copied();
        let taken = match G::flow(&insn) {
            Flow::Branch(distance) | Flow::Jump(distance) => numbers.get(&(last + distance)),
            _ => None,
        };
        let indirect = self.indirect.get(&last).into_iter().flatten();
        Block {
            offset: (at - base) as u32,
            insns,
            unshared: unshared.collect(),
            seen_tlb_miss: self.insns.range(at..=last).any(|(&at, _)| was_slow(at)),
            assumption: None,
            count: self.location(at).map_or(0, |location| self.code.count(location)),
            next,
            taken: taken.copied(),
            indirect: indirect.filter_map(|at| numbers.get(at)).copied().collect(),
            callee: None,
        }
    }

    /// Where a direct jump or call leads to outside of the region, and its distance in pages.
    fn callee(&mut self, last: i64, numbers: &BTreeMap<i64, usize>) -> Option<(CodeLocation, i64)> {
        let target = match G::flow(&self.insns[&last]) {
            Flow::Call(distance) => last + distance,
            Flow::Jump(distance) if !numbers.contains_key(&(last + distance)) => last + distance,
            _ => return None,
        };
        let location = self.reach(last, target, false)?;
        Some((location, target.div_euclid(PAGE)))
    }
}

/// Has loops entered at their headers, too: control comes back to them when the interpreter has
/// done something unusual.
fn enter_loops<G: Guest>(region: &mut Region<G>) {
    fn collect(items: &[Item], headers: &mut Vec<usize>) {
        for item in items {
            if let Item::Loop(inner) = item {
                headers.push(inner.header);
                collect(&inner.items, headers);
            }
        }
    }
    collect(&Structure::new(region).items, &mut region.entries);
    let mut seen = BTreeSet::new();
    region.entries.retain(|entry| seen.insert(*entry));
}
