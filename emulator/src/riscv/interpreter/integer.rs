//! Bodies of the interpreter loop's integer arithmetic: I and M.

/// What an operation does, in the terms of the loop's own macros.
macro_rules! integer {
    (nop) => {};
    (addi) => {
        set_x!(a, x!(b).wrapping_add(imm!()))
    };
    (li) => {
        set_x!(a, imm!())
    };
    (mv) => {
        set_x!(a, x!(b))
    };
    (lui) => {
        set_x!(a, op!().wide_imm() as u64)
    };
    (auipc) => {
        set_x!(a, page!().wrapping_add(op!().wide_imm() as u64))
    };
    (slli) => {
        set_x!(a, x!(b) << (op!().imm & 63))
    };
    (srli) => {
        set_x!(a, x!(b) >> (op!().imm & 63))
    };
    (srai) => {
        set_x!(a, (x!(b) as i64 >> (op!().imm & 63)) as u64)
    };
    (andi) => {
        set_x!(a, x!(b) & imm!())
    };
    (ori) => {
        set_x!(a, x!(b) | imm!())
    };
    (xori) => {
        set_x!(a, x!(b) ^ imm!())
    };
    (slti) => {
        set_x!(a, u64::from((x!(b) as i64) < imm!() as i64))
    };
    (sltiu) => {
        set_x!(a, u64::from(x!(b) < imm!()))
    };
    (addiw) => {
        word!((x!(b) as u32).wrapping_add(op!().imm as u32))
    };
    (sextw) => {
        word!(x!(b))
    };
    (slliw) => {
        word!((x!(b) as u32) << (op!().imm & 31))
    };
    (srliw) => {
        word!(x!(b) as u32 >> (op!().imm & 31))
    };
    (sraiw) => {
        word!(x!(b) as i32 >> (op!().imm & 31))
    };
    (add) => {
        set_x!(a, x!(b).wrapping_add(x!(c)))
    };
    (sub) => {
        set_x!(a, x!(b).wrapping_sub(x!(c)))
    };
    (and) => {
        set_x!(a, x!(b) & x!(c))
    };
    (or) => {
        set_x!(a, x!(b) | x!(c))
    };
    (xor) => {
        set_x!(a, x!(b) ^ x!(c))
    };
    (sll) => {
        set_x!(a, x!(b) << (x!(c) & 63))
    };
    (srl) => {
        set_x!(a, x!(b) >> (x!(c) & 63))
    };
    (sra) => {
        set_x!(a, (x!(b) as i64 >> (x!(c) & 63)) as u64)
    };
    (slt) => {
        set_x!(a, u64::from((x!(b) as i64) < x!(c) as i64))
    };
    (sltu) => {
        set_x!(a, u64::from(x!(b) < x!(c)))
    };
    (addw) => {
        word!((x!(b) as u32).wrapping_add(x!(c) as u32))
    };
    (subw) => {
        word!((x!(b) as u32).wrapping_sub(x!(c) as u32))
    };
    (sllw) => {
        word!((x!(b) as u32) << (x!(c) & 31))
    };
    (srlw) => {
        word!(x!(b) as u32 >> (x!(c) & 31))
    };
    (sraw) => {
        word!(x!(b) as i32 >> (x!(c) & 31))
    };
    (mul) => {
        set_x!(a, x!(b).wrapping_mul(x!(c)))
    };
    (mulw) => {
        word!((x!(b) as u32).wrapping_mul(x!(c) as u32))
    };
    (mulh) => {
        set_x!(a, (i128::from(x!(b) as i64) * i128::from(x!(c) as i64) >> 64) as u64)
    };
    (mulhu) => {
        set_x!(a, (u128::from(x!(b)) * u128::from(x!(c)) >> 64) as u64)
    };
    (mulhsu) => {
        set_x!(a, (i128::from(x!(b) as i64) * i128::from(x!(c)) >> 64) as u64)
    };
    (div) => {
        divide!(i64, |_| -1, wrapping_div)
    };
    (divu) => {
        divide!(u64, |_| u64::MAX, wrapping_div)
    };
    (rem) => {
        divide!(i64, |l| l, wrapping_rem)
    };
    (remu) => {
        divide!(u64, |l| l, wrapping_rem)
    };
    (divw) => {
        divide!(i32, |_| -1, wrapping_div)
    };
    (divuw) => {
        divide_u32!(|_| u32::MAX, wrapping_div)
    };
    (remw) => {
        divide!(i32, |l| l, wrapping_rem)
    };
    (remuw) => {
        divide_u32!(|l| l, wrapping_rem)
    };
}
pub(super) use integer;

macro_rules! word {
    ($value:expr) => {
        set_x!(a, ($value) as i32 as u64)
    };
}
pub(super) use word;

// A quotient or remainder, with RISC-V's results for zero divisors and overflow.
macro_rules! divide {
    ($type:ty, $by_zero:expr, $method:ident) => {{
        let (l, r) = (x!(b) as $type, x!(c) as $type);
        let result = if r == 0 { ($by_zero)(l) } else { l.$method(r) };
        set_x!(a, result as i64 as u64);
    }};
}
pub(super) use divide;

// 32-bit unsigned results are sign-extended too.
macro_rules! divide_u32 {
    ($by_zero:expr, $method:ident) => {{
        let (l, r) = (x!(b) as u32, x!(c) as u32);
        let result = if r == 0 { ($by_zero)(l) } else { l.$method(r) };
        set_x!(a, result as i32 as u64);
    }};
}
pub(super) use divide_u32;
