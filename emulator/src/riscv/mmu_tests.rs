//! Page tables of all shapes, what they permit, what a fault says, and what a fence forgets.

use super::csr::{envcfg, status};
use super::hart::Mode;
use super::test_machine::{Paged, pte};
use crate::riscv::board::layout::RAM_BASE;

const LW: u32 = 0x0005_2603; // lw a2, 0(a0)
const LD: u32 = 0x0005_3603; // ld a2, 0(a0)
const SD: u32 = 0x00b5_3023; // sd a1, 0(a0)
const LR: u32 = 0x1005_362f; // lr.d a2, (a0)
const SC: u32 = 0x18b5_362f; // sc.d a2, a1, (a0)
const LR_W: u32 = 0x1005_262f; // lr.w a2, (a0)
const SC_W: u32 = 0x18b5_262f; // sc.w a2, a1, (a0)
const AMOADD: u32 = 0x00b5_362f; // amoadd.d a2, a1, (a0)
const FLD: u32 = 0x0005_3607; // fld f12, 0(a0)
const FSD: u32 = 0x00c5_3027; // fsd f12, 0(a0)
const JALR: u32 = 0x0005_0067; // jr a0
const SFENCE_ALL: u32 = 0x1200_0073;
const SFENCE_A0: u32 = 0x1205_0073;
const SFENCE_A0_ASID: u32 = 0x12b5_0073;
const SINVAL_A0: u32 = 0x1605_0073;
const W_INVAL: u32 = 0x1800_0073;
const INVAL_IR: u32 = 0x1810_0073;

const ILLEGAL: u64 = 2;
const LOAD_ACCESS: u64 = 5;
const STORE_MISALIGNED: u64 = 6;
const STORE_ACCESS: u64 = 7;
const FETCH_PAGE: u64 = 12;
const LOAD_PAGE: u64 = 13;
const STORE_PAGE: u64 = 15;

const DATA: u64 = RAM_BASE + 0x4_0000;
const OTHER: u64 = RAM_BASE + 0x6_0000;
const PAGE: u64 = 0x40_0000;

fn word(paged: &Paged, address: u64) -> u64 {
    u64::from_le_bytes(paged.world.memory.resident(address, 8).unwrap().try_into().unwrap())
}

fn write(paged: &mut Paged, address: u64, value: u64) {
    paged.world.memory.write(address, &value.to_le_bytes()).unwrap();
}

/// Loads from `address` and gives what was there, or the trap.
fn load(paged: &mut Paged, mode: Mode, address: u64) -> Result<u64, (u64, u64)> {
    paged.set(10, address);
    match paged.attempt_twice(mode, LD) {
        None => Ok(paged.world.hart.x(12)),
        Some(taken) => Err(taken),
    }
}

#[test]
fn every_level_maps_its_span() {
    for mode in [8, 9] {
        for level in 0..mode - 5 {
            let mut paged = Paged::new(mode);
            let span = 1_u64 << (12 + 9 * level);
            let physical = DATA & !(span - 1);
            // The last span of the lower half, where nothing else is.
            let start = (1 << (11 + 9 * (mode - 5))) - span;
            paged.map_at(level, start, physical | pte::RWU);
            write(&mut paged, DATA + 8, 0x1234);
            let address = start | DATA & (span - 1);
            assert_eq!(load(&mut paged, Mode::User, address + 8), Ok(0x1234), "{mode} {level}");
            if level > 0 {
                paged.map_at(level, start, physical | pte::RWU | 0x1000);
                paged.attempt(Mode::Supervisor, SFENCE_ALL);
                let fault = Err((LOAD_PAGE, address));
                assert_eq!(load(&mut paged, Mode::User, address), fault, "misaligned {level}");
            }
        }
    }
}

