//! Compressed instructions (RV64C, chapter "C" of the unprivileged ISA): each is a short form
//! of one 32-bit instruction, and is expanded to that.

/// The 32-bit instruction that `c` stands for; `None` if it is reserved.
pub fn expand(c: u16) -> Option<u32> {
    let c = u32::from(c);
    match (c & 3, c >> 13) {
        (0, funct) => quadrant_0(c, funct),
        (1, funct) => quadrant_1(c, funct),
        (2, funct) => quadrant_2(c, funct),
        _ => None,
    }
}

const LOAD: u32 = 0x03;
const LOAD_FP: u32 = 0x07;
const OP_IMM: u32 = 0x13;
const OP_IMM_32: u32 = 0x1b;
const STORE: u32 = 0x23;
const STORE_FP: u32 = 0x27;
const OP: u32 = 0x33;
const LUI: u32 = 0x37;
const OP_32: u32 = 0x3b;
const BRANCH: u32 = 0x63;
const JALR: u32 = 0x67;
const JAL: u32 = 0x6f;
const EBREAK: u32 = 0x0010_0073;
const NOP: u32 = OP_IMM;

/// `c`'s bits `high..=low`, moved so that the lowest lands on bit `to`.
const fn field(c: u32, high: u32, low: u32, to: u32) -> u32 {
    (c >> low & ((1 << (high - low + 1)) - 1)) << to
}

/// The six-bit signed immediate of the CI format.
const fn ci_imm(c: u32) -> i32 {
    ((field(c, 12, 12, 5) | field(c, 6, 2, 0)) as i32) << 26 >> 26
}

/// A register of the short three-bit fields: x8..x15.
const fn short(c: u32, low: u32) -> u32 {
    8 + (c >> low & 7)
}

