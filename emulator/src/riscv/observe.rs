//! Reports to an [`Observer`] what a hart executes.

use super::hart::{Hart, Mode};
use super::interpreter::Stop;
use super::isa::{Insn, Opcode};
use crate::engine::bus::Bus;
use crate::engine::observe::{Block, Observer};
use crate::engine::tlb::fetch_index;
use crate::memory::{PAGE_SHIFT, PAGE_SIZE};
use alloc::boxed::Box;

/// Of so many steps, a [`SHARE`]th is reported where only a part is.
const PERIOD: u64 = 1 << 15;
/// See [`PERIOD`].
const SHARE: u32 = 8;

impl Hart {
    /// Has an observer told of everything in the next `all` steps, and then, evenly, of a part: that
    /// is much faster, and enough to see what is hot.
    pub fn sample(&mut self, observer: Box<dyn Observer>, all: u64) {
        self.observe(observer);
        self.sampled_from = Some(self.steps().saturating_add(all));
    }

    /// Runs what is not to be reported, if it is the turn of such. `None` when the next block is to
    /// be reported.
    fn run_unobserved(&mut self) -> Option<Stop> {
        let place = self.steps().checked_sub(self.sampled_from?)? % PERIOD;
        let passed_over = (PERIOD - PERIOD / u64::from(SHARE)).checked_sub(place)? as i64;
        if passed_over == 0 {
            return None;
        }
        let left = self.hot.left;
        self.hot.left = left.min(passed_over);
        let behind = left - self.hot.left;
        let stop = self.run_hot();
        self.hot.left += behind;
        if let Some(observer) = &mut self.observer {
            observer.gap(SHARE);
        }
        Some(stop)
    }

    /// Has an observer told of everything from now on.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// Runs and reports blocks until one needs the slow path, or the limit is reached. The hot
    /// loop looks at its limit where a block ends: with one instruction left it runs one block.
    pub(super) fn run_observed(&mut self, bus: &Bus<'_>) -> Stop {
        while self.hot.left > 0 {
            match self.run_unobserved() {
                Some(Stop::Limit) => continue,
                Some(stop) => return stop,
                None => {}
            }
            let (pc, left, user) = (self.hot.pc, self.hot.left, self.mode == Mode::User);
            self.hot.left = 1;
            let stop = self.run_hot();
            let instructions = 1 - self.hot.left;
            self.hot.left = left - instructions;
            if instructions > 0 {
                self.report(pc, user, instructions as u64, bus);
            }
            if stop != Stop::Limit {
                return stop;
            }
        }
        Stop::Limit
    }

    fn report(&mut self, pc: u64, user: bool, instructions: u64, bus: &Bus<'_>) {
        // What just ran was fetched through this entry.
        let window_page = self.hot.fetch[fetch_index(pc)].window_page;
        let Ok(page) = bus.memory.page(window_page) else { return };
        let start = pc as usize & (PAGE_SIZE - 1);
        let length = |at: usize| page.get(at).map_or(0, |low| if low & 3 == 3 { 4 } else { 2 });
        let end = (0..instructions).fold(start, |at, _| at + length(at));
        let mut code = page[start..end.min(PAGE_SIZE)].to_vec();
        if end > PAGE_SIZE {
            let next = self.hot.fetch[fetch_index(pc + PAGE_SIZE as u64)].window_page;
            code.extend(bus.memory.page(next).map_or(&[][..], |page| &page[..2]));
        }
        let (code, physical) = (&code[..], physical(pc, window_page, bus));
        self.tell(&Block { pc, physical, user, slow: false, instructions, code, next: self.pc() });
    }

    /// Reports an instruction that the slow path executed at `pc` in a window page.
    pub(super) fn report_slow(&mut self, pc: u64, window_page: u32, insn: &Insn, bus: &Bus<'_>) {
        let bytes = insn.bits.to_le_bytes();
        let code = &bytes[..insn.length as usize];
        // After `sret` the mode is another one; only S-mode executes it.
        let user = self.mode == Mode::User && insn.opcode != Opcode::Sret;
        let physical = physical(pc, window_page, bus);
        self.tell(&Block {
            pc,
            physical,
            user,
            slow: true,
            instructions: 1,
            code,
            next: self.pc(),
        });
    }

    fn tell(&mut self, block: &Block<'_>) {
        if let Some(observer) = &mut self.observer {
            observer.block(block);
        }
    }
}

/// Guest-physical address of `pc` in a window page.
fn physical(pc: u64, window_page: u32, bus: &Bus<'_>) -> u64 {
    let page = bus.memory.physical(window_page << PAGE_SHIFT).unwrap_or(0);
    page + (pc & (PAGE_SIZE as u64 - 1))
}
