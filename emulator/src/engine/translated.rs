//! Translated code: functions that do what a piece of guest code does, made beforehand.
//!
//! A *region* is one such function. It is for code with certain bytes, wherever they are mapped: a
//! page is known by its hash. Decoding such a page puts operations that come back with
//! [`LoopExit::Enter`] where a region can be entered; the interpreter loop stops there and the CPU
//! calls the region.
//!
//! ```text
//! interpreter loop --Enter--> region --calls--> region ...
//!                  <--pc-----        <--pc------
//! ```
//!
//! A region returns the address at which to go on, with all registers in [`Arch::State`]. By
//! itself it never does what the slow path does, and never lets the budget reach zero: it returns before. So the
//! pages that were checked when it was entered are still mapped, and still hold what they held.
//! When a region that it has called comes back elsewhere, the [`RegionRuntime`] interprets in
//! between; after what could change the pages, all regions that wait return.

use super::access::Access;
use super::arch::{Arch, CpuState, LoopExit};
use super::bus::Bus;
use super::code_index::{CodeIndex, Entry, Translated, code_tag};
use super::cpu::Cpu;
use super::tlb::fetch_index;
use crate::memory::{GuestMemory, PAGE_SHIFT, PAGE_SIZE};
use alloc::boxed::Box;
use core::mem::MaybeUninit;

/// Calls that regions may be deep in each other.
pub const MAX_DEPTH: u32 = 100;

/// Calls regions.
pub trait TranslatedCode<A: Arch> {
    /// Calls a region whose first page is at virtual `base`; returns the address at which to go on.
    /// The region works on the CPU's state where [`Cpu::set_translated`] has put it, `pc` included,
    /// and `runtime` does what it cannot do itself.
    fn call(&mut self, entry: Entry, base: u64, runtime: &mut RegionRuntime<'_, '_, A>) -> u64;
}

/// A mark in an address that a region returns: all regions that wait are to return it, too. An
/// instruction set whose instructions start at odd addresses needs another one.
const UNWIND: u64 = 1;
/// For how many calls a resumed region counts: the interpreter is in between.
const RESUMED_DEPTH: u32 = 4;

/// What a CPU does for regions while they run.
pub struct RegionRuntime<'a, 'b, A: Arch> {
    cpu: &'a mut Cpu<A>,
    bus: &'a mut Bus<'b>,
}

/// Calls a region on behalf of a [`RegionRuntime`]: an entry, the address of the region's first
/// page, and calls that it may be deep.
pub type CallRegion<'c, A> = dyn FnMut(&mut RegionRuntime<'_, '_, A>, Entry, u64, u32) -> u64 + 'c;

impl<'b, A: Arch> RegionRuntime<'_, 'b, A> {
    /// Goes on for a region that has called another one and expects control at `return_site`, when
    /// that one has come back with `pc` instead: interprets, and calls regions, until control comes
    /// to `return_site`. Returns that, or another address if something happens that the waiting
    /// regions must not survive, with a mark that has all of them return.
    pub fn resume(
        &mut self,
        pc: u64,
        return_site: u64,
        depth: u32,
        call: &mut CallRegion<'_, A>,
    ) -> u64 {
        if pc & UNWIND != 0 {
            return pc;
        }
        self.cpu.state.set_pc(pc);
        self.continue_until(self.is_user(), return_site, depth, call)
    }

    /// Does the system call at `pc` for a region of user code, and goes on as [`Self::resume`] does
    /// until control comes behind it; returns `pc` if `depth` is used up.
    pub fn system_call(&mut self, pc: u64, depth: u32, call: &mut CallRegion<'_, A>) -> u64 {
        if depth < RESUMED_DEPTH {
            return pc;
        }
        self.cpu.state.set_pc(pc);
        let return_site = A::system_call(self.cpu);
        self.cpu.budget_spent = self.cpu.state.budget() <= 0;
        self.continue_until(true, return_site, depth, call)
    }

    /// Goes on until control comes to `return_site`, as the user or not.
    ///
    /// A trap of the user is one way there: the handler runs like a function that was called.
    /// Whoever it is that comes to `return_site` in the end, another thread maybe, has its
    /// registers in place.
    fn continue_until(
        &mut self,
        user: bool,
        return_site: u64,
        depth: u32,
        call: &mut CallRegion<'_, A>,
    ) -> u64 {
        let (before, depth) = (self.cpu.mapping_epoch, depth.checked_sub(RESUMED_DEPTH));
        let Some(depth) = depth else { return self.cpu.state.pc() | UNWIND };
        loop {
            let in_user = self.is_user();
            let left_kernel = in_user && !user;
            if self.cpu.must_exit() || self.cpu.mapping_epoch != before || left_kernel {
                return self.cpu.state.pc() | UNWIND;
            }
            if (in_user, self.cpu.state.pc()) == (user, return_site) {
                return return_site;
            }
            let unwinds = !self.advance(depth, call);
            // What has waited in the kernel returns when that is left, and nobody else has to.
            if unwinds && in_user == self.is_user() {
                return self.cpu.state.pc() | UNWIND;
            }
        }
    }

    fn is_user(&self) -> bool {
        A::privilege(self.cpu).is_user()
    }

    /// Enters the region at the CPU's `pc`, or interprets if there is none. Returns whether regions
    /// that wait may go on as far as that one is concerned.
    fn advance(&mut self, depth: u32, call: &mut CallRegion<'_, A>) -> bool {
        match self.cpu.next_entry() {
            Some(entry) => {
                self.enter(entry, |runtime, entry, base| call(runtime, entry, base, depth))
            }
            None => {
                self.interpret();
                true
            }
        }
    }

    fn interpret(&mut self) {
        let before = self.cpu.state.budget();
        let transferred = match self.cpu.interpret() {
            LoopExit::Budget => true,
            LoopExit::Enter => false,
            exit => self.cpu.handle_exit(exit, self.bus),
        };
        let budget = self.cpu.state.budget();
        self.cpu.counts.interpreted(before - budget);
        self.cpu.budget_spent = transferred && budget <= 0;
    }

    /// Calls the region that has its `entry` at `pc`. Returns whether it makes sense to go on
    /// there.
    #[inline]
    fn enter(
        &mut self,
        entry: Entry,
        mut call: impl FnMut(&mut RegionRuntime<'_, 'b, A>, Entry, u64) -> u64,
    ) -> bool {
        let (pc, budget) = (self.cpu.state.pc(), self.cpu.state.budget());
        let base = base(pc, entry);
        let mut to = call(self, entry, base);
        let is_refused = |cpu: &Cpu<A>, to| (to, cpu.state.budget()) == (pc, budget);
        if is_refused(self.cpu, to) && self.cpu.map_region(entry.region, base, self.bus) {
            to = call(self, entry, base);
        }
        let cpu = &mut *self.cpu;
        cpu.state.set_pc(to & !UNWIND);
        cpu.counts.entries += 1;
        if is_refused(cpu, to) {
            // It is the interpreter's turn.
            cpu.counts.refusals += 1;
            cpu.untranslated = true;
        }
        to & UNWIND == 0
    }

    /// Makes the TLB entry for an access to `size` bytes, if that is to memory on one page and the
    /// guest cannot tell. Returns whether it did.
    pub fn map_data(&mut self, address: u64, size: u32, write: bool) -> bool {
        let last = address.wrapping_add(u64::from(size) - 1);
        if (address ^ last) >> PAGE_SHIFT != 0 || A::effective_address(self.cpu, address) != address
        {
            return false;
        }
        let access = if write { Access::Write } else { Access::Read };
        let physical = self.cpu.translate_quietly(address, access, self.bus);
        let memory = &mut *self.bus.memory;
        let page = physical.and_then(|physical| match write {
            true => memory.writable_page(physical).filter(|&page| !memory.has_code(page)),
            false => memory.window_page(physical),
        });
        let Some(page) = page else { return false };
        self.cpu.fill_tlb(address, page, access);
        true
    }

    /// The entry into translated code at `pc`, for which the fetch translation is made if it is not
    /// there.
    pub fn entry(&mut self, pc: u64) -> Option<Entry> {
        if let Some(LoopExit::Fetch | LoopExit::Decode) = self.cpu.state.exit_at(pc) {
            self.cpu.fetch_entry_quietly(pc, self.bus)?;
        }
        self.cpu.state.entry(pc)
    }
}

