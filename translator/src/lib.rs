//! Hot guest code becomes functions of the module.
//!
//! ```text
//! profile, pages of code -> units -> loops and regions -> one WebAssembly function each
//! ```
//!
//! What is translated does what the interpreter does, bit for bit; what is not translated, or comes
//! to something unusual, goes back to the interpreter with every register in its place.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod analysis;
mod body;
mod emit;
mod facts;
mod float;
mod fused;
mod integer;
mod memory;
mod outline;
pub mod profile;
mod regions;
pub mod select;
mod strip;
mod system;
mod trace;
pub mod unit;
mod vector;

use alloc::vec::Vec;

/// Indices in the module that the functions become part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linkage {
    /// Address of the hart's state in memory.
    pub hot: u32,
    /// Function index of unit 0; the others follow.
    pub first_unit: u32,
    /// Function `c2w_invoke(pc: i64, depth: i32) -> i64`: enters the unit that starts at
    /// `pc`, or returns `pc`.
    pub invoke: u32,
    /// Function `c2w_status(change: i32, operand: i64) -> i64`: changes `sstatus` and gives
    /// the old value, or -1 if it cannot.
    pub status: u32,
    /// Function `c2w_resume(pc: i64, back: i64, depth: i32) -> i64`: goes on at `pc` until control
    /// comes to `back`. Returns that, or another address, which the caller is to return.
    pub resume: u32,
    /// Function `c2w_system_call(pc: i64, depth: i32) -> i64`: does the environment call at `pc`, with
    /// what follows in the kernel. Returns the address behind it, or another one, which the caller is
    /// to return.
    pub system_call: u32,
    /// Function `c2w_map(address: i64, size: i32, write: i32) -> i32`: makes the TLB entry for an
    /// access to so many bytes; 0 if it cannot.
    pub map: u32,
    /// Function `c2w_fma32(a: f32, b: f32, c: f32) -> f32`: `a * b + c`, or NaN.
    pub fma32: u32,
}

/// Translated code, ready to be put into a module.
#[derive(Clone, Debug, Default)]
pub struct Translation {
    /// The functions, as they stand in a code section, without their size: locals, code, `end`.
    /// Each has the type `(base: i64, entry: i32, depth: i32) -> i64`. Function `i` is
    /// [`Linkage::first_unit`]` + i`, and the runtime calls it through its table.
    pub functions: Vec<Vec<u8>>,
    /// Where they can be entered, in the form that the runtime reads.
    pub index: Vec<u8>,
}

/// Translates units; `index` says where they can be entered.
pub fn translate(selection: &select::Selection, linkage: &Linkage) -> Translation {
    Translation {
        functions: selection.units.iter().map(|unit| emit::function(unit, linkage)).collect(),
        index: selection.index.encode(),
    }
}
