//! Floating point without memory: F and D, as far as WebAssembly's arithmetic does the same.
//!
//! WebAssembly rounds to nearest and has no flags. Where an operation can be inexact, it is done
//! only while that changes no flag ([`Builder::need_fast_fp`]), and a result that may come with
//! another flag, or a NaN, is left to the interpreter. All of that is found out before a register
//! changes.

use super::Builder;
use super::fused::fused_double;
use c2w_emulator::riscv::isa::{Insn, Opcode, constants};
use wasm_encoder::{BlockType, InstructionSink as Sink, ValType};

/// Instructions that work on what is on the stack.
type Operation = for<'a, 'b> fn(&'a mut Sink<'b>) -> &'a mut Sink<'b>;

/// The upper half of a NaN-boxed single.
const BOX: i64 = 0xffff_ffff_0000_0000_u64 as i64;

/// The sign of a single.
const SIGN: i64 = 0x8000_0000;

/// Whether a floating-point instruction, not a load or store, is translated. Without a destination,
/// or in other rounding modes, it is the interpreter's.
pub fn can_translate(insn: &Insn) -> bool {
    use Opcode::*;
    match insn.opcode {
        FmvDX | FmvWX | FliD | FliS => true,
        FsgnjD | FsgnjnD | FsgnjxD | FsgnjS | FsgnjnS | FsgnjxS => true,
        FminD | FminmD | FmaxD | FmaxmD | FminS | FminmS | FmaxS | FmaxmS => true,
        FmvXD | FmvXW | FeqD | FltD | FltqD | FleD | FleqD | FeqS | FltS | FltqS | FleS | FleqS => {
            insn.rd != 0
        }
        FaddD | FsubD | FmulD | FdivD | FsqrtD | FaddS | FsubS | FmulS | FdivS | FsqrtS
        | FmaddD | FmsubD | FnmsubD | FnmaddD | FmaddS | FmsubS | FnmsubS | FnmaddS | FcvtDS
        | FcvtSD | FcvtDW | FcvtDWu | FcvtDL | FcvtDLu | FcvtSW | FcvtSWu | FcvtSL | FcvtSLu => {
            rounds_to_nearest(insn)
        }
        FcvtWD | FcvtWuD | FcvtLD | FcvtLuD | FcvtWS | FcvtWuS | FcvtLS | FcvtLuS => {
            insn.rd != 0 && rounding(insn).is_some()
        }
        _ => false,
    }
}

/// Whether an instruction rounds to nearest, as far as is known before it is executed.
fn rounds_to_nearest(insn: &Insn) -> bool {
    matches!(insn.rm, 0 | 7)
}

/// How an instruction rounds to an integer, if WebAssembly can.
fn rounding(insn: &Insn) -> Option<Operation> {
    Some(match insn.rm {
        0 | 7 => |code| code.f64_nearest(),
        1 => |code| code,
        2 => |code| code.f64_floor(),
        3 => |code| code.f64_ceil(),
        _ => return None,
    })
}

/// Writes a floating-point instruction, not a load or store. Returns `false`, and has written
/// nothing, for another, or one that is left to the interpreter.
pub fn float(insn: &Insn, body: &mut Builder) -> bool {
    let mut op = FloatOp { insn, body };
    op.moves() || op.compares() || op.rounds() || op.converts_to_integer()
}

/// An instruction, and where it is written to.
struct FloatOp<'a> {
    insn: &'a Insn,
    body: &'a mut Builder,
}