/// Address of the first page of a region that is entered at `pc`.
pub fn base(pc: u64, entry: Entry) -> u64 {
    (pc & !(PAGE_SIZE as u64 - 1)).wrapping_sub(u64::from(entry.page) << PAGE_SHIFT)
}

impl<A: Arch> Cpu<A> {
    /// Has the regions of `translated` entered from now on, through `code`. They expect the CPU's
    /// state in `cell`.
    pub fn set_translated(
        &mut self,
        translated: &Translated,
        code: Box<dyn TranslatedCode<A>>,
        cell: &'static mut MaybeUninit<A::State>,
        memory: &mut GuestMemory,
    ) {
        self.state.move_to(cell);
        self.flush_fetches();
        self.code.clear(memory);
        let (index, entries) = CodeIndex::new(translated);
        self.code.set_translated(index);
        self.state.set_entries(entries.into_boxed_slice());
        self.translated = Some(code);
    }

    /// Runs translated code from `pc` on, until there is none or it cannot go on.
    ///
    /// Returns whether that was where the budget is checked.
    // Not inlined: the loop around it would spill.
    #[inline(never)]
    pub(super) fn enter_translated(&mut self, bus: &mut Bus<'_>) -> bool {
        let Some(mut code) = self.translated.take() else { return false };
        let before = self.state.budget();
        let mut runtime = RegionRuntime { cpu: self, bus };
        // Mostly there is another entry where one has led to.
        while let Some(entry) = runtime.cpu.next_entry() {
            runtime.enter(entry, |runtime, entry, base| code.call(entry, base, runtime));
        }
        self.translated = Some(code);
        self.counts.translated(before - self.state.budget());
        core::mem::take(&mut self.budget_spent)
    }

    /// The entry that the interpreter loop would come back with at once, if it ran now.
    fn next_entry(&self) -> Option<Entry> {
        let runs = !self.must_exit() && !self.untranslated;
        self.state.entry(self.state.pc()).filter(|_| runs)
    }

    /// Whether the run loop comes first.
    fn must_exit(&self) -> bool {
        self.budget_spent || self.exit_request
    }

    /// Makes the fetch translations that a region probes. Returns whether one of them was missing,
    /// and now all are there. The guest cannot tell.
    // Rare, and large.
    #[inline(never)]
    fn map_region(&mut self, region: u32, base: u64, bus: &mut Bus<'_>) -> bool {
        let mut missing = false;
        for index in 0.. {
            let page = self.code.translated().region_page(region, index);
            let Some((distance, code_page)) = page else { break };
            let address = base.wrapping_add(u64::from(distance) << PAGE_SHIFT);
            let wanted = code_tag(address | self.state.fetch_tag(), code_page);
            if self.state.fetch()[fetch_index(address)].code_tag == wanted {
                continue;
            }
            missing = true;
            let entry = self.fetch_entry_quietly(address, bus);
            if entry.is_none_or(|entry| entry.code_tag != wanted) {
                return false;
            }
        }
        missing
    }
}
