//! What the hot loop and translated code work on.

use crate::engine::code_index::Entry;
use crate::engine::pointer::Wide;
use crate::engine::tlb::TlbEntry;
use crate::riscv::csr::{Csrs, status};
use crate::riscv::interpreter::op::FetchEntry;
use crate::riscv::vector::VectorState;
use crate::softfloat::NX;
use alloc::boxed::Box;

/// The part of a hart that the loop works on. Translated code reads and writes the fields up to
/// `vector` at the places that [`crate::riscv::translated::place`] names.
#[repr(C)]
pub struct Hot {
    /// Integer registers; `x[0]` is always zero.
    pub x: [u64; 32],
    /// Floating-point registers, NaN-boxed.
    pub f: [u64; 32],
    /// The next instruction's address.
    pub pc: u64,
    /// Instructions until the loop stops.
    pub left: i64,
    /// [`crate::riscv::csr::trap_register`]s, which only S-mode may touch.
    pub trap: [u64; 4],
    /// Window offset + 1 that `lr` reserved; 0 for none.
    pub reservation: u64,
    /// Translations for loads at the current privilege.
    pub read_tlb: Wide<TlbEntry>,
    /// Translations for stores at the current privilege.
    pub write_tlb: Wide<TlbEntry>,
    /// Fetch translations: those of `fetch`.
    pub fetch_entries: Wide<FetchEntry>,
    /// Low bits of a matching fetch tag: the privilege mode.
    pub fetch_tag: u64,
    /// `sstatus.FS` is Dirty and `frm` valid: floating-point registers may be used without
    /// further notice.
    pub fp_ready: bool,
    /// Also `frm` is round-to-nearest-even and the inexact flag is set, so that operations
    /// which are normal and at most inexact change no flag.
    pub fp_fast: bool,
    /// `cbo.zero` is allowed in the current mode.
    pub may_zero: bool,
    /// `sstatus.VS` is Dirty: vector registers may be used without further notice.
    pub vector_ready: bool,
    /// The next run of the loop executes the page it begins in without entering translated code.
    pub plain: bool,
    /// The vector unit.
    pub vector: VectorState,
    /// What read and write TLB become in S-mode when `sstatus.SUM` changes.
    pub other_sum: [Wide<TlbEntry>; 2],
    /// Fetch translations, as many as the engine has.
    pub fetch: Box<[FetchEntry]>,
    /// Entries into translated code, by the numbers in their slots.
    pub entries: Box<[Entry]>,
    /// Host address of the memory window.
    pub window: usize,
    /// The other CSRs.
    pub csrs: Csrs,
    /// Pending interrupts when they were last looked at; what changes them asks for attention.
    pub pending: u64,
}

impl Hot {
    /// Sets `sstatus` to `new`, as S-mode wants it, when that lets no interrupt in and changes no
    /// rare field; else returns `false` and changes nothing. Access to user pages swaps the TLBs.
    #[inline(always)]
    pub fn change_status(&mut self, new: u64) -> bool {
        let old = self.csrs.sstatus;
        let new = new & status::WRITABLE;
        let interrupts = new & status::SIE != 0 && self.pending & self.csrs.sie != 0;
        if interrupts || (old ^ new) & !status::QUICK != 0 {
            return false;
        }
        self.csrs.sstatus = new;
        self.sync_ready();
        if (old ^ new) & status::SUM != 0 {
            let old = [self.read_tlb, self.write_tlb];
            [self.read_tlb, self.write_tlb] = core::mem::replace(&mut self.other_sum, old);
        }
        true
    }

    /// Marks the vector unit's state dirty.
    pub fn mark_vector_dirty(&mut self) {
        self.csrs.sstatus |= status::VS;
        self.vector_ready = true;
    }

    /// Brings what the loop knows of the floating-point and the vector unit in line with the CSRs.
    #[inline(always)]
    pub fn sync_ready(&mut self) {
        let csrs = &self.csrs;
        self.vector_ready = csrs.sstatus & status::VS == status::VS;
        // A reserved rounding mode makes even exact conversions illegal.
        self.fp_ready = csrs.sstatus & status::FS == status::FS && csrs.frm <= 4;
        self.fp_fast = self.fp_ready && csrs.frm == 0 && csrs.fflags & NX != 0;
    }
}
