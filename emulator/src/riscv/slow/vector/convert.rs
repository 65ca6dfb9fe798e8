//! Conversions between floating-point formats and integers.

use super::elements::members;
use super::{Vop, require};
use crate::riscv::isa::Opcode::{self, *};
use crate::softfloat::{self as soft, F16, F32, F64, NV, RoundingMode};

/// Converts an element.
type Convert = fn(u64, RoundingMode, &mut u8) -> u64;

/// Element widths of source and destination, against SEW.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Same,
    Widening,
    Narrowing,
}

impl Vop<'_> {
    /// What executes the instruction, if it is a conversion.
    pub(super) fn conversion(&self) -> Option<fn(&mut Self) -> Option<()>> {
        Some(match self.insn.opcode {
            VfcvtXuFV | VfcvtXFV | VfcvtFXuV | VfcvtFXV => |vop| vop.convert(Shape::Same, None),
            VfcvtRtzXuFV | VfcvtRtzXFV => |vop| vop.convert(Shape::Same, TRUNCATE),
            VfwcvtXuFV | VfwcvtXFV | VfwcvtFXuV | VfwcvtFXV | VfwcvtFFV => {
                |vop| vop.convert(Shape::Widening, None)
            }
            VfwcvtRtzXuFV | VfwcvtRtzXFV => |vop| vop.convert(Shape::Widening, TRUNCATE),
            VfncvtXuFW | VfncvtXFW | VfncvtFXuW | VfncvtFXW | VfncvtFFW | VfncvtRodFFW => {
                |vop| vop.convert(Shape::Narrowing, None)
            }
            VfncvtRtzXuFW | VfncvtRtzXFW => |vop| vop.convert(Shape::Narrowing, TRUNCATE),
            _ => return None,
        })
    }

    fn convert(&mut self, shape: Shape, rounding: Option<RoundingMode>) -> Option<()> {
        let (from, to) = match shape {
            Shape::Same => (self.width, self.width),
            Shape::Widening => (self.width, self.width + 1),
            Shape::Narrowing => (self.width + 1, self.width),
        };
        let convert = converter(self.insn.opcode, from, to)?;
        match shape {
            Shape::Same => self.check_single_width()?,
            Shape::Widening => self.check_widening(false)?,
            Shape::Narrowing => self.check_narrowing()?,
        }
        let rounding = rounding.unwrap_or(self.rounding);
        for index in members(self.active) {
            let value = self.v.element(self.insn.rs2, from, index);
            let value = convert(value, rounding, &mut self.flags);
            self.v.set_element(self.insn.rd, to, index, value);
        }
        Some(())
    }
}

const TRUNCATE: Option<RoundingMode> = Some(RoundingMode::TowardZero);

/// How to convert elements of `1 << from` bytes to such of `1 << to`; `None` if that is reserved
/// or takes arithmetic in half precision.
fn converter(opcode: Opcode, from: u32, to: u32) -> Option<Convert> {
    match opcode {
        VfcvtXuFV | VfcvtRtzXuFV | VfwcvtXuFV | VfwcvtRtzXuFV | VfncvtXuFW | VfncvtRtzXuFW => {
            to_unsigned(from, to)
        }
        VfcvtXFV | VfcvtRtzXFV | VfwcvtXFV | VfwcvtRtzXFV | VfncvtXFW | VfncvtRtzXFW => {
            to_signed(from, to)
        }
        VfcvtFXuV | VfwcvtFXuV | VfncvtFXuW => from_unsigned(to),
        VfcvtFXV | VfwcvtFXV | VfncvtFXW => from_signed(from, to),
        VfncvtRodFFW => {
            require((from, to) == (3, 2))?;
            Some(|value, _, flags| soft::convert_to_odd::<F64, F32>(value, flags))
        }
        _ => between_formats(from, to),
    }
}

fn between_formats(from: u32, to: u32) -> Option<Convert> {
    Some(match (from, to) {
        (1, 2) => soft::convert::<F16, F32>,
        (2, 1) => soft::convert::<F32, F16>,
        (2, 3) => soft::convert::<F32, F64>,
        (3, 2) => soft::convert::<F64, F32>,
        _ => return None,
    })
}

fn to_signed(from: u32, to: u32) -> Option<Convert> {
    Some(match (from, to) {
        (2, 1) => |value, mode, flags| {
            let within = i16::MIN as i32..=i16::MAX as i32;
            narrow(|flags| soft::to_i32::<F32>(value, mode, flags), within, flags) as u64
        },
        (2, 2) => |value, mode, flags| soft::to_i32::<F32>(value, mode, flags) as u64,
        (2, 3) => |value, mode, flags| soft::to_i64::<F32>(value, mode, flags) as u64,
        (3, 2) => |value, mode, flags| soft::to_i32::<F64>(value, mode, flags) as u64,
        (3, 3) => |value, mode, flags| soft::to_i64::<F64>(value, mode, flags) as u64,
        _ => return None,
    })
}

fn to_unsigned(from: u32, to: u32) -> Option<Convert> {
    Some(match (from, to) {
        (2, 1) => |value, mode, flags| {
            let within = 0..=u16::MAX as u32;
            narrow(|flags| soft::to_u32::<F32>(value, mode, flags), within, flags).into()
        },
        (2, 2) => |value, mode, flags| soft::to_u32::<F32>(value, mode, flags).into(),
        (2, 3) => soft::to_u64::<F32>,
        (3, 2) => |value, mode, flags| soft::to_u32::<F64>(value, mode, flags).into(),
        (3, 3) => soft::to_u64::<F64>,
        _ => return None,
    })
}

/// An integer brought into a smaller range; beyond it the conversion is invalid, not inexact.
fn narrow<T: Ord + Copy>(
    convert: impl Fn(&mut u8) -> T,
    within: core::ops::RangeInclusive<T>,
    flags: &mut u8,
) -> T {
    let mut raised = 0;
    let value = convert(&mut raised);
    *flags |= if within.contains(&value) { raised } else { NV };
    value.clamp(*within.start(), *within.end())
}

fn from_unsigned(to: u32) -> Option<Convert> {
    Some(match to {
        2 => soft::from_u64::<F32>,
        3 => soft::from_u64::<F64>,
        _ => return None,
    })
}

fn from_signed(from: u32, to: u32) -> Option<Convert> {
    Some(match (from, to) {
        (1, 2) => |value, mode, flags| soft::from_i32::<F32>(value as i16 as i32, mode, flags),
        (2, 2) => |value, mode, flags| soft::from_i32::<F32>(value as i32, mode, flags),
        (2, 3) => |value, mode, flags| soft::from_i32::<F64>(value as i32, mode, flags),
        (3, 2) => |value, mode, flags| soft::from_i64::<F32>(value as i64, mode, flags),
        (3, 3) => |value, mode, flags| soft::from_i64::<F64>(value as i64, mode, flags),
        _ => return None,
    })
}
