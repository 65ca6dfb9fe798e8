//! What an instruction does to control flow and to registers.
//!
//! In sets of registers `x0` to `x31` come first, then `f0` to `f31`. `x0`, which cannot change, is
//! in none.

use super::Builder;
use crate::guest::{Flow, RegisterUse, Registers};
use c2w_emulator::riscv::isa::{Format, Insn, Opcode};
use c2w_emulator::riscv::linkage::state_offsets;
use wasm_encoder::ValType;

/// The number of `f0`.
pub const F: u8 = 32;

/// `x[register]` as a set.
pub fn x(register: u8) -> Registers {
    Registers(1 << register & !1)
}

/// `f[register]` as a set.
pub fn f(register: u8) -> Registers {
    Registers::one(F + register)
}

/// The type of a register, and where it is in the hart's state.
pub fn register(number: u8) -> (ValType, u64) {
    match number.checked_sub(F) {
        None => (ValType::I64, state_offsets::X + u64::from(number) * 8),
        Some(number) => (ValType::F64, state_offsets::F + u64::from(number) * 8),
    }
}

/// The registers that the calling convention keeps return addresses in (unprivileged ISA, "Return
/// address prediction hints").
fn is_link(register: u8) -> bool {
    matches!(register, 1 | 5)
}

/// Where control goes from an instruction.
pub fn flow(insn: &Insn) -> Flow {
    let distance = i64::from(insn.imm);
    match insn.opcode {
        Opcode::Jal if is_link(insn.rd) => Flow::Call(distance),
        Opcode::Jal => Flow::Jump(distance),
        Opcode::Jalr if is_link(insn.rd) => Flow::IndirectCall,
        Opcode::Jalr if insn.rd == 0 && is_link(insn.rs1) && insn.imm == 0 => Flow::Return,
        Opcode::Jalr => Flow::IndirectJump,
        Opcode::Ecall => Flow::SystemCall,
        _ if insn.opcode.format() == Format::B => Flow::Branch(distance),
        _ => Flow::Next,
    }
}

/// The registers that an instruction reads and writes.
pub fn registers(insn: &Insn) -> RegisterUse {
    let (rd, rs1, rs2, rs3) = (insn.rd, insn.rs1, insn.rs2, insn.rs3);
    let none = Registers::default();
    let (read, written) = match insn.opcode.format() {
        Format::R | Format::Amo => (x(rs1).with(x(rs2)), x(rd)),
        Format::R1 | Format::I | Format::Shift | Format::Load | Format::Csr => (x(rs1), x(rd)),
        Format::S | Format::B => (x(rs1).with(x(rs2)), none),
        Format::SFp => (x(rs1).with(f(rs2)), none),
        Format::LoadFp | Format::XToFp => (x(rs1), f(rd)),
        Format::Cbo => (x(rs1), none),
        Format::U | Format::J | Format::CsrI => (none, x(rd)),
        Format::R4 => (f(rs1).with(f(rs2)).with(f(rs3)), f(rd)),
        Format::Fp => (f(rs1).with(f(rs2)), f(rd)),
        Format::Fp1 => (f(rs1), f(rd)),
        Format::FpToX2 => (f(rs1).with(f(rs2)), x(rd)),
        Format::FpToX => (f(rs1), x(rd)),
        Format::Fli => (none, f(rd)),
        Format::VSetVli => (x(rs1), x(rd)),
        Format::VSetIvli | Format::VToX => (none, x(rd)),
        Format::VMem | Format::Vx | Format::VFromX => (x(rs1), none),
        _ => (none, none),
    };
    RegisterUse { read, written }
}

/// Pushes whether a branch is taken.
pub fn condition(insn: &Insn, body: &mut Builder) {
    body.x(insn.rs1);
    if insn.rs2 == 0 && matches!(insn.opcode, Opcode::Beq | Opcode::Bne) {
        body.code().i64_eqz();
        if insn.opcode == Opcode::Bne {
            body.code().i32_eqz();
        }
        return;
    }
    body.x(insn.rs2);
    let mut code = body.code();
    match insn.opcode {
        Opcode::Beq => code.i64_eq(),
        Opcode::Bne => code.i64_ne(),
        Opcode::Blt => code.i64_lt_s(),
        Opcode::Bge => code.i64_ge_s(),
        Opcode::Bltu => code.i64_lt_u(),
        _ => code.i64_ge_u(),
    };
}
