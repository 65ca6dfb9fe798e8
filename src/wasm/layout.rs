//! Where everything lies in linear memory.

use super::parts::Parts;
use super::segments::PAGE;
use c2w_module_abi::{self as module_abi, Placement};

/// Size of a WebAssembly page in bytes.
pub(super) const WASM_PAGE: u64 = 1 << 16;

/// Address and length in bytes, which may be beyond linear memory.
type Span = (u64, u64);

/// Where everything would lie in linear memory.
pub struct Layout {
    /// The root image.
    pub image: Span,
    /// RAM's non-zero pages.
    pub pages: Span,
    /// Which those are.
    pub runs: Span,
    /// The machine's other state.
    pub state: Span,
    /// Where translated functions can be entered; nothing at 0 when there are none.
    pub translation: Span,
    /// RAM.
    pub ram: Span,
}

impl Layout {
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

    /// How many pages of memory all this needs.
    pub fn memory_pages(&self) -> u64 {
        (self.ram.0 + self.ram.1).div_ceil(WASM_PAGE)
    }

    /// As the runtime reads it; `first_region` of table 0 is the first translated function.
    pub fn placement(&self, first_region: u32) -> Placement {
        let range = |(address, length): Span| module_abi::Range {
            address: address as u32,
            length: length as u32,
        };
        Placement {
            magic: Placement::MAGIC,
            image: range(self.image),
            ram: range(self.ram),
            pages: range(self.pages),
            runs: range(self.runs),
            state: range(self.state),
            translation: range(self.translation),
            first_region,
        }
    }
}

impl From<Placement> for Layout {
    fn from(placement: Placement) -> Self {
        let range = |range: module_abi::Range| (range.address.into(), range.length.into());
        Self {
            image: range(placement.image),
            pages: range(placement.pages),
            runs: range(placement.runs),
            state: range(placement.state),
            translation: range(placement.translation),
            ram: range(placement.ram),
        }
    }
}
