//! `vfrec7` and `vfrsqrt7`: estimates to seven bits, the same everywhere.
//!
//! The specification's tables hold what is computed here: the leading bits of the function in the
//! middle of each interval, rounded to nearest.

use crate::softfloat::{DZ, Format, NV, NX, OF, RoundingMode};

const INTERVALS: usize = 128;

/// Significands of `1 / x` for `x` from 1 to 2, without the leading 1.
static RECIPROCAL: [u8; INTERVALS] = {
    let mut table = [0; INTERVALS];
    let mut index = 0;
    while index < INTERVALS {
        // 256 / x with x = (257 + 2 * index) / 256, rounded.
        let middle = 257 + 2 * index;
        table[index] = ((2 * 256 * 256 / middle).div_ceil(2) - 128) as u8;
        index += 1;
    }
    table
};

/// Significands of `1 / sqrt(x)` for `x` from 2 to 4, then from 1 to 2.
static RECIPROCAL_SQUARE_ROOT: [u8; INTERVALS] = {
    let mut table = [0; INTERVALS];
    let mut index = 0;
    while index < INTERVALS {
        // x in units of 1/128.
        let middle = 129 + 2 * (index % 64);
        let x = if index < 64 { 2 * middle } else { middle };
        // The largest `root` with (root - 1/2)^2 * x <= 256^2.
        let mut root = 128;
        while (2 * root + 1) * (2 * root + 1) * x <= 4 * 256 * 256 * 128 {
            root += 1;
        }
        table[index] = (root - 128) as u8;
        index += 1;
    }
    table
};

/// Exponent field and fraction of a positive number; those of a subnormal one as if the field
/// could be zero or less.
fn normalized<F: Format>(bits: u64) -> (i32, u64) {
    let magnitude = F::magnitude(bits);
    let (field, fraction) = (magnitude >> F::FRACTION_BITS, magnitude & F::FRACTION_MASK);
    if field != 0 {
        return (field as i32, fraction);
    }
    let shift = fraction.leading_zeros() - (63 - F::FRACTION_BITS);
    (1 - shift as i32, fraction << shift & F::FRACTION_MASK)
}

/// `vfrec7`: about `1 / a`.
pub(super) fn reciprocal<F: Format>(bits: u64, mode: RoundingMode, flags: &mut u8) -> u64 {
    let negative = F::is_negative(bits);
    if F::is_nan(bits) {
        *flags |= if F::is_signaling(bits) { NV } else { 0 };
        return F::CANONICAL_NAN;
    }
    if F::is_infinite(bits) {
        return F::with_sign(negative, 0);
    }
    if F::is_zero(bits) {
        *flags |= DZ;
        return F::with_sign(negative, F::INFINITY);
    }
    let (exponent, fraction) = normalized::<F>(bits);
    if exponent < -1 {
        *flags |= OF | NX;
        let finite = match mode {
            RoundingMode::TowardZero => true,
            RoundingMode::Down => !negative,
            RoundingMode::Up => negative,
            RoundingMode::NearestEven | RoundingMode::NearestMaxMagnitude => false,
        };
        return F::with_sign(negative, F::INFINITY - u64::from(finite));
    }
    let index = (fraction >> (F::FRACTION_BITS - 7)) as usize;
    let significand = u64::from(RECIPROCAL[index]) << (F::FRACTION_BITS - 7);
    let with_leading_one = (F::FRACTION_MASK + 1) | significand;
    let magnitude = match 2 * F::BIAS - 1 - exponent {
        0 => with_leading_one >> 1,
        -1 => with_leading_one >> 2,
        field => (field as u64) << F::FRACTION_BITS | significand,
    };
    F::with_sign(negative, magnitude)
}

/// `vfrsqrt7`: about `1 / sqrt(a)`.
pub(super) fn reciprocal_square_root<F: Format>(bits: u64, flags: &mut u8) -> u64 {
    let negative = F::is_negative(bits);
    if F::is_zero(bits) {
        *flags |= DZ;
        return F::with_sign(negative, F::INFINITY);
    }
    if F::is_nan(bits) || negative {
        let quiet = F::is_nan(bits) && !F::is_signaling(bits);
        *flags |= if quiet { 0 } else { NV };
        return F::CANONICAL_NAN;
    }
    if F::is_infinite(bits) {
        return 0;
    }
    let (exponent, fraction) = normalized::<F>(bits);
    let index = (exponent as usize & 1) << 6 | (fraction >> (F::FRACTION_BITS - 6)) as usize;
    let significand = u64::from(RECIPROCAL_SQUARE_ROOT[index]) << (F::FRACTION_BITS - 7);
    let field = (3 * F::BIAS - 1 - exponent) / 2;
    (field as u64) << F::FRACTION_BITS | significand
}
