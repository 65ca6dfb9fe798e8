//! Loads, stores, atomics and `cbo.zero`.

use super::{Builder, registers};
use crate::emit::{at, memory};
use crate::guest::MemoryAccess;
use c2w_emulator::riscv::isa::{Format, Insn, Opcode};
use c2w_emulator::riscv::linkage::state_offsets;
use wasm_encoder::{BlockType, ValType};

/// What a load or store accesses; `None` for another instruction.
pub fn access_of(insn: &Insn) -> Option<MemoryAccess> {
    let write = match insn.opcode.format() {
        Format::Load if insn.opcode != Opcode::Jalr => false,
        Format::LoadFp => false,
        Format::S | Format::SFp => true,
        _ => return None,
    };
    let end = insn.imm + size(insn.opcode)? as i32;
    Some(MemoryAccess { base: insn.rs1, low: insn.imm, end, write })
}

/// Bytes that a load, store or atomic accesses; `None` for others, and atomics that are not
/// translated.
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

/// Whether a load or store is translated.
pub fn can_translate(insn: &Insn) -> bool {
    let float = matches!(insn.opcode.format(), Format::LoadFp | Format::SFp);
    // A load without a destination may still fault.
    access_of(insn).is_some_and(|access| float || access.write || insn.rd != 0)
}

/// Whether an atomic instruction is translated.
pub fn is_translated_atomic(insn: &Insn) -> bool {
    insn.opcode.format() == Format::Amo && size(insn.opcode).is_some()
}

/// Whether a cache-block operation is translated.
pub fn is_translated_block(insn: &Insn) -> bool {
    insn.opcode == Opcode::CboZero
}

/// Writes a load or store; `following` are the instructions that may share its TLB probe. Returns
/// `false`, and has written nothing, for another instruction.
pub fn access(insn: &Insn, following: &[Insn], body: &mut Builder) -> bool {
    use Opcode as O;
    let Some(access) = access_of(insn).filter(|_| can_translate(insn)) else { return false };
    if matches!(insn.opcode.format(), Format::LoadFp | Format::SFp) {
        body.need_fp();
    }
    // A load into its own base register is the last one there.
    let following = if registers(insn).written.has(insn.rs1) { &[] } else { following };
    let host = memory::push_address(access, following, body);
    match insn.opcode {
        O::Sb | O::Sh | O::Sw | O::Sd => body.x(insn.rs2),
        O::Fsd => body.f(insn.rs2),
        O::Fsw => body.f_bits(insn.rs2),
        _ => {}
    }
    let mut code = body.code();
    match insn.opcode {
        O::Lb => code.i64_load8_s(host),
        O::Lh => code.i64_load16_s(host),
        O::Lw => code.i64_load32_s(host),
        O::Ld => code.i64_load(host),
        O::Lbu => code.i64_load8_u(host),
        O::Lhu => code.i64_load16_u(host),
        O::Lwu => code.i64_load32_u(host),
        O::Flw => code.i64_load32_u(host).i64_const(-1 << 32).i64_or(),
        O::Fld => code.f64_load(host),
        O::Sb => code.i64_store8(host),
        O::Sh => code.i64_store16(host),
        O::Sw | O::Fsw => code.i64_store32(host),
        O::Sd => code.i64_store(host),
        _ => code.f64_store(host),
    };
    match insn.opcode {
        O::Flw => body.set_f_bits(insn.rd),
        O::Fld => body.set_f(insn.rd),
        _ if !access.write => body.set_x(insn.rd),
        _ => {}
    }
    true
}

/// Writes `cbo.zero`, which U-mode may not be allowed. Returns `false` for another instruction.
pub fn zero_block(insn: &Insn, body: &mut Builder) -> bool {
    /// Bytes of a block.
    const BLOCK: u64 = 64;
    if !is_translated_block(insn) {
        return false;
    }
    if body.user {
        body.need_zeroing();
    }
    let address = body.take(ValType::I64);
    let entry = body.take(ValType::I32);
    let local = body.take(ValType::I32);
    body.leave_unless_mapped(address, 1, true, |body| {
        body.x(insn.rs1);
        body.code().i64_const(-(BLOCK as i64)).i64_and().local_set(address);
        memory::probe(address, entry, true, 1, body);
    });
    memory::translate(address, entry, local, body);
    for offset in (0..BLOCK).step_by(8) {
        body.code().local_get(local).i64_const(0).i64_store(at(offset, 0));
    }
    [entry, local].into_iter().for_each(|local| body.give(local));
    body.give(address);
    true
}

/// Writes an atomic instruction. Returns `false`, and has written nothing, for another, or one that
/// is left to the interpreter.
pub fn atomic(insn: &Insn, body: &mut Builder) -> bool {
    use Opcode as O;
    let size = size(insn.opcode).filter(|_| is_translated_atomic(insn));
    let Some(size) = size else { return false };
    let write = !matches!(insn.opcode, O::LrW | O::LrD);
    let address = body.take(ValType::I64);
    let entry = body.take(ValType::I32);
    let local = body.take(ValType::I32);
    body.leave_if(|body| {
        body.x(insn.rs1);
        body.code().local_tee(address).i32_wrap_i64().i32_const(size as i32 - 1).i32_and();
    });
    // What is aligned lies on one page.
    body.leave_unless_mapped(address, size, write, |body| {
        memory::probe(address, entry, write, 1, body);
    });
    memory::translate(address, entry, local, body);
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

fn load(size: u32, body: &mut Builder) {
    if size == 4 {
        body.code().i64_load32_s(at(0, 2));
    } else {
        body.code().i64_load(at(0, 3));
    }
}

fn store(size: u32, body: &mut Builder) {
    if size == 4 {
        body.code().i64_store32(at(0, 2));
    } else {
        body.code().i64_store(at(0, 3));
    }
}

/// Pushes the mark of a reservation of the host's address in a local: the window's offset + 1.
fn reservation(local: u32, body: &mut Builder) {
    body.code().local_get(local).i64_extend_i32_u().i64_const(1).i64_add();
}

fn load_reserved(insn: &Insn, local: u32, size: u32, body: &mut Builder) {
    let field = body.field(state_offsets::RESERVATION, 3);
    body.code().i32_const(0);
    reservation(local, body);
    body.code().i64_store(field).local_get(local);
    load(size, body);
    body.set_x(insn.rd);
}

fn store_conditional(insn: &Insn, local: u32, size: u32, body: &mut Builder) {
    let field = body.field(state_offsets::RESERVATION, 3);
    let lost = body.take(ValType::I64);
    body.load_field(state_offsets::RESERVATION);
    reservation(local, body);
    body.code().i64_ne().i64_extend_i32_u().local_tee(lost).i64_eqz();
    body.open_if(BlockType::Empty);
    body.code().local_get(local);
    body.x(insn.rs2);
    store(size, body);
    body.close();
    body.code().i32_const(0).i64_const(0).i64_store(field).local_get(lost);
    body.set_x(insn.rd);
    body.give(lost);
}

fn modify(insn: &Insn, local: u32, size: u32, body: &mut Builder) {
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
