//! Cache-block operations (Zicbom, Zicboz). There is no cache: what is left of management is the
//! permission.

use crate::engine::bus::Bus;
use crate::riscv::csr::envcfg;
use crate::riscv::hart::{Hart, Mode};
use crate::riscv::isa::{Insn, Opcode};
use crate::riscv::trap::Trap;

impl Hart {
    /// `cbo.*`.
    pub(super) fn cache_block(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Result<(), Trap> {
        let field = match insn.opcode {
            Opcode::CboZero => envcfg::CBZE,
            Opcode::CboInval => envcfg::CBIE,
            _ => envcfg::CBCFE,
        };
        if self.arch.mode == Mode::User && self.state.csrs.senvcfg & field == 0 {
            return Err(Self::illegal(insn));
        }
        let address = self.x(insn.rs1);
        match insn.opcode {
            Opcode::CboZero => self.zero_block(address, bus),
            _ => self.manage_block(address, bus),
        }
    }
}
