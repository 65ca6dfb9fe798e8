//! Loads, stores and atomics.
//!
//! Accesses at one base register share a look at the TLB, as long as the register is not written: the
//! first one looks for all of its block, from the lowest to the highest byte. If those are not on one
//! page that is there, the interpreter does them one by one.
//!
//! In a strip of a loop's rounds the look was before the first one: see [`crate::plan::strip`].

use crate::emit::builder::{Body, LEFT, at};
use crate::emit::facts::Range;
use crate::plan::region::operands;
use crate::plan::strip::{Strip, Walk};
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use c2w_emulator::cpu::isa::{Format, Insn, Opcode};
use c2w_emulator::cpu::translated::place;
use wasm_encoder::{BlockType, MemArg, ValType};

/// The widest range of bytes that one look serves.
const WIDEST: i32 = 256;

/// What of memory was looked at ahead.
#[derive(Default)]
pub struct Ahead {
    /// In a strip, with locals that have what to add to the register for the host's address of the
    /// least displacement.
    walks: Vec<(Walk, u32)>,
    /// Whether the block at hand is one whose accesses were.
    here: bool,
}

/// An access to memory at a base register and a distance.
#[derive(Clone, Copy)]
pub struct Access {
    /// The register.
    pub base: u8,
    /// From there to the first byte.
    pub low: i32,
    /// From there to behind the last byte.
    pub end: i32,
    /// Whether it stores.
    pub write: bool,
}

impl Access {
    /// A load or store; `None` for another instruction.
    pub fn of(insn: &Insn) -> Option<Self> {
        let write = match insn.opcode.format() {
            Format::Load if insn.opcode != Opcode::Jalr => false,
            Format::LoadFp => false,
            Format::S | Format::SFp => true,
            _ => return None,
        };
        let end = insn.imm + size(insn.opcode)? as i32;
        Some(Self { base: insn.rs1, low: insn.imm, end, write })
    }
}

/// Bytes that a load, store or atomic accesses.
fn size(opcode: Opcode) -> Option<u32> {
    use Opcode as O;
    Some(match opcode {
        O::Lb | O::Lbu | O::Sb => 1,
        O::Lh | O::Lhu | O::Sh => 2,
        O::Lw | O::Lwu | O::Sw | O::Flw | O::Fsw => 4,
        O::Ld | O::Sd | O::Fld | O::Fsd => 8,
        O::LrW | O::ScW | O::AmoaddW | O::AmoswapW | O::AmoxorW | O::AmoorW | O::AmoandW => 4,
        O::LrD | O::ScD | O::AmoaddD | O::AmoswapD | O::AmoxorD | O::AmoorD | O::AmoandD => 8,
        _ => return None,
    })
}

impl Ahead {
    /// Looks ahead for a strip: pushes whether all is there, an `i32`. What the budget is at the end
    /// of the last round goes to the local `stop`; `longest` is the least that it may be.
    pub fn look(&mut self, strip: &Strip, stop: u32, longest: u32, body: &mut Body) {
        let address = body.take(ValType::I64);
        let entry = body.take(ValType::I32);
        let rounds = body.take(ValType::I32);
        // As many as there are bytes are as good as no bound.
        body.code().i32_const(PAGE_SIZE as i32).local_set(rounds);
        for (number, &walk) in strip.walks.iter().enumerate() {
            let size = (walk.end - walk.low) as u32;
            let distance = body.take(ValType::I32);
            body.x(walk.base);
            body.code().i64_const(i64::from(walk.low)).i64_add().local_set(address);
            probe(address, entry, walk.write, size, body);
            if number > 0 {
                body.code().i32_or();
            }
            body.code().local_get(entry).i32_load(at(place::TLB_DISTANCE, 2));
            body.code().i32_const(walk.least).i32_add().local_set(distance);
            // Bytes from the last one to the page's last, and from the page's start to the first.
            let page = PAGE_SIZE as i32 - 1;
            if walk.up > 0 {
                body.code().local_get(address).i32_wrap_i64().i32_const(size as i32 - 1);
                body.code().i32_add().i32_const(-1).i32_xor().i32_const(page).i32_and();
                fewer(rounds, walk.up, body);
            }
            if walk.down > 0 {
                body.code().local_get(address).i32_wrap_i64().i32_const(page).i32_and();
                fewer(rounds, walk.down, body);
            }
            self.walks.push((walk, distance));
        }
        strip_end(rounds, strip.shortest, stop, longest.into(), body);
        body.code().i32_eqz();
        [address, entry, rounds].into_iter().for_each(|local| body.give(local));
    }

