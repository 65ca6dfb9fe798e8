//! A CPU: an instruction set's registers, and what the engine keeps for them.

use super::access::Access;
use super::address_spaces::{AddressSpaces, Translations, Writer};
use super::arch::{Arch, CpuState};
use super::code_cache::{CodeCache, Writers};
use super::code_index::Counts;
use super::observe::{Observation, Observer};
use super::state_box::StateBox;
use super::translated::TranslatedCode;
use crate::devices::PowerRequest;
use crate::memory::{GuestMemory, PAGE_SIZE};
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// A CPU that does ten billion steps a second gets here in 14 years.
const MAX_STEPS: u64 = 1 << 62;

/// A CPU, as a snapshot keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuSnapshot<R> {
    pub(crate) registers: R,
    waiting: bool,
    pub(crate) steps: u64,
    pub(crate) traps: u64,
}

/// One hardware thread.
pub struct Cpu<A: Arch> {
    /// What the interpreter loop and translated code work on.
    pub(crate) state: StateBox<A::State>,
    /// What only the instruction set knows.
    pub(crate) arch: A,
    /// Cached translations, but for the fetch table in `state`.
    pub(crate) spaces: AddressSpaces<A::Op>,
    /// Decoded code.
    pub(crate) code: CodeCache<A::Page>,
    /// It waits for an interrupt, and none is pending.
    pub(crate) waiting: bool,
    /// The run loop must check: pending interrupts, a wait or a power request.
    pub(crate) exit_request: bool,
    /// What the guest asked of its power supply.
    pub(crate) power: Option<PowerRequest>,
    /// Whether the timer was due when the clock was last asked.
    pub(super) timer_due: bool,
    /// The step at which to ask it again.
    pub(super) next_timer_check: u64,
    /// The step count at which the budget is zero.
    pub(super) stop_at: u64,
    /// Steps that ended in a trap and did not retire an instruction.
    pub(super) traps: u64,
    /// The observer, if there is one.
    pub(super) observation: Option<Observation>,
    /// Calls translated code.
    pub(super) translated: Option<Box<dyn TranslatedCode<A>>>,
    /// How much that did.
    pub(super) counts: Counts,
    /// The next run of the interpreter loop executes the page it begins in without entering
    /// translated code.
    pub(super) untranslated: bool,
    /// Translated code has come back where the budget is checked, and none is left.
    pub(super) budget_spent: bool,
    /// Counts changes of what is mapped or of code: after one, regions that wait must not go on.
    pub(super) mapping_epoch: u64,
}

impl<A: Arch> Cpu<A> {
    /// A CPU at its first step.
    pub(crate) fn new(arch: A, state: A::State, memory: &GuestMemory) -> Self {
        let mut cpu = Self {
            state: StateBox::new(state),
            arch,
            spaces: AddressSpaces::new(),
            code: CodeCache::new(memory.pages()),
            waiting: false,
            exit_request: true,
            power: None,
            timer_due: false,
            next_timer_check: 0,
            stop_at: 0,
            traps: 0,
            observation: None,
            translated: None,
            counts: Counts::default(),
            untranslated: false,
            budget_spent: false,
            mapping_epoch: 0,
        };
        A::sync(&mut cpu);
        cpu
    }

    /// The registers.
    pub(crate) fn snapshot(&self, memory: &GuestMemory) -> CpuSnapshot<A::Registers> {
        CpuSnapshot {
            registers: A::save(self, memory),
            waiting: self.waiting,
            steps: self.steps(),
            traps: self.traps,
        }
    }

    /// A CPU that goes on from a snapshot; `None` if no CPU can have come to that.
    pub(crate) fn restore(
        snapshot: &CpuSnapshot<A::Registers>,
        memory: &GuestMemory,
    ) -> Option<Self> {
        if snapshot.steps > MAX_STEPS || snapshot.traps > snapshot.steps {
            return None;
        }
        let (arch, mut state) = A::restore(&snapshot.registers, memory)?;
        state.set_budget(0);
        let mut cpu = Self::new(arch, state, memory);
        (cpu.stop_at, cpu.traps) = (snapshot.steps, snapshot.traps);
        cpu.waiting = snapshot.waiting;
        Some(cpu)
    }

