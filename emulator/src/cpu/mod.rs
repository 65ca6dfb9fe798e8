//! The RISC-V hart. Nothing outside this folder knows the instruction set.

mod code;
pub mod compressed;
pub(crate) mod csr;
mod decoded;
#[cfg(test)]
mod differential;
mod exec;
pub mod fusion;
mod group;
pub mod hart;
pub mod hot;
pub mod isa;
mod mmu;
#[cfg(test)]
mod mmu_tests;
mod observe;
mod op;
mod sbi;
mod spaces;
#[cfg(test)]
mod test_world;
pub mod translated;
mod trap;
pub mod vector;
