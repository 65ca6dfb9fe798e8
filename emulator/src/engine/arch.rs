//! What an instruction set brings to the engine.
//!
//! ```text
//! engine:  run loop, budget, timer, fetch, TLBs, page states of code, translated code, observation
//!   | asks
//! Arch:    interpret, step, walk, traps, interrupts, privilege
//! ```
//!
//! Generics are static: each instruction set has its own copy of the engine, which calls nothing of
//! it through a table.

use super::access::Access;
use super::bus::Bus;
use super::code_index::{Entries, Entry};
use super::cpu::Cpu;
use super::tlb::{FetchEntry, Privilege};
use crate::memory::GuestMemory;
use alloc::boxed::Box;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An instruction set. A value of it is what a CPU has beside [`Self::State`]: what neither the
/// interpreter loop nor translated code touches.
pub trait Arch: Sized + 'static {
    /// The registers that the interpreter loop and translated code work on.
    type State: CpuState<Op = Self::Op>;
    /// What the interpreter executes: the operation of a slot.
    type Op: Copy + 'static;
    /// The decoded code of a page.
    type Page: DecodedPage<Op = Self::Op>;
    /// A synchronous exception.
    type Trap: Copy;
    /// All registers, as a snapshot keeps them.
    type Registers: Serialize + DeserializeOwned;

    /// The registers of a CPU.
    fn save(cpu: &Cpu<Self>, memory: &GuestMemory) -> Self::Registers;

    /// A CPU's state with these registers; `None` if no CPU can have come to them.
    fn restore(registers: &Self::Registers, memory: &GuestMemory) -> Option<(Self, Self::State)>;

    /// Runs the interpreter loop until something needs the caller. `untranslated`: the page that
    /// it begins in is executed without entering translated code.
    ///
    /// # Safety
    /// The state's TLB pointers must point to tables whose pages lie in the memory window, and write
    /// entries must never map a page from which code is decoded; its fetch entries must be empty or
    /// point to the operations of a live [`DecodedPage`]. With `untranslated`, the page that `pc` is
    /// in must have been made with entries.
    unsafe fn interpret(state: &mut Self::State, untranslated: bool) -> LoopExit;

    /// Executes the instruction at `pc` on the slow path, and those behind it that the interpreter
    /// loop would only come back with. Returns whether control has gone on elsewhere: not at the
    /// next instruction, or in another page.
    ///
    /// # Errors
    /// The exception that the last one raises, at `pc`; it has then changed nothing but what its
    /// instruction set says.
    fn step(cpu: &mut Cpu<Self>, bus: &mut Bus<'_>) -> Result<bool, Self::Trap>;

    /// Executes the instruction at `pc` if it is one that changes the privilege and is met at every
    /// system call: [`Self::step`] would look for what it is each time. `None` for all others; else
    /// what that returns.
    fn fast_privilege_transfer(cpu: &mut Cpu<Self>) -> Option<Result<bool, Self::Trap>>;

    /// Raises the exception of a system call by the user at `pc`. Returns the address behind it.
    fn system_call(cpu: &mut Cpu<Self>) -> u64;

    /// Goes to the handler of an exception at `pc`.
    fn enter_trap(cpu: &mut Cpu<Self>, trap: Self::Trap);

    /// Cause and value of an exception, as the instruction set numbers them.
    fn describe(trap: Self::Trap) -> (u64, u64);

    /// The exception of an access to physical addresses where nothing is, or no memory.
    fn access_fault(access: Access, address: u64) -> Self::Trap;

    /// Refreshes which interrupts are pending. Returns whether one of them is individually enabled:
    /// that ends a wait, also while interrupts are masked as a whole.
    fn poll_interrupts(cpu: &mut Cpu<Self>, bus: &Bus<'_>) -> bool;

    /// Goes to the handler of a pending interrupt, if the CPU takes interrupts.
    fn take_interrupt(cpu: &mut Cpu<Self>);

    /// The tick at which the timer is due; `u64::MAX` when it is off.
    fn timer_deadline(state: &Self::State) -> u64;

    /// Whether the timer's interrupt can end a wait.
    fn timer_enabled(state: &Self::State) -> bool;

    /// The address that an access goes to: without the bits that the CPU ignores.
    ///
    /// The TLB knows such addresses only. One with other ignored bits that is found there must mean
    /// the same.
    fn effective_address(cpu: &Cpu<Self>, address: u64) -> u64;

    /// Finds the page table entry that maps an address and permits the access.
    ///
    /// # Errors
    /// The exception that the access raises.
    fn walk(
        cpu: &Cpu<Self>,
        address: u64,
        access: Access,
        bus: &mut Bus<'_>,
    ) -> Result<Leaf, Self::Trap>;

    /// What the CPU may do at the moment.
    fn privilege(cpu: &Cpu<Self>) -> Privilege;

    /// All that names the address space in force to the hardware.
    fn address_space(state: &Self::State) -> u64;

    /// Brings the pointers and flags of the state in line with privilege and address space.
    fn sync(cpu: &mut Cpu<Self>);

    /// Bytes of the instruction that `code` begins with, two bytes at least, or as many as are left
    /// of its page.
    fn instruction_length(code: &[u8]) -> usize;
}

/// Why the interpreter loop came back. The state's `pc` says where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopExit {
    /// The instruction at `pc` is not decoded yet.
    Decode,
    /// The instruction at `pc` needs the slow path.
    Slow,
    /// Translated code goes on at `pc`.
    Enter,
    /// No fetch translation for `pc`.
    Fetch,
    /// The budget is used up.
    Budget,
}

