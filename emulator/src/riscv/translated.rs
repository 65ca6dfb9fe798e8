//! Translated code: functions that do what a piece of guest code does, made beforehand.
//!
//! A *unit* is one such function. It is for code with a certain content, wherever that is mapped:
//! a page is known by the hash of its bytes. Decoding a page with such content puts
//! [`Code::Enter`](super::op::Code::Enter) into the slots where a unit can be entered; the hot loop
//! stops there and the hart calls the unit.
//!
//! ```text
//! hot loop --Enter--> unit --calls--> unit ...
//!          <--pc----       <--pc-----
//! ```
//!
//! A unit returns the address at which to go on, with all registers in [`Hot`]. It never does what
//! the slow path does, and never lets `left` reach zero: it returns before. So the pages it has
//! looked at when it was entered are still mapped, and still hold what they held. When a unit that it
//! has called comes back elsewhere, the [`Helper`] interprets in between; after what could change the
//! pages, all units that wait return.

use super::hart::{Hart, Mode};
use super::interpreter::op::{Code, FetchEntry, Op};
use super::interpreter::{Hot, Stop};
use super::trap::{Cause, Trap};
use super::vector::VectorState;
use crate::engine::access::Access;
use crate::engine::bus::Bus;
use crate::engine::code_index::{CodeIndex, Entry, Translated, key};
use crate::engine::pointer::Wide;
use crate::engine::tlb::{TlbEntry, fetch_index};
use crate::memory::{GuestMemory, PAGE_SHIFT, PAGE_SIZE};
use crate::softfloat::fast;
use alloc::boxed::Box;
use core::mem::{MaybeUninit, offset_of};

/// Where units find the fields of [`Hot`]: byte offsets, the same on every host.
pub mod place {
    #![allow(missing_docs)]
    use super::{FetchEntry, Hot, TlbEntry, VectorState, offset_of};

    pub const X: u64 = offset_of!(Hot, x) as u64;
    pub const F: u64 = offset_of!(Hot, f) as u64;
    pub const PC: u64 = offset_of!(Hot, pc) as u64;
    pub const LEFT: u64 = offset_of!(Hot, left) as u64;
    pub const TRAP: u64 = offset_of!(Hot, trap) as u64;
    pub const RESERVATION: u64 = offset_of!(Hot, reservation) as u64;
    pub const READ_TLB: u64 = offset_of!(Hot, read_tlb) as u64;
    pub const WRITE_TLB: u64 = offset_of!(Hot, write_tlb) as u64;
    pub const FETCH_ENTRIES: u64 = offset_of!(Hot, fetch_entries) as u64;
    pub const FP_READY: u64 = offset_of!(Hot, fp_ready) as u64;
    pub const FP_FAST: u64 = offset_of!(Hot, fp_fast) as u64;
    pub const MAY_ZERO: u64 = offset_of!(Hot, may_zero) as u64;
    pub const VECTOR_READY: u64 = offset_of!(Hot, vector_ready) as u64;

    const VECTOR: u64 = offset_of!(Hot, vector) as u64;
    /// Vector registers, 16 bytes each.
    pub const V: u64 = VECTOR + VectorState::REGISTERS;
    /// A [`Vtype`](super::super::vector::Vtype)'s code or 0, the vector length, `vstart`: a byte each.
    pub const VTYPE: u64 = VECTOR + offset_of!(VectorState, vtype) as u64;
    pub const VL: u64 = VECTOR + offset_of!(VectorState, vl) as u64;
    pub const VSTART: u64 = VECTOR + offset_of!(VectorState, vstart) as u64;

    /// log2 of a fetch entry's size.
    pub const FETCH_ENTRY_SHIFT: u32 = size_of::<FetchEntry>().trailing_zeros();
    /// A fetch entry's key.
    pub const KEY: u64 = offset_of!(FetchEntry, key) as u64;
    /// In a TLB entry.
    pub const TLB_PAGE: u64 = offset_of!(TlbEntry, page) as u64;
    pub const TLB_DISTANCE: u64 = offset_of!(TlbEntry, distance) as u64;
    pub use crate::engine::tlb::{FETCH_ENTRIES as FETCH_COUNT, PLACE_MASK, PLACE_SHIFT};

    const _: () = assert!(FETCH_ENTRIES == 584 && MAY_ZERO == 602 && VSTART == VTYPE + 2);
    const _: () = assert!(size_of::<FetchEntry>() == 32);
}

