//! Integer reductions: the active elements of `vs2` and element 0 of `vs1` to element 0 of `vd`.

use super::elements::Extend::{self, Sign, Zero};
use super::elements::members;
use super::{Vop, aligned, require};
use crate::riscv::isa::Opcode::*;

impl Vop<'_> {
    /// Legality of any reduction. Its scalars are single registers, and may overlap anything.
    pub(super) fn check_reduction(&self) -> Option<()> {
        self.starts_at_zero()?;
        require(aligned(self.insn.rs2, self.multiplier))
    }

    /// Single-width reductions, then Zvbb.
    pub(super) fn reduce(&mut self) -> Option<()> {
        match self.insn.opcode {
            VredsumVs => self.fold(Zero, u64::wrapping_add),
            VredandVs => self.fold(Zero, |a, b| a & b),
            VredorVs => self.fold(Zero, |a, b| a | b),
            VredxorVs => self.fold(Zero, |a, b| a ^ b),
            VredminuVs => self.fold(Zero, u64::min),
            VredminVs => self.fold(Sign, |a, b| (a as i64).min(b as i64) as u64),
            VredmaxuVs => self.fold(Zero, u64::max),
            VredmaxVs => self.fold(Sign, |a, b| (a as i64).max(b as i64) as u64),
            _ => self.bit_manipulation(),
        }
    }

    fn fold(&mut self, extend: Extend, f: impl Fn(u64, u64) -> u64) -> Option<()> {
        self.check_reduction()?;
        let first = extend.apply(self.v.element(self.insn.rs1, self.width, 0), self.width);
        let members = members(self.active);
        let value = members.fold(first, |sum, index| f(sum, self.a(self.width, extend, index)));
        self.set_first(value)
    }

    /// `vwredsum` and `vwredsumu`: a sum of twice the width.
    pub(super) fn widening_sum(&mut self) -> Option<()> {
        let extend = match self.insn.opcode {
            VwredsumuVs => Zero,
            VwredsumVs => Sign,
            _ => return None,
        };
        self.check_reduction()?;
        require(self.width < 3)?;
        let wide = self.width + 1;
        let first = self.v.element(self.insn.rs1, wide, 0);
        let sum = members(self.active)
            .fold(first, |sum, index| sum.wrapping_add(self.a(self.width, extend, index)));
        if self.vl > 0 {
            self.v.set_element(self.insn.rd, wide, 0, sum);
        }
        Some(())
    }
}
