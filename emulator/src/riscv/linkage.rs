//! What translated code shares with the hart: where the fields of its state are, and what it calls.

use super::hart::{Hart, Riscv};
use super::interpreter::op::FetchEntry;
use super::state::HartState;
use super::vector::VectorState;
use crate::engine::code_index::{Entry, Translated};
use crate::engine::tlb::TlbEntry;
use crate::engine::translated::{self, TranslatedCode};
use crate::machine::Machine;
use crate::softfloat::fast;
use alloc::boxed::Box;
use core::mem::{MaybeUninit, offset_of};

/// Byte offsets of the fields of [`HartState`], the same on every host.
pub mod state_offsets {
    #![allow(missing_docs)]
    use super::{FetchEntry, HartState, TlbEntry, VectorState, offset_of};

    pub const X: u64 = offset_of!(HartState, x) as u64;
    pub const F: u64 = offset_of!(HartState, f) as u64;
    pub const PC: u64 = offset_of!(HartState, pc) as u64;
    pub const BUDGET: u64 = offset_of!(HartState, budget) as u64;
    pub const TRAP: u64 = offset_of!(HartState, trap) as u64;
    pub const RESERVATION: u64 = offset_of!(HartState, reservation) as u64;
    pub const READ_TLB: u64 = offset_of!(HartState, read_tlb) as u64;
    pub const WRITE_TLB: u64 = offset_of!(HartState, write_tlb) as u64;
    pub const FETCH_ENTRIES: u64 = offset_of!(HartState, fetch_entries) as u64;
    pub const FP_READY: u64 = offset_of!(HartState, fp_ready) as u64;
    pub const FP_FAST: u64 = offset_of!(HartState, fp_fast) as u64;
    pub const MAY_ZERO: u64 = offset_of!(HartState, may_zero) as u64;
    pub const VECTOR_READY: u64 = offset_of!(HartState, vector_ready) as u64;

    const VECTOR: u64 = offset_of!(HartState, vector) as u64;
    /// Vector registers, 16 bytes each.
    pub const V: u64 = VECTOR + VectorState::REGISTERS;
    /// A [`Vtype`](super::super::vector::Vtype)'s code or 0, the vector length, `vstart`: a byte
    /// each.
    pub const VTYPE: u64 = VECTOR + offset_of!(VectorState, vtype) as u64;
    pub const VL: u64 = VECTOR + offset_of!(VectorState, vl) as u64;
    pub const VSTART: u64 = VECTOR + offset_of!(VectorState, vstart) as u64;

    /// log2 of a fetch entry's size.
    pub const FETCH_ENTRY_SHIFT: u32 = size_of::<FetchEntry>().trailing_zeros();
    /// A fetch entry's code tag.
    pub const CODE_TAG: u64 = offset_of!(FetchEntry, code_tag) as u64;
    /// In a TLB entry.
    pub const TLB_PAGE: u64 = offset_of!(TlbEntry, page) as u64;
    pub const TLB_DISTANCE: u64 = offset_of!(TlbEntry, distance) as u64;
    pub use crate::engine::tlb::{
        ENTRY_OFFSET_MASK, ENTRY_OFFSET_SHIFT, FETCH_ENTRIES as FETCH_COUNT,
    };

    const _: () = assert!(FETCH_ENTRIES == 584 && MAY_ZERO == 602 && VSTART == VTYPE + 2);
    const _: () = assert!(size_of::<FetchEntry>() == 32);
}

/// How `sstatus` changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum StatusChange {
    /// To the operand.
    Write = 0,
    /// Bits of the operand are set.
    Set = 1,
    /// Bits of the operand are cleared.
    Clear = 2,
}

/// What [`change_status`] returns when it can do nothing: no value of `sstatus`.
pub const UNCHANGED: u64 = u64::MAX;

/// Changes `sstatus` for a region in S-mode, as [`StatusChange`] numbers it; returns what it read
/// before, or [`UNCHANGED`].
pub fn change_status(state: &mut HartState, change: u32, operand: u64) -> u64 {
    let (old, reads) = (state.csrs.sstatus, state.csrs.read_sstatus());
    const WRITE: u32 = StatusChange::Write as u32;
    const SET: u32 = StatusChange::Set as u32;
    let new = match change {
        WRITE => operand,
        SET => old | operand,
        _ => old & !operand,
    };
    if state.change_status(new) { reads } else { UNCHANGED }
}

/// `a * b + c` with one rounding for regions, or NaN when it needs the slow path.
pub fn fma32(a: f32, b: f32, c: f32) -> f32 {
    fast::fma32_fast(a, b, c).unwrap_or(f32::NAN)
}

/// What a hart does for regions while they run.
pub type RegionRuntime<'a, 'b> = translated::RegionRuntime<'a, 'b, Riscv>;

/// Calls a region on behalf of a [`RegionRuntime`].
pub type CallRegion<'c> = translated::CallRegion<'c, Riscv>;

/// Has a machine enter the regions of `translated` from now on, through `code`. They expect the
/// hart's state in `cell`. Does nothing to a machine of another instruction set.
pub fn set_translated(
    machine: &mut Machine,
    translated: &Translated,
    code: Box<dyn TranslatedCode<Riscv>>,
    cell: &'static mut MaybeUninit<HartState>,
) {
    if let Some((hart, memory)) = machine.cpu_mut::<Hart>() {
        hart.set_translated(translated, code, cell, memory);
    }
}

/// Has a hart forget everything that is cached: translations of addresses and decoded code. For
/// tests: the guest cannot tell.
pub fn drop_caches(machine: &mut Machine) {
    if let Some((hart, memory)) = machine.cpu_mut::<Hart>() {
        hart.drop_caches(memory);
    }
}

// What regions call. It stands here, and not where it is called from, so that there is one copy of
// the engine for RISC-V: with the hart's own.

/// See [`translated::RegionRuntime::resume`].
pub fn resume(
    runtime: &mut RegionRuntime<'_, '_>,
    (pc, return_site): (u64, u64),
    depth: u32,
    call: &mut CallRegion<'_>,
) -> u64 {
    runtime.resume(pc, return_site, depth, call)
}

/// See [`translated::RegionRuntime::system_call`].
pub fn system_call(
    runtime: &mut RegionRuntime<'_, '_>,
    pc: u64,
    depth: u32,
    call: &mut CallRegion<'_>,
) -> u64 {
    runtime.system_call(pc, depth, call)
}

/// See [`translated::RegionRuntime::map_data`].
pub fn map_data(runtime: &mut RegionRuntime<'_, '_>, address: u64, size: u32, write: bool) -> bool {
    runtime.map_data(address, size, write)
}

/// See [`translated::RegionRuntime::entry`].
pub fn entry(runtime: &mut RegionRuntime<'_, '_>, pc: u64) -> Option<Entry> {
    runtime.entry(pc)
}
