//! The loop that nearly every guest instruction runs in.
//!
//! Invariants:
//! - It calls nothing but the rare half of a fused multiply-add. What it cannot do, it leaves to the
//!   caller by returning a [`LoopExit`] with `pc` at the instruction in question, which has then had no
//!   effect at all. A call that comes back would make the compiler spill the loop's state everywhere.
//! - `ip` points into the slots of one decoded page; `page` is that page's virtual address and
//!   `ops` its first slot, so `pc = page + (ip - ops) / 4` always holds. An instruction that
//!   crosses into the next page has its operation behind the first one's slots; `page` is then its own
//!   address and `ops` that operation.
//! - `budget` counts every instruction. It is only checked where a branch is taken or the page
//!   changes, and not when the loop merely goes on after a stop. So it is overrun by less than a page
//!   of instructions, and by the same number on every host, whatever is decoded or translated.
//! - A decoded page outlives every visit: pages are reset or dropped only between two calls.
//!
//! `unsafe` here is for guest memory, slots and registers reached by pointer without a bounds
//! check; docs/decisions/0006-unsafe-in-the-interpreter-loop.md has what the checks would cost.

// The blocks are in macros that expand some thousand times; their reasons stand once, above the
// first macro.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::state::HartState;
use crate::engine::arch::LoopExit;
use crate::engine::tlb::{ENTRY_OFFSET_MASK, ENTRY_OFFSET_SHIFT, fetch_index};
use crate::memory::PAGE_SHIFT;
use crate::riscv::vector::Vtype;
use crate::softfloat::fast;
use atomic::{amo, atomic, load_reserved, store_conditional};
use bitmanip::{bitmanip, or_combine};
use control::flow;
use dispatch::{dispatch, named, step};
use float::{
    arithmetic_d, arithmetic_s, compare_d, d, float, fma_d, fma_s, fp_fast, need_fp, single,
};
use fusion::for_each_fusion;
use group_ops::{group, group_base, group_part};
use integer::{divide, divide_u32, integer, word};
use memory::{memory, read, store};
use op::{Code, Op, PAGE_CROSSER, SLOT, UNTRANSLATED, for_each_code};
use range::{finite, finite_s, normal, normal_s};
use system::{status, system};
use vector::{copy_elements, need_vectors, vector, vector_state, whole_registers};

mod atomic;
mod bitmanip;
mod control;
mod dispatch;
mod float;
pub mod fusion;
mod group;
mod group_ops;
mod integer;
mod memory;
pub mod op;
pub mod page;
mod range;
mod system;
mod vector;

const PAGE: u64 = 0xfff;

/// The sign of a double.
const SIGN: u64 = 1 << 63;

/// The upper half of a NaN-boxed single.
const BOX: u64 = 0xffff_ffff_0000_0000;