#[test]
fn addresses_that_do_not_repeat_their_top_bit_fault() {
    for (mode, width) in [(8, 39), (9, 48)] {
        let mut paged = Paged::new(mode);
        let lower = (1_u64 << (width - 1)) - 0x1000;
        let upper = lower.wrapping_neg() & !0xfff;
        paged.map(lower, DATA | pte::RWU);
        paged.map(upper, DATA | pte::RWU);
        for address in [lower, upper] {
            assert_eq!(load(&mut paged, Mode::User, address), Ok(0));
            for bit in width..64 {
                let wrong = address ^ 1 << bit;
                let fault = Err((LOAD_PAGE, wrong));
                assert_eq!(load(&mut paged, Mode::User, wrong), fault, "{wrong:#x}");
                paged.set(10, wrong);
                let fault = Some((STORE_PAGE, wrong));
                assert_eq!(paged.attempt_twice(Mode::User, SD), fault, "{wrong:#x}");
                let fault = Some((FETCH_PAGE, wrong));
                assert_eq!(paged.attempt(Mode::User, JALR), fault, "{wrong:#x}");
            }
        }
    }
}

#[test]
fn satp_keeps_only_the_modes_that_exist() {
    let mut csrs = super::csr::Csrs::default();
    for mode in [8, 9, 0] {
        let value = mode << 60 | 0xffff << 44 | 0x123;
        assert!(csrs.write_satp(value));
        assert_eq!(csrs.satp, if mode == 0 { 0 } else { value });
    }
    csrs.write_satp(8 << 60 | 1);
    for mode in [1, 7, 10, 11, 15] {
        csrs.write_satp(mode << 60 | 2);
        assert_eq!(csrs.satp, 8 << 60 | 1, "{mode}");
    }
}

/// Has the supervisor write `satp` with an identifier, the page tables staying the same.
fn enter_space(paged: &mut Paged, asid: u64) {
    const WRITE_SATP: u32 = 0x1806_9073; // csrw satp, a3
    let satp = paged.world.hart.state.csrs.satp & !(0xffff << 44) | asid << 44;
    paged.set(13, satp);
    assert_eq!(paged.attempt(Mode::Supervisor, WRITE_SATP), None);
    assert_eq!(paged.world.hart.state.csrs.satp, satp);
}

#[test]
fn a_fence_reaches_the_address_spaces_that_it_means() {
    const SFENCE_ASID: u32 = 0x12b0_0073; // sfence.vma zero, a1
    for (fence, other_kept) in
        [(SFENCE_ALL, false), (SFENCE_A0, false), (SFENCE_ASID, true), (SFENCE_A0_ASID, true)]
    {
        let mut paged = Paged::new(8);
        write(&mut paged, DATA, 1);
        write(&mut paged, DATA + 0x1000, 2);
        paged.map(PAGE, DATA | pte::RWU);
        for asid in [5, 6, 7] {
            enter_space(&mut paged, asid);
            assert_eq!(load(&mut paged, Mode::User, PAGE), Ok(1));
        }
        paged.map(PAGE, (DATA + 0x1000) | pte::RWU);
        paged.set(10, PAGE);
        paged.set(11, 5);
        assert_eq!(paged.attempt(Mode::Supervisor, fence), None);
        // What was not fenced may be old: here it is, so that fences are shown to be exact.
        let kept = if other_kept { 1 } else { 2 };
        assert_eq!(load(&mut paged, Mode::User, PAGE), Ok(kept), "{fence:#x}");
        enter_space(&mut paged, 5);
        assert_eq!(load(&mut paged, Mode::User, PAGE), Ok(2), "{fence:#x}");
        enter_space(&mut paged, 6);
        assert_eq!(load(&mut paged, Mode::User, PAGE), Ok(kept), "{fence:#x}");
    }
}

#[test]
fn more_address_spaces_than_are_kept_do_not_mix() {
    let mut paged = Paged::new(8);
    for asid in 0..30 {
        write(&mut paged, DATA + 0x1000 * (asid % 2), asid);
        paged.map(PAGE, (DATA + 0x1000 * (asid % 2)) | pte::RWU);
        enter_space(&mut paged, asid);
        assert_eq!(load(&mut paged, Mode::User, PAGE), Ok(asid));
        assert_eq!(paged.attempt_twice(Mode::User, SD), None);
    }
}

