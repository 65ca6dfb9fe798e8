//! What holds at a point of a function, whichever way control has come there, and need not be done
//! again.
//!
//! It is kept while the function is written. Where ways meet, only what holds on all of them does.
//! At a loop's header only that holds which the loop itself maintains, for the edges back are
//! written last. Behind a call nothing holds.

use crate::guest::Registers;
use crate::plan::strip::StridedAccess;
use alloc::vec::Vec;
use core::fmt::Debug;

/// Checks of the CPU's state that have been made.
pub trait Checks: Copy + Debug + Default {
    /// Those that have been made on both of two ways.
    fn and(self, other: Self) -> Self;
}

/// Facts at a point.
#[derive(Clone, Debug, Default)]
pub struct Facts<C> {
    /// Registers that are in their locals.
    pub loaded: Registers,
    /// Checks that have been made.
    pub checks: C,
    /// Bytes that TLB probes have found.
    pub ranges: Vec<ProbedRange>,
}

/// Bytes around a base register that are known to be accessible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbedRange {
    /// The register.
    pub base: u8,
    /// From there to the first byte.
    pub low: i32,
    /// From there to behind the last byte.
    pub end: i32,
    /// Whether they may be stored to.
    pub writable: bool,
    /// Local with the host's address of the first byte.
    pub local: u32,
}

/// Accesses of a strip, which were checked before it.
#[derive(Clone, Copy, Debug)]
pub struct Hoisted {
    /// The accesses.
    pub access: StridedAccess,
    /// Local with what is added to the base for the host's address of the least displacement.
    pub local: u32,
}

impl<C: Checks> Facts<C> {
    /// What holds at both points.
    pub fn and(mut self, other: &Self) -> Self {
        self.loaded = self.loaded.and(other.loaded);
        self.checks = self.checks.and(other.checks);
        self.ranges.retain(|range| other.ranges.contains(range));
        self
    }

    /// Forgets what depends on registers that are written.
    pub fn overwritten(&mut self, written: Registers) {
        self.ranges.retain(|range| !written.has(range.base));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// A bit for each check.
    impl Checks for u8 {
        fn and(self, other: Self) -> Self {
            self & other
        }
    }

    fn range(base: u8, local: u32) -> ProbedRange {
        ProbedRange { base, low: 0, end: 8, writable: false, local }
    }

    #[test]
    fn what_holds_on_both_ways_does_where_they_meet() {
        let one = Facts {
            loaded: Registers(0b110),
            checks: 0b011_u8,
            ranges: vec![range(2, 5), range(8, 6)],
        };
        let other = Facts {
            loaded: Registers(0b011),
            checks: 0b101,
            ranges: vec![range(8, 7), range(2, 5)],
        };
        let both = one.and(&other);
        assert_eq!((both.loaded, both.checks), (Registers(0b010), 0b001));
        assert_eq!(both.ranges, [range(2, 5)]);
    }

    #[test]
    fn a_range_goes_with_its_register() {
        let ranges = vec![range(2, 5), range(8, 5)];
        let mut facts = Facts { checks: 0_u8, ranges, ..Facts::default() };
        facts.overwritten(Registers::one(8).with(Registers::one(34)));
        assert_eq!(facts.ranges, [range(2, 5)]);
    }
}
