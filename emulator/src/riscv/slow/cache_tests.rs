//! What cache-block operations may do, and to what.

use crate::riscv::board::layout::RAM_BASE;
use crate::riscv::hart::Mode;
use crate::riscv::test_machine::{Paged, pte};

const INVAL_A0: u32 = 0x0005_200f;
const CLEAN_A0: u32 = 0x0015_200f;
const FLUSH_A0: u32 = 0x0025_200f;
const ZERO_A0: u32 = 0x0045_200f;
const ALL: [u32; 4] = [INVAL_A0, CLEAN_A0, FLUSH_A0, ZERO_A0];

const DATA: u64 = RAM_BASE + 0x8000;
const PAGE: u64 = 0x40_0000;

const ILLEGAL: u64 = 2;
const STORE_PAGE_FAULT: u64 = 15;

fn world(bits: u64) -> Paged {
    let mut world = Paged::new(8);
    world.map(PAGE, DATA | bits);
    world.world.memory.write(DATA, &[0xff; 256]).unwrap();
    world.set(10, PAGE + 0x65);
    world
}

#[test]
fn user_mode_needs_the_fields_of_senvcfg() {
    for (senvcfg, allowed) in [
        (0, [false; 4]),
        (1 << 4, [true, false, false, false]),
        (2 << 4, [false; 4]),
        (3 << 4, [true, false, false, false]),
        (1 << 6, [false, true, true, false]),
        (1 << 7, [false, false, false, true]),
    ] {
        let mut world = world(pte::RWU);
        world.world.hart.state.csrs.write_senvcfg(senvcfg);
        for (bits, allowed) in ALL.into_iter().zip(allowed) {
            let expected = (!allowed).then_some((ILLEGAL, u64::from(bits)));
            assert_eq!(world.attempt_twice(Mode::User, bits), expected, "{senvcfg:#x} {bits:#x}");
        }
    }
}

#[test]
fn the_supervisor_needs_no_field() {
    for bits in ALL {
        assert_eq!(world(pte::RW).attempt_twice(Mode::Supervisor, bits), None);
    }
}

#[test]
fn zero_clears_the_block_around_the_address_and_nothing_else() {
    let mut world = world(pte::RW);
    for _ in 0..2 {
        world.world.memory.write(DATA, &[0xff; 256]).unwrap();
        assert_eq!(world.attempt(Mode::Supervisor, ZERO_A0), None);
        let bytes = world.world.memory.slice(DATA, 256).unwrap();
        for (place, byte) in bytes.iter().enumerate() {
            assert_eq!(*byte == 0, (64..128).contains(&place), "{place}");
        }
    }
}

#[test]
fn a_page_that_may_only_be_read_can_be_managed_but_not_zeroed() {
    let mut world = world(pte::V | pte::R);
    for bits in [INVAL_A0, CLEAN_A0, FLUSH_A0] {
        assert_eq!(world.attempt_twice(Mode::Supervisor, bits), None);
    }
    let fault = Some((STORE_PAGE_FAULT, PAGE + 0x65));
    assert_eq!(world.attempt_twice(Mode::Supervisor, ZERO_A0), fault);
}

#[test]
fn faults_are_those_of_a_store_with_the_address_as_it_stands() {
    for bits in ALL {
        let mut world = world(pte::V | pte::X);
        let expected = Some((STORE_PAGE_FAULT, PAGE + 0x65));
        assert_eq!(world.attempt_twice(Mode::Supervisor, bits), expected, "{bits:#x}");
    }
}

#[test]
fn prefetches_and_other_hints_never_fault() {
    let mut world = world(0);
    for bits in [
        0x0005_6013, // prefetch.i 0(a0)
        0x0015_6013, // prefetch.r 0(a0)
        0x0035_6013, // prefetch.w 0(a0)
        0x0100_000f, // pause
        0x0020_0033, // ntl.p1
        0x00d0_0073, // wrs.nto
        0x01d0_0073, // wrs.sto
    ] {
        for mode in [Mode::User, Mode::Supervisor] {
            assert_eq!(world.attempt_twice(mode, bits), None, "{bits:#x}");
        }
    }
}