#[test]
fn reserved_bits_of_entries_fault() {
    let good = DATA | pte::RWU;
    for bit in 54..61 {
        let mut paged = Paged::new(8);
        paged.map(PAGE, good | 1 << bit);
        assert_eq!(load(&mut paged, Mode::User, PAGE), Err((LOAD_PAGE, PAGE)), "leaf {bit}");
    }
    for bits in [1 << 60, 1 << 61, 1 << 62, 1 << 63, pte::U, pte::A, pte::D] {
        let mut paged = Paged::new(8);
        paged.map(PAGE, good);
        let at = paged.entry_at(1, PAGE);
        let entry = word(&paged, at);
        write(&mut paged, at, entry | bits);
        assert_eq!(load(&mut paged, Mode::User, PAGE), Err((LOAD_PAGE, PAGE)), "table {bits:#x}");
    }
    for bits in [pte::V | pte::W, pte::V | pte::W | pte::X, pte::R | pte::W, pte::V] {
        let mut paged = Paged::new(8);
        paged.map(PAGE, DATA | bits | pte::U);
        assert_eq!(load(&mut paged, Mode::User, PAGE), Err((LOAD_PAGE, PAGE)), "{bits:#x}");
    }
}

#[test]
fn memory_types_are_accepted_but_for_the_reserved_one() {
    for level in [0, 1] {
        for kind in 0..4_u64 {
            let mut paged = Paged::new(8);
            let physical = if level == 0 { DATA } else { RAM_BASE };
            paged.map_at(level, PAGE, physical | pte::RWU | kind << 61);
            let expected = if kind == 3 { Err((LOAD_PAGE, PAGE)) } else { Ok(()) };
            assert_eq!(load(&mut paged, Mode::User, PAGE).map(|_| ()), expected, "{level} {kind}");
        }
    }
}

#[test]
fn a_napot_entry_maps_64_kib_and_other_sizes_fault() {
    const NAPOT: u64 = 1 << 63;
    let range = RAM_BASE + 0x5_0000;
    for size_bits in 0..16 {
        let mut paged = Paged::new(9);
        for page in 0..16 {
            write(&mut paged, range + page * 0x1000, page);
            paged.map(PAGE + page * 0x1000, range | size_bits << 12 | pte::RWU | NAPOT);
        }
        for page in 0..16 {
            let address = PAGE + page * 0x1000;
            let expected = if size_bits == 8 { Ok(page) } else { Err((LOAD_PAGE, address)) };
            assert_eq!(load(&mut paged, Mode::User, address), expected, "{size_bits}");
        }
    }
    let mut paged = Paged::new(9);
    paged.map_at(1, PAGE, RAM_BASE | 8 << 12 | pte::RWU | NAPOT);
    assert_eq!(load(&mut paged, Mode::User, PAGE), Err((LOAD_PAGE, PAGE)));
}

#[test]
fn accessed_and_dirty_bits_are_set_by_the_access_that_needs_them() {
    for (bits, expected) in
        [(LD, pte::A), (SD, pte::A | pte::D), (SC, pte::A | pte::D), (AMOADD, pte::A | pte::D)]
    {
        let mut paged = Paged::new(9);
        paged.map(PAGE, DATA | pte::RWU);
        let at = paged.entry_at(0, PAGE);
        let before = word(&paged, at);
        paged.set(10, PAGE);
        assert_eq!(paged.attempt(Mode::User, bits), None);
        assert_eq!(word(&paged, at) ^ before, expected, "{bits:#x}");
    }
    // A fault sets nothing.
    let mut paged = Paged::new(9);
    paged.map(PAGE, DATA | pte::V | pte::R | pte::U);
    let at = paged.entry_at(0, PAGE);
    let before = word(&paged, at);
    paged.set(10, PAGE);
    assert_eq!(paged.attempt(Mode::User, SD), Some((STORE_PAGE, PAGE)));
    assert_eq!(word(&paged, at), before);
}

