//! Groups: neighbouring loads, or stores, of doublewords at one base register, which the
//! interpreter loop does with one translation.

use super::op::{Code, Op};

/// The most operations in a group.
const LONGEST: usize = 8;

/// Doublewords of the span of a group are counted in a byte.
const WIDEST: i32 = 255 * 8;

/// Codes of groups of two and more, by the operation that they are made of.
const GROUPS: [(Code, [Code; LONGEST - 1]); 4] = {
    use Code::*;
    [
        (Ld, [Ld2, Ld3, Ld4, Ld5, Ld6, Ld7, Ld8]),
        (CLd, [CLd2, CLd3, CLd4, CLd5, CLd6, CLd7, CLd8]),
        (Sd, [Sd2, Sd3, Sd4, Sd5, Sd6, Sd7, Sd8]),
        (CSd, [CSd2, CSd3, CSd4, CSd5, CSd6, CSd7, CSd8]),
    ]
};

/// The operation that starts the longest group at the front of `ops`, which follow each other,
/// and how many of them it covers.
pub fn group(ops: &[Op]) -> Option<(Op, usize)> {
    let first = ops.first()?;
    let (_, codes) = GROUPS.iter().find(|(single, _)| *single == first.code)?;
    let loads = matches!(first.code, Code::Ld | Code::CLd);
    let (mut low, mut high) = (i32::from(first.imm), i32::from(first.imm));
    let mut length = 1_usize;
    for pair in ops.windows(2).take(LONGEST - 1) {
        let [before, op] = pair else { break };
        let imm = i32::from(op.imm);
        let (lower, higher) = (low.min(imm), high.max(imm));
        let moved = loads && before.a == first.b;
        let apart = (imm - low) % 8 != 0 || higher - lower >= WIDEST;
        if op.code != first.code || op.b != first.b || moved || apart {
            break;
        }
        (low, high, length) = (lower, higher, length + 1);
    }
    let code = *codes.get(length.checked_sub(2)?)?;
    let below = (i32::from(first.imm) - low) / 8;
    let span = (high - low) / 8 + 1;
    Some((Op { code, c: below as u8, d: span as u8, ..*first }, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::riscv::interpreter::op::lower;
    use crate::riscv::isa::decode;
    use alloc::vec::Vec;

    fn ops(instructions: &[u32]) -> Vec<Op> {
        instructions.iter().map(|&bits| lower(&decode(bits).unwrap(), 0)).collect()
    }

    /// `ld rd, imm(rs1)`
    fn ld(rd: u32, rs1: u32, imm: u32) -> u32 {
        imm << 20 | rs1 << 15 | 3 << 12 | rd << 7 | 3
    }

    fn length(instructions: &[u32]) -> usize {
        group(&ops(instructions)).map_or(1, |(_, length)| length)
    }

    #[test]
    fn a_group_ends_where_its_base_changes() {
        assert_eq!(length(&[ld(5, 10, 0), ld(6, 10, 8), ld(7, 10, 16)]), 3);
        assert_eq!(length(&[ld(5, 10, 0), ld(10, 10, 8), ld(7, 10, 16)]), 2);
        assert_eq!(length(&[ld(10, 10, 0), ld(6, 10, 8)]), 1);
        assert_eq!(length(&[ld(5, 10, 0), ld(6, 11, 8)]), 1);
    }

    #[test]
    fn a_group_is_as_long_and_as_wide_as_its_slot_can_tell() {
        let many: Vec<u32> = (0..12).map(|at| ld(5, 10, at * 8)).collect();
        assert_eq!(length(&many), LONGEST);
        assert_eq!(length(&[ld(5, 10, 0), ld(6, 10, 2032)]), 2);
        assert_eq!(length(&[ld(5, 10, 0xff8), ld(6, 10, 2032)]), 1);
        assert_eq!(length(&[ld(5, 10, 0), ld(6, 10, 12)]), 1);
    }

    #[test]
    fn the_first_slot_tells_where_the_group_starts_and_ends() {
        // 24, 8, -16: lowest five doublewords below the first, six in all.
        let (op, _) = group(&ops(&[ld(5, 10, 24), ld(6, 10, 8), ld(7, 10, 0xff0)])).unwrap();
        assert_eq!((op.code, op.c, op.d, op.imm), (Code::Ld3, 5, 6, 24));
    }
}