/// What the engine needs of [`Arch::State`].
pub trait CpuState {
    /// See [`Arch::Op`].
    type Op;

    /// The next instruction's address.
    fn pc(&self) -> u64;

    /// Sets it.
    fn set_pc(&mut self, pc: u64);

    /// Steps until the loop stops; negative when it has overrun them.
    fn budget(&self) -> i64;

    /// Sets them.
    fn set_budget(&mut self, budget: i64);

    /// Makes them more, or less.
    #[inline]
    fn add_budget(&mut self, steps: i64) {
        let budget = self.budget();
        self.set_budget(budget + steps);
    }

    /// Low bit of a fetch tag: the current privilege. The other bits of the offset in a page are
    /// for the number of a code page ([`super::code_index::code_tag`]).
    fn fetch_tag(&self) -> u64;

    /// Fetch translations of the address space in force.
    fn fetch(&self) -> &[FetchEntry<Self::Op>];

    /// The same, to be changed. After the box is replaced comes [`Arch::sync`].
    fn fetch_mut(&mut self) -> &mut Box<[FetchEntry<Self::Op>]>;

    /// Sets the entries into translated code, by number.
    fn set_entries(&mut self, entries: Box<[Entry]>);

    /// Why the loop would come back at once if it started at `pc`; `None` if it would run.
    fn exit_at(&self, pc: u64) -> Option<LoopExit>;

    /// The entry into translated code at `pc`, if there is one and `pc` is mapped and decoded.
    fn entry(&self, pc: u64) -> Option<Entry>;
}

/// The decoded code of a page.
pub trait DecodedPage {
    /// See [`Arch::Op`].
    type Op;

    /// Nothing decoded. With `entries`, it has a second view without entries into translated code.
    fn new(entries: bool) -> Self;

    /// What fetch entries of the page point to. It stays there until the page is dropped, also when
    /// this value moves.
    fn ops(&self) -> *const Self::Op;

    /// Forgets what is decoded.
    fn reset(&mut self);

    /// Decodes the page's `bytes` from `offset` up to where control cannot go on, or translated
    /// code does.
    fn decode(&mut self, bytes: &[u8], offset: usize, entries: Entries<'_>);
}

/// What a page table walk found: an entry that permits the access.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    /// Physical address of what was asked for.
    pub physical: u64,
    /// Bytes that the entry maps, a power of two.
    pub span: u64,
    /// The physical address of the entry and what the access makes of it, if that is a change: the
    /// bits for accessed and dirty pages.
    pub update: Option<(u64, u64)>,
}
