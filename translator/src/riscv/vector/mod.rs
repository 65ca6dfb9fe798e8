//! Vector instructions that copy, fill, search and compute element by element, with the host's
//! 128-bit vectors: the guest's have 128 bits as well.
//!
//! A register group is one to eight registers, and each is worked on whole; elements from `vl` on
//! keep what they had, as the interpreter has it. The vector type must be known when the code is
//! written: from a `vsetvli` before, in the block or on all ways that lead to it. Where control
//! comes from outside, the type is checked ([`crate::guest::Guest::Assumption`]). So `vstart` is
//! known to be 0.
//!
//! The registers stay in the hart's state: they are too many for locals.

mod lanes;
mod mask;
mod transfer;

use super::Builder;
use super::system::reads;
use crate::guest::AssumptionUse;
use c2w_emulator::riscv::isa::{Format, Insn, Opcode};
use c2w_emulator::riscv::linkage::state_offsets;
use c2w_emulator::riscv::vector::{VLENB, Vtype};
use wasm_encoder::{InstructionSink as Sink, MemArg, ValType};

/// Instructions that work on what is on the stack.
type Operation = for<'a, 'b> fn(&'a mut Sink<'b>) -> &'a mut Sink<'b>;

/// Control and status registers.
mod csr {
    pub const VL: i32 = 0xc20;
    pub const VTYPE: i32 = 0xc21;
    pub const VLENB: i32 = 0xc22;
}

/// Whether a vector instruction is translated where the vector type is one that it can have.
pub fn can_translate(insn: &Insn) -> bool {
    match insn.opcode.format() {
        Format::VSetVli | Format::VSetIvli => type_set_by(insn).is_some(),
        _ if transfer::is_translated_whole(insn) => true,
        _ if !insn.unmasked() => false,
        Format::VMem => transfer::is_translated_group(insn),
        Format::VToX => mask::is_translated_scalar(insn.opcode),
        Format::Vv | Format::Vx | Format::Vi | Format::Vu => {
            lanes::can_translate(insn.opcode) || mask::can_translate(insn.opcode)
        }
        Format::VFromV | Format::VFromX | Format::VFromI => true,
        _ => false,
    }
}

/// What an instruction has to do with the vector type.
pub fn assumption_use(insn: &Insn) -> AssumptionUse<Vtype> {
    match insn.opcode.format() {
        Format::VSetVli | Format::VSetIvli | Format::VSetVl => {
            AssumptionUse::Sets(type_set_by(insn))
        }
        format if format.is_vector() => AssumptionUse::Needs,
        _ => AssumptionUse::Ignores,
    }
}

/// Writes a vector instruction. Returns `false`, and has written nothing, for another and for one
/// that is left to the interpreter.
pub fn vector(insn: &Insn, body: &mut Builder) -> bool {
    let format = insn.opcode.format();
    if !format.is_vector() {
        return false;
    }
    if matches!(format, Format::VSetVli | Format::VSetIvli) {
        return set_type(insn, body).is_some();
    }
    if transfer::whole_registers(insn, body) {
        return true;
    }
    let Some(vtype) = body.assumption.filter(|_| insn.unmasked()) else { return false };
    let mut op = VectorOp { insn, body, vtype, width: vtype.width() };
    let done = match format {
        Format::VMem => op.transfer_group(),
        Format::VToX => op.scalar_result(),
        Format::Vv | Format::Vx | Format::Vi | Format::Vu => op.arithmetic(),
        Format::VFromV | Format::VFromX | Format::VFromI => op.fill(),
        _ => None,
    };
    done.is_some()
}

/// Whether an access to a control and status register of the vector unit is translated, `vtype`
/// where it is known.
pub fn is_translated_register(insn: &Insn) -> bool {
    reads(insn) && matches!(insn.imm, csr::VL | csr::VTYPE | csr::VLENB)
}

/// Writes a read of a control and status register of the vector unit. Returns `false`, and has
/// written nothing, for other accesses.
pub fn register(insn: &Insn, body: &mut Builder) -> bool {
    if !is_translated_register(insn) {
        return false;
    }
    let known = match (insn.imm, body.assumption) {
        (csr::VLENB, _) => Some(VLENB as u64),
        (csr::VTYPE, Some(vtype)) => Some(vtype.bits()),
        (csr::VTYPE, None) => return false,
        _ => None,
    };
    body.need_vectors();
    match known {
        Some(value) => _ = body.code().i64_const(value as i64),
        None => {
            let field = body.field(state_offsets::VL, 0);
            body.code().i32_const(0).i64_load8_u(field);
        }
    }
    body.set_x(insn.rd);
    true
}

