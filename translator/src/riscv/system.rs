//! Control and status registers of S-mode that every entry into the kernel uses.

use super::Builder;
use super::builder::HartChecks;
use c2w_emulator::riscv::isa::{Insn, Opcode};
use c2w_emulator::riscv::linkage::{StatusChange, state_offsets};
use wasm_encoder::ValType;

/// Number of `sstatus`.
const SSTATUS: i32 = 0x100;
/// Number of `sepc`, whose lowest bit is always clear.
const SEPC: i32 = 0x141;

/// Whether an access to a control and status register is translated, of S-mode's code.
pub fn can_translate(insn: &Insn) -> bool {
    match insn.imm {
        SSTATUS => status_change(insn).is_some(),
        // sscratch, sepc, scause, stval.
        0x140..=0x143 => insn.opcode == Opcode::Csrrw || reads(insn) && insn.rd != 0,
        _ => false,
    }
}

/// Writes an access to a control and status register. Returns `false`, and has written nothing, for
/// what is left to the interpreter.
pub fn system(insn: &Insn, body: &mut Builder) -> bool {
    if body.user || !can_translate(insn) {
        return false;
    }
    match status_change(insn).filter(|_| insn.imm == SSTATUS) {
        Some(change) => status(insn, change, body),
        None => trap_register(insn, body),
    }
    body.facts.ranges.clear();
    true
}

/// Whether an instruction reads a control and status register, and does not write it.
pub fn reads(insn: &Insn) -> bool {
    insn.opcode == Opcode::Csrrs && insn.rs1 == 0
}

/// How an instruction changes `sstatus`.
fn status_change(insn: &Insn) -> Option<StatusChange> {
    Some(match insn.opcode {
        Opcode::Csrrw => StatusChange::Write,
        Opcode::Csrrs | Opcode::Csrrsi => StatusChange::Set,
        Opcode::Csrrc | Opcode::Csrrci => StatusChange::Clear,
        _ => return None,
    })
}

/// `sstatus` by the interpreter's own routine, which gives the old value, or -1 if it cannot.
fn status(insn: &Insn, change: StatusChange, body: &mut Builder) {
    let old = body.take(ValType::I64);
    body.leave_if(|body| {
        body.code().i32_const(change as i32);
        match insn.opcode {
            Opcode::Csrrsi | Opcode::Csrrci => _ = body.code().i64_const(i64::from(insn.rs1)),
            _ => body.x(insn.rs1),
        }
        let status = body.linkage.helpers.status;
        body.code().call(status).local_tee(old).i64_const(-1).i64_eq();
    });
    body.code().local_get(old);
    body.set_x(insn.rd);
    body.give(old);
    body.facts.checks = HartChecks::default();
}

fn trap_register(insn: &Insn, body: &mut Builder) {
    let offset = state_offsets::TRAP + (insn.imm as u64 & 3) * 8;
    let field = body.field(offset, 3);
    body.load_field(offset);
    if insn.opcode == Opcode::Csrrw {
        let old = body.take(ValType::I64);
        body.code().local_set(old).i32_const(0);
        body.x(insn.rs1);
        if insn.imm == SEPC {
            body.code().i64_const(!1).i64_and();
        }
        body.code().i64_store(field).local_get(old);
        body.give(old);
    }
    body.set_x(insn.rd);
}
