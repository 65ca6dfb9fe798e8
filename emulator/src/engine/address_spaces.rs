//! Cached translations of several address spaces: those of the one in force, and those of others
//! that were in force before, until it is their turn again.
//!
//! An address space is known by a number of 64 bits, all of what names it to the hardware (RISC-V's
//! `satp`: its page table as well as its identifier). So nothing is ever taken for another's, also
//! where software uses no identifiers.

use super::tlb::{FetchEntry, LargePages, Privilege, Tlb, empty_fetch_table, fetch_index};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::swap;

/// Address spaces whose translations are kept beside those in force: 448 KiB each, six tables
/// of the TLB and one of fetches.
const MAX_CACHED: usize = 7;

/// The translations of an address space that is not in force.
struct CachedSpace<Op> {
    id: u64,
    tlb: Tlb,
    large_pages: LargePages,
    fetch: Box<[FetchEntry<Op>]>,
    /// Nothing is cached.
    empty: bool,
}

impl<Op> CachedSpace<Op> {
    fn new() -> Self {
        Self {
            id: 0,
            tlb: Tlb::new(),
            large_pages: LargePages::default(),
            fetch: empty_fetch_table(),
            empty: true,
        }
    }

    fn translations(&mut self) -> Translations<'_, Op> {
        Translations {
            tlb: &mut self.tlb,
            large_pages: &mut self.large_pages,
            fetch: &mut self.fetch,
        }
    }
}

/// Who a write translation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Its address space.
    pub space: u64,
    /// What it may do.
    pub privilege: Privilege,
    /// Virtual address of the page.
    pub address: u64,
}

/// One address space's.
pub struct Translations<'a, Op> {
    tlb: &'a mut Tlb,
    large_pages: &'a mut LargePages,
    fetch: &'a mut [FetchEntry<Op>],
}

impl<Op> Translations<'_, Op> {
    /// Forgets all.
    pub fn flush(self) {
        self.tlb.flush();
        self.large_pages.clear();
        self.flush_fetches();
    }

    /// Forgets what came from the page table entry that maps an address: one page, or a larger
    /// range.
    pub fn flush_page(self, address: u64) {
        self.tlb.flush_page(address);
        self.fetch[fetch_index(address)] = FetchEntry::EMPTY;
        while let Some((start, span)) = self.large_pages.take(address) {
            self.tlb.flush_range(start, span);
            let inside = |entry: &&mut FetchEntry<Op>| entry.tag.wrapping_sub(start) < span;
            self.fetch.iter_mut().filter(inside).for_each(|entry| *entry = FetchEntry::EMPTY);
        }
    }

    /// Forgets where code is.
    pub fn flush_fetches(self) {
        self.fetch.fill(FetchEntry::EMPTY);
    }

    /// Forgets what translated code a window page had.
    pub fn forget_code_page(self, window_page: u32) {
        let entries = self.fetch.iter_mut().filter(|entry| entry.window_page == window_page);
        entries.for_each(|entry| entry.code_tag = entry.tag);
    }

    /// Makes stores to a window page take the slow path: all of them, or those by one writer.
    pub fn protect(self, window_page: u32, writer: Option<Writer>) {
        match writer {
            Some(writer) => self.tlb.protect_at((writer.privilege, writer.address), window_page),
            None => self.tlb.protect(window_page),
        }
    }
}

/// All that is cached, but for the fetch table of the address space in force: the interpreter has
/// it at hand, and lends it.
pub struct AddressSpaces<Op> {
    /// Data translations of the address space in force.
    pub tlb: Tlb,
    /// Its larger ranges.
    pub large_pages: LargePages,
    /// The others, the longest unused first.
    cached: Vec<CachedSpace<Op>>,
}

impl<Op> AddressSpaces<Op> {
    /// Nothing cached.
    pub fn new() -> Self {
        Self { tlb: Tlb::new(), large_pages: LargePages::default(), cached: Vec::new() }
    }

    /// Takes up the translations of the address space `new`, and keeps those of `old`.
    pub fn switch(&mut self, old: u64, new: u64, fetch: &mut Box<[FetchEntry<Op>]>) {
        let known = self.cached.iter().position(|space| space.id == new);
        let mut space = match known {
            Some(index) => self.cached.remove(index),
            None if self.cached.len() < MAX_CACHED => CachedSpace::new(),
            None => {
                let mut oldest = self.cached.remove(0);
                oldest.translations().flush();
                oldest
            }
        };
        swap(&mut self.tlb, &mut space.tlb);
        swap(&mut self.large_pages, &mut space.large_pages);
        swap(fetch, &mut space.fetch);
        (space.id, space.empty) = (old, false);
        self.cached.push(space);
    }

    /// Those of the address spaces that are meant; `current` is in force.
    pub fn translations<'a>(
        &'a mut self,
        current: u64,
        fetch: &'a mut [FetchEntry<Op>],
        meant: &'a dyn Fn(u64) -> bool,
    ) -> impl Iterator<Item = Translations<'a, Op>> {
        let in_force = meant(current);
        let current =
            Translations { tlb: &mut self.tlb, large_pages: &mut self.large_pages, fetch };
        let cached = self.cached.iter_mut().filter(move |space| !space.empty && meant(space.id));
        in_force.then_some(current).into_iter().chain(cached.map(CachedSpace::translations))
    }

    /// Forgets those of the address spaces that are meant; `current` is in force.
    pub fn flush(
        &mut self,
        current: u64,
        fetch: &mut [FetchEntry<Op>],
        meant: &dyn Fn(u64) -> bool,
    ) {
        self.translations(current, fetch, meant).for_each(Translations::flush);
        for space in &mut self.cached {
            space.empty |= meant(space.id);
        }
    }
}
