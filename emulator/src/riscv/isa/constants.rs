//! The constants of `fli` (Zfa, "Load-immediate instructions").

use crate::softfloat::{F32, F64, Format};

/// The constants that both formats hold exactly; the others stand as 0.
#[rustfmt::skip]
const VALUES: [f32; 32] = [
    -1.0, 0.0, 1.0 / 65536.0, 1.0 / 32768.0, 1.0 / 256.0, 1.0 / 128.0, 0.0625, 0.125,
    0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875,
    1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0,
    8.0, 16.0, 128.0, 256.0, 32768.0, 65536.0, 0.0, 0.0,
];

/// The bits of a constant in double precision.
pub fn double(number: u8) -> u64 {
    special::<F64>(number).unwrap_or_else(|| f64::from(VALUES[number as usize & 31]).to_bits())
}

/// The bits of a constant in single precision.
pub fn single(number: u8) -> u32 {
    let plain = || u64::from(VALUES[number as usize & 31].to_bits());
    special::<F32>(number).unwrap_or_else(plain) as u32
}

/// The smallest normal number, infinity and NaN.
fn special<F: Format>(number: u8) -> Option<u64> {
    match number {
        1 => Some(1 << F::FRACTION_BITS),
        30 => Some(F::INFINITY),
        31 => Some(F::CANONICAL_NAN),
        _ => None,
    }
}

/// The constants as assembler writes them.
pub static TEXT: [&str; 32] = [
    "-1.0",
    "min",
    "1.52587890625e-05",
    "3.0517578125e-05",
    "0.00390625",
    "0.0078125",
    "0.0625",
    "0.125",
    "0.25",
    "0.3125",
    "0.375",
    "0.4375",
    "0.5",
    "0.625",
    "0.75",
    "0.875",
    "1.0",
    "1.25",
    "1.5",
    "1.75",
    "2.0",
    "2.5",
    "3.0",
    "4.0",
    "8.0",
    "16.0",
    "128.0",
    "256.0",
    "32768.0",
    "65536.0",
    "inf",
    "nan",
];
