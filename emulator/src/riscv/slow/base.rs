//! RV64I and M: arithmetic, branches, loads and stores.

use super::bitmanip;
use crate::engine::bus::Bus;
use crate::riscv::hart::Hart;
use crate::riscv::isa::{Format, Insn, Opcode};
use crate::riscv::trap::Trap;

/// The result of an arithmetic instruction on its two operands.
fn compute(opcode: Opcode, l: u64, r: u64) -> u64 {
    use Opcode::*;
    let (lw, rw) = (l as u32, r as u32);
    let word = |value: u32| value as i32 as u64;
    match opcode {
        Addi | Add => l.wrapping_add(r),
        Sub => l.wrapping_sub(r),
        Slli | Sll => l << (r & 63),
        Srli | Srl => l >> (r & 63),
        Srai | Sra => (l as i64 >> (r & 63)) as u64,
        Slti | Slt => u64::from((l as i64) < r as i64),
        Sltiu | Sltu => u64::from(l < r),
        Xori | Xor => l ^ r,
        Ori | Or => l | r,
        Andi | And => l & r,
        Addiw | Addw => word(lw.wrapping_add(rw)),
        Subw => word(lw.wrapping_sub(rw)),
        Slliw | Sllw => word(lw << (rw & 31)),
        Srliw | Srlw => word(lw >> (rw & 31)),
        Sraiw | Sraw => (lw as i32 >> (rw & 31)) as u64,
        Mul => l.wrapping_mul(r),
        Mulh => ((i128::from(l as i64) * i128::from(r as i64)) >> 64) as u64,
        Mulhsu => ((i128::from(l as i64) * i128::from(r)) >> 64) as u64,
        Mulhu => ((u128::from(l) * u128::from(r)) >> 64) as u64,
        Mulw => word(lw.wrapping_mul(rw)),
        // Division by zero gives all ones, its remainder the dividend; overflow wraps.
        Div if r == 0 => u64::MAX,
        Div => (l as i64).wrapping_div(r as i64) as u64,
        Divu => l.checked_div(r).unwrap_or(u64::MAX),
        Rem if r == 0 => l,
        Rem => (l as i64).wrapping_rem(r as i64) as u64,
        Remu => l.checked_rem(r).unwrap_or(l),
        Divw if rw == 0 => u64::MAX,
        Divw => (lw as i32).wrapping_div(rw as i32) as u64,
        Divuw => word(lw.checked_div(rw).unwrap_or(u32::MAX)),
        Remw if rw == 0 => word(lw),
        Remw => (lw as i32).wrapping_rem(rw as i32) as u64,
        Remuw => word(lw.checked_rem(rw).unwrap_or(lw)),
        Lui => r,
        Auipc => l.wrapping_add(r),
        other => bitmanip::compute(other, l, r),
    }
}

impl Hart {
    /// Arithmetic with a register or an immediate.
    pub(super) fn integer(&mut self, insn: &Insn) {
        let l = match insn.opcode {
            Opcode::Auipc => self.state.pc,
            _ => self.x(insn.rs1),
        };
        let r = match insn.opcode.format() {
            Format::R => self.x(insn.rs2),
            _ => insn.imm as u64,
        };
        self.set_x(insn.rd, compute(insn.opcode, l, r));
    }

    /// Where a conditional branch goes.
    pub(super) fn branch(&self, insn: &Insn, next: u64) -> u64 {
        let (l, r) = (self.x(insn.rs1), self.x(insn.rs2));
        let taken = match insn.opcode {
            Opcode::Beq => l == r,
            Opcode::Bne => l != r,
            Opcode::Blt => (l as i64) < r as i64,
            Opcode::Bge => l as i64 >= r as i64,
            Opcode::Bltu => l < r,
            _ => l >= r,
        };
        if taken { self.state.pc.wrapping_add(insn.imm as u64) } else { next }
    }

    /// Direct jump.
    pub(super) fn jal(&mut self, insn: &Insn, next: u64) -> u64 {
        self.set_x(insn.rd, next);
        self.state.pc.wrapping_add(insn.imm as u64)
    }

    /// Indirect jump.
    pub(super) fn jalr(&mut self, insn: &Insn, next: u64) -> u64 {
        let target = self.x(insn.rs1).wrapping_add(insn.imm as u64) & !1;
        self.set_x(insn.rd, next);
        target
    }

    /// Load into an integer register.
    pub(super) fn integer_load(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Result<(), Trap> {
        let address = self.x(insn.rs1).wrapping_add(insn.imm as u64);
        let value = match insn.opcode {
            Opcode::Lb => self.load(address, 1, bus)? as i8 as u64,
            Opcode::Lh => self.load(address, 2, bus)? as i16 as u64,
            Opcode::Lw => self.load(address, 4, bus)? as i32 as u64,
            Opcode::Lbu => self.load(address, 1, bus)?,
            Opcode::Lhu => self.load(address, 2, bus)?,
            Opcode::Lwu => self.load(address, 4, bus)?,
            _ => self.load(address, 8, bus)?,
        };
        self.set_x(insn.rd, value);
        Ok(())
    }

    /// Store from an integer register.
    pub(super) fn integer_store(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Result<(), Trap> {
        let address = self.x(insn.rs1).wrapping_add(insn.imm as u64);
        let size = match insn.opcode {
            Opcode::Sb => 1,
            Opcode::Sh => 2,
            Opcode::Sw => 4,
            _ => 8,
        };
        self.store(address, size, self.x(insn.rs2), bus)
    }
}
