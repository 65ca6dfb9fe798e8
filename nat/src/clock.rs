//! Time, as the driver tells it.

/// A moment of a monotonic clock, in microseconds since some start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub u64);

impl Micros {
    /// So much later.
    pub(crate) fn plus(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

/// No timer of TCP is longer: RFC 6298, 2.5.
const LONGEST_STEP: u64 = 60_000_000;
/// Far enough below the end of signed microseconds that timers can be added.
const END: u64 = 1 << 62;

/// The flows' clock. It goes with the driver's, but skips what is longer than any timer: a host
/// that was suspended for a week has not measured a round trip of a week.
#[derive(Default)]
pub struct Clock {
    last: u64,
    skipped: u64,
}

impl Clock {
    /// The flows' time at the driver's time. It never goes back.
    pub fn advance(&mut self, now: Micros) -> Micros {
        let now = now.0.min(END).max(self.last);
        self.skipped += (now - self.last).saturating_sub(LONGEST_STEP);
        self.last = now;
        Micros(now - self.skipped)
    }

    /// The driver's time at the flows' time.
    pub fn of_driver(&self, at: Micros) -> Micros {
        at.plus(self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_but_not_back_and_skips_long_pauses() {
        let mut clock = Clock::default();
        let first = clock.advance(Micros(1_000_000_000_000));
        assert_eq!(clock.of_driver(first), Micros(1_000_000_000_000));
        assert_eq!(clock.advance(Micros(5)), first);
        assert_eq!(clock.advance(Micros(1_000_000_000_007)), first.plus(7));
        let later = clock.advance(Micros(u64::MAX));
        assert_eq!(later, first.plus(7 + LONGEST_STEP));
        assert_eq!(clock.of_driver(later.plus(3)), Micros(END + 3));
    }
}
