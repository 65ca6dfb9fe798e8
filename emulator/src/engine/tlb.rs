//! The translation cache that the interpreter loop reads.
//!
//! Direct-mapped tables, by bits 23..12 of the virtual address. An entry has the address of its
//! page and what is added to a virtual address for the offset in the window, modulo 2^32. A TLB
//! probe is one comparison: `address ^ page` is the offset in the page if the entry is for this
//! page, and at least 4096 if it is for another one; an access of `size` bytes hits if it is at
//! most 4096 - `size`. An empty entry has the address of a page with another index, so that no
//! probe of this index hits it.
//!
//! There is a table for each (access, privilege) pair, so that no permission is checked on a
//! hit. A write entry exists only for pages that are dirty and from which no code is decoded.

use super::pointer::Wide;
use crate::memory::{PAGE_SHIFT, PAGE_SIZE};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

const INDEX_BITS: u32 = 12;
/// Entries of a table.
pub const ENTRIES: usize = 1 << INDEX_BITS;
/// A page's address without these bits.
const IN_PAGE: u64 = PAGE_SIZE as u64 - 1;
/// `address >> ENTRY_OFFSET_SHIFT & ENTRY_OFFSET_MASK` is the byte offset of an address's entry.
pub const ENTRY_OFFSET_SHIFT: u32 = PAGE_SHIFT - size_of::<TlbEntry>().trailing_zeros();
/// See [`ENTRY_OFFSET_SHIFT`].
pub const ENTRY_OFFSET_MASK: usize = (ENTRIES - 1) * size_of::<TlbEntry>();

/// A translation for loads or stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TlbEntry {
    /// Virtual address of the page.
    pub page: u64,
    /// From a virtual address to the offset in the window, modulo 2^32.
    pub distance: u32,
    _unused: u32,
}

impl TlbEntry {
    /// What is at a slot that is not in use.
    fn empty(slot: usize) -> Self {
        let page = 1 << 62 | ((slot ^ (ENTRIES / 2)) as u64) << PAGE_SHIFT;
        Self { page, distance: 0, _unused: 0 }
    }

    fn new(address: u64, window_page: u32) -> Self {
        let page = address & !IN_PAGE;
        let distance = (window_page << PAGE_SHIFT).wrapping_sub(page as u32);
        Self { page, distance, _unused: 0 }
    }

    fn window_page(self) -> u32 {
        (self.page as u32).wrapping_add(self.distance) >> PAGE_SHIFT
    }
}

/// Translations for one kind of access at one privilege.
pub struct Table {
    entries: Box<[TlbEntry]>,
    /// Slots in use, so that a flush costs no more than what it removes.
    filled: Vec<u16>,
}

fn index(address: u64) -> usize {
    (address >> PAGE_SHIFT) as usize & (ENTRIES - 1)
}

impl Table {
    fn new() -> Self {
        Self { entries: (0..ENTRIES).map(TlbEntry::empty).collect(), filled: Vec::new() }
    }

    /// Start of the entries, for the interpreter loop. Stays valid as long as the table.
    pub fn as_ptr(&self) -> *const TlbEntry {
        self.entries.as_ptr()
    }

    /// Maps the page of virtual `address` to a window page.
    pub fn fill(&mut self, address: u64, window_page: u32) {
        let slot = index(address);
        if self.entries[slot] == TlbEntry::empty(slot) {
            self.filled.push(slot as u16);
        }
        self.entries[slot] = TlbEntry::new(address, window_page);
    }

    /// The window page of virtual `address`, if it is here.
    pub fn lookup(&self, address: u64) -> Option<u32> {
        let entry = self.entries[index(address)];
        (entry.page == address & !IN_PAGE).then(|| entry.window_page())
    }

    fn flush(&mut self) {
        for slot in self.filled.drain(..) {
            self.entries[slot as usize] = TlbEntry::empty(slot.into());
        }
    }

    /// Forgets the page of virtual `address`, if it is here and is mapped to such a window page.
    fn remove_page(&mut self, address: u64, is_meant: impl Fn(u32) -> bool) {
        let slot = index(address);
        if self.lookup(address).is_some_and(is_meant) {
            self.entries[slot] = TlbEntry::empty(slot);
            // Mostly it is one of the last.
            if let Some(place) = self.filled.iter().rposition(|&filled| filled as usize == slot) {
                self.filled.swap_remove(place);
            }
        }
    }

    fn remove(&mut self, keep: impl Fn(TlbEntry) -> bool) {
        let entries = &mut self.entries;
        self.filled.retain(|&slot| {
            let entry = &mut entries[slot as usize];
            let kept = keep(*entry);
            if !kept {
                *entry = TlbEntry::empty(slot.into());
            }
            kept
        });
    }
}

/// What the CPU may do at the moment, as far as data accesses are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// User: pages that belong to it.
    User = 0,
    /// Supervisor: pages that do not belong to the user.
    Supervisor = 1,
    /// Supervisor with access to the user's memory (RISC-V's `sstatus.SUM`): all pages.
    SupervisorUserMemory = 2,
}

impl Privilege {
    /// Whether it is the user's.
    pub fn is_user(self) -> bool {
        self == Self::User
    }
}

/// A read and a write table for each privilege.
pub struct Tlb {
    read: [Table; 3],
    write: [Table; 3],
}

impl Tlb {
    /// Empty tables.
    pub fn new() -> Self {
        Self {
            read: core::array::from_fn(|_| Table::new()),
            write: core::array::from_fn(|_| Table::new()),
        }
    }

    /// Translations for loads.
    pub fn read(&mut self, privilege: Privilege) -> &mut Table {
        &mut self.read[privilege as usize]
    }

