//! Accesses to guest memory: TLB probes, and what they found.
//!
//! Accesses at one base register share a TLB probe, as long as the register is not written: the
//! first one probes for all of its block, from the lowest to the highest byte. If those are not on
//! one page that the TLB has, the interpreter executes them one by one.
//!
//! In a strip of a loop's iterations the probe was before the first one: see
//! [`crate::plan::strip`].

use super::Emit;
use super::builder::{BUDGET, Builder, at};
use super::facts::{Hoisted, ProbedRange};
use crate::guest::MemoryAccess;
use crate::plan::strip::{StridedAccess, Strip};
use c2w_emulator::PAGE_SIZE;
use wasm_encoder::{BlockType, MemArg, ValType};

/// The most bytes that one probe serves.
const MAX_SPAN: i32 = 256;

/// Checks the accesses of a strip: pushes whether all are possible, an `i32`. The local `stop`
/// becomes the budget at the end of the last iteration, at least `longest`.
pub fn begin_strip<G: Emit>(strip: &Strip, stop: u32, longest: u32, body: &mut Builder<G>) {
    let address = body.take(ValType::I64);
    let entry = body.take(ValType::I32);
    let iterations = body.take(ValType::I32);
    // As many as there are bytes are as good as no bound.
    body.code().i32_const(PAGE_SIZE as i32).local_set(iterations);
    for (number, &access) in strip.accesses.iter().enumerate() {
        let size = (access.end - access.low) as u32;
        let local = body.take(ValType::I32);
        body.get(access.base);
        body.code().i64_const(i64::from(access.low)).i64_add().local_set(address);
        probe(address, entry, access.write, size, body);
        if number > 0 {
            body.code().i32_or();
        }
        body.code().local_get(entry).i32_load(at(G::STATE.tlb_distance, 2));
        body.code().i32_const(access.least).i32_add().local_set(local);
        bound_iterations(&access, address, iterations, body);
        body.hoisted.push(Hoisted { access, local });
    }
    strip_end(iterations, strip.shortest, stop, longest.into(), body);
    body.code().i32_eqz();
    [address, entry, iterations].into_iter().for_each(|local| body.give(local));
}

/// Has `iterations` be no more than stay on the page of an address.
fn bound_iterations<G: Emit>(
    access: &StridedAccess,
    address: u32,
    iterations: u32,
    body: &mut Builder<G>,
) {
    let page = PAGE_SIZE as i32 - 1;
    let size = access.end - access.low;
    if access.up > 0 {
        // Bytes from the last one to the page's last.
        body.code().local_get(address).i32_wrap_i64().i32_const(size - 1);
        body.code().i32_add().i32_const(-1).i32_xor().i32_const(page).i32_and();
        at_most(iterations, access.up, body);
    }
    if access.down > 0 {
        // Bytes from the page's start to the first one.
        body.code().local_get(address).i32_wrap_i64().i32_const(page).i32_and();
        at_most(iterations, access.down, body);
    }
}

/// Ends a strip.
pub fn end_strip<G: Emit>(body: &mut Builder<G>) {
    let hoisted = core::mem::take(&mut body.hoisted);
    hoisted.into_iter().for_each(|hoisted| body.give(hoisted.local));
}

/// Pushes the host's address for an access; returns its memory operand. `following` are the
/// instructions that may share a probe with it.
pub fn push_address<G: Emit>(
    access: MemoryAccess,
    following: &[G::Insn],
    body: &mut Builder<G>,
) -> MemArg {
    let is_same = |hoisted: &&Hoisted| hoisted.access.base == access.base;
    let hoisted = body.hoisted.iter().find(is_same).copied().filter(|_| body.is_hoisted);
    if let Some(Hoisted { access: strided, local }) = hoisted {
        body.get(access.base);
        body.code().i32_wrap_i64().local_get(local).i32_add();
        return at((access.low - strided.least) as u64, 0);
    }
    let range = find(access, following, body);
    body.code().local_get(range.local);
    at((access.low - range.low) as u64, 0)
}

/// The range that an access lies in; if it is not known yet, one probe finds it, and what of
/// `following` can share it.
fn find<G: Emit>(
    access: MemoryAccess,
    following: &[G::Insn],
    body: &mut Builder<G>,
) -> ProbedRange {
    let known = &mut body.facts.ranges;
    let covers = |range: &&ProbedRange| {
        range.base == access.base
            && range.low <= access.low
            && range.end >= access.end
            && (range.writable || !access.write)
    };
    if let Some(&range) = known.iter().find(covers) {
        return range;
    }
    known.retain(|range| range.base != access.base);
    let wanted = widen::<G>(access, following);
    let local = body.range_local();
    probe_range(wanted, local, body);
    let MemoryAccess { base, low, end, write } = wanted;
    let range = ProbedRange { base, low, end, writable: write, local };
    body.facts.ranges.push(range);
    range
}

