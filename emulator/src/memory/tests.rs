use super::*;

const RAM: u64 = 0x8000_0000;
const IMAGE: u64 = 0x4_0000_0000;

fn memory() -> GuestMemory {
    GuestMemory::allocate(RAM, 0x4000, IMAGE, 0x2000).unwrap()
}

#[test]
fn both_regions_hold_what_was_written() {
    let mut memory = memory();
    memory.write(RAM + 0x3ffc, &[1, 2, 3, 4]).unwrap();
    memory.image_mut()[0] = 5;
    assert_eq!(memory.read_array(RAM + 0x3ffc), Ok([1, 2, 3, 4]));
    assert_eq!(memory.read_array(IMAGE), Ok([5]));
}

#[test]
fn no_access_reaches_past_a_region() {
    let mut memory = memory();
    for (address, length) in
        [(RAM - 1, 1), (RAM + 0x3fff, 2), (RAM, 0x4001), (IMAGE + 0x2000, 1), (u64::MAX, 2)]
    {
        assert_eq!(memory.slice(address, length), Err(OutOfRange), "{address:#x}+{length}");
        assert!(memory.slice_mut(address, length).is_err());
    }
}

#[test]
fn a_write_over_decoded_code_is_reported_once() {
    let mut memory = memory();
    let page = memory.window_page(RAM + 0x1000).unwrap();
    memory.mark_code(page);
    memory.write(RAM + 0xfff, &[0, 0]).unwrap();
    memory.write(RAM + 0x1800, &[0]).unwrap();
    assert_eq!(memory.take_overwritten_code(), Some(vec![page]));
    assert_eq!(memory.take_overwritten_code(), None);
}

#[test]
fn more_than_the_window_is_refused() {
    assert!(GuestMemory::allocate(RAM, 1 << 32, IMAGE, 0).is_err());
    assert!(GuestMemory::allocate(RAM, u64::MAX, IMAGE, u64::MAX).is_err());
    assert_eq!(zeros(isize::MAX as usize), Err(AllocateError::OutOfMemory(isize::MAX as usize)));
    assert_eq!(zeros(3), Ok(vec![0; 3]));
}

/// Units whose first byte is their number, but for unit 3, which is zero, and unit 9, which cannot be
/// read.
struct Numbered;

impl UnitSource for Numbered {
    fn is_zero(&self, unit: u32) -> bool {
        unit == 3
    }

    fn read(&mut self, unit: u32, frame: &mut [u8; UNIT_SIZE]) -> Result<(), UnitError> {
        if unit == 9 {
            return Err(UnitError("unit 9".into()));
        }
        frame.fill(unit as u8);
        Ok(())
    }
}

const UNIT: u64 = UNIT_SIZE as u64;

/// RAM and image of 100 units, of which the image may have a few in its place.
fn demand_paged(cache: u64) -> GuestMemory {
    let length = 100 * UNIT;
    let mut memory = GuestMemory::allocate_cached(RAM, length, (IMAGE, length), cache).unwrap();
    memory.set_ram_source(Box::new(Numbered));
    memory.set_image_source(Box::new(Numbered));
    memory
}

#[test]
fn units_are_there_when_they_are_touched() {
    let mut memory = demand_paged(u64::MAX);
    for start in [RAM, IMAGE] {
        assert!(memory.resident(start + 5 * UNIT, 1).is_err());
        assert_eq!(memory.slice(start + 5 * UNIT + 7, 2), Ok(&[5, 5][..]));
        assert_eq!(memory.resident(start + 5 * UNIT, 1), Ok(&[5][..]));
        // What is zero is there from the start.
        assert_eq!(memory.resident(start + 3 * UNIT, 1), Ok(&[0][..]));
        let mut bytes = [0xee; 4];
        memory.read(start + 8 * UNIT - 2, &mut bytes).unwrap();
        assert_eq!(bytes, [7, 7, 8, 8]);
    }
    memory.write(RAM + 20 * UNIT - 1, &[1, 2]).unwrap();
    assert_eq!(memory.read_array(RAM + 20 * UNIT - 2), Ok([19, 1, 2, 20]));
    assert!(!memory.needs_attention());
}

