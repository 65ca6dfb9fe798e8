//! Zba, Zbb, Zbs and Zicond: what they compute.

use crate::riscv::isa::Opcode;

/// The result of a bit manipulation on its operands; `r` is 0 where there is one only.
pub(super) fn compute(opcode: Opcode, l: u64, r: u64) -> u64 {
    use Opcode::*;
    let (lw, rw) = (l as u32, r as u32);
    let unsigned = u64::from(lw);
    let word = |value: u32| value as i32 as u64;
    let bit = 1 << (r & 63);
    match opcode {
        AddUw => unsigned.wrapping_add(r),
        Sh1add => (l << 1).wrapping_add(r),
        Sh2add => (l << 2).wrapping_add(r),
        Sh3add => (l << 3).wrapping_add(r),
        Sh1addUw => (unsigned << 1).wrapping_add(r),
        Sh2addUw => (unsigned << 2).wrapping_add(r),
        Sh3addUw => (unsigned << 3).wrapping_add(r),
        SlliUw => unsigned << (r & 63),
        Andn => l & !r,
        Orn => l | !r,
        Xnor => !(l ^ r),
        Clz => u64::from(l.leading_zeros()),
        Ctz => u64::from(l.trailing_zeros()),
        Cpop => u64::from(l.count_ones()),
        Clzw => u64::from(lw.leading_zeros()),
        Ctzw => u64::from(lw.trailing_zeros()),
        Cpopw => u64::from(lw.count_ones()),
        Min => (l as i64).min(r as i64) as u64,
        Minu => l.min(r),
        Max => (l as i64).max(r as i64) as u64,
        Maxu => l.max(r),
        SextB => l as i8 as u64,
        SextH => l as i16 as u64,
        ZextH => u64::from(l as u16),
        Rol => l.rotate_left(rw & 63),
        Ror | Rori => l.rotate_right(rw & 63),
        Rolw => word(lw.rotate_left(rw & 31)),
        Rorw | Roriw => word(lw.rotate_right(rw & 31)),
        OrcB => u64::from_le_bytes(l.to_le_bytes().map(|byte| if byte == 0 { 0 } else { 0xff })),
        Rev8 => l.swap_bytes(),
        Bset | Bseti => l | bit,
        Bclr | Bclri => l & !bit,
        Binv | Binvi => l ^ bit,
        Bext | Bexti => u64::from(l & bit != 0),
        CzeroEqz if r == 0 => 0,
        CzeroNez if r != 0 => 0,
        CzeroEqz | CzeroNez => l,
        other => unreachable!("{other:?} computes nothing"),
    }
}
