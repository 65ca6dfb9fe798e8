//! What executes guest code and knows no instruction set. [`arch::Arch`] is what an instruction set
//! brings.
//!
//! ```text
//! run.rs         the run loop: interrupts, timer, budget, slow path
//! fetch.rs       instruction fetch, and the states of pages with code
//! mmu.rs         a TLB miss: translation, loads and stores of the slow path
//! tlb.rs         what the interpreter loop and translated code probe
//! translated.rs  entering translated code, and what the CPU does for it (the call itself is the
//!                embedder's: runtime/src/regions.rs in a module)
//! ```
//!
//! Of the nested loops, run.rs is the third: session's run loop calls a session, that a machine, that
//! [`cpu::Cpu::run`], and that the interpreter loop ([`arch::Arch::interpret`]).

pub(crate) mod access;
pub(crate) mod address_spaces;
pub mod arch;
pub(crate) mod bus;
pub(crate) mod clock;
pub(crate) mod code_cache;
pub mod code_index;
pub mod cpu;
mod fetch;
mod mmu;
pub mod observe;
pub(crate) mod pointer;
mod run;
pub(crate) mod state_box;
pub(crate) mod tlb;
pub mod translated;
pub mod vcpu;