impl FloatOp<'_> {
    /// Moves and sign injection.
    fn moves(&mut self) -> bool {
        use Opcode::*;
        let Insn { opcode, rd, rs1, rs2, .. } = *self.insn;
        match opcode {
            // The interpreter has no fast path for these without a destination.
            FmvXD | FmvXW if rd == 0 => return false,
            FmvXD | FmvXW | FmvDX | FmvWX | FliD | FliS | FsgnjD | FsgnjnD | FsgnjxD => {
                self.body.need_fp();
            }
            FsgnjS | FsgnjnS | FsgnjxS => {
                self.body.need_fp();
                self.need_boxed(&[rs1, rs2]);
            }
            _ => return false,
        }
        let body = &mut *self.body;
        match opcode {
            FmvXD | FmvXW => {
                body.f_bits(rs1);
                if opcode == FmvXW {
                    body.code().i64_extend32_s();
                }
                body.set_x(rd);
            }
            FmvDX | FmvWX => {
                body.x(rs1);
                if opcode == FmvWX {
                    body.code().i64_const(BOX).i64_or();
                }
                body.set_f_bits(rd);
            }
            FliD | FliS => {
                let single = || BOX | i64::from(constants::single(rs1));
                let bits = if opcode == FliD { constants::double(rs1) as i64 } else { single() };
                body.code().i64_const(bits);
                body.set_f_bits(rd);
            }
            FsgnjD | FsgnjnD | FsgnjxD => {
                self.inject_sign();
                self.body.set_f(rd);
            }
            _ => {
                self.inject_sign_s();
                self.body.set_f_bits(rd);
            }
        }
        true
    }

    /// The first operand with a sign from the second. These operations change no other bit, not
    /// even of a NaN.
    fn inject_sign(&mut self) {
        let Insn { opcode, rs1, rs2, .. } = *self.insn;
        let body = &mut *self.body;
        body.f(rs1);
        match opcode {
            Opcode::FsgnjD if rs1 == rs2 => {}
            Opcode::FsgnjnD if rs1 == rs2 => _ = body.code().f64_neg(),
            Opcode::FsgnjxD if rs1 == rs2 => _ = body.code().f64_abs(),
            Opcode::FsgnjxD => {
                // The second operand's sign with the first one's: that of a number whose bits
                // are both's difference.
                body.f_bits(rs1);
                body.f_bits(rs2);
                body.code().i64_xor().f64_reinterpret_i64().f64_copysign();
            }
            _ => {
                body.f(rs2);
                if opcode == Opcode::FsgnjnD {
                    body.code().f64_neg();
                }
                body.code().f64_copysign();
            }
        }
    }

    /// The same of singles, on bits: those of the box stay as they are.
    fn inject_sign_s(&mut self) {
        let Insn { opcode, rs1, rs2, .. } = *self.insn;
        let body = &mut *self.body;
        body.f_bits(rs1);
        match opcode {
            Opcode::FsgnjS if rs1 == rs2 => {}
            Opcode::FsgnjnS if rs1 == rs2 => _ = body.code().i64_const(SIGN).i64_xor(),
            Opcode::FsgnjxS if rs1 == rs2 => _ = body.code().i64_const(!SIGN).i64_and(),
            Opcode::FsgnjxS => {
                body.f_bits(rs2);
                body.code().i64_const(SIGN).i64_and().i64_xor();
            }
            _ => {
                body.code().i64_const(!SIGN).i64_and();
                body.f_bits(rs2);
                if opcode == Opcode::FsgnjnS {
                    body.code().i64_const(-1).i64_xor();
                }
                body.code().i64_const(SIGN).i64_and().i64_or();
            }
        }
    }

    /// Comparisons, minimum and maximum: exact, but NaN operands are the interpreter's.
    fn compares(&mut self) -> bool {
        use Opcode::*;
        match self.insn.opcode {
            FminD | FminmD => self.extreme(Precision::Double, |code| code.f64_min()),
            FmaxD | FmaxmD => self.extreme(Precision::Double, |code| code.f64_max()),
            FminS | FminmS => self.extreme(Precision::Single, |code| code.f32_min()),
            FmaxS | FmaxmS => self.extreme(Precision::Single, |code| code.f32_max()),
            // The same for these.
            _ if self.insn.rd == 0 => return false,
            FeqD => self.compare(Precision::Double, |code| code.f64_eq()),
            FltD | FltqD => self.compare(Precision::Double, |code| code.f64_lt()),
            FleD | FleqD => self.compare(Precision::Double, |code| code.f64_le()),
            FeqS => self.compare(Precision::Single, |code| code.f32_eq()),
            FltS | FltqS => self.compare(Precision::Single, |code| code.f32_lt()),
            FleS | FleqS => self.compare(Precision::Single, |code| code.f32_le()),
            _ => return false,
        }
        true
    }

    fn compare(&mut self, precision: Precision, compare: Operation) {
        let Insn { rd, rs1, rs2, .. } = *self.insn;
        self.body.need_fp();
        self.need_boxed_if(precision, &[rs1, rs2]);
        let body = &mut *self.body;
        body.leave_if(|body| {
            precision.operand(body, rs1);
            precision.operand(body, rs1);
            precision.differs(&mut body.code());
            if rs1 != rs2 {
                precision.operand(body, rs2);
                precision.operand(body, rs2);
                precision.differs(&mut body.code()).i32_or();
            }
        });
        precision.operand(body, rs1);
        precision.operand(body, rs2);
        compare(&mut body.code()).i64_extend_i32_u();
        body.set_x(rd);
    }

    /// WebAssembly's minimum and maximum are NaN if an operand is.
    fn extreme(&mut self, precision: Precision, choose: Operation) {
        self.body.need_fp();
        self.two(precision, choose);
        self.finish(precision, Accepted::Number);
    }

    /// What rounds to nearest.
    fn rounds(&mut self) -> bool {
        use Opcode::*;
        use Precision::{Double, Single};
        if !rounds_to_nearest(self.insn) {
            return false;
        }
        match self.insn.opcode {
            FaddD => self.arithmetic(Double, Accepted::Finite, |code| code.f64_add()),
            FsubD => self.arithmetic(Double, Accepted::Finite, |code| code.f64_sub()),
            FmulD => self.arithmetic(Double, Accepted::Product, |code| code.f64_mul()),
            FdivD => self.arithmetic(Double, Accepted::Quotient, |code| code.f64_div()),
            FaddS => self.arithmetic(Single, Accepted::Finite, |code| code.f32_add()),
            FsubS => self.arithmetic(Single, Accepted::Finite, |code| code.f32_sub()),
            FmulS => self.arithmetic(Single, Accepted::Product, |code| code.f32_mul()),
            FdivS => self.arithmetic(Single, Accepted::Quotient, |code| code.f32_div()),
            // Never tiny; NaN for less than zero, and infinite for infinity only.
            FsqrtD => self.root(Double, |code| code.f64_sqrt()),
            FsqrtS => self.root(Single, |code| code.f32_sqrt()),
            FmaddD => self.fused(Double, false, false),
            FmsubD => self.fused(Double, false, true),
            FnmsubD => self.fused(Double, true, false),
            FnmaddD => self.fused(Double, true, true),
            FmaddS => self.fused(Single, false, false),
            FmsubS => self.fused(Single, false, true),
            FnmsubS => self.fused(Single, true, false),
            FnmaddS => self.fused(Single, true, true),
            FcvtDS => self.widen(),
            FcvtSD => self.narrow(),
            // Exact, these two.
            FcvtDW => self.convert_integer(Double, |code| code.i32_wrap_i64().f64_convert_i32_s()),
            FcvtDWu => self.convert_integer(Double, |code| code.i32_wrap_i64().f64_convert_i32_u()),
            FcvtDL => self.convert_integer(Double, |code| code.f64_convert_i64_s()),
            FcvtDLu => self.convert_integer(Double, |code| code.f64_convert_i64_u()),
            FcvtSW => self.convert_integer(Single, |code| code.i32_wrap_i64().f32_convert_i32_s()),
            FcvtSWu => self.convert_integer(Single, |code| code.i32_wrap_i64().f32_convert_i32_u()),
            FcvtSL => self.convert_integer(Single, |code| code.f32_convert_i64_s()),
            FcvtSLu => self.convert_integer(Single, |code| code.f32_convert_i64_u()),
            _ => return false,
        }
        true
    }

    fn arithmetic(&mut self, precision: Precision, accepted: Accepted, operation: Operation) {
        self.body.need_fast_fp();
        self.two(precision, operation);
        self.finish(precision, accepted);
    }

    fn root(&mut self, precision: Precision, operation: Operation) {
        let rs1 = self.insn.rs1;
        self.body.need_fast_fp();
        self.need_boxed_if(precision, &[rs1]);
        precision.operand(self.body, rs1);
        operation(&mut self.body.code());
        self.finish(precision, Accepted::Finite);
    }

    /// A fused multiply-add, its product or its addend negated.
    fn fused(&mut self, precision: Precision, product: bool, addend: bool) {
        let Insn { rs1, rs2, rs3, .. } = *self.insn;
        self.body.need_fast_fp();
        self.need_boxed_if(precision, &[rs1, rs2, rs3]);
        if precision == Precision::Double {
            return self.fused_double(product, addend);
        }
        for (register, negated) in [(rs1, product), (rs2, false), (rs3, addend)] {
            precision.operand(self.body, register);
            if negated {
                precision.choose(
                    &mut self.body.code(),
                    |code| code.f32_neg(),
                    |code| code.f64_neg(),
                );
            }
        }
        let fma32 = self.body.linkage.helpers.fma32;
        self.body.code().call(fma32);
        self.finish(precision, Accepted::Number);
    }

    fn fused_double(&mut self, product: bool, addend: bool) {
        let Insn { rs1, rs2, rs3, .. } = *self.insn;
        let operands = [(rs1, product), (rs2, false), (rs3, addend)].map(|(register, negated)| {
            let local = self.body.take(ValType::F64);
            self.body.f(register);
            if negated {
                self.body.code().f64_neg();
            }
            self.body.code().local_set(local);
            local
        });
        let [a, b, c] = operands;
        fused_double(a, b, c, self.body);
        self.body.code().local_get(a);
        self.set(Precision::Double);
        operands.into_iter().for_each(|local| self.body.give(local));
    }

    fn widen(&mut self) {
        // A number's conversion is exact.
        self.body.need_fp();
        self.need_boxed(&[self.insn.rs1]);
        Precision::Single.operand(self.body, self.insn.rs1);
        self.body.code().f64_promote_f32();
        self.finish(Precision::Double, Accepted::Finite);
    }

    fn narrow(&mut self) {
        self.body.need_fast_fp();
        Precision::Double.operand(self.body, self.insn.rs1);
        self.body.code().f32_demote_f64();
        self.finish(Precision::Single, Accepted::Narrowed);
    }

    fn convert_integer(&mut self, precision: Precision, convert: Operation) {
        if matches!(self.insn.opcode, Opcode::FcvtDW | Opcode::FcvtDWu) {
            self.body.need_fp();
        } else {
            self.body.need_fast_fp();
        }
        self.body.x(self.insn.rs1);
        convert(&mut self.body.code());
        self.set(precision);
    }

    /// Conversions to integers, in every rounding mode that WebAssembly has.
    fn converts_to_integer(&mut self) -> bool {
        use Opcode::*;
        use Precision::{Double, Single};
        let Insn { opcode, rd, rs1, .. } = *self.insn;
        let Some(round) = rounding(self.insn) else { return false };
        let (precision, bits, signed, convert): (_, _, _, Operation) = match opcode {
            _ if rd == 0 => return false,
            FcvtWD => (Double, 32, true, |code| code.i32_trunc_f64_s().i64_extend_i32_s()),
            FcvtWuD => (Double, 32, false, |code| code.i32_trunc_f64_u().i64_extend_i32_s()),
            FcvtLD => (Double, 64, true, |code| code.i64_trunc_f64_s()),
            FcvtLuD => (Double, 64, false, |code| code.i64_trunc_f64_u()),
            FcvtWS => (Single, 32, true, |code| code.i32_trunc_f64_s().i64_extend_i32_s()),
            FcvtWuS => (Single, 32, false, |code| code.i32_trunc_f64_u().i64_extend_i32_s()),
            FcvtLS => (Single, 64, true, |code| code.i64_trunc_f64_s()),
            FcvtLuS => (Single, 64, false, |code| code.i64_trunc_f64_u()),
            _ => return false,
        };
        self.body.need_fast_fp();
        self.need_boxed_if(precision, &[rs1]);
        let body = &mut *self.body;
        let value = body.take(ValType::F64);
        precision.operand(body, rs1);
        if precision == Single {
            body.code().f64_promote_f32();
        }
        round(&mut body.code()).local_set(value);
        body.leave_if(|body| {
            let mut code = body.code();
            code.local_get(value);
            // The smallest number of all is left to the interpreter.
            if signed {
                code.f64_abs().f64_const(power_of_two(bits - 1).into()).f64_lt();
            } else {
                code.f64_const((-1.0).into()).f64_gt();
                code.local_get(value).f64_const(power_of_two(bits).into()).f64_lt().i32_and();
            }
            code.i32_eqz();
        });
        convert(body.code().local_get(value));
        body.set_x(rd);
        body.give(value);
        true
    }

    fn two(&mut self, precision: Precision, operation: Operation) {
        let Insn { rs1, rs2, .. } = *self.insn;
        self.need_boxed_if(precision, &[rs1, rs2]);
        precision.operand(self.body, rs1);
        precision.operand(self.body, rs2);
        operation(&mut self.body.code());
    }

    fn need_boxed_if(&mut self, precision: Precision, registers: &[u8]) {
        if precision == Precision::Single {
            self.need_boxed(registers);
        }
    }

    /// Leaves unless all of these are NaN-boxed singles.
    fn need_boxed(&mut self, registers: &[u8]) {
        self.body.leave_if(|body| {
            for (index, &register) in registers.iter().enumerate() {
                if registers[..index].contains(&register) {
                    continue;
                }
                body.f_bits(register);
                if index > 0 {
                    body.code().i64_and();
                }
            }
            body.code().i64_const(BOX).i64_lt_u();
        });
    }

    /// Leaves unless the value on the stack is accepted, and then makes it `f[rd]`.
    fn finish(&mut self, precision: Precision, accepted: Accepted) {
        let value = self.body.take(precision.kind());
        self.body.code().local_set(value);
        let Insn { rs1, rs2, .. } = *self.insn;
        match accepted {
            Accepted::Number => self.body.leave_if(|body| {
                precision.differs(body.code().local_get(value).local_get(value));
            }),
            Accepted::Finite => self.body.leave_if(|body| precision.is_infinite(body, value)),
            Accepted::Product => self.normal(precision, value, precision, &[rs1, rs2]),
            Accepted::Quotient => self.normal(precision, value, precision, &[rs1]),
            Accepted::Narrowed => self.normal(precision, value, Precision::Double, &[rs1]),
        }
        self.body.code().local_get(value);
        self.set(precision);
        self.body.give(value);
    }

    /// Leaves unless a result is normal and not on the edge of underflow, or zero because one of
    /// `operands` is.
    fn normal(
        &mut self,
        precision: Precision,
        value: u32,
        operand_precision: Precision,
        operands: &[u8],
    ) {
        let body = &mut *self.body;
        // Not only where something unusual happens.
        body.flush();
        precision.is_unusual(body, value);
        body.open_if(BlockType::Empty);
        body.leave_if(|body| {
            for (index, &operand) in operands.iter().enumerate() {
                operand_precision.operand(body, operand);
                operand_precision.is_zero(&mut body.code());
                if index > 0 {
                    body.code().i32_or();
                }
            }
            precision.is_zero(body.code().local_get(value)).i32_and().i32_eqz();
        });
        body.close();
    }

    /// Pops a number into `f[rd]`.
    fn set(&mut self, precision: Precision) {
        match precision {
            Precision::Single => {
                let mut code = self.body.code();
                code.i32_reinterpret_f32().i64_extend_i32_u().i64_const(BOX).i64_or();
                self.body.set_f_bits(self.insn.rd);
            }
            Precision::Double => self.body.set_f(self.insn.rd),
        }
    }
}

