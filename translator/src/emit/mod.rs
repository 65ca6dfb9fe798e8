//! Writes the functions of regions.
//!
//! Nothing in here knows an instruction set but by [`Guest`] and [`Emit`].

mod builder;
mod facts;
pub mod memory;
mod region;
mod registers;
mod transfer;

pub use builder::{BASE, Builder, at};
pub use facts::Checks;
pub use region::function;

use crate::guest::Guest;
use wasm_encoder::ValType;

/// An instruction set whose instructions can be written.
///
/// When one of these is called, [`Builder::offset`] and [`Builder::done`] are still those before the
/// instruction, so that [`Builder::leave_if`] exits at it and the interpreter executes it. The
/// registers that it reads are in locals.
pub trait Emit: Guest {
    /// Checks of the CPU's state that need not be made again.
    type Checks: Checks;

    /// Where the function finds the CPU's state.
    const STATE: StateLayout;

    /// The type of a register's local, and where the register is in the CPU's state, in bytes.
    fn register(number: u8) -> (ValType, u64);

    /// Writes an instruction that does not transfer control; `following` are those behind it that
    /// may share its TLB probe. Returns `false`, and has written nothing, if it is not translated.
    fn emit(insn: &Self::Insn, following: &[Self::Insn], body: &mut Builder<Self>) -> bool;

    /// Pushes whether a branch is taken, an `i32`.
    fn condition(insn: &Self::Insn, body: &mut Builder<Self>);

    /// Pushes the address that an indirect jump, call or return leads to, an `i64`.
    fn target(insn: &Self::Insn, body: &mut Builder<Self>);

    /// Writes a jump's or call's return address: `end` is its offset from the region's first page.
    fn link(insn: &Self::Insn, end: u32, body: &mut Builder<Self>);

    /// Leaves unless an assumption holds.
    fn check_assumption(assumption: Self::Assumption, body: &mut Builder<Self>);
}

/// Where in the CPU's state, and in the tables that it points to, something is. Offsets in bytes.
#[derive(Clone, Copy, Debug)]
pub struct StateLayout {
    /// The program counter, an `i64`.
    pub pc: u64,
    /// Instructions until the CPU has to be asked, an `i64`.
    pub budget: u64,
    /// The address of the table of fetch entries, an `i32`.
    pub fetch_entries: u64,
    /// The address of the TLB for loads, an `i32`.
    pub read_tlb: u64,
    /// The address of the TLB for stores, an `i32`.
    pub write_tlb: u64,
    /// Entries of the fetch table.
    pub fetch_count: usize,
    /// log2 of the bytes of a fetch entry.
    pub fetch_entry_shift: u32,
    /// In a fetch entry, what the page and its content are known by.
    pub code_tag: u64,
    /// By how much an address is shifted right for the offset of its TLB entry.
    pub tlb_shift: u32,
    /// The bits of that which count.
    pub tlb_mask: usize,
    /// In a TLB entry, the address of the page.
    pub tlb_page: u64,
    /// In a TLB entry, what is added to a guest's address for the host's.
    pub tlb_distance: u64,
}
