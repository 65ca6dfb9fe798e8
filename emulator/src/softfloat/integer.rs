//! Conversions to integers and rounding to an integral value.

use super::convert::from_magnitude;
use super::format::nan_result;
use super::round::Parts;
use super::{Format, NV, NX, RoundingMode};

/// `fcvt.w`: a number too large in magnitude saturates, NaN gives the largest integer; both are
/// invalid.
#[inline]
pub fn to_i32<F: Format>(bits: u64, mode: RoundingMode, flags: &mut u8) -> i32 {
    to_integer::<F>(bits, 1 << 31, i32::MAX as u64, mode, flags) as i32
}

/// `fcvt.wu`: as [`to_i32`]; numbers that round to below zero are invalid and give 0.
///
/// The register gets the result sign-extended from 32 bits.
#[inline]
pub fn to_u32<F: Format>(bits: u64, mode: RoundingMode, flags: &mut u8) -> u32 {
    to_integer::<F>(bits, 0, u64::from(u32::MAX), mode, flags) as u32
}

/// `fcvt.l`: as [`to_i32`].
#[inline]
pub fn to_i64<F: Format>(bits: u64, mode: RoundingMode, flags: &mut u8) -> i64 {
    to_integer::<F>(bits, 1 << 63, i64::MAX as u64, mode, flags) as i64
}

/// `fcvt.lu`: as [`to_u32`].
#[inline]
pub fn to_u64<F: Format>(bits: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    to_integer::<F>(bits, 0, u64::MAX, mode, flags)
}

/// `fcvtmod.w` (Zfa): the integer part modulo 2^32, with the flags of a [`to_i32`] towards zero.
#[inline]
pub fn to_i32_modular<F: Format>(bits: u64, flags: &mut u8) -> i32 {
    let saturated = to_i32::<F>(bits, RoundingMode::TowardZero, flags);
    if !F::is_finite_nonzero(bits) {
        return if F::is_zero(bits) { saturated } else { 0 };
    }
    let parts = Parts::unpack::<F>(bits);
    let magnitude = match parts.exponent - 63 {
        shift if shift >= 64 => 0,
        shift if shift >= 0 => parts.significand << shift,
        _ => parts.integer(RoundingMode::TowardZero).0,
    };
    let value = magnitude as i32;
    if parts.negative { value.wrapping_neg() } else { value }
}

/// `fround` (Zfa): the value rounded to an integral one; inexactness is not reported.
#[inline]
pub fn round_to_integral<F: Format>(bits: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    let mut raised = 0;
    let result = round_to_integral_inexact::<F>(bits, mode, &mut raised);
    *flags |= raised & !NX;
    result
}

/// `froundnx` (Zfa): the value rounded to an integral one.
#[inline]
pub fn round_to_integral_inexact<F: Format>(bits: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    if F::is_nan(bits) {
        return nan_result::<F>(&[bits], flags);
    }
    let magnitude = F::magnitude(bits);
    let first_integral = ((F::BIAS as u64) + u64::from(F::FRACTION_BITS)) << F::FRACTION_BITS;
    if magnitude == 0 || magnitude >= first_integral {
        return F::with_sign(F::is_negative(bits), magnitude);
    }
    let parts = Parts::unpack::<F>(bits);
    let (integer, inexact) = parts.integer(mode);
    if inexact {
        *flags |= NX;
    }
    from_magnitude::<F>(parts.negative, integer, mode, flags)
}

/// Converts to an integer no further from zero than the limit on its side; the result is in two's
/// complement.
#[inline(always)]
fn to_integer<F: Format>(
    bits: u64,
    negative_limit: u64,
    positive_limit: u64,
    mode: RoundingMode,
    flags: &mut u8,
) -> u64 {
    if F::is_zero(bits) {
        return 0;
    }
    let negative = F::is_negative(bits) && !F::is_nan(bits);
    let limit = if negative { negative_limit } else { positive_limit };
    let signed = |magnitude: u64| if negative { magnitude.wrapping_neg() } else { magnitude };
    if F::is_finite_nonzero(bits) {
        let parts = Parts::unpack::<F>(bits);
        if parts.exponent < 64 {
            let (magnitude, inexact) = parts.integer(mode);
            if magnitude <= limit {
                *flags |= if inexact { NX } else { 0 };
                return signed(magnitude);
            }
        }
    }
    *flags |= NV;
    signed(limit)
}

impl Parts {
    /// The magnitude rounded to an integer, and whether that was inexact. The exponent must be
    /// below 64.
    #[inline(always)]
    fn integer(self, mode: RoundingMode) -> (u64, bool) {
        let shift = (63 - self.exponent) as u32;
        // The fraction is aligned to bit 63, which therefore stands for one half.
        let (integer, fraction) = match shift {
            0 => return (self.significand, false),
            1..64 => (self.significand >> shift, self.significand << (64 - shift)),
            64 => (0, self.significand),
            _ => (0, 1),
        };
        let up = mode.rounds_up(self.negative, integer & 1 != 0, fraction, 1 << 63);
        (integer + u64::from(up), fraction != 0)
    }
}
