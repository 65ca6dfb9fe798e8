//! Comparisons, which make masks, and operations on masks.
//!
//! A mask has a bit for each element, up to 128: two halves.

use super::{Operation, VectorOp, require, vector_field};
use c2w_emulator::riscv::isa::Opcode;
use wasm_encoder::{BlockType, ValType};

/// Bits of half a mask.
const HALF: i32 = 64;

/// A comparison by element width; without sign, that of doubles is of numbers with the sign bit
/// turned over.
struct Comparison {
    by_width: [Operation; 4],
    unsigned: bool,
}

macro_rules! comparison {
    ($bytes:ident $halves:ident $words:ident $doubles:ident $unsigned:literal) => {
        Comparison {
            by_width: [|c| c.$bytes(), |c| c.$halves(), |c| c.$words(), |c| c.$doubles()],
            unsigned: $unsigned,
        }
    };
}

fn comparison(opcode: Opcode) -> Option<Comparison> {
    use Opcode::*;
    Some(match opcode {
        VmseqVv | VmseqVx | VmseqVi => comparison!(i8x16_eq i16x8_eq i32x4_eq i64x2_eq false),
        VmsneVv | VmsneVx | VmsneVi => comparison!(i8x16_ne i16x8_ne i32x4_ne i64x2_ne false),
        VmsltuVv | VmsltuVx => comparison!(i8x16_lt_u i16x8_lt_u i32x4_lt_u i64x2_lt_s true),
        VmsltVv | VmsltVx => comparison!(i8x16_lt_s i16x8_lt_s i32x4_lt_s i64x2_lt_s false),
        VmsleuVv | VmsleuVx | VmsleuVi => {
            comparison!(i8x16_le_u i16x8_le_u i32x4_le_u i64x2_le_s true)
        }
        VmsleVv | VmsleVx | VmsleVi => {
            comparison!(i8x16_le_s i16x8_le_s i32x4_le_s i64x2_le_s false)
        }
        VmsgtuVx | VmsgtuVi => comparison!(i8x16_gt_u i16x8_gt_u i32x4_gt_u i64x2_gt_s true),
        VmsgtVx | VmsgtVi => comparison!(i8x16_gt_s i16x8_gt_s i32x4_gt_s i64x2_gt_s false),
        _ => return None,
    })
}

/// What is done with two halves of masks.
fn combination(opcode: Opcode) -> Option<Operation> {
    use Opcode::*;
    Some(match opcode {
        VmandMm => |c| c.i64_and(),
        VmnandMm => |c| c.i64_and().i64_const(-1).i64_xor(),
        VmandnMm => |c| c.i64_const(-1).i64_xor().i64_and(),
        VmxorMm => |c| c.i64_xor(),
        VmorMm => |c| c.i64_or(),
        VmnorMm => |c| c.i64_or().i64_const(-1).i64_xor(),
        VmornMm => |c| c.i64_const(-1).i64_xor().i64_or(),
        VmxnorMm => |c| c.i64_xor().i64_const(-1).i64_xor(),
        _ => return None,
    })
}

/// Whether an instruction that writes a mask is translated.
pub fn can_translate(opcode: Opcode) -> bool {
    combination(opcode).is_some() || comparison(opcode).is_some()
}

/// Whether an instruction that writes an integer register is translated.
pub fn is_translated_scalar(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::VmvXS | Opcode::VfirstM | Opcode::VcpopM)
}

