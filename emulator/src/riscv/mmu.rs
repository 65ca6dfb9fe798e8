//! Page tables (Sv39, Sv48), pointer masking, cache blocks and the addresses of atomics.

use super::csr::{satp, status};
use super::hart::{Hart, Mode};
use super::trap::{Cause, Trap};
use crate::engine::access::Access;
use crate::engine::arch::Leaf;
use crate::engine::bus::Bus;
use crate::memory::PAGE_SIZE;

impl Access {
    fn page_fault(self) -> Cause {
        match self {
            Self::Fetch => Cause::FetchPage,
            Self::Read => Cause::LoadPage,
            Self::Write | Self::Manage => Cause::StorePage,
        }
    }

    pub(super) fn access_fault(self) -> Cause {
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
struct LeafEntry {
    entry: u64,
    /// Its physical address.
    at: u64,
    level: u32,
}

impl LeafEntry {
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

    /// The entry with its accessed bit, and for a store its dirty bit, as hardware with Svadu sets
    /// them.
    fn marked(&self, access: Access) -> u64 {
        let dirty = if access == Access::Write { pte::D } else { 0 };
        self.entry | pte::A | dirty
    }
}

impl Hart {
    /// See [`crate::engine::arch::Arch::walk`].
    pub(super) fn walk_page_table(
        &self,
        address: u64,
        access: Access,
        bus: &mut Bus<'_>,
    ) -> Result<Leaf, Trap> {
        if self.state.csrs.satp == 0 {
            return Ok(Leaf { physical: address, span: PAGE_SIZE as u64, update: None });
        }
        let fault = Trap::new(access.page_fault(), address);
        let found = self.find_entry(address, access, bus)?;
        let span = found.span().ok_or(fault)?;
        if !self.permits(found.entry, access) {
            return Err(fault);
        }
        let marked = found.marked(access);
        Ok(Leaf {
            physical: pte::address(found.entry) & !(span - 1) | address & (span - 1),
            span,
            update: (marked != found.entry).then_some((found.at, marked)),
        })
    }

    /// Finds the entry that maps an address (Sv39 and Sv48).
    fn find_entry(
        &self,
        address: u64,
        access: Access,
        bus: &mut Bus<'_>,
    ) -> Result<LeafEntry, Trap> {
        let fault = Trap::new(access.page_fault(), address);
        // satp.MODE 8 has three levels, 9 has four.
        let levels = (self.state.csrs.satp >> 60) as u32 - 5;
        let unused = 64 - (12 + 9 * levels);
        if (address as i64) << unused >> unused != address as i64 {
            return Err(fault);
        }
        let mut table = satp::root(self.state.csrs.satp);
        for level in (0..levels).rev() {
            let at = table + (address >> (12 + 9 * level) & 0x1ff) * 8;
            let Ok(bytes) = bus.memory.read_array(at) else {
                return Err(Trap::new(access.access_fault(), address));
            };
            let entry = u64::from_le_bytes(bytes);
            let writable_only = entry & (pte::R | pte::W) == pte::W;
            if entry & pte::V == 0 || entry & pte::RESERVED != 0 || writable_only {
                return Err(fault);
            }
            if entry & (pte::R | pte::X) != 0 {
                return Ok(LeafEntry { entry, at, level });
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
        let status = self.state.csrs.sstatus;
        let privileged = match (self.arch.mode, user_page) {
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

    /// The address that a load or store with an effective address accesses: pointer masking.
    ///
    /// The TLB knows masked addresses only. An unmasked one that is found there is its own masked
    /// one, for all that translates (or is memory, without translation) has equal upper bits.
    pub(super) fn masked(&self, address: u64) -> u64 {
        let ignored = match self.arch.mode {
            Mode::User => self.state.csrs.ignored_bits(),
            Mode::Supervisor => 0,
        };
        match self.state.csrs.satp {
            0 => address << ignored >> ignored,
            _ => ((address << ignored) as i64 >> ignored) as u64,
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
        bus.memory.contains(physical, 1).then_some(()).ok_or(fault)
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
        let is_allowed = match access {
            Access::Write => bus.memory.is_ram(physical, size),
            _ => bus.memory.contains(physical, size),
        };
        let fault = Trap::new(access.access_fault(), address);
        is_allowed.then_some(physical).ok_or(fault)
    }
}
