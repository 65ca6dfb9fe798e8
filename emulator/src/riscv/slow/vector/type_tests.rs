//! What is done while `vtype` has `vill`, as it has after reset and behind a system call of Linux.

use crate::riscv::board::layout::RAM_BASE;
use crate::riscv::hart::Mode;
use crate::riscv::test_machine::{Paged, pte};
use crate::riscv::vector::VLENB;

const DATA: u64 = RAM_BASE + 0x8000;
const PAGE: u64 = 0x40_0000;
const ILLEGAL: u64 = 2;

/// Vectors enabled, `a0` at a page, and in each register its number.
fn without_type() -> Paged {
    let mut paged = Paged::new(8);
    paged.map(PAGE, DATA | pte::RWU);
    paged.set(10, PAGE);
    let state = &mut paged.world.hart.state;
    state.csrs.sstatus |= 3 << 9;
    for (number, register) in state.vector.bytes_mut().chunks_mut(VLENB).enumerate() {
        register.fill(number as u8);
    }
    assert_eq!(state.vector.vtype, None);
    paged
}

#[test]
fn whole_registers_move_without_a_vector_type() {
    // vmv1r.v v8, v16 and so on.
    for (bits, count) in [(0x9f00_3457, 1), (0x9f00_b457, 2), (0x9f01_b457, 4), (0x9f03_b457, 8)] {
        let mut paged = without_type();
        assert_eq!(paged.attempt_twice(Mode::User, bits), None);
        let registers = paged.world.hart.state.vector.bytes().chunks(VLENB);
        for (number, register) in registers.enumerate() {
            let moved = (8..8 + count).contains(&number);
            let value = if moved { number + 8 } else { number };
            assert!(register.iter().all(|&byte| usize::from(byte) == value), "{bits:#x}");
        }
    }
}

#[test]
fn whole_registers_are_loaded_and_stored_without_a_vector_type() {
    // vs1r.v v16, (a0); vl2re8.v v8, (a0); vs8r.v v24, (a0)
    for bits in [0x0285_0827, 0x2285_0407, 0xe285_0c27] {
        assert_eq!(without_type().attempt_twice(Mode::User, bits), None, "{bits:#x}");
    }
}

#[test]
fn what_depends_on_the_vector_type_is_illegal_without_one() {
    for bits in [
        0x0205_0407, // vle8.v v8, (a0)
        0x02b5_0407, // vlm.v v8, (a0)
        0x0308_0457, // vadd.vv v8, v16, v16
        0x5e00_3457, // vmv.v.i v8, 0
        0x5e0c_0457, // vmv.v.v v8, v24
        0x4300_2557, // vmv.x.s a0, v16
        0x4205_6457, // vmv.s.x v8, a0
        0x6700_2457, // vmand.mm v8, v16, v0
    ] {
        let expected = Some((ILLEGAL, u64::from(bits)));
        assert_eq!(without_type().attempt_twice(Mode::User, bits), expected, "{bits:#x}");
    }
}
