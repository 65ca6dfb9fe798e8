//! Address translation, and the memory accesses of the slow path. These always walk the page table,
//! for the TLB probe of the fast path has missed, and fill the TLB.

use super::access::Access;
use super::arch::Arch;
use super::bus::Bus;
use super::cpu::Cpu;
use crate::memory::PAGE_SIZE;

impl<A: Arch> Cpu<A> {
    /// Physical address of a virtual one.
    ///
    /// # Errors
    /// The exception that the access raises.
    pub(crate) fn translate(
        &mut self,
        address: u64,
        access: Access,
        bus: &mut Bus<'_>,
    ) -> Result<u64, A::Trap> {
        let leaf = A::walk(self, address, access, bus)?;
        if let Some((entry, value)) = leaf.update {
            // It was read from there a moment ago, but may be in the root image.
            let written = bus.memory.write(entry, &value.to_le_bytes());
            written.map_err(|_| A::access_fault(access, address))?;
            self.drop_overwritten_code(bus.memory);
        }
        if leaf.span > PAGE_SIZE as u64 && !self.spaces.large_pages.note(address, leaf.span) {
            self.flush_translations(&|_| true);
            self.spaces.large_pages.note(address, leaf.span);
        }
        Ok(leaf.physical)
    }

    /// Physical address of a virtual one, if translating it for an access changes nothing that the
    /// guest can see.
    pub(super) fn translate_quietly(
        &mut self,
        address: u64,
        access: Access,
        bus: &mut Bus<'_>,
    ) -> Option<u64> {
        let leaf = A::walk(self, address, access, bus).ok()?;
        let is_noted =
            leaf.span <= PAGE_SIZE as u64 || self.spaces.large_pages.note(address, leaf.span);
        (leaf.update.is_none() && is_noted).then_some(leaf.physical)
    }

    /// Loads `size` (1, 2, 4, 8) bytes, zero-extended. Misaligned is fine.
    ///
    /// # Errors
    /// The exception that the load raises; registers and memory are then unchanged.
    pub(crate) fn load(
        &mut self,
        address: u64,
        size: usize,
        bus: &mut Bus<'_>,
    ) -> Result<u64, A::Trap> {
        let address = A::effective_address(self, address);
        let in_page = PAGE_SIZE - (address as usize & (PAGE_SIZE - 1));
        if size > in_page {
            let second = A::effective_address(self, address.wrapping_add(in_page as u64));
            let low = self.load_within(address, in_page, bus)?;
            let high = self.load_within(second, size - in_page, bus)?;
            return Ok(low | high << (8 * in_page));
        }
        self.load_within(address, size, bus)
    }

    fn load_within(
        &mut self,
        address: u64,
        size: usize,
        bus: &mut Bus<'_>,
    ) -> Result<u64, A::Trap> {
        let physical = self.translate(address, Access::Read, bus)?;
        let mut bytes = [0; 8];
        if bus.memory.read(physical, &mut bytes[..size]).is_ok() {
            if let Some(page) = bus.memory.window_page(physical) {
                self.fill_tlb(address, page, Access::Read);
            }
            return Ok(u64::from_le_bytes(bytes));
        }
        let fault = A::access_fault(Access::Read, address);
        if !size.is_power_of_two() || physical & (size as u64 - 1) != 0 {
            return Err(fault);
        }
        self.exit_request = true;
        bus.device_read(physical, size as u8).ok_or(fault)
    }

    /// Stores the low `size` (1, 2, 4, 8) bytes of `value`. Misaligned is fine.
    ///
    /// # Errors
    /// The exception that the store raises; memory is then unchanged.
    pub(crate) fn store(
        &mut self,
        address: u64,
        size: usize,
        value: u64,
        bus: &mut Bus<'_>,
    ) -> Result<(), A::Trap> {
        let address = A::effective_address(self, address);
        let in_page = PAGE_SIZE - (address as usize & (PAGE_SIZE - 1));
        if size > in_page {
            // Both halves must be writable memory before either is written; the first faults first.
            let second = A::effective_address(self, address.wrapping_add(in_page as u64));
            self.translate(address, Access::Write, bus)?;
            let physical = self.translate(second, Access::Write, bus)?;
            let fault = A::access_fault(Access::Write, second);
            bus.memory.is_ram(physical, 1).then_some(()).ok_or(fault)?;
            self.store_within(address, in_page, value, bus)?;
            return self.store_within(second, size - in_page, value >> (8 * in_page), bus);
        }
        self.store_within(address, size, value, bus)
    }

    fn store_within(
        &mut self,
        address: u64,
        size: usize,
        value: u64,
        bus: &mut Bus<'_>,
    ) -> Result<(), A::Trap> {
        let physical = self.translate(address, Access::Write, bus)?;
        if bus.memory.write(physical, &value.to_le_bytes()[..size]).is_ok() {
            self.note_store(address, physical, bus);
            return Ok(());
        }
        let fault = A::access_fault(Access::Write, address);
        if !size.is_power_of_two() || physical & (size as u64 - 1) != 0 {
            return Err(fault);
        }
        self.exit_request = true;
        bus.device_write(physical, size as u8, value).ok_or(fault)
    }

    /// After a store to memory: stale code goes, the next store to the page is fast.
    pub(crate) fn note_store(&mut self, address: u64, physical: u64, bus: &mut Bus<'_>) {
        self.drop_overwritten_code(bus.memory);
        if let Some(page) = bus.memory.writable_page(physical) {
            self.fill_tlb(address, page, Access::Write);
        }
    }
}
