//! Where everything lies in linear memory, and the table that tells the runtime.

use super::package::Parts;
use super::segments::PAGE;

/// Size of a WebAssembly page in bytes.
pub(super) const WASM_PAGE: u64 = 1 << 16;
/// `runtime/src/placement.rs` says what this stands for.
const MAGIC: u32 = 0x7732_6302;

/// Bytes of the table: [`MAGIC`], six pairs, and one number more.
pub const TABLE_LENGTH: usize = 4 * (1 + 6 * 2 + 1);

/// Address and length in bytes.
type Range = (u64, u64);

/// Where everything lies in linear memory.
pub struct Placement {
    /// The root image.
    pub image: Range,
    /// RAM's non-zero pages.
    pub pages: Range,
    /// Which those are.
    pub runs: Range,
    /// The machine's other state.
    pub state: Range,
    /// Where translated functions can be entered; nothing at 0 when there are none.
    pub translation: Range,
    /// RAM.
    pub ram: Range,
}

impl Placement {
    /// Behind `memory_pages` of the runtime's own, with `pages` and `runs` bytes about RAM.
    pub fn new(memory_pages: u64, parts: &Parts<'_>, pages: u64, runs: u64) -> Self {
        let mut next = memory_pages * WASM_PAGE;
        let mut place = |length: u64, align: u64| {
            let start = next.next_multiple_of(align);
            next = start + length;
            (start, length)
        };
        let translation = parts.functions().map(|translation| translation.index.len() as u64);
        Self {
            image: place(parts.image.len() as u64, WASM_PAGE),
            pages: place(pages, PAGE as u64),
            runs: place(runs, 8),
            state: place(parts.state.len() as u64, 8),
            translation: translation.map_or((0, 0), |length| place(length, 8)),
            ram: place(parts.ram.len() as u64, WASM_PAGE),
        }
    }

    /// Reads what [`Self::table`] gives; `None` if it is not one.
    pub fn parse(table: &[u8; TABLE_LENGTH]) -> Option<Self> {
        let (words, _) = table.as_chunks::<4>();
        let word = |index: usize| u64::from(u32::from_le_bytes(words[index]));
        let pair = |number: usize| (word(1 + 2 * number), word(2 + 2 * number));
        (word(0) == u64::from(MAGIC)).then(|| Self {
            image: pair(0),
            ram: pair(1),
            pages: pair(2),
            runs: pair(3),
            state: pair(4),
            translation: pair(5),
        })
    }

    /// How many pages of memory all this needs.
    pub fn memory_pages(&self) -> u64 {
        (self.ram.0 + self.ram.1).div_ceil(WASM_PAGE)
    }

    /// As the runtime reads it; `first_element` of table 0 is the first translated function.
    pub fn table(&self, first_element: u32) -> Vec<u8> {
        let pairs = [self.image, self.ram, self.pages, self.runs, self.state, self.translation];
        let words = pairs.iter().flat_map(|&(address, length)| [address as u32, length as u32]);
        let words = [MAGIC].into_iter().chain(words).chain([first_element]);
        words.flat_map(u32::to_le_bytes).collect()
    }
}
