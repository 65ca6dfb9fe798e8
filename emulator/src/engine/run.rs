//! The loop around the interpreter loop: interrupts, timer, budget, and what the interpreter loop
//! leaves to the slow path.

use super::arch::{Arch, CpuState, LoopExit};
use super::bus::{Bus, Event};
use super::cpu::Cpu;
use crate::memory::GuestMemory;

/// Instructions after which translated code that could not be entered is tried again.
const UNTRANSLATED_VISIT: i64 = 256;

impl<A: Arch> Cpu<A> {
    /// Runs until `limit` steps are done (and a little more), or something else happens.
    pub fn run(&mut self, limit: u64, bus: &mut Bus<'_>) -> Event {
        self.next_timer_check = 0;
        loop {
            // Devices may have written to memory: since the last call, or when they were accessed.
            self.make_room(bus.memory);
            self.drop_overwritten_code(bus.memory);
            if bus.memory.failure().is_some() {
                return Event::Limit;
            }
            if let Some(request) = self.power.take().or_else(|| bus.devices.take_power_request()) {
                return Event::Power(request);
            }
            self.exit_request = false;
            // The host's clock is asked once a slice, not each time.
            if self.steps() >= self.next_timer_check {
                self.check_timer(bus);
            }
            if A::poll_interrupts(self, bus) {
                self.waiting = false;
            }
            if self.waiting {
                return Event::Idle;
            }
            if self.steps() >= limit {
                return Event::Limit;
            }
            A::take_interrupt(self);
            self.set_limit(limit.min(self.next_timer_check));
            self.execute(bus);
        }
    }

    /// The tick at which the timer ends a wait; `None` when it is off or its interrupt masked,
    /// for then it never does.
    pub fn timer(&self) -> Option<u64> {
        let deadline = A::timer_deadline(&self.state);
        (A::timer_enabled(&self.state) && deadline != u64::MAX).then_some(deadline)
    }

    /// Whether the timer was due when the clock was last asked.
    pub(crate) fn timer_due(&self) -> bool {
        self.timer_due
    }

    /// The timer has another deadline.
    pub(crate) fn timer_changed(&mut self) {
        self.next_timer_check = 0;
        self.exit_request = true;
    }

    /// Compares the clock with the timer, and decides when to do so again.
    fn check_timer(&mut self, bus: &mut Bus<'_>) {
        let deadline = A::timer_deadline(&self.state);
        self.timer_due =
            deadline != u64::MAX && bus.clock.ticks(self.steps(), bus.host) >= deadline;
        // A timer that is due but masked must not stop the loop at every step.
        self.next_timer_check = match self.timer_due {
            true => u64::MAX,
            false => bus.clock.next_timer_check(deadline, self.steps()),
        };
    }

    /// Sets the step count at which the interpreter loop stops.
    fn set_limit(&mut self, limit: u64) {
        let budget = limit - self.steps();
        self.stop_at = limit;
        self.state.set_budget(budget as i64);
    }

    /// Runs instructions until the limit or an exit request.
    fn execute(&mut self, bus: &mut Bus<'_>) {
        loop {
            let exit = match self.observation {
                None => self.interpret(),
                Some(_) => self.interpret_observed(bus),
            };
            let transferred = match exit {
                LoopExit::Budget => return,
                LoopExit::Enter => self.enter_translated(bus),
                _ => self.handle_exit(exit, bus),
            };
            if self.exit_request || transferred && self.state.budget() <= 0 {
                return;
            }
        }
    }

    /// Evicts units of the root image if few frames are left. Nobody holds a window page here but
    /// the caches of translations.
    fn make_room(&mut self, memory: &mut GuestMemory) {
        if memory.make_room() {
            self.flush_translations(&|_| true);
        }
    }

    /// Does what the interpreter loop has stopped for. Returns whether control goes on elsewhere:
    /// then the budget is checked.
    pub(super) fn handle_exit(&mut self, exit: LoopExit, bus: &mut Bus<'_>) -> bool {
        if bus.memory.needs_attention() {
            self.exit_request = true;
            return true;
        }
        let done = match exit {
            LoopExit::Budget | LoopExit::Enter => Ok(false),
            LoopExit::Fetch => self.fetch_entry(self.state.pc(), bus).map(|_| false),
            LoopExit::Decode => self.decode(bus).map(|()| false),
            LoopExit::Slow => {
                A::fast_privilege_transfer(self).unwrap_or_else(|| A::step(self, bus))
            }
        };
        done.unwrap_or_else(|trap| {
            self.raise(trap);
            true
        })
    }

    /// Enters an exception. Traps count as steps, or a guest that only traps would never stop.
    pub(crate) fn raise(&mut self, trap: A::Trap) {
        self.retire();
        self.traps += 1;
        if let Some(observation) = &mut self.observation {
            let (cause, value) = A::describe(trap);
            observation.observer.trap(self.state.pc(), cause, value);
        }
        A::enter_trap(self, trap);
    }

    /// Counts a step.
    pub(crate) fn retire(&mut self) {
        self.state.add_budget(-1);
    }

    /// Runs instructions until one needs the slow path, or the budget is used up.
    ///
    /// Without entering translated code it goes on for a while only: a loop might not leave the
    /// page for long. What the guest does and when it stops does not depend on that.
    pub(super) fn interpret(&mut self) -> LoopExit {
        if !self.untranslated {
            // Mostly so after translated code; to start the loop costs more than to ask.
            let exit = self.state.exit_at(self.state.pc());
            return exit.unwrap_or_else(|| self.interpreter_loop(false));
        }
        self.untranslated = false;
        let later = (self.state.budget() - UNTRANSLATED_VISIT).max(0);
        self.state.add_budget(-later);
        let exit = self.interpreter_loop(true);
        self.state.add_budget(later);
        match exit {
            LoopExit::Budget if self.state.budget() > 0 => self.interpreter_loop(false),
            exit => exit,
        }
    }

    fn interpreter_loop(&mut self, untranslated: bool) -> LoopExit {
        // SAFETY: `Arch::sync` keeps the TLB pointers at tables that `self.spaces` owns, whose
        // pages come from `GuestMemory::window_page`; pages with code are write-protected in
        // `decode`; fetch entries are made in `fill_fetch` and dropped with the code they point to;
        // `untranslated` is only set where an entry into translated code was, and `pc` still is.
        unsafe { A::interpret(&mut self.state, untranslated) }
    }
}
