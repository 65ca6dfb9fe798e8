//! What a guest executed, counted while the interpreter runs it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use c2w_emulator::engine::observe::{Block, Observer};
use core::cell::RefCell;

/// Halfwords of a page.
pub const SLOTS: usize = PAGE_SIZE / 2;

/// How often the code of a page was executed, in one mode.
#[derive(Clone, Debug)]
pub struct PageProfile {
    /// Guest-physical address of the page.
    pub physical: u64,
    /// Whether it was U-mode.
    pub user: bool,
    /// Executions of the instruction that starts at each halfword.
    pub counts: Box<[u32]>,
    /// How often the slow path has executed the instruction at a halfword.
    pub slow: BTreeMap<u16, u32>,
    /// Where control went from the page, other than to the next instruction in it.
    pub edges: BTreeMap<Edge, u32>,
    /// Where control came to from nowhere: after traps, and back from them.
    pub arrivals: BTreeMap<u16, u32>,
}

/// Control that went from one instruction to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Halfword of the instruction that it left.
    pub from: u16,
    /// Halfword of the instruction that it came to.
    pub to: u16,
    /// Pages from the one to the other, in virtual addresses.
    pub distance: i64,
    /// The page that it came to, by its place in the profile.
    pub page: u32,
}

/// A profile.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// All pages with code that was executed.
    pub pages: Vec<PageProfile>,
    index: BTreeMap<(u64, bool), u32>,
    last: Option<Last>,
    /// What came before the next block is unknown.
    gap: bool,
    /// How many blocks one that is reported stands for, less one.
    more: u32,
}

/// The block that was executed last.
#[derive(Clone, Copy, Debug)]
struct Last {
    page: u32,
    /// Halfword of its last instruction, and that instruction's page.
    from: u16,
    pc: u64,
    next: u64,
    user: bool,
}

impl Profile {
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
                counts: vec![0; SLOTS].into_boxed_slice(),
                slow: BTreeMap::new(),
                edges: BTreeMap::new(),
                arrivals: BTreeMap::new(),
            });
            pages.len() as u32 - 1
        })
    }

    fn arrive(&mut self, page: u32, block: &Block<'_>) {
        if core::mem::take(&mut self.gap) {
            return;
        }
        let (to, weight) = (slot(block.pc), self.more + 1);
        let from = self.last.filter(|last| last.next == block.pc && last.user == block.user);
        let Some(last) = from else {
            *self.pages[page as usize].arrivals.entry(to).or_default() += weight;
            return;
        };
        let distance = (block.pc >> 12).wrapping_sub(last.pc >> 12) as i64;
        let edge = Edge { from: last.from, to, distance, page };
        *self.pages[last.page as usize].edges.entry(edge).or_default() += weight;
    }
}

fn slot(address: u64) -> u16 {
    (address as usize & (PAGE_SIZE - 1)) as u16 / 2
}

impl Observer for Profile {
    fn block(&mut self, block: &Block<'_>) {
        let weight = self.more + 1;
        let page = self.page(block.physical & !(PAGE_SIZE as u64 - 1), block.user);
        self.arrive(page, block);
        if block.slow {
            *self.pages[page as usize].slow.entry(slot(block.pc)).or_default() += weight;
        }
        let counts = &mut self.pages[page as usize].counts;
        let start = usize::from(slot(block.pc));
        let (mut at, mut from) = (0, start);
        while let Some(&low) = block.code.get(at) {
            from = start + at / 2;
            if let Some(count) = counts.get_mut(from) {
                *count = count.saturating_add(weight);
            }
            at += if low & 3 == 3 { 4 } else { 2 };
        }
        let from = from.min(SLOTS - 1) as u16;
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
pub struct Shared(pub Rc<RefCell<Profile>>);

impl Observer for Shared {
    fn block(&mut self, block: &Block<'_>) {
        self.0.borrow_mut().block(block);
    }

    fn gap(&mut self, weight: u32) {
        self.0.borrow_mut().gap(weight);
    }

    fn trap(&mut self, pc: u64, cause: u64, value: u64) {
        self.0.borrow_mut().trap(pc, cause, value);
    }
}
