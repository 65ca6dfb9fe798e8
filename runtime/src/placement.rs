//! Where the converter has put the machine in linear memory. `src/wasm/layout.rs` fills
//! [`C2W_PLACEMENT`] in and writes everything it points to.

use crate::single_thread::SingleThread;
use c2w_emulator::riscv::board::layout;
use c2w_emulator::{GuestMemory, Region};
use c2w_module_abi::{Placement, Range};
use core::cell::Cell;

const PAGE: usize = c2w_emulator::PAGE_SIZE;

/// Filled in by the converter, which finds it by its exported address.
#[unsafe(no_mangle)]
pub static C2W_PLACEMENT: Placement = Placement::EMPTY;

/// What the converter has left.
pub struct Packed {
    /// RAM and root image.
    pub memory: GuestMemory,
    /// The machine's other state.
    pub state: &'static [u8],
    /// Where translated code can be entered; empty when there is none.
    pub translation: &'static [u8],
    /// Table index of region 0.
    pub first_region: u32,
}

/// Puts RAM together and returns everything; `None` when this module was never packaged.
///
/// # Panics
/// When it is called again: the first result owns image and RAM.
pub fn unpack() -> Option<Packed> {
    static UNPACKED: SingleThread<Cell<bool>> = SingleThread(Cell::new(false));
    assert!(!UNPACKED.replace(true), "the machine is unpacked once");
    // SAFETY: the static is valid; volatile, because its value is not the one in the source.
    let placement = unsafe { core::ptr::read_volatile(&raw const C2W_PLACEMENT) };
    if placement.magic != Placement::MAGIC {
        return None;
    }
    // SAFETY: the converter has laid these out side by side, inside the module's initial
    // memory and above everything that the linker and the allocator use. This function alone hands
    // them out, and once.
    unsafe {
        restore_ram(&placement);
        let region = |start, range: Range| Region {
            start,
            length: range.length.into(),
            offset: range.address,
        };
        let ram = region(layout::RAM_BASE, placement.ram);
        let image = region(layout::IMAGE_BASE, placement.image);
        Some(Packed {
            memory: GuestMemory::from_window(0, ram, image),
            state: bytes(placement.state),
            translation: bytes(placement.translation),
            first_region: placement.first_region,
        })
    }
}

/// # Safety
/// The range must be initialised memory that nobody writes to.
unsafe fn bytes(Range { address, length }: Range) -> &'static [u8] {
    if length == 0 {
        return &[];
    }
    let start = core::ptr::with_exposed_provenance(address as usize);
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(start, length as usize) }
}

/// # Safety
/// As for [`unpack`].
unsafe fn restore_ram(placement: &Placement) {
    // SAFETY: see `unpack`.
    let (mut pages, runs) = unsafe { (bytes(placement.pages), bytes(placement.runs)) };
    for run in runs.chunks_exact(8) {
        let number = |at: usize| {
            u32::from_le_bytes([run[at], run[at + 1], run[at + 2], run[at + 3]]) as usize
        };
        let (content, rest) = pages.split_at(number(4) * PAGE);
        pages = rest;
        let place = placement.ram.address as usize + number(0) * PAGE;
        // SAFETY: the run lies in RAM, as the converter has made sure, apart from `pages`.
        unsafe {
            core::ptr::with_exposed_provenance_mut::<u8>(place)
                .copy_from_nonoverlapping(content.as_ptr(), content.len());
        }
    }
}