/// The access, and those that follow at the same register.
fn widen<G: Emit>(first: MemoryAccess, following: &[G::Insn]) -> MemoryAccess {
    let mut all = first;
    for insn in following {
        if let Some(next) = G::memory_access(insn).filter(|next| next.base == first.base) {
            let (low, end) = (all.low.min(next.low), all.end.max(next.end));
            if end - low <= MAX_SPAN {
                all = MemoryAccess { low, end, write: all.write || next.write, ..all };
            }
        }
        if G::registers(insn).written.has(first.base) {
            break;
        }
    }
    all
}

/// Has a local be the host's address of what a register points to. Leaves unless the bytes there,
/// from one to a page as the local `length` says, lie on one page that the TLB has.
pub fn probe_bytes<G: Emit>(
    register: u8,
    length: u32,
    write: bool,
    local: u32,
    body: &mut Builder<G>,
) {
    let address = body.take(ValType::I64);
    let entry = body.take(ValType::I32);
    body.leave_if(|body| {
        body.get(register);
        body.code().local_set(address);
        probe_up_to(address, entry, write, body, |body| {
            body.code().i64_const(PAGE_SIZE as i64).local_get(length).i64_extend_i32_u().i64_sub();
        });
    });
    translate(address, entry, local, body);
    body.give(address);
    body.give(entry);
}

/// Has a local be the host's address of a range's first byte. Leaves unless the TLB has it.
fn probe_range<G: Emit>(range: MemoryAccess, local: u32, body: &mut Builder<G>) {
    let address = body.take(ValType::I64);
    let entry = body.take(ValType::I32);
    let size = (range.end - range.low) as u32;
    body.leave_unless_mapped(address, size, range.write, |body| {
        body.get(range.base);
        if range.low != 0 {
            body.code().i64_const(i64::from(range.low)).i64_add();
        }
        body.code().local_set(address);
        probe(address, entry, range.write, size, body);
    });
    translate(address, entry, local, body);
    body.give(address);
    body.give(entry);
}

/// Has the local `stop` be the budget after `iterations`, and `longest` at least.
fn strip_end<G: Emit>(
    iterations: u32,
    shortest: u32,
    stop: u32,
    longest: i64,
    body: &mut Builder<G>,
) {
    body.code().local_get(BUDGET).local_get(iterations).i32_const(1).i32_add().i64_extend_i32_u();
    body.code().i64_const(shortest.into()).i64_mul().i64_sub();
    // Not a `select`: Cranelift computes a mere expression where it is used, in each iteration.
    body.code().local_tee(stop).i64_const(longest).i64_lt_s();
    body.open_if(BlockType::Empty);
    body.code().i64_const(longest).local_set(stop);
    body.close();
}

/// Pops a number of bytes; has `iterations` be no more than fit into them, of `bytes` each.
fn at_most<G: Emit>(iterations: u32, bytes: i32, body: &mut Builder<G>) {
    let fit = body.take(ValType::I32);
    body.code().i32_const(bytes).i32_div_u().local_tee(fit).local_get(iterations);
    body.code().local_get(fit).local_get(iterations).i32_lt_u().select().local_set(iterations);
    body.give(fit);
}

/// Pushes whether `size` bytes at the address in a local are not on one page that the TLB has, an
/// `i32`; the local `entry` becomes the address of its entry.
pub fn probe<G: Emit>(address: u32, entry: u32, write: bool, size: u32, body: &mut Builder<G>) {
    probe_up_to(address, entry, write, body, |body| {
        body.code().i64_const(PAGE_SIZE as i64 - i64::from(size));
    });
}

/// [`probe`] for bytes that may start at `most` in the page: pushes that, an `i64`.
fn probe_up_to<G: Emit>(
    address: u32,
    entry: u32,
    write: bool,
    body: &mut Builder<G>,
    most: impl FnOnce(&mut Builder<G>),
) {
    let state = &G::STATE;
    let tlb = body.field(if write { state.write_tlb } else { state.read_tlb }, 2);
    body.code()
        .local_get(address)
        .i64_const(i64::from(state.tlb_shift))
        .i64_shr_u()
        .i32_wrap_i64()
        .i32_const(state.tlb_mask as i32)
        .i32_and()
        .i32_const(0)
        .i32_load(tlb)
        .i32_add()
        .local_tee(entry)
        .i64_load(at(state.tlb_page, 3))
        .local_get(address)
        .i64_xor();
    most(body);
    body.code().i64_gt_u();
}

/// Has a local be the host's address for the guest's address and the TLB entry in two others.
pub fn translate<G: Emit>(address: u32, entry: u32, local: u32, body: &mut Builder<G>) {
    body.code()
        .local_get(address)
        .i32_wrap_i64()
        .local_get(entry)
        .i32_load(at(G::STATE.tlb_distance, 2))
        .i32_add()
        .local_set(local);
}
