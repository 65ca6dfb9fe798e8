//! Makes streams of instructions and programs of streams, runs them under QEMU and compares.

pub mod asm;
pub mod compare;
#[path = "../../encodings/compressed.rs"]
mod compressed;
pub mod generate;
#[path = "../../encodings/list.rs"]
mod list;
#[path = "../../softfloat/operands.rs"]
mod operands;
pub mod program;
pub mod qemu;
pub mod stream;
mod values;
mod vector;

use operands::Random;

/// The memory that all streams read.
pub fn input() -> Vec<u8> {
    values::input(&mut Random(0x5eed_da7a))
}
