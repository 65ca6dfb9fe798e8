//! The units that this module carries, unpacked when the guest touches them.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use c2w_emulator::{UNIT_SIZE, UnitError, UnitSource};
use c2w_module_abi::CopyUnits;
use c2w_units::{Encoding, StoredUnit, UnitIndex, unpack};

/// Some of the module's units.
pub struct ModuleUnits {
    index: UnitIndex<'static>,
    copy: CopyUnits,
    /// What they are units of.
    name: &'static str,
    stored: Box<[u8]>,
}

impl ModuleUnits {
    /// Units with these entries, whose stored bytes `copy` copies.
    pub fn new(index: &'static [u8], copy: CopyUnits, name: &'static str) -> Self {
        let stored = vec![0; UNIT_SIZE].into_boxed_slice();
        Self { index: UnitIndex::new(index), copy, name, stored }
    }
}

impl UnitSource for ModuleUnits {
    fn is_zero(&self, unit: u32) -> bool {
        self.index.get(unit).is_some_and(StoredUnit::is_zero)
    }

    fn read(&mut self, unit: u32, frame: &mut [u8; UNIT_SIZE]) -> Result<(), UnitError> {
        let damaged = || UnitError(format!("unit {unit} of its {} is damaged", self.name));
        let StoredUnit { offset, length, encoding } = self.index.get(unit).ok_or_else(damaged)?;
        // The function traps when the module has no such bytes; an entry has no more than a unit.
        if encoding == Encoding::Raw {
            (self.copy)(frame.as_mut_ptr().expose_provenance() as u32, offset, length);
            return Ok(());
        }
        let stored = &mut self.stored[..length as usize];
        (self.copy)(stored.as_mut_ptr().expose_provenance() as u32, offset, length);
        unpack(encoding, stored, frame)
            .map_err(|_| UnitError(format!("unit {unit} of its {} is damaged", self.name)))
    }
}