#[test]
fn a_page_that_was_read_becomes_dirty_when_it_is_written() {
    let mut paged = Paged::new(8);
    paged.map(PAGE, DATA | pte::RWU);
    let at = paged.entry_at(0, PAGE);
    paged.set(10, PAGE);
    paged.attempt_twice(Mode::User, LD);
    assert_eq!(word(&paged, at) & pte::D, 0);
    paged.attempt(Mode::User, SD);
    assert_eq!(word(&paged, at) & pte::D, pte::D);
}

#[test]
fn the_supervisor_reaches_user_pages_with_sum_only() {
    let mut paged = Paged::new(8);
    paged.map(PAGE, DATA | pte::RWU);
    for _ in 0..2 {
        paged.world.hart.state.csrs.write_sstatus(0);
        assert_eq!(load(&mut paged, Mode::Supervisor, PAGE), Err((LOAD_PAGE, PAGE)));
        paged.world.hart.state.csrs.write_sstatus(status::SUM);
        assert_eq!(load(&mut paged, Mode::Supervisor, PAGE), Ok(0));
        assert_eq!(paged.attempt_twice(Mode::Supervisor, SD), None);
        // But never fetches from them.
        assert_eq!(paged.attempt(Mode::Supervisor, JALR), Some((FETCH_PAGE, PAGE)));
    }
    paged.map(PAGE, DATA | pte::RW);
    paged.attempt(Mode::Supervisor, SFENCE_ALL);
    assert_eq!(load(&mut paged, Mode::User, PAGE), Err((LOAD_PAGE, PAGE)));
}

#[test]
fn a_change_of_sum_holds_at_once() {
    const SET: u32 = 0x1006_a073; // csrs sstatus, a3
    const CLEAR: u32 = 0x1006_b073; // csrc sstatus, a3
    const FLIP_TWICE: [u32; 3] = [CLEAR, SET, LD];
    let mut paged = Paged::new(8);
    paged.map(PAGE, DATA | pte::RWU);
    paged.set(10, PAGE);
    paged.set(13, status::SUM);
    for _ in 0..3 {
        paged.world.hart.state.csrs.write_sstatus(0);
        assert_eq!(paged.attempt_all(Mode::Supervisor, &[SET, LD]), None);
        assert_eq!(paged.attempt_all(Mode::Supervisor, &[LD, CLEAR, LD]), Some((LOAD_PAGE, PAGE)));
        assert_eq!(paged.attempt_all(Mode::Supervisor, &FLIP_TWICE), None);
    }
}

#[test]
fn executable_pages_can_be_read_with_mxr_only() {
    const SET_MXR: u32 = 0x1006_2073; // csrs sstatus, a2
    const CLEAR_MXR: u32 = 0x1006_3073; // csrc sstatus, a2
    let mut paged = Paged::new(8);
    paged.map(PAGE, DATA | pte::V | pte::X | pte::U);
    for _ in 0..2 {
        assert_eq!(load(&mut paged, Mode::User, PAGE), Err((LOAD_PAGE, PAGE)));
        paged.set(12, status::MXR);
        assert_eq!(paged.attempt(Mode::Supervisor, SET_MXR), None);
        assert_eq!(load(&mut paged, Mode::User, PAGE), Ok(0));
        assert_eq!(paged.attempt(Mode::User, SD), Some((STORE_PAGE, PAGE)));
        paged.set(12, status::MXR);
        assert_eq!(paged.attempt(Mode::Supervisor, CLEAR_MXR), None);
    }
}

#[test]
fn entries_outside_of_memory_are_access_faults_of_the_kind_of_access() {
    let mut paged = Paged::new(8);
    let at = paged.entry_at(2, PAGE);
    write(&mut paged, at, 0x1_0000_0000 >> 2 | pte::V);
    // Code is mapped through that entry as well: look at the load alone.
    paged.set(10, PAGE);
    let fault = paged.world.with_bus(|hart, bus| {
        hart.arch.mode = Mode::User;
        [hart.load(PAGE, 8, bus).unwrap_err(), hart.store(PAGE, 8, 0, bus).unwrap_err()]
    });
    assert_eq!(
        fault.map(|trap| (trap.cause as u64, trap.value)),
        [(LOAD_ACCESS, PAGE), (STORE_ACCESS, PAGE)]
    );
}

