//! Conversions between formats and from integers.

use super::format::nan_result;
use super::round::Parts;
use super::{Format, NX, RoundingMode};

/// The value of `bits` in another format.
#[inline]
pub fn convert<From: Format, To: Format>(bits: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    if From::is_finite_nonzero(bits) {
        return Parts::unpack::<From>(bits).round::<To>(mode, flags);
    }
    if From::is_nan(bits) {
        nan_result::<From>(&[bits], flags);
        return To::CANONICAL_NAN;
    }
    let magnitude = if From::is_infinite(bits) { To::INFINITY } else { 0 };
    To::with_sign(From::is_negative(bits), magnitude)
}

/// The value of `bits` in a narrower format, rounded to odd: if inexact, the last bit is set. So
/// it can be rounded once more, as if that were the only time.
#[inline]
pub fn convert_to_odd<From: Format, To: Format>(bits: u64, flags: &mut u8) -> u64 {
    let mut raised = 0;
    let truncated = convert::<From, To>(bits, RoundingMode::TowardZero, &mut raised);
    *flags |= raised;
    truncated | u64::from(raised & NX)
}

/// The number nearest to a 64-bit unsigned integer.
#[inline]
pub fn from_u64<F: Format>(value: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    from_magnitude::<F>(false, value, mode, flags)
}

/// The number nearest to a 64-bit signed integer.
#[inline]
pub fn from_i64<F: Format>(value: i64, mode: RoundingMode, flags: &mut u8) -> u64 {
    from_magnitude::<F>(value < 0, value.unsigned_abs(), mode, flags)
}

/// The number nearest to a 32-bit unsigned integer.
#[inline]
pub fn from_u32<F: Format>(value: u32, mode: RoundingMode, flags: &mut u8) -> u64 {
    from_u64::<F>(u64::from(value), mode, flags)
}

/// The number nearest to a 32-bit signed integer.
#[inline]
pub fn from_i32<F: Format>(value: i32, mode: RoundingMode, flags: &mut u8) -> u64 {
    from_i64::<F>(i64::from(value), mode, flags)
}

/// The number nearest to a signed magnitude; zero keeps the sign.
#[inline(always)]
pub(super) fn from_magnitude<F: Format>(
    negative: bool,
    magnitude: u64,
    mode: RoundingMode,
    flags: &mut u8,
) -> u64 {
    if magnitude == 0 {
        return F::with_sign(negative, 0);
    }
    Parts::normalize(negative, 63, magnitude).round::<F>(mode, flags)
}
