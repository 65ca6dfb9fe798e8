//! Element by element in 64 bits: what is too rare to have a loop for each width.

use super::Vop;
use crate::riscv::vector::{sign_extend, zero_extend};

/// Whether operands are extended with zeros or with their sign.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extend {
    Zero,
    Sign,
}

impl Extend {
    /// The low `1 << width` bytes of `value` as a 64-bit number.
    #[inline(always)]
    pub(super) fn apply(self, value: u64, width: u32) -> u64 {
        match self {
            Self::Zero => zero_extend(value, width),
            Self::Sign => sign_extend(value, width),
        }
    }
}

/// The members of a set of elements, in order.
pub(super) struct Members {
    low: u64,
    high: u64,
}

/// The members of a set.
pub(super) fn members(set: u128) -> Members {
    Members { low: set as u64, high: (set >> 64) as u64 }
}

impl Iterator for Members {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let (word, first) = match self.low {
            0 => (&mut self.high, 64),
            _ => (&mut self.low, 0),
        };
        if *word == 0 {
            return None;
        }
        let index = first + word.trailing_zeros() as usize;
        *word &= *word - 1;
        Some(index)
    }
}

impl Vop<'_> {
    /// Element `index` of `vs2`, of `1 << width` bytes.
    #[inline(always)]
    pub(super) fn a(&self, width: u32, extend: Extend, index: usize) -> u64 {
        extend.apply(self.v.element(self.insn.rs2, width, index), width)
    }

    /// Element `index` of `vs1`, or the scalar.
    #[inline(always)]
    pub(super) fn b(&self, extend: Extend, index: usize) -> u64 {
        let value = match self.has_vs1 {
            true => self.v.element(self.insn.rs1, self.width, index),
            false => self.scalar,
        };
        extend.apply(value, self.width)
    }

    /// `vd = f(vs2, vs1 or scalar)` on elements of the same width.
    pub(super) fn map_elements(
        &mut self,
        extend: Extend,
        f: impl Fn(u64, u64) -> u64,
    ) -> Option<()> {
        self.check_single_width()?;
        for index in members(self.active) {
            let value = f(self.a(self.width, extend, index), self.b(extend, index));
            self.v.set_element(self.insn.rd, self.width, index, value);
        }
        Some(())
    }

    /// The mask `vd` = `f(element, vs2, vs1 or scalar)`.
    pub(super) fn mask_elements(&mut self, f: impl Fn(usize, u64, u64) -> bool) -> Option<()> {
        self.check_mask_result()?;
        let mut mask = 0;
        for index in members(self.active) {
            let (a, b) = (self.a(self.width, Extend::Zero, index), self.b(Extend::Zero, index));
            mask |= u128::from(f(index, a, b)) << index;
        }
        self.write_mask(mask);
        Some(())
    }
}
