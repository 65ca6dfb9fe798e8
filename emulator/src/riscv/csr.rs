//! Control and status registers of a hart without M-mode: what S-mode and U-mode can see.

use super::trap::interrupt;
use serde::{Deserialize, Serialize};

/// CSR numbers.
pub mod number {
    #![allow(missing_docs)]
    pub const FFLAGS: u16 = 0x001;
    pub const FRM: u16 = 0x002;
    pub const FCSR: u16 = 0x003;
    pub const VSTART: u16 = 0x008;
    pub const VXSAT: u16 = 0x009;
    pub const VXRM: u16 = 0x00a;
    pub const VCSR: u16 = 0x00f;
    pub const SSTATUS: u16 = 0x100;
    pub const SIE: u16 = 0x104;
    pub const STVEC: u16 = 0x105;
    pub const SCOUNTEREN: u16 = 0x106;
    pub const SENVCFG: u16 = 0x10a;
    pub const SSCRATCH: u16 = 0x140;
    pub const SEPC: u16 = 0x141;
    pub const SCAUSE: u16 = 0x142;
    pub const STVAL: u16 = 0x143;
    pub const SIP: u16 = 0x144;
    pub const STIMECMP: u16 = 0x14d;
    pub const SATP: u16 = 0x180;
    pub const CYCLE: u16 = 0xc00;
    pub const TIME: u16 = 0xc01;
    pub const INSTRET: u16 = 0xc02;
    pub const HPMCOUNTER31: u16 = 0xc1f;
    pub const VL: u16 = 0xc20;
    pub const VTYPE: u16 = 0xc21;
    pub const VLENB: u16 = 0xc22;
}

/// The registers of a trap: every entry into the kernel reads and writes them, so the interpreter
/// loop has them at hand. The numbers are their indices in [`super::state::HartState::trap`].
pub mod trap_register {
    /// `sscratch`.
    pub const SCRATCH: usize = 0;
    /// `sepc`; bit 0 is always clear.
    pub const EPC: usize = 1;
    /// `scause`.
    pub const CAUSE: usize = 2;
    /// `stval`.
    pub const VALUE: usize = 3;

    /// The index of a CSR, if it is one of these.
    pub fn of(csr: u16) -> Option<usize> {
        use super::number;
        Some(match csr {
            number::SSCRATCH => SCRATCH,
            number::SEPC => EPC,
            number::SCAUSE => CAUSE,
            number::STVAL => VALUE,
            _ => return None,
        })
    }
}

/// Fields of `sstatus`.
pub mod status {
    /// Interrupts enabled in S-mode.
    pub const SIE: u64 = 1 << 1;
    /// `SIE` before the trap.
    pub const SPIE: u64 = 1 << 5;
    /// The trap came from S-mode.
    pub const SPP: u64 = 1 << 8;
    /// Floating-point state; all ones is Dirty.
    pub const FS: u64 = 3 << 13;
    /// Vector state; all ones is Dirty.
    pub const VS: u64 = 3 << 9;
    /// S-mode may access user pages.
    pub const SUM: u64 = 1 << 18;
    /// Loads may read executable pages.
    pub const MXR: u64 = 1 << 19;
    /// U-mode is 64 bits wide.
    pub const UXL_64: u64 = 2 << 32;
    /// Some state is dirty.
    pub const SD: u64 = 1 << 63;
    /// What no cached translation depends on.
    pub const QUICK: u64 = SIE | SPIE | SPP | VS | FS | SUM;
    /// What software can change.
    pub const WRITABLE: u64 = SIE | SPIE | SPP | VS | FS | SUM | MXR;
}

/// Fields of `satp`.
pub mod satp {
    const PPN: u64 = (1 << 44) - 1;

    /// Physical address of the root page table.
    pub fn root(satp: u64) -> u64 {
        (satp & PPN) << 12
    }

    /// The address space's identifier: 16 bits.
    fn asid(satp: u64) -> u64 {
        satp >> 44 & 0xffff
    }

    /// Whether a `satp` has this identifier; all have, if it is none.
    pub fn has_asid(asid: Option<u64>) -> impl Fn(u64) -> bool {
        move |satp| asid.is_none_or(|asid| self::asid(satp) == asid)
    }
}