/// Which results need no flag but inexact, and are the same everywhere.
#[derive(Clone, Copy)]
enum Accepted {
    /// All but NaN.
    Number,
    /// Not infinite either; zero and subnormal results are exact.
    Finite,
    /// Not near underflow, unless a factor is zero.
    Product,
    /// Not near underflow, unless the dividend is zero.
    Quotient,
    /// Not near underflow, unless the double is zero.
    Narrowed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Precision {
    Single,
    Double,
}

impl Precision {
    fn kind(self) -> ValType {
        match self {
            Self::Single => ValType::F32,
            Self::Double => ValType::F64,
        }
    }

    /// Pushes a register; a single is known to be boxed.
    fn operand(self, body: &mut Builder, register: u8) {
        match self {
            Self::Single => {
                body.f_bits(register);
                body.code().i32_wrap_i64().f32_reinterpret_i32();
            }
            Self::Double => body.f(register),
        }
    }

    fn choose<'a, 'b>(
        self,
        code: &'a mut Sink<'b>,
        single: Operation,
        double: Operation,
    ) -> &'a mut Sink<'b> {
        match self {
            Self::Single => single(code),
            Self::Double => double(code),
        }
    }

    /// Whether two numbers differ; a NaN differs from itself.
    fn differs<'a, 'b>(self, code: &'a mut Sink<'b>) -> &'a mut Sink<'b> {
        self.choose(code, |code| code.f32_ne(), |code| code.f64_ne())
    }

