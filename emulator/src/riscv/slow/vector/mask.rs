//! Instructions on masks.

use super::elements::members;
use super::{Vop, aligned, overlap, require};
use crate::riscv::isa::Opcode::*;
use crate::riscv::vector::low_bits;

impl Vop<'_> {
    /// The rest of OPMVV and OPMVX: masks, reductions, moves, Zvbb.
    pub(super) fn multiplying_others(&mut self) -> Option<()> {
        let (a, b) = (self.v.mask(self.insn.rs2), self.v.mask(self.insn.rs1));
        match self.insn.opcode {
            VmandMm => self.write_mask(a & b),
            VmnandMm => self.write_mask(!(a & b)),
            VmandnMm => self.write_mask(a & !b),
            VmxorMm => self.write_mask(a ^ b),
            VmorMm => self.write_mask(a | b),
            VmnorMm => self.write_mask(!(a | b)),
            VmornMm => self.write_mask(a | !b),
            VmxnorMm => self.write_mask(!(a ^ b)),
            VmsbfM | VmsifM | VmsofM => self.set_around_first(a & self.active)?,
            ViotaM => self.iota(a & self.active)?,
            VidV => self.count_up()?,
            _ => self.permute_or_reduce()?,
        }
        Some(())
    }

    /// `vmv.x.s`, `vcpop.m`, `vfirst.m`: what goes to `x[rd]`.
    pub(super) fn to_integer(&self) -> Option<u64> {
        if self.insn.opcode == VmvXS {
            return Some(self.v.signed_element(self.insn.rs2, self.width, 0));
        }
        self.starts_at_zero()?;
        let set = self.v.mask(self.insn.rs2) & self.active;
        Some(match self.insn.opcode {
            VcpopM => u64::from(set.count_ones()),
            _ if set == 0 => u64::MAX,
            _ => u64::from(set.trailing_zeros()),
        })
    }

    /// `vmsbf`, `vmsif`, `vmsof`: set before, including, only the first.
    fn set_around_first(&mut self, set: u128) -> Option<()> {
        self.starts_at_zero()?;
        self.spares_mask()?;
        require(self.insn.rd != self.insn.rs2)?;
        let first = set & set.wrapping_neg();
        let before = first.wrapping_sub(1);
        self.write_mask(match self.insn.opcode {
            VmsbfM => before,
            VmsifM => before | first,
            _ => first,
        });
        Some(())
    }

    /// `viota`: how many bits are set below each element.
    fn iota(&mut self, set: u128) -> Option<()> {
        self.starts_at_zero()?;
        self.spares_mask()?;
        let destination = (self.insn.rd, self.multiplier);
        require(aligned(self.insn.rd, self.multiplier))?;
        require(!overlap(destination, (self.insn.rs2, 0)))?;
        for index in members(self.active) {
            let below = (set & low_bits(index)).count_ones();
            self.v.set_element(self.insn.rd, self.width, index, below.into());
        }
        Some(())
    }

    /// `vid`: each element's number.
    fn count_up(&mut self) -> Option<()> {
        require(aligned(self.insn.rd, self.multiplier))?;
        self.spares_mask()?;
        for index in members(self.active) {
            self.v.set_element(self.insn.rd, self.width, index, index as u64);
        }
        Some(())
    }
}
