//! Address translation (Sv39, Sv48) and the memory accesses of the slow path.

use super::csr::{satp, status};
use super::hart::{Hart, Mode};
use super::trap::{Cause, Trap};
use crate::engine::access::Access;
use crate::engine::bus::Bus;
use crate::engine::tlb::Privilege;
use crate::memory::PAGE_SIZE;

impl Access {
    fn page_fault(self) -> Cause {
        match self {
            Self::Fetch => Cause::FetchPage,
            Self::Read => Cause::LoadPage,
            Self::Write | Self::Manage => Cause::StorePage,
        }
    }

    fn access_fault(self) -> Cause {
        match self {
            Self::Fetch => Cause::FetchAccess,
            Self::Read => Cause::LoadAccess,
            Self::Write | Self::Manage => Cause::StoreAccess,
        }
    }
}

/// Page table entry bits.
mod pte {
    pub const V: u64 = 1;
    pub const R: u64 = 1 << 1;
    pub const W: u64 = 1 << 2;
    pub const X: u64 = 1 << 3;
    pub const U: u64 = 1 << 4;
    pub const A: u64 = 1 << 6;
    pub const D: u64 = 1 << 7;
    /// Reserved for standard use.
    pub const RESERVED: u64 = 0x7f << 54;
    /// Memory type (Svpbmt); without a cache or another hart, all types are the same.
    pub const PBMT: u64 = 3 << 61;
    /// Part of a larger naturally aligned range (Svnapot).
    pub const N: u64 = 1 << 63;

    /// The physical page number, as an address.
    pub fn address(entry: u64) -> u64 {
        (entry >> 10 & ((1 << 44) - 1)) << 12
    }
}

/// Bytes of a cache block (Zic64b).
const CACHE_BLOCK: usize = 64;

/// Bytes that a NAPOT entry maps; no other size is defined.
const NAPOT: u64 = 64 << 10;

/// A page table entry that maps something, and where it was found.
struct Leaf {
    entry: u64,
    place: u64,
    level: u32,
}

impl Leaf {
    /// Bytes that it maps; `None` if it is malformed.
    fn span(&self) -> Option<u64> {
        let physical = pte::address(self.entry);
        if self.entry & pte::PBMT == pte::PBMT {
            return None;
        }
        if self.entry & pte::N != 0 {
            return (self.level == 0 && physical & (NAPOT - 1) == NAPOT / 2).then_some(NAPOT);
        }
        let span = 1 << (12 + 9 * self.level);
        (physical & (span - 1) == 0).then_some(span)
    }

    /// The entry with its accessed bit, and for a store its dirty bit.
    fn marked(&self, access: Access) -> u64 {
        let dirty = if access == Access::Write { pte::D } else { 0 };
        self.entry | pte::A | dirty
    }
}

impl Hart {
    /// Physical address of a virtual one.
    ///
    /// # Errors
    /// The page or access fault that the access raises.
    pub(super) fn translate(
        &mut self,
        address: u64,
        access: Access,
        bus: &mut Bus<'_>,
    ) -> Result<u64, Trap> {
        if self.hot.csrs.satp == 0 {
            return Ok(address);
        }
        let fault = Trap::new(access.page_fault(), address);
        let leaf = self.walk(address, access, bus)?;
        let span = leaf.span().ok_or(fault)?;
        if !self.permits(leaf.entry, access) {
            return Err(fault);
        }
        self.mark_used(&leaf, access, bus);
        if span > PAGE_SIZE as u64 && !self.spaces.large_pages.note(address, span) {
            self.flush_translations(None);
            self.spaces.large_pages.note(address, span);
        }
        Ok(pte::address(leaf.entry) & !(span - 1) | address & (span - 1))
    }

    /// Physical address of a virtual one, if translating it for an access changes nothing that the
    /// guest can see.
    pub(super) fn translate_quietly(
        &mut self,
        address: u64,
        access: Access,
        bus: &Bus<'_>,
    ) -> Option<u64> {
        if self.hot.csrs.satp == 0 {
            return Some(address);
        }
        let leaf = self.walk(address, access, bus).ok()?;
        let span = leaf.span()?;
        let marked = leaf.marked(access) == leaf.entry;
        let noted = span <= PAGE_SIZE as u64 || self.spaces.large_pages.note(address, span);
        let address = pte::address(leaf.entry) & !(span - 1) | address & (span - 1);
        (marked && noted && self.permits(leaf.entry, access)).then_some(address)
    }

