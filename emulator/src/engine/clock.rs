//! The clock that the timer of a CPU compares with.

use crate::host::Host;

/// What a board's ticks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timebase {
    /// Nanoseconds of a tick.
    pub tick_ns: u64,
    /// Steps, instructions and traps, that make one tick on the instruction clock.
    pub steps_per_tick: u64,
}

/// Steps between two readings of the host's clock.
const HOST_CLOCK_SLICE: u64 = 1 << 16;

/// Counts ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    timebase: Timebase,
    source: Source,
}

/// Where time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// From executed instructions, so that a run repeats exactly. Waiting skips ahead.
    Instructions {
        /// Ticks skipped so far.
        skipped: u64,
    },
    /// From the host's monotonic clock.
    Host {
        /// The guest's ticks when the host's clock stood at `start_ns`.
        start_ticks: u64,
        /// Host nanoseconds at that moment.
        start_ns: u64,
    },
}

impl Clock {
    /// One that counts from instructions.
    pub fn from_instructions(timebase: Timebase) -> Self {
        Self { timebase, source: Source::Instructions { skipped: 0 } }
    }

    /// From now on, time is the host's; the clock, which shows `ticks`, goes on from there.
    pub fn use_host(&mut self, ticks: u64, host: &mut dyn Host) {
        self.source = Source::Host { start_ticks: ticks, start_ns: host.monotonic_ns() };
    }

    /// Now, in ticks, after `steps` instructions.
    pub fn ticks(&self, steps: u64, host: &mut dyn Host) -> u64 {
        match self.source {
            // The guest chooses how far a wait skips.
            Source::Instructions { skipped } => {
                (steps / self.timebase.steps_per_tick).saturating_add(skipped)
            }
            Source::Host { start_ticks, start_ns } => {
                let passed = host.monotonic_ns().saturating_sub(start_ns) / self.timebase.tick_ns;
                start_ticks.saturating_add(passed)
            }
        }
    }

    /// The step at which the clock must be read again for a timer at `deadline` ticks, which
    /// are not there yet.
    pub fn next_timer_check(&self, deadline: u64, steps: u64) -> u64 {
        match self.source {
            // The timer is off; skipped ticks may have come close to where it is.
            Source::Instructions { .. } if deadline == u64::MAX => u64::MAX,
            Source::Instructions { skipped } => {
                deadline.saturating_sub(skipped).saturating_mul(self.timebase.steps_per_tick)
            }
            Source::Host { .. } => steps + HOST_CLOCK_SLICE,
        }
    }

    /// Makes it `deadline` at once, when time comes from instructions; host time passes by itself.
    pub fn skip_to(&mut self, deadline: u64, steps: u64) {
        if let Source::Instructions { skipped } = &mut self.source {
            let passed = steps / self.timebase.steps_per_tick;
            *skipped = (*skipped).max(deadline.saturating_sub(passed));
        }
    }
}