const fn r(opcode: u32, funct3: u32, funct7: u32, rd: u32, rs1: u32, rs2: u32) -> u32 {
    funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

const fn i(opcode: u32, funct3: u32, rd: u32, rs1: u32, imm: i32) -> u32 {
    (imm as u32) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

const fn s(opcode: u32, funct3: u32, rs1: u32, rs2: u32, imm: u32) -> u32 {
    (imm >> 5) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (imm & 31) << 7 | opcode
}

const fn jal(rd: u32, imm: i32) -> u32 {
    let imm = imm as u32;
    field(imm, 20, 20, 31)
        | field(imm, 10, 1, 21)
        | field(imm, 11, 11, 20)
        | field(imm, 19, 12, 12)
        | rd << 7
        | JAL
}

const fn branch(funct3: u32, rs1: u32, imm: i32) -> u32 {
    let imm = imm as u32;
    field(imm, 12, 12, 31)
        | field(imm, 10, 5, 25)
        | rs1 << 15
        | funct3 << 12
        | field(imm, 4, 1, 8)
        | field(imm, 11, 11, 7)
        | BRANCH
}

fn quadrant_0(c: u32, funct: u32) -> Option<u32> {
    let (rs1, rd) = (short(c, 7), short(c, 2));
    let word = field(c, 5, 5, 6) | field(c, 12, 10, 3) | field(c, 6, 6, 2);
    let double = field(c, 6, 5, 6) | field(c, 12, 10, 3);
    match funct {
        0 => {
            let imm =
                field(c, 10, 7, 6) | field(c, 12, 11, 4) | field(c, 5, 5, 3) | field(c, 6, 6, 2);
            (imm != 0).then(|| i(OP_IMM, 0, rd, 2, imm as i32))
        }
        1 => Some(i(LOAD_FP, 3, rd, rs1, double as i32)),
        2 => Some(i(LOAD, 2, rd, rs1, word as i32)),
        3 => Some(i(LOAD, 3, rd, rs1, double as i32)),
        4 => small_memory(c, rs1, rd),
        5 => Some(s(STORE_FP, 3, rs1, rd, double)),
        6 => Some(s(STORE, 2, rs1, rd, word)),
        7 => Some(s(STORE, 3, rs1, rd, double)),
        _ => None,
    }
}

/// Bytes and halfwords (Zcb).
fn small_memory(c: u32, base: u32, register: u32) -> Option<u32> {
    let byte = field(c, 5, 5, 1) | field(c, 6, 6, 0);
    let half = field(c, 5, 5, 1);
    match (c >> 10 & 7, c >> 6 & 1) {
        (0, _) => Some(i(LOAD, 4, register, base, byte as i32)),
        (1, 0) => Some(i(LOAD, 5, register, base, half as i32)),
        (1, _) => Some(i(LOAD, 1, register, base, half as i32)),
        (2, _) => Some(s(STORE, 0, base, register, byte)),
        (3, 0) => Some(s(STORE, 1, base, register, half)),
        _ => None,
    }
}

fn quadrant_1(c: u32, funct: u32) -> Option<u32> {
    let rd = c >> 7 & 31;
    match funct {
        0 => Some(i(OP_IMM, 0, rd, rd, ci_imm(c))),
        1 => (rd != 0).then(|| i(OP_IMM_32, 0, rd, rd, ci_imm(c))),
        2 => Some(i(OP_IMM, 0, rd, 0, ci_imm(c))),
        3 if rd == 2 => {
            let imm = field(c, 12, 12, 9)
                | field(c, 4, 3, 7)
                | field(c, 5, 5, 6)
                | field(c, 2, 2, 5)
                | field(c, 6, 6, 4);
            (imm != 0).then(|| i(OP_IMM, 0, 2, 2, (imm as i32) << 22 >> 22))
        }
        // c.mop.N (Zcmop): may-be-operations that write nothing.
        3 if c & 0xf8ff == 0x6081 => Some(NOP),
        3 => (ci_imm(c) != 0).then(|| (ci_imm(c) as u32) << 12 | rd << 7 | LUI),
        4 => arithmetic(c),
        5 => {
            let imm = field(c, 12, 12, 11)
                | field(c, 8, 8, 10)
                | field(c, 10, 9, 8)
                | field(c, 6, 6, 7)
                | field(c, 7, 7, 6)
                | field(c, 2, 2, 5)
                | field(c, 11, 11, 4)
                | field(c, 5, 3, 1);
            Some(jal(0, (imm as i32) << 20 >> 20))
        }
        _ => {
            let imm = field(c, 12, 12, 8)
                | field(c, 6, 5, 6)
                | field(c, 2, 2, 5)
                | field(c, 11, 10, 3)
                | field(c, 4, 3, 1);
            Some(branch(funct - 6, short(c, 7), (imm as i32) << 23 >> 23))
        }
    }
}

fn arithmetic(c: u32) -> Option<u32> {
    let (rd, rs2) = (short(c, 7), short(c, 2));
    let shamt = ci_imm(c) & 63;
    match (c >> 10 & 3, c >> 12 & 1, c >> 5 & 3) {
        (0, ..) => Some(i(OP_IMM, 5, rd, rd, shamt)),
        (1, ..) => Some(i(OP_IMM, 5, rd, rd, shamt | 0x400)),
        (2, ..) => Some(i(OP_IMM, 7, rd, rd, ci_imm(c))),
        (_, 0, 0) => Some(r(OP, 0, 0x20, rd, rd, rs2)),
        (_, 0, 1) => Some(r(OP, 4, 0, rd, rd, rs2)),
        (_, 0, 2) => Some(r(OP, 6, 0, rd, rd, rs2)),
        (_, 0, _) => Some(r(OP, 7, 0, rd, rd, rs2)),
        (_, _, 0) => Some(r(OP_32, 0, 0x20, rd, rd, rs2)),
        (_, _, 1) => Some(r(OP_32, 0, 0, rd, rd, rs2)),
        (_, _, 2) => Some(r(OP, 0, 1, rd, rd, rs2)),
        _ => in_place(c, rd),
    }
}

/// Extensions and complement of a register (Zcb).
fn in_place(c: u32, rd: u32) -> Option<u32> {
    match c >> 2 & 7 {
        0 => Some(i(OP_IMM, 7, rd, rd, 0xff)),
        1 => Some(i(OP_IMM, 1, rd, rd, 0x604)),
        2 => Some(r(OP_32, 4, 4, rd, rd, 0)),
        3 => Some(i(OP_IMM, 1, rd, rd, 0x605)),
        4 => Some(r(OP_32, 0, 4, rd, rd, 0)),
        5 => Some(i(OP_IMM, 4, rd, rd, -1)),
        _ => None,
    }
}

fn quadrant_2(c: u32, funct: u32) -> Option<u32> {
    let (rd, rs2) = (c >> 7 & 31, c >> 2 & 31);
    let load_double = field(c, 4, 2, 6) | field(c, 12, 12, 5) | field(c, 6, 5, 3);
    let load_word = field(c, 3, 2, 6) | field(c, 12, 12, 5) | field(c, 6, 4, 2);
    let store_double = field(c, 9, 7, 6) | field(c, 12, 10, 3);
    let store_word = field(c, 8, 7, 6) | field(c, 12, 9, 2);
    match funct {
        0 => Some(i(OP_IMM, 1, rd, rd, ci_imm(c) & 63)),
        1 => Some(i(LOAD_FP, 3, rd, 2, load_double as i32)),
        2 => (rd != 0).then(|| i(LOAD, 2, rd, 2, load_word as i32)),
        3 => (rd != 0).then(|| i(LOAD, 3, rd, 2, load_double as i32)),
        4 => match (c >> 12 & 1, rd, rs2) {
            (0, 0, 0) => None,
            (0, _, 0) => Some(i(JALR, 0, 0, rd, 0)),
            (0, ..) => Some(r(OP, 0, 0, rd, 0, rs2)),
            (_, 0, 0) => Some(EBREAK),
            (_, _, 0) => Some(i(JALR, 0, 1, rd, 0)),
            _ => Some(r(OP, 0, 0, rd, rd, rs2)),
        },
        5 => Some(s(STORE_FP, 3, 2, rs2, store_double)),
        6 => Some(s(STORE, 2, 2, rs2, store_word)),
        _ => Some(s(STORE, 3, 2, rs2, store_double)),
    }
}

#[cfg(test)]
mod tests {
    use crate::riscv::isa;
    use alloc::string::ToString;

    /// Encodings and text as GNU `objdump -d -M no-aliases` (binutils 2.40) shows them.
    #[test]
    fn short_forms_mean_what_the_assembler_says() {
        for (bits, text) in [
            (0x1101, "addi sp, sp, -32"),
            (0x7139, "addi sp, sp, -64"),
            (0x0808, "addi a0, sp, 16"),
            (0x4501, "addi a0, zero, 0"),
            (0x852e, "add a0, zero, a1"),
            (0x952e, "add a0, a0, a1"),
            (0x8082, "jalr zero, 0(ra)"),
            (0x9502, "jalr ra, 0(a0)"),
            (0x60e2, "ld ra, 24(sp)"),
            (0xec06, "sd ra, 24(sp)"),
            (0x4388, "lw a0, 0(a5)"),
            (0x611c, "ld a5, 0(a0)"),
            (0xc388, "sw a0, 0(a5)"),
            (0xe11c, "sd a5, 0(a0)"),
            (0x9d0d, "subw a0, a0, a1"),
            (0x8d8d, "sub a1, a1, a1"),
            (0x8905, "andi a0, a0, 1"),
            (0x9101, "srli a0, a0, 32"),
            (0x6785, "lui a5, 0x1"),
            (0xbfe5, "jal zero, . + -8"),
            (0xd16d, "beq a0, zero, . + -30"),
            (0xe509, "bne a0, zero, . + 10"),
            (0x9002, "ebreak"),
            (0x2501, "addiw a0, a0, 0"),
            // Zcb and Zcmop, as the listing of "Code Size Reduction" has them.
            (0x8188, "lbu a0, 0(a1)"),
            (0x81e8, "lbu a0, 3(a1)"),
            (0x85a8, "lhu a0, 2(a1)"),
            (0x85c8, "lh a0, 0(a1)"),
            (0x89c8, "sb a0, 1(a1)"),
            (0x8da8, "sh a0, 2(a1)"),
            (0x9d61, "andi a0, a0, 255"),
            (0x9d65, "sext.b a0, a0"),
            (0x9d69, "zext.h a0, a0"),
            (0x9d6d, "sext.h a0, a0"),
            (0x9d71, "add.uw a0, a0, zero"),
            (0x9d75, "xori a0, a0, -1"),
            (0x9d4d, "mul a0, a0, a1"),
            (0x6081, "addi zero, zero, 0"),
            (0x6781, "addi zero, zero, 0"),
        ] {
            assert_eq!(isa::decode(bits).unwrap().to_string(), text, "{bits:#06x}");
        }
    }

    #[test]
    fn reserved_short_forms_are_illegal() {
        for bits in [
            0x0000,
            0x9000,
            0x8c40,
            0x2001,
            0x6101,
            0x6181 ^ 1 << 7,
            0x6001,
            0x6801,
            0x4002,
            0x6002,
            0x8002,
            0x9c79,
            0x9c7d,
        ] {
            assert_eq!(isa::decode(bits), None, "{bits:#06x}");
        }
    }
}
