//! The goldfish real-time clock: nanoseconds since 1970, with an alarm.
//!
//! Node: `compatible = "google,goldfish-rtc"`, `reg`, one interrupt.

use crate::encoding;
use serde::{Deserialize, Serialize};

use crate::devices::{self, Context, InvalidState, MmioDevice};
use crate::host::Host;
use alloc::vec::Vec;

/// Low half of the time; reading it latches the high half.
const TIME_LOW: u64 = 0x00;
/// High half of the time as of the last read of the low half.
const TIME_HIGH: u64 = 0x04;
/// Low half of the alarm; writing it arms the alarm.
const ALARM_LOW: u64 = 0x08;
const ALARM_HIGH: u64 = 0x0c;
const IRQ_ENABLED: u64 = 0x10;
const CLEAR_ALARM: u64 = 0x14;
const ALARM_STATUS: u64 = 0x18;
const CLEAR_INTERRUPT: u64 = 0x1c;

/// The clock; it is its own saved state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rtc {
    /// What the guest's setting of the clock added to the host's time, in ns, modulo 2^64.
    offset_ns: u64,
    /// High half of the last time read or written.
    time_high: u32,
    alarm_ns: u64,
    armed: bool,
    irq_enabled: bool,
    fired: bool,
}

impl Rtc {
    /// Fires the alarm if it is due at host wall clock `realtime_ns`.
    fn check_alarm(&mut self, realtime_ns: u64) {
        if self.armed && self.alarm_ns <= realtime_ns.wrapping_add(self.offset_ns) {
            self.armed = false;
            self.fired = true;
        }
    }
}

impl MmioDevice for Rtc {
    fn read(&mut self, offset: u64, size: u8, context: &mut Context<'_>) -> u64 {
        if size != 4 {
            return 0;
        }
        let value = match offset {
            TIME_LOW => {
                let now = context.host.realtime_ns().wrapping_add(self.offset_ns);
                self.time_high = (now >> 32) as u32;
                now as u32
            }
            TIME_HIGH => self.time_high,
            ALARM_LOW => self.alarm_ns as u32,
            ALARM_HIGH => (self.alarm_ns >> 32) as u32,
            IRQ_ENABLED => self.irq_enabled.into(),
            ALARM_STATUS => self.armed.into(),
            _ => 0,
        };
        value.into()
    }

    fn write(&mut self, offset: u64, size: u8, value: u64, context: &mut Context<'_>) {
        if size != 4 {
            return;
        }
        let value = value & 0xffff_ffff;
        match offset {
            TIME_HIGH => self.time_high = value as u32,
            TIME_LOW => {
                let time = u64::from(self.time_high) << 32 | value;
                self.offset_ns = time.wrapping_sub(context.host.realtime_ns());
            }
            ALARM_HIGH => self.alarm_ns = value << 32 | self.alarm_ns & 0xffff_ffff,
            ALARM_LOW => {
                self.alarm_ns = self.alarm_ns >> 32 << 32 | value;
                self.armed = true;
            }
            IRQ_ENABLED => self.irq_enabled = value & 1 != 0,
            CLEAR_ALARM => self.armed = false,
            CLEAR_INTERRUPT => self.fired = false,
            _ => {}
        }
        self.check_alarm(context.host.realtime_ns());
    }

    fn interrupt(&self) -> bool {
        self.fired && self.irq_enabled
    }

    fn tick(&mut self, host: &mut dyn Host) -> bool {
        let is_set = self.armed;
        if is_set {
            self.check_alarm(host.realtime_ns());
        }
        is_set
    }

    fn save(&self) -> Vec<u8> {
        encoding::encode(self)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), InvalidState> {
        *self = devices::decode(state)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::test_host::World;

    fn time(world: &mut World, rtc: &mut Rtc) -> u64 {
        let low = u64::from(world.read(rtc, TIME_LOW));
        u64::from(world.read(rtc, TIME_HIGH)) << 32 | low
    }

    fn set_alarm(world: &mut World, rtc: &mut Rtc, at: u64) {
        world.write(rtc, ALARM_HIGH, (at >> 32) as u32);
        world.write(rtc, ALARM_LOW, at as u32);
        world.write(rtc, IRQ_ENABLED, 1);
    }

    #[test]
    fn both_halves_are_of_one_moment() {
        let mut world = World::new();
        let mut rtc = Rtc::default();
        world.host.realtime_ns = 0x1_ffff_ffff;
        assert_eq!(world.read(&mut rtc, TIME_LOW), 0xffff_ffff);
        world.host.realtime_ns += 1;
        assert_eq!(world.read(&mut rtc, TIME_HIGH), 1);
        assert_eq!(time(&mut world, &mut rtc), 0x2_0000_0000);
    }

    #[test]
    fn the_guest_sets_its_own_clock_only() {
        let mut world = World::new();
        let mut rtc = Rtc::default();
        world.host.realtime_ns = 5_000_000_000;
        world.write(&mut rtc, TIME_HIGH, 0);
        world.write(&mut rtc, TIME_LOW, 100);
        world.host.realtime_ns += 7;
        assert_eq!(time(&mut world, &mut rtc), 107);
    }

    #[test]
    fn the_alarm_fires_when_due_and_once() {
        let mut world = World::new();
        let mut rtc = Rtc::default();
        let due = 6_000_000_000;
        set_alarm(&mut world, &mut rtc, due);
        assert_eq!((rtc.armed, rtc.interrupt()), (true, false));
        rtc.check_alarm(due - 1);
        assert!(!rtc.interrupt());
        rtc.check_alarm(due);
        assert_eq!((rtc.armed, rtc.interrupt()), (false, true));
        assert_eq!(world.read(&mut rtc, ALARM_STATUS), 0);
        world.write(&mut rtc, CLEAR_INTERRUPT, 1);
        rtc.check_alarm(due);
        assert!(!rtc.interrupt());
    }

    #[test]
    fn an_armed_alarm_survives_a_snapshot_and_can_be_cleared() {
        let mut world = World::new();
        let mut rtc = Rtc::default();
        set_alarm(&mut world, &mut rtc, 1000);
        let bytes = postcard::to_allocvec(&rtc).unwrap();
        let mut restored: Rtc = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(restored, rtc);
        world.write(&mut restored, CLEAR_ALARM, 1);
        restored.check_alarm(u64::MAX);
        assert!(!restored.interrupt());
    }
}
