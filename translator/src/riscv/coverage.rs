//! Which instructions are translated. What is not is the interpreter's.

use super::{float, integer, memory, system, vector};
use c2w_emulator::riscv::isa::{Format, Insn, Opcode};

/// Whether an instruction is translated, in U-mode or in S-mode: a vector instruction where the
/// vector type is known and is one that it can have.
pub fn can_translate(insn: &Insn, user: bool) -> bool {
    match insn.opcode.format() {
        Format::B | Format::J | Format::U => true,
        Format::Csr | Format::CsrI => {
            vector::is_translated_register(insn) || !user && system::can_translate(insn)
        }
        Format::Amo => memory::is_translated_atomic(insn),
        Format::Cbo => memory::is_translated_block(insn),
        format if format.is_vector() => vector::can_translate(insn),
        _ => match insn.opcode {
            Opcode::Jalr => true,
            Opcode::Ecall => user,
            _ => {
                memory::can_translate(insn)
                    || integer::can_translate(insn)
                    || float::can_translate(insn)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Linkage;
    use crate::emit::Emit;
    use crate::guest::{Flow, Guest};
    use crate::riscv::{Builder, Riscv};
    use c2w_emulator::riscv::isa::{TABLE, decode};
    use c2w_emulator::riscv::vector::Vtype;

    /// Vector types of every element width, one of which will do.
    const TYPES: [u64; 4] = [0, 1 << 3, 2 << 3, 3 << 3];

    /// Whether the instruction can be written.
    fn is_written(insn: &Insn, user: bool) -> bool {
        match Riscv::flow(insn) {
            Flow::Next => TYPES.iter().any(|&vtype| {
                let mut body = Builder::new(&Linkage::default());
                body.user = user;
                body.assumption = Vtype::new(vtype);
                Riscv::emit(insn, &[], &mut body)
            }),
            Flow::SystemCall => user,
            _ => true,
        }
    }

    fn check(insn: &Insn) {
        for user in [false, true] {
            let known = can_translate(insn, user);
            assert_eq!(known, is_written(insn, user), "{insn:?}, user: {user}");
        }
    }

    #[test]
    fn what_is_said_to_be_translated_can_be_written() {
        // xorshift64
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random as u32
        };
        for row in TABLE {
            for round in 0..400 {
                // Fields of zeros and of ones are special more often than others.
                let fields = match round {
                    0 => 0,
                    1 => u32::MAX,
                    _ if round % 4 == 0 => next() & next() & next(),
                    _ if round % 4 == 1 => next() | next(),
                    _ => next(),
                };
                // Not every value of the fields is an instruction, and some are another one.
                decode(row.bits | fields & !row.mask).iter().for_each(check);
            }
        }
        (0..=u32::from(u16::MAX)).filter(|bits| bits & 3 != 3).filter_map(decode).for_each(
            |insn| {
                check(&insn);
            },
        );
    }

    #[test]
    fn control_and_status_registers_are_covered_by_number() {
        let rows = TABLE.iter().filter(|row| matches!(row.format, Format::Csr | Format::CsrI));
        for row in rows {
            for csr in 0..1 << 12 {
                for (rd, rs1) in [(0, 0), (0, 5), (6, 0), (6, 5)] {
                    decode(row.bits | csr << 20 | rs1 << 15 | rd << 7).iter().for_each(check);
                }
            }
        }
    }
}
