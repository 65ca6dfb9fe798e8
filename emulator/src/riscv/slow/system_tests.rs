//! CSRs that exist and their fields, who may use them, and what a trap leaves behind.

use crate::riscv::board::layout::RAM_BASE;
use crate::riscv::csr::{number, trap_register};
use crate::riscv::hart::Mode;
use crate::riscv::test_machine::{Paged, pte};

const ILLEGAL: u64 = 2;
const BREAKPOINT: u64 = 3;
const USER_ECALL: u64 = 8;

const PAGE: u64 = 0x40_0000;
const DATA: u64 = RAM_BASE + 0x4_0000;
const USER_PC: u64 = 0x1_0000;

/// `csrrs a2, csr, zero`.
fn read(csr: u16) -> u32 {
    u32::from(csr) << 20 | 0x2673
}

/// `csrrw a2, csr, a0`.
fn swap(csr: u16) -> u32 {
    u32::from(csr) << 20 | 0x5_1673
}

fn illegal(bits: u32) -> Option<(u64, u64)> {
    Some((ILLEGAL, bits.into()))
}

/// Writes a CSR in S-mode and gives what it reads then.
fn kept(paged: &mut Paged, csr: u16, value: u64) -> u64 {
    paged.set(10, value);
    assert_eq!(paged.attempt(Mode::Supervisor, swap(csr)), None, "{csr:#x}");
    assert_eq!(paged.attempt(Mode::Supervisor, read(csr)), None, "{csr:#x}");
    paged.world.hart.x(12)
}

#[test]
fn csrs_keep_the_fields_that_exist() {
    for (csr, value, expected) in [
        (number::STVEC, 0xffff_ffc0_0123_4564, 0xffff_ffc0_0123_4564),
        (number::STVEC, 0xffff_ffc0_0123_4567, 0xffff_ffc0_0123_4565),
        (number::SEPC, u64::MAX, !1),
        (number::SCAUSE, u64::MAX, u64::MAX),
        (number::STVAL, u64::MAX, u64::MAX),
        (number::SSCRATCH, u64::MAX, u64::MAX),
        (number::SCOUNTEREN, u64::MAX, 0xffff_ffff),
        (number::SENVCFG, u64::MAX, 0x3_0000_00f1),
        (number::SENVCFG, 1 << 32 | 2 << 4, 0),
        (number::SENVCFG, 2 << 32 | 1 << 4, 2 << 32 | 1 << 4),
        (number::SIE, u64::MAX, 0x222),
        (number::STIMECMP, u64::MAX, u64::MAX),
    ] {
        let mut paged = Paged::new(8);
        assert_eq!(kept(&mut paged, csr, value), expected, "{csr:#x} = {value:#x}");
    }
    // UXL is 64 bits and nothing else; SD follows FS.
    let mut paged = Paged::new(8);
    let status = kept(&mut paged, number::SSTATUS, !(3 << 9));
    assert_eq!(status & !(3 << 9), 1 << 63 | 2 << 32 | 0xc_6122 | 3 << 13);
    assert_eq!(kept(&mut paged, number::SSTATUS, 0), 2 << 32);
}

#[test]
fn user_mode_reads_the_counters_that_scounteren_names() {
    for counter in 0..32_u16 {
        let csr = 0xc00 + counter;
        for enabled in [0, 1_u64 << counter, !(1 << counter)] {
            let mut paged = Paged::new(8);
            kept(&mut paged, number::SCOUNTEREN, enabled);
            let expected = (enabled >> counter & 1 == 0).then(|| illegal(read(csr)).unwrap());
            assert_eq!(paged.attempt_twice(Mode::User, read(csr)), expected, "{counter}");
            assert_eq!(paged.attempt(Mode::Supervisor, read(csr)), None, "{counter}");
            if counter >= 3 {
                assert_eq!(paged.world.hart.x(12), 0);
            }
            assert_eq!(paged.attempt(Mode::Supervisor, swap(csr)), illegal(swap(csr)));
        }
    }
}

#[test]
fn supervisor_registers_are_illegal_in_user_mode_and_unknown_ones_everywhere() {
    let known =
        [0x100, 0x104, 0x105, 0x106, 0x10a, 0x140, 0x141, 0x142, 0x143, 0x144, 0x14d, 0x180];
    let mut paged = Paged::new(8);
    for csr in 0x100..0x200 {
        assert_eq!(paged.attempt(Mode::User, read(csr)), illegal(read(csr)), "{csr:#x}");
        let expected = (!known.contains(&csr)).then(|| illegal(read(csr)).unwrap());
        assert_eq!(paged.attempt(Mode::Supervisor, read(csr)), expected, "{csr:#x}");
    }
    // M-mode's, debugger's, and the entropy source that is not there.
    for csr in [0x015, 0x300, 0x30a, 0x340, 0x744, 0x7a0, 0x7b0, 0xb00, 0xf11, 0xf14] {
        for mode in [Mode::User, Mode::Supervisor] {
            assert_eq!(paged.attempt(mode, read(csr)), illegal(read(csr)), "{csr:#x}");
            assert_eq!(paged.attempt(mode, swap(csr)), illegal(swap(csr)), "{csr:#x}");
        }
    }
}

