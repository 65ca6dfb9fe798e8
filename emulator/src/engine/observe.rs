//! Watching a CPU run, block by block: for profiles and traces.
//!
//! A block is what ran between two moments at which control could come from elsewhere: it starts
//! where a branch, a trap or the slow path went, runs straight through branches that are not
//! taken, and ends with the first taken one, at the end of its page, or before an instruction of
//! the slow path, which is a block of its own.

use super::arch::{Arch, CpuState, LoopExit};
use super::bus::Bus;
use super::cpu::Cpu;
use super::tlb::fetch_index;
use crate::memory::{PAGE_SHIFT, PAGE_SIZE};
use alloc::boxed::Box;

/// A block that was executed.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Address of its first instruction.
    pub pc: u64,
    /// The same, guest-physical: one for all processes that share the page.
    pub physical: u64,
    /// Whether it ran with the user's privilege.
    pub user: bool,
    /// Whether it is one instruction that the slow path executed.
    pub slow: bool,
    /// Instructions executed.
    pub instructions: u64,
    /// Its code.
    pub code: &'a [u8],
    /// Address of the instruction executed next.
    pub next: u64,
}

/// Told of what a CPU does.
pub trait Observer {
    /// A block was executed.
    fn block(&mut self, block: &Block<'_>);

    /// Some instructions were passed over; from now on a block stands for `weight` of its kind.
    fn gap(&mut self, _weight: u32) {}

    /// A trap goes to the handler: its cause and value, as the instruction set numbers them, at
    /// `pc`.
    fn trap(&mut self, _pc: u64, _cause: u64, _value: u64) {}
}

/// Of this number of steps, a [`SHARE`]th is reported where only a part is.
const PERIOD: u64 = 1 << 15;
/// See [`PERIOD`].
const SHARE: u32 = 8;

/// Who is told, and of how much.
pub(super) struct Observation {
    pub(super) observer: Box<dyn Observer>,
    /// The step from which on only a part is reported.
    sampled_from: Option<u64>,
}

impl Observation {
    /// Of everything.
    pub(super) fn of_all(observer: Box<dyn Observer>) -> Self {
        Self { observer, sampled_from: None }
    }

    /// Of everything up to step `from`, and then of a part.
    pub(super) fn sampled(observer: Box<dyn Observer>, from: u64) -> Self {
        Self { observer, sampled_from: Some(from) }
    }

    /// How many steps to pass over before the next block is reported at step `steps`.
    fn passed_over(&self, steps: u64) -> Option<u64> {
        let in_period = steps.checked_sub(self.sampled_from?)? % PERIOD;
        let passed_over = (PERIOD - PERIOD / u64::from(SHARE)).checked_sub(in_period)?;
        (passed_over > 0).then_some(passed_over)
    }
}

impl<A: Arch> Cpu<A> {
    /// Whether somebody is told what is executed.
    pub(crate) fn is_observed(&self) -> bool {
        self.observation.is_some()
    }

    /// Runs what is not to be reported, if it is the turn of such. `None` when the next block is to
    /// be reported.
    fn interpret_unobserved(&mut self) -> Option<LoopExit> {
        let passed_over = self.observation.as_ref()?.passed_over(self.steps())? as i64;
        let exit = self.interpret_at_most(passed_over);
        if let Some(observation) = &mut self.observation {
            observation.observer.gap(SHARE);
        }
        Some(exit)
    }

    /// Runs as if no more than a part of the budget were there.
    fn interpret_at_most(&mut self, budget: i64) -> LoopExit {
        let all = self.state.budget();
        self.state.set_budget(all.min(budget));
        let later = all - self.state.budget();
        let exit = self.interpret();
        self.state.add_budget(later);
        exit
    }

    /// Runs and reports blocks until one needs the slow path, or the budget is used up. The
    /// interpreter loop checks its budget where a block ends: with one instruction left it runs one
    /// block.
    pub(super) fn interpret_observed(&mut self, bus: &Bus<'_>) -> LoopExit {
        while self.state.budget() > 0 {
            match self.interpret_unobserved() {
                Some(LoopExit::Budget) => continue,
                Some(exit) => return exit,
                None => {}
            }
            let (pc, before) = (self.state.pc(), self.state.budget());
            let user = A::privilege(self).is_user();
            let exit = self.interpret_at_most(1);
            let instructions = before - self.state.budget();
            if instructions > 0 {
                self.report(pc, user, instructions as u64, bus);
            }
            if exit != LoopExit::Budget {
                return exit;
            }
        }
        LoopExit::Budget
    }

    fn report(&mut self, pc: u64, user: bool, instructions: u64, bus: &Bus<'_>) {
        // What just ran was fetched through this entry.
        let window_page = self.state.fetch()[fetch_index(pc)].window_page;
        let Ok(page) = bus.memory.page(window_page) else { return };
        let start = pc as usize & (PAGE_SIZE - 1);
        let length = |at: usize| page.get(at..).map_or(0, A::instruction_length);
        let end = (0..instructions).fold(start, |at, _| at + length(at));
        let mut code = page[start..end.min(PAGE_SIZE)].to_vec();
        if end > PAGE_SIZE {
            let next =
                self.state.fetch()[fetch_index(pc.wrapping_add(PAGE_SIZE as u64))].window_page;
            let page = bus.memory.page(next).unwrap_or_default();
            code.extend(page.get(..end - PAGE_SIZE).unwrap_or_default());
        }
        self.tell(&Block {
            pc,
            physical: physical(pc, window_page, bus),
            user,
            slow: false,
            instructions,
            code: &code,
            next: self.pc(),
        });
    }

    /// Reports an instruction that the slow path executed at `pc` in a window page.
    pub(crate) fn report_slow(
        &mut self,
        (pc, window_page): (u64, u32),
        user: bool,
        code: &[u8],
        bus: &Bus<'_>,
    ) {
        self.tell(&Block {
            pc,
            physical: physical(pc, window_page, bus),
            user,
            slow: true,
            instructions: 1,
            code,
            next: self.pc(),
        });
    }

    fn tell(&mut self, block: &Block<'_>) {
        if let Some(observation) = &mut self.observation {
            observation.observer.block(block);
        }
    }
}

/// Guest-physical address of `pc` in a window page.
fn physical(pc: u64, window_page: u32, bus: &Bus<'_>) -> u64 {
    let page = bus.memory.physical(window_page << PAGE_SHIFT).unwrap_or(0);
    page + (pc & (PAGE_SIZE as u64 - 1))
}
