//! The soft-float routines and the fast host routines against the host's own arithmetic, and the
//! operations of Zfa, which have no counterpart there, against their definition.

#[path = "softfloat/operands.rs"]
mod operands;

use c2w_emulator::softfloat::{self as sf, F32, F64, Format, NV, NX, RoundingMode, fast};
use operands::{Random, integer, triple};

const ROUNDS: usize = 2_000_000;
const NEAREST: RoundingMode = RoundingMode::NearestEven;

/// Compares one result with the host's, and what the fast routine gives with both.
fn check<F: Format>(what: &str, ours: u64, flags: u8, host: u64, fast: Option<u64>, x: [u64; 3]) {
    let expected = if F::is_nan(host) { F::CANONICAL_NAN } else { host };
    assert_eq!(ours, expected, "{what} of {x:x?}: {ours:#x}, the host says {host:#x}");
    if let Some(fast) = fast {
        assert_eq!(fast, ours, "fast {what} of {x:x?}");
        assert_eq!(flags & !NX, 0, "fast {what} of {x:x?} hides a flag");
    }
}

macro_rules! host_test {
    ($name:ident, $format:ty, $float:ty, $add:ident, $sub:ident, $mul:ident, $div:ident,
     $fma:ident) => {
        #[test]
        fn $name() {
            let float = |bits: u64| <$float>::from_bits(bits as _);
            let bits = |value: $float| u64::from(value.to_bits());
            let mut random = Random(0x5eed_f10a_7000_0002);
            for _ in 0..ROUNDS {
                let x = triple::<$format>(&mut random);
                let (a, b, c) = (float(x[0]), float(x[1]), float(x[2]));
                let binary: [(_, fn(u64, u64, RoundingMode, &mut u8) -> u64, _, _); 4] = [
                    ("sum", sf::add::<$format>, a + b, fast::$add(a, b)),
                    ("difference", sf::sub::<$format>, a - b, fast::$sub(a, b)),
                    ("product", sf::mul::<$format>, a * b, fast::$mul(a, b)),
                    ("quotient", sf::div::<$format>, a / b, fast::$div(a, b)),
                ];
                for (what, operation, host, fast) in binary {
                    let mut flags = 0;
                    let ours = operation(x[0], x[1], NEAREST, &mut flags);
                    check::<$format>(what, ours, flags, bits(host), fast.map(bits), x);
                }
                let mut flags = 0;
                let ours = sf::mul_add::<$format>(x[0], x[1], x[2], NEAREST, &mut flags);
                let fast = fast::$fma(a, b, c).map(bits);
                check::<$format>("fma", ours, flags, bits(a.mul_add(b, c)), fast, x);
                let ours = sf::sqrt::<$format>(x[0], NEAREST, &mut flags);
                check::<$format>("root", ours, flags, bits(a.sqrt()), None, x);
            }
        }
    };
}

host_test!(
    single_matches_host,
    F32,
    f32,
    add32_fast,
    sub32_fast,
    mul32_fast,
    div32_fast,
    fma32_fast
);
host_test!(
    double_matches_host,
    F64,
    f64,
    add64_fast,
    sub64_fast,
    mul64_fast,
    div64_fast,
    fma64_fast
);

#[test]
fn fast_routines_take_everyday_numbers() {
    assert_eq!(fast::fma64_fast(1.5, 2.0, -3.0), Some(0.0));
    assert_eq!(fast::fma64_fast(0.0, 2.0, 0.0), Some(0.0));
    assert_eq!(fast::fma64_fast(0.1, 10.0, -1.0), Some(f64::EPSILON / 4.0));
    assert_eq!(fast::fma64_fast(1e200, 1e200, 1.0), None);
    assert_eq!(fast::fma64_fast(f64::NAN, 1.0, 1.0), None);
    assert_eq!(fast::fma32_fast(1.5, 2.0, -3.0), Some(0.0));
    assert_eq!(fast::fma32_fast(1e30, 1e30, 1.0), None);
    assert_eq!(fast::mul64_fast(0.0, -2.0).map(f64::to_bits), Some((-0.0f64).to_bits()));
    assert_eq!(fast::mul64_fast(1e-200, 1e-200), None);
    assert_eq!(fast::div64_fast(1.0, 0.0), None);
    assert_eq!(fast::add32_fast(f32::MAX, f32::MAX), None);
}

#[test]
fn double_fma_decides_near_ties() {
    let mut random = Random(0x5eed_f10a_7000_0004);
    let mut sum_of_errors = 0.0;
    for _ in 0..ROUNDS / 10 {
        // The product differs from half a unit in the last place of `c` by less than its own
        // rounding error can show.
        let a = f64::from_bits(1f64.to_bits() | (random.next() >> 12));
        let b = [1.0, -1.0][random.below(2) as usize] / a;
        let c = [1.0, -1.0][random.below(2) as usize] * ((1 << 53) + 2 * random.below(8)) as f64;
        assert_eq!(fast::fma64_fast(a, b, c), Some(a.mul_add(b, c)), "fma of {a:e} {b:e} {c:e}");
        sum_of_errors += (a * b + c - a.mul_add(b, c)).abs();
    }
    assert!(sum_of_errors > 0.0, "no operands need a fused operation");
}