    /// Finds the entry that maps an address (Sv39 and Sv48).
    fn walk(&self, address: u64, access: Access, bus: &Bus<'_>) -> Result<Leaf, Trap> {
        let fault = Trap::new(access.page_fault(), address);
        // satp.MODE 8 has three levels, 9 has four.
        let levels = (self.hot.csrs.satp >> 60) as u32 - 5;
        let unused = 64 - (12 + 9 * levels);
        if (address as i64) << unused >> unused != address as i64 {
            return Err(fault);
        }
        let mut table = satp::root(self.hot.csrs.satp);
        for level in (0..levels).rev() {
            let place = table + (address >> (12 + 9 * level) & 0x1ff) * 8;
            let Ok(bytes) = bus.memory.read_array(place) else {
                return Err(Trap::new(access.access_fault(), address));
            };
            let entry = u64::from_le_bytes(bytes);
            let writable_only = entry & (pte::R | pte::W) == pte::W;
            if entry & pte::V == 0 || entry & pte::RESERVED != 0 || writable_only {
                return Err(fault);
            }
            if entry & (pte::R | pte::X) != 0 {
                return Ok(Leaf { entry, place, level });
            }
            if entry & (pte::U | pte::A | pte::D | pte::PBMT | pte::N) != 0 {
                return Err(fault);
            }
            table = pte::address(entry);
        }
        Err(fault)
    }

    fn permits(&self, entry: u64, access: Access) -> bool {
        let user_page = entry & pte::U != 0;
        let status = self.hot.csrs.sstatus;
        let privileged = match (self.mode, user_page) {
            (Mode::User, user) => user,
            (Mode::Supervisor, false) => true,
            (Mode::Supervisor, true) => access != Access::Fetch && status & status::SUM != 0,
        };
        let allowed = match access {
            Access::Fetch => entry & pte::X != 0,
            Access::Write => entry & pte::W != 0,
            // What may be stored to may be loaded from.
            Access::Read | Access::Manage => {
                entry & pte::R != 0 || status & status::MXR != 0 && entry & pte::X != 0
            }
        };
        privileged && allowed
    }

    /// Sets the accessed and dirty bits, as hardware with Svadu does.
    fn mark_used(&mut self, leaf: &Leaf, access: Access, bus: &mut Bus<'_>) {
        let updated = leaf.marked(access);
        if updated != leaf.entry {
            // The entry was read from there a moment ago: it is memory.
            let _ = bus.memory.write(leaf.place, &updated.to_le_bytes());
            self.drop_overwritten_code(bus.memory);
        }
    }

    /// Which TLB tables are in force.
    pub(super) fn privilege(&self) -> Privilege {
        match self.mode {
            Mode::User => Privilege::User,
            Mode::Supervisor if self.hot.csrs.sstatus & status::SUM != 0 => {
                Privilege::SupervisorUserMemory
            }
            Mode::Supervisor => Privilege::Supervisor,
        }
    }

    /// The address that a load or store with an effective address accesses: pointer masking.
    ///
    /// The TLB knows masked addresses only. An unmasked one that is found there is its own masked
    /// one, for all that translates (or is memory, without translation) has equal upper bits.
    pub(super) fn masked(&self, address: u64) -> u64 {
        let ignored = match self.mode {
            Mode::User => self.hot.csrs.ignored_bits(),
            Mode::Supervisor => 0,
        };
        match self.hot.csrs.satp {
            0 => address << ignored >> ignored,
            _ => ((address << ignored) as i64 >> ignored) as u64,
        }
    }

    /// Loads `size` (1, 2, 4, 8) bytes, zero-extended. Misaligned is fine.
    ///
    /// # Errors
    /// The fault that the load raises; registers and memory are then unchanged.
    pub(super) fn load(
        &mut self,
        address: u64,
        size: usize,
        bus: &mut Bus<'_>,
    ) -> Result<u64, Trap> {
        let address = self.masked(address);
        let in_page = PAGE_SIZE - (address as usize & (PAGE_SIZE - 1));
        if size > in_page {
            let second = self.masked(address.wrapping_add(in_page as u64));
            let low = self.load_within(address, in_page, bus)?;
            let high = self.load_within(second, size - in_page, bus)?;
            return Ok(low | high << (8 * in_page));
        }
        self.load_within(address, size, bus)
    }