    /// Steps so far: instructions, and traps in their place.
    pub fn steps(&self) -> u64 {
        self.stop_at.wrapping_sub(self.state.budget() as u64)
    }

    /// How much of them was translated code.
    pub fn translated(&self) -> Counts {
        self.counts
    }

    /// Retired instructions.
    pub fn retired(&self) -> u64 {
        self.steps() - self.traps
    }

    /// The next instruction's address.
    pub fn pc(&self) -> u64 {
        self.state.pc()
    }

    /// Has an observer told of everything from now on.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observation = Some(Observation::of_all(observer));
    }

    /// Has an observer told of everything in the next `all` steps, and then, evenly, of a part:
    /// that is much faster, and enough to see what is hot.
    pub fn sample(&mut self, observer: Box<dyn Observer>, all: u64) {
        let from = self.steps().saturating_add(all);
        self.observation = Some(Observation::sampled(observer, from));
    }

    /// Takes up the translations of the address space in force, and keeps those of `old`.
    pub(crate) fn switch_address_space(&mut self, old: u64) {
        self.mapping_epoch += 1;
        let new = A::address_space(&self.state);
        self.spaces.switch(old, new, self.state.fetch_mut());
        A::sync(self);
    }

    /// Forgets the translations of the address spaces that are meant.
    // Rare, and large.
    #[inline(never)]
    pub(crate) fn flush_translations(&mut self, meant: &dyn Fn(u64) -> bool) {
        self.mapping_epoch += 1;
        let current = A::address_space(&self.state);
        self.spaces.flush(current, self.state.fetch_mut(), meant);
    }

    /// Forgets the translation of an address in the address spaces that are meant.
    // Rare, and large.
    #[inline(never)]
    pub(crate) fn flush_page(&mut self, address: u64, meant: &dyn Fn(u64) -> bool) {
        self.mapping_epoch += 1;
        self.translations(meant).for_each(|space| space.flush_page(address));
    }

    /// Forgets where code is.
    pub(super) fn flush_fetches(&mut self) {
        self.mapping_epoch += 1;
        self.translations(&|_| true).for_each(Translations::flush_fetches);
    }

    /// Forgets what translated code a window page had.
    pub(super) fn forget_code_page(&mut self, window_page: u32) {
        self.mapping_epoch += 1;
        self.translations(&|_| true).for_each(|space| space.forget_code_page(window_page));
    }

    /// Caches the translation of an address to a window page, one without decoded code if it is for
    /// stores.
    pub(crate) fn fill_tlb(&mut self, address: u64, window_page: u32, access: Access) {
        let privilege = A::privilege(self);
        if access != Access::Write {
            return self.spaces.tlb.read(privilege).fill(address, window_page);
        }
        let space = A::address_space(&self.state);
        let address = address & !(PAGE_SIZE as u64 - 1);
        self.code.note_writer(window_page, Writer { space, privilege, address });
        self.spaces.tlb.write(privilege).fill(address, window_page);
    }

    /// Makes stores to a window page take the slow path.
    pub(super) fn write_protect(&mut self, window_page: u32) {
        match self.code.take_writers(window_page) {
            Writers::None => {}
            Writers::One(writer) => self
                .translations(&|space| space == writer.space)
                .for_each(|space| space.protect(window_page, Some(writer))),
            Writers::Any => {
                self.translations(&|_| true).for_each(|space| space.protect(window_page, None));
            }
        }
    }

    /// Those of the address spaces that are meant.
    fn translations<'a>(
        &'a mut self,
        meant: &'a dyn Fn(u64) -> bool,
    ) -> impl Iterator<Item = Translations<'a, A::Op>> {
        let current = A::address_space(&self.state);
        self.spaces.translations(current, self.state.fetch_mut(), meant)
    }
}
