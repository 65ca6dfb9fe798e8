//! Which translated code there is, found by the hash of pages, and how much of it ran.
//!
//! A *region* is a piece of guest code that was translated to one function. A *code page* is what a
//! page must hold, byte for byte, for the regions in it to be right. It is known by its hash,
//! wherever and however often it is mapped.

use super::tlb::FETCH_ENTRIES;
use crate::encoding;
use crate::memory::PAGE_SIZE;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Number of a code page, from 1 on; 0 for a page of which nothing is translated.
pub type CodePageId = u16;

/// The last [`CodePageId`] that there can be.
pub const MAX_CODE_PAGES: usize = 0x7fff;

/// The hash that tells code pages apart.
pub fn page_hash(page: &[u8]) -> u64 {
    xxh3_64(page)
}

/// The code tag of a fetch entry: its tag, and which code page it leads to. No two pairs have the
/// same code tag at one index of the fetch table: there, pages are a multiple of more than all
/// numbers of code pages apart.
pub fn code_tag(tag: u64, page: CodePageId) -> u64 {
    const _: () = assert!(2 * MAX_CODE_PAGES < FETCH_ENTRIES * PAGE_SIZE);
    tag.wrapping_add(2 * u64::from(page))
}

/// All that can be entered, as the converter writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translated {
    /// Code pages in which regions can be entered or lie: `pages[i]` has the number `i + 1`.
    pages: Vec<TranslatedPage>,
    /// Their numbers, by ascending hash.
    by_hash: Vec<CodePageId>,
    /// For each region the pages that it lies in: how far from the first one, and which code page.
    regions: Vec<Vec<(u32, CodePageId)>>,
}

/// A code page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranslatedPage {
    /// [`page_hash`] of its bytes.
    pub hash: u64,
    /// Where regions can be entered, by ascending offset.
    pub entries: Vec<TranslatedEntry>,
}

/// Where a region can be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranslatedEntry {
    /// In the page, in bytes.
    pub offset: u16,
    /// The region.
    pub region: u32,
    /// Which of the region's entries.
    pub state: u32,
    /// Pages from the region's first one to this one.
    pub page: u32,
}

impl Translated {
    /// `pages[i]` gets the number `i + 1`; `regions` are the pages of each region: how far from the
    /// first one, and which code page.
    pub fn new(pages: Vec<TranslatedPage>, regions: Vec<Vec<(u32, CodePageId)>>) -> Self {
        let mut by_hash: Vec<CodePageId> = (1..).take(pages.len()).collect();
        by_hash.sort_unstable_by_key(|&id| pages[usize::from(id) - 1].hash);
        Self { pages, by_hash, regions }
    }

    /// The code pages, by number from 1 on.
    pub fn pages(&self) -> &[TranslatedPage] {
        &self.pages
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(self)
    }

    /// From bytes; `None` if they are none of [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let translated: Self = encoding::decode(bytes)?;
        translated.is_possible().then_some(translated)
    }

    /// Whether each code page is once in [`Self::by_hash`], in its place.
    fn is_possible(&self) -> bool {
        let hash = |&id: &CodePageId| Some(self.pages.get(usize::from(id).checked_sub(1)?)?.hash);
        self.pages.len() <= MAX_CODE_PAGES
            && self.by_hash.len() == self.pages.len()
            && self.by_hash.iter().all(|id| hash(id).is_some())
            && self.by_hash.is_sorted_by(|a, b| hash(a) < hash(b))
    }
}

/// An entry as it is used.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The region.
    pub region: u32,
    /// Which of its entries.
    pub state: u32,
    /// Pages from the region's first one to the entry's.
    pub page: u32,
}

/// What is translated, indexed.
#[derive(Default)]
pub struct CodeIndex {
    /// Hashes in ascending order, with their code pages.
    hashes: Vec<(u64, CodePageId)>,
    /// First entry of each code page in `offsets`, and one past the last.
    starts: Vec<u32>,
    offsets: Vec<u16>,
    /// Pages of each region.
    regions: Vec<Vec<(u32, CodePageId)>>,
}

