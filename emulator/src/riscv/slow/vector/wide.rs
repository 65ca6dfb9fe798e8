//! Results of twice or half the width of an operand, and extensions.

use super::elements::Extend::{self, Sign, Zero};
use super::elements::members;
use super::{Vop, aligned, may_overlap, overlap, require};
use crate::riscv::isa::Opcode::*;

impl Vop<'_> {
    /// Legality of `vd` (2 * SEW) from `vs2` (SEW, or 2 * SEW) and maybe `vs1` (SEW).
    pub(super) fn check_widening(&self, wide_vs2: bool) -> Option<()> {
        let (narrow, wide) = (self.multiplier, self.multiplier + 1);
        require(self.width < 3 && wide <= 3)?;
        let destination = (self.insn.rd, wide);
        require(aligned(self.insn.rd, wide))?;
        let vs2 = if wide_vs2 { wide } else { narrow };
        require(aligned(self.insn.rs2, vs2))?;
        require(wide_vs2 || may_overlap(destination, (self.insn.rs2, narrow)))?;
        self.reads(self.insn.rs2)?;
        if self.reads_vd() {
            require(!overlap(destination, (self.insn.rs2, narrow)))?;
            require(!self.has_vs1 || !overlap(destination, (self.insn.rs1, narrow)))?;
        }
        if wide_vs2 {
            self.sources_apart(wide, narrow)?;
        }
        if self.has_vs1 {
            self.reads(self.insn.rs1)?;
            require(aligned(self.insn.rs1, narrow))?;
            require(may_overlap(destination, (self.insn.rs1, narrow)))?;
        }
        self.spares_mask()
    }

    /// Legality of `vd` (SEW) from `vs2` (2 * SEW) and maybe `vs1` (SEW).
    pub(super) fn check_narrowing(&self) -> Option<()> {
        let (narrow, wide) = (self.multiplier, self.multiplier + 1);
        require(self.width < 3 && wide <= 3)?;
        require(aligned(self.insn.rd, narrow) && aligned(self.insn.rs2, wide))?;
        require(may_overlap((self.insn.rd, narrow), (self.insn.rs2, wide)))?;
        self.reads(self.insn.rs2)?;
        self.sources_apart(wide, narrow)?;
        if self.has_vs1 {
            require(aligned(self.insn.rs1, narrow))?;
            self.reads(self.insn.rs1)?;
        }
        self.spares_mask()
    }

    /// `vd = f(vs2, vs1 or scalar, vd)` with a `vd` of twice the width; `vs2` may be wide, too.
    fn widen(
        &mut self,
        (a, b): (Extend, Extend),
        wide_vs2: bool,
        f: impl Fn(u64, u64, u64) -> u64,
    ) -> Option<()> {
        self.check_widening(wide_vs2)?;
        let wide = self.width + 1;
        let a_width = if wide_vs2 { wide } else { self.width };
        for index in members(self.active) {
            let d = self.v.element(self.insn.rd, wide, index);
            let value = f(self.a(a_width, a, index), self.b(b, index), d);
            self.v.set_element(self.insn.rd, wide, index, value);
        }
        Some(())
    }

    /// Widening instructions of OPMVV and OPMVX.
    pub(super) fn widening(&mut self) -> Option<()> {
        let (zeros, signs) = ((Zero, Zero), (Sign, Sign));
        match self.insn.opcode {
            VwadduVv | VwadduVx => self.widen(zeros, false, |a, b, _| a.wrapping_add(b)),
            VwaddVv | VwaddVx => self.widen(signs, false, |a, b, _| a.wrapping_add(b)),
            VwsubuVv | VwsubuVx => self.widen(zeros, false, |a, b, _| a.wrapping_sub(b)),
            VwsubVv | VwsubVx => self.widen(signs, false, |a, b, _| a.wrapping_sub(b)),
            VwadduWv | VwadduWx => self.widen(zeros, true, |a, b, _| a.wrapping_add(b)),
            VwaddWv | VwaddWx => self.widen(signs, true, |a, b, _| a.wrapping_add(b)),
            VwsubuWv | VwsubuWx => self.widen(zeros, true, |a, b, _| a.wrapping_sub(b)),
            VwsubWv | VwsubWx => self.widen(signs, true, |a, b, _| a.wrapping_sub(b)),
            VwmuluVv | VwmuluVx => self.widen(zeros, false, |a, b, _| a.wrapping_mul(b)),
            VwmulVv | VwmulVx => self.widen(signs, false, |a, b, _| a.wrapping_mul(b)),
            VwmulsuVv | VwmulsuVx => self.widen((Sign, Zero), false, |a, b, _| a.wrapping_mul(b)),
            VwmaccuVv | VwmaccuVx => self.widen_multiply_add(zeros),
            VwmaccVv | VwmaccVx => self.widen_multiply_add(signs),
            VwmaccusVx => self.widen_multiply_add((Sign, Zero)),
            VwmaccsuVv | VwmaccsuVx => self.widen_multiply_add((Zero, Sign)),
            _ => self.extension(),
        }
    }

    fn widen_multiply_add(&mut self, extend: (Extend, Extend)) -> Option<()> {
        self.widen(extend, false, |a, b, d| d.wrapping_add(a.wrapping_mul(b)))
    }

    /// `vwsll` (Zvbb).
    pub(super) fn widening_shift(&mut self) -> Option<()> {
        let amount = (16 << self.width) - 1;
        self.widen((Zero, Zero), false, |a, b, _| a << (b & amount))
    }

    /// `vzext` and `vsext`, which end the widening instructions.
    fn extension(&mut self) -> Option<()> {
        let (extend, halvings) = match self.insn.opcode {
            VzextVf2 => (Zero, 1),
            VzextVf4 => (Zero, 2),
            VzextVf8 => (Zero, 3),
            VsextVf2 => (Sign, 1),
            VsextVf4 => (Sign, 2),
            VsextVf8 => (Sign, 3),
            _ => return self.multiplying_others(),
        };
        let source_width = self.width.checked_sub(halvings)?;
        let source = (self.insn.rs2, self.multiplier - halvings as i32);
        require(aligned(self.insn.rd, self.multiplier) && aligned(source.0, source.1))?;
        require(may_overlap((self.insn.rd, self.multiplier), source))?;
        self.reads(self.insn.rs2)?;
        self.spares_mask()?;
        for index in members(self.active) {
            let value = self.a(source_width, extend, index);
            self.v.set_element(self.insn.rd, self.width, index, value);
        }
        Some(())
    }

    /// `vnsrl` and `vnsra`.
    pub(super) fn narrowing_shift(&mut self, extend: Extend) -> Option<()> {
        self.check_narrowing()?;
        let wide = self.width + 1;
        for index in members(self.active) {
            let amount = self.b(Zero, index) & ((8 << wide) - 1);
            let value = (self.a(wide, extend, index) as i64) >> amount;
            let value = match extend {
                Zero => (self.a(wide, Zero, index) >> amount) as i64,
                Sign => value,
            };
            self.v.set_element(self.insn.rd, self.width, index, value as u64);
        }
        Some(())
    }
}