#[test]
fn an_access_over_two_pages_faults_with_the_second_and_changes_nothing() {
    let mut paged = Paged::new(9);
    paged.map(PAGE, DATA | pte::RWU);
    write(&mut paged, DATA + 0xff8, 0x1122_3344_5566_7788);
    paged.set(11, u64::MAX);
    let address = PAGE + 0xffc;
    paged.set(10, address);
    paged.set(12, 99);
    assert_eq!(paged.attempt_twice(Mode::User, LD), Some((LOAD_PAGE, PAGE + 0x1000)));
    assert_eq!(paged.attempt_twice(Mode::User, SD), Some((STORE_PAGE, PAGE + 0x1000)));
    assert_eq!(paged.world.hart.x(12), 99);
    assert_eq!(word(&paged, DATA + 0xff8), 0x1122_3344_5566_7788);
    // Nothing behind the second page.
    paged.map(PAGE + 0x1000, 0x7000_0000 | pte::RWU);
    assert_eq!(paged.attempt_twice(Mode::User, SD), Some((STORE_ACCESS, PAGE + 0x1000)));
    assert_eq!(word(&paged, DATA + 0xff8), 0x1122_3344_5566_7788);
    // Mapped, the same instruction goes through; the pages need not be neighbours in memory.
    paged.map(PAGE + 0x1000, OTHER | pte::RWU);
    paged.attempt(Mode::Supervisor, SFENCE_ALL);
    assert_eq!(paged.attempt_twice(Mode::User, SD), None);
    assert_eq!(load(&mut paged, Mode::User, address), Ok(u64::MAX));
    assert_eq!(word(&paged, OTHER), 0xffff_ffff);
    // A fault in the first page is the first page's.
    paged.map(PAGE, 0);
    paged.attempt(Mode::Supervisor, SFENCE_ALL);
    assert_eq!(load(&mut paged, Mode::User, address), Err((LOAD_PAGE, address)));
}

#[test]
fn every_fence_forgets_what_it_names() {
    for (fence, address) in [
        (SFENCE_ALL, 0),
        (SFENCE_A0, PAGE),
        (SFENCE_A0, PAGE + 0xabc),
        (SFENCE_A0_ASID, PAGE),
        (SINVAL_A0, PAGE),
    ] {
        let mut paged = Paged::new(8);
        paged.map(PAGE, DATA | pte::RWU | 1 << 5);
        write(&mut paged, DATA, 1);
        write(&mut paged, OTHER, 2);
        assert_eq!(load(&mut paged, Mode::User, PAGE), Ok(1));
        assert_eq!(paged.attempt_twice(Mode::User, SD), None);
        write(&mut paged, DATA, 1);
        paged.map(PAGE, OTHER | pte::RWU | 1 << 5);
        paged.set(10, address);
        for bits in [W_INVAL, fence, INVAL_IR] {
            assert_eq!(paged.attempt(Mode::Supervisor, bits), None);
            assert_eq!(paged.attempt(Mode::User, bits), Some((ILLEGAL, bits.into())));
        }
        assert_eq!(load(&mut paged, Mode::User, PAGE), Ok(2), "{fence:#x}");
        paged.set(11, 3);
        assert_eq!(paged.attempt_twice(Mode::User, SD), None);
        assert_eq!((word(&paged, DATA), word(&paged, OTHER)), (1, 3), "{fence:#x}");
    }
}

