//! Integer instructions without memory: RV64I, M, Zba, Zbb, Zbs, Zicond and what does nothing.
//!
//! An instruction's operands are pushed, an operation works on them, and what it leaves on the
//! stack goes to `rd`. Nothing here traps.

use super::Builder;
use c2w_emulator::riscv::isa::{Format, Insn, Opcode};
use wasm_encoder::{BlockType, InstructionSink as Sink, ValType};

/// Instructions that work on what is on the stack.
type Operation = for<'a, 'b> fn(&'a mut Sink<'b>) -> &'a mut Sink<'b>;

/// Whether an instruction is one of these.
pub fn can_translate(insn: &Insn) -> bool {
    computes(insn.opcode) || does_nothing(insn.opcode)
}

/// Writes one of these instructions. Returns `false`, and has written nothing, for another.
pub fn integer(insn: &Insn, body: &mut Builder) -> bool {
    if computes(insn.opcode) && insn.rd != 0 {
        IntegerOp { insn, body }.push_result();
        body.set_x(insn.rd);
    }
    can_translate(insn)
}

/// Whether an instruction has no effect: there is nothing to order, and no other hart to wait for.
fn does_nothing(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Fence | Opcode::WrsNto | Opcode::WrsSto)
}

/// Whether an instruction does nothing but compute a value for `rd`.
fn computes(opcode: Opcode) -> bool {
    match opcode.format() {
        Format::U => opcode == Opcode::Lui,
        Format::R | Format::R1 | Format::I | Format::Shift | Format::MopR | Format::MopRr => true,
        _ => false,
    }
}

/// An instruction, and where its result is computed.
struct IntegerOp<'a> {
    insn: &'a Insn,
    body: &'a mut Builder,
}

