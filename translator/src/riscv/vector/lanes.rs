//! Arithmetic on elements of one width.

use super::{Operation, VectorOp, require, vector_field};
use c2w_emulator::riscv::isa::{Format, Opcode};
use c2w_emulator::riscv::vector::VLENB;
use wasm_encoder::{BlockType, ValType};

/// Bytes 0 to 15 of a vector as their numbers, from a number on.
fn numbers_from(first: u8) -> i128 {
    i128::from_le_bytes(core::array::from_fn(|byte| first + byte as u8))
}

/// How the operands of an operation are pushed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// `vs2`, then `vs1` or the scalar.
    Forward,
    /// `vs1` or the scalar, then `vs2`.
    Backward,
    /// `vs2`, then a scalar number of bits.
    Shift,
}

/// The operation by element width, where there is one.
type ByWidth = [Option<Operation>; 4];

/// The same for all widths.
fn any(operation: Operation) -> ByWidth {
    [Some(operation); 4]
}

/// Operations on bytes, halves, words and doubles.
fn each(operations: [Operation; 4]) -> ByWidth {
    operations.map(Some)
}

/// Operations on bytes, halves and words.
fn narrow([bytes, halves, words]: [Operation; 3]) -> ByWidth {
    [Some(bytes), Some(halves), Some(words), None]
}

fn operation(opcode: Opcode) -> Option<(Order, ByWidth)> {
    use Opcode::*;
    use Order::*;
    Some(match opcode {
        VaddVv | VaddVx | VaddVi => (
            Forward,
            each([|c| c.i8x16_add(), |c| c.i16x8_add(), |c| c.i32x4_add(), |c| c.i64x2_add()]),
        ),
        VsubVv | VsubVx => (
            Forward,
            each([|c| c.i8x16_sub(), |c| c.i16x8_sub(), |c| c.i32x4_sub(), |c| c.i64x2_sub()]),
        ),
        VrsubVx | VrsubVi => (
            Backward,
            each([|c| c.i8x16_sub(), |c| c.i16x8_sub(), |c| c.i32x4_sub(), |c| c.i64x2_sub()]),
        ),
        VandVv | VandVx | VandVi => (Forward, any(|c| c.v128_and())),
        VandnVv | VandnVx => (Forward, any(|c| c.v128_andnot())),
        VorVv | VorVx | VorVi => (Forward, any(|c| c.v128_or())),
        VxorVv | VxorVx | VxorVi => (Forward, any(|c| c.v128_xor())),
        VminuVv | VminuVx => {
            (Forward, narrow([|c| c.i8x16_min_u(), |c| c.i16x8_min_u(), |c| c.i32x4_min_u()]))
        }
        VminVv | VminVx => {
            (Forward, narrow([|c| c.i8x16_min_s(), |c| c.i16x8_min_s(), |c| c.i32x4_min_s()]))
        }
        VmaxuVv | VmaxuVx => {
            (Forward, narrow([|c| c.i8x16_max_u(), |c| c.i16x8_max_u(), |c| c.i32x4_max_u()]))
        }
        VmaxVv | VmaxVx => {
            (Forward, narrow([|c| c.i8x16_max_s(), |c| c.i16x8_max_s(), |c| c.i32x4_max_s()]))
        }
        // The number of bits is taken modulo the width, as RISC-V wants it.
        VsllVx | VsllVi => (
            Shift,
            each([|c| c.i8x16_shl(), |c| c.i16x8_shl(), |c| c.i32x4_shl(), |c| c.i64x2_shl()]),
        ),
        VsrlVx | VsrlVi => (
            Shift,
            each([
                |c| c.i8x16_shr_u(),
                |c| c.i16x8_shr_u(),
                |c| c.i32x4_shr_u(),
                |c| c.i64x2_shr_u(),
            ]),
        ),
        VsraVx | VsraVi => (
            Shift,
            each([
                |c| c.i8x16_shr_s(),
                |c| c.i16x8_shr_s(),
                |c| c.i32x4_shr_s(),
                |c| c.i64x2_shr_s(),
            ]),
        ),
        VmulVv | VmulVx => (
            Forward,
            [None, Some(|c| c.i16x8_mul()), Some(|c| c.i32x4_mul()), Some(|c| c.i64x2_mul())],
        ),
        _ => return None,
    })
}

