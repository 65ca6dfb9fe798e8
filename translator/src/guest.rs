//! The seam to an instruction set: what planning asks of an instruction. What writing a function
//! asks beyond that is [`crate::emit::Emit`].
//!
//! Nothing outside of an implementation knows an opcode, how long an instruction is, or where in a
//! page one may start.

use c2w_emulator::PAGE_SIZE;
use core::fmt::Debug;

/// An instruction set, as planning sees it.
pub trait Guest: Copy + Debug + Default + PartialEq + Eq + 'static {
    /// A decoded instruction.
    type Insn: Copy + Debug;
    /// What code is specialised for besides its bytes, like RISC-V's vector type: state that an
    /// instruction may have set before, whose value is known when the code is written.
    type Assumption: Copy + Debug + PartialEq + Eq;

    /// log2 of the bytes at whose multiples instructions start.
    const CODE_SHIFT: u32;
    /// Bytes of the longest instruction.
    const MAX_LENGTH: usize;
    /// A register that reads as zero whatever is written to it.
    const ZERO: Option<u8>;
    /// Offsets of a page at which instructions can start.
    const SLOTS: usize = PAGE_SIZE >> Self::CODE_SHIFT;

    /// Bytes of the instruction that some code begins with, maybe more than there are; `None` if it
    /// takes more code to tell, or if it is not an instruction.
    fn length_at(code: &[u8]) -> Option<usize>;

    /// The instruction that some code begins with.
    fn decode(code: &[u8]) -> Option<Self::Insn>;

    /// Bytes of an instruction.
    fn length(insn: &Self::Insn) -> u32;

    /// Whether an instruction can be translated, with the privilege of the user or above it.
    fn can_translate(insn: &Self::Insn, user: bool) -> bool;

    /// Where control goes from an instruction.
    fn flow(insn: &Self::Insn) -> Flow;

    /// The registers that an instruction reads and writes.
    fn registers(insn: &Self::Insn) -> RegisterUse;

    /// The memory that a load or store accesses, if that is a base register and a displacement:
    /// such accesses can share a TLB probe.
    fn memory_access(insn: &Self::Insn) -> Option<MemoryAccess>;

    /// The constant that an instruction adds to a register it writes; `None` if it does something
    /// else with it.
    fn increment(insn: &Self::Insn, register: u8) -> Option<i32>;

    /// What an instruction has to do with the [`Self::Assumption`] of its code.
    fn assumption_use(insn: &Self::Insn) -> AssumptionUse<Self::Assumption>;
}

/// Where control goes from an instruction. Distances are in bytes, from its first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next one.
    Next,
    /// To the next one, or to a distance.
    Branch(i64),
    /// To a distance.
    Jump(i64),
    /// To a function at a distance, which returns to the next one.
    Call(i64),
    /// To an address that is computed.
    IndirectJump,
    /// To a function at an address that is computed.
    IndirectCall,
    /// Back to the caller of a function.
    Return,
    /// To the kernel, which returns to the next one.
    SystemCall,
}

/// Registers that an instruction reads and writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegisterUse {
    /// Those that it reads.
    pub read: Registers,
    /// Those that it writes.
    pub written: Registers,
}

/// Bytes of memory that are accessed, relative to a base register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryAccess {
    /// The register.
    pub base: u8,
    /// From there to the first byte.
    pub low: i32,
    /// From there to behind the last byte.
    pub end: i32,
    /// Whether it stores.
    pub write: bool,
}

/// What an instruction has to do with the assumption of its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssumptionUse<A> {
    /// Nothing.
    Ignores,
    /// It cannot be translated without one.
    Needs,
    /// It establishes one, or one that is not known.
    Sets(Option<A>),
}

/// A set of guest registers. The instruction set numbers them, up to 63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers(pub u64);

impl Registers {
    /// One register.
    pub const fn one(number: u8) -> Self {
        Self(1 << number)
    }

    /// Whether a register is among them.
    pub fn has(self, number: u8) -> bool {
        self.0 >> number & 1 != 0
    }

    /// Both.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those not in `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Their numbers.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |number| self.0 >> number & 1 != 0)
    }
}