#[test]
fn integer_conversions_match_host() {
    let mut random = Random(0x5eed_f10a_7000_0005);
    for _ in 0..ROUNDS / 10 {
        let (bits, mut flags) = (integer(&mut random), 0);
        let (signed, short) = (bits as i64, bits as i32);
        assert_eq!(sf::from_u64::<F64>(bits, NEAREST, &mut flags), (bits as f64).to_bits());
        assert_eq!(sf::from_i64::<F64>(signed, NEAREST, &mut flags), (signed as f64).to_bits());
        let single = sf::from_i32::<F32>(short, NEAREST, &mut flags);
        assert_eq!(single, u64::from((short as f32).to_bits()));

        let [x, ..] = triple::<F64>(&mut random);
        let value = f64::from_bits(x);
        if !value.is_nan() {
            let truncate = RoundingMode::TowardZero;
            assert_eq!(sf::to_i32::<F64>(x, truncate, &mut flags), value as i32, "{x:#x}");
            assert_eq!(sf::to_u32::<F64>(x, truncate, &mut flags), value as u32, "{x:#x}");
            assert_eq!(sf::to_i64::<F64>(x, truncate, &mut flags), value as i64, "{x:#x}");
            assert_eq!(sf::to_u64::<F64>(x, truncate, &mut flags), value as u64, "{x:#x}");
            let single = sf::convert::<F64, F32>(x, NEAREST, &mut flags);
            assert_eq!(single, u64::from((value as f32).to_bits()), "{x:#x}");
        }
    }
}

#[test]
fn rounding_to_integral_matches_host() {
    let directed = [
        (RoundingMode::NearestEven, f64::round_ties_even as fn(f64) -> f64),
        (RoundingMode::TowardZero, f64::trunc),
        (RoundingMode::Down, f64::floor),
        (RoundingMode::Up, f64::ceil),
        (RoundingMode::NearestMaxMagnitude, f64::round),
    ];
    let mut random = Random(0x5eed_f10a_7000_0003);
    for _ in 0..ROUNDS / 10 {
        let [x, ..] = triple::<F64>(&mut random);
        let value = f64::from_bits(x);
        for (mode, host) in directed {
            let (mut flags, mut inexact_flags) = (0, 0);
            let ours = sf::round_to_integral::<F64>(x, mode, &mut flags);
            let same = sf::round_to_integral_inexact::<F64>(x, mode, &mut inexact_flags);
            check::<F64>("integral value", ours, 0, host(value).to_bits(), None, [x, 0, 0]);
            let invalid = if F64::is_signaling(x) { NV } else { 0 };
            let inexact = if !value.is_nan() && host(value) != value { NX } else { 0 };
            assert_eq!((same, flags, inexact_flags), (ours, invalid, invalid | inexact), "{x:#x}");
        }
    }
}

#[test]
fn modular_conversion_keeps_the_low_bits() {
    let convert = |value: f64| {
        let mut flags = 0;
        (sf::to_i32_modular::<F64>(value.to_bits(), &mut flags), flags)
    };
    assert_eq!(convert(-7.5), (-7, NX));
    assert_eq!(convert(4_294_967_301.0), (5, NV));
    assert_eq!(convert(-4_294_967_301.5), (-5, NV));
    assert_eq!(convert(2_147_483_648.0), (i32::MIN, NV));
    assert_eq!(convert(f64::from_bits(((1023 + 83) << 52) | (1 << 51) | 1)), (i32::MIN, NV));
    assert_eq!(convert(1e300), (0, NV));
    assert_eq!(convert(f64::INFINITY), (0, NV));
    assert_eq!(convert(f64::NAN), (0, NV));
    assert_eq!(convert(-0.0), (0, 0));
}

#[test]
fn nan_operands_of_zfa_operations() {
    let (one, quiet, signaling) = (1f64.to_bits(), F64::CANONICAL_NAN, F64::INFINITY + 1);
    for (other, expected) in [(quiet, 0), (signaling, NV)] {
        let mut flags = 0;
        assert_eq!(sf::min_nan::<F64>(one, other, &mut flags), F64::CANONICAL_NAN);
        assert_eq!(sf::max_nan::<F64>(other, one, &mut flags), F64::CANONICAL_NAN);
        assert!(!sf::lt_quiet::<F64>(one, other, &mut flags));
        assert!(!sf::le_quiet::<F64>(other, one, &mut flags));
        assert_eq!(flags, expected);
    }
    let (minus_zero, zero, mut flags) = (F64::SIGN, 0, 0);
    assert_eq!(sf::min_nan::<F64>(zero, minus_zero, &mut flags), minus_zero);
    assert_eq!(sf::max_nan::<F64>(minus_zero, zero, &mut flags), zero);
    assert!(sf::le_quiet::<F64>(zero, minus_zero, &mut flags));
    assert!(!sf::lt_quiet::<F64>(minus_zero, zero, &mut flags));
    assert_eq!(flags, 0);
}

#[test]
fn registers_are_nan_boxed() {
    let one = u64::from(1f32.to_bits());
    assert_eq!(F32::nan_box(one), 0xffff_ffff_0000_0000 | one);
    assert_eq!(F32::unbox(F32::nan_box(one)), one);
    assert_eq!(F32::unbox(one), F32::CANONICAL_NAN);
    assert_eq!(F64::unbox(F64::nan_box(one)), one);
}
