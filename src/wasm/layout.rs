//! Where everything lies in linear memory.

use super::code::Linked;
use super::parts::Parts;
use c2w_emulator::{UNIT_SIZE, image_window};
use c2w_module_abi::{self as module_abi, Placement};

/// Size of a WebAssembly page in bytes.
pub(super) const WASM_PAGE: u64 = 1 << 16;

/// Address and length in bytes, which may be beyond linear memory.
type Span = (u64, u64);

/// Where everything would lie in linear memory.
pub struct Layout {
    /// The index of the units.
    pub units: Span,
    /// The machine's other state.
    pub state: Span,
    /// Where translated functions can be entered; nothing at 0 when there are none.
    pub translation: Span,
    /// Frames for units of the root image.
    pub image: Span,
    /// RAM.
    pub ram: Span,
    /// How many units the root image has.
    pub image_units: u32,
}

impl Layout {
    /// Behind `memory_pages` of the runtime's own, with `units` bytes of their index.
    pub fn new(memory_pages: u64, parts: &Parts<'_>, units: u64) -> Self {
        let mut next = memory_pages * WASM_PAGE;
        let mut place = |length: u64, align: u64| {
            let start = next.next_multiple_of(align);
            next = start + length;
            (start, length)
        };
        let translation = parts.functions().map(|translation| translation.index.len() as u64);
        let frames = image_window(parts.image_length, parts.cache);
        Self {
            units: place(units, 8),
            state: place(parts.state.len() as u64, 8),
            translation: translation.map_or((0, 0), |length| place(length, 8)),
            image: place(frames, WASM_PAGE),
            ram: place(parts.ram_length, WASM_PAGE),
            image_units: (parts.image_length / UNIT_SIZE as u64) as u32,
        }
    }

    /// How many pages of memory all this needs.
    pub fn memory_pages(&self) -> u64 {
        (self.ram.0 + self.ram.1).div_ceil(WASM_PAGE)
    }

    /// As the runtime reads it, with what [`super::code::link`] has put into table 0.
    pub fn placement(&self, linked: &Linked<'_>) -> Placement {
        let range = |(address, length): Span| module_abi::Range {
            address: address as u32,
            length: length as u32,
        };
        Placement {
            magic: Placement::MAGIC,
            image: range(self.image),
            ram: range(self.ram),
            units: range(self.units),
            state: range(self.state),
            translation: range(self.translation),
            image_units: self.image_units,
            first_region: linked.first_region,
            copy_units: linked.copy_units,
        }
    }
}

impl From<Placement> for Layout {
    fn from(placement: Placement) -> Self {
        let range = |range: module_abi::Range| (range.address.into(), range.length.into());
        Self {
            image: range(placement.image),
            units: range(placement.units),
            state: range(placement.state),
            translation: range(placement.translation),
            ram: range(placement.ram),
            image_units: placement.image_units,
        }
    }
}
