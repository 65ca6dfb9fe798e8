//! The code of a profile: its pages by their contents, and how they were executed.

use super::profile::Profile;
use super::region::MAX_INSTRUCTIONS;
use crate::guest::{Flow, Guest};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use c2w_emulator::engine::code_index;
use core::cmp::Reverse;
use core::marker::PhantomData;

/// Code that is executed less often is not worth its bytes, whatever the budget.
const RARE: u64 = 16;

/// What limits regions besides the budget. Tests want others than those by default.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The least number of executions that an instruction needs.
    pub executions: u64,
    /// The most instructions in a region.
    pub instructions: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { executions: RARE, instructions: MAX_INSTRUCTIONS }
    }
}

/// Where an instruction is, wherever its page is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodeLocation {
    /// Number of the code page, from 0.
    pub page: usize,
    /// Bytes from the page's start.
    pub offset: u16,
}

/// The bytes of a page of guest code and how they were executed.
pub struct CodePage {
    /// The hash of its bytes.
    pub(super) hash: u64,
    /// Whether it is code that runs with the user's privilege.
    pub user: bool,
    bytes: Vec<u8>,
    /// Executions of the instruction at each slot.
    counts: Vec<u64>,
    /// Executions on the slow path, by offset.
    slow: BTreeMap<u16, u64>,
    /// Pages that were seen at a distance in pages, and how often.
    neighbours: BTreeMap<i64, BTreeMap<usize, u64>>,
    /// Targets of indirect jumps: from an offset, to a distance in pages and an offset.
    pub jumps: BTreeMap<u16, BTreeSet<(i64, u16)>>,
}

/// Everything that was executed.
pub struct ProfiledCode<G> {
    pub(super) pages: Vec<CodePage>,
    /// Where calls, interrupts and returns from interrupts lead to.
    pub(super) starts: BTreeMap<CodeLocation, u64>,
    /// Where calls lead to: functions.
    pub(super) functions: BTreeSet<CodeLocation>,
    pub(super) bounds: Bounds,
    guest: PhantomData<G>,
}

