//! `vsetvli`, `vsetivli`, `vsetvl`, and the CSRs of the V extension.

use crate::riscv::csr::number;
use crate::riscv::hart::Hart;
use crate::riscv::isa::{Format, Insn};
use crate::riscv::vector::{VLENB, Vtype};

impl Hart {
    /// Sets vector type and length. A reserved type sets `vill` and a length of 0.
    pub(super) fn set_vector_type(&mut self, insn: &Insn) {
        let requested = match insn.opcode.format() {
            Format::VSetVl => self.x(insn.rs2),
            _ => insn.imm as u64,
        };
        let vtype = Vtype::new(requested);
        let longest = vtype.map_or(0, Vtype::max_length) as u64;
        let wanted = match (insn.opcode.format(), insn.rs1, insn.rd) {
            (Format::VSetIvli, length, _) => u64::from(length),
            // Keep the length; if it is no longer possible, take the longest.
            (_, 0, 0) => u64::from(self.state.vector.vl),
            (_, 0, _) => u64::MAX,
            (_, register, _) => self.x(register),
        };
        self.state.vector.vtype = vtype;
        self.state.vector.vl = wanted.min(longest) as u8;
        self.set_x(insn.rd, u64::from(self.state.vector.vl));
    }

    /// A vector CSR's value; `None` while the vector unit is off.
    pub(in crate::riscv) fn read_vector_csr(&self, csr: u16) -> Option<u64> {
        const ILLEGAL_TYPE: u64 = 1 << 63;
        let vector = &self.state.vector;
        self.state.csrs.vector_enabled().then(|| match csr {
            number::VSTART => vector.vstart.into(),
            number::VXSAT => vector.vxsat.into(),
            number::VXRM => vector.vxrm.into(),
            number::VCSR => u64::from(vector.vxrm) << 1 | u64::from(vector.vxsat),
            number::VL => vector.vl.into(),
            number::VTYPE => vector.vtype.map_or(ILLEGAL_TYPE, Vtype::bits),
            _ => VLENB as u64,
        })
    }

    /// Stores a vector CSR that can be written.
    pub(in crate::riscv) fn write_vector_csr(&mut self, csr: u16, value: u64) {
        let vector = &mut self.state.vector;
        match csr {
            number::VSTART => vector.vstart = value as u8 & 127,
            number::VXSAT => vector.vxsat = value & 1 != 0,
            number::VXRM => vector.vxrm = value as u8 & 3,
            _ => {
                vector.vxsat = value & 1 != 0;
                vector.vxrm = (value >> 1) as u8 & 3;
            }
        }
        self.state.mark_vector_dirty();
    }
}