#[test]
fn an_illegal_instruction_leaves_its_bits_and_an_ecall_nothing() {
    let mut paged = Paged::new(8);
    for (bits, expected) in [
        (0x0000_0000, (ILLEGAL, 0)),
        (0xffff_8002, (ILLEGAL, 0x8002)),
        (0xffff_ffff, (ILLEGAL, 0xffff_ffff)),
        (0x0000_0073, (USER_ECALL, 0)),
        (0x0010_0073, (BREAKPOINT, USER_PC)),
        (0x0000_9002, (BREAKPOINT, USER_PC)),
        (0x1020_0073, (ILLEGAL, 0x1020_0073)),
        (0x1050_0073, (ILLEGAL, 0x1050_0073)),
    ] {
        assert_eq!(paged.attempt_twice(Mode::User, bits), Some(expected), "{bits:#x}");
        assert_eq!(paged.world.hart.state.trap[trap_register::EPC], USER_PC);
        assert_eq!(paged.world.hart.arch.mode, Mode::Supervisor);
    }
}

#[test]
fn a_fetch_over_two_pages_faults_with_the_second() {
    let mut paged = Paged::new(9);
    paged.map(PAGE, DATA | pte::V | pte::X | pte::U);
    // The first half of an addi at the page's end.
    paged.world.memory.write(DATA + 0xffe, &[0x13, 0x05]).unwrap();
    paged.set(10, PAGE + 0xffe);
    let taken = paged.attempt_twice(Mode::User, 0x0005_0067);
    assert_eq!(taken, Some((12, PAGE + 0x1000)));
    assert_eq!(paged.world.hart.state.trap[trap_register::EPC], PAGE + 0xffe);
}

/// li a2, N; ret, as the guest itself writes it.
fn returns(number: u32) -> u64 {
    u64::from(number << 20 | 0x613) | 0x0000_8067 << 32
}

#[test]
fn code_that_was_stored_is_executed_after_fence_i() {
    let code = [
        0x00b5_3023_u32, // sd a1, 0(a0)
        0x0000_100f,     // fence.i
        0x0005_00e7,     // jalr a0
        0x0006_0693,     // mv a3, a2
        0x00f5_3023,     // sd a5, 0(a0)
        0x0000_100f,     // fence.i
        0x0005_00e7,     // jalr a0
        0x0000_006f,     // j .
    ];
    let mut paged = Paged::new(8);
    let target = PAGE + 0x100;
    paged.map(PAGE, DATA | pte::RWU | pte::X);
    let bytes: alloc::vec::Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    paged.world.memory.write(DATA, &bytes).unwrap();
    for number in [1, 2, 3] {
        for (register, value) in
            [(10, target), (11, returns(number)), (15, returns(number + 100)), (14, PAGE)]
        {
            paged.set(register, value);
        }
        // jr a4
        assert_eq!(paged.attempt(Mode::User, 0x0007_0067), None);
        let limit = paged.world.hart.steps() + 20;
        paged.world.with_bus(|hart, bus| hart.run(limit, bus));
        let hart = &paged.world.hart;
        assert_eq!((hart.x(13), hart.x(12)), (number.into(), (number + 100).into()));
    }
}

/// Of a page with code it is known who writes to it, if it is one: here there are two.
#[test]
fn code_is_stored_by_two_addresses_of_its_page() {
    let code = [
        0x00b5_3023_u32, // sd a1, 0(a0)
        0x0005_00e7,     // jalr a0
        0x0006_0693,     // mv a3, a2
        0x00b5_3023,     // sd a1, 0(a0)
        0x00f8_3023,     // sd a5, 0(a6)
        0x0005_00e7,     // jalr a0
        0x0006_0713,     // mv a4, a2
        0x0118_3023,     // sd a7, 0(a6)
        0x0005_00e7,     // jalr a0
        0x0000_006f,     // j .
    ];
    let mut paged = Paged::new(8);
    let [stored, other] = [PAGE + 0x1000, PAGE + 0x2000];
    paged.map(PAGE, DATA | pte::V | pte::X | pte::U);
    paged.map(stored, (DATA + 0x1000) | pte::RWU | pte::X);
    paged.map(other, (DATA + 0x1000) | pte::RWU);
    let bytes: alloc::vec::Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    paged.world.memory.write(DATA, &bytes).unwrap();
    for number in [1, 2, 3] {
        for (register, value) in [
            (10, stored),
            (11, returns(number)),
            (14, PAGE),
            (15, returns(number + 100)),
            (16, other),
            (17, returns(number + 200)),
        ] {
            paged.set(register, value);
        }
        // jr a4
        assert_eq!(paged.attempt(Mode::User, 0x0007_0067), None);
        let limit = paged.world.hart.steps() + 30;
        paged.world.with_bus(|hart, bus| hart.run(limit, bus));
        let results = [13, 14, 12].map(|register| paged.world.hart.x(register));
        assert_eq!(results, [0, 100, 200].map(|more| u64::from(number + more)));
    }
}