/// Whether arithmetic is translated, for some width of elements.
pub fn can_translate(opcode: Opcode) -> bool {
    operation(opcode).is_some()
}

impl VectorOp<'_> {
    /// Arithmetic with two operands, and what makes masks.
    pub fn arithmetic(&mut self) -> Option<()> {
        let Some((order, by_width)) = operation(self.insn.opcode) else { return self.mask() };
        let operation = by_width[self.width as usize]?;
        self.check_groups()?;
        self.elementwise(|op, number| {
            op.operands(order, number);
            operation(&mut op.body.code());
        });
        Some(())
    }

    /// `vmv.v.v`, `vmv.v.x`, `vmv.v.i`, `vmv.s.x`.
    pub fn fill(&mut self) -> Option<()> {
        if self.insn.opcode == Opcode::VmvSX {
            return self.set_first();
        }
        self.check_groups()?;
        self.elementwise(|op, number| op.second(number));
        Some(())
    }

    /// `vmv.s.x`: the first element, if there is one.
    fn set_first(&mut self) -> Option<()> {
        require(self.insn.opcode == Opcode::VmvSX)?;
        self.body.need_vectors();
        let field = vector_field(self.insn.rd, 0, self.body);
        self.length();
        self.body.open_if(BlockType::Empty);
        self.body.code().i32_const(0);
        self.body.x(self.insn.rs1);
        let mut code = self.body.code();
        match self.width {
            0 => code.i64_store8(field),
            1 => code.i64_store16(field),
            2 => code.i64_store32(field),
            _ => code.i64_store(field),
        };
        self.body.close();
        Some(())
    }

    /// Whether groups may be where the operands are.
    fn check_groups(&self) -> Option<()> {
        self.aligned(self.insn.rd)?;
        self.aligned(self.insn.rs2)?;
        if self.has_vs1() { self.aligned(self.insn.rs1) } else { Some(()) }
    }

    /// Pushes the operands' registers of a number in their groups.
    fn operands(&mut self, order: Order, number: u8) {
        match order {
            Order::Forward => {
                self.v(self.insn.rs2 + number);
                self.second(number);
            }
            Order::Backward => {
                self.second(number);
                self.v(self.insn.rs2 + number);
            }
            Order::Shift => {
                self.v(self.insn.rs2 + number);
                match self.insn.opcode.format() {
                    Format::Vx => {
                        self.body.x(self.insn.rs1);
                        self.body.code().i32_wrap_i64();
                    }
                    _ => _ = self.body.code().i32_const(self.insn.imm),
                }
            }
        }
    }

    /// Pushes the second operand: a register of the group `vs1`, or the scalar.
    pub fn second(&mut self, number: u8) {
        if self.has_vs1() { self.v(self.insn.rs1 + number) } else { self.scalar() }
    }

    /// Has the group `vd` be what `compute` pushes for each register, as far as `vl` goes. Sources
    /// may be the same group.
    fn elementwise(&mut self, compute: impl Fn(&mut Self, u8)) {
        self.body.need_vectors();
        let length = self.body.take(ValType::I32);
        self.length_in_bytes(self.width);
        self.body.code().local_set(length);
        for number in 0..self.registers() {
            self.body.code().i32_const(0);
            compute(self, number);
            self.v(self.insn.rd + number);
            let field = vector_field(self.insn.rd + number, 0, self.body);
            let numbers = numbers_from(number * VLENB as u8);
            let mut code = self.body.code();
            code.v128_const(numbers).local_get(length).i8x16_splat().i8x16_lt_u();
            code.v128_bitselect().v128_store(field);
        }
        self.body.give(length);
    }
}