    /// Whether the accesses of the block that begins were looked at ahead.
    pub fn set_here(&mut self, here: bool) {
        self.here = here;
    }

    /// Ends a strip.
    pub fn end_strip(&mut self, body: &mut Body) {
        self.walks.drain(..).for_each(|(_, local)| body.give(local));
    }

    /// Pushes the host's address for an access; returns its memory operand.
    fn address(&self, access: Access, following: &[Insn], body: &mut Body) -> MemArg {
        let ahead = self.walks.iter().find(|(walk, _)| self.here && walk.base == access.base);
        if let Some(&(walk, distance)) = ahead {
            body.x(access.base);
            body.code().i32_wrap_i64().local_get(distance).i32_add();
            return at((access.low - walk.least) as u64, 0);
        }
        let range = find(access, following, body);
        body.code().local_get(range.local);
        at((access.low - range.low) as u64, 0)
    }
}

/// The range that an access lies in, looked up if necessary with what `following` tells.
fn find(access: Access, following: &[Insn], body: &mut Body) -> Range {
    let known = &mut body.facts.ranges;
    let covers = |range: &&Range| {
        range.base == access.base
            && range.low <= access.low
            && range.end >= access.end
            && (range.writable || !access.write)
    };
    if let Some(&range) = known.iter().find(covers) {
        return range;
    }
    known.retain(|range| range.base != access.base);
    let wanted = widen(access, following);
    let local = body.range_local();
    look_up(wanted, local, body);
    let Access { base, low, end, write } = wanted;
    let range = Range { base, low, end, writable: write, local };
    body.facts.ranges.push(range);
    range
}

/// The access, and those that follow at the same register.
fn widen(first: Access, following: &[Insn]) -> Access {
    let mut all = first;
    for insn in following {
        if let Some(next) = Access::of(insn).filter(|next| next.base == first.base) {
            let (low, end) = (all.low.min(next.low), all.end.max(next.end));
            if end - low <= WIDEST {
                all = Access { low, end, write: all.write || next.write, ..all };
            }
        }
        if operands(insn).1.has_x(first.base) {
            break;
        }
    }
    all
}

/// Leaves the host's address of what `x[register]` points to in a local, or leaves the unit unless as
/// many bytes there as the local `length` says, one to a page, lie on one page that is there.
pub fn look_up_bytes(register: u8, length: u32, write: bool, local: u32, body: &mut Body) {
    let address = body.take(ValType::I64);
    let entry = body.take(ValType::I32);
    body.leave_if(|body| {
        body.x(register);
        body.code().local_set(address);
        probe_up_to(address, entry, write, body, |body| {
            body.code().i64_const(PAGE_SIZE as i64).local_get(length).i64_extend_i32_u().i64_sub();
        });
    });
    translate(address, entry, local, body);
    body.give(address);
    body.give(entry);
}

