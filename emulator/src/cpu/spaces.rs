//! Cached translations of several address spaces: those of the one in force, and those of others
//! that were in force before, until it is their turn again.
//!
//! An address space is known by the whole of `satp`: its page table as well as its identifier. So
//! nothing is ever taken for another's, also where software uses no identifiers.

use super::csr::satp;
use super::hart::Hart;
use super::hot::Hot;
use super::tlb::{FetchEntry, LargePages, Tlb, empty_fetch_table};
use alloc::boxed::Box;
use core::mem::swap;

/// Address spaces whose translations are kept beside those in force: 0.2 MiB each.
const MAX_PARKED: usize = 7;

/// The translations of an address space that is not in force.
pub struct Parked {
    satp: u64,
    tlb: Tlb,
    large_pages: LargePages,
    fetch: Box<[FetchEntry]>,
    /// Nothing is cached.
    empty: bool,
}

impl Parked {
    fn new() -> Self {
        Self {
            satp: 0,
            tlb: Tlb::new(),
            large_pages: LargePages::default(),
            fetch: empty_fetch_table(),
            empty: true,
        }
    }

    fn translations(&mut self) -> Translations<'_> {
        Translations {
            tlb: &mut self.tlb,
            large_pages: &mut self.large_pages,
            fetch: &mut self.fetch,
        }
    }
}

/// One address space's.
struct Translations<'a> {
    tlb: &'a mut Tlb,
    large_pages: &'a mut LargePages,
    fetch: &'a mut [FetchEntry],
}

impl Translations<'_> {
    fn flush(self) {
        self.tlb.flush();
        self.large_pages.clear();
        self.fetch.fill(FetchEntry::EMPTY);
    }

    /// Forgets what came from the page table entry that maps an address: one page, or a larger
    /// range.
    fn flush_page(self, address: u64) {
        self.tlb.flush_page(address);
        self.fetch[Hot::fetch_index(address)] = FetchEntry::EMPTY;
        while let Some((start, span)) = self.large_pages.take(address) {
            self.tlb.flush_range(start, span);
            let inside = |entry: &&mut FetchEntry| entry.tag.wrapping_sub(start) < span;
            self.fetch.iter_mut().filter(inside).for_each(|entry| *entry = FetchEntry::EMPTY);
        }
    }
}

impl Hart {
    /// Takes up the translations of the address space that `satp` names now, and keeps those of
    /// `old`.
    pub(super) fn switch_translations(&mut self, old: u64) {
        self.disturbances += 1;
        let known = self.parked.iter().position(|space| space.satp == self.hot.csrs.satp);
        let mut space = match known {
            Some(place) => self.parked.remove(place),
            None if self.parked.len() < MAX_PARKED => Parked::new(),
            None => {
                let mut oldest = self.parked.remove(0);
                oldest.translations().flush();
                oldest
            }
        };
        swap(&mut self.tlb, &mut space.tlb);
        swap(&mut self.large_pages, &mut space.large_pages);
        swap(&mut self.hot.fetch, &mut space.fetch);
        (space.satp, space.empty) = (old, false);
        self.parked.push(space);
        self.sync();
    }

    /// Those of the spaces with an identifier, or of all.
    fn translations(&mut self, asid: Option<u64>) -> impl Iterator<Item = Translations<'_>> {
        let meant = move |satp: u64| asid.is_none_or(|asid| satp::asid(satp) == asid);
        let in_force = meant(self.hot.csrs.satp);
        let current = Translations {
            tlb: &mut self.tlb,
            large_pages: &mut self.large_pages,
            fetch: &mut self.hot.fetch,
        };
        let parked = self.parked.iter_mut().filter(move |space| !space.empty && meant(space.satp));
        in_force.then_some(current).into_iter().chain(parked.map(Parked::translations))
    }

    /// Forgets all translations, those of one identifier if there is one.
    pub(super) fn flush_translations(&mut self, asid: Option<u64>) {
        self.disturbances += 1;
        self.translations(asid).for_each(Translations::flush);
        for space in &mut self.parked {
            space.empty |= asid.is_none_or(|asid| satp::asid(space.satp) == asid);
        }
    }

    /// Forgets the translation of an address, in the spaces of one identifier if there is one.
    pub(super) fn flush_page(&mut self, address: u64, asid: Option<u64>) {
        self.disturbances += 1;
        self.translations(asid).for_each(|translations| translations.flush_page(address));
    }

    /// Forgets where code is.
    pub(super) fn flush_fetches(&mut self) {
        self.disturbances += 1;
        self.translations(None).for_each(|space| space.fetch.fill(FetchEntry::EMPTY));
    }

    /// Forgets what translated code the content of a window page had.
    pub(super) fn forget_content(&mut self, window_page: u32) {
        self.disturbances += 1;
        self.translations(None).for_each(|space| {
            let entries = space.fetch.iter_mut().filter(|entry| entry.window_page == window_page);
            entries.for_each(|entry| entry.key = entry.tag);
        });
    }

    /// Makes stores to a window page take the slow path.
    pub(super) fn protect(&mut self, window_page: u32) {
        self.translations(None).for_each(|space| space.tlb.protect(window_page));
    }
}
