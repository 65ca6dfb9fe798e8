//! The A extension. There is one hart, so every access is atomic by itself and the acquire and
//! release bits order nothing.

use crate::engine::access::Access;
use crate::engine::bus::Bus;
use crate::memory::{PAGE_SHIFT, PAGE_SIZE};
use crate::riscv::hart::Hart;
use crate::riscv::isa::{Insn, Opcode};
use crate::riscv::trap::Trap;

/// What an atomic memory operation stores, for operands sign-extended from its width.
fn combine(opcode: Opcode, old: i64, operand: i64, word: bool) -> i64 {
    use Opcode::*;
    let unsigned = |value: i64| if word { u64::from(value as u32) } else { value as u64 };
    match opcode {
        AmoaddW | AmoaddD => old.wrapping_add(operand),
        AmoswapW | AmoswapD => operand,
        AmoxorW | AmoxorD => old ^ operand,
        AmoorW | AmoorD => old | operand,
        AmoandW | AmoandD => old & operand,
        AmominW | AmominD => old.min(operand),
        AmomaxW | AmomaxD => old.max(operand),
        AmominuW | AmominuD if unsigned(old) <= unsigned(operand) => old,
        AmomaxuW | AmomaxuD if unsigned(old) >= unsigned(operand) => old,
        AmominuW | AmominuD | AmomaxuW | AmomaxuD => operand,
        other => unreachable!("{other:?} is not an atomic memory operation"),
    }
}

impl Hart {
    /// An instruction of the A extension.
    pub(super) fn atomic(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Result<(), Trap> {
        // Bits 14:12 are the width, where other instructions have the rounding mode.
        let size = 1 << insn.rm;
        let address = self.x(insn.rs1);
        let operand = self.x(insn.rs2);
        match insn.opcode {
            Opcode::LrW | Opcode::LrD => {
                let physical = self.atomic_address(address, size, Access::Read, bus)?;
                let old = self.load(address, size, bus)?;
                self.state.reservation = Self::reservation_of(physical, bus);
                self.set_x(insn.rd, sign_extend(old, size) as u64);
            }
            Opcode::ScW | Opcode::ScD => {
                let physical = self.atomic_address(address, size, Access::Write, bus)?;
                let holds = self.state.reservation == Self::reservation_of(physical, bus);
                if holds {
                    self.store(address, size, operand, bus)?;
                }
                self.state.reservation = 0;
                self.set_x(insn.rd, u64::from(!holds));
            }
            _ => {
                self.atomic_address(address, size, Access::Write, bus)?;
                let old = sign_extend(self.load(address, size, bus)?, size);
                let operand = sign_extend(operand, size);
                let new = combine(insn.opcode, old, operand, size == 4);
                self.store(address, size, new as u64, bus)?;
                self.set_x(insn.rd, old as u64);
            }
        }
        Ok(())
    }

    /// How the interpreter loop writes a reservation of memory at `physical`.
    fn reservation_of(physical: u64, bus: &Bus<'_>) -> u64 {
        let page = bus.memory.known_page(physical).unwrap_or(0);
        (u64::from(page) << PAGE_SHIFT | physical & (PAGE_SIZE as u64 - 1)) + 1
    }
}

fn sign_extend(value: u64, size: usize) -> i64 {
    if size == 4 { i64::from(value as i32) } else { value as i64 }
}