impl VectorOp<'_> {
    /// What writes a mask.
    pub fn mask(&mut self) -> Option<()> {
        if let Some(operation) = combination(self.insn.opcode) {
            self.combine(operation);
            return Some(());
        }
        let comparison = comparison(self.insn.opcode)?;
        let sources = [Some(self.insn.rs2), Some(self.insn.rs1).filter(|_| self.has_vs1())];
        for source in sources.into_iter().flatten() {
            self.aligned(source)?;
            // In a group of several registers, a mask may only be the first.
            let inside = source + 1..source + self.registers();
            require(!inside.contains(&self.insn.rd))?;
        }
        self.compare(&comparison);
        Some(())
    }

    fn combine(&mut self, operation: Operation) {
        self.body.need_vectors();
        for half in 0..2 {
            let new = self.body.take(ValType::I64);
            self.half(self.insn.rs2, half);
            self.half(self.insn.rs1, half);
            operation(&mut self.body.code()).local_set(new);
            self.write_half(half, new);
            self.body.give(new);
        }
    }

    fn compare(&mut self, comparison: &Comparison) {
        self.body.need_vectors();
        // All bits before the mask is written: it may be where a source is.
        let halves = [(); 2].map(|()| self.body.take(ValType::I64));
        let lanes = 16 >> self.width;
        for number in 0..self.registers() {
            self.sources(comparison, number);
            let mut code = self.body.code();
            comparison.by_width[self.width as usize](&mut code);
            match self.width {
                0 => code.i8x16_bitmask(),
                1 => code.i16x8_bitmask(),
                2 => code.i32x4_bitmask(),
                _ => code.i64x2_bitmask(),
            };
            let at = i32::from(number) * lanes;
            let half = halves[(at / HALF) as usize];
            code.i64_extend_i32_u();
            if at % HALF > 0 {
                code.i64_const((at % HALF).into()).i64_shl().local_get(half).i64_or();
            }
            code.local_set(half);
        }
        let elements = i32::from(self.registers()) * lanes;
        self.write_half(0, halves[0]);
        if elements > HALF {
            self.write_half(1, halves[1]);
        }
        halves.into_iter().for_each(|half| self.body.give(half));
    }

    /// Pushes what is compared.
    fn sources(&mut self, comparison: &Comparison, number: u8) {
        let flip = comparison.unsigned && self.width == 3;
        let turn_sign = |op: &mut Self| {
            if flip {
                op.body.code().i64_const(i64::MIN).i64x2_splat().v128_xor();
            }
        };
        self.v(self.insn.rs2 + number);
        turn_sign(self);
        self.second(number);
        turn_sign(self);
    }

    /// Pushes half of a mask.
    fn half(&mut self, register: u8, half: u64) {
        let field = vector_field(register, half * 8, self.body);
        self.body.code().i32_const(0).i64_load(field);
    }

    /// Writes the bits of a local to half of the mask `vd`, as far as `vl` goes.
    fn write_half(&mut self, half: u64, new: u32) {
        let field = vector_field(self.insn.rd, half * 8, self.body);
        self.body.code().i32_const(0);
        self.half(self.insn.rd, half);
        self.half(self.insn.rd, half);
        self.body.code().local_get(new).i64_xor();
        self.below_length(half);
        self.body.code().i64_and().i64_xor().i64_store(field);
    }

    /// Pushes the bits of half a mask that are of elements below `vl`.
    fn below_length(&mut self, half: u64) {
        let bits = self.body.take(ValType::I64);
        self.length();
        let mut code = self.body.code();
        code.i64_extend_i32_u();
        if half > 0 {
            code.i64_const(HALF.into()).i64_sub();
        }
        code.local_set(bits);
        code.i64_const(-1);
        code.i64_const(-1).local_get(bits).i64_shl().i64_const(-1).i64_xor();
        code.local_get(bits).i64_const(HALF.into()).i64_ge_s().select();
        if half > 0 {
            code.i64_const(0).local_get(bits).i64_const(0).i64_gt_s().select();
        }
        self.body.give(bits);
    }

    /// `vmv.x.s`, `vfirst.m`, `vcpop.m`.
    pub fn scalar_result(&mut self) -> Option<()> {
        use Opcode::*;
        require(is_translated_scalar(self.insn.opcode))?;
        self.body.need_vectors();
        match self.insn.opcode {
            VmvXS => self.first_element(),
            VcpopM => {
                for half in 0..2 {
                    self.half(self.insn.rs2, half);
                    self.below_length(half);
                    self.body.code().i64_and().i64_popcnt();
                }
                self.body.code().i64_add();
            }
            _ => self.first_set(),
        }
        self.body.set_x(self.insn.rd);
        Some(())
    }

    fn first_element(&mut self) {
        let field = vector_field(self.insn.rs2, 0, self.body);
        let mut code = self.body.code();
        code.i32_const(0);
        match self.width {
            0 => code.i64_load8_s(field),
            1 => code.i64_load16_s(field),
            2 => code.i64_load32_s(field),
            _ => code.i64_load(field),
        };
    }

    /// Pushes the number of the first bit that is set, or -1.
    fn first_set(&mut self) {
        let bits = self.body.take(ValType::I64);
        self.half(self.insn.rs2, 0);
        self.below_length(0);
        self.body.code().i64_and().local_tee(bits).i64_const(0).i64_ne();
        self.body.open_if(BlockType::Result(ValType::I64));
        self.body.code().local_get(bits).i64_ctz().else_();
        self.half(self.insn.rs2, 1);
        self.below_length(1);
        self.body.code().i64_and().local_tee(bits).i64_ctz().i64_const(HALF.into()).i64_add();
        self.body.code().i64_const(-1).local_get(bits).i64_const(0).i64_ne().select();
        self.body.close();
        self.body.give(bits);
    }
}
