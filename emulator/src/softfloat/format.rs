//! The binary interchange formats and what can be read off a value's bits.

use super::NV;

/// A binary interchange format of IEEE 754 with at most 64 bits.
///
/// Implement the two field widths; everything else follows from them.
pub trait Format: Copy {
    /// Width of the trailing significand field in bits.
    const FRACTION_BITS: u32;
    /// Width of the exponent field in bits.
    const EXPONENT_BITS: u32;

    /// Width of the whole format in bits.
    const WIDTH: u32 = 1 + Self::EXPONENT_BITS + Self::FRACTION_BITS;
    /// Exponent field of the number 1.
    const BIAS: i32 = (1 << (Self::EXPONENT_BITS - 1)) - 1;
    /// Exponent field of infinities and NaNs.
    const EXPONENT_MAX: i32 = (1 << Self::EXPONENT_BITS) - 1;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::WIDTH - 1);
    /// Positive infinity.
    const INFINITY: u64 = (Self::EXPONENT_MAX as u64) << Self::FRACTION_BITS;
    /// The bit that tells a quiet NaN from a signalling one.
    const QUIET: u64 = 1 << (Self::FRACTION_BITS - 1);
    /// The canonical NaN, the only one an arithmetic instruction returns.
    const CANONICAL_NAN: u64 = Self::INFINITY | Self::QUIET;
    /// Mask of the trailing significand field.
    const FRACTION_MASK: u64 = (1 << Self::FRACTION_BITS) - 1;
    /// Whether the exact product of two significands fits in 64 bits with room for rounding.
    const NARROW: bool = Self::FRACTION_BITS <= 24;

    /// The value without its sign (and without bits above the format).
    #[inline(always)]
    fn magnitude(bits: u64) -> u64 {
        bits & (Self::SIGN - 1)
    }

    /// Whether the sign bit is set.
    #[inline(always)]
    fn is_negative(bits: u64) -> bool {
        bits & Self::SIGN != 0
    }

    /// Whether the value is any NaN.
    #[inline(always)]
    fn is_nan(bits: u64) -> bool {
        Self::magnitude(bits) > Self::INFINITY
    }

    /// Whether the value is a signalling NaN.
    #[inline(always)]
    fn is_signaling(bits: u64) -> bool {
        Self::is_nan(bits) && bits & Self::QUIET == 0
    }

    /// Whether the value is an infinity.
    #[inline(always)]
    fn is_infinite(bits: u64) -> bool {
        Self::magnitude(bits) == Self::INFINITY
    }

    /// Whether the value is a zero of either sign.
    #[inline(always)]
    fn is_zero(bits: u64) -> bool {
        Self::magnitude(bits) == 0
    }

    /// Whether the value is neither zero, infinite nor NaN.
    #[inline(always)]
    fn is_finite_nonzero(bits: u64) -> bool {
        Self::magnitude(bits).wrapping_sub(1) < Self::INFINITY - 1
    }

    /// The value of a floating-point register: the canonical NaN unless it is properly NaN-boxed
    /// (all bits above the format set).
    #[inline(always)]
    fn unbox(register: u64) -> u64 {
        let box_bits = Self::box_bits();
        if register & box_bits == box_bits { register & !box_bits } else { Self::CANONICAL_NAN }
    }

    /// The register that holds `bits`: all bits above the format set.
    #[inline(always)]
    fn nan_box(bits: u64) -> u64 {
        bits | Self::box_bits()
    }

    /// The register bits above the format.
    #[inline(always)]
    fn box_bits() -> u64 {
        !(Self::SIGN | (Self::SIGN - 1))
    }

    /// `magnitude` with a sign.
    #[inline(always)]
    fn with_sign(negative: bool, magnitude: u64) -> u64 {
        magnitude | (u64::from(negative) << (Self::WIDTH - 1))
    }
}

/// Half precision (Zfhmin).
#[derive(Clone, Copy, Debug)]
pub struct F16;

/// Single precision (F).
#[derive(Clone, Copy, Debug)]
pub struct F32;

/// Double precision (D).
#[derive(Clone, Copy, Debug)]
pub struct F64;

impl Format for F16 {
    const FRACTION_BITS: u32 = 10;
    const EXPONENT_BITS: u32 = 5;
}

impl Format for F32 {
    const FRACTION_BITS: u32 = 23;
    const EXPONENT_BITS: u32 = 8;
}

impl Format for F64 {
    const FRACTION_BITS: u32 = 52;
    const EXPONENT_BITS: u32 = 11;
}

/// The result of an invalid operation.
pub(super) fn invalid<F: Format>(flags: &mut u8) -> u64 {
    *flags |= NV;
    F::CANONICAL_NAN
}

/// The result of an operation with a NaN among its operands: signalling ones are invalid.
pub(super) fn nan_result<F: Format>(operands: &[u64], flags: &mut u8) -> u64 {
    if operands.iter().any(|&bits| F::is_signaling(bits)) {
        *flags |= NV;
    }
    F::CANONICAL_NAN
}
