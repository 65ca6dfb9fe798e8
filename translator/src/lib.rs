//! Hot guest code becomes functions of the module.
//!
//! ```text
//! profile, pages of code --plan--> regions --emit--> one WebAssembly function each
//!                            \                /
//!                             guest: an instruction set
//! ```
//!
//! What is translated does what the interpreter does, bit for bit; what is not translated, or comes
//! to something unusual, goes back to the interpreter with every register in its place.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod emit;
pub mod guest;
pub mod plan;
mod riscv;

pub use riscv::Riscv;

use alloc::vec::Vec;
use c2w_module_abi::Helpers;
use emit::Emit;
use plan::select::Selection;

/// Indices in the module that the functions become part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linkage {
    /// Address of the CPU's state in memory.
    pub state: u32,
    /// Function index of region 0; the others follow.
    pub first_region: u32,
    /// Function indices of the helpers.
    pub helpers: Helpers<u32>,
}

/// Translated code, ready to be put into a module.
#[derive(Clone, Debug, Default)]
pub struct Translation {
    /// The functions, as they stand in a code section, without their size: locals, code, `end`.
    /// Each has the type [`c2w_module_abi::REGION`]. Function `i` is
    /// [`Linkage::first_region`]` + i`, and the runtime calls it through its table.
    pub functions: Vec<Vec<u8>>,
    /// Where they can be entered, in the form that the runtime reads.
    pub index: Vec<u8>,
}

/// Translates the regions of a selection.
pub fn translate<G: Emit>(selection: &Selection<G>, linkage: &Linkage) -> Translation {
    Translation {
        functions: selection.regions.iter().map(|region| emit::function(region, linkage)).collect(),
        index: selection.index.encode(),
    }
}
