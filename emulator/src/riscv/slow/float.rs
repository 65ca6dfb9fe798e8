//! F, D, Zfa and Zfhmin, exact in every rounding mode and flag.

use crate::engine::bus::Bus;
use crate::riscv::hart::Hart;
use crate::riscv::isa::{Insn, Opcode, constants};
use crate::riscv::trap::Trap;
use crate::softfloat::{self as soft, F16, F32, F64, Format, RoundingMode};

impl Hart {
    /// A floating-point register as a number of format `F`: the canonical NaN unless boxed.
    fn f<F: Format>(&self, register: u8) -> u64 {
        F::unbox(self.state.f[register as usize & 31])
    }

    fn set_f<F: Format>(&mut self, register: u8, value: u64) {
        self.state.f[register as usize & 31] = F::nan_box(value);
    }

    /// Floating-point load or store.
    pub(super) fn float_memory(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Result<(), Trap> {
        if !self.state.csrs.fp_enabled() {
            return Err(Self::illegal(insn));
        }
        let address = self.x(insn.rs1).wrapping_add(insn.imm as u64);
        match insn.opcode {
            Opcode::Flh => {
                let value = self.load(address, 2, bus)?;
                self.set_f::<F16>(insn.rd, value);
            }
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
                let size = match opcode {
                    Opcode::Fsh => 2,
                    Opcode::Fsw => 4,
                    _ => 8,
                };
                return self.store(address, size, self.state.f[insn.rs2 as usize & 31], bus);
            }
        }
        self.state.csrs.accrue(0);
        self.sync();
        Ok(())
    }

    /// Any other floating-point instruction.
    pub(super) fn float(&mut self, insn: &Insn) -> Result<(), Trap> {
        if !self.state.csrs.fp_enabled() {
            return Err(Self::illegal(insn));
        }
        let mut flags = 0;
        let known = self.format_free(insn, &mut flags)
            || match insn.bits >> 25 & 3 {
                0 => self.arithmetic::<F32>(insn, &mut flags)?,
                1 => self.arithmetic::<F64>(insn, &mut flags)?,
                _ => self.arithmetic::<F16>(insn, &mut flags)?,
            };
        debug_assert!(known, "{insn}");
        self.state.csrs.accrue(flags);
        self.sync();
        Ok(())
    }

    /// The rounding mode of an instruction, static or from `frm`; reserved ones are illegal.
    fn rounding(&self, insn: &Insn) -> Result<RoundingMode, Trap> {
        let bits = if insn.rm == 7 { self.state.csrs.frm } else { insn.rm };
        RoundingMode::from_bits(bits).ok_or(Self::illegal(insn))
    }

