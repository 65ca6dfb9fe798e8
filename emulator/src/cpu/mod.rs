//! The RISC-V hart. Of this crate only this folder, the board (`layout.rs`, `fdt.rs`) and the boot in
//! `machine.rs` know the instruction set.

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