#[test]
fn a_fence_with_one_address_forgets_all_that_its_entry_maps() {
    const NAPOT: u64 = 1 << 63;
    // Two large entries: 2 MiB and 64 KiB.
    let mut paged = Paged::new(8);
    paged.map_at(1, PAGE, RAM_BASE | pte::RWU);
    let napot = PAGE + 0x80_0000;
    for page in 0..16 {
        paged.map(napot + page * 0x1000, (RAM_BASE + 0x5_8000) | pte::RWU | NAPOT);
    }
    write(&mut paged, DATA, 1);
    write(&mut paged, RAM_BASE + 0x5_3000, 2);
    assert_eq!(load(&mut paged, Mode::User, PAGE + 0x4_0000), Ok(1));
    assert_eq!(load(&mut paged, Mode::User, napot + 0x3000), Ok(2));
    paged.map_at(1, PAGE, 0);
    for page in 0..16 {
        paged.map(napot + page * 0x1000, 0);
    }
    // Another address of the same entry.
    for (fenced, read) in [(PAGE + 0x1_2345, PAGE + 0x4_0000), (napot + 0xf000, napot + 0x3000)] {
        assert!(load(&mut paged, Mode::User, read).is_ok(), "still cached");
        paged.set(10, fenced);
        assert_eq!(paged.attempt(Mode::Supervisor, SFENCE_A0), None);
        assert_eq!(load(&mut paged, Mode::User, read), Err((LOAD_PAGE, read)));
    }
}

#[test]
fn a_reservation_holds_for_one_address_until_a_store_conditional_or_a_trap() {
    let mut paged = Paged::new(8);
    paged.map(PAGE, DATA | pte::RWU);
    // What sc gives after lr, with something between.
    let mut after = |between: &[(u64, u32)], address: u64, sc: u32| {
        paged.set(10, PAGE + 0x40);
        paged.attempt(Mode::User, LR);
        for &(address, bits) in between {
            paged.set(10, address);
            paged.attempt(Mode::User, bits);
        }
        paged.set(10, address);
        assert_eq!(paged.attempt(Mode::User, sc), None);
        paged.world.hart.x(12)
    };
    for _ in 0..2 {
        assert_eq!(after(&[], PAGE + 0x40, SC), 0);
        assert_eq!(after(&[], PAGE + 0x48, SC), 1, "another address");
        assert_eq!(after(&[(PAGE + 0x48, SC)], PAGE + 0x40, SC), 1, "a failed sc between");
        assert_eq!(after(&[(PAGE + 0x40, SC)], PAGE + 0x40, SC), 1, "a second sc");
        assert_eq!(after(&[(0, LW)], PAGE + 0x40, SC), 1, "a trap between");
        assert_eq!(after(&[(PAGE + 0x80, LR_W)], PAGE + 0x40, SC), 1, "another lr between");
        assert_eq!(after(&[(PAGE + 0x80, LR_W)], PAGE + 0x80, SC_W), 0);
    }
}

#[test]
fn misaligned_atomics_trap_with_their_address() {
    let mut paged = Paged::new(8);
    paged.map(PAGE, DATA | pte::RWU);
    paged.set(10, PAGE + 4);
    assert_eq!(paged.attempt_twice(Mode::User, AMOADD), Some((STORE_MISALIGNED, PAGE + 4)));
    assert_eq!(paged.attempt_twice(Mode::User, SC), Some((STORE_MISALIGNED, PAGE + 4)));
    assert_eq!(paged.attempt_twice(Mode::User, LR), Some((4, PAGE + 4)));
}

#[test]
fn pointer_masking_ignores_the_upper_bits_in_user_mode() {
    let accesses = [LD, SD, LR, SC, AMOADD, FLD, FSD, 0x0045_200f];
    for (pmm, ignored) in [(0_u64, 0_u32), (1, 0), (2, 7), (3, 16)] {
        for tag_bit in 48..64 {
            let mut paged = Paged::new(9);
            paged.map(PAGE, DATA | pte::RWU);
            paged.world.hart.state.csrs.write_sstatus(status::FS | status::SUM);
            paged.world.hart.state.csrs.write_senvcfg(pmm << 32 | envcfg::CBZE);
            let tagged = PAGE | 1 << tag_bit;
            paged.set(10, tagged);
            for bits in accesses {
                let user = paged.attempt_twice(Mode::User, bits);
                assert_eq!(user.is_none(), tag_bit >= 64 - ignored, "{pmm} {tag_bit} {bits:#x}");
                let supervisor = paged.attempt_twice(Mode::Supervisor, bits);
                assert!(supervisor.is_some(), "{pmm} {tag_bit} {bits:#x}");
                // Addresses without a tag are not touched.
                paged.set(10, PAGE);
                assert_eq!(paged.attempt_twice(Mode::User, bits), None);
                paged.set(10, tagged);
            }
            // Fetches are not masked.
            assert_eq!(paged.attempt(Mode::User, JALR), Some((FETCH_PAGE, tagged)));
        }
    }
}

