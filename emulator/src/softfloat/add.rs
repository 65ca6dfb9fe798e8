//! Addition and subtraction.

use super::format::{invalid, nan_result};
use super::round::{Parts, shift_right_jam};
use super::{Format, RoundingMode};

/// `a + b`.
#[inline]
pub fn add<F: Format>(a: u64, b: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    if F::is_finite_nonzero(a) && F::is_finite_nonzero(b) {
        add_parts::<F>(Parts::unpack::<F>(a), Parts::unpack::<F>(b), mode, flags)
    } else {
        add_special::<F>(a, b, mode, flags)
    }
}

/// `a - b`.
#[inline]
pub fn sub<F: Format>(a: u64, b: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    add::<F>(a, b ^ F::SIGN, mode, flags)
}

/// The sum of two numbers whose significands may be longer than the format's.
///
/// Exact before rounding as long as bits are shifted out only where at most one leading bit can
/// cancel; a significand of up to 61 bits guarantees that.
#[inline]
pub(super) fn add_parts<F: Format>(x: Parts, y: Parts, mode: RoundingMode, flags: &mut u8) -> u64 {
    let swap = (y.exponent, y.significand) > (x.exponent, x.significand);
    let (large, small) = if swap { (y, x) } else { (x, y) };
    let distance = (large.exponent - small.exponent) as u32;
    // Bit 63 stays free for the carry.
    let high = large.significand >> 1;
    let low = shift_right_jam(small.significand >> 1, distance);
    let sum = if large.negative == small.negative { high + low } else { high - low };
    if sum == 0 {
        return mode.exact_zero::<F>();
    }
    Parts::normalize(large.negative, large.exponent + 1, sum).round::<F>(mode, flags)
}

/// The sum when an operand is zero, infinite or NaN.
pub(super) fn add_special<F: Format>(a: u64, b: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    let same_sign = F::is_negative(a) == F::is_negative(b);
    let value = |bits| F::with_sign(F::is_negative(bits), F::magnitude(bits));
    if F::is_nan(a) || F::is_nan(b) {
        nan_result::<F>(&[a, b], flags)
    } else if F::is_infinite(a) {
        if F::is_infinite(b) && !same_sign { invalid::<F>(flags) } else { value(a) }
    } else if F::is_infinite(b) || !F::is_zero(b) {
        value(b)
    } else if !F::is_zero(a) || same_sign {
        value(a)
    } else {
        mode.exact_zero::<F>()
    }
}
