//! The loop that nearly every guest instruction runs in.
//!
//! Invariants:
//! - It calls nothing but the rare half of a fused multiply-add. What it cannot do, it leaves to the
//!   caller by returning a [`LoopExit`] with `pc` at the instruction in question, which has then had no
//!   effect at all. A call that comes back would make the compiler spill the loop's state everywhere.
//! - `ip` points into the slots of one code page; `page` is that page's virtual address and
//!   `ops` its first slot, so `pc = page + (ip - ops) / 4` always holds. An instruction that
//!   straddles two pages has its operation behind the first one's slots; `page` is then its own
//!   address and `ops` that operation.
//! - `budget` counts every instruction. It is only looked at where a branch is taken or the page
//!   changes, and not when the loop merely goes on after a stop. So it is overrun by less than a page
//!   of instructions, and by the same number on every host, whatever is decoded or translated.
//! - A code page outlives every visit: pages are reset or dropped only between two calls.
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
use bitmanip::{bitmanip, or_combine};
use float::float;
use fusion::for_each_fusion;
use group_ops::{group, group_base, group_part};
use op::{Code, Op, PAGE_CROSSER, SLOT, UNTRANSLATED, for_each_code};
use range::{finite, finite_s, normal, normal_s};
use vector::{copy_elements, vector};

