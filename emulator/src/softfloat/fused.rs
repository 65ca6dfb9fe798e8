//! Fused multiply-add: one rounding for a product and a sum.

use super::add::{add_parts, add_special};
use super::format::{invalid, nan_result};
use super::multiply::{mul_special, wide_mul};
use super::round::Parts;
use super::{Format, NV, RoundingMode};

/// `a * b + c` with a single rounding.
///
/// The other three instructions flip signs of operands: `fmsub` that of `c`, `fnmsub` that of `a`,
/// `fnmadd` those of `a` and `c`. Infinity times zero is invalid even if `c` is a quiet NaN.
#[inline]
pub fn mul_add<F: Format>(a: u64, b: u64, c: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    if !(F::is_finite_nonzero(a) && F::is_finite_nonzero(b) && F::is_finite_nonzero(c)) {
        return mul_add_special::<F>(a, b, c, mode, flags);
    }
    let (x, y, z) = (Parts::unpack::<F>(a), Parts::unpack::<F>(b), Parts::unpack::<F>(c));
    let negative = x.negative != y.negative;
    let exponent = x.exponent + y.exponent + 1;
    if F::NARROW {
        let product = (x.significand >> 32) * (y.significand >> 32);
        return add_parts::<F>(Parts::normalize(negative, exponent, product), z, mode, flags);
    }
    let (high, low) = wide_mul(x.significand, y.significand);
    let product = WideParts::normalize(negative, exponent, high, low);
    let addend = WideParts {
        negative: z.negative,
        exponent: z.exponent,
        significand: u128::from(z.significand) << 64,
    };
    match product.add(addend) {
        Some(sum) => sum.round::<F>(mode, flags),
        None => mode.exact_zero::<F>(),
    }
}

/// The result when an operand is zero, infinite or NaN.
#[cold]
fn mul_add_special<F: Format>(a: u64, b: u64, c: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    let invalid_product =
        (F::is_infinite(a) && F::is_zero(b)) || (F::is_zero(a) && F::is_infinite(b));
    if F::is_nan(a) || F::is_nan(b) || F::is_nan(c) {
        if invalid_product {
            *flags |= NV;
        }
        return nan_result::<F>(&[a, b, c], flags);
    }
    if invalid_product {
        return invalid::<F>(flags);
    }
    if F::is_finite_nonzero(a) && F::is_finite_nonzero(b) {
        if F::is_zero(c) {
            return super::mul::<F>(a, b, mode, flags);
        }
        return F::with_sign(F::is_negative(c), F::INFINITY);
    }
    // The product is an exact zero or an infinity.
    add_special::<F>(mul_special::<F>(a, b, flags), c, mode, flags)
}

/// A finite nonzero number, `significand * 2^(exponent - 127)` with bit 127 set, wide enough for
/// the exact product of two double precision numbers and 22 bits more.
#[derive(Clone, Copy)]
struct WideParts {
    negative: bool,
    exponent: i32,
    significand: u128,
}

impl WideParts {
    /// The product `(high * 2^64 + low) * 2^(exponent - 127)`, whose leading bit is bit 63 or 62
    /// of `high`.
    #[inline(always)]
    fn normalize(negative: bool, exponent: i32, high: u64, low: u64) -> Self {
        let shift = 1 - (high >> 63);
        let significand = ((u128::from(high) << 64) | u128::from(low)) << shift;
        Self { negative, exponent: exponent - shift as i32, significand }
    }

    /// The sum with its lowest bits collected in bit 0, or `None` if it is zero.
    #[inline(always)]
    fn add(self, other: Self) -> Option<Parts> {
        let swap = (other.exponent, other.significand) > (self.exponent, self.significand);
        let (large, small) = if swap { (other, self) } else { (self, other) };
        let distance = (large.exponent - small.exponent) as u32;
        // Bit 127 stays free for the carry. Bits are lost to the jam only when the numbers are so
        // far apart that at most one leading bit can cancel.
        let high = large.significand >> 1;
        let low = shift_right_jam_wide(small.significand >> 1, distance);
        let sum = if large.negative == small.negative { high + low } else { high - low };
        if sum == 0 {
            return None;
        }
        let (mut top, mut rest) = ((sum >> 64) as u64, sum as u64);
        let mut exponent = large.exponent + 1;
        if top == 0 {
            (top, rest) = (rest, 0);
            exponent -= 64;
        }
        let shift = top.leading_zeros();
        // In two steps, so that a shift of 0 does not become one of 64.
        let significand = (top << shift) | (rest >> 1 >> (63 - shift));
        let lost = u64::from(rest << shift != 0);
        Some(Parts {
            negative: large.negative,
            exponent: exponent - shift as i32,
            significand: significand | lost,
        })
    }
}

/// Shifts right by `shift`; bit 0 of the result is set if any bit shifted out was.
#[inline(always)]
fn shift_right_jam_wide(value: u128, shift: u32) -> u128 {
    if shift < 128 {
        let shifted = value >> shift;
        shifted | u128::from(shifted << shift != value)
    } else {
        u128::from(value != 0)
    }
}
