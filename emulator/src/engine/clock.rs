//! The `time` CSR: ticks of [`crate::riscv::board::layout::TIMEBASE_HZ`].

use crate::host::Host;
use crate::riscv::board::layout::TICK_NS;

/// Instructions that make one tick on the instruction clock: 640 million a second.
const STEPS_PER_TICK: u64 = 64;

/// Instructions between two readings of the host's clock.
const HOST_CLOCK_SLICE: u64 = 1 << 16;

/// Where time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
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
    /// Now, in ticks, after `steps` instructions.
    pub fn ticks(&self, steps: u64, host: &mut dyn Host) -> u64 {
        match *self {
            // The guest chooses how far a wait skips.
            Self::Instructions { skipped } => (steps / STEPS_PER_TICK).saturating_add(skipped),
            Self::Host { start_ticks, start_ns } => {
                let passed = host.monotonic_ns().saturating_sub(start_ns) / TICK_NS;
                start_ticks.saturating_add(passed)
            }
        }
    }

    /// The step at which the clock must be read again for a timer at `deadline` ticks, which
    /// are not there yet.
    pub fn next_timer_check(&self, deadline: u64, steps: u64) -> u64 {
        match *self {
            // The timer is off; skipped ticks may have come close to where it is.
            Self::Instructions { .. } if deadline == u64::MAX => u64::MAX,
            Self::Instructions { skipped } => {
                deadline.saturating_sub(skipped).saturating_mul(STEPS_PER_TICK)
            }
            Self::Host { .. } => steps + HOST_CLOCK_SLICE,
        }
    }

    /// Makes it `deadline` at once, when time comes from instructions; host time passes by itself.
    pub fn skip_to(&mut self, deadline: u64, steps: u64) {
        if let Self::Instructions { skipped } = self {
            *skipped = (*skipped).max(deadline.saturating_sub(steps / STEPS_PER_TICK));
        }
    }
}
