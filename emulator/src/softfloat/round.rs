//! Taking numbers apart, and the one place where results are rounded.

use super::{Format, NX, OF, UF};

/// Rounding mode of an instruction or of `fcsr` (its `frm` field holds these numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RoundingMode {
    /// RNE: to nearest, ties to even.
    NearestEven = 0,
    /// RTZ: towards zero.
    TowardZero = 1,
    /// RDN: towards minus infinity.
    Down = 2,
    /// RUP: towards plus infinity.
    Up = 3,
    /// RMM: to nearest, ties away from zero.
    NearestMaxMagnitude = 4,
}

impl RoundingMode {
    /// The mode with this number; `None` for 5, 6 (reserved) and 7 (dynamic).
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::NearestEven,
            1 => Self::TowardZero,
            2 => Self::Down,
            3 => Self::Up,
            4 => Self::NearestMaxMagnitude,
            _ => return None,
        })
    }

    /// Whether to take the next larger magnitude, given the kept magnitude's last bit and the
    /// cut-off `rest`, where `half` stands for half a unit in the last place.
    #[inline(always)]
    pub(super) fn rounds_up(self, negative: bool, odd: bool, rest: u64, half: u64) -> bool {
        match self {
            Self::NearestEven => rest > half || (rest == half && odd),
            Self::TowardZero => false,
            Self::Down => negative && rest != 0,
            Self::Up => !negative && rest != 0,
            Self::NearestMaxMagnitude => rest >= half,
        }
    }

    /// Whether a result beyond the largest finite number becomes an infinity.
    fn overflows_to_infinity(self, negative: bool) -> bool {
        match self {
            Self::NearestEven | Self::NearestMaxMagnitude => true,
            Self::TowardZero => false,
            Self::Down => negative,
            Self::Up => !negative,
        }
    }

    /// The zero that an exact difference of equal numbers gives.
    pub(super) fn exact_zero<F: Format>(self) -> u64 {
        F::with_sign(self == Self::Down, 0)
    }
}

/// A finite nonzero number, `significand * 2^(exponent - 63)` with bit 63 of the significand set.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    pub negative: bool,
    pub exponent: i32,
    pub significand: u64,
}

impl Parts {
    /// Takes a finite nonzero value apart.
    #[inline(always)]
    pub fn unpack<F: Format>(bits: u64) -> Self {
        let magnitude = F::magnitude(bits);
        let field = (magnitude >> F::FRACTION_BITS) as i32;
        let fraction = magnitude << (63 - F::FRACTION_BITS);
        let negative = F::is_negative(bits);
        if field != 0 {
            Self { negative, exponent: field - F::BIAS, significand: fraction | (1 << 63) }
        } else {
            Self::normalize(negative, 1 - F::BIAS, fraction)
        }
    }

    /// The number `significand * 2^(exponent - 63)`; `significand` must not be zero.
    #[inline(always)]
    pub fn normalize(negative: bool, exponent: i32, significand: u64) -> Self {
        let shift = significand.leading_zeros();
        Self { negative, exponent: exponent - shift as i32, significand: significand << shift }
    }

    /// Rounds to the format. Bit 0 of the significand may stand for any lower bits that are set.
    #[inline]
    pub fn round<F: Format>(self, mode: RoundingMode, flags: &mut u8) -> u64 {
        let cut = 63 - F::FRACTION_BITS;
        let field = self.exponent + F::BIAS;
        if field <= 0 {
            return self.round_subnormal::<F>(mode, flags);
        }
        if field >= F::EXPONENT_MAX {
            return self.overflow::<F>(mode, flags);
        }
        let (kept, inexact) = self.cut(self.significand, cut, mode);
        // The kept leading bit adds the one missing from the exponent field, and a carry out of
        // the significand moves on to the next exponent (or to infinity) by itself.
        let magnitude = (((field - 1) as u64) << F::FRACTION_BITS) + kept;
        if inexact {
            *flags |= if magnitude == F::INFINITY { OF | NX } else { NX };
        }
        F::with_sign(self.negative, magnitude)
    }

    /// Drops the low `cut` bits with rounding; also tells whether they were nonzero.
    #[inline(always)]
    fn cut(self, significand: u64, cut: u32, mode: RoundingMode) -> (u64, bool) {
        let rest = significand & ((1 << cut) - 1);
        let kept = significand >> cut;
        let up = mode.rounds_up(self.negative, kept & 1 != 0, rest, 1 << (cut - 1));
        (kept + u64::from(up), rest != 0)
    }

    #[cold]
    fn round_subnormal<F: Format>(self, mode: RoundingMode, flags: &mut u8) -> u64 {
        let cut = 63 - F::FRACTION_BITS;
        let shift = (1 - F::BIAS - self.exponent) as u32;
        let (kept, inexact) = self.cut(shift_right_jam(self.significand, shift), cut, mode);
        if inexact {
            // Not tiny if rounding with an unbounded exponent already reaches a normal number.
            let (unbounded, _) = self.cut(self.significand, cut, mode);
            let tiny = shift > 1 || unbounded >> F::FRACTION_BITS < 2;
            *flags |= if tiny { UF | NX } else { NX };
        }
        F::with_sign(self.negative, kept)
    }

    #[cold]
    fn overflow<F: Format>(self, mode: RoundingMode, flags: &mut u8) -> u64 {
        *flags |= OF | NX;
        let to_infinity = mode.overflows_to_infinity(self.negative);
        F::with_sign(self.negative, F::INFINITY - u64::from(!to_infinity))
    }
}

/// Shifts right by `shift`; bit 0 of the result is set if any bit shifted out was.
#[inline(always)]
pub(super) fn shift_right_jam(value: u64, shift: u32) -> u64 {
    if shift == 0 {
        value
    } else if shift < 64 {
        (value >> shift) | u64::from(value << (64 - shift) != 0)
    } else {
        u64::from(value != 0)
    }
}