    fn is_zero<'a, 'b>(self, code: &'a mut Sink<'b>) -> &'a mut Sink<'b> {
        self.choose(
            code,
            |code| code.f32_const(0.0.into()).f32_eq(),
            |code| code.f64_const(0.0.into()).f64_eq(),
        )
    }

    /// The largest exponent field: of infinity and NaN.
    fn largest_exponent(self) -> i32 {
        match self {
            Self::Single => 0xff,
            Self::Double => 0x7ff,
        }
    }

    /// Pushes a number's exponent field.
    fn exponent(self, body: &mut Builder, value: u32) {
        let mut code = body.code();
        code.local_get(value);
        match self {
            Self::Single => code.i32_reinterpret_f32().i32_const(23).i32_shr_u(),
            Self::Double => code.i64_reinterpret_f64().i64_const(52).i64_shr_u().i32_wrap_i64(),
        };
        code.i32_const(self.largest_exponent()).i32_and();
    }

    /// Whether a number is infinite or NaN.
    fn is_infinite(self, body: &mut Builder, value: u32) {
        self.exponent(body, value);
        body.code().i32_const(self.largest_exponent()).i32_eq();
    }

    /// Whether a number is infinite, NaN, zero, subnormal, or may have been rounded from a
    /// subnormal one.
    fn is_unusual(self, body: &mut Builder, value: u32) {
        self.exponent(body, value);
        let usual = self.largest_exponent() - 2;
        body.code().i32_const(2).i32_sub().i32_const(usual).i32_ge_u();
    }
}

fn power_of_two(exponent: u32) -> f64 {
    (1_u128 << exponent) as f64
}
