//! The VM generation ID: 16 bytes that differ after the machine was copied, and an interrupt to
//! say so. Linux mixes them into its random generator and reseeds it.
//!
//! Node: `compatible = "microsoft,vmgenid"`, `reg` of 16 bytes or more, one interrupt. The
//! driver only copies the ID out and has no register to acknowledge the interrupt, so the
//! interrupt is a pulse: high until the interrupt controller has taken it.

use crate::encoding;
use serde::{Deserialize, Serialize};

use super::{Context, Devices, InvalidState, MmioDevice};
use crate::devices;
use alloc::vec::Vec;

/// Length of a generation ID in bytes.
pub const ID_LENGTH: usize = 16;

/// The device; it is its own saved state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmGenId {
    id: [u8; ID_LENGTH],
    changed: bool,
}

impl VmGenId {
    /// A device with a first ID and nothing to report.
    pub fn new(id: [u8; ID_LENGTH]) -> Self {
        Self { id, changed: false }
    }

    /// Sets a new ID, which must be random and unique, and raises the interrupt.
    pub fn renew(&mut self, id: [u8; ID_LENGTH]) {
        *self = Self { id, changed: true };
    }
}

impl MmioDevice for VmGenId {
    fn read(&mut self, offset: u64, size: u8, _: &mut Context<'_>) -> u64 {
        let mut bytes = [0; 8];
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        for (index, byte) in bytes.iter_mut().take(size.into()).enumerate() {
            *byte = self.id.get(offset.saturating_add(index)).copied().unwrap_or(0);
        }
        u64::from_le_bytes(bytes)
    }

    fn write(&mut self, _: u64, _: u8, _: u64, _: &mut Context<'_>) {}

    fn interrupt(&self) -> bool {
        self.changed
    }

    fn interrupt_latched(&mut self) {
        self.changed = false;
    }

    fn save(&self) -> Vec<u8> {
        encoding::encode(self)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), InvalidState> {
        *self = devices::decode(state)?;
        Ok(())
    }
}

impl Devices {
    /// Tells the guest that it was copied. `id` must be random and unique.
    pub fn renew_generation(&mut self, id: [u8; ID_LENGTH]) {
        self.with(|device: &mut VmGenId| device.renew(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::test_host::World;

    #[test]
    fn the_id_reads_the_same_in_every_size() {
        let mut world = World::new();
        let id = core::array::from_fn(|index| index as u8 + 1);
        let mut device = VmGenId::new(id);
        for size in [1u8, 2, 4, 8] {
            for offset in (0..16).step_by(size.into()) {
                let mut expected = [0; 8];
                expected[..size.into()].copy_from_slice(&id[offset..offset + usize::from(size)]);
                let value = device.read(offset as u64, size, &mut world.context());
                assert_eq!(value, u64::from_le_bytes(expected), "{size} bytes at {offset}");
            }
        }
        assert_eq!(device.read(16, 8, &mut world.context()), 0);
        assert_eq!(device.read(u64::MAX, 8, &mut world.context()), 0);
    }

    #[test]
    fn a_new_id_is_one_pulse() {
        let mut world = World::new();
        let mut device = VmGenId::new([1; 16]);
        assert!(!device.interrupt());
        device.renew([2; 16]);
        assert!(device.interrupt());
        device.interrupt_latched();
        assert!(!device.interrupt());
        assert_eq!(world.read(&mut device, 12), 0x0202_0202);
    }

    #[test]
    fn a_pulse_not_yet_taken_survives_a_snapshot() {
        let mut device = VmGenId::default();
        device.renew([9; 16]);
        let bytes = postcard::to_allocvec(&device).unwrap();
        assert_eq!(postcard::from_bytes::<VmGenId>(&bytes), Ok(device));
    }
}
