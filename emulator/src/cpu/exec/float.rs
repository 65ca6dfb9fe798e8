//! The F and D extensions, exact in every rounding mode and flag.

use crate::cpu::hart::{Bus, Hart};
use crate::cpu::isa::{Insn, Opcode};
use crate::cpu::trap::Trap;
use crate::softfloat::{self as soft, F32, F64, Format, RoundingMode};

impl Hart {
    /// A floating-point register as a number of format `F`: the canonical NaN unless boxed.
    fn f<F: Format>(&self, register: u8) -> u64 {
        F::unbox(self.hot.f[register as usize & 31])
    }

    fn set_f<F: Format>(&mut self, register: u8, value: u64) {
        self.hot.f[register as usize & 31] = F::nan_box(value);
    }

    /// Floating-point load or store.
    pub(super) fn float_memory(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Result<(), Trap> {
        if !self.csrs.fp_enabled() {
            return Err(Self::illegal(insn));
        }
        let address = self.x(insn.rs1).wrapping_add(insn.imm as u64);
        match insn.opcode {
            Opcode::Flw => {
                let value = self.load(address, 4, bus)?;
                self.set_f::<F32>(insn.rd, value);
            }
            Opcode::Fld => {
                let value = self.load(address, 8, bus)?;
                self.set_f::<F64>(insn.rd, value);
            }
            // Stores move bits: no unboxing, and no change of floating-point state.
            opcode => {
                let size = if opcode == Opcode::Fsw { 4 } else { 8 };
                return self.store(address, size, self.hot.f[insn.rs2 as usize & 31], bus);
            }
        }
        self.csrs.accrue(0);
        self.sync();
        Ok(())
    }

    /// Any other floating-point instruction.
    pub(super) fn float(&mut self, insn: &Insn) -> Result<(), Trap> {
        if !self.csrs.fp_enabled() {
            return Err(Self::illegal(insn));
        }
        let mut flags = 0;
        let known = self.format_free(insn, &mut flags)
            || match insn.bits >> 25 & 3 {
                0 => self.arithmetic::<F32>(insn, &mut flags)?,
                _ => self.arithmetic::<F64>(insn, &mut flags)?,
            };
        debug_assert!(known, "{insn}");
        self.csrs.accrue(flags);
        self.sync();
        Ok(())
    }

    /// The rounding mode of an instruction, static or from `frm`; reserved ones are illegal.
    fn rounding(&self, insn: &Insn) -> Result<RoundingMode, Trap> {
        let bits = if insn.rm == 7 { self.csrs.frm } else { insn.rm };
        RoundingMode::from_bits(bits).ok_or(Self::illegal(insn))
    }

    /// Moves, sign injection, comparison: what needs no rounding mode.
    fn format_free(&mut self, insn: &Insn, flags: &mut u8) -> bool {
        use Opcode::*;
        match insn.opcode {
            FmvXW => self.set_x(insn.rd, self.hot.f[insn.rs1 as usize & 31] as i32 as u64),
            FmvXD => self.set_x(insn.rd, self.hot.f[insn.rs1 as usize & 31]),
            FmvWX => self.set_f::<F32>(insn.rd, self.x(insn.rs1) & 0xffff_ffff),
            FmvDX => self.set_f::<F64>(insn.rd, self.x(insn.rs1)),
            FsgnjS | FsgnjnS | FsgnjxS => self.sign_injection::<F32>(insn),
            FsgnjD | FsgnjnD | FsgnjxD => self.sign_injection::<F64>(insn),
            FminS | FmaxS | FeqS | FltS | FleS | FclassS => self.compare::<F32>(insn, flags),
            FminD | FmaxD | FeqD | FltD | FleD | FclassD => self.compare::<F64>(insn, flags),
            _ => return false,
        }
        true
    }

    fn sign_injection<F: Format>(&mut self, insn: &Insn) {
        let (l, r) = (self.f::<F>(insn.rs1), self.f::<F>(insn.rs2));
        // Bits 14:12 tell copy, negate, xor.
        let sign = match insn.rm {
            0 => r,
            1 => !r,
            _ => l ^ r,
        };
        self.set_f::<F>(insn.rd, l & !F::SIGN | sign & F::SIGN);
    }

    fn compare<F: Format>(&mut self, insn: &Insn, flags: &mut u8) {
        use Opcode::*;
        let (l, r) = (self.f::<F>(insn.rs1), self.f::<F>(insn.rs2));
        match insn.opcode {
            FminS | FminD => self.set_f::<F>(insn.rd, soft::min::<F>(l, r, flags)),
            FmaxS | FmaxD => self.set_f::<F>(insn.rd, soft::max::<F>(l, r, flags)),
            FeqS | FeqD => self.set_x(insn.rd, u64::from(soft::eq::<F>(l, r, flags))),
            FltS | FltD => self.set_x(insn.rd, u64::from(soft::lt::<F>(l, r, flags))),
            FleS | FleD => self.set_x(insn.rd, u64::from(soft::le::<F>(l, r, flags))),
            _ => self.set_x(insn.rd, soft::class::<F>(l)),
        }
    }

    /// What rounds. Returns whether the instruction is one of these.
    fn arithmetic<F: Format>(&mut self, insn: &Insn, flags: &mut u8) -> Result<bool, Trap> {
        use Opcode::*;
        let mode = self.rounding(insn)?;
        let (l, r) = (self.f::<F>(insn.rs1), self.f::<F>(insn.rs2));
        let c = self.f::<F>(insn.rs3);
        let value = match insn.opcode {
            FaddS | FaddD => soft::add::<F>(l, r, mode, flags),
            FsubS | FsubD => soft::sub::<F>(l, r, mode, flags),
            FmulS | FmulD => soft::mul::<F>(l, r, mode, flags),
            FdivS | FdivD => soft::div::<F>(l, r, mode, flags),
            FsqrtS | FsqrtD => soft::sqrt::<F>(l, mode, flags),
            FmaddS | FmaddD => soft::mul_add::<F>(l, r, c, mode, flags),
            FmsubS | FmsubD => soft::mul_add::<F>(l, r, c ^ F::SIGN, mode, flags),
            FnmsubS | FnmsubD => soft::mul_add::<F>(l ^ F::SIGN, r, c, mode, flags),
            FnmaddS | FnmaddD => soft::mul_add::<F>(l ^ F::SIGN, r, c ^ F::SIGN, mode, flags),
            FcvtSD => soft::convert::<F64, F32>(self.f::<F64>(insn.rs1), mode, flags),
            FcvtDS => soft::convert::<F32, F64>(self.f::<F32>(insn.rs1), mode, flags),
            FcvtSW | FcvtDW => soft::from_i32::<F>(self.x(insn.rs1) as i32, mode, flags),
            FcvtSWu | FcvtDWu => soft::from_u32::<F>(self.x(insn.rs1) as u32, mode, flags),
            FcvtSL | FcvtDL => soft::from_i64::<F>(self.x(insn.rs1) as i64, mode, flags),
            FcvtSLu | FcvtDLu => soft::from_u64::<F>(self.x(insn.rs1), mode, flags),
            _ => return Ok(self.integer_from::<F>(insn, mode, flags)),
        };
        self.set_f::<F>(insn.rd, value);
        Ok(true)
    }

    /// Conversion to an integer register; 32-bit results are sign-extended, unsigned ones too.
    fn integer_from<F: Format>(&mut self, insn: &Insn, mode: RoundingMode, flags: &mut u8) -> bool {
        use Opcode::*;
        let value = self.f::<F>(insn.rs1);
        let result = match insn.opcode {
            FcvtWS | FcvtWD => soft::to_i32::<F>(value, mode, flags) as u64,
            FcvtWuS | FcvtWuD => soft::to_u32::<F>(value, mode, flags) as i32 as u64,
            FcvtLS | FcvtLD => soft::to_i64::<F>(value, mode, flags) as u64,
            FcvtLuS | FcvtLuD => soft::to_u64::<F>(value, mode, flags),
            _ => return false,
        };
        self.set_x(insn.rd, result);
        true
    }
}
