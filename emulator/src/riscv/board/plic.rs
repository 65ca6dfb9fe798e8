//! The platform-level interrupt controller: sources 1 to 31, one context.
//!
//! Register layout of the RISC-V PLIC specification 1.0.0 as SiFive builds it:
//!
//! ```text
//! 0x00_0000 + 4 n   priority of source n, 0 (never) to 7
//! 0x00_1000         pending bits
//! 0x00_2000         enable bits of context 0
//! 0x20_0000         priority threshold of context 0
//! 0x20_0004         claim (read), complete (write)
//! ```
//!
//! Linux takes its contexts from `interrupts-extended`: the one entry `<&cpu0_intc 9>` makes
//! context 0 the supervisor external interrupt. Node: `compatible = "sifive,plic-1.0.0"`,
//! `interrupt-controller`, `#interrupt-cells = <1>`, `#address-cells = <0>`, `riscv,ndev = <31>`.

use crate::encoding;
use serde::{Deserialize, Serialize};

use crate::devices::{self, Context, InterruptController, InvalidState, MmioDevice};
use alloc::vec::Vec;

/// Number of the highest source.
pub const SOURCES: u32 = 31;

const PRIORITY_END: u64 = 4 * (SOURCES as u64 + 1);
const PENDING: u64 = 0x1000;
const ENABLE: u64 = 0x2000;
const THRESHOLD: u64 = 0x20_0000;
const CLAIM: u64 = 0x20_0004;
/// Three bits of priority and threshold exist.
const PRIORITY_MASK: u32 = 7;
/// Source 0 means "no interrupt".
const SOURCE_MASK: u32 = !1;

/// The controller; it is its own saved state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plic {
    priority: [u32; SOURCES as usize + 1],
    /// The wires from the devices.
    level: u32,
    /// Requests that wait for a claim.
    pending: u32,
    /// Claimed and not yet complete: their gateways forward nothing.
    in_service: u32,
    enable: u32,
    threshold: u32,
}

impl Plic {
    /// Checks state that came from a snapshot.
    ///
    /// # Errors
    /// [`InvalidState`] when source 0 has state or a priority is over 7.
    fn validate(&self) -> Result<(), InvalidState> {
        let sources = self.level | self.pending | self.in_service | self.enable;
        let priorities = self.priority.iter().fold(self.threshold, |all, one| all | one);
        if sources & !SOURCE_MASK != 0 || self.priority[0] != 0 || priorities > PRIORITY_MASK {
            return Err(InvalidState("interrupt controller"));
        }
        Ok(())
    }

    /// The gateways: a high wire becomes a request unless one is in service.
    fn forward(&mut self) {
        self.pending |= self.level & !self.in_service;
    }

    /// The enabled source of highest priority over the threshold, the lowest number first; or 0.
    fn best(&self) -> u32 {
        let mut candidates = self.pending & self.enable;
        let (mut best, mut highest) = (0, self.threshold);
        while candidates != 0 {
            let source = candidates.trailing_zeros();
            candidates &= candidates - 1;
            if self.priority[source as usize] > highest {
                (best, highest) = (source, self.priority[source as usize]);
            }
        }
        best
    }

    fn claim(&mut self) -> u32 {
        let source = self.best();
        let bit = source_bit(source);
        self.pending &= !bit;
        self.in_service |= bit;
        source
    }

    fn complete(&mut self, source: u32) {
        let bit = source_bit(source);
        // The specification ignores a completion of a source that is not enabled.
        if self.enable & bit != 0 {
            self.in_service &= !bit;
            self.forward();
        }
    }
}

/// The bit of a source; none for source 0 and those that do not exist.
fn source_bit(source: u32) -> u32 {
    1u32.checked_shl(source).unwrap_or(0) & SOURCE_MASK
}

impl MmioDevice for Plic {
    fn read(&mut self, offset: u64, size: u8, _: &mut Context<'_>) -> u64 {
        if size != 4 {
            return 0;
        }
        let value = match offset {
            0..PRIORITY_END => self.priority[(offset / 4) as usize],
            PENDING => self.pending,
            ENABLE => self.enable,
            THRESHOLD => self.threshold,
            CLAIM => self.claim(),
            _ => 0,
        };
        value.into()
    }

    fn write(&mut self, offset: u64, size: u8, value: u64, _: &mut Context<'_>) {
        if size != 4 {
            return;
        }
        let value = value as u32;
        match offset {
            4..PRIORITY_END => self.priority[(offset / 4) as usize] = value & PRIORITY_MASK,
            ENABLE => self.enable = value & SOURCE_MASK,
            THRESHOLD => self.threshold = value & PRIORITY_MASK,
            CLAIM => self.complete(value),
            _ => {}
        }
    }

