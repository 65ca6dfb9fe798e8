//! Sets the wall clock after a restore.

use crate::failure::{OrFail, Result};
use c2w_guest_abi::WallClock;
use rustix::time::{ClockId, Timespec, clock_settime};

/// Sets the wall clock, with the time added that has passed since the host read its own: the
/// machine had to come this far, and its host may be slow.
pub fn set(clock: WallClock) -> Result<()> {
    let passed = ticks().saturating_sub(clock.ticks).saturating_mul(clock.tick_ns);
    let now = clock.realtime_ns.saturating_add(passed);
    let time =
        Timespec { tv_sec: (now / 1_000_000_000) as i64, tv_nsec: (now % 1_000_000_000) as i64 };
    clock_settime(ClockId::Realtime, time).or_fail("setting the clock")
}

/// The machine's time, in ticks of its timer: the `time` CSR (Zicntr).
#[cfg(target_arch = "riscv64")]
#[allow(unsafe_code)]
fn ticks() -> u64 {
    let ticks;
    // SAFETY: reads a counter into a register.
    unsafe { std::arch::asm!("rdtime {}", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

/// Only tests run elsewhere, and none of them sets a clock.
#[cfg(not(target_arch = "riscv64"))]
fn ticks() -> u64 {
    0
}
