//! Memory that is brought in when it is touched, from bytes.

use c2w_emulator::{UNIT_SIZE, UnitError, UnitSource};
use std::rc::Rc;

/// Bytes, unit by unit.
pub struct ByteUnits(pub Rc<Vec<u8>>);

impl ByteUnits {
    fn unit(&self, unit: u32) -> &[u8] {
        &self.0[unit as usize * UNIT_SIZE..][..UNIT_SIZE]
    }
}

impl UnitSource for ByteUnits {
    fn is_zero(&self, unit: u32) -> bool {
        self.unit(unit).iter().all(|&byte| byte == 0)
    }

    fn read(&mut self, unit: u32, frame: &mut [u8; UNIT_SIZE]) -> Result<(), UnitError> {
        frame.copy_from_slice(self.unit(unit));
        Ok(())
    }
}

/// What lies where a unit will be: `bytes` with those that are not zero replaced, unit by unit.
pub fn poisoned(bytes: &[u8]) -> Vec<u8> {
    let mut poisoned = bytes.to_vec();
    for unit in poisoned.chunks_mut(UNIT_SIZE) {
        if unit.iter().any(|&byte| byte != 0) {
            unit.fill(0xee);
        }
    }
    poisoned
}