#[test]
fn the_image_is_read_only() {
    for mut memory in [memory(), demand_paged(0)] {
        assert_eq!(memory.write(IMAGE, &[1]), Err(OutOfRange));
        assert!(memory.writable_page(IMAGE).is_none() && memory.window_page(IMAGE).is_some());
        assert!(memory.writable_page(RAM).is_some());
    }
}

#[test]
fn an_image_larger_than_its_place_is_read_all_the_same() {
    let mut memory = demand_paged(0);
    assert_eq!(memory.image().window as usize, MIN_FRAMES * UNIT_SIZE);
    let mut pages = Vec::new();
    for round in 0..3 {
        for unit in (0..100).filter(|&unit| unit != 9) {
            let expected = if unit == 3 { 0 } else { unit as u8 };
            if memory.needs_attention() {
                assert!(memory.make_room(), "{round} {unit}");
            }
            assert_eq!(memory.read_array(IMAGE + unit * UNIT + 9), Ok([expected]));
            let page = memory.window_page(IMAGE + unit * UNIT).unwrap();
            assert_eq!(memory.page(page).unwrap()[0], expected);
            assert_eq!(memory.physical(page << PAGE_SHIFT), Some(IMAGE + unit * UNIT));
            assert_eq!(memory.known_page(IMAGE + unit * UNIT), Some(page));
            pages.push(page);
        }
    }
    pages.sort_unstable();
    pages.dedup();
    assert!(pages.len() <= MIN_FRAMES, "{pages:?}");
}

#[test]
fn without_a_free_frame_data_is_served_and_code_waits() {
    let mut memory = demand_paged(0);
    let units = (10..10 + MIN_FRAMES as u64).map(|unit| IMAGE + unit * UNIT);
    let pages: Vec<u32> = units.clone().map(|unit| memory.window_page(unit).unwrap()).collect();
    assert!(memory.needs_attention());
    assert_eq!(memory.window_page(IMAGE + 50 * UNIT), None);
    let mut bytes = [0; 4];
    memory.read(IMAGE + 51 * UNIT - 2, &mut bytes).unwrap();
    assert_eq!(bytes, [50, 50, 51, 51]);
    // Nothing has moved.
    for (unit, &page) in units.zip(&pages) {
        assert_eq!(memory.window_page(unit), Some(page));
    }
    // Decoded code of those that go is reported.
    pages.iter().for_each(|&page| memory.mark_code(page));
    assert!(memory.make_room() && !memory.needs_attention());
    let gone = memory.take_overwritten_code().unwrap();
    assert!(!gone.is_empty() && gone.iter().all(|page| pages.contains(page)));
    assert!(memory.window_page(IMAGE + 50 * UNIT).is_some());
}

#[test]
fn pieces_end_where_units_do() {
    let mut memory = demand_paged(0);
    let mut lengths = Vec::new();
    let length = 2 * UNIT_SIZE;
    memory.pieces(IMAGE + UNIT / 2, length, |piece| lengths.push(piece.len())).unwrap();
    assert_eq!(lengths, [UNIT_SIZE / 2, UNIT_SIZE, UNIT_SIZE / 2]);
    assert!(memory.slice(IMAGE + UNIT / 2, length).is_err());
    let beyond = memory.pieces(IMAGE + 99 * UNIT, length, |_| panic!("some of it is not memory"));
    assert_eq!(beyond, Err(OutOfRange));
}

#[test]
fn a_unit_that_cannot_be_read_stops_the_machine() {
    for start in [RAM, IMAGE] {
        let mut memory = demand_paged(u64::MAX);
        // A device must not take the zeros in its place for what the guest has there.
        let read = memory.pieces(start + 9 * UNIT, 1, |_| panic!("there are no bytes"));
        assert_eq!(read, Err(OutOfRange));
        assert!(memory.needs_attention());
        assert_eq!(memory.failure(), Some(&UnitError("unit 9".into())));
    }
}