impl IntegerOp<'_> {
    fn push_result(&mut self) {
        use Opcode::*;
        let Insn { opcode, rs1, rs2, imm, .. } = *self.insn;
        match opcode {
            Lui => self.constant(imm.into()),
            // What assembler calls li, mv and sext.w.
            Addi | Addiw if rs1 == 0 => self.constant(imm.into()),
            Addi if imm == 0 => self.body.x(rs1),
            Addiw if imm == 0 => self.one(|code| code.i64_extend32_s()),
            Add | Or | Xor if rs1 == 0 => self.body.x(rs2),
            Add | Or | Xor | Sub if rs2 == 0 => self.body.x(rs1),

            Addi => self.immediate(|code| code.i64_add()),
            Slli => self.immediate(|code| code.i64_shl()),
            Srli => self.immediate(|code| code.i64_shr_u()),
            Srai => self.immediate(|code| code.i64_shr_s()),
            Andi => self.immediate(|code| code.i64_and()),
            Ori => self.immediate(|code| code.i64_or()),
            Xori => self.immediate(|code| code.i64_xor()),
            Slti => self.immediate(|code| code.i64_lt_s().i64_extend_i32_u()),
            Sltiu if imm == 1 => self.one(|code| code.i64_eqz().i64_extend_i32_u()),
            Sltiu => self.immediate(|code| code.i64_lt_u().i64_extend_i32_u()),

            Add => self.two(|code| code.i64_add()),
            Sub => self.two(|code| code.i64_sub()),
            Sll => self.two(|code| code.i64_shl()),
            Srl => self.two(|code| code.i64_shr_u()),
            Sra => self.two(|code| code.i64_shr_s()),
            And => self.two(|code| code.i64_and()),
            Or => self.two(|code| code.i64_or()),
            Xor => self.two(|code| code.i64_xor()),
            Slt => self.two(|code| code.i64_lt_s().i64_extend_i32_u()),
            Sltu => self.two(|code| code.i64_lt_u().i64_extend_i32_u()),

            // The upper halves do not matter before the end.
            Addiw => self.immediate(|code| code.i64_add().i64_extend32_s()),
            Slliw => self.immediate(|code| code.i64_shl().i64_extend32_s()),
            Addw => self.two(|code| code.i64_add().i64_extend32_s()),
            Subw => self.two(|code| code.i64_sub().i64_extend32_s()),
            Mulw => self.two(|code| code.i64_mul().i64_extend32_s()),
            Srliw => self.word_immediate(|code| code.i32_shr_u()),
            Sraiw => self.word_immediate(|code| code.i32_shr_s()),
            Sllw => self.words(|code| code.i32_shl()),
            Srlw => self.words(|code| code.i32_shr_u()),
            Sraw => self.words(|code| code.i32_shr_s()),

            Mul => self.two(|code| code.i64_mul()),
            Mulh => self.upper_product(|code| code.i64_shr_s(), |code| code.i64_shr_s()),
            Mulhsu => self.upper_product(|code| code.i64_shr_s(), |code| code.i64_shr_u()),
            Mulhu => self.upper_product(|code| code.i64_shr_u(), |code| code.i64_shr_u()),
            Div => self.signed_quotient(Width::Double),
            Divw => self.signed_quotient(Width::Word),
            Divu => self.quotient(Width::Double, |code| code.i64_div_u()),
            Divuw => self.quotient(Width::Word, |code| code.i32_div_u()),
            // Unlike division, this has no overflow in WebAssembly: 0 by definition.
            Rem => self.remainder(Width::Double, |code| code.i64_rem_s()),
            Remu => self.remainder(Width::Double, |code| code.i64_rem_u()),
            Remw => self.remainder(Width::Word, |code| code.i32_rem_s()),
            Remuw => self.remainder(Width::Word, |code| code.i32_rem_u()),

            Sh1add => self.shift_add(1),
            Sh2add => self.shift_add(2),
            Sh3add => self.shift_add(3),
            AddUw => self.shift_add_unsigned(0),
            Sh1addUw => self.shift_add_unsigned(1),
            Sh2addUw => self.shift_add_unsigned(2),
            Sh3addUw => self.shift_add_unsigned(3),
            SlliUw => self.shift_unsigned(imm.into()),

            Andn => self.two(|code| code.i64_const(-1).i64_xor().i64_and()),
            Orn => self.two(|code| code.i64_const(-1).i64_xor().i64_or()),
            Xnor => self.two(|code| code.i64_xor().i64_const(-1).i64_xor()),
            Clz => self.one(|code| code.i64_clz()),
            Ctz => self.one(|code| code.i64_ctz()),
            Cpop => self.one(|code| code.i64_popcnt()),
            Clzw => self.one(|code| code.i32_wrap_i64().i32_clz().i64_extend_i32_u()),
            Ctzw => self.one(|code| code.i32_wrap_i64().i32_ctz().i64_extend_i32_u()),
            Cpopw => self.one(|code| code.i32_wrap_i64().i32_popcnt().i64_extend_i32_u()),
            SextB => self.one(|code| code.i64_extend8_s()),
            SextH => self.one(|code| code.i64_extend16_s()),
            ZextH => self.one(|code| code.i64_const(0xffff).i64_and()),
            Min => self.choose(|code| code.i64_lt_s()),
            Minu => self.choose(|code| code.i64_lt_u()),
            Max => self.choose(|code| code.i64_gt_s()),
            Maxu => self.choose(|code| code.i64_gt_u()),
            Rol => self.two(|code| code.i64_rotl()),
            Ror => self.two(|code| code.i64_rotr()),
            Rori => self.immediate(|code| code.i64_rotr()),
            Rolw => self.words(|code| code.i32_rotl()),
            Rorw => self.words(|code| code.i32_rotr()),
            Roriw => self.word_immediate(|code| code.i32_rotr()),
            OrcB => self.or_combine(),
            Rev8 => self.swap_bytes(),

            Bset => self.bit(1, |code| code.i64_shl(), |code| code.i64_or()),
            Bclr => self.bit(!1, |code| code.i64_rotl(), |code| code.i64_and()),
            Binv => self.bit(1, |code| code.i64_shl(), |code| code.i64_xor()),
            Bext => self.two(|code| code.i64_shr_u().i64_const(1).i64_and()),
            Bseti => self.with_constant(1 << imm, |code| code.i64_or()),
            Bclri => self.with_constant(!(1 << imm), |code| code.i64_and()),
            Binvi => self.with_constant(1 << imm, |code| code.i64_xor()),
            Bexti => self.immediate(|code| code.i64_shr_u().i64_const(1).i64_and()),

            CzeroEqz => self.zero_if(|code| code.i64_eqz()),
            CzeroNez => self.zero_if(|code| code.i64_const(0).i64_ne()),

            // Zimop: reserved, write 0.
            MopR | MopRr => self.constant(0),
            other => unreachable!("{other:?} computes nothing"),
        }
    }

    fn constant(&mut self, value: i64) {
        self.body.code().i64_const(value);
    }

    fn one(&mut self, operation: Operation) {
        self.body.x(self.insn.rs1);
        operation(&mut self.body.code());
    }

    fn two(&mut self, operation: Operation) {
        self.body.x(self.insn.rs1);
        self.body.x(self.insn.rs2);
        operation(&mut self.body.code());
    }

    fn with_constant(&mut self, constant: i64, operation: Operation) {
        self.body.x(self.insn.rs1);
        operation(self.body.code().i64_const(constant));
    }

    fn immediate(&mut self, operation: Operation) {
        self.with_constant(self.insn.imm.into(), operation);
    }

    /// On 32 bits, sign-extended.
    fn words(&mut self, operation: Operation) {
        self.operand(Width::Word, self.insn.rs1);
        self.operand(Width::Word, self.insn.rs2);
        operation(&mut self.body.code()).i64_extend_i32_s();
    }

    fn word_immediate(&mut self, operation: Operation) {
        self.operand(Width::Word, self.insn.rs1);
        operation(self.body.code().i32_const(self.insn.imm)).i64_extend_i32_s();
    }

    fn operand(&mut self, width: Width, register: u8) {
        self.body.x(register);
        if width == Width::Word {
            self.body.code().i32_wrap_i64();
        }
    }

    /// The upper half of the product. `left` and `right` shift the operands right, by their signs.
    ///
    /// ```text
    /// middle = l1 * r0 + (l0 * r0 >> 32)      with l = l1 << 32 | l0, r = r1 << 32 | r0
    /// upper = l1 * r1 + (middle >> 32) + (l0 * r1 + (middle & 0xffff_ffff) >> 32)
    /// ```
    ///
    /// No sum overflows: the largest product of two halves leaves room for another half.
    fn upper_product(&mut self, left: Operation, right: Operation) {
        let (l, r) = (self.insn.rs1, self.insn.rs2);
        let [l0, l1, half, middle] = [ValType::I64; 4].map(|kind| self.body.take(kind));
        self.body.x(l);
        left(self.body.code().i64_const(32)).local_tee(l1);
        self.low(r);
        self.body.code().local_tee(half).i64_mul();
        self.low(l);
        self.body.code().local_tee(l0).local_get(half).i64_mul();
        self.body.code().i64_const(32).i64_shr_u().i64_add().local_tee(middle);
        left(self.body.code().i64_const(32)).local_get(l1);
        self.body.x(r);
        right(self.body.code().i64_const(32)).local_tee(half).i64_mul().i64_add();
        self.body.code().local_get(l0).local_get(half).i64_mul();
        self.body.code().local_get(middle).i32_wrap_i64().i64_extend_i32_u().i64_add();
        right(self.body.code().i64_const(32)).i64_add();
        for local in [l0, l1, half, middle] {
            self.body.give(local);
        }
    }

    /// The lower half of a register.
    fn low(&mut self, register: u8) {
        self.body.x(register);
        self.body.code().i32_wrap_i64().i64_extend_i32_u();
    }

    /// A quotient; all ones by zero.
    fn quotient(&mut self, width: Width, divide: Operation) {
        self.divisor_is_zero(width);
        self.body.open_if(BlockType::Result(width.kind()));
        width.constant(&mut self.body.code(), -1).else_();
        self.operand(width, self.insn.rs1);
        self.operand(width, self.insn.rs2);
        divide(&mut self.body.code());
        self.close(width);
    }

    /// A remainder; the dividend by zero.
    fn remainder(&mut self, width: Width, divide: Operation) {
        self.divisor_is_zero(width);
        self.body.open_if(BlockType::Result(width.kind()));
        self.operand(width, self.insn.rs1);
        self.body.code().else_();
        self.operand(width, self.insn.rs1);
        self.operand(width, self.insn.rs2);
        divide(&mut self.body.code());
        self.close(width);
    }

    /// A signed quotient: all ones by zero, and the negative of the dividend by -1, which wraps.
    fn signed_quotient(&mut self, width: Width) {
        let (l, r) = (self.insn.rs1, self.insn.rs2);
        // Whether the divisor is -1 or 0.
        self.operand(width, r);
        width.constant(&mut self.body.code(), 1);
        width.choose(&mut self.body.code(), |code| code.i32_add(), |code| code.i64_add());
        width.constant(&mut self.body.code(), 2);
        width.choose(&mut self.body.code(), |code| code.i32_lt_u(), |code| code.i64_lt_u());
        self.body.open_if(BlockType::Result(width.kind()));
        width.constant(&mut self.body.code(), -1);
        width.constant(&mut self.body.code(), 0);
        self.operand(width, l);
        width.choose(&mut self.body.code(), |code| code.i32_sub(), |code| code.i64_sub());
        self.divisor_is_zero(width);
        self.body.code().select().else_();
        self.operand(width, l);
        self.operand(width, r);
        width.choose(&mut self.body.code(), |code| code.i32_div_s(), |code| code.i64_div_s());
        self.close(width);
    }

    fn divisor_is_zero(&mut self, width: Width) {
        self.operand(width, self.insn.rs2);
        width.choose(&mut self.body.code(), |code| code.i32_eqz(), |code| code.i64_eqz());
    }

    /// Closes an `if` whose value has a width.
    fn close(&mut self, width: Width) {
        self.body.close();
        if width == Width::Word {
            self.body.code().i64_extend_i32_s();
        }
    }

    fn shift_add(&mut self, shift: i64) {
        self.with_constant(shift, |code| code.i64_shl());
        self.add_second();
    }

    fn shift_add_unsigned(&mut self, shift: i64) {
        self.shift_unsigned(shift);
        self.add_second();
    }

    /// The lower half of the first operand, shifted.
    fn shift_unsigned(&mut self, shift: i64) {
        self.low(self.insn.rs1);
        if shift != 0 {
            self.body.code().i64_const(shift).i64_shl();
        }
    }

    fn add_second(&mut self) {
        if self.insn.rs2 != 0 {
            self.body.x(self.insn.rs2);
            self.body.code().i64_add();
        }
    }

    /// The first operand if it compares so to the second, else the second.
    fn choose(&mut self, compare: Operation) {
        self.two(|code| code);
        self.two(compare);
        self.body.code().select();
    }

    /// Changes the bit that the second operand names; `mask` is for bit 0.
    fn bit(&mut self, mask: i64, shift: Operation, change: Operation) {
        self.with_constant(mask, |code| code);
        self.body.x(self.insn.rs2);
        change(shift(&mut self.body.code()));
    }

    /// 0 if the second operand is such, else the first.
    fn zero_if(&mut self, condition: Operation) {
        self.constant(0);
        self.two(condition);
        self.body.code().select();
    }

    /// Every byte that is not zero becomes all ones.
    fn or_combine(&mut self) {
        const LOW: i64 = 0x7f7f_7f7f_7f7f_7f7f;
        // The sum carries into a byte's top bit if any lower bit is set.
        self.with_constant(LOW, |code| code.i64_and().i64_const(LOW).i64_add());
        self.body.x(self.insn.rs1);
        self.body.code().i64_or().i64_const(!LOW).i64_and();
        self.body.code().i64_const(7).i64_shr_u().i64_const(0xff).i64_mul();
    }

    /// Bytes in halfwords first, then the halfwords.
    fn swap_bytes(&mut self) {
        const BYTES: i64 = 0x00ff_00ff_00ff_00ff;
        const HALFWORDS: i64 = 0x0000_ffff_0000_ffff;
        let swapped = self.body.take(ValType::I64);
        self.with_constant(8, |code| code.i64_shr_u().i64_const(BYTES).i64_and());
        self.with_constant(BYTES, |code| code.i64_and().i64_const(8).i64_shl().i64_or());
        let mut code = self.body.code();
        code.local_tee(swapped).i64_const(16).i64_rotl().i64_const(HALFWORDS).i64_and();
        code.local_get(swapped).i64_const(16).i64_rotr().i64_const(!HALFWORDS).i64_and().i64_or();
        self.body.give(swapped);
    }
}

/// What a division works on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Word,
    Double,
}

impl Width {
    fn kind(self) -> ValType {
        match self {
            Self::Word => ValType::I32,
            Self::Double => ValType::I64,
        }
    }

    fn constant<'a, 'b>(self, code: &'a mut Sink<'b>, value: i32) -> &'a mut Sink<'b> {
        match self {
            Self::Word => code.i32_const(value),
            Self::Double => code.i64_const(value.into()),
        }
    }

    fn choose(self, code: &mut Sink<'_>, word: Operation, double: Operation) {
        match self {
            Self::Word => word(code),
            Self::Double => double(code),
        };
    }
}
