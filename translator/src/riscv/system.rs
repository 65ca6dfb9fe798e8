//! Control and status registers of S-mode that every entry into the kernel uses.

use crate::emit::builder::Body;
use crate::emit::facts::Known;
use c2w_emulator::cpu::isa::{Insn, Opcode};
use c2w_emulator::cpu::translated::{StatusChange, place};
use wasm_encoder::ValType;

/// Number of `sstatus`.
const SSTATUS: i32 = 0x100;
/// Number of `sepc`, whose lowest bit is always clear.
const SEPC: i32 = 0x141;

/// Writes access to a control and status register. Returns `false` for what is left to the
/// interpreter.
pub fn system(insn: &Insn, body: &mut Body) -> bool {
    match insn.imm {
        SSTATUS => status(insn, body),
        // sscratch, sepc, scause, stval.
        0x140..=0x143 => trap_register(insn, body),
        _ => false,
    }
}

/// `sstatus` by the interpreter's own routine, which gives the old value, or -1 if it cannot.
fn status(insn: &Insn, body: &mut Body) -> bool {
    let change = match insn.opcode {
        Opcode::Csrrw => StatusChange::Write,
        Opcode::Csrrs | Opcode::Csrrsi => StatusChange::Set,
        Opcode::Csrrc | Opcode::Csrrci => StatusChange::Clear,
        _ => return false,
    };
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
    body.facts.known = Known::default();
    true
}

fn trap_register(insn: &Insn, body: &mut Body) -> bool {
    let place = place::TRAP + (insn.imm as u64 & 3) * 8;
    let field = body.field(place, 3);
    match insn.opcode {
        Opcode::Csrrw => {
            let old = body.take(ValType::I64);
            body.load_field(place);
            body.code().local_set(old).i32_const(0);
            body.x(insn.rs1);
            if insn.imm == SEPC {
                body.code().i64_const(!1).i64_and();
            }
            body.code().i64_store(field).local_get(old);
            body.set_x(insn.rd);
            body.give(old);
        }
        Opcode::Csrrs if insn.rs1 == 0 && insn.rd != 0 => {
            body.load_field(place);
            body.set_x(insn.rd);
        }
        _ => return false,
    }
    true
}
