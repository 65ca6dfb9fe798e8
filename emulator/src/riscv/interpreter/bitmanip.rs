//! Bodies of the interpreter loop's bit manipulation: Zba, Zbb, Zbs, Zicond and what Zcb shortens.

/// What an operation does, in the terms of the loop's own macros.
macro_rules! bitmanip {
    (sh1add) => {
        set_x!(a, (x!(b) << 1).wrapping_add(x!(c)))
    };
    (sh2add) => {
        set_x!(a, (x!(b) << 2).wrapping_add(x!(c)))
    };
    (sh3add) => {
        set_x!(a, (x!(b) << 3).wrapping_add(x!(c)))
    };
    (add_uw) => {
        set_x!(a, u64::from(x!(b) as u32).wrapping_add(x!(c)))
    };
    (sh1add_uw) => {
        set_x!(a, (u64::from(x!(b) as u32) << 1).wrapping_add(x!(c)))
    };
    (sh2add_uw) => {
        set_x!(a, (u64::from(x!(b) as u32) << 2).wrapping_add(x!(c)))
    };
    (sh3add_uw) => {
        set_x!(a, (u64::from(x!(b) as u32) << 3).wrapping_add(x!(c)))
    };
    (slli_uw) => {
        set_x!(a, u64::from(x!(b) as u32) << (op!().imm & 63))
    };
    (zext_w) => {
        set_x!(a, u64::from(x!(b) as u32))
    };
    (andn) => {
        set_x!(a, x!(b) & !x!(c))
    };
    (orn) => {
        set_x!(a, x!(b) | !x!(c))
    };
    (xnor) => {
        set_x!(a, !(x!(b) ^ x!(c)))
    };
    (clz) => {
        set_x!(a, u64::from(x!(b).leading_zeros()))
    };
    (ctz) => {
        set_x!(a, u64::from(x!(b).trailing_zeros()))
    };
    (cpop) => {
        set_x!(a, u64::from(x!(b).count_ones()))
    };
    (clzw) => {
        set_x!(a, u64::from((x!(b) as u32).leading_zeros()))
    };
    (ctzw) => {
        set_x!(a, u64::from((x!(b) as u32).trailing_zeros()))
    };
    (cpopw) => {
        set_x!(a, u64::from((x!(b) as u32).count_ones()))
    };
    (min) => {
        set_x!(a, (x!(b) as i64).min(x!(c) as i64) as u64)
    };
    (minu) => {
        set_x!(a, x!(b).min(x!(c)))
    };
    (max) => {
        set_x!(a, (x!(b) as i64).max(x!(c) as i64) as u64)
    };
    (maxu) => {
        set_x!(a, x!(b).max(x!(c)))
    };
    (sext_b) => {
        set_x!(a, x!(b) as i8 as u64)
    };
    (sext_h) => {
        set_x!(a, x!(b) as i16 as u64)
    };
    (zext_h) => {
        set_x!(a, u64::from(x!(b) as u16))
    };
    (rol) => {
        set_x!(a, x!(b).rotate_left(x!(c) as u32 & 63))
    };
    (ror) => {
        set_x!(a, x!(b).rotate_right(x!(c) as u32 & 63))
    };
    (rori) => {
        set_x!(a, x!(b).rotate_right(op!().imm as u32 & 63))
    };
    (rolw) => {
        word!((x!(b) as u32).rotate_left(x!(c) as u32 & 31))
    };
    (rorw) => {
        word!((x!(b) as u32).rotate_right(x!(c) as u32 & 31))
    };
    (roriw) => {
        word!((x!(b) as u32).rotate_right(op!().imm as u32 & 31))
    };
    (orc_b) => {
        set_x!(a, or_combine(x!(b)))
    };
    (rev8) => {
        set_x!(a, x!(b).swap_bytes())
    };
    (bset) => {
        set_x!(a, x!(b) | 1 << (x!(c) & 63))
    };
    (bclr) => {
        set_x!(a, x!(b) & !(1 << (x!(c) & 63)))
    };
    (binv) => {
        set_x!(a, x!(b) ^ 1 << (x!(c) & 63))
    };
    (bext) => {
        set_x!(a, x!(b) >> (x!(c) & 63) & 1)
    };
    (bseti) => {
        set_x!(a, x!(b) | 1 << (op!().imm & 63))
    };
    (bclri) => {
        set_x!(a, x!(b) & !(1 << (op!().imm & 63)))
    };
    (binvi) => {
        set_x!(a, x!(b) ^ 1 << (op!().imm & 63))
    };
    (bexti) => {
        set_x!(a, x!(b) >> (op!().imm & 63) & 1)
    };
    (czero_eqz) => {
        set_x!(a, x!(b) & u64::from(x!(c) == 0).wrapping_sub(1))
    };
    (czero_nez) => {
        set_x!(a, x!(b) & u64::from(x!(c) != 0).wrapping_sub(1))
    };
}
pub(super) use bitmanip;

/// `orc.b`: every byte that is not zero becomes all ones.
#[inline(always)]
pub(super) fn or_combine(value: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // The sum carries into a byte's top bit if any lower bit is set.
    let nonzero = (((value & LOW) + LOW) | value) & !LOW;
    (nonzero >> 7) * 0xff
}
