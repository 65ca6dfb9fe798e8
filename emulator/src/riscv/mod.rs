//! The RISC-V hart and its board. Of this crate only this folder and the boot in `machine.rs` know the
//! instruction set.

pub mod board;
mod code;
pub(crate) mod csr;
#[cfg(test)]
mod differential_tests;
pub mod hart;
pub mod interpreter;
pub mod isa;
mod mmu;
#[cfg(test)]
mod mmu_tests;
mod observe;
mod sbi;
mod slow;
mod spaces;
pub(crate) mod state;
#[cfg(test)]
mod test_machine;
pub mod translated;
mod trap;
pub mod vector;
