//! Translated code that the converter has added to this module: its functions, called regions,
//! stand in the module's table, and call what this file exports.

use crate::single_thread::{SingleThread, refuse_reentry};
use c2w_emulator::engine::arch::CpuState;
use c2w_emulator::engine::code_index::Entry;
use c2w_emulator::engine::translated::{MAX_DEPTH, TranslatedCode, base};
use c2w_emulator::riscv::hart::Riscv;
use c2w_emulator::riscv::linkage::{self, RegionRuntime};
use c2w_emulator::riscv::state::HartState;
use c2w_module_abi::helpers::{Fma32, Invoke, Map, Region, Resume, Status, SystemCall};
use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
use core::ptr::NonNull;

const _: (Invoke, Status, Resume, SystemCall, Map, Fma32) =
    (c2w_invoke, c2w_status, c2w_resume, c2w_system_call, c2w_map, c2w_fma32);

/// Where regions expect the hart's state. The converter finds it by its exported address.
#[unsafe(no_mangle)]
pub static C2W_STATE: SingleThread<UnsafeCell<MaybeUninit<HartState>>> =
    SingleThread(UnsafeCell::new(MaybeUninit::uninit()));

/// That place, for the machine whose code is translated.
///
/// # Panics
/// When it is called again.
pub fn take_state_cell() -> &'static mut MaybeUninit<HartState> {
    static TAKEN: SingleThread<Cell<bool>> = SingleThread(Cell::new(false));
    assert!(!TAKEN.replace(true), "the state has one machine");
    // SAFETY: the only reference, as of the line above, but for those that `with_state` makes while
    // its holder waits.
    unsafe { &mut *C2W_STATE.get() }
}

/// Lends `f` the hart's state.
///
/// # Safety
/// Only for what a region calls: the machine has filled the state in, and waits for that region.
#[inline(always)]
unsafe fn with_state<R>(f: impl FnOnce(&mut HartState) -> R) -> R {
    // SAFETY: the caller's promise.
    f(unsafe { (*C2W_STATE.get()).assume_init_mut() })
}

/// The runtime of the region that runs, while nothing that the region has called uses it.
static RUNTIME: SingleThread<Cell<Option<NonNull<RegionRuntime<'static, 'static>>>>> =
    SingleThread(Cell::new(None));

/// Lends `f` the runtime of the region that runs.
fn with_runtime<R>(f: impl FnOnce(&mut RegionRuntime<'_, '_>) -> R) -> R {
    let Some(mut runtime) = RUNTIME.take() else { refuse_reentry() };
    // SAFETY: `call_with` lends it until its region comes back, and `take` has made sure that
    // nobody else has it until then. `f` cannot keep it, nor count on its lifetimes.
    let result = f(unsafe { runtime.as_mut() });
    RUNTIME.set(Some(runtime));
    result
}

/// Calls a region and lends it a runtime.
fn call_with(runtime: &mut RegionRuntime<'_, '_>, entry: Entry, base: u64, depth: u32) -> u64 {
    let before = RUNTIME.replace(Some(NonNull::from(runtime).cast()));
    let to = call(entry, base, depth);
    RUNTIME.set(before);
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

impl TranslatedCode<Riscv> for TableRegions {
    fn call(&mut self, entry: Entry, base: u64, runtime: &mut RegionRuntime<'_, '_>) -> u64 {
        call_with(runtime, entry, base, MAX_DEPTH)
    }
}

#[inline(always)]
fn call(entry: Entry, base: u64, depth: u32) -> u64 {
    let index = FIRST_REGION.get() + entry.region;
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
        with_state(|state| {
            state.pc = pc;
            state.entry(pc)
        })
    };
    match entry {
        Some(entry) => call(entry, base(pc, entry), depth - 1),
        None => invoke_unmapped(pc, depth),
    }
}

/// [`c2w_invoke`] where no fetch translation leads to an entry yet.
// Not inlined: the other way then needs no stack frame.
#[inline(never)]
fn invoke_unmapped(pc: u64, depth: u32) -> u64 {
    match with_runtime(|runtime| linkage::entry(runtime, pc)) {
        Some(entry) => call(entry, base(pc, entry), depth - 1),
        None => pc,
    }
}

/// For regions: changes `sstatus`, see [`linkage::change_status`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_status(change: u32, operand: u64) -> u64 {
    // SAFETY: only regions call this.
    unsafe { with_state(|state| linkage::change_status(state, change, operand)) }
}

/// For regions: goes on at `pc` until control comes to `return_site`, see
/// [`RegionRuntime::resume`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_resume(pc: u64, return_site: u64, depth: u32) -> u64 {
    with_runtime(|runtime| linkage::resume(runtime, (pc, return_site), depth, &mut call_with))
}

/// For regions of U-mode: the environment call at `pc`, see [`RegionRuntime::system_call`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_system_call(pc: u64, depth: u32) -> u64 {
    with_runtime(|runtime| linkage::system_call(runtime, pc, depth, &mut call_with))
}

/// For regions: makes the TLB entry for an access, see [`RegionRuntime::map_data`]. Returns 0 if it
/// cannot.
#[unsafe(no_mangle)]
pub extern "C" fn c2w_map(address: u64, size: u32, write: u32) -> u32 {
    with_runtime(|runtime| linkage::map_data(runtime, address, size, write != 0)).into()
}

/// For regions: `a * b + c`, see [`linkage::fma32`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_fma32(a: f32, b: f32, c: f32) -> f32 {
    linkage::fma32(a, b, c)
}
