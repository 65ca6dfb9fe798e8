//! Exceptions and interrupts (privileged ISA, "Supervisor Cause Register").

/// A synchronous exception: `scause` and `stval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The exception code.
    pub cause: Cause,
    /// The faulting address, or the bits of an illegal instruction.
    pub value: u64,
}

/// Exception codes that a hart without M-mode can raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[allow(missing_docs)]
pub enum Cause {
    FetchAccess = 1,
    IllegalInstruction = 2,
    Breakpoint = 3,
    LoadMisaligned = 4,
    LoadAccess = 5,
    StoreMisaligned = 6,
    StoreAccess = 7,
    EcallFromUser = 8,
    FetchPage = 12,
    LoadPage = 13,
    StorePage = 15,
}

impl Trap {
    /// An exception at an address.
    pub fn new(cause: Cause, value: u64) -> Self {
        Self { cause, value }
    }
}

/// Interrupt bits of `sie` and `sip`, by their cause number.
pub mod interrupt {
    /// Software interrupt.
    pub const SOFTWARE: u64 = 1;
    /// Timer interrupt (Sstc).
    pub const TIMER: u64 = 5;
    /// External interrupt (PLIC).
    pub const EXTERNAL: u64 = 9;
    /// All that exist.
    pub const ALL: u64 = 1 << SOFTWARE | 1 << TIMER | 1 << EXTERNAL;
}
