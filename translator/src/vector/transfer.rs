//! Loads and stores of a group of elements side by side.

use super::{Vop, require, size};
use crate::body::at;
use crate::memory;
use c2w_emulator::cpu::isa::Opcode;
use c2w_emulator::cpu::translated::place;
use c2w_emulator::cpu::vector::VLENB;
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

impl Vop<'_> {
    /// A load or store of `vl` elements, which must lie on one page that is there.
    pub fn transfer(&mut self) -> Option<()> {
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
        memory::look_up_bytes(self.insn.rs1, length, write, address, self.body);
        let whole = (self.vtype.max_length() << width) as u32;
        if whole == u32::from(registers) * VLENB as u32 {
            self.body.code().local_get(length).i32_const(whole as i32).i32_eq();
            self.body.open_if(BlockType::Empty);
            (0..registers).for_each(|number| self.copy_register(number, write, address));
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

    /// Copies a register of the group.
    fn copy_register(&mut self, number: u8, write: bool, address: u32) {
        let outside = at(u64::from(number) * VLENB as u64, 0);
        let place = self.place(self.insn.rd + number, 0);
        let mut code = self.body.code();
        if write {
            code.local_get(address).i32_const(0).v128_load(place).v128_store(outside);
        } else {
            code.i32_const(0).local_get(address).v128_load(outside).v128_store(place);
        }
    }

    /// Copies as many bytes as a local says.
    fn copy_some(&mut self, write: bool, address: u32, length: u32) {
        let group = place::V + u64::from(self.insn.rd) * VLENB as u64;
        let group = (u64::from(self.body.linkage.hot) + group) as i32;
        let mut code = self.body.code();
        if write {
            code.local_get(address).i32_const(group);
        } else {
            code.i32_const(group).local_get(address);
        }
        code.local_get(length).memory_copy(0, 0);
    }
}
