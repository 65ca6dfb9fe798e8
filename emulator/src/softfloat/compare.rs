//! Comparisons, minimum and maximum, classification.

use super::format::nan_result;
use super::{Format, NV};

/// `feq`: whether `a == b`. Only a signalling NaN is invalid.
#[inline]
pub fn eq<F: Format>(a: u64, b: u64, flags: &mut u8) -> bool {
    ordered_quiet::<F>(a, b, flags) && order::<F>(a) == order::<F>(b)
}

/// `flt`: whether `a < b`. Any NaN is invalid.
#[inline]
pub fn lt<F: Format>(a: u64, b: u64, flags: &mut u8) -> bool {
    ordered::<F>(a, b, flags) && order::<F>(a) < order::<F>(b)
}

/// `fle`: whether `a <= b`. Any NaN is invalid.
#[inline]
pub fn le<F: Format>(a: u64, b: u64, flags: &mut u8) -> bool {
    ordered::<F>(a, b, flags) && order::<F>(a) <= order::<F>(b)
}

/// `fltq` (Zfa): whether `a < b`. Only a signalling NaN is invalid.
#[inline]
pub fn lt_quiet<F: Format>(a: u64, b: u64, flags: &mut u8) -> bool {
    ordered_quiet::<F>(a, b, flags) && order::<F>(a) < order::<F>(b)
}

/// `fleq` (Zfa): whether `a <= b`. Only a signalling NaN is invalid.
#[inline]
pub fn le_quiet<F: Format>(a: u64, b: u64, flags: &mut u8) -> bool {
    ordered_quiet::<F>(a, b, flags) && order::<F>(a) <= order::<F>(b)
}

/// `fmin`: the smaller number (-0 is below +0); a NaN gives way to a number.
#[inline]
pub fn min<F: Format>(a: u64, b: u64, flags: &mut u8) -> u64 {
    select_number::<F>(a, b, total_order::<F>(a) < total_order::<F>(b), flags)
}

/// `fmax`: the larger number (+0 is above -0); a NaN gives way to a number.
#[inline]
pub fn max<F: Format>(a: u64, b: u64, flags: &mut u8) -> u64 {
    select_number::<F>(a, b, total_order::<F>(a) > total_order::<F>(b), flags)
}

/// `fminm` (Zfa): like [`min`], but a NaN operand makes the result NaN.
#[inline]
pub fn min_nan<F: Format>(a: u64, b: u64, flags: &mut u8) -> u64 {
    if F::is_nan(a) || F::is_nan(b) {
        return nan_result::<F>(&[a, b], flags);
    }
    min::<F>(a, b, flags)
}

/// `fmaxm` (Zfa): like [`max`], but a NaN operand makes the result NaN.
#[inline]
pub fn max_nan<F: Format>(a: u64, b: u64, flags: &mut u8) -> u64 {
    if F::is_nan(a) || F::is_nan(b) {
        return nan_result::<F>(&[a, b], flags);
    }
    max::<F>(a, b, flags)
}

/// `fclass`: one bit out of ten, from bit 0 for minus infinity over the numbers in ascending order
/// to bit 7 for plus infinity, then bit 8 for a signalling and bit 9 for a quiet NaN.
#[inline]
pub fn class<F: Format>(bits: u64) -> u64 {
    let magnitude = F::magnitude(bits);
    if F::is_nan(bits) {
        return if F::is_signaling(bits) { 1 << 8 } else { 1 << 9 };
    }
    let distance = if magnitude == 0 {
        0
    } else if magnitude <= F::FRACTION_MASK {
        1
    } else if magnitude < F::INFINITY {
        2
    } else {
        3
    };
    if F::is_negative(bits) { 1 << (3 - distance) } else { 1 << (4 + distance) }
}

/// Whether neither operand is NaN; otherwise the comparison is invalid.
#[inline(always)]
fn ordered<F: Format>(a: u64, b: u64, flags: &mut u8) -> bool {
    let ordered = !F::is_nan(a) && !F::is_nan(b);
    if !ordered {
        *flags |= NV;
    }
    ordered
}

/// Whether neither operand is NaN; the comparison is invalid only if one is signalling.
#[inline(always)]
fn ordered_quiet<F: Format>(a: u64, b: u64, flags: &mut u8) -> bool {
    if F::is_nan(a) || F::is_nan(b) {
        nan_result::<F>(&[a, b], flags);
        return false;
    }
    true
}

/// A key that sorts numbers by value; both zeros have the same.
#[inline(always)]
fn order<F: Format>(bits: u64) -> i64 {
    let magnitude = F::magnitude(bits) as i64;
    if F::is_negative(bits) { -magnitude } else { magnitude }
}

/// A key that sorts numbers by value, with -0 below +0.
#[inline(always)]
fn total_order<F: Format>(bits: u64) -> i64 {
    let magnitude = F::magnitude(bits) as i64;
    if F::is_negative(bits) { !magnitude } else { magnitude }
}

/// `a` if it is preferred, else `b`; a NaN only if both are.
#[inline(always)]
fn select_number<F: Format>(a: u64, b: u64, prefer_a: bool, flags: &mut u8) -> u64 {
    let (a_is_nan, b_is_nan) = (F::is_nan(a), F::is_nan(b));
    if a_is_nan || b_is_nan {
        let nan = nan_result::<F>(&[a, b], flags);
        if a_is_nan && b_is_nan {
            return nan;
        }
    }
    let chosen = if b_is_nan || (prefer_a && !a_is_nan) { a } else { b };
    F::with_sign(F::is_negative(chosen), F::magnitude(chosen))
}
