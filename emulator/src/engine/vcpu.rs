//! A CPU, whatever its instruction set, as a machine sees it.
//!
//! A machine calls it once for millions of instructions. Below this the instruction set is known at
//! compile time; dispatched are accesses to devices, the host, and entering translated code.

use super::arch::Arch;
use super::bus::{Bus, Event};
use super::code_index::Counts;
use super::cpu::Cpu;
use super::observe::Observer;
use crate::encoding;
use crate::memory::GuestMemory;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;

/// See [`Cpu`], which each method is of.
#[allow(missing_docs)]
pub trait Vcpu: Any {
    /// The registers, encoded.
    fn save(&self, memory: &GuestMemory) -> Vec<u8>;
    fn run(&mut self, limit: u64, bus: &mut Bus<'_>) -> Event;
    fn timer(&self) -> Option<u64>;
    fn steps(&self) -> u64;
    fn pc(&self) -> u64;
    fn translated(&self) -> Counts;
    fn observe(&mut self, observer: Box<dyn Observer>);
    fn sample(&mut self, observer: Box<dyn Observer>, all: u64);
}

impl<A: Arch> Vcpu for Cpu<A> {
    fn save(&self, memory: &GuestMemory) -> Vec<u8> {
        encoding::encode(&self.snapshot(memory))
    }

    fn run(&mut self, limit: u64, bus: &mut Bus<'_>) -> Event {
        self.run(limit, bus)
    }

    fn timer(&self) -> Option<u64> {
        self.timer()
    }

    fn steps(&self) -> u64 {
        self.steps()
    }

    fn pc(&self) -> u64 {
        self.pc()
    }

    fn translated(&self) -> Counts {
        self.translated()
    }

    fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observe(observer);
    }

    fn sample(&mut self, observer: Box<dyn Observer>, all: u64) {
        self.sample(observer, all);
    }
}
