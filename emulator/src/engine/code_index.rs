//! Which translated code there is, found by the content of pages, and how much of it ran.

use super::tlb::FETCH_ENTRIES;
use crate::memory::PAGE_SIZE;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Numbers of contents end here.
pub const MAX_CONTENTS: usize = 0x7fff;

/// The hash that tells the contents of pages apart.
pub fn hash(page: &[u8]) -> u64 {
    xxh3_64(page)
}

/// What a fetch entry with a tag has as its key when its page has a content. No two pairs at one
/// place of the fetch table have the same key: their pages are a multiple of more than all contents
/// apart.
pub fn key(tag: u64, content: u16) -> u64 {
    const _: () = assert!(2 * MAX_CONTENTS < FETCH_ENTRIES * PAGE_SIZE);
    tag.wrapping_add(2 * u64::from(content))
}

/// All that can be entered, as the converter writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translated {
    /// Contents of pages in which units can be entered or lie: content `i + 1` is page `i`.
    pub pages: Vec<TranslatedPage>,
    /// For each unit the pages that it lies in: how far from the first one, and the content.
    pub units: Vec<Vec<(u32, u16)>>,
}

/// A page's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranslatedPage {
    /// [`hash`] of its bytes.
    pub hash: u64,
    /// Where units can be entered, by ascending offset.
    pub entries: Vec<TranslatedEntry>,
}

/// A place where a unit can be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranslatedEntry {
    /// In the page, in halfwords.
    pub slot: u16,
    /// The unit.
    pub unit: u32,
    /// Which of the unit's entries.
    pub state: u32,
    /// Pages from the unit's first one to this one.
    pub page: u32,
}

impl Translated {
    /// As bytes.
    ///
    /// # Panics
    /// Never: there is no form that cannot be encoded.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("plain data")
    }

    /// From bytes; `None` if they are none of [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let translated: Self = postcard::from_bytes(bytes).ok()?;
        (translated.pages.len() <= MAX_CONTENTS).then_some(translated)
    }
}

/// An entry as it is used.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The unit.
    pub unit: u32,
    /// Which of its entries.
    pub state: u32,
    /// Pages from the unit's first one to the entry's.
    pub page: u32,
}

/// What is translated, ready to be looked up.
#[derive(Default)]
pub struct CodeIndex {
    /// Hashes in ascending order, with their contents.
    hashes: Vec<(u64, u16)>,
    /// First entry of each content in `slots`, and one past the last.
    starts: Vec<u32>,
    slots: Vec<u16>,
    /// Pages of each unit.
    units: Vec<Vec<(u32, u16)>>,
}

impl CodeIndex {
    /// What is translated, and its entries by number.
    pub fn new(translated: &Translated) -> (Self, Vec<Entry>) {
        let mut entries = Vec::new();
        let units = translated.units.clone();
        let mut index = Self { starts: alloc::vec![0], units, ..Self::default() };
        for (page, number) in translated.pages.iter().zip(1..) {
            index.hashes.push((page.hash, number));
            for &TranslatedEntry { slot, unit, state, page } in &page.entries {
                index.slots.push(slot);
                entries.push(Entry { unit, state, page });
            }
            index.starts.push(index.slots.len() as u32);
        }
        index.hashes.sort_unstable();
        (index, entries)
    }

    /// Whether nothing is translated.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The number of a page's content; 0 if nothing of it is translated.
    pub fn content(&self, page: &[u8]) -> u16 {
        if self.is_empty() {
            return 0;
        }
        let hash = hash(page);
        let place = self.hashes.binary_search_by_key(&hash, |&(hash, _)| hash);
        place.map_or(0, |place| self.hashes[place].1)
    }

    /// A page of a unit: how far from the unit's first one, and its content.
    pub fn page(&self, unit: u32, place: usize) -> Option<(u32, u16)> {
        self.units.get(unit as usize)?.get(place).copied()
    }

    /// The entries of a content.
    pub fn entries_in(&self, content: u16) -> Entries<'_> {
        let Some(page) = usize::from(content).checked_sub(1) else { return Entries::default() };
        let range = self.starts[page]..self.starts[page + 1];
        Entries { first: range.start, slots: &self.slots[range.start as usize..range.end as usize] }
    }
}

/// Entries of one content.
#[derive(Default)]
pub struct Entries<'a> {
    first: u32,
    slots: &'a [u16],
}

impl Entries<'_> {
    /// The number of the entry at a slot.
    pub fn at(&self, slot: usize) -> Option<u32> {
        let place = self.slots.binary_search(&(slot as u16)).ok()?;
        Some(self.first + place as u32)
    }
}

/// How much of a run was translated code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions that units have done.
    pub instructions: u64,
    /// Times that a unit was entered from the interpreter.
    pub entries: u64,
    /// Times that it came back at once, with nothing done.
    pub refusals: u64,
}

impl Counts {
    /// Units, and the interpreter on their behalf, have done so many instructions.
    pub fn translated(&mut self, instructions: i64) {
        self.instructions = self.instructions.wrapping_add_signed(instructions);
    }

    /// The interpreter has done so many of them.
    pub fn interpreted(&mut self, instructions: i64) {
        self.instructions = self.instructions.wrapping_sub(instructions as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn contents_are_found_by_their_bytes() {
        let (first, second) = (vec![1; PAGE_SIZE], vec![2; PAGE_SIZE]);
        let entry = TranslatedEntry { slot: 7, unit: 3, state: 1, page: 2 };
        let page = |bytes: &[u8], entries| TranslatedPage { hash: hash(bytes), entries };
        let pages = vec![page(&second, vec![]), page(&first, vec![entry])];
        let (index, entries) = CodeIndex::new(&Translated { pages, units: vec![] });
        assert_eq!((index.content(&first), index.content(&second)), (2, 1));
        assert_eq!(index.content(&vec![3; PAGE_SIZE]), 0);
        assert_eq!(index.entries_in(2).at(7), Some(0));
        assert_eq!(index.entries_in(2).at(8), None);
        assert_eq!(index.entries_in(1).at(7), None);
        assert_eq!(entries[0].unit, 3);
    }
}
