//! A made-up instruction set for tests: instructions of one to fifteen bytes, at any byte.
//!
//! ```text
//! prefixes 66*, then      r: a register, d: a signed distance or displacement
//! 00 nop    01 r d  r += d    02 r d  r0 = [r + d]    03 r d  [r + d] = r0    04 r  r = random
//! 10 d branch   11 d jump   12 d call   13 ret   14 jump to r0   20 n assume n   21 needs it
//! ff is not translated
//! ```

use crate::guest::{AssumptionUse, Flow, Guest, MemoryAccess, RegisterUse, Registers};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toy;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToyInsn {
    length: u32,
    code: u8,
    a: u8,
    b: i8,
}

const PREFIX: u8 = 0x66;

/// Bytes of operands.
fn operands(code: u8) -> usize {
    match code {
        0x01..=0x03 => 2,
        0x04 | 0x10..=0x12 | 0x20 => 1,
        _ => 0,
    }
}

impl ToyInsn {
    /// The distance of a branch, from the end as x86 has it.
    fn distance(&self) -> i64 {
        i64::from(self.length) + i64::from(self.a as i8)
    }
}

impl Guest for Toy {
    type Insn = ToyInsn;
    type Assumption = u8;

    const CODE_SHIFT: u32 = 0;
    const MAX_LENGTH: usize = 15;
    const ZERO: Option<u8> = None;

    fn length_at(code: &[u8]) -> Option<usize> {
        let prefixes = code.iter().position(|&byte| byte != PREFIX)?;
        Some(prefixes + 1 + operands(code[prefixes])).filter(|length| *length <= Self::MAX_LENGTH)
    }

    fn decode(code: &[u8]) -> Option<ToyInsn> {
        let length = Self::length_at(code).filter(|length| *length <= code.len())?;
        let rest = code[..length].iter().position(|&byte| byte != PREFIX)?;
        let operand =
            |number: usize| code[..length].get(rest + number).copied().unwrap_or_default();
        let (a, b) = (operand(1), operand(2) as i8);
        Some(ToyInsn { length: length as u32, code: code[rest], a, b })
    }

    fn length(insn: &ToyInsn) -> u32 {
        insn.length
    }

    fn can_translate(insn: &ToyInsn, _: bool) -> bool {
        insn.code != 0xff
    }

    fn flow(insn: &ToyInsn) -> Flow {
        match insn.code {
            0x10 => Flow::Branch(insn.distance()),
            0x11 => Flow::Jump(insn.distance()),
            0x12 => Flow::Call(insn.distance()),
            0x13 => Flow::Return,
            0x14 => Flow::IndirectJump,
            _ => Flow::Next,
        }
    }

    fn registers(insn: &ToyInsn) -> RegisterUse {
        let (a, none) = (Registers::one(insn.a), Registers::default());
        let (read, written) = match insn.code {
            0x01 => (a, a),
            0x02 => (a, Registers::one(0)),
            0x03 => (a.with(Registers::one(0)), none),
            0x04 => (none, a),
            0x14 => (Registers::one(0), none),
            _ => (none, none),
        };
        RegisterUse { read, written }
    }

    fn memory_access(insn: &ToyInsn) -> Option<MemoryAccess> {
        let low = i32::from(insn.b);
        let write = insn.code == 0x03;
        let access = MemoryAccess { base: insn.a, low, end: low + 4, write };
        Some(access).filter(|_| matches!(insn.code, 0x02 | 0x03))
    }

    fn increment(insn: &ToyInsn, register: u8) -> Option<i32> {
        (insn.code == 0x01 && insn.a == register).then_some(insn.b.into())
    }

    fn assumption_use(insn: &ToyInsn) -> AssumptionUse<u8> {
        match insn.code {
            0x20 => AssumptionUse::Sets(Some(insn.a).filter(|&assumed| assumed != 0xff)),
            0x21 => AssumptionUse::Needs,
            _ => AssumptionUse::Ignores,
        }
    }
}

/// The instructions that some bytes are.
pub fn decode(mut code: &[u8]) -> alloc::vec::Vec<ToyInsn> {
    let mut insns = alloc::vec::Vec::new();
    while let Some(insn) = Toy::decode(code) {
        insns.push(insn);
        code = &code[insn.length as usize..];
    }
    insns
}
