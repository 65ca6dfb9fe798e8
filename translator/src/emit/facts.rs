//! What holds at a place of a function, whichever way control has come there: what need not be done
//! again.
//!
//! It is kept while the function is written. Where ways meet, what holds on all of them does. At a
//! loop's header only that does which the loop itself keeps, for the ways back are written last. Behind
//! a call nothing holds.

use crate::emit::builder::Registers;
use alloc::vec::Vec;

/// Facts at a place.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Registers that are in their locals.
    pub loaded: Registers,
    /// Checks that have been made.
    pub known: Known,
    /// Bytes that have been looked up.
    pub ranges: Vec<Range>,
}

/// Checks that need not be made again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// `fp_ready` is set.
    pub fp_ready: bool,
    /// `fp_fast` is set.
    pub fp_fast: bool,
    /// `vector_ready` is set.
    pub vector_ready: bool,
}

/// Bytes around a base register that are known to be accessible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
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

impl Facts {
    /// What holds in both places.
    pub fn and(mut self, other: &Self) -> Self {
        self.loaded = self.loaded.and(other.loaded);
        self.known = Known {
            fp_ready: self.known.fp_ready && other.known.fp_ready,
            fp_fast: self.known.fp_fast && other.known.fp_fast,
            vector_ready: self.known.vector_ready && other.known.vector_ready,
        };
        self.ranges.retain(|range| other.ranges.contains(range));
        self
    }

    /// Forgets what depends on registers that are written.
    pub fn overwritten(&mut self, written: Registers) {
        self.ranges.retain(|range| !written.has_x(range.base));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn what_holds_on_both_ways_does_where_they_meet() {
        let range = |base, local| Range { base, low: 0, end: 8, writable: false, local };
        let loaded = |registers| Registers(registers);
        let known = Known { fp_ready: true, fp_fast: true, vector_ready: false };
        let one = Facts { loaded: loaded(0b110), known, ranges: vec![range(2, 5), range(8, 6)] };
        let known = Known { fp_ready: true, fp_fast: false, vector_ready: true };
        let other = Facts { loaded: loaded(0b011), known, ranges: vec![range(8, 7), range(2, 5)] };
        let both = one.and(&other);
        assert_eq!((both.loaded, both.ranges), (loaded(0b010), vec![range(2, 5)]));
        assert!(both.known.fp_ready && !both.known.fp_fast && !both.known.vector_ready);
    }

    #[test]
    fn a_range_goes_with_its_register() {
        let ranges = [2, 8].map(|base| Range { base, low: 0, end: 8, writable: true, local: 5 });
        let mut facts = Facts { ranges: ranges.into(), ..Facts::default() };
        facts.overwritten(Registers::x(8).with(Registers::f(2)));
        assert_eq!(facts.ranges, [ranges[0]]);
    }
}
