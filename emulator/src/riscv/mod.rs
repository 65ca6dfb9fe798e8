//! The RISC-V instruction set and its board. Of this crate only this folder knows them.
//!
//! ```text
//! isa/          the table of instructions, decoding, disassembly
//! interpreter/  what most instructions run in
//! slow/         every instruction, written for clarity: the reference
//! hart.rs       what the engine asks of an instruction set
//! board/        devices, addresses, device tree, boot protocol
//! ```

pub mod board;
pub(crate) mod csr;
#[cfg(test)]
mod differential_tests;
pub mod hart;
pub mod interpreter;
pub mod isa;
pub mod linkage;
mod mmu;
#[cfg(test)]
mod mmu_tests;
mod sbi;
mod slow;
pub mod state;
#[cfg(test)]
mod test_machine;
mod trap;
pub mod vector;