mod bitmanip;
mod float;
pub mod fusion;
mod group;
mod group_ops;
pub mod op;
pub mod page;
mod range;
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
/// [`ENTRIES`](crate::engine::tlb::ENTRIES) entries whose pages lie in the window at `state.window`; write entries must never map a page from which code
/// is decoded. Entries of `state.fetch` must be empty or point to the slots of a live code page.
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
    // Going on is no reason to stop: only what the guest does is, or when it stops would depend on
    // what happens to be decoded or translated.
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
            macro_rules! d {
                ($field:ident) => {
                    f64::from_bits(f!($field))
                };
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
            macro_rules! single {
                ($field:ident) => {{
                    let bits = f!($field);
                    if bits & BOX != BOX {
                        leave!(Slow);
                    }
                    f32::from_bits(bits as u32)
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
            macro_rules! read {
                ($type:ty) => {{
                    let address =
                        translate!(read_tlb, x!(b).wrapping_add(imm!()), size_of::<$type>() as u64);
                    unsafe { core::ptr::with_exposed_provenance::<$type>(address).read_unaligned() }
                }};
            }
            macro_rules! store {
                ($type:ty, $value:expr) => {{
                    let address = translate!(
                        write_tlb,
                        x!(b).wrapping_add(imm!()),
                        size_of::<$type>() as u64
                    );
                    unsafe {
                        core::ptr::with_exposed_provenance_mut::<$type>(address)
                            .write_unaligned($value as $type)
                    }
                }};
            }
            macro_rules! amo {
                ($type:ty, |$old:ident, $operand:ident| $new:expr) => {{
                    let va = x!(b);
                    const SIZE: u64 = size_of::<$type>() as u64;
                    if va & (SIZE - 1) != 0 {
                        leave!(Slow);
                    }
                    let address = translate!(write_tlb, va, SIZE);
                    let place = core::ptr::with_exposed_provenance_mut::<$type>(address);
                    let $old = unsafe { place.read() };
                    let $operand = x!(c) as $type;
                    unsafe { place.write($new) };
                    set_x!(a, $old as i64 as u64);
                    state.x[0] = 0;
                }};
            }
            macro_rules! load_reserved {
                ($type:ty) => {{
                    let va = x!(b);
                    const SIZE: u64 = size_of::<$type>() as u64;
                    if va & (SIZE - 1) != 0 {
                        leave!(Slow);
                    }
                    let address = translate!(read_tlb, va, SIZE);
                    state.reservation = (address.wrapping_sub(window) + 1) as u64;
                    let place = core::ptr::with_exposed_provenance::<$type>(address);
                    set_x!(a, unsafe { place.read() } as i64 as u64);
                    state.x[0] = 0;
                }};
            }
            macro_rules! store_conditional {
                ($type:ty) => {{
                    let va = x!(b);
                    const SIZE: u64 = size_of::<$type>() as u64;
                    if va & (SIZE - 1) != 0 {
                        leave!(Slow);
                    }
                    let address = translate!(write_tlb, va, SIZE);
                    let holds = state.reservation == (address.wrapping_sub(window) + 1) as u64;
                    if holds {
                        let place = core::ptr::with_exposed_provenance_mut::<$type>(address);
                        unsafe { place.write(x!(c) as $type) };
                    }
                    state.reservation = 0;
                    set_x!(a, u64::from(!holds));
                    state.x[0] = 0;
                }};
            }
            // A change of `sstatus`. Access to user pages swaps the TLBs.
            macro_rules! status {
                ($value:expr, |$old:pat_param, $operand:ident| $new:expr) => {{
                    let $old = state.csrs.sstatus;
                    let $operand: u64 = $value;
                    let reads = state.csrs.read_sstatus();
                    if fetch_tag != 0 || !state.change_status($new) {
                        leave!(Slow);
                    }
                    (read_tlb, write_tlb) = (state.read_tlb.0, state.write_tlb.0);
                    set_x!(a, reads);
                    state.x[0] = 0;
                }};
            }
            macro_rules! arithmetic_d {
                ($fits:ident, $value:expr) => {{
                    let value: f64 = $value;
                    if !(state.fp_fast && $fits(value)) {
                        leave!(Slow);
                    }
                    set_f!(a, value.to_bits());
                }};
            }
            macro_rules! arithmetic_s {
                ($fits:ident, $value:expr) => {{
                    let value: f32 = $value;
                    if !(state.fp_fast && $fits(value)) {
                        leave!(Slow);
                    }
                    set_f!(a, BOX | u64::from(value.to_bits()));
                }};
            }
            macro_rules! fma_d {
                ($a:expr, $b:expr, $c:expr) => {{
                    let (true, Some(value)) = (state.fp_fast, fast::fma64_fast($a, $b, $c)) else {
                        leave!(Slow)
                    };
                    set_f!(a, value.to_bits());
                }};
            }
            macro_rules! fma_s {
                ($a:expr, $b:expr, $c:expr) => {{
                    let (true, Some(value)) = (state.fp_fast, fast::fma32_fast($a, $b, $c)) else {
                        leave!(Slow)
                    };
                    set_f!(a, BOX | u64::from(value.to_bits()));
                }};
            }
            macro_rules! fp_fast {
                () => {
                    state.fp_fast
                };
            }
            macro_rules! vector_state {
                () => {
                    &mut state.vector
                };
            }
            macro_rules! need_vectors {
                () => {
                    if !state.vector_ready {
                        leave!(Slow);
                    }
                };
            }
            macro_rules! clear_zero {
                () => {
                    state.x[0] = 0
                };
            }
            macro_rules! need_fp {
                () => {
                    if !state.fp_ready {
                        leave!(Slow);
                    }
                };
            }
            macro_rules! compare_d {
                (|$l:ident, $r:ident| $result:expr) => {{
                    let ($l, $r) = (d!(b), d!(c));
                    if !state.fp_ready || $l.is_nan() || $r.is_nan() {
                        leave!(Slow);
                    }
                    set_x!(a, u64::from($result));
                }};
            }
            // A quotient or remainder, with RISC-V's results for zero divisors and overflow.
            macro_rules! divide {
                ($type:ty, $by_zero:expr, $method:ident) => {{
                    let (l, r) = (x!(b) as $type, x!(c) as $type);
                    let result = if r == 0 { ($by_zero)(l) } else { l.$method(r) };
                    set_x!(a, result as i64 as u64);
                }};
            }
            // 32-bit unsigned results are sign-extended too.
            macro_rules! divide_u32 {
                ($by_zero:expr, $method:ident) => {{
                    let (l, r) = (x!(b) as u32, x!(c) as u32);
                    let result = if r == 0 { ($by_zero)(l) } else { l.$method(r) };
                    set_x!(a, result as i32 as u64);
                }};
            }
            macro_rules! word {
                ($value:expr) => {
                    set_x!(a, ($value) as i32 as u64)
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
            // What each operation does. `$bytes` is the distance to the next slot.
            macro_rules! body {
                (nop) => {};
                (addi) => {
                    set_x!(a, x!(b).wrapping_add(imm!()))
                };
                (li) => {
                    set_x!(a, imm!())
                };
                (mv) => {
                    set_x!(a, x!(b))
                };
                (lui) => {
                    set_x!(a, op!().wide_imm() as u64)
                };
                (auipc) => {
                    set_x!(a, page.wrapping_add(op!().wide_imm() as u64))
                };
                (slli) => {
                    set_x!(a, x!(b) << (op!().imm & 63))
                };
                (srli) => {
                    set_x!(a, x!(b) >> (op!().imm & 63))
                };
                (srai) => {
                    set_x!(a, (x!(b) as i64 >> (op!().imm & 63)) as u64)
                };
                (andi) => {
                    set_x!(a, x!(b) & imm!())
                };
                (ori) => {
                    set_x!(a, x!(b) | imm!())
                };
                (xori) => {
                    set_x!(a, x!(b) ^ imm!())
                };
                (slti) => {
                    set_x!(a, u64::from((x!(b) as i64) < imm!() as i64))
                };
                (sltiu) => {
                    set_x!(a, u64::from(x!(b) < imm!()))
                };
                (addiw) => {
                    word!((x!(b) as u32).wrapping_add(op!().imm as u32))
                };
                (sextw) => {
                    word!(x!(b))
                };
                (slliw) => {
                    word!((x!(b) as u32) << (op!().imm & 31))
                };
                (srliw) => {
                    word!(x!(b) as u32 >> (op!().imm & 31))
                };
                (sraiw) => {
                    word!(x!(b) as i32 >> (op!().imm & 31))
                };
                (add) => {
                    set_x!(a, x!(b).wrapping_add(x!(c)))
                };
                (sub) => {
                    set_x!(a, x!(b).wrapping_sub(x!(c)))
                };
                (and) => {
                    set_x!(a, x!(b) & x!(c))
                };
                (or) => {
                    set_x!(a, x!(b) | x!(c))
                };
                (xor) => {
                    set_x!(a, x!(b) ^ x!(c))
                };
                (sll) => {
                    set_x!(a, x!(b) << (x!(c) & 63))
                };
                (srl) => {
                    set_x!(a, x!(b) >> (x!(c) & 63))
                };
                (sra) => {
                    set_x!(a, (x!(b) as i64 >> (x!(c) & 63)) as u64)
                };
                (slt) => {
                    set_x!(a, u64::from((x!(b) as i64) < x!(c) as i64))
                };
                (sltu) => {
                    set_x!(a, u64::from(x!(b) < x!(c)))
                };
                (addw) => {
                    word!((x!(b) as u32).wrapping_add(x!(c) as u32))
                };
                (subw) => {
                    word!((x!(b) as u32).wrapping_sub(x!(c) as u32))
                };
                (sllw) => {
                    word!((x!(b) as u32) << (x!(c) & 31))
                };
                (srlw) => {
                    word!(x!(b) as u32 >> (x!(c) & 31))
                };
                (sraw) => {
                    word!(x!(b) as i32 >> (x!(c) & 31))
                };
                (mul) => {
                    set_x!(a, x!(b).wrapping_mul(x!(c)))
                };
                (mulw) => {
                    word!((x!(b) as u32).wrapping_mul(x!(c) as u32))
                };
                (mulh) => {
                    set_x!(a, (i128::from(x!(b) as i64) * i128::from(x!(c) as i64) >> 64) as u64)
                };
                (mulhu) => {
                    set_x!(a, (u128::from(x!(b)) * u128::from(x!(c)) >> 64) as u64)
                };
                (mulhsu) => {
                    set_x!(a, (i128::from(x!(b) as i64) * i128::from(x!(c)) >> 64) as u64)
                };
                (div) => {
                    divide!(i64, |_| -1, wrapping_div)
                };
                (divu) => {
                    divide!(u64, |_| u64::MAX, wrapping_div)
                };
                (rem) => {
                    divide!(i64, |l| l, wrapping_rem)
                };
                (remu) => {
                    divide!(u64, |l| l, wrapping_rem)
                };
                (divw) => {
                    divide!(i32, |_| -1, wrapping_div)
                };
                (divuw) => {
                    divide_u32!(|_| u32::MAX, wrapping_div)
                };
                (remw) => {
                    divide!(i32, |l| l, wrapping_rem)
                };
                (remuw) => {
                    divide_u32!(|l| l, wrapping_rem)
                };
                (lb) => {
                    set_x!(a, read!(i8) as u64)
                };
                (lh) => {
                    set_x!(a, read!(i16) as u64)
                };
                (lw) => {
                    set_x!(a, read!(i32) as u64)
                };
                (ld) => {
                    set_x!(a, read!(u64))
                };
                (lbu) => {
                    set_x!(a, u64::from(read!(u8)))
                };
                (lhu) => {
                    set_x!(a, u64::from(read!(u16)))
                };
                (lwu) => {
                    set_x!(a, u64::from(read!(u32)))
                };
                (sb) => {
                    store!(u8, x!(a))
                };
                (sh) => {
                    store!(u16, x!(a))
                };
                (sw) => {
                    store!(u32, x!(a))
                };
                (sd) => {
                    store!(u64, x!(a))
                };
                (amoadd_w) => {
                    amo!(i32, |old, operand| old.wrapping_add(operand))
                };
                (amoadd_d) => {
                    amo!(i64, |old, operand| old.wrapping_add(operand))
                };
                (amoswap_w) => {
                    amo!(i32, |old, operand| operand)
                };
                (amoswap_d) => {
                    amo!(i64, |old, operand| operand)
                };
                (amoor_w) => {
                    amo!(i32, |old, operand| old | operand)
                };
                (amoor_d) => {
                    amo!(i64, |old, operand| old | operand)
                };
                (amoxor_w) => {
                    amo!(i32, |old, operand| old ^ operand)
                };
                (amoxor_d) => {
                    amo!(i64, |old, operand| old ^ operand)
                };
                (amoand_w) => {
                    amo!(i32, |old, operand| old & operand)
                };
                (amoand_d) => {
                    amo!(i64, |old, operand| old & operand)
                };
                (trap_read) => {{
                    if fetch_tag != 0 {
                        leave!(Slow);
                    }
                    set_x!(a, state.trap[op!().imm as usize & 3])
                }};
                // `c` has the bits that stay zero.
                (trap_write) => {{
                    if fetch_tag != 0 {
                        leave!(Slow);
                    }
                    let register = op!().imm as usize & 3;
                    let old = state.trap[register];
                    state.trap[register] = x!(b) & !u64::from(op!().c);
                    set_x!(a, old);
                    state.x[0] = 0;
                }};
                (status_write) => {
                    status!(x!(b), |_, operand| operand)
                };
                (status_set) => {
                    status!(x!(b), |old, operand| old | operand)
                };
                (status_clear) => {
                    status!(x!(b), |old, operand| old & !operand)
                };
                (status_set_bits) => {
                    status!(imm!(), |old, operand| old | operand)
                };
                (status_clear_bits) => {
                    status!(imm!(), |old, operand| old & !operand)
                };
                (lr_w) => {
                    load_reserved!(i32)
                };
                (lr_d) => {
                    load_reserved!(i64)
                };
                (sc_w) => {
                    store_conditional!(u32)
                };
                (sc_d) => {
                    store_conditional!(u64)
                };
                (cbo_zero) => {{
                    if !state.may_zero {
                        leave!(Slow);
                    }
                    let address = translate!(write_tlb, x!(b) & !63, 64);
                    unsafe {
                        core::ptr::with_exposed_provenance_mut::<[u64; 8]>(address).write([0; 8])
                    }
                }};
            }
            macro_rules! flow {
                (beq $bytes:literal) => {
                    branch_near!(x!(a) == x!(b), $bytes)
                };
                (bne $bytes:literal) => {
                    branch_near!(x!(a) != x!(b), $bytes)
                };
                (blt $bytes:literal) => {
                    branch_near!((x!(a) as i64) < x!(b) as i64, $bytes)
                };
                (bge $bytes:literal) => {
                    branch_near!(x!(a) as i64 >= x!(b) as i64, $bytes)
                };
                (bltu $bytes:literal) => {
                    branch_near!(x!(a) < x!(b), $bytes)
                };
                (bgeu $bytes:literal) => {
                    branch_near!(x!(a) >= x!(b), $bytes)
                };
                (beqz $bytes:literal) => {
                    branch_near!(x!(a) == 0, $bytes)
                };
                (bnez $bytes:literal) => {
                    branch_near!(x!(a) != 0, $bytes)
                };
                (beq_far $bytes:literal) => {
                    branch_far!(x!(a) == x!(b), $bytes)
                };
                (bne_far $bytes:literal) => {
                    branch_far!(x!(a) != x!(b), $bytes)
                };
                (blt_far $bytes:literal) => {
                    branch_far!((x!(a) as i64) < x!(b) as i64, $bytes)
                };
                (bge_far $bytes:literal) => {
                    branch_far!(x!(a) as i64 >= x!(b) as i64, $bytes)
                };
                (bltu_far $bytes:literal) => {
                    branch_far!(x!(a) < x!(b), $bytes)
                };
                (bgeu_far $bytes:literal) => {
                    branch_far!(x!(a) >= x!(b), $bytes)
                };
                (j $bytes:literal) => {
                    branch_near!(true, $bytes)
                };
                (jal $bytes:literal) => {{
                    let link = u64::from(u16::from_le_bytes([op!().c, op!().d]));
                    set_x!(a, page.wrapping_add(link));
                    branch_near!(true, $bytes)
                }};
                (j_far $bytes:literal) => {{
                    budget -= 1;
                    jump_to!(page.wrapping_add(op!().wide_imm() as u64))
                }};
                (jal_far $bytes:literal) => {{
                    budget -= 1;
                    set_x!(a, pc!().wrapping_add($bytes / (SLOT as u64 / 2)));
                    jump_to!(page.wrapping_add(op!().wide_imm() as u64))
                }};
                (jr $bytes:literal) => {{
                    budget -= 1;
                    jump_to!(x!(b).wrapping_add(imm!()) & !1)
                }};
                (jalr $bytes:literal) => {{
                    budget -= 1;
                    let destination = x!(b).wrapping_add(imm!()) & !1;
                    set_x!(a, pc!().wrapping_add($bytes / (SLOT as u64 / 2)));
                    jump_to!(destination)
                }};
                (page_end $bytes:literal) => {
                    jump_to!(pc!())
                };
                // The second half is where the next page is mapped now; if it is still what was
                // decoded, the operation stands behind the page, relative to its own address.
                (cross_page $bytes:literal) => {{
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
            macro_rules! go_on {
                ($instructions:literal $bytes:tt) => {{
                    budget -= $instructions;
                    ip = unsafe { ip.byte_add($bytes) };
                }};
            }
            macro_rules! step {
                (float $body:ident $bytes:literal) => {{
                    float!($body);
                    go_on!(1 $bytes);
                }};
                (vector $body:ident $bytes:literal) => {{
                    vector!($body);
                    go_on!(1 $bytes);
                }};
                (bit $body:ident $bytes:literal) => {{
                    bitmanip!($body);
                    go_on!(1 $bytes);
                }};
                (seq $body:ident $bytes:literal) => {{
                    body!($body);
                    go_on!(1 $bytes);
                }};
                (branch $body:ident $bytes:literal) => { flow!($body $bytes) };
                (flow $body:ident $bytes:literal) => { flow!($body $bytes) };
                (loads $body:ident $bytes:literal) => { group!(loads $body $bytes) };
                (stores $body:ident $bytes:literal) => { group!(stores $body $bytes) };
                (stop decode $bytes:literal) => { leave!(Decode) };
                (stop slow $bytes:literal) => { leave!(Slow) };
                (stop enter $bytes:literal) => { leave!(Enter) };
            }
            // `step!` by an operation's name, for the superinstructions.
            macro_rules! define_named {
                (
                    { $($name:ident = $kind:ident $body:ident $bytes:literal)* }
                    $runs:tt
                ) => {
                    macro_rules! named { $(($name) => { step!($kind $body $bytes) };)* }
                };
            }
            for_each_code!(define_named);
            macro_rules! dispatch {
                (
                    { $($name:ident = $kind:ident $body:ident $bytes:literal)* }
                    { $($run:ident = $($part:ident)+;)* }
                ) => {
                    match op!().code {
                        $(Code::$name => step!($kind $body $bytes),)*
                        $(Code::$run => {
                            $(named!($part);)+
                        })*
                    }
                };
            }
            for_each_code!(dispatch);
        }
    }
}

/// The end mark is one slot past the last: the largest step from a slot reaches it, as nothing
/// but [`Code::CrossPage`] stands in the last slot for an instruction of 4 bytes.
const _: () = assert!(size_of::<Op>() == 8);
