//! Integer arithmetic on elements of one width: the OPIVV and OPMVV categories and their scalar
//! forms.

use super::elements::Extend::{Sign, Zero};
use super::lanes::{accumulate, by_width, compare, lanes};
use super::{Vop, aligned, may_overlap, require};
use crate::riscv::isa::Opcode::*;

impl Vop<'_> {
    /// Legality of a comparison: groups to a mask, which may also be `v0`.
    pub(super) fn check_mask_result(&self) -> Option<()> {
        let lmul = self.multiplier;
        let sources = [Some(self.insn.rs2), self.has_vs1.then_some(self.insn.rs1)];
        for source in sources.into_iter().flatten() {
            require(aligned(source, lmul))?;
            // A mask counts as the narrowest of elements, even beside a fraction of a register.
            let destination = self.insn.rd;
            require(destination == source || may_overlap((destination, -4), (source, lmul)))?;
        }
        Some(())
    }

    /// OPIVV, OPIVX and OPIVI.
    pub(super) fn arithmetic(&mut self) -> Option<()> {
        match self.insn.opcode {
            VaddVv | VaddVx | VaddVi => lanes!(self, |a, b| a.wrapping_add(b)),
            VsubVv | VsubVx => lanes!(self, |a, b| a.wrapping_sub(b)),
            VrsubVx | VrsubVi => lanes!(self, |a, b| b.wrapping_sub(a)),
            VminuVv | VminuVx => lanes!(self, |a, b| a.min(b)),
            VminVv | VminVx => lanes!(self, |a, b| (a as S).min(b as S) as U),
            VmaxuVv | VmaxuVx => lanes!(self, |a, b| a.max(b)),
            VmaxVv | VmaxVx => lanes!(self, |a, b| (a as S).max(b as S) as U),
            VandVv | VandVx | VandVi => self.logical(|a, b| a & b),
            VorVv | VorVx | VorVi => self.logical(|a, b| a | b),
            VxorVv | VxorVx | VxorVi => self.logical(|a, b| a ^ b),
            VandnVv | VandnVx => self.logical(|a, b| a & !b),
            VsllVv | VsllVx | VsllVi => lanes!(self, |a, b| a.wrapping_shl(b as u32)),
            VsrlVv | VsrlVx | VsrlVi => lanes!(self, |a, b| a.wrapping_shr(b as u32)),
            VsraVv | VsraVx | VsraVi => {
                lanes!(self, |a, b| (a as S).wrapping_shr(b as u32) as U)
            }
            VrolVv | VrolVx => lanes!(self, |a, b| a.rotate_left(b as u32 & (U::BITS - 1))),
            VrorVv | VrorVx | VrorVi => {
                lanes!(self, |a, b| a.rotate_right(b as u32 & (U::BITS - 1)))
            }
            VmvVV | VmvVX | VmvVI => lanes!(self, |_a, b| b),
            VmergeVvm | VmergeVxm | VmergeVim => self.merge(),
            VadcVvm | VadcVxm | VadcVim | VsbcVvm | VsbcVxm => self.with_carry(),
            _ => self.comparison(),
        }
    }

    /// Bit by bit, so the width does not matter.
    fn logical(&mut self, f: impl Fn(u64, u64) -> u64) -> Option<()> {
        use super::lanes::Lane;
        self.check_single_width()?;
        let mut block = by_width!(self.width, self.second::<U>());
        let length = self.vl << self.width;
        let mut a = [0; crate::riscv::vector::GROUP];
        a[..length].copy_from_slice(self.group(self.insn.rs2, length));
        for (a, b) in a.chunks_exact(8).zip(block.chunks_exact_mut(8)) {
            f(u64::load(a), u64::load(b)).store(b);
        }
        self.write_block(&block, self.active);
        Some(())
    }

    /// `vmerge`: the second operand where `v0` is set, else `vs2`.
    pub(super) fn merge(&mut self) -> Option<()> {
        self.check_single_width()?;
        require(self.insn.rd != 0)?;
        let chosen = self.v.mask(0);
        let mut block = by_width!(self.width, self.second::<U>());
        let length = self.vl << self.width;
        let others = self.group(self.insn.rs2, length);
        for (index, other) in others.chunks_exact(1 << self.width).enumerate() {
            if chosen >> index & 1 == 0 {
                block[index << self.width..(index + 1) << self.width].copy_from_slice(other);
            }
        }
        self.write_block(&block, self.active);
        Some(())
    }

    /// `vadc` and `vsbc`: `v0` is the carry in.
    fn with_carry(&mut self) -> Option<()> {
        let lmul = self.multiplier;
        require(aligned(self.insn.rd, lmul) && aligned(self.insn.rs2, lmul))?;
        require(!self.has_vs1 || aligned(self.insn.rs1, lmul))?;
        require(self.insn.rd != 0)?;
        let carries = self.v.mask(0);
        let subtract = matches!(self.insn.opcode, VsbcVvm | VsbcVxm);
        for index in super::elements::members(self.active) {
            let (a, b) = (self.a(self.width, Zero, index), self.b(Zero, index));
            let carry = (carries >> index) as u64 & 1;
            let value = match subtract {
                true => a.wrapping_sub(b).wrapping_sub(carry),
                false => a.wrapping_add(b).wrapping_add(carry),
            };
            self.v.set_element(self.insn.rd, self.width, index, value);
        }
        Some(())
    }

    /// What gives a mask.
    fn comparison(&mut self) -> Option<()> {
        match self.insn.opcode {
            VmseqVv | VmseqVx | VmseqVi if self.width == 0 => self.compare_bytes(0),
            VmsneVv | VmsneVx | VmsneVi if self.width == 0 => self.compare_bytes(u128::MAX),
            VmseqVv | VmseqVx | VmseqVi => compare!(self, |a, b| a == b),
            VmsneVv | VmsneVx | VmsneVi => compare!(self, |a, b| a != b),
            VmsltuVv | VmsltuVx => compare!(self, |a, b| a < b),
            VmsltVv | VmsltVx => compare!(self, |a, b| (a as S) < b as S),
            VmsleuVv | VmsleuVx | VmsleuVi => compare!(self, |a, b| a <= b),
            VmsleVv | VmsleVx | VmsleVi => compare!(self, |a, b| a as S <= b as S),
            VmsgtuVx | VmsgtuVi => compare!(self, |a, b| a > b),
            VmsgtVx | VmsgtVi => compare!(self, |a, b| a as S > b as S),
            VmadcVv | VmadcVx | VmadcVi => self.carry_out(0),
            VmsbcVv | VmsbcVx => self.borrow_out(0),
            VmadcVvm | VmadcVxm | VmadcVim => self.carry_out(self.v.mask(0)),
            VmsbcVvm | VmsbcVxm => self.borrow_out(self.v.mask(0)),
            _ => self.narrowing_or_fixed(),
        }
    }

    fn carry_out(&mut self, carries: u128) -> Option<()> {
        let bits = 8 << self.width;
        self.mask_elements(|index, a, b| {
            (u128::from(a) + u128::from(b) + (carries >> index & 1)) >> bits != 0
        })
    }

    fn borrow_out(&mut self, borrows: u128) -> Option<()> {
        self.mask_elements(|index, a, b| u128::from(a) < u128::from(b) + (borrows >> index & 1))
    }

    /// OPMVV and OPMVX.
    pub(super) fn multiplying(&mut self) -> Option<()> {
        let bits = 8 << self.width;
        match self.insn.opcode {
            VmulVv | VmulVx => lanes!(self, |a, b| a.wrapping_mul(b)),
            VmaccVv | VmaccVx => accumulate!(self, |a, b, d| d.wrapping_add(a.wrapping_mul(b))),
            VnmsacVv | VnmsacVx => accumulate!(self, |a, b, d| d.wrapping_sub(a.wrapping_mul(b))),
            VmaddVv | VmaddVx => accumulate!(self, |a, b, d| a.wrapping_add(d.wrapping_mul(b))),
            VnmsubVv | VnmsubVx => accumulate!(self, |a, b, d| a.wrapping_sub(d.wrapping_mul(b))),
            VmulhVv | VmulhVx => self.map_elements(Sign, |a, b| {
                ((i128::from(a as i64) * i128::from(b as i64)) >> bits) as u64
            }),
            VmulhuVv | VmulhuVx => {
                self.map_elements(Zero, |a, b| ((u128::from(a) * u128::from(b)) >> bits) as u64)
            }
            VmulhsuVv | VmulhsuVx => {
                let width = self.width;
                self.map_elements(Sign, |a, b| {
                    let b = Zero.apply(b, width);
                    ((i128::from(a as i64) * i128::from(b)) >> bits) as u64
                })
            }
            VdivuVv | VdivuVx => {
                self.map_elements(Zero, |a, b| a.checked_div(b).unwrap_or(u64::MAX))
            }
            VdivVv | VdivVx => self.map_elements(Sign, |a, b| match b {
                0 => u64::MAX,
                _ => (a as i64).wrapping_div(b as i64) as u64,
            }),
            VremuVv | VremuVx => self.map_elements(Zero, |a, b| a.checked_rem(b).unwrap_or(a)),
            VremVv | VremVx => self.map_elements(Sign, |a, b| match b {
                0 => a,
                _ => (a as i64).wrapping_rem(b as i64) as u64,
            }),
            _ => self.averaging(),
        }
    }
}
