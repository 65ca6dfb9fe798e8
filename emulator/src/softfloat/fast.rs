//! Host arithmetic for the interpreter loop.
//!
//! Each function returns what the exact routine returns in round-to-nearest-even, or `None` where
//! it cannot be sure. `Some` promises that no flag but [`NX`](super::NX) can be raised, so the
//! caller may use it whenever `NX` is already set in `fcsr` (it is sticky) and the mode is
//! `NearestEven`. A square root needs no function here: the host's is exact for `a >= 0` finite.

/// Adds, subtracts, multiplies and divides in one of the host's formats.
macro_rules! host_arithmetic {
    ($float:ty, $add:ident, $sub:ident, $mul:ident, $div:ident) => {
        /// `a + b`. A subnormal sum is exact, so only overflow and special operands are refused.
        #[inline(always)]
        pub fn $add(a: $float, b: $float) -> Option<$float> {
            let sum = a + b;
            sum.is_finite().then_some(sum)
        }

        /// `a - b`.
        #[inline(always)]
        pub fn $sub(a: $float, b: $float) -> Option<$float> {
            $add(a, -b)
        }

        /// `a * b`, unless the product is near underflow or not finite.
        #[inline(always)]
        pub fn $mul(a: $float, b: $float) -> Option<$float> {
            let product = a * b;
            // A product rounded to the smallest normal number may have been tiny.
            let safe = product.abs() > <$float>::MIN_POSITIVE && product.is_finite();
            (safe || (product == 0.0 && (a == 0.0 || b == 0.0))).then_some(product)
        }

        /// `a / b`, unless the quotient is near underflow or not finite.
        #[inline(always)]
        pub fn $div(a: $float, b: $float) -> Option<$float> {
            let quotient = a / b;
            let safe = quotient.abs() > <$float>::MIN_POSITIVE && quotient.is_finite();
            (safe || (a == 0.0 && quotient == 0.0)).then_some(quotient)
        }
    };
}

host_arithmetic!(f64, add64_fast, sub64_fast, mul64_fast, div64_fast);
host_arithmetic!(f32, add32_fast, sub32_fast, mul32_fast, div32_fast);

/// `a * b + c` with a single rounding, for operands with exponents within ±450 (or zero).
///
/// In that range no intermediate can overflow, and every one is a multiple of 2^-1004, so none
/// loses bits to underflow and a nonzero result is normal.
#[inline(always)]
pub fn fma64_fast(a: f64, b: f64, c: f64) -> Option<f64> {
    if !(is_middle(a) & is_middle(b) & is_middle(c)) {
        return fma64_with_zero(a, b, c);
    }
    let (product, product_error) = two_product(a, b);
    let (sum, sum_error) = two_sum(product, c);
    let tail = sum_error + product_error;
    // The true tail lies within half a unit in the last place of `tail`. If a whole unit less and
    // a whole unit more round the sum to the same number, so does the true tail (Ziv's test).
    let low = sum + tail * (1.0 - f64::EPSILON);
    let high = sum + tail * (1.0 + f64::EPSILON);
    if low == high {
        return Some(low);
    }
    Some(fma64_by_odd_rounding(product, product_error, c))
}

/// `product + product_error + c` rounded once, after Boldo and Melquiond, "Emulation of a FMA and
/// correctly rounded sums: proved algorithms using rounding to odd".
#[cold]
fn fma64_by_odd_rounding(product: f64, product_error: f64, c: f64) -> f64 {
    let (upper, lower) = two_sum(c, product_error);
    let (head, middle) = two_sum(product, upper);
    let (tail, error) = two_sum(middle, lower);
    head + to_odd(tail, error)
}

/// The fused multiply-add when an operand is zero: at most one rounding happens anyway.
#[inline]
fn fma64_with_zero(a: f64, b: f64, c: f64) -> Option<f64> {
    let safe = |x: f64| is_middle(x) | (x == 0.0);
    let some_zero = (a == 0.0) | (b == 0.0) | (c == 0.0);
    (some_zero & safe(a) & safe(b) & safe(c)).then_some(a * b + c)
}

/// `a * b + c` with a single rounding, unless the result is near underflow or overflow.
///
/// The product is exact in double precision; the sum is rounded to odd there, which has more than
/// the two extra bits needed to make the final rounding correct.
#[inline(always)]
pub fn fma32_fast(a: f32, b: f32, c: f32) -> Option<f32> {
    let (sum, error) = two_sum(f64::from(a) * f64::from(b), f64::from(c));
    let sum_odd = to_odd(sum, error);
    // Exponents -126 to 126: the result is normal and was not tiny before rounding.
    let exponent = (sum_odd.to_bits() >> 52) & 0x7ff;
    let safe = exponent.wrapping_sub(1023 - 126) <= 252;
    (safe | (sum == 0.0)).then_some(sum_odd as f32)
}

/// Whether the exponent of `x` lies within ±450.
#[inline(always)]
fn is_middle(x: f64) -> bool {
    ((x.to_bits() >> 52) & 0x7ff).wrapping_sub(1023 - 450) <= 900
}

/// The rounded sum and its exact error (Knuth).
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let a_part = sum - b_part;
    (sum, (a - a_part) + (b - b_part))
}

/// The rounded product and its exact error (Dekker).
#[inline(always)]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let (a_high, a_low) = split(a);
    let (b_high, b_low) = split(b);
    let error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low);
    (product, error)
}

/// Two numbers of at most 26 bits whose sum is `a` (Veltkamp).
#[inline(always)]
fn split(a: f64) -> (f64, f64) {
    const SPLITTER: f64 = 134_217_729.0; // 2^27 + 1
    let scaled = SPLITTER * a;
    let high = scaled - (scaled - a);
    (high, a - high)
}

/// `sum + error`, where `sum` is that rounded to nearest, rounded to odd instead: if inexact, the
/// neighbour whose last bit is set.
#[inline(always)]
fn to_odd(sum: f64, error: f64) -> f64 {
    let bits = sum.to_bits();
    let inexact_even = (error != 0.0) & (bits & 1 == 0);
    // Away from zero if the error has the sign of the sum, else towards zero.
    let toward_zero = (bits ^ error.to_bits()) >> 63;
    let step = 1u64.wrapping_sub(2 * toward_zero);
    f64::from_bits(if inexact_even { bits.wrapping_add(step) } else { bits })
}
