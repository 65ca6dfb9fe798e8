//! Translated code that the converter has added to this module: its functions, called regions,
//! stand in the module's table, and call what this file exports.

use crate::single_thread::{SingleThread, refuse_reentry};
use c2w_emulator::cpu::hot::Hot;
use c2w_emulator::cpu::translated::{self, Helper, MAX_DEPTH, Units};
use c2w_emulator::engine::code_index::Entry;
use c2w_module_abi::helpers::{Fma32, Invoke, Map, Region, Resume, Status, SystemCall};
use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::ptr::NonNull;

const _: (Invoke, Status, Resume, SystemCall, Map, Fma32) =
    (c2w_invoke, c2w_status, c2w_resume, c2w_system_call, c2w_map, c2w_fma32);

/// Where regions expect the hart's state. The converter finds it by its exported address.
#[unsafe(no_mangle)]
pub static C2W_HOT: SingleThread<UnsafeCell<MaybeUninit<Hot>>> =
    SingleThread(UnsafeCell::new(MaybeUninit::uninit()));

/// That place, for the machine whose code is translated.
///
/// # Panics
/// When it is called again.
pub fn take_state_cell() -> &'static mut MaybeUninit<Hot> {
    static TAKEN: SingleThread<Cell<bool>> = SingleThread(Cell::new(false));
    assert!(!TAKEN.replace(true), "the state has one machine");
    // SAFETY: the only reference, as of the line above, but for those that `with_state` makes while
    // its holder waits.
    unsafe { &mut *C2W_HOT.get() }
}

/// Lends `f` the hart's state.
///
/// # Safety
/// Only for what a region calls: the machine has filled the state in, and waits for that region.
#[inline(always)]
unsafe fn with_state<R>(f: impl FnOnce(&mut Hot) -> R) -> R {
    // SAFETY: the caller's promise.
    f(unsafe { (*C2W_HOT.get()).assume_init_mut() })
}

/// The helper of the region that runs, while nothing that the region has called uses it.
static HELPER: SingleThread<Cell<Option<NonNull<Helper<'static, 'static>>>>> =
    SingleThread(Cell::new(None));

/// Lends `f` the helper of the region that runs.
fn with_helper<R>(f: impl FnOnce(&mut Helper<'_, '_>) -> R) -> R {
    let Some(mut helper) = HELPER.take() else { refuse_reentry() };
    // SAFETY: `call_with` lends it until its region comes back, and `take` has made sure that
    // nobody else has it until then. `f` cannot keep it, nor count on its lifetimes.
    let result = f(unsafe { helper.as_mut() });
    HELPER.set(Some(helper));
    result
}

/// Calls a region and lends it a helper.
fn call_with(helper: &mut Helper<'_, '_>, entry: Entry, base: u64, depth: u32) -> u64 {
    let before = HELPER.replace(Some(NonNull::from(helper).cast()));
    let to = call(entry, base, depth);
    HELPER.set(before);
    to
}

/// Table index of region 0, the first translated function.
static FIRST_REGION: SingleThread<Cell<u32>> = SingleThread(Cell::new(0));

/// The regions in the table.
pub struct TableRegions(());

impl TableRegions {
    /// Regions from a table index on.
    pub fn new(first_region: u32) -> Self {
        FIRST_REGION.set(first_region);
        Self(())
    }
}

impl Units for TableRegions {
    fn call(&mut self, entry: Entry, base: u64, helper: &mut Helper<'_, '_>) -> u64 {
        call_with(helper, entry, base, MAX_DEPTH)
    }
}

#[inline(always)]
fn call(entry: Entry, base: u64, depth: u32) -> u64 {
    let index = FIRST_REGION.get() + entry.unit;
    // SAFETY: a function pointer is an index of the table here. The converter has put a region
    // there for every entry; the engine checks that there is a function, and its type.
    let region = unsafe { core::mem::transmute::<usize, Region>(index as usize) };
    region(base, entry.state, depth)
}

/// For regions: enters the region that starts at `pc`. Returns where it came to, or `pc` when there
/// is none or `depth` is used up.
#[unsafe(no_mangle)]
pub extern "C" fn c2w_invoke(pc: u64, depth: u32) -> u64 {
    if depth == 0 {
        return pc;
    }
    // SAFETY: only regions call this.
    let entry = unsafe {
        with_state(|hot| {
            hot.pc = pc;
            hot.entry(pc)
        })
    };
    match entry {
        Some(entry) => call(entry, translated::base(pc, entry), depth - 1),
        None => invoke_unmapped(pc, depth),
    }
}

/// [`c2w_invoke`] where no fetch translation leads to an entry yet.
// By itself: the other way then needs no stack frame.
#[inline(never)]
fn invoke_unmapped(pc: u64, depth: u32) -> u64 {
    match with_helper(|helper| helper.entry(pc)) {
        Some(entry) => call(entry, translated::base(pc, entry), depth - 1),
        None => pc,
    }
}

/// For regions: changes `sstatus`, see [`translated::status`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_status(change: u32, operand: u64) -> u64 {
    // SAFETY: only regions call this.
    unsafe { with_state(|hot| translated::status(hot, change, operand)) }
}

/// For regions: goes on at `pc` until control comes to `back`, see [`Helper::resume`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_resume(pc: u64, back: u64, depth: u32) -> u64 {
    with_helper(|helper| helper.resume(pc, back, depth, &mut call_with))
}

/// For regions of U-mode: the environment call at `pc`, see [`Helper::system_call`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_system_call(pc: u64, depth: u32) -> u64 {
    with_helper(|helper| helper.system_call(pc, depth, &mut call_with))
}

/// For regions: makes the TLB entry for an access, see [`Helper::map_data`]. Returns 0 if it
/// cannot.
#[unsafe(no_mangle)]
pub extern "C" fn c2w_map(address: u64, size: u32, write: u32) -> u32 {
    with_helper(|helper| helper.map_data(address, size, write != 0)).into()
}

/// For regions: `a * b + c`, see [`translated::fma32`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_fma32(a: f32, b: f32, c: f32) -> f32 {
    translated::fma32(a, b, c)
}