/// Calls that units may be deep in each other.
pub const MAX_DEPTH: u32 = 100;

/// Who can call units.
pub trait Units {
    /// Calls a unit whose first page is at virtual `base`; returns the address at which to go on. The
    /// unit works on the hart's state where [`Hart::set_translated`] has put it, `pc` included, and
    /// `helper` does what it cannot do itself.
    fn call(&mut self, entry: Entry, base: u64, helper: &mut Helper<'_, '_>) -> u64;
}

/// A mark in an address that a unit returns: all units that wait are to return it, too.
const UNWIND: u64 = 1;
/// For how many calls a resumed unit counts: the interpreter is in between.
const RESUMED_DEPTH: u32 = 4;
/// Bytes of an environment call; there is no compressed one.
const ECALL_LENGTH: u64 = 4;

/// What a hart does for units while they run.
pub struct Helper<'a, 'b> {
    hart: &'a mut Hart,
    bus: &'a mut Bus<'b>,
}

/// Calls a unit on behalf of a [`Helper`]: an entry, the address of the unit's first page, and calls
/// that it may be deep.
pub type Call<'c> = dyn FnMut(&mut Helper<'_, '_>, Entry, u64, u32) -> u64 + 'c;

impl<'b> Helper<'_, 'b> {
    /// Goes on for a unit that has called another one and expects control at `back`, when that one has
    /// come back with `pc` instead: interprets, and calls units, until control comes to `back`. Returns
    /// that, or another address if something happens that the waiting units must not survive, with a
    /// mark that has all of them return.
    pub fn resume(&mut self, pc: u64, back: u64, depth: u32, call: &mut Call<'_>) -> u64 {
        if pc & UNWIND != 0 {
            return pc;
        }
        self.hart.hot.pc = pc;
        self.go_on(self.hart.mode, back, depth, call)
    }

    /// Does the environment call at `pc` for a unit of U-mode, and goes on as [`Self::resume`] does
    /// until control comes behind it; returns `pc` if `depth` is used up.
    pub fn system_call(&mut self, pc: u64, depth: u32, call: &mut Call<'_>) -> u64 {
        if depth < RESUMED_DEPTH {
            return pc;
        }
        self.hart.hot.pc = pc;
        self.hart.raise(Trap::new(Cause::EcallFromUser, 0));
        self.hart.stopped = self.hart.hot.left <= 0;
        self.go_on(Mode::User, pc.wrapping_add(ECALL_LENGTH), depth, call)
    }

    /// Goes on until control comes to `back` in a mode.
    ///
    /// A trap of U-mode is one way there: the handler runs like a function that was called. Whoever
    /// it is that comes to `back` in the end, another thread maybe, its registers are in place.
    fn go_on(&mut self, mode: Mode, back: u64, depth: u32, call: &mut Call<'_>) -> u64 {
        let (before, depth) = (self.hart.disturbances, depth.checked_sub(RESUMED_DEPTH));
        let Some(depth) = depth else { return self.hart.hot.pc | UNWIND };
        loop {
            let hart = &*self.hart;
            let left_kernel = (mode, hart.mode) == (Mode::Supervisor, Mode::User);
            if hart.is_halted() || hart.disturbances != before || left_kernel {
                return hart.hot.pc | UNWIND;
            }
            if (hart.mode, hart.hot.pc) == (mode, back) {
                return back;
            }
            let from = hart.mode;
            let unwinds = !self.advance(depth, call);
            // What has waited in S-mode returns when that is left, and nobody else has to.
            if unwinds && from == self.hart.mode {
                return self.hart.hot.pc | UNWIND;
            }
        }
    }

    /// Enters the unit at the hart's `pc`, or interprets if there is none. Returns whether units that
    /// wait may go on as far as that one is concerned.
    fn advance(&mut self, depth: u32, call: &mut Call<'_>) -> bool {
        match self.hart.next_entry() {
            Some(entry) => {
                self.enter(entry, |helper, entry, base| call(helper, entry, base, depth))
            }
            None => {
                self.interpret();
                true
            }
        }
    }

    fn interpret(&mut self) {
        let left = self.hart.hot.left;
        let transferred = match self.hart.run_hot() {
            Stop::Limit => true,
            Stop::Enter => false,
            stop => self.hart.serve(stop, self.bus),
        };
        self.hart.counts.interpreted(left - self.hart.hot.left);
        self.hart.stopped = transferred && self.hart.hot.left <= 0;
    }

    /// Calls the unit that has its `entry` at `pc`. Returns whether it makes sense to go on there.
    #[inline]
    fn enter(
        &mut self,
        entry: Entry,
        mut call: impl FnMut(&mut Helper<'_, 'b>, Entry, u64) -> u64,
    ) -> bool {
        let (pc, left) = (self.hart.hot.pc, self.hart.hot.left);
        let base = base(pc, entry);
        let mut to = call(self, entry, base);
        let hart = &mut *self.hart;
        if (to, hart.hot.left) == (pc, left) && hart.map_unit(entry.unit, base, self.bus) {
            to = call(self, entry, base);
        }
        let hart = &mut *self.hart;
        hart.hot.pc = to & !UNWIND;
        hart.counts.entries += 1;
        if (to, hart.hot.left) == (pc, left) {
            // It is the interpreter's turn.
            hart.counts.refusals += 1;
            hart.hot.plain = true;
        }
        to & UNWIND == 0
    }

    /// Makes the TLB entry for an access to so many bytes, if that is to memory on one page and the
    /// guest cannot tell. Returns whether it did.
    pub fn map_data(&mut self, address: u64, size: u32, write: bool) -> bool {
        let last = address.wrapping_add(u64::from(size) - 1);
        if (address ^ last) >> PAGE_SHIFT != 0 || self.hart.masked(address) != address {
            return false;
        }
        let access = if write { Access::Write } else { Access::Read };
        let physical = self.hart.translate_quietly(address, access, self.bus);
        let Some(page) = physical.and_then(|physical| self.bus.memory.window_page(physical)) else {
            return false;
        };
        if write && self.bus.memory.has_code(page) {
            return false;
        }
        let privilege = self.hart.privilege();
        match write {
            true => self.hart.spaces.tlb.write(privilege).fill(address, page),
            false => self.hart.spaces.tlb.read(privilege).fill(address, page),
        }
        true
    }

    /// The entry into translated code at `pc`, for which the fetch translation is made if it is not
    /// there.
    pub fn entry(&mut self, pc: u64) -> Option<Entry> {
        let is_decoded = |op: Op| op.code != Code::Undecoded;
        if !self.hart.hot.op(pc).is_some_and(is_decoded) {
            self.hart.map_quietly(pc, self.bus)?;
        }
        self.hart.hot.entry(pc)
    }
}