#[test]
fn pointer_masking_is_for_vectors_too() {
    const VSETVLI: u32 = 0x0c0f_f057; // vsetvli zero, t6, e8, m1, ta, ma
    let vectors = [
        (0x0205_0407, LOAD_PAGE),  // vle8.v v8, (a0)
        (0x0205_0427, STORE_PAGE), // vse8.v v8, (a0)
        (0x0a05_0407, LOAD_PAGE),  // vlse8.v v8, (a0), zero
        (0x0285_0407, LOAD_PAGE),  // vl1re8.v v8, (a0)
        (0x0285_0427, STORE_PAGE), // vs1r.v v8, (a0)
    ];
    for (masking, expected) in [(0, false), (3, true)] {
        for (bits, cause) in vectors {
            let mut paged = Paged::new(9);
            paged.map(PAGE, DATA | pte::RWU);
            paged.world.hart.state.csrs.write_sstatus(3 << 9);
            paged.world.hart.state.csrs.write_senvcfg(masking << 32);
            paged.set(31, 16);
            assert_eq!(paged.attempt(Mode::User, VSETVLI), None);
            let tagged = PAGE | 0xabcd << 48;
            paged.set(10, tagged);
            let fault = (!expected).then_some((cause, tagged));
            assert_eq!(paged.attempt_twice(Mode::User, bits), fault, "{bits:#x}");
        }
    }
}

#[test]
fn masked_addresses_extend_the_bit_below_the_mask_and_faults_name_them() {
    let mut paged = Paged::new(9);
    paged.world.hart.state.csrs.write_senvcfg(3 << 32);
    for (address, masked) in [
        (0xabcd_0000_0000_5000, 0x5000),
        (0xabcd_8000_0000_5000, 0xffff_8000_0000_5000),
        (0x7fff_7fff_ffff_f008, 0x7fff_ffff_f008),
    ] {
        assert_eq!(load(&mut paged, Mode::User, address), Err((LOAD_PAGE, masked)));
    }
    // Over the end of the lower half, each page's address is masked by itself.
    paged.map(0x7fff_ffff_f000, DATA | pte::RWU);
    let upper = Err((LOAD_PAGE, 0xffff_8000_0000_0000));
    assert_eq!(load(&mut paged, Mode::User, 0x1234_7fff_ffff_fffc), upper);
    paged.map(0xffff_8000_0000_0000, OTHER | pte::RWU);
    assert_eq!(load(&mut paged, Mode::User, 0x1234_7fff_ffff_fffc), Ok(0));
}

#[test]
fn physical_addresses_are_masked_with_zeros_and_mxr_switches_masking_off() {
    let mut paged = Paged::new(9);
    paged.map(PAGE, DATA | pte::RWU);
    paged.world.hart.state.csrs.write_senvcfg(3 << 32);
    write(&mut paged, DATA, 7);
    assert_eq!(load(&mut paged, Mode::User, PAGE | 5 << 60), Ok(7));
    paged.world.hart.state.csrs.write_sstatus(status::MXR);
    let fault = Err((LOAD_PAGE, PAGE | 5 << 60));
    assert_eq!(load(&mut paged, Mode::User, PAGE | 5 << 60), fault);
    // Without translation.
    paged.world.hart.state.csrs.write_sstatus(0);
    paged.world.hart.state.csrs.write_satp(0);
    let value = paged.world.with_bus(|hart, bus| {
        hart.flush_translations(&|_| true);
        hart.arch.mode = Mode::User;
        hart.load(0xfff5_0000_0000_0000 | DATA, 8, bus)
    });
    assert_eq!(value, Ok(7));
}
