//! What a guest executed, counted while the interpreter runs it.

use crate::guest::Guest;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use c2w_emulator::engine::observe::{self, Observer};
use core::cell::RefCell;
use core::marker::PhantomData;

/// How often the code of a page was executed, with one privilege. Offsets are in bytes.
#[derive(Clone, Debug)]
pub struct PageProfile {
    /// Guest-physical address of the page.
    pub physical: u64,
    /// Whether it was the user's.
    pub user: bool,
    /// Executions of the instruction at each of the page's [`Guest::SLOTS`].
    pub counts: Box<[u32]>,
    /// How often the slow path has executed the instruction at an offset.
    pub slow: BTreeMap<u16, u32>,
    /// Where control went from the page, other than to the next instruction in it.
    pub edges: BTreeMap<Edge, u32>,
    /// Where control came to from outside of the program: after traps, and back from them.
    pub arrivals: BTreeMap<u16, u32>,
}

/// Control that went from one instruction to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Offset of the instruction that it left.
    pub from: u16,
    /// Offset of the instruction that it came to.
    pub to: u16,
    /// Pages from the one to the other, in virtual addresses.
    pub distance: i64,
    /// The page that it came to, by its index in the profile.
    pub page: u32,
}

/// A profile.
#[derive(Clone, Debug, Default)]
pub struct Profile<G> {
    /// All pages with code that was executed.
    pub pages: Vec<PageProfile>,
    index: BTreeMap<(u64, bool), u32>,
    last: Option<Last>,
    /// What came before the next block is unknown.
    gap: bool,
    /// How many blocks one that is reported stands for, less one.
    more: u32,
    guest: PhantomData<G>,
}

/// The block that was executed last.
#[derive(Clone, Copy, Debug)]
struct Last {
    page: u32,
    /// Offset of its last instruction.
    from: u16,
    pc: u64,
    next: u64,
    user: bool,
}

impl<G: Guest> Profile<G> {
    /// Forgets what was executed last: another run begins.
    pub fn interrupt(&mut self) {
        (self.last, self.more) = (None, 0);
    }

    /// All executions that were counted.
    pub fn total(&self) -> u64 {
        let counts = self.pages.iter().flat_map(|page| page.counts.iter());
        counts.map(|&count| u64::from(count)).sum()
    }

    fn page(&mut self, physical: u64, user: bool) -> u32 {
        if let Some(last) = &self.last {
            let page = &self.pages[last.page as usize];
            if page.physical == physical && page.user == user {
                return last.page;
            }
        }
        let pages = &mut self.pages;
        *self.index.entry((physical, user)).or_insert_with(|| {
            pages.push(PageProfile {
                physical,
                user,
                counts: vec![0; G::SLOTS].into_boxed_slice(),
                slow: BTreeMap::new(),
                edges: BTreeMap::new(),
                arrivals: BTreeMap::new(),
            });
            pages.len() as u32 - 1
        })
    }

    /// Counts how control came to a block.
    fn count_edge(&mut self, page: u32, block: &observe::Block<'_>) {
        if core::mem::take(&mut self.gap) {
            return;
        }
        let (to, weight) = (in_page(block.pc), self.more + 1);
        let from = self.last.filter(|last| last.next == block.pc && last.user == block.user);
        let Some(last) = from else {
            *self.pages[page as usize].arrivals.entry(to).or_default() += weight;
            return;
        };
        let [to_page, from_page] = [block.pc, last.pc].map(|pc| pc / PAGE_SIZE as u64);
        let distance = to_page.wrapping_sub(from_page) as i64;
        let edge = Edge { from: last.from, to, distance, page };
        *self.pages[last.page as usize].edges.entry(edge).or_default() += weight;
    }

    /// Counts the instructions of a block, and gives the offset of the last one.
    fn count_instructions(&mut self, page: u32, block: &observe::Block<'_>) -> u16 {
        let weight = self.more + 1;
        let counts = &mut self.pages[page as usize].counts;
        let start = usize::from(in_page(block.pc));
        let (mut at, mut last) = (0, start);
        while let Some(length) = block.code.get(at..).and_then(G::length_at) {
            last = start + at;
            if let Some(count) = counts.get_mut(last >> G::CODE_SHIFT) {
                *count = count.saturating_add(weight);
            }
            at += length;
        }
        last.min((G::SLOTS - 1) << G::CODE_SHIFT) as u16
    }
}

/// The offset of an address in its page.
fn in_page(address: u64) -> u16 {
    (address as usize & (PAGE_SIZE - 1)) as u16
}

impl<G: Guest> Observer for Profile<G> {
    fn block(&mut self, block: &observe::Block<'_>) {
        let page = self.page(block.physical & !(PAGE_SIZE as u64 - 1), block.user);
        self.count_edge(page, block);
        if block.slow {
            let slow = &mut self.pages[page as usize].slow;
            *slow.entry(in_page(block.pc)).or_default() += self.more + 1;
        }
        let from = self.count_instructions(page, block);
        self.last = Some(Last { page, from, pc: block.pc, next: block.next, user: block.user });
    }

    fn gap(&mut self, weight: u32) {
        (self.last, self.gap, self.more) = (None, true, weight - 1);
    }

    fn trap(&mut self, _: u64, _: u64, _: u64) {
        self.last = None;
    }
}

/// A profile that outlives the machine that fills it.
pub struct SharedProfile<G>(pub Rc<RefCell<Profile<G>>>);

impl<G: Guest> Observer for SharedProfile<G> {
    fn block(&mut self, block: &observe::Block<'_>) {
        self.0.borrow_mut().block(block);
    }

    fn gap(&mut self, weight: u32) {
        self.0.borrow_mut().gap(weight);
    }

    fn trap(&mut self, pc: u64, cause: u64, value: u64) {
        self.0.borrow_mut().trap(pc, cause, value);
    }
}