impl Hot {
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

    /// The entry into translated code at `pc`, if there is one and `pc` is mapped and decoded.
    #[inline]
    pub fn entry(&self, pc: u64) -> Option<Entry> {
        let op = self.op(pc)?;
        match op.code {
            Code::Enter => self.entries.get(op.wide_imm() as usize).copied(),
            _ => None,
        }
    }
}

/// How `sstatus` changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum StatusChange {
    /// To the operand.
    Write = 0,
    /// Bits of the operand are set.
    Set = 1,
    /// Bits of the operand are cleared.
    Clear = 2,
}

/// What [`status`] returns when it can do nothing: no value of `sstatus`.
pub const UNCHANGED: u64 = u64::MAX;

/// Changes `sstatus` for a unit in S-mode, as [`StatusChange`] numbers it; returns what it read
/// before, or [`UNCHANGED`].
pub fn status(hot: &mut Hot, change: u32, operand: u64) -> u64 {
    let (old, reads) = (hot.csrs.sstatus, hot.csrs.read_sstatus());
    const WRITE: u32 = StatusChange::Write as u32;
    const SET: u32 = StatusChange::Set as u32;
    let new = match change {
        WRITE => operand,
        SET => old | operand,
        _ => old & !operand,
    };
    if hot.change_status(new) { reads } else { UNCHANGED }
}

/// `a * b + c` with one rounding for units, or NaN when it needs the slow path.
pub fn fma32(a: f32, b: f32, c: f32) -> f32 {
    fast::fma32_fast(a, b, c).unwrap_or(f32::NAN)
}

/// Address of the first page of a unit that is entered at `pc`.
pub fn base(pc: u64, entry: Entry) -> u64 {
    (pc & !(PAGE_SIZE as u64 - 1)).wrapping_sub(u64::from(entry.page) << PAGE_SHIFT)
}