/// The type that an instruction sets, if it is legal and the length does not depend on the old one.
fn type_set_by(insn: &Insn) -> Option<Vtype> {
    let keeps_length = insn.opcode == Opcode::Vsetvli && insn.rs1 == 0 && insn.rd == 0;
    let sets = matches!(insn.opcode, Opcode::Vsetvli | Opcode::Vsetivli) && !keeps_length;
    Vtype::new(insn.imm as u64).filter(|_| sets)
}

/// `vsetvli` and `vsetivli`.
fn set_type(insn: &Insn, body: &mut Builder) -> Option<()> {
    let vtype = type_set_by(insn)?;
    let longest = vtype.max_length() as i64;
    body.need_vectors();
    let length = body.take(ValType::I64);
    match (insn.opcode, insn.rs1) {
        (Opcode::Vsetivli, wanted) => _ = body.code().i64_const(longest.min(wanted.into())),
        (_, 0) => _ = body.code().i64_const(longest),
        (_, wanted) => {
            body.x(wanted);
            body.code().i64_const(longest);
            body.x(wanted);
            body.code().i64_const(longest).i64_lt_u().select();
        }
    }
    let fields = [state_offsets::VTYPE, state_offsets::VL, state_offsets::VSTART]
        .map(|field| body.field(field, 0));
    let mut code = body.code();
    code.local_set(length);
    code.i32_const(0).i32_const(vtype.code().into()).i32_store8(fields[0]);
    code.i32_const(0).local_get(length).i64_store8(fields[1]);
    code.i32_const(0).i32_const(0).i32_store8(fields[2]);
    code.local_get(length);
    body.set_x(insn.rd);
    body.give(length);
    body.assumption = Some(vtype);
    Some(())
}

/// An instruction on vectors of a known type. Its methods return `None`, and have written nothing,
/// for what is left to the interpreter: what is illegal among it.
struct VectorOp<'a> {
    insn: &'a Insn,
    body: &'a mut Builder,
    vtype: Vtype,
    /// log2 of the bytes of an element (SEW).
    width: u32,
}

/// The memory operand of bytes in a vector register, for address 0.
fn vector_field(register: u8, byte: u64, body: &Builder) -> MemArg {
    body.field(state_offsets::V + u64::from(register) * VLENB as u64 + byte, 0)
}

/// Registers of a group.
fn size(multiplier: i32) -> u8 {
    1 << multiplier.clamp(0, 3)
}

/// `None` unless `condition` holds.
fn require(condition: bool) -> Option<()> {
    condition.then_some(())
}

impl VectorOp<'_> {
    /// Registers of a group of the type.
    fn registers(&self) -> u8 {
        size(self.vtype.multiplier())
    }

    /// Whether a group may start at a register.
    fn aligned(&self, register: u8) -> Option<()> {
        require(register & (self.registers() - 1) == 0)
    }

    /// Pushes a vector register.
    fn v(&mut self, register: u8) {
        let field = vector_field(register, 0, self.body);
        self.body.code().i32_const(0).v128_load(field);
    }

    /// Pushes the vector length, an `i32`.
    fn length(&mut self) {
        let field = self.body.field(state_offsets::VL, 0);
        self.body.code().i32_const(0).i32_load8_u(field);
    }

    /// Pushes the bytes of `vl` elements of `1 << width` bytes, an `i32`.
    fn length_in_bytes(&mut self, width: u32) {
        self.length();
        if width > 0 {
            self.body.code().i32_const(width as i32).i32_shl();
        }
    }

    /// Pushes `x[rs1]` or the immediate in every element.
    fn scalar(&mut self) {
        match self.insn.opcode.format() {
            Format::Vx | Format::VFromX => self.body.x(self.insn.rs1),
            _ => _ = self.body.code().i64_const(self.insn.imm.into()),
        }
        let mut code = self.body.code();
        match self.width {
            0 => code.i32_wrap_i64().i8x16_splat(),
            1 => code.i32_wrap_i64().i16x8_splat(),
            2 => code.i32_wrap_i64().i32x4_splat(),
            _ => code.i64x2_splat(),
        };
    }

    /// Whether the second operand is a group.
    fn has_vs1(&self) -> bool {
        matches!(self.insn.opcode.format(), Format::Vv | Format::VFromV)
    }
}