impl<G: Guest> ProfiledCode<G> {
    /// Reads the code of a profile; `page` gives the bytes of a page at a guest-physical address.
    pub fn new<'a>(profile: &Profile<G>, page: impl Fn(u64) -> Option<&'a [u8]>) -> Self {
        let mut code = Self {
            pages: Vec::new(),
            starts: BTreeMap::new(),
            functions: BTreeSet::new(),
            bounds: Bounds::default(),
            guest: PhantomData,
        };
        let page_of = code.read_pages(profile, page);
        for (profiled, page) in profile.pages.iter().zip(&page_of) {
            let Some(page) = *page else { continue };
            for (count, &more) in code.pages[page].counts.iter_mut().zip(&profiled.counts) {
                *count += u64::from(more);
            }
            for (&offset, &count) in &profiled.slow {
                *code.pages[page].slow.entry(offset).or_default() += u64::from(count);
            }
            for (&offset, &count) in &profiled.arrivals {
                let start = CodeLocation { page, offset };
                *code.starts.entry(start).or_default() += u64::from(count);
            }
            for (edge, &count) in &profiled.edges {
                if let Some(to) = page_of[edge.page as usize] {
                    let from = CodeLocation { page, offset: edge.from };
                    let to = CodeLocation { page: to, offset: edge.to };
                    code.add_edge(from, to, edge.distance, count.into());
                }
            }
        }
        code
    }

    /// Reads the pages of a profile, each content once; gives the number of each, if it is
    /// available.
    fn read_pages<'a>(
        &mut self,
        profile: &Profile<G>,
        page: impl Fn(u64) -> Option<&'a [u8]>,
    ) -> Vec<Option<usize>> {
        let mut known: BTreeMap<u64, usize> = BTreeMap::new();
        let read = |profiled: &super::profile::PageProfile| {
            let bytes = page(profiled.physical).filter(|bytes| bytes.len() == PAGE_SIZE)?;
            let hash = code_index::page_hash(bytes);
            let number = *known.entry(hash).or_insert(self.pages.len());
            if number == self.pages.len() {
                self.pages.push(CodePage::new::<G>(hash, profiled.user, bytes));
            }
            // Code that both privileges execute belongs to the first one.
            Some(number).filter(|_| self.pages[number].user == profiled.user)
        };
        profile.pages.iter().map(read).collect()
    }

    fn add_edge(&mut self, from: CodeLocation, to: CodeLocation, distance: i64, count: u64) {
        let page = &mut self.pages[from.page];
        if distance != 0 {
            let seen = page.neighbours.entry(distance).or_default();
            *seen.entry(to.page).or_default() += count;
        }
        let Some(insn) = page.insn::<G>(from.offset, None) else { return };
        match G::flow(&insn) {
            Flow::Call(_) | Flow::IndirectCall => {
                *self.starts.entry(to).or_default() += count;
                self.functions.insert(to);
            }
            Flow::IndirectJump => {
                page.jumps.entry(from.offset).or_default().insert((distance, to.offset));
            }
            _ => {}
        }
    }

    /// The same code, for regions with other bounds.
    pub fn bounded(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// The least number of executions that an instruction needs to be among the `budget` hottest.
    pub(super) fn threshold(&self, budget: usize) -> u64 {
        let least = self.bounds.executions;
        let counts = self.pages.iter().flat_map(|page| page.counts.iter().copied());
        let mut counts: Vec<u64> = counts.filter(|count| *count >= least).collect();
        counts.sort_unstable_by_key(|count| Reverse(*count));
        counts.get(budget).map_or(least, |count| count + 1)
    }

    /// All locations that were executed `least` times or more, with their counts.
    pub(super) fn hot(&self, least: u64) -> impl Iterator<Item = (u64, CodeLocation)> {
        self.pages.iter().enumerate().flat_map(move |(number, page)| {
            let counts = page.counts.iter().zip(0_u16..).filter(move |(count, _)| **count >= least);
            counts.map(move |(&count, slot)| {
                (count, CodeLocation { page: number, offset: slot << G::CODE_SHIFT })
            })
        })
    }

    /// Whether the interpreter's fast path often cannot execute an instruction that it knows:
    /// mostly, because its access lies on two pages.
    pub(super) fn is_slow(&self, location: CodeLocation) -> bool {
        let slow = self.slow(location);
        slow > self.bounds.executions && slow > self.count(location) / 50
    }

    /// Executions of an instruction on the slow path.
    pub(super) fn slow(&self, location: CodeLocation) -> u64 {
        self.pages[location.page].slow.get(&location.offset).copied().unwrap_or_default()
    }

    /// Executions of an instruction.
    pub(super) fn count(&self, location: CodeLocation) -> u64 {
        self.pages[location.page].counts[usize::from(location.offset >> G::CODE_SHIFT)]
    }
}

impl CodePage {
    fn new<G: Guest>(hash: u64, user: bool, bytes: &[u8]) -> Self {
        Self {
            hash,
            user,
            bytes: bytes.to_vec(),
            counts: vec![0; G::SLOTS],
            slow: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            jumps: BTreeMap::new(),
        }
    }

    /// Whether the page behind is needed to decode the instruction at an offset.
    pub fn straddles<G: Guest>(&self, offset: u16) -> bool {
        let code = &self.bytes[usize::from(offset)..];
        let is_whole = |length| length <= code.len();
        code.len() < G::MAX_LENGTH && !G::length_at(code).is_some_and(is_whole)
    }

    /// The instruction at an offset, whose last bytes may be in the page that follows.
    pub fn insn<G: Guest>(&self, offset: u16, following: Option<&Self>) -> Option<G::Insn> {
        let code = &self.bytes[usize::from(offset)..];
        if !self.straddles::<G>(offset) {
            return G::decode(code);
        }
        let behind = &following?.bytes[..G::MAX_LENGTH];
        G::decode(&[code, behind].concat())
    }

    /// The page that most often lay at a distance in pages.
    pub fn neighbour(&self, distance: i64) -> Option<usize> {
        let seen = self.neighbours.get(&distance)?;
        seen.iter().max_by_key(|(page, count)| (**count, Reverse(**page))).map(|(&page, _)| page)
    }
}
