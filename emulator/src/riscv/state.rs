//! What the interpreter loop and translated code work on.

use crate::engine::arch::{CpuState, LoopExit};
use crate::engine::code_index::Entry;
use crate::engine::pointer::Wide;
use crate::engine::tlb::{TlbEntry, fetch_index};
use crate::memory::PAGE_SIZE;
use crate::riscv::csr::{Csrs, status};
use crate::riscv::interpreter::op::{Code, FetchEntry, Op};
use crate::riscv::vector::VectorState;
use crate::softfloat::NX;
use alloc::boxed::Box;

/// The part of a hart that the interpreter loop works on. Translated code reads and writes the
/// fields up to `vector` at the offsets that [`super::linkage::state_offsets`] names.
#[repr(C)]
pub struct HartState {
    /// Integer registers; `x[0]` is always zero.
    pub x: [u64; 32],
    /// Floating-point registers, NaN-boxed.
    pub f: [u64; 32],
    /// The next instruction's address.
    pub pc: u64,
    /// Instructions until the loop stops.
    pub budget: i64,
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
    /// Free: the offsets behind it are what they were, so that translated functions can be
    /// compared.
    pub(super) unused: u8,
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
    /// Pending interrupts when they were last polled; what changes them makes an exit request.
    pub pending: u64,
}

impl HartState {
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

impl HartState {
    /// The slot of `pc`, if the fetch translation is there.
    #[inline]
    pub fn op(&self, pc: u64) -> Option<Op> {
        let entry = &self.fetch[fetch_index(pc)];
        if entry.tag != pc & !(PAGE_SIZE as u64 - 1) | self.fetch_tag {
            return None;
        }
        // SAFETY: fetch entries point to the slots of a live code page, one for each halfword; an
        // empty one has matched no address.
        Some(unsafe { *entry.ops.0.add((pc as usize & (PAGE_SIZE - 1)) / 2) })
    }
}

impl CpuState for HartState {
    type Op = Op;

    #[inline]
    fn pc(&self) -> u64 {
        self.pc
    }

    #[inline]
    fn set_pc(&mut self, pc: u64) {
        self.pc = pc;
    }

    #[inline]
    fn budget(&self) -> i64 {
        self.budget
    }

    #[inline]
    fn set_budget(&mut self, budget: i64) {
        self.budget = budget;
    }

    #[inline]
    fn fetch_tag(&self) -> u64 {
        self.fetch_tag
    }

    #[inline]
    fn fetch(&self) -> &[FetchEntry] {
        &self.fetch
    }

    #[inline]
    fn fetch_mut(&mut self) -> &mut Box<[FetchEntry]> {
        &mut self.fetch
    }

    fn set_entries(&mut self, entries: Box<[Entry]>) {
        self.entries = entries;
    }

    #[inline]
    fn exit_at(&self, pc: u64) -> Option<LoopExit> {
        let Some(op) = self.op(pc) else { return Some(LoopExit::Fetch) };
        match op.code {
            Code::Undecoded => Some(LoopExit::Decode),
            Code::Slow => Some(LoopExit::Slow),
            Code::Enter => Some(LoopExit::Enter),
            _ => None,
        }
    }

    #[inline]
    fn entry(&self, pc: u64) -> Option<Entry> {
        let op = self.op(pc)?;
        match op.code {
            Code::Enter => self.entries.get(op.wide_imm() as usize).copied(),
            _ => None,
        }
    }
}
