//! Power off and reboot: one register in the manner of SiFive's test finisher.
//!
//! Nodes: `compatible = "sifive,test1", "sifive,test0", "syscon"` for the register, and beside
//! it `"syscon-poweroff"` (`regmap`, `offset = <0>`, `value = <0x5555>`) and `"syscon-reboot"`
//! (`value = <0x7777>`).

use crate::encoding;
use serde::{Deserialize, Serialize};

use crate::devices::{self, Context, InvalidState, MmioDevice, PowerRequest};
use alloc::vec::Vec;

const PASS: u16 = 0x5555;
const FAIL: u16 = 0x3333;
const RESET: u16 = 0x7777;

/// The register; it is its own saved state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syscon {
    request: Option<PowerRequest>,
}

impl MmioDevice for Syscon {
    fn read(&mut self, _: u64, _: u8, _: &mut Context<'_>) -> u64 {
        0
    }

    fn write(&mut self, offset: u64, size: u8, value: u64, _: &mut Context<'_>) {
        if offset != 0 || !matches!(size, 2 | 4) {
            return;
        }
        match value as u16 {
            PASS => self.request = Some(PowerRequest::PowerOff),
            RESET => self.request = Some(PowerRequest::Reboot),
            FAIL => self.request = Some(PowerRequest::Failure((value >> 16) as u16)),
            _ => {}
        }
    }

    fn take_power_request(&mut self) -> Option<PowerRequest> {
        self.request.take()
    }

    fn save(&self) -> Vec<u8> {
        encoding::encode(self)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), InvalidState> {
        let restored: Self = devices::decode(state)?;
        // The bus takes a request with the write that makes it.
        if restored.request.is_some() {
            return Err(InvalidState("power request"));
        }
        *self = restored;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::test_host::World;

    #[test]
    fn each_value_makes_its_request_once() {
        let mut world = World::new();
        let mut syscon = Syscon::default();
        for (value, request) in [
            (0x5555, PowerRequest::PowerOff),
            (0x7777, PowerRequest::Reboot),
            (0x0007_3333, PowerRequest::Failure(7)),
        ] {
            world.write(&mut syscon, 0, value);
            assert_eq!(syscon.take_power_request(), Some(request));
            assert_eq!(syscon.take_power_request(), None);
        }
    }

    #[test]
    fn other_writes_are_ignored() {
        let mut world = World::new();
        let mut syscon = Syscon::default();
        world.write(&mut syscon, 0, 0x1234);
        world.write(&mut syscon, 4, 0x5555);
        assert_eq!(syscon.take_power_request(), None);
    }
}
