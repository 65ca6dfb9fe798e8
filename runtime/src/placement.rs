//! Where the converter has put the machine in linear memory. `src/wasm/layout.rs` fills
//! [`C2W_PLACEMENT`] in and writes everything it points to.

use crate::single_thread::SingleThread;
use crate::units::ModuleUnits;
use alloc::boxed::Box;
use c2w_emulator::riscv::board::layout;
use c2w_emulator::{GuestMemory, Region, UNIT_SHIFT};
use c2w_module_abi::{CopyUnits, Placement, Range};
use core::cell::Cell;

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

/// Puts everything together; `None` when this module was never packaged.
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
    let region = |start, length, place: Range| Region {
        start,
        length,
        offset: place.address,
        window: place.length,
    };
    let image_length = u64::from(placement.image_units) << UNIT_SHIFT;
    let ram = region(layout::RAM_BASE, placement.ram.length.into(), placement.ram);
    let image = region(layout::IMAGE_BASE, image_length, placement.image);
    // SAFETY: the converter has laid these out side by side, inside the module's initial
    // memory and above everything that the linker and the allocator use. This function alone hands
    // them out, and once.
    let (mut memory, index, state, translation) = unsafe {
        let memory = GuestMemory::from_window(0, ram, image);
        (memory, bytes(placement.units), bytes(placement.state), bytes(placement.translation))
    };
    let ram_units = placement.ram.length as usize >> UNIT_SHIFT;
    let (ram_index, image_index) = index.split_at(ram_units * c2w_units::ENTRY_SIZE);
    // SAFETY: the converter has put a function of this type there.
    let copy = unsafe { copy_units(placement.copy_units) };
    memory.set_ram_source(Box::new(ModuleUnits::new(ram_index, copy, "memory")));
    memory.set_image_source(Box::new(ModuleUnits::new(image_index, copy, "root image")));
    Some(Packed { memory, state, translation, first_region: placement.first_region })
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
/// Table 0 must have a function of this type there.
unsafe fn copy_units(element: u32) -> CopyUnits {
    // SAFETY: a function pointer is an index in table 0; the rest is the caller's promise.
    unsafe { core::mem::transmute::<usize, CopyUnits>(element as usize) }
}
