//! Small guests: a Linux `Image` around a few instructions.

use crate::world::{Counter, RAM};
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::board::layout;
use c2w_emulator::{BootConfig, GuestMemory, Machine};

/// Length of a guest's RAM in bytes.
pub const RAM_LENGTH: u64 = 1 << 20;
/// Where a guest's `Image` is in RAM: behind the places that [`crate::driver`] uses.
pub const IMAGE_OFFSET: u64 = 0x8_0000;
/// Length of an `Image`'s header; its code follows.
pub const HEADER_LENGTH: usize = 64;
/// The console's ports, as a session names them.
const PORTS: [&str; 4] = ["c2w.control", "c2w.stdin", "c2w.stdout", "c2w.stderr"];

/// The instructions that guests are made of (RISC-V unprivileged ISA).
pub mod asm {
    #![allow(missing_docs)]

    pub const SRET: u32 = 0x1020_0073;
    pub const WFI: u32 = 0x1050_0073;

    fn immediate(bits: u32, rd: u32, rs1: u32, imm: i32) -> u32 {
        bits | rd << 7 | rs1 << 15 | (imm as u32) << 20
    }

    pub fn addi(rd: u32, rs1: u32, imm: i32) -> u32 {
        immediate(0x13, rd, rs1, imm)
    }

    pub fn lw(rd: u32, rs1: u32, imm: i32) -> u32 {
        immediate(0x2003, rd, rs1, imm)
    }

    pub fn ld(rd: u32, rs1: u32, imm: i32) -> u32 {
        immediate(0x3003, rd, rs1, imm)
    }

    pub fn fld(rd: u32, rs1: u32, imm: i32) -> u32 {
        immediate(0x3007, rd, rs1, imm)
    }

    /// Without an offset.
    pub fn jalr(rd: u32, rs1: u32) -> u32 {
        immediate(0x67, rd, rs1, 0)
    }

    /// Without an offset.
    pub fn sw(rs2: u32, rs1: u32) -> u32 {
        0x2023 | rs1 << 15 | rs2 << 20
    }

    pub fn csrw(csr: u32, rs1: u32) -> u32 {
        immediate(0x1073, 0, rs1, csr as i32)
    }

    /// The upper 20 bits of `imm`.
    pub fn auipc(rd: u32, imm: u32) -> u32 {
        0x17 | rd << 7 | imm & !0xfff
    }

    /// `jal x0`.
    pub fn j(distance: i32) -> u32 {
        let d = distance as u32;
        0x6f | (d >> 20 & 1) << 31
            | (d >> 1 & 0x3ff) << 21
            | (d >> 11 & 1) << 20
            | (d >> 12 & 0xff) << 12
    }

    /// Forwards, by less than 32 bytes.
    pub fn beqz(rs1: u32, distance: u32) -> u32 {
        0x63 | rs1 << 15 | (distance & 0x1e) << 7
    }
}

/// An `Image` that starts with `code`, with `data` behind it at `at` bytes from its own start.
pub fn image(code: &[u32], at: usize, data: &[u8]) -> Vec<u8> {
    let mut image = vec![0; at];
    image[..4].copy_from_slice(&asm::j(HEADER_LENGTH as i32).to_le_bytes());
    image[8..16].copy_from_slice(&IMAGE_OFFSET.to_le_bytes());
    image[48..56].copy_from_slice(b"RISCV\0\0\0");
    for (place, word) in code.iter().enumerate() {
        let place = HEADER_LENGTH + 4 * place;
        image[place..place + 4].copy_from_slice(&word.to_le_bytes());
    }
    image.extend_from_slice(data);
    image
}

/// A machine about to execute such an image, with a disk image of `disk` bytes.
pub fn boot(image: &[u8], disk: u64) -> Machine {
    let memory = GuestMemory::allocate(RAM, RAM_LENGTH, layout::IMAGE_BASE, disk).expect("small");
    let config = BootConfig {
        kernel: image,
        initramfs: &[],
        command_line: "",
        disks: &[disk],
        vectors: true,
        ports: &PORTS,
        mount_tag: "c2w",
        seed: &[],
    };
    Machine::boot(&RiscvBoard, memory, &config).expect("an image that fits")
}

/// A machine's RAM and its saved state.
pub fn parts(machine: &Machine) -> (Vec<u8>, Vec<u8>) {
    let ram = machine.memory().resident(RAM, RAM_LENGTH as usize).expect("RAM").to_vec();
    (ram, machine.save(&mut Counter::default()))
}

/// An image that does 32-bit stores and then waits for ever.
pub fn stores(list: &[(u64, u32)]) -> Vec<u8> {
    stores_then(list, &[asm::WFI, asm::j(-4)], &[])
}

/// An image that does 32-bit stores and then runs `code`, with x5 at `data`.
pub fn stores_then(list: &[(u64, u32)], code: &[u32], data: &[u64]) -> Vec<u8> {
    const LIST: usize = 0x1000;
    let words = list.iter().flat_map(|&(address, value)| [address, value.into()]);
    let words = words.chain([0, 0]).chain(data.iter().copied());
    let (next, address, value) = (5, 6, 7);
    let mut all = vec![
        asm::auipc(next, LIST as u32),
        asm::addi(next, next, -(HEADER_LENGTH as i32)),
        asm::ld(address, next, 0),
        asm::lw(value, next, 8),
        asm::addi(next, next, 16),
        asm::beqz(address, 12),
        asm::sw(value, address),
        asm::j(-20),
    ];
    all.extend(code);
    image(&all, LIST, &words.flat_map(u64::to_le_bytes).collect::<Vec<_>>())
}
