//! Slides, gathers, compression, and moves of scalars and whole registers.

use super::elements::Extend::Zero;
use super::elements::members;
use super::lanes::Block;
use super::{Vop, aligned, overlap, require};
use crate::riscv::isa::Opcode::*;
use crate::riscv::vector::{GROUP, VLENB, low_bits};

impl Vop<'_> {
    /// The last of OPIVV, OPIVX and OPIVI: slides, gathers, whole registers, widening sums.
    pub(super) fn permute(&mut self) -> Option<()> {
        match self.insn.opcode {
            VslideupVx | VslideupVi => self.slide_up(),
            VslidedownVx | VslidedownVi => self.slide_down(self.scalar, None),
            VrgatherVv => self.gather(self.width),
            Vrgatherei16Vv => self.gather(1),
            VrgatherVx | VrgatherVi => self.gather_one(),
            Vmv1rV | Vmv2rV | Vmv4rV | Vmv8rV => self.move_registers(),
            _ => self.widening_sum(),
        }
    }

    /// What is left of OPMVV and OPMVX.
    pub(super) fn permute_or_reduce(&mut self) -> Option<()> {
        match self.insn.opcode {
            Vslide1upVx => self.slide_one_up(),
            Vslide1downVx => self.slide_down(1, Some(self.scalar)),
            VmvSX => self.set_first(self.scalar),
            VcompressVm => self.compress(),
            _ => self.reduce(),
        }
    }

    /// The whole group `vs2`, VLMAX elements.
    fn source(&self) -> (Block, usize) {
        let length = (VLENB << (self.multiplier + 3)) >> 3;
        let mut block = [0; GROUP];
        block[..length].copy_from_slice(self.group(self.insn.rs2, length));
        (block, length)
    }

    /// Legality of what reads elements of `vs2` after others of `vd` were written.
    fn check_apart(&self) -> Option<()> {
        let lmul = self.multiplier;
        require(aligned(self.insn.rd, lmul) && aligned(self.insn.rs2, lmul))?;
        require(self.insn.rd != self.insn.rs2)?;
        self.reads(self.insn.rs2)?;
        self.spares_mask()
    }

    fn slide_up(&mut self) -> Option<()> {
        self.check_apart()?;
        let (source, _) = self.source();
        let offset = self.scalar.min(GROUP as u64) as usize;
        let mut block = [0; GROUP];
        let shift = (offset << self.width).min(GROUP);
        block[shift..].copy_from_slice(&source[..GROUP - shift]);
        self.write_from(&block, offset);
        Some(())
    }

    /// `vslide1up` and `vfslide1up`.
    pub(super) fn slide_one_up(&mut self) -> Option<()> {
        self.check_apart()?;
        let (source, _) = self.source();
        let element = 1 << self.width;
        let mut block = [0; GROUP];
        block[..element].copy_from_slice(&self.scalar.to_le_bytes()[..element]);
        block[element..].copy_from_slice(&source[..GROUP - element]);
        self.write_block(&block, self.active);
        Some(())
    }

    /// Writes the active elements from `first` on.
    fn write_from(&mut self, block: &Block, first: usize) {
        // Elements below are done, as if the instruction had been started there.
        self.start = self.start.max(first);
        self.write_block(block, self.active & !low_bits(first));
    }

    /// `vslidedown`; with `last`, that becomes the last element (`vslide1down`).
    pub(super) fn slide_down(&mut self, offset: u64, last: Option<u64>) -> Option<()> {
        let lmul = self.multiplier;
        require(aligned(self.insn.rd, lmul) && aligned(self.insn.rs2, lmul))?;
        self.reads(self.insn.rs2)?;
        self.spares_mask()?;
        let (source, length) = self.source();
        let shift = ((offset.min(GROUP as u64) as usize) << self.width).min(length);
        let mut block = [0; GROUP];
        block[..length - shift].copy_from_slice(&source[shift..length]);
        if let (Some(last), Some(index)) = (last, self.vl.checked_sub(1)) {
            let place = index << self.width..(index + 1) << self.width;
            let element = place.len();
            block[place].copy_from_slice(&last.to_le_bytes()[..element]);
        }
        self.write_block(&block, self.active);
        Some(())
    }

    /// `vrgather.vv` with indices of `1 << index_width` bytes in `vs1`.
    fn gather(&mut self, index_width: u32) -> Option<()> {
        self.check_apart()?;
        let (data, indices) = (self.multiplier, self.scaled(index_width));
        require(aligned(self.insn.rs1, indices))?;
        self.reads(self.insn.rs1)?;
        if index_width != self.width {
            self.sources_apart(data, indices)?;
        }
        require(!overlap((self.insn.rd, data), (self.insn.rs1, indices)))?;
        let (source, length) = self.source();
        for index in members(self.active) {
            let from = self.v.element(self.insn.rs1, index_width, index);
            let value = element_of(&source[..length], self.width, from);
            self.v.set_element(self.insn.rd, self.width, index, value);
        }
        Some(())
    }

    /// `vrgather.vx` and `vrgather.vi`: one element everywhere.
    fn gather_one(&mut self) -> Option<()> {
        self.check_apart()?;
        let (source, length) = self.source();
        let value = element_of(&source[..length], self.width, self.scalar);
        for index in members(self.active) {
            self.v.set_element(self.insn.rd, self.width, index, value);
        }
        Some(())
    }

    /// `vcompress`: the elements that `vs1` selects, side by side.
    fn compress(&mut self) -> Option<()> {
        self.starts_at_zero()?;
        self.check_apart()?;
        require(!overlap((self.insn.rd, self.multiplier), (self.insn.rs1, 0)))?;
        let chosen = self.v.mask(self.insn.rs1) & self.active;
        for (index, from) in members(chosen).enumerate() {
            let value = self.a(self.width, Zero, from);
            self.v.set_element(self.insn.rd, self.width, index, value);
        }
        Some(())
    }

    /// `vmv.s.x` and `vfmv.s.f`.
    pub(super) fn set_first(&mut self, value: u64) -> Option<()> {
        if self.start < self.vl {
            self.v.set_element(self.insn.rd, self.width, 0, value);
        }
        Some(())
    }

    /// `vmv1r` to `vmv8r`: `vstart` counts elements of SEW, `vl` does not matter.
    fn move_registers(&mut self) -> Option<()> {
        let registers = self.insn.rs1 + 1;
        require((self.insn.rd | self.insn.rs2) & (registers - 1) == 0)?;
        let length = registers as usize * VLENB;
        let done = (self.start << self.width).min(length);
        let (to, from) =
            (self.insn.rd as usize * VLENB + done, self.insn.rs2 as usize * VLENB + done);
        self.v.bytes_mut().copy_within(from..from + length - done, to);
        Some(())
    }
}

/// Element `index` of a group, or 0 beyond it.
fn element_of(group: &[u8], width: u32, index: u64) -> u64 {
    let Some(start) = usize::try_from(index).ok().filter(|&index| index < group.len()) else {
        return 0;
    };
    let length = 1 << width;
    let mut value = [0; 8];
    if let Some(bytes) = group.get(start << width..(start << width) + length) {
        value[..length].copy_from_slice(bytes);
    }
    u64::from_le_bytes(value)
}