impl CodeIndex {
    /// What is translated, and its entries by number.
    pub fn new(translated: &Translated) -> (Self, Vec<Entry>) {
        let mut entries = Vec::new();
        let regions = translated.regions.clone();
        let mut index = Self { starts: alloc::vec![0], regions, ..Self::default() };
        for page in &translated.pages {
            for &TranslatedEntry { offset, region, state, page } in &page.entries {
                index.offsets.push(offset);
                entries.push(Entry { region, state, page });
            }
            index.starts.push(index.offsets.len() as u32);
        }
        let hash = |id: CodePageId| translated.pages[usize::from(id) - 1].hash;
        index.hashes = translated.by_hash.iter().map(|&id| (hash(id), id)).collect();
        (index, entries)
    }

    /// Whether nothing is translated.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Which code page these bytes are; 0 if nothing of them is translated.
    pub fn code_page(&self, page: &[u8]) -> CodePageId {
        if self.is_empty() {
            return 0;
        }
        let hash = page_hash(page);
        let found = self.hashes.binary_search_by_key(&hash, |&(hash, _)| hash);
        found.map_or(0, |index| self.hashes[index].1)
    }

    /// The `index`th page of a region: how far from the region's first one, and which code page.
    pub fn region_page(&self, region: u32, index: usize) -> Option<(u32, CodePageId)> {
        self.regions.get(region as usize)?.get(index).copied()
    }

    /// The entries of a code page.
    pub fn entries_in(&self, page: CodePageId) -> Entries<'_> {
        let Some(page) = usize::from(page).checked_sub(1) else { return Entries::default() };
        let range = self.starts[page]..self.starts[page + 1];
        let offsets = &self.offsets[range.start as usize..range.end as usize];
        Entries { first: range.start, offsets }
    }
}

/// Entries of one code page.
#[derive(Clone, Copy, Default)]
pub struct Entries<'a> {
    first: u32,
    offsets: &'a [u16],
}

impl Entries<'_> {
    /// The number of the entry at an offset in the page.
    pub fn at(&self, offset: usize) -> Option<u32> {
        let index = self.offsets.binary_search(&(offset as u16)).ok()?;
        Some(self.first + index as u32)
    }
}

/// How much of a run was translated code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions that regions have done.
    pub instructions: u64,
    /// Times that a region was entered from the interpreter.
    pub entries: u64,
    /// Entries refused: the region came back at once, with nothing done.
    pub refusals: u64,
}

impl Counts {
    /// Regions, and the interpreter on their behalf, have done this number of instructions.
    pub fn translated(&mut self, instructions: i64) {
        self.instructions = self.instructions.wrapping_add_signed(instructions);
    }

    /// The interpreter has done this number of them.
    pub fn interpreted(&mut self, instructions: i64) {
        self.instructions = self.instructions.wrapping_sub(instructions as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn code_pages_are_found_by_their_bytes() {
        let (first, second) = (vec![1; PAGE_SIZE], vec![2; PAGE_SIZE]);
        let entry = TranslatedEntry { offset: 14, region: 3, state: 1, page: 2 };
        let page = |bytes: &[u8], entries| TranslatedPage { hash: page_hash(bytes), entries };
        let pages = vec![page(&second, vec![]), page(&first, vec![entry])];
        let (index, entries) = CodeIndex::new(&Translated::new(pages, vec![]));
        assert_eq!((index.code_page(&first), index.code_page(&second)), (2, 1));
        assert_eq!(index.code_page(&vec![3; PAGE_SIZE]), 0);
        assert_eq!(index.entries_in(2).at(14), Some(0));
        assert_eq!(index.entries_in(2).at(16), None);
        assert_eq!(index.entries_in(1).at(14), None);
        assert_eq!(entries[0].region, 3);
    }

    #[test]
    fn an_index_that_is_not_sorted_is_refused() {
        let page = |hash| TranslatedPage { hash, entries: vec![] };
        let translated = Translated::new(vec![page(9), page(3), page(5)], vec![]);
        assert_eq!(translated.by_hash, [2, 3, 1]);
        assert_eq!(Translated::decode(&translated.encode()), Some(translated.clone()));
        for by_hash in [vec![2, 1, 3], vec![2, 3], vec![2, 2, 1], vec![0, 3, 1], vec![2, 3, 4]] {
            let wrong = Translated { by_hash, ..translated.clone() };
            assert_eq!(Translated::decode(&wrong.encode()), None, "{:?}", wrong.by_hash);
        }
    }
}