/// Leaves the host's address of a range's first byte in a local, or leaves the unit.
fn look_up(range: Access, local: u32, body: &mut Body) {
    let address = body.take(ValType::I64);
    let entry = body.take(ValType::I32);
    let size = (range.end - range.low) as u32;
    body.leave_unless_mapped(address, size, range.write, |body| {
        body.x(range.base);
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

/// Has the local `stop` be the budget that is left after so many rounds, and `longest` at least.
fn strip_end(rounds: u32, shortest: u32, stop: u32, longest: i64, body: &mut Body) {
    body.code().local_get(LEFT).local_get(rounds).i32_const(1).i32_add().i64_extend_i32_u();
    body.code().i64_const(shortest.into()).i64_mul().i64_sub();
    // No `select`: Cranelift computes what is a mere expression where it is used, in each round.
    body.code().local_tee(stop).i64_const(longest).i64_lt_s();
    body.open_if(BlockType::Empty);
    body.code().i64_const(longest).local_set(stop);
    body.close();
}

/// Pops a number of bytes that there are; has `rounds` be no more than fit, of so many bytes each.
fn fewer(rounds: u32, bytes: i32, body: &mut Body) {
    let fit = body.take(ValType::I32);
    body.code().i32_const(bytes).i32_div_u().local_tee(fit).local_get(rounds);
    body.code().local_get(fit).local_get(rounds).i32_lt_u().select().local_set(rounds);
    body.give(fit);
}

/// Pushes whether `size` bytes at an address are not on one page that a TLB has; the address of the
/// entry goes to a local.
fn probe(address: u32, entry: u32, write: bool, size: u32, body: &mut Body) {
    probe_up_to(address, entry, write, body, |body| {
        body.code().i64_const(PAGE_SIZE as i64 - i64::from(size));
    });
}

/// [`probe`] for bytes that may start at `most` in the page: pushes that, an `i64`.
fn probe_up_to(
    address: u32,
    entry: u32,
    write: bool,
    body: &mut Body,
    most: impl FnOnce(&mut Body),
) {
    let tlb = body.field(if write { place::WRITE_TLB } else { place::READ_TLB }, 2);
    body.code()
        .local_get(address)
        .i64_const(i64::from(place::PLACE_SHIFT))
        .i64_shr_u()
        .i32_wrap_i64()
        .i32_const(place::PLACE_MASK as i32)
        .i32_and()
        .i32_const(0)
        .i32_load(tlb)
        .i32_add()
        .local_tee(entry)
        .i64_load(at(place::TLB_PAGE, 3))
        .local_get(address)
        .i64_xor();
    most(body);
    body.code().i64_gt_u();
}

/// The host's address for a guest's and its TLB entry, into a local.
fn translate(address: u32, entry: u32, local: u32, body: &mut Body) {
    body.code()
        .local_get(address)
        .i32_wrap_i64()
        .local_get(entry)
        .i32_load(at(place::TLB_DISTANCE, 2))
        .i32_add()
        .local_set(local);
}

/// Writes a load or a store; `following` are the instructions of the block behind it. Returns
/// `false` for another instruction.
pub fn access(insn: &Insn, following: &[Insn], ahead: &Ahead, body: &mut Body) -> bool {
    use Opcode as O;
    let Some(access) = Access::of(insn) else { return false };
    let float = matches!(insn.opcode.format(), Format::LoadFp | Format::SFp);
    // A load without a destination may still fault.
    if !float && !access.write && insn.rd == 0 {
        return false;
    }
    if float {
        body.need_fp();
    }
    // A load into its own base register is the last one there.
    let following = if operands(insn).1.has_x(insn.rs1) { &[] } else { following };
    let place = ahead.address(access, following, body);
    match insn.opcode {
        O::Sb | O::Sh | O::Sw | O::Sd => body.x(insn.rs2),
        O::Fsd => body.f(insn.rs2),
        O::Fsw => body.f_bits(insn.rs2),
        _ => {}
    }
    let mut code = body.code();
    match insn.opcode {
        O::Lb => code.i64_load8_s(place),
        O::Lh => code.i64_load16_s(place),
        O::Lw => code.i64_load32_s(place),
        O::Ld => code.i64_load(place),
        O::Lbu => code.i64_load8_u(place),
        O::Lhu => code.i64_load16_u(place),
        O::Lwu => code.i64_load32_u(place),
        O::Flw => code.i64_load32_u(place).i64_const(-1 << 32).i64_or(),
        O::Fld => code.f64_load(place),
        O::Sb => code.i64_store8(place),
        O::Sh => code.i64_store16(place),
        O::Sw | O::Fsw => code.i64_store32(place),
        O::Sd => code.i64_store(place),
        _ => code.f64_store(place),
    };
    match insn.opcode {
        O::Flw => body.set_f_bits(insn.rd),
        O::Fld => body.set_f(insn.rd),
        _ if !access.write => body.set_x(insn.rd),
        _ => {}
    }
    true
}

/// Writes `cbo.zero`, which `user` code may not be allowed. Returns `false` for another instruction.
pub fn zero_block(insn: &Insn, user: bool, body: &mut Body) -> bool {
    /// Bytes of a block.
    const BLOCK: u64 = 64;
    if insn.opcode != Opcode::CboZero {
        return false;
    }
    if user {
        body.need_zeroing();
    }
    let address = body.take(ValType::I64);
    let entry = body.take(ValType::I32);
    let local = body.take(ValType::I32);
    body.leave_unless_mapped(address, 1, true, |body| {
        body.x(insn.rs1);
        body.code().i64_const(-(BLOCK as i64)).i64_and().local_set(address);
        probe(address, entry, true, 1, body);
    });
    translate(address, entry, local, body);
    for place in (0..BLOCK).step_by(8) {
        body.code().local_get(local).i64_const(0).i64_store(at(place, 0));
    }
    [entry, local].into_iter().for_each(|local| body.give(local));
    body.give(address);
    true
}

/// Writes an atomic instruction. Returns `false` for another, or one that is left to the
/// interpreter.
pub fn atomic(insn: &Insn, body: &mut Body) -> bool {
    use Opcode as O;
    let Some(size) = size(insn.opcode) else { return false };
    if insn.opcode.format() != Format::Amo {
        return false;
    }
    let write = !matches!(insn.opcode, O::LrW | O::LrD);
    let address = body.take(ValType::I64);
    let entry = body.take(ValType::I32);
    let local = body.take(ValType::I32);
    body.leave_if(|body| {
        body.x(insn.rs1);
        body.code().local_tee(address).i32_wrap_i64().i32_const(size as i32 - 1).i32_and();
    });
    // What is aligned lies on one page.
    body.leave_unless_mapped(address, size, write, |body| probe(address, entry, write, 1, body));
    translate(address, entry, local, body);
    match insn.opcode {
        O::LrW | O::LrD => load_reserved(insn, local, size, body),
        O::ScW | O::ScD => store_conditional(insn, local, size, body),
        _ => modify(insn, local, size, body),
    }
    body.give(address);
    body.give(entry);
    body.give(local);
    true
}

fn load(size: u32, body: &mut Body) {
    if size == 4 {
        body.code().i64_load32_s(at(0, 2));
    } else {
        body.code().i64_load(at(0, 3));
    }
}

fn store(size: u32, body: &mut Body) {
    if size == 4 {
        body.code().i64_store32(at(0, 2));
    } else {
        body.code().i64_store(at(0, 3));
    }
}

/// Pushes what marks a reservation of the address in a local: the window's offset + 1.
fn reservation(local: u32, body: &mut Body) {
    body.code().local_get(local).i64_extend_i32_u().i64_const(1).i64_add();
}

fn load_reserved(insn: &Insn, local: u32, size: u32, body: &mut Body) {
    let place = body.field(place::RESERVATION, 3);
    body.code().i32_const(0);
    reservation(local, body);
    body.code().i64_store(place).local_get(local);
    load(size, body);
    body.set_x(insn.rd);
}

fn store_conditional(insn: &Insn, local: u32, size: u32, body: &mut Body) {
    let place = body.field(place::RESERVATION, 3);
    let lost = body.take(ValType::I64);
    body.load_field(place::RESERVATION);
    reservation(local, body);
    body.code().i64_ne().i64_extend_i32_u().local_tee(lost).i64_eqz();
    body.open_if(BlockType::Empty);
    body.code().local_get(local);
    body.x(insn.rs2);
    store(size, body);
    body.close();
    body.code().i32_const(0).i64_const(0).i64_store(place).local_get(lost);
    body.set_x(insn.rd);
    body.give(lost);
}

fn modify(insn: &Insn, local: u32, size: u32, body: &mut Body) {
    use Opcode as O;
    let old = body.take(ValType::I64);
    body.code().local_get(local).local_get(local);
    load(size, body);
    body.code().local_set(old);
    if !matches!(insn.opcode, O::AmoswapW | O::AmoswapD) {
        body.code().local_get(old);
    }
    body.x(insn.rs2);
    match insn.opcode {
        O::AmoaddW | O::AmoaddD => _ = body.code().i64_add(),
        O::AmoxorW | O::AmoxorD => _ = body.code().i64_xor(),
        O::AmoorW | O::AmoorD => _ = body.code().i64_or(),
        O::AmoandW | O::AmoandD => _ = body.code().i64_and(),
        _ => {}
    }
    store(size, body);
    body.code().local_get(old);
    body.set_x(insn.rd);
    body.give(old);
}
