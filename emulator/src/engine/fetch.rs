//! Instruction fetch: where code is, and that its page's state is right.

use super::access::Access;
use super::arch::{Arch, CpuState};
use super::bus::Bus;
use super::code_index::code_tag;
use super::cpu::Cpu;
use super::pointer::Wide;
use super::tlb::{FetchEntry, fetch_index};
use crate::memory::{GuestMemory, PAGE_SIZE};

impl<A: Arch> Cpu<A> {
    /// The fetch translation of an address, made if it is not there.
    ///
    /// # Errors
    /// The exception that the fetch raises.
    pub(crate) fn fetch_entry(
        &mut self,
        address: u64,
        bus: &mut Bus<'_>,
    ) -> Result<FetchEntry<A::Op>, A::Trap> {
        let page = address & !(PAGE_SIZE as u64 - 1);
        let entry = &self.state.fetch()[fetch_index(address)];
        if entry.tag == page | self.state.fetch_tag() {
            return Ok(*entry);
        }
        let physical = self.translate(address, Access::Fetch, bus)?;
        let fault = || A::access_fault(Access::Fetch, address);
        let window_page = bus.memory.window_page(physical).ok_or_else(fault)?;
        let ops = match self.code.ops(window_page, bus.memory) {
            Some(ops) => ops,
            None => {
                self.flush_fetches();
                self.code.clear(bus.memory);
                self.code.ops(window_page, bus.memory).ok_or_else(fault)?
            }
        };
        Ok(self.fill_fetch(address, window_page, ops, bus.memory))
    }

    /// Makes the fetch translation of an address, and matches its page, if the guest cannot
    /// tell.
    pub(super) fn fetch_entry_quietly(
        &mut self,
        address: u64,
        bus: &mut Bus<'_>,
    ) -> Option<FetchEntry<A::Op>> {
        let physical = self.translate_quietly(address, Access::Fetch, bus)?;
        let window_page = bus.memory.window_page(physical)?;
        self.code.ops(window_page, bus.memory)?;
        self.write_protect_code(window_page, bus);
        // The operations may have moved.
        let ops = self.code.ops(window_page, bus.memory)?;
        Some(self.fill_fetch(address, window_page, ops, bus.memory))
    }

    /// Fills in the fetch translation of an address.
    fn fill_fetch(
        &mut self,
        address: u64,
        window_page: u32,
        ops: *const A::Op,
        memory: &GuestMemory,
    ) -> FetchEntry<A::Op> {
        let tag = address & !(PAGE_SIZE as u64 - 1) | self.state.fetch_tag();
        let code_tag = code_tag(tag, self.code.code_page(window_page, memory));
        let entry = FetchEntry { tag, code_tag, ops: Wide(ops), window_page };
        self.state.fetch_mut()[fetch_index(address)] = entry;
        entry
    }

    /// Decodes from `pc` on.
    pub(super) fn decode(&mut self, bus: &mut Bus<'_>) -> Result<(), A::Trap> {
        let pc = self.state.pc();
        let page = self.fetch_entry(pc, bus)?.window_page;
        self.write_protect_code(page, bus);
        let decoded = self.code.decode(bus.memory, page, pc as usize & (PAGE_SIZE - 1));
        decoded.map_err(|_| A::access_fault(Access::Fetch, pc))
    }

    /// Forgets everything that is cached: translations of addresses and decoded code. The guest
    /// cannot tell.
    pub fn drop_caches(&mut self, memory: &mut GuestMemory) {
        self.drop_overwritten_code(memory);
        self.flush_translations(&|_| true);
        self.code.clear(memory);
    }

    /// Forgets decoded code that memory writes have made stale.
    pub(crate) fn drop_overwritten_code(&mut self, memory: &mut GuestMemory) {
        if let Some(pages) = memory.take_overwritten_code() {
            for page in pages {
                if self.code.reset(page) {
                    self.forget_code_page(page);
                }
            }
        }
    }

    /// Sees to it that writes to a page are noticed, and matches it with the code pages.
    fn write_protect_code(&mut self, window_page: u32, bus: &mut Bus<'_>) {
        if bus.memory.has_code(window_page) {
            return;
        }
        bus.memory.mark_code(window_page);
        self.write_protect(window_page);
        let (code_page, moved) = self.code.match_page(window_page, bus.memory);
        if moved {
            self.flush_fetches();
        }
        let slot = fetch_index(self.state.pc());
        let entry = &mut self.state.fetch_mut()[slot];
        if entry.window_page == window_page {
            entry.code_tag = code_tag(entry.tag, code_page);
        }
    }
}
