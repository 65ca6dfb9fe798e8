//! Loads and stores of elements side by side: of a group, and of whole registers.

use super::{VectorOp, require, size, vector_field};
use crate::emit::{at, memory};
use crate::riscv::Builder;
use c2w_emulator::riscv::isa::{Insn, Opcode};
use c2w_emulator::riscv::linkage::state_offsets;
use c2w_emulator::riscv::vector::VLENB;
use wasm_encoder::{BlockType, ValType};

/// log2 of an element's bytes, and whether it is a store.
fn kind(opcode: Opcode) -> Option<(u32, bool)> {
    use Opcode::*;
    Some(match opcode {
        // Without a fault the first kind is as the second.
        Vle8V | Vle8ffV => (0, false),
        Vle16V | Vle16ffV => (1, false),
        Vle32V | Vle32ffV => (2, false),
        Vle64V | Vle64ffV => (3, false),
        Vse8V => (0, true),
        Vse16V => (1, true),
        Vse32V => (2, true),
        Vse64V => (3, true),
        _ => return None,
    })
}

/// Whether a transfer of whole registers is a store; `None` for others.
fn stores_whole(opcode: Opcode) -> Option<bool> {
    use Opcode::*;
    match opcode {
        Vs1rV | Vs2rV | Vs4rV | Vs8rV => Some(true),
        Vl1re8V | Vl1re16V | Vl1re32V | Vl1re64V | Vl2re8V | Vl2re16V | Vl2re32V | Vl2re64V
        | Vl4re8V | Vl4re16V | Vl4re32V | Vl4re64V | Vl8re8V | Vl8re16V | Vl8re32V | Vl8re64V => {
            Some(false)
        }
        _ => None,
    }
}

/// Whether an instruction is a load or store of whole registers that is translated.
pub fn is_translated_whole(insn: &Insn) -> bool {
    let registers = insn.extra_fields() as u8 + 1;
    stores_whole(insn.opcode).is_some() && insn.rd & (registers - 1) == 0
}

/// Whether an instruction is a load or store of a group that is translated.
pub fn is_translated_group(insn: &Insn) -> bool {
    kind(insn.opcode).is_some() && insn.extra_fields() == 0
}

/// Writes a load or store of whole registers, whatever type and length are. Returns `false`, and
/// has written nothing, for other instructions.
pub fn whole_registers(insn: &Insn, body: &mut Builder) -> bool {
    let registers = insn.extra_fields() as u8 + 1;
    let stores = stores_whole(insn.opcode).filter(|_| is_translated_whole(insn));
    let Some(write) = stores else { return false };
    body.need_vectors();
    if body.assumption.is_none() {
        let start = body.field(state_offsets::VSTART, 0);
        body.leave_if(|body| _ = body.code().i32_const(0).i32_load8_u(start));
    }
    let length = body.take(ValType::I32);
    let address = body.take(ValType::I32);
    body.code().i32_const(i32::from(registers) * VLENB as i32).local_set(length);
    memory::probe_bytes(insn.rs1, length, write, address, body);
    copy_registers(insn.rd, registers, write, address, body);
    body.give(length);
    body.give(address);
    true
}

/// Copies registers to or from what a local points to.
fn copy_registers(first: u8, count: u8, write: bool, address: u32, body: &mut Builder) {
    for number in 0..count {
        let outside = at(u64::from(number) * VLENB as u64, 0);
        let register = vector_field(first + number, 0, body);
        let mut code = body.code();
        if write {
            code.local_get(address).i32_const(0).v128_load(register).v128_store(outside);
        } else {
            code.i32_const(0).local_get(address).v128_load(outside).v128_store(register);
        }
    }
}

impl VectorOp<'_> {
    /// A load or store of `vl` elements, which must lie on one page that the TLB has.
    pub fn transfer_group(&mut self) -> Option<()> {
        let (width, write) = kind(self.insn.opcode)?;
        let multiplier = self.vtype.multiplier() + width as i32 - self.width as i32;
        let registers = size(multiplier);
        require(self.insn.extra_fields() == 0 && (-3..=3).contains(&multiplier))?;
        require(self.insn.rd & (registers - 1) == 0)?;
        self.body.need_vectors();
        let length = self.body.take(ValType::I32);
        let address = self.body.take(ValType::I32);
        self.length_in_bytes(width);
        self.body.code().local_set(length);
        self.body.leave_if(|body| _ = body.code().local_get(length).i32_eqz());
        memory::probe_bytes(self.insn.rs1, length, write, address, self.body);
        let whole = (self.vtype.max_length() << width) as u32;
        if whole == u32::from(registers) * VLENB as u32 {
            self.body.code().local_get(length).i32_const(whole as i32).i32_eq();
            self.body.open_if(BlockType::Empty);
            copy_registers(self.insn.rd, registers, write, address, self.body);
            self.body.code().else_();
            self.copy_some(write, address, length);
            self.body.close();
        } else {
            self.copy_some(write, address, length);
        }
        self.body.give(length);
        self.body.give(address);
        Some(())
    }

    /// Copies as many bytes as a local says.
    fn copy_some(&mut self, write: bool, address: u32, length: u32) {
        let group = state_offsets::V + u64::from(self.insn.rd) * VLENB as u64;
        let group = (u64::from(self.body.linkage.state) + group) as i32;
        let mut code = self.body.code();
        if write {
            code.local_get(address).i32_const(group);
        } else {
            code.i32_const(group).local_get(address);
        }
        code.local_get(length).memory_copy(0, 0);
    }
}