    fn load_within(&mut self, address: u64, size: usize, bus: &mut Bus<'_>) -> Result<u64, Trap> {
        let physical = self.translate(address, Access::Read, bus)?;
        let mut bytes = [0; 8];
        if bus.memory.read(physical, &mut bytes[..size]).is_ok() {
            if let Some(page) = bus.memory.window_page(physical) {
                let privilege = self.privilege();
                self.spaces.tlb.read(privilege).fill(address, page);
            }
            return Ok(u64::from_le_bytes(bytes));
        }
        let fault = Trap::new(Cause::LoadAccess, address);
        if !size.is_power_of_two() || physical & (size as u64 - 1) != 0 {
            return Err(fault);
        }
        self.attention = true;
        bus.device_read(physical, size as u8).ok_or(fault)
    }

    /// Stores the low `size` (1, 2, 4, 8) bytes of `value`. Misaligned is fine.
    ///
    /// # Errors
    /// The fault that the store raises; memory is then unchanged.
    pub(super) fn store(
        &mut self,
        address: u64,
        size: usize,
        value: u64,
        bus: &mut Bus<'_>,
    ) -> Result<(), Trap> {
        let address = self.masked(address);
        let in_page = PAGE_SIZE - (address as usize & (PAGE_SIZE - 1));
        if size > in_page {
            // Both halves must be writable memory before either is written; the first faults first.
            let second = self.masked(address.wrapping_add(in_page as u64));
            self.translate(address, Access::Write, bus)?;
            let physical = self.translate(second, Access::Write, bus)?;
            let fault = Trap::new(Cause::StoreAccess, second);
            bus.memory.window_page(physical).ok_or(fault)?;
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
    ) -> Result<(), Trap> {
        let physical = self.translate(address, Access::Write, bus)?;
        if bus.memory.write(physical, &value.to_le_bytes()[..size]).is_ok() {
            self.note_store(address, physical, bus);
            return Ok(());
        }
        let fault = Trap::new(Cause::StoreAccess, address);
        if !size.is_power_of_two() || physical & (size as u64 - 1) != 0 {
            return Err(fault);
        }
        self.attention = true;
        bus.device_write(physical, size as u8, value).ok_or(fault)
    }

    /// After a store to memory: stale code goes, the next store to the page is fast.
    fn note_store(&mut self, address: u64, physical: u64, bus: &mut Bus<'_>) {
        self.drop_overwritten_code(bus.memory);
        if let Some(page) = bus.memory.window_page(physical) {
            let privilege = self.privilege();
            self.spaces.tlb.write(privilege).fill(address, page);
        }
    }

    /// Zeroes the cache block that `address` is in.
    ///
    /// # Errors
    /// The fault that a store raises, with `address` itself.
    pub(super) fn zero_block(&mut self, address: u64, bus: &mut Bus<'_>) -> Result<(), Trap> {
        let address = self.masked(address);
        let physical = self.translate(address, Access::Write, bus)?;
        let block = physical & !(CACHE_BLOCK as u64 - 1);
        let fault = Trap::new(Cause::StoreAccess, address);
        bus.memory.write(block, &[0; CACHE_BLOCK]).map_err(|_| fault)?;
        self.note_store(address, physical, bus);
        Ok(())
    }

    /// Checks that the cache block that `address` is in may be managed.
    ///
    /// # Errors
    /// The fault that a store raises.
    pub(super) fn manage_block(&mut self, address: u64, bus: &mut Bus<'_>) -> Result<(), Trap> {
        let address = self.masked(address);
        let physical = self.translate(address, Access::Manage, bus)?;
        let fault = Trap::new(Cause::StoreAccess, address);
        bus.memory.window_page(physical).map(|_| ()).ok_or(fault)
    }

    /// Physical memory address of an aligned atomic access, checked for writing if `write`.
    ///
    /// # Errors
    /// A misaligned, page or access fault.
    pub(super) fn atomic_address(
        &mut self,
        address: u64,
        size: usize,
        access: Access,
        bus: &mut Bus<'_>,
    ) -> Result<u64, Trap> {
        let address = self.masked(address);
        if address & (size as u64 - 1) != 0 {
            let cause = match access {
                Access::Write => Cause::StoreMisaligned,
                _ => Cause::LoadMisaligned,
            };
            return Err(Trap::new(cause, address));
        }
        let physical = self.translate(address, access, bus)?;
        // Atomics are for memory only.
        match bus.memory.slice(physical, size) {
            Ok(_) => Ok(physical),
            Err(_) => Err(Trap::new(access.access_fault(), address)),
        }
    }
}
