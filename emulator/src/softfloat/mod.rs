//! IEEE 754 arithmetic with the results and flags of the RISC-V F, D and Zfa extensions.
//!
//! WebAssembly has neither rounding modes, exception flags nor a fused multiply-add, and leaves
//! the payload of a NaN open. Here every operation works on raw bits with integers only, so the
//! native emulator and the one in a module agree to the last bit. [`fast`] holds the cases where
//! the host's own arithmetic provably gives the same answer.
//!
//! Values travel in the low bits of a `u64`; bits above the format's width are ignored on the way
//! in and zero on the way out ([`Format::unbox`] and [`Format::nan_box`] serve the register file).
//! Accrued exceptions are or-ed into a flag byte in the bit order of `fcsr` (the [`NX`] ... [`NV`]
//! constants). Tininess is detected after rounding, and every NaN result is the canonical one.

mod add;
mod compare;
mod convert;
pub mod fast;
mod format;
mod fused;
mod integer;
mod multiply;
mod round;

pub use add::{add, sub};
pub use compare::{class, eq, le, le_quiet, lt, lt_quiet, max, max_nan, min, min_nan};
pub use convert::{convert, convert_to_odd, from_i32, from_i64, from_u32, from_u64};
pub use format::{F16, F32, F64, Format};
pub use fused::mul_add;
pub use integer::{
    round_to_integral, round_to_integral_inexact, to_i32, to_i32_modular, to_i64, to_u32, to_u64,
};
pub use multiply::{div, mul, sqrt};
pub use round::RoundingMode;

/// Inexact: the result was rounded.
pub const NX: u8 = 1;
/// Underflow: the result is inexact and tiny after rounding.
pub const UF: u8 = 2;
/// Overflow: the rounded result is beyond the largest finite number.
pub const OF: u8 = 4;
/// Division of a finite number by zero.
pub const DZ: u8 = 8;
/// Invalid operation, such as a signalling NaN operand or infinity minus infinity.
pub const NV: u8 = 16;
