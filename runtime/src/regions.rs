//! Translated code that the converter has added to this module: its functions stand in the module's
//! table, and call what this file exports.

use c2w_emulator::cpu::hot::Hot;
use c2w_emulator::cpu::translated::{self, Helper, MAX_DEPTH, Units};
use c2w_emulator::engine::code_index::Entry;
use c2w_module_abi::helpers::{Fma32, Invoke, Map, Region, Resume, Status, SystemCall};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, Ordering};

const _: (Invoke, Status, Resume, SystemCall, Map, Fma32) =
    (c2w_invoke, c2w_status, c2w_resume, c2w_system_call, c2w_map, c2w_fma32);

/// Room for the hart's state.
pub struct Room(UnsafeCell<MaybeUninit<Hot>>);

// SAFETY: a module has one thread.
unsafe impl Sync for Room {}

/// Where units expect the hart's state. The converter finds it by its exported address.
#[unsafe(no_mangle)]
pub static C2W_HOT: Room = Room(UnsafeCell::new(MaybeUninit::uninit()));

/// The place of the hart's state.
///
/// # Safety
/// To be called once.
pub unsafe fn place() -> &'static mut MaybeUninit<Hot> {
    // SAFETY: only here, and only once.
    unsafe { &mut *C2W_HOT.0.get() }
}

/// The helper of the unit that runs.
struct Current(UnsafeCell<*mut Helper<'static, 'static>>);

// SAFETY: a module has one thread.
unsafe impl Sync for Current {}

static HELPER: Current = Current(UnsafeCell::new(core::ptr::null_mut()));

/// The helper of the unit that runs.
///
/// # Safety
/// Only for what a unit calls, and one at a time.
unsafe fn helper<'a>() -> &'a mut Helper<'static, 'static> {
    // SAFETY: `call_with` has put it there, and lends it until the unit comes back.
    unsafe { &mut **HELPER.0.get() }
}

/// Calls a unit and lends it a helper.
fn call_with(helper: &mut Helper<'_, '_>, entry: Entry, base: u64, depth: u32) -> u64 {
    let before = {
        // SAFETY: a module has one thread.
        unsafe { core::mem::replace(&mut *HELPER.0.get(), core::ptr::from_mut(helper).cast()) }
    };
    // SAFETY: entries come from the converter, which has put as many units into the table.
    let to = unsafe { call(entry, base, depth) };
    // SAFETY: as above.
    unsafe { *HELPER.0.get() = before };
    to
}

/// Table index of region 0, the first translated function.
static FIRST_REGION: AtomicU32 = AtomicU32::new(0);

/// The units in the table.
pub struct TableUnits(());

impl TableUnits {
    /// Units from a table index on.
    pub fn new(first_region: u32) -> Self {
        FIRST_REGION.store(first_region, Ordering::Relaxed);
        Self(())
    }
}

impl Units for TableUnits {
    fn call(&mut self, entry: Entry, base: u64, helper: &mut Helper<'_, '_>) -> u64 {
        call_with(helper, entry, base, MAX_DEPTH)
    }
}

/// # Safety
/// `entry` must be one of the converter's.
#[inline(always)]
unsafe fn call(entry: Entry, base: u64, depth: u32) -> u64 {
    let index = FIRST_REGION.load(Ordering::Relaxed) + entry.unit;
    // SAFETY: a function pointer is a table index here, and the table has a unit there. The engine
    // checks both, and its type.
    let unit = unsafe { core::mem::transmute::<usize, Region>(index as usize) };
    unit(base, entry.state, depth)
}

/// For units: enters the unit that starts at `pc`. Returns where it came to, or `pc` when there is
/// none or `depth` is used up.
#[unsafe(no_mangle)]
pub extern "C" fn c2w_invoke(pc: u64, depth: u32) -> u64 {
    // SAFETY: only units call this, while the hart that has called them waits.
    let hot = unsafe { (*C2W_HOT.0.get()).assume_init_mut() };
    if depth == 0 {
        return pc;
    }
    hot.pc = pc;
    // SAFETY: only units call this.
    let entry = hot.entry(pc).or_else(|| unsafe { helper() }.entry(pc));
    let Some(entry) = entry else { return pc };
    // SAFETY: entries come from the converter.
    unsafe { call(entry, translated::base(pc, entry), depth - 1) }
}

/// For units: changes `sstatus`, see [`translated::status`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_status(change: u32, operand: u64) -> u64 {
    // SAFETY: as in `c2w_invoke`.
    let hot = unsafe { (*C2W_HOT.0.get()).assume_init_mut() };
    translated::status(hot, change, operand)
}

/// For units: goes on at `pc` until control comes to `back`, see [`Helper::resume`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_resume(pc: u64, back: u64, depth: u32) -> u64 {
    // SAFETY: only units call this.
    unsafe { helper() }.resume(pc, back, depth, &mut call_with)
}

/// For units of U-mode: the environment call at `pc`, see [`Helper::system_call`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_system_call(pc: u64, depth: u32) -> u64 {
    // SAFETY: only units call this.
    unsafe { helper() }.system_call(pc, depth, &mut call_with)
}

/// For units: makes the TLB entry for an access, see [`Helper::map_data`]. Returns 0 if it cannot.
#[unsafe(no_mangle)]
pub extern "C" fn c2w_map(address: u64, size: u32, write: u32) -> u32 {
    // SAFETY: only units call this.
    unsafe { helper() }.map_data(address, size, write != 0).into()
}

/// For units: `a * b + c`, see [`translated::fma32`].
#[unsafe(no_mangle)]
pub extern "C" fn c2w_fma32(a: f32, b: f32, c: f32) -> f32 {
    translated::fma32(a, b, c)
}