impl Hart {
    /// Has the units of `translated` entered from now on, through `units`. They expect the hart's
    /// state at `place`.
    pub fn set_translated(
        &mut self,
        translated: &Translated,
        units: Box<dyn Units>,
        place: &'static mut MaybeUninit<Hot>,
        memory: &mut GuestMemory,
    ) {
        self.hot.move_to(place);
        self.flush_fetches();
        self.code.clear(memory);
        let (index, entries) = CodeIndex::new(translated);
        self.code.set_translated(index);
        self.hot.entries = entries.into_boxed_slice();
        self.units = Some(units);
    }

    /// Runs translated code from `pc` on, until there is none or it cannot go on.
    ///
    /// Returns whether that was at a place where the budget is looked at.
    // By itself: the loop around it has registers enough for one of them.
    #[inline(never)]
    pub(super) fn enter_translated(&mut self, bus: &mut Bus<'_>) -> bool {
        let Some(mut units) = self.units.take() else { return false };
        let left = self.hot.left;
        let mut helper = Helper { hart: self, bus };
        // Mostly there is another entry where one has led to.
        while let Some(entry) = helper.hart.next_entry() {
            helper.enter(entry, |helper, entry, base| units.call(entry, base, helper));
        }
        self.units = Some(units);
        self.counts.translated(left - self.hot.left);
        core::mem::take(&mut self.stopped)
    }

    /// The entry that the hot loop would come back with at once, if it ran now.
    fn next_entry(&self) -> Option<Entry> {
        let runs = !self.is_halted() && !self.hot.plain;
        self.hot.entry(self.hot.pc).filter(|_| runs)
    }

    /// Whether the loop outside is to look first.
    fn is_halted(&self) -> bool {
        self.stopped || self.attention
    }

    /// Makes the fetch translations that a unit looks for. Returns whether one of them was missing,
    /// and now all are there. The guest cannot tell.
    // Rare, and large.
    #[inline(never)]
    fn map_unit(&mut self, unit: u32, base: u64, bus: &mut Bus<'_>) -> bool {
        let mut missing = false;
        for place in 0.. {
            let Some((distance, content)) = self.code.unit_page(unit, place) else { break };
            let address = base.wrapping_add(u64::from(distance) << PAGE_SHIFT);
            let wanted = key(address | self.hot.fetch_tag, content);
            if self.hot.fetch[fetch_index(address)].key == wanted {
                continue;
            }
            missing = true;
            if self.map_quietly(address, bus).is_none_or(|entry| entry.key != wanted) {
                return false;
            }
        }
        missing
    }

    /// Makes the fetch translation of an address, and looks what its page holds, if the guest cannot
    /// tell.
    fn map_quietly(&mut self, address: u64, bus: &mut Bus<'_>) -> Option<FetchEntry> {
        let physical = self.translate_quietly(address, Access::Fetch, bus)?;
        let window_page = bus.memory.window_page(physical)?;
        self.code.slots(window_page, bus.memory)?;
        self.watch_code(window_page, bus);
        // Slots may have moved.
        let ops = self.code.slots(window_page, bus.memory)?;
        Some(self.fill_fetch(address, window_page, ops, bus.memory))
    }

    /// Fills in the fetch translation of an address.
    pub(super) fn fill_fetch(
        &mut self,
        address: u64,
        window_page: u32,
        ops: *const Op,
        memory: &GuestMemory,
    ) -> FetchEntry {
        let tag = address & !(PAGE_SIZE as u64 - 1) | self.hot.fetch_tag;
        let key = key(tag, self.code.content(window_page, memory));
        let entry = FetchEntry { tag, key, ops: Wide(ops), window_page };
        self.hot.fetch[fetch_index(address)] = entry;
        entry
    }

    /// Sees to it that writes to a page are noticed, and looks what it holds.
    pub(super) fn watch_code(&mut self, window_page: u32, bus: &mut Bus<'_>) {
        if bus.memory.has_code(window_page) {
            return;
        }
        bus.memory.mark_code(window_page);
        self.protect(window_page);
        let (content, moved) = self.code.recognise(window_page, bus.memory);
        if moved {
            self.flush_fetches();
        }
        let slot = fetch_index(self.hot.pc);
        let entry = &mut self.hot.fetch[slot];
        if entry.window_page == window_page {
            entry.key = key(entry.tag, content);
        }
    }
}
