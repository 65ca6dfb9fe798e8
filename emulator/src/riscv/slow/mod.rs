//! The slow path: every instruction of the table, one function a family, written for clarity.
//! What the interpreter loop does quickly must equal what is done here.

mod atomic;
mod base;
mod bitmanip;
mod cache;
#[cfg(test)]
mod cache_tests;
mod float;
mod system;
#[cfg(test)]
mod system_tests;
mod vector;

use super::hart::Hart;
use super::isa::{Format, Insn, Opcode};
use super::trap::Trap;
use crate::engine::bus::Bus;

impl Hart {
    /// Executes one decoded instruction and moves `pc`.
    ///
    /// # Errors
    /// The exception it raises; nothing has then changed, `pc` included.
    pub(super) fn perform(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Result<(), Trap> {
        let next = self.state.pc.wrapping_add(u64::from(insn.length));
        let next = match insn.opcode.format() {
            Format::B => self.branch(insn, next),
            Format::J => self.jal(insn, next),
            _ if insn.opcode == Opcode::Jalr => self.jalr(insn, next),
            Format::R | Format::R1 | Format::I | Format::Shift | Format::U => {
                self.integer(insn);
                next
            }
            Format::Load => self.integer_load(insn, bus).map(|()| next)?,
            Format::S => self.integer_store(insn, bus).map(|()| next)?,
            Format::Amo => self.atomic(insn, bus).map(|()| next)?,
            Format::LoadFp | Format::SFp => self.float_memory(insn, bus).map(|()| next)?,
            Format::R4
            | Format::Fp
            | Format::Fp1
            | Format::FpToX2
            | Format::FpToX
            | Format::XToFp
            | Format::Fli => self.float(insn).map(|()| next)?,
            Format::Cbo => self.cache_block(insn, bus).map(|()| next)?,
            // Zimop: reserved, write 0.
            Format::MopR | Format::MopRr => {
                self.set_x(insn.rd, 0);
                next
            }
            // Memory is coherent and stores reach decoded code at once.
            Format::Fence => next,
            Format::Csr | Format::CsrI | Format::Sfence | Format::None => {
                self.system(insn, next, bus)?
            }
            // The formats of the V extension.
            _ => self.vector(insn, bus).map(|()| next)?,
        };
        self.state.pc = next;
        Ok(())
    }
}