/// Runs until something needs the caller.
///
/// # Safety
/// `state.read_tlb`, `state.write_tlb` and `state.other_sum` must point to tables of
/// [`ENTRIES`](crate::engine::tlb::ENTRIES) entries whose pages lie in the window at
/// `state.window`; write entries must never map a page from which code is decoded. Entries of `state.fetch` must be empty or point to the slots of a live code page; with `untranslated`,
/// the page that `state.pc` is in must have both views.
// The macros nest: `op!()` stands inside other unsafe expressions as often as not.
#[allow(unused_unsafe, clippy::cognitive_complexity)]
pub unsafe fn run(state: &mut HartState, untranslated: bool) -> LoopExit {
    let mut budget = state.budget;
    let mut read_tlb = state.read_tlb.0;
    let mut write_tlb = state.write_tlb.0;
    #[cfg(target_arch = "wasm32")]
    let window = 0usize;
    #[cfg(not(target_arch = "wasm32"))]
    let window = state.window;
    let registers = core::ptr::from_mut(state).cast::<u8>();
    let fetch = state.fetch.as_ptr();
    let fetch_tag = state.fetch_tag;
    let mut target = state.pc;
    // Going on is not a reason to stop: only what the guest does is, or when it stops would depend
    // on what happens to be decoded or translated.
    let mut going_on = true;
    let mut view = if untranslated { UNTRANSLATED } else { 0 };

    'page: loop {
        if budget <= 0 && !going_on {
            state.pc = target;
            state.budget = budget;
            return LoopExit::Budget;
        }
        going_on = false;
        let mut page = target & !PAGE;
        // SAFETY: the index is masked to the table's size.
        let entry = unsafe { &*fetch.add(fetch_index(target)) };
        if entry.tag != page | fetch_tag {
            state.pc = target;
            state.budget = budget;
            return LoopExit::Fetch;
        }
        // SAFETY: the untranslated view is only asked for in a page that has one.
        let mut ops = unsafe { entry.ops.0.add(core::mem::take(&mut view)) };
        // A page offset in halfwords times a slot's 8 bytes.
        // SAFETY: slots cover every halfword of the page.
        let mut ip = unsafe { ops.byte_add((target & 0xffe) as usize * (SLOT / 2)) };

        'op: loop {
            // SAFETY (all of the macros below): `ip` points to a slot of the page: it starts in
            // it, moves forward by whole instructions up to the end mark, which leaves the loop,
            // and jumps by distances that `lower` has checked to stay inside. Register fields
            // are multiples of 8 below 256 by construction of `Op`.
            macro_rules! op {
                () => {
                    unsafe { &*ip }
                };
            }
            macro_rules! x {
                ($field:ident) => {
                    unsafe { *registers.add(op!().$field as usize).cast::<u64>() }
                };
            }
            macro_rules! set_x {
                ($field:ident, $value:expr) => {{
                    let value: u64 = $value;
                    unsafe { *registers.add(op!().$field as usize).cast::<u64>() = value }
                }};
            }
            macro_rules! f {
                ($field:ident) => {
                    unsafe { *registers.add(op!().$field as usize + 256).cast::<u64>() }
                };
            }
            macro_rules! set_f {
                ($field:ident, $value:expr) => {{
                    let value: u64 = $value;
                    unsafe { *registers.add(op!().$field as usize + 256).cast::<u64>() = value }
                }};
            }
            // Another slot of a group, and its register.
            macro_rules! part {
                ($bytes:expr) => {
                    unsafe { &*ip.byte_add($bytes) }
                };
            }
            macro_rules! part_x {
                ($bytes:expr) => {
                    unsafe { *registers.add(part!($bytes).a as usize).cast::<u64>() }
                };
            }
            macro_rules! set_part_x {
                ($bytes:expr, $value:expr) => {{
                    let value: u64 = $value;
                    unsafe { *registers.add(part!($bytes).a as usize).cast::<u64>() = value }
                }};
            }
            macro_rules! pc {
                () => {
                    page.wrapping_add(((ip as usize - ops as usize) / (SLOT / 2)) as u64)
                };
            }
            macro_rules! imm {
                () => {
                    op!().imm as i64 as u64
                };
            }
            macro_rules! leave {
                ($stop:ident) => {{
                    state.pc = pc!();
                    state.budget = budget;
                    return LoopExit::$stop;
                }};
            }
            macro_rules! jump_to {
                ($address:expr) => {{
                    target = $address;
                    continue 'page;
                }};
            }
            // Host address of `$size` bytes at virtual `$va`, or the slow path.
            macro_rules! translate {
                ($tlb:ident, $va:expr, $size:expr) => {{
                    let va: u64 = $va;
                    let entry = unsafe {
                        &*$tlb.byte_add((va >> ENTRY_OFFSET_SHIFT) as usize & ENTRY_OFFSET_MASK)
                    };
                    if va ^ entry.page > PAGE + 1 - $size {
                        leave!(Slow);
                    }
                    window.wrapping_add((va as u32).wrapping_add(entry.distance) as usize)
                }};
            }
            macro_rules! readable {
                ($va:expr, $size:expr) => {
                    translate!(read_tlb, $va, $size)
                };
            }
            macro_rules! writable {
                ($va:expr, $size:expr) => {
                    translate!(write_tlb, $va, $size)
                };
            }
            // The loop's own state, for the bodies in other files.
            macro_rules! state {
                () => {
                    state
                };
            }
            macro_rules! window {
                () => {
                    window
                };
            }
            macro_rules! page {
                () => {
                    page
                };
            }
            macro_rules! user_mode {
                () => {
                    fetch_tag != 0
                };
            }
            macro_rules! retire {
                () => {
                    budget -= 1
                };
            }
            macro_rules! reload_tlbs {
                () => {
                    (read_tlb, write_tlb) = (state.read_tlb.0, state.write_tlb.0)
                };
            }
            macro_rules! clear_zero {
                () => {
                    state.x[0] = 0
                };
            }
            macro_rules! branch_near {
                ($taken:expr, $bytes:literal) => {{
                    budget -= 1;
                    if $taken {
                        ip = unsafe { ip.byte_offset(op!().imm as isize) };
                        if budget <= 0 {
                            leave!(Budget);
                        }
                        continue 'op;
                    }
                    ip = unsafe { ip.byte_add($bytes) };
                }};
            }
            macro_rules! branch_far {
                ($taken:expr, $bytes:literal) => {{
                    budget -= 1;
                    if $taken {
                        jump_to!(page.wrapping_add(imm!()));
                    }
                    ip = unsafe { ip.byte_add($bytes) };
                }};
            }
            // The second half is where the next page is mapped now; if it is still what was
            // decoded, the operation stands behind the page, relative to its own address.
            macro_rules! enter_page_crosser {
                () => {{
                    let next = page.wrapping_add(PAGE + 1);
                    let entry = unsafe { &*fetch.add(fetch_index(next)) };
                    if entry.tag != next | fetch_tag {
                        leave!(Slow);
                    }
                    let half = window.wrapping_add((entry.window_page as usize) << PAGE_SHIFT);
                    let half = unsafe { core::ptr::with_exposed_provenance::<u16>(half).read() };
                    if half != op!().imm as u16 {
                        leave!(Slow);
                    }
                    page = pc!();
                    ops = unsafe { ops.add(PAGE_CROSSER) };
                    ip = ops;
                }};
            }
            macro_rules! next_slot {
                ($instructions:literal $bytes:tt) => {{
                    budget -= $instructions;
                    ip = unsafe { ip.byte_add($bytes) };
                }};
            }
            for_each_code!(dispatch);
        }
    }
}

/// The end mark is one slot past the last: the largest step from a slot reaches it, as nothing
/// but [`Code::CrossPage`] stands in the last slot for an instruction of 4 bytes.
const _: () = assert!(size_of::<Op>() == 8);