    /// Moves, sign injection, comparison: what needs no rounding mode.
    fn format_free(&mut self, insn: &Insn, flags: &mut u8) -> bool {
        use Opcode::*;
        match insn.opcode {
            FmvXW => self.set_x(insn.rd, self.state.f[insn.rs1 as usize & 31] as i32 as u64),
            FmvXD => self.set_x(insn.rd, self.state.f[insn.rs1 as usize & 31]),
            FmvWX => self.set_f::<F32>(insn.rd, self.x(insn.rs1) & 0xffff_ffff),
            FmvDX => self.set_f::<F64>(insn.rd, self.x(insn.rs1)),
            FmvXH => self.set_x(insn.rd, self.state.f[insn.rs1 as usize & 31] as i16 as u64),
            FmvHX => self.set_f::<F16>(insn.rd, self.x(insn.rs1) & 0xffff),
            FliS => self.set_f::<F32>(insn.rd, constants::single(insn.rs1).into()),
            FliD => self.set_f::<F64>(insn.rd, constants::double(insn.rs1)),
            FcvtmodWD => {
                let value = soft::to_i32_modular::<F64>(self.f::<F64>(insn.rs1), flags);
                self.set_x(insn.rd, value as u64);
            }
            FsgnjS | FsgnjnS | FsgnjxS => self.sign_injection::<F32>(insn),
            FsgnjD | FsgnjnD | FsgnjxD => self.sign_injection::<F64>(insn),
            FminS | FmaxS | FminmS | FmaxmS | FeqS | FltS | FleS | FltqS | FleqS | FclassS => {
                self.compare::<F32>(insn, flags);
            }
            FminD | FmaxD | FminmD | FmaxmD | FeqD | FltD | FleD | FltqD | FleqD | FclassD => {
                self.compare::<F64>(insn, flags);
            }
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
            FminmS | FminmD => self.set_f::<F>(insn.rd, soft::min_nan::<F>(l, r, flags)),
            FmaxmS | FmaxmD => self.set_f::<F>(insn.rd, soft::max_nan::<F>(l, r, flags)),
            FltqS | FltqD => self.set_x(insn.rd, u64::from(soft::lt_quiet::<F>(l, r, flags))),
            FleqS | FleqD => self.set_x(insn.rd, u64::from(soft::le_quiet::<F>(l, r, flags))),
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
            FcvtHS => soft::convert::<F32, F16>(self.f::<F32>(insn.rs1), mode, flags),
            FcvtHD => soft::convert::<F64, F16>(self.f::<F64>(insn.rs1), mode, flags),
            FcvtSH | FcvtDH => soft::convert::<F16, F>(self.f::<F16>(insn.rs1), mode, flags),
            FroundS | FroundD => soft::round_to_integral::<F>(l, mode, flags),
            FroundnxS | FroundnxD => soft::round_to_integral_inexact::<F>(l, mode, flags),
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

#[cfg(test)]
mod tests {
    use crate::riscv::hart::Mode;
    use crate::riscv::test_machine::Paged;

    /// Runs one instruction on f10 = `a`, f11 = `b` (and a0 = `a`); gives f12, a2 and the flags.
    fn run(bits: u32, a: u64, b: u64) -> (u64, u64, u8) {
        let mut world = Paged::new(8);
        let hart = &mut world.world.hart;
        hart.state.csrs.sstatus = 1 << 13;
        (hart.state.f[10], hart.state.f[11]) = (a, b);
        hart.set_x(10, a);
        assert_eq!(world.attempt(Mode::User, bits), None, "{bits:#x}");
        let hart = &world.world.hart;
        (hart.state.f[12], hart.x(12), hart.state.csrs.fflags)
    }

    #[test]
    fn constants_are_those_of_the_specification() {
        // fli.d f12, N and fli.s f12, N; values as the table of Zfa prints them.
        for (number, double, single) in [
            (0, 0xbff0_0000_0000_0000, 0xbf80_0000_u32),
            (1, 0x0010_0000_0000_0000, 0x0080_0000),
            (2, 0x3ef0_0000_0000_0000, 0x3780_0000),
            (3, 0x3f00_0000_0000_0000, 0x3800_0000),
            (4, 0x3f70_0000_0000_0000, 0x3b80_0000),
            (9, 0x3fd4_0000_0000_0000, 0x3ea0_0000),
            (15, 0x3fec_0000_0000_0000, 0x3f60_0000),
            (16, 0x3ff0_0000_0000_0000, 0x3f80_0000),
            (22, 0x4008_0000_0000_0000, 0x4040_0000),
            (28, 0x40e0_0000_0000_0000, 0x4700_0000),
            (29, 0x40f0_0000_0000_0000, 0x4780_0000),
            (30, 0x7ff0_0000_0000_0000, 0x7f80_0000),
            (31, 0x7ff8_0000_0000_0000, 0x7fc0_0000),
        ] {
            let number_field = number << 15;
            let boxed = 0xffff_ffff_0000_0000 | u64::from(single);
            assert_eq!(run(0xf210_0653 | number_field, 0, 0), (double, 0, 0), "{number}");
            assert_eq!(run(0xf010_0653 | number_field, 0, 0), (boxed, 0, 0), "{number}");
        }
    }

    #[test]
    fn half_precision_moves_and_converts() {
        let boxed = 0xffff_ffff_ffff_0000;
        let single = |value: f32| 0xffff_ffff_0000_0000 | u64::from(value.to_bits());
        // fcvt.h.s, rounding to nearest: 1 + 2^-11 is a tie, 65520 the first that overflows.
        assert_eq!(run(0x4405_0653, single(1.0 + 1.0 / 2048.0), 0), (boxed | 0x3c00, 0, 1));
        assert_eq!(run(0x4405_0653, single(65519.0), 0), (boxed | 0x7bff, 0, 1));
        assert_eq!(run(0x4405_0653, single(65520.0), 0), (boxed | 0x7c00, 0, 5));
        // fcvt.h.d of half the smallest subnormal; fcvt.s.h and fcvt.d.h of the smallest.
        assert_eq!(run(0x4415_0653, (2_f64.powi(-25)).to_bits(), 0), (boxed, 0, 3));
        assert_eq!(run(0x4025_0653, boxed | 1, 0), (single(2_f32.powi(-24)), 0, 0));
        assert_eq!(run(0x4225_0653, boxed | 1, 0), (2_f64.powi(-24).to_bits(), 0, 0));
        // Without its box, a half is the canonical NaN; fmv.x.h only moves bits.
        assert_eq!(run(0x4025_0653, 0x3c00, 0), (0xffff_ffff_7fc0_0000, 0, 0));
        assert_eq!(run(0xe405_0653, 0x8001, 0), (0, 0xffff_ffff_ffff_8001, 0));
        assert_eq!(run(0xf405_0653, 0x1_2345, 0), (boxed | 0x2345, 0, 0));
    }

    #[test]
    fn zfa_compares_and_rounds() {
        let bits = |value: f64| value.to_bits();
        let (quiet, signalling) = (0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0001);
        // fltq.d, fleq.d: only a signalling NaN is invalid.
        assert_eq!(run(0xa2b5_5653, bits(1.0), bits(2.0)).1, 1);
        assert_eq!(run(0xa2b5_5653, quiet, bits(2.0)), (0, 0, 0));
        assert_eq!(run(0xa2b5_4653, signalling, bits(2.0)), (0, 0, 16));
        // fminm.d, fmaxm.d: a NaN wins.
        assert_eq!(run(0x2ab5_2653, bits(0.0), bits(-0.0)), (bits(-0.0), 0, 0));
        assert_eq!(run(0x2ab5_3653, quiet, bits(1.0)), (quiet, 0, 0));
        // fround.d to nearest and down, froundnx.d.
        assert_eq!(run(0x4245_0653, bits(2.5), 0), (bits(2.0), 0, 0));
        assert_eq!(run(0x4245_2653, bits(-0.5), 0), (bits(-1.0), 0, 0));
        assert_eq!(run(0x4255_0653, bits(-0.5), 0), (bits(-0.0), 0, 1));
        // fcvtmod.w.d wraps, and says what fcvt.w.d says.
        assert_eq!(run(0xc285_1653, bits(4_294_967_299.5), 0), (0, 3, 16));
        assert_eq!(run(0xc285_1653, bits(-2.5), 0), (0, -2_i64 as u64, 1));
        assert_eq!(run(0xc285_1653, quiet, 0), (0, 0, 16));
    }
}
