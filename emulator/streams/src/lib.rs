//! Random streams of instructions, programs made of them, and where those run: in the emulator
//! without an operating system ([`bare`]), and under QEMU ([`qemu`]). For tests, which compare two
//! sides that run the same streams ([`check`]).
#![allow(missing_docs, clippy::missing_panics_doc)] // As in the tests that it is part of.

pub mod asm;
pub mod bare;
pub mod check;
pub mod compare;
#[path = "../../tests/encodings/compressed.rs"]
mod compressed;
pub mod generate;
#[path = "../../tests/encodings/list.rs"]
pub mod list;
#[allow(clippy::should_implement_trait)] // `Random::next` never ends.
#[path = "../../tests/softfloat/operands.rs"]
pub mod operands;
pub mod program;
pub mod qemu;
mod shrink;
pub mod stream;
pub mod units;
mod values;
mod vector;

use operands::Random;

/// The memory that all streams read.
pub fn input() -> Vec<u8> {
    values::input(&mut Random(0x5eed_da7a))
}
