//! Units that are read from a file when they are touched.

use c2w_emulator::{UNIT_SIZE, UnitError, UnitSource};
use c2w_units::{StoredUnit, UnitIndex, unpack};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Units in a file.
pub struct FileUnits {
    file: File,
    /// Where what is stored begins in the file.
    start: u64,
    index: Vec<u8>,
    /// What they are units of.
    name: &'static str,
    stored: Vec<u8>,
}

impl FileUnits {
    /// Units that are stored from `start` on; `index` has an entry for each.
    pub fn new(file: File, start: u64, index: Vec<u8>, name: &'static str) -> Self {
        Self { file, start, index, name, stored: Vec::with_capacity(UNIT_SIZE) }
    }

    fn get(&self, unit: u32) -> Option<StoredUnit> {
        UnitIndex::new(&self.index).get(unit)
    }
}

impl UnitSource for FileUnits {
    fn is_zero(&self, unit: u32) -> bool {
        self.get(unit).is_some_and(StoredUnit::is_zero)
            || unit as usize >= UnitIndex::new(&self.index).len()
    }

    fn read(&mut self, unit: u32, frame: &mut [u8; UNIT_SIZE]) -> Result<(), UnitError> {
        let damaged = || UnitError(format!("unit {unit} of its {} is damaged", self.name));
        let StoredUnit { offset, length, encoding } = self.get(unit).ok_or_else(damaged)?;
        self.stored.resize(length as usize, 0);
        let read = self.file.read_exact_at(&mut self.stored, self.start + u64::from(offset));
        read.map_err(|error| {
            UnitError(format!("unit {unit} of its {} cannot be read: {error}", self.name))
        })?;
        unpack(encoding, &self.stored, frame)
            .map_err(|_| UnitError(format!("unit {unit} of its {} is damaged", self.name)))
    }
}
