//! An entry of a module's index of units, and what is stored of one.

use c2w_emulator::UNIT_SIZE;
use c2w_units::{ENTRY_SIZE, StoredUnit, UnitIndex, unpack};

/// Runs one input: an entry, then the stored bytes.
///
/// # Panics
/// When an entry is not read as it is written, or what a unit is unpacked to depends on what was there
/// before.
pub fn check(bytes: &[u8]) {
    let index = UnitIndex::new(bytes);
    for number in 0..index.len() as u32 + 1 {
        let Some(unit) = index.get(number) else { continue };
        let at = number as usize * ENTRY_SIZE;
        assert_eq!(unit.to_bytes(), bytes[at..at + ENTRY_SIZE], "{unit:?}");
        assert!(unit.length as usize <= UNIT_SIZE, "{unit:?}");
    }
    let Some((entry, stored)) = bytes.split_first_chunk::<ENTRY_SIZE>() else { return };
    let Some(StoredUnit { encoding, .. }) = StoredUnit::from_bytes(*entry) else { return };
    let unpacked = |there: u8| {
        let mut unit = Box::new([there; UNIT_SIZE]);
        unpack(encoding, stored, &mut unit).map(|()| unit)
    };
    assert!(unpacked(0) == unpacked(0xee), "{encoding:?}");
}
