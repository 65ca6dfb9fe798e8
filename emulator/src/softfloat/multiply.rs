//! Multiplication, division and square root.

use super::format::{invalid, nan_result};
use super::round::Parts;
use super::{DZ, Format, RoundingMode};

/// `a * b`.
#[inline]
pub fn mul<F: Format>(a: u64, b: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    if !(F::is_finite_nonzero(a) && F::is_finite_nonzero(b)) {
        return mul_special::<F>(a, b, flags);
    }
    let (x, y) = (Parts::unpack::<F>(a), Parts::unpack::<F>(b));
    let significand = if F::NARROW {
        (x.significand >> 32) * (y.significand >> 32)
    } else {
        let (high, low) = wide_mul(x.significand, y.significand);
        high | u64::from(low != 0)
    };
    // The product of two numbers in [1, 2) with 63 fraction bits has 62 in its upper half.
    Parts::normalize(x.negative != y.negative, x.exponent + y.exponent + 1, significand)
        .round::<F>(mode, flags)
}

/// The product when an operand is zero, infinite or NaN.
pub(super) fn mul_special<F: Format>(a: u64, b: u64, flags: &mut u8) -> u64 {
    let negative = F::is_negative(a) != F::is_negative(b);
    let infinite = F::is_infinite(a) || F::is_infinite(b);
    if F::is_nan(a) || F::is_nan(b) {
        nan_result::<F>(&[a, b], flags)
    } else if infinite && (F::is_zero(a) || F::is_zero(b)) {
        invalid::<F>(flags)
    } else {
        F::with_sign(negative, if infinite { F::INFINITY } else { 0 })
    }
}

/// `a / b`.
#[inline]
pub fn div<F: Format>(a: u64, b: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    if !(F::is_finite_nonzero(a) && F::is_finite_nonzero(b)) {
        return div_special::<F>(a, b, flags);
    }
    let (x, y) = (Parts::unpack::<F>(a), Parts::unpack::<F>(b));
    let significand = if F::NARROW {
        let (dividend, divisor) = (x.significand >> 1, y.significand >> 40);
        let quotient = dividend / divisor;
        (quotient << 24) | u64::from(quotient * divisor != dividend)
    } else {
        let (quotient, remainder) = wide_div(x.significand >> 1, y.significand);
        quotient | u64::from(remainder != 0)
    };
    Parts::normalize(x.negative != y.negative, x.exponent - y.exponent, significand)
        .round::<F>(mode, flags)
}

/// The quotient when an operand is zero, infinite or NaN.
fn div_special<F: Format>(a: u64, b: u64, flags: &mut u8) -> u64 {
    let negative = F::is_negative(a) != F::is_negative(b);
    if F::is_nan(a) || F::is_nan(b) {
        nan_result::<F>(&[a, b], flags)
    } else if (F::is_infinite(a) && F::is_infinite(b)) || (F::is_zero(a) && F::is_zero(b)) {
        invalid::<F>(flags)
    } else if F::is_infinite(a) {
        F::with_sign(negative, F::INFINITY)
    } else if F::is_zero(b) {
        *flags |= DZ;
        F::with_sign(negative, F::INFINITY)
    } else {
        F::with_sign(negative, 0)
    }
}

/// The square root of `a`.
#[inline]
pub fn sqrt<F: Format>(a: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    if F::is_nan(a) {
        return nan_result::<F>(&[a], flags);
    }
    if F::is_zero(a) {
        return F::with_sign(F::is_negative(a), 0);
    }
    if F::is_negative(a) {
        return invalid::<F>(flags);
    }
    if F::is_infinite(a) {
        return F::INFINITY;
    }
    let x = Parts::unpack::<F>(a);
    // The radicand lies in [1, 4) times an even power of two.
    let odd = (x.exponent & 1) as u32;
    let significand = if F::NARROW {
        let radicand = x.significand >> (3 - odd);
        let root = radicand.isqrt();
        (root << 33) | u64::from(root * root != radicand)
    } else {
        let (root, inexact) = wide_sqrt(x.significand >> (7 - odd));
        (root << 6) | u64::from(inexact)
    };
    Parts { negative: false, exponent: x.exponent >> 1, significand }.round::<F>(mode, flags)
}

/// The 128-bit product of two numbers, as its upper and lower half.
///
/// Not by `u128`, which WebAssembly turns into a call of a full 128 by 128-bit product.
#[inline(always)]
pub(super) fn wide_mul(x: u64, y: u64) -> (u64, u64) {
    let (x1, x0, y1, y0) = (x >> 32, x & 0xffff_ffff, y >> 32, y & 0xffff_ffff);
    let middle = x1 * y0 + ((x0 * y0) >> 32);
    let carry = x0 * y1 + (middle & 0xffff_ffff);
    (x1 * y1 + (middle >> 32) + (carry >> 32), x.wrapping_mul(y))
}

/// Quotient and remainder of `high * 2^64` by `divisor`, which must have bit 63 set and be larger
/// than `high`: schoolbook division in two digits of 32 bits (Knuth's algorithm D).
#[inline(always)]
fn wide_div(high: u64, divisor: u64) -> (u64, u64) {
    let (first, rest) = divide_digit(high, divisor);
    let (second, remainder) = divide_digit(rest, divisor);
    ((first << 32) | second, remainder)
}

/// Quotient (32 bits) and remainder of `value * 2^32` by a `divisor` with bit 63 set.
#[inline(always)]
fn divide_digit(value: u64, divisor: u64) -> (u64, u64) {
    let (top, bottom) = (divisor >> 32, divisor & 0xffff_ffff);
    let mut digit = value / top;
    let rest = value % top;
    // The estimate is at most two too large.
    let mut product = digit * bottom;
    let mut partial = rest << 32;
    let mut overflow = false;
    while !overflow && product > partial {
        digit -= 1;
        product -= bottom;
        (partial, overflow) = partial.overflowing_add(top << 32);
    }
    (digit, partial.wrapping_sub(product))
}

/// The root of `radicand * 2^58`, rounded down, and whether that was inexact.
///
/// `radicand` has 57 or 58 significant bits. Zimmermann's Karatsuba square root: the root of the
/// upper half gives the upper digit of 29 bits, and dividing the remainder by twice that digit
/// gives the lower one, at most one too large.
#[inline(always)]
fn wide_sqrt(radicand: u64) -> (u64, bool) {
    let upper = radicand.isqrt();
    let dividend = (radicand - upper * upper) << 29;
    let lower = dividend / (2 * upper);
    let rest = dividend - lower * 2 * upper;
    let root = (upper << 29) + lower;
    let remainder = ((rest << 29) as i64) - ((lower * lower) as i64);
    if remainder >= 0 {
        (root, remainder != 0)
    } else {
        let root = root - 1;
        (root, remainder + 2 * (root as i64) + 1 != 0)
    }
}