/// Fields of `senvcfg`: what U-mode may do.
pub mod envcfg {
    /// Fences of I/O order memory too.
    pub const FIOM: u64 = 1;
    /// `cbo.inval`: 1 flushes, 3 invalidates, 2 is reserved.
    pub const CBIE: u64 = 3 << 4;
    /// `cbo.clean` and `cbo.flush`.
    pub const CBCFE: u64 = 1 << 6;
    /// `cbo.zero`.
    pub const CBZE: u64 = 1 << 7;
    /// Pointer masking (Ssnpm): 2 ignores 7 upper bits, 3 ignores 16, 1 is reserved.
    pub const PMM: u64 = 3 << 32;
}

/// The registers that are plain storage, and the fields of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Csrs {
    /// `sstatus` without its constant and derived bits.
    pub sstatus: u64,
    /// Interrupt enables.
    pub sie: u64,
    /// Pending software interrupt (`sip.SSIP`), the only bit that software sets itself.
    pub ssip: bool,
    /// Trap vector.
    pub stvec: u64,
    /// Counters that U-mode may read.
    pub scounteren: u64,
    /// Environment configuration ([`envcfg`]).
    pub senvcfg: u64,
    /// Timer compare (Sstc), in ticks.
    pub stimecmp: u64,
    /// Address translation.
    pub satp: u64,
    /// Accrued floating-point exceptions.
    pub fflags: u8,
    /// Dynamic rounding mode.
    pub frm: u8,
}

impl Csrs {
    /// `sstatus` as it reads.
    pub fn read_sstatus(&self) -> u64 {
        let is_dirty = |field| self.sstatus & field == field;
        let dirty = if is_dirty(status::FS) || is_dirty(status::VS) { status::SD } else { 0 };
        self.sstatus | status::UXL_64 | dirty
    }

    /// Stores the writable fields of `sstatus`.
    pub fn write_sstatus(&mut self, value: u64) {
        self.sstatus = value & status::WRITABLE;
    }

    /// Stores `sie`.
    pub fn write_sie(&mut self, value: u64) {
        self.sie = value & interrupt::ALL;
    }

    /// Stores the fields of `senvcfg`; those with a reserved value become 0.
    pub fn write_senvcfg(&mut self, value: u64) {
        use envcfg::{CBCFE, CBIE, CBZE, FIOM, PMM};
        let inval = if value & CBIE == 2 << 4 { 0 } else { value & CBIE };
        let masking = if value & PMM == 1 << 32 { 0 } else { value & PMM };
        self.senvcfg = value & (FIOM | CBCFE | CBZE) | inval | masking;
    }

    /// Upper bits of addresses that U-mode's loads and stores ignore. Masking does not apply where
    /// loads may read code (Pointer Masking, "Memory Accesses Subject to Pointer Masking").
    pub fn ignored_bits(&self) -> u32 {
        match self.senvcfg >> 32 & 3 {
            _ if self.sstatus & status::MXR != 0 => 0,
            2 => 7,
            3 => 16,
            _ => 0,
        }
    }

    /// Stores `satp`: Bare, Sv39 and Sv48 exist; a write of another mode has no effect at all
    /// (privileged ISA, "Supervisor Address Translation and Protection Register"). Returns whether
    /// something was written.
    pub fn write_satp(&mut self, value: u64) -> bool {
        match value >> 60 {
            0 => self.satp = 0,
            8 | 9 => self.satp = value,
            _ => return false,
        }
        true
    }

    /// Whether software can have written all this; for state that came from a snapshot. What a
    /// register reads it takes unchanged.
    pub fn is_possible(&self) -> bool {
        let mut written = self.clone();
        written.write_sstatus(self.sstatus);
        written.write_sie(self.sie);
        written.write_senvcfg(self.senvcfg);
        written.write_satp(self.satp)
            && written == *self
            && self.stvec & 2 == 0
            && self.scounteren <= u64::from(u32::MAX)
            && self.fflags <= 0x1f
            && self.frm <= 7
    }

    /// Floating-point unit switched on.
    pub fn fp_enabled(&self) -> bool {
        self.sstatus & status::FS != 0
    }

    /// Adds exceptions, and marks the state dirty.
    pub fn accrue(&mut self, flags: u8) {
        self.fflags |= flags;
        self.sstatus |= status::FS;
    }

    /// Vector unit switched on.
    pub fn vector_enabled(&self) -> bool {
        self.sstatus & status::VS != 0
    }
}