    fn save(&self) -> Vec<u8> {
        encoding::encode(self)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), InvalidState> {
        let restored: Self = devices::decode(state)?;
        restored.validate()?;
        *self = restored;
        Ok(())
    }
}

impl InterruptController for Plic {
    fn set_level(&mut self, source: u32, high: bool) {
        let bit = source_bit(source);
        self.level = if high { self.level | bit } else { self.level & !bit };
        self.forward();
    }

    fn is_pending(&self, source: u32) -> bool {
        self.pending & source_bit(source) != 0
    }

    /// The hart's supervisor external interrupt.
    fn is_asserted(&self) -> bool {
        self.pending & self.enable != 0 && self.best() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::test_host::World;

    /// As Linux leaves it after probing: `sources` on, priority 1, threshold 0.
    fn enabled(world: &mut World, sources: &[u32]) -> Plic {
        let mut plic = Plic::default();
        for &source in sources {
            world.write(&mut plic, 4 * u64::from(source), 1);
        }
        let bits = sources.iter().fold(0, |bits, source| bits | 1 << source);
        world.write(&mut plic, ENABLE, bits);
        plic
    }

    #[test]
    fn a_wire_that_stays_high_asks_again_after_completion() {
        let mut world = World::new();
        let mut plic = enabled(&mut world, &[3]);
        plic.set_level(3, true);
        assert!(plic.is_asserted());
        assert_eq!(world.read(&mut plic, CLAIM), 3);
        assert!(!plic.is_asserted(), "claimed");
        assert_eq!(world.read(&mut plic, CLAIM), 0);
        plic.set_level(3, true);
        assert!(!plic.is_asserted(), "the gateway is closed while in service");
        world.write(&mut plic, CLAIM, 3);
        assert!(plic.is_asserted());

        assert_eq!(world.read(&mut plic, CLAIM), 3);
        plic.set_level(3, false);
        world.write(&mut plic, CLAIM, 3);
        assert!(!plic.is_asserted());
    }

    #[test]
    fn a_pulse_is_remembered() {
        let mut world = World::new();
        let mut plic = enabled(&mut world, &[2]);
        plic.set_level(2, true);
        plic.set_level(2, false);
        assert_eq!(world.read(&mut plic, CLAIM), 2);
        world.write(&mut plic, CLAIM, 2);
        assert!(!plic.is_asserted());
    }

    #[test]
    fn priority_then_number_decides() {
        let mut world = World::new();
        let mut plic = enabled(&mut world, &[1, 5, 31]);
        world.write(&mut plic, 4 * 31, 2);
        for source in [1, 5, 31] {
            plic.set_level(source, true);
        }
        assert_eq!([31, 1, 5, 0], core::array::from_fn(|_| world.read(&mut plic, CLAIM)));
    }

    #[test]
    fn threshold_enable_and_priority_zero_mask() {
        let mut world = World::new();
        let mut plic = enabled(&mut world, &[4]);
        plic.set_level(4, true);
        world.write(&mut plic, THRESHOLD, 1);
        assert!(!plic.is_asserted());
        world.write(&mut plic, THRESHOLD, 0);
        assert!(plic.is_asserted());
        world.write(&mut plic, 16, 0);
        assert!(!plic.is_asserted());
        world.write(&mut plic, 16, 7);
        world.write(&mut plic, ENABLE, 0);
        assert!(!plic.is_asserted());
        assert_eq!(world.read(&mut plic, PENDING), 1 << 4);
    }

    #[test]
    fn sources_that_do_not_exist_do_nothing() {
        let mut world = World::new();
        let mut plic = enabled(&mut world, &[1]);
        let before = plic.clone();
        for source in [0, 32, u32::MAX] {
            plic.set_level(source, true);
            world.write(&mut plic, CLAIM, source);
        }
        world.write(&mut plic, 0, 7);
        assert_eq!(plic, before);
    }

    #[test]
    fn saved_in_service_it_goes_on() {
        let mut world = World::new();
        let mut plic = enabled(&mut world, &[3]);
        plic.set_level(3, true);
        assert_eq!(world.read(&mut plic, CLAIM), 3);
        let bytes = postcard::to_allocvec(&plic).unwrap();
        let mut restored: Plic = postcard::from_bytes(&bytes).unwrap();
        restored.validate().unwrap();
        assert!(!restored.is_asserted());
        world.write(&mut restored, CLAIM, 3);
        assert!(restored.is_asserted());
    }

    #[test]
    fn hostile_state_is_refused() {
        assert!(Plic { pending: 1, ..Plic::default() }.validate().is_err());
        assert!(Plic { threshold: 8, ..Plic::default() }.validate().is_err());
    }
}