    /// Translations for stores.
    pub fn write(&mut self, privilege: Privilege) -> &mut Table {
        &mut self.write[privilege as usize]
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        for table in self.read.iter_mut().chain(&mut self.write) {
            table.flush();
        }
    }

    /// Forgets the page of virtual `address`.
    pub fn flush_page(&mut self, address: u64) {
        for table in self.read.iter_mut().chain(&mut self.write) {
            table.remove_page(address, |_| true);
        }
    }

    /// Forgets all pages in `span` bytes from virtual `start`.
    pub fn flush_range(&mut self, start: u64, span: u64) {
        for table in self.read.iter_mut().chain(&mut self.write) {
            table.remove(|entry| entry.page.wrapping_sub(start) >= span);
        }
    }

    /// Makes stores to a window page take the slow path that are done at an address.
    pub fn protect_at(&mut self, (privilege, address): (Privilege, u64), window_page: u32) {
        self.write[privilege as usize].remove_page(address, |mapped| mapped == window_page);
    }

    /// Makes all stores to a window page take the slow path.
    pub fn protect(&mut self, window_page: u32) {
        for table in &mut self.write {
            table.remove(|entry| entry.window_page() != window_page);
        }
    }
}

/// Ranges larger than a page that one page table entry maps and of which translations may be
/// cached, page by page: a fence with an address in such a range means all of it.
#[derive(Default)]
pub struct LargePages(Vec<(u64, u64)>);

impl LargePages {
    const MAX: usize = 4096;

    /// Notes the range of `span` bytes, a power of two, around `address`. Returns whether there was
    /// room.
    pub fn note(&mut self, address: u64, span: u64) -> bool {
        let range = (address & !(span - 1), span);
        match self.0.binary_search(&range) {
            Ok(_) => true,
            Err(_) if self.0.len() == Self::MAX => false,
            Err(index) => {
                self.0.insert(index, range);
                true
            }
        }
    }

    /// Takes out a range that `address` is in.
    pub fn take(&mut self, address: u64) -> Option<(u64, u64)> {
        let inside = |&(start, span): &(u64, u64)| address.wrapping_sub(start) < span;
        self.0.iter().position(inside).map(|index| self.0.remove(index))
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// A translation for instruction fetch, from a page that is decoded to operations of type `Op`.
#[repr(C)]
pub struct FetchEntry<Op> {
    /// Virtual page address, with the privilege mode in its low bits.
    pub tag: u64,
    /// The same, and which code page it leads to ([`super::code_index::code_tag`]).
    pub code_tag: u64,
    /// First operation slot of the page.
    pub ops: Wide<Op>,
    /// The page itself.
    pub window_page: u32,
}

/// Entries of the fetch table.
pub const FETCH_ENTRIES: usize = 2048;

// Derived, they would ask for the same of `Op`.
impl<Op> Clone for FetchEntry<Op> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Op> Copy for FetchEntry<Op> {}

impl<Op> FetchEntry<Op> {
    /// Matches no address: bit 11 is never set in a tag, and no code is at or near the code tag's.
    pub const EMPTY: Self =
        Self { tag: 1 << 11, code_tag: 1 << 62, ops: Wide(core::ptr::null()), window_page: 0 };
}

/// The fetch table's slot for an address.
#[inline(always)]
pub fn fetch_index(address: u64) -> usize {
    (address >> PAGE_SHIFT) as usize & (FETCH_ENTRIES - 1)
}

/// An empty fetch table.
pub fn empty_fetch_table<Op>() -> Box<[FetchEntry<Op>]> {
    vec![FetchEntry::EMPTY; FETCH_ENTRIES].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_filled_page_matches() {
        let mut table = Table::new();
        let address = 0xffff_ffd6_0123_4000;
        table.fill(address, 77);
        assert_eq!(table.lookup(address | 0xfff), Some(77));
        for other in [address ^ 1 << 63, address ^ 1 << 24, address ^ 1 << 23, address + 0x1000] {
            assert_eq!(table.lookup(other), None, "{other:#x}");
        }
        table.flush();
        assert_eq!(table.lookup(address), None);
    }

    #[test]
    fn an_empty_slot_matches_no_address() {
        let table = Table::new();
        for slot in [0, 1, ENTRIES / 2, ENTRIES - 1] {
            for upper in [0, 1, u64::MAX >> 24, 1 << 39] {
                let address = upper << 24 | (slot as u64) << PAGE_SHIFT;
                assert_eq!(table.lookup(address), None, "{address:#x}");
                assert!(address ^ table.entries[slot].page > IN_PAGE, "{address:#x}");
            }
        }
    }

    #[test]
    fn protecting_a_page_removes_its_write_entries_only() {
        let mut tlb = Tlb::new();
        for privilege in [Privilege::User, Privilege::Supervisor] {
            tlb.read(privilege).fill(0x1000, 5);
            tlb.write(privilege).fill(0x1000, 5);
            tlb.write(privilege).fill(0x2000, 6);
        }
        tlb.protect_at((Privilege::User, 0x1000), 6);
        assert_eq!(tlb.write(Privilege::User).lookup(0x1000), Some(5));
        tlb.protect_at((Privilege::User, 0x1000), 5);
        assert_eq!(tlb.write(Privilege::User).lookup(0x1000), None);
        assert_eq!(tlb.write(Privilege::Supervisor).lookup(0x1000), Some(5));
        tlb.protect(5);
        assert_eq!(tlb.write(Privilege::Supervisor).lookup(0x1000), None);
        assert_eq!(tlb.read(Privilege::User).lookup(0x1000), Some(5));
        assert_eq!(tlb.write(Privilege::User).lookup(0x2000), Some(6));
        assert_eq!(tlb.write(Privilege::User).filled, [2]);
    }
}
