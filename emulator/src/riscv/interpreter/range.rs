//! In which range a result of the host's arithmetic raises no flag but inexact.

#[inline(always)]
fn exponent(value: f64) -> u64 {
    value.to_bits() >> 52 & 0x7ff
}

#[inline(always)]
fn exponent_s(value: f32) -> u32 {
    value.to_bits() >> 23 & 0xff
}

/// A result that raises nothing but inexact, when zero and subnormal results are exact (sums).
#[inline(always)]
pub(super) fn finite(value: f64) -> bool {
    exponent(value) != 0x7ff
}

/// A result that raises nothing but inexact: normal, and not on the edge of underflow.
#[inline(always)]
pub(super) fn normal(value: f64) -> bool {
    exponent(value).wrapping_sub(2) < 0x7fd
}

#[inline(always)]
pub(super) fn finite_s(value: f32) -> bool {
    exponent_s(value) != 0xff
}

#[inline(always)]
pub(super) fn normal_s(value: f32) -> bool {
    exponent_s(value).wrapping_sub(2) < 0xfd
}
