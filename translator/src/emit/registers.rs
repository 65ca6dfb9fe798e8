//! Guest registers in a function that is being written.
//!
//! They are locals. What an instruction writes goes to its local, and to memory before anything
//! that can leave the function: so leaving takes no more than a branch. What it reads is loaded
//! from memory, unless it is in its local on every way that leads here ([`super::facts`]).
//!
//! In a loop without calls, registers are *promoted*: what the loop writes is in locals only, until
//! control leaves the loop. A block around the loop stores them for the exits of the function.

use super::{Builder, Emit};
use crate::guest::Registers;
use wasm_encoder::{BlockType, MemArg, ValType};

impl<G: Emit> Builder<G> {
    /// The local of a register.
    fn register(&mut self, number: u8) -> u32 {
        if self.registers[number as usize] == 0 {
            let (kind, _) = G::register(number);
            self.registers[number as usize] = self.new_local(kind);
        }
        self.registers[number as usize]
    }

    /// Where a register is in the CPU's state, and its type.
    fn register_field(&self, number: u8) -> (ValType, MemArg) {
        let (kind, offset) = G::register(number);
        (kind, self.field(offset, 3))
    }

    /// Pushes a register.
    pub fn get(&mut self, number: u8) {
        if Some(number) == G::ZERO {
            self.code().i64_const(0);
        } else {
            let local = self.register(number);
            self.code().local_get(local);
        }
    }

    /// Pops a value into a register.
    pub fn set(&mut self, number: u8) {
        if Some(number) == G::ZERO {
            self.code().drop();
            return;
        }
        let local = self.register(number);
        self.code().local_set(local);
        let register = Registers::one(number);
        self.dirty = self.dirty.with(register);
        self.facts.loaded = self.facts.loaded.with(register);
    }

    /// Brings memory in line with the locals of registers, except promoted ones.
    pub fn flush(&mut self) {
        let dirty = core::mem::take(&mut self.dirty).without(self.promoted);
        self.store(dirty);
    }

    /// Stores registers from their locals.
    fn store(&mut self, registers: Registers) {
        for number in registers.iter() {
            let local = self.register(number);
            let (kind, field) = self.register_field(number);
            self.code().i32_const(0).local_get(local);
            match kind {
                ValType::F64 => self.code().f64_store(field),
                ValType::V128 => self.code().v128_store(field),
                _ => self.code().i64_store(field),
            };
        }
    }

    /// Loads registers that are not in their locals yet.
    pub fn load(&mut self, registers: Registers) {
        for number in registers.without(self.facts.loaded).iter() {
            let local = self.register(number);
            let (kind, field) = self.register_field(number);
            self.code().i32_const(0);
            match kind {
                ValType::F64 => self.code().f64_load(field),
                ValType::V128 => self.code().v128_load(field),
                _ => self.code().i64_load(field),
            };
            self.code().local_set(local);
        }
        self.facts.loaded = self.facts.loaded.with(registers);
    }

    /// Begins a loop with promoted registers, which are in their locals.
    pub fn promote(&mut self, registers: Registers) {
        self.promoted = registers;
        self.exit = self.labels;
        self.open(BlockType::Result(ValType::I32));
    }

    /// Ends such a loop: nothing comes here but the exits of the function.
    pub fn end_promotion(&mut self) {
        self.code().unreachable();
        self.close();
        let promoted = core::mem::take(&mut self.promoted);
        self.store(promoted);
        self.exit = 0;
        let exit = self.label(0);
        self.code().br(exit);
    }

    /// Stores promoted registers, to leave the loop.
    pub fn store_promoted(&mut self) {
        self.store(self.promoted);
    }
}
