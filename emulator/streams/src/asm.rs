//! An assembler for the tests' own code and for the streams: it knows the list of encodings and
//! where operand fields stand.

use super::list::{Encoding, encodings};
use std::collections::HashMap;

/// Integer registers by their names in the psABI.
pub mod reg {
    pub const ZERO: u32 = 0;
    pub const RA: u32 = 1;
    pub const T0: u32 = 5;
    pub const T1: u32 = 6;
    pub const T2: u32 = 7;
    pub const A0: u32 = 10;
    pub const A1: u32 = 11;
    pub const A2: u32 = 12;
    pub const A3: u32 = 13;
    pub const A6: u32 = 16;
    pub const A7: u32 = 17;
    pub const T3: u32 = 28;
    pub const T4: u32 = 29;
}

/// The bits of an instruction that hold `operand`, with that value.
pub fn place(operand: &str, value: u32) -> u32 {
    let bits = |high: u32, low: u32, at: u32| (value >> low & ((1 << (high - low + 1)) - 1)) << at;
    match operand {
        "rd" | "fd" | "vd" | "vs3" => bits(4, 0, 7),
        "rs1" | "fs1" | "vs1" | "zimm5" | "simm5" | "uimm5" | "fimm5" => bits(4, 0, 15),
        "rs2" | "fs2" | "vs2" => bits(4, 0, 20),
        "fs3" => bits(4, 0, 27),
        "rm" => bits(2, 0, 12),
        "imm12" | "csr" => bits(11, 0, 20),
        "shamt5" => bits(4, 0, 20),
        "shamt6" => bits(5, 0, 20),
        "simm12" => bits(4, 0, 7) | bits(11, 5, 25),
        "bimm12" => bits(4, 1, 8) | bits(10, 5, 25) | bits(11, 11, 7) | bits(12, 12, 31),
        "jimm20" => bits(10, 1, 21) | bits(11, 11, 20) | bits(19, 12, 12) | bits(20, 20, 31),
        "imm20" => bits(19, 0, 12),
        "aq" => bits(0, 0, 26),
        "rl" => bits(0, 0, 25),
        "vm" => bits(0, 0, 25),
        "nf" => bits(2, 0, 29),
        "zimm10" => bits(9, 0, 20),
        "zimm11" => bits(10, 0, 20),
        "uimm6" => bits(4, 0, 15) | bits(5, 5, 26),
        _ => panic!("{operand}: no such operand"),
    }
}

/// `bits` with another value of an operand.
pub fn set(bits: u32, operand: &str, value: u32) -> u32 {
    bits & !place(operand, u32::MAX) | place(operand, value)
}

/// Rows by mnemonic.
pub struct Rows(HashMap<&'static str, Encoding>);

impl Default for Rows {
    fn default() -> Self {
        Self::new()
    }
}

impl Rows {
    pub fn new() -> Self {
        Self(encodings().into_iter().map(|row| (row.mnemonic, row)).collect())
    }

    /// An instruction with these operands; what is not given is zero.
    pub fn insn(&self, mnemonic: &str, operands: &[(&str, u32)]) -> u32 {
        let row = self.0.get(mnemonic).unwrap_or_else(|| panic!("{mnemonic}: no such row"));
        operands.iter().fold(row.bits, |bits, (operand, value)| bits | place(operand, *value))
    }
}

/// Code from an address on.
pub struct Assembler<'a> {
    rows: &'a Rows,
    pub base: u64,
    pub code: Vec<u8>,
}

impl<'a> Assembler<'a> {
    pub fn new(rows: &'a Rows, base: u64) -> Self {
        Self { rows, base, code: Vec::new() }
    }

    /// The address of what comes next.
    pub fn here(&self) -> u64 {
        self.base + self.code.len() as u64
    }

    pub fn word(&mut self, bits: u32) {
        self.code.extend_from_slice(&bits.to_le_bytes());
    }

    pub fn half(&mut self, bits: u16) {
        self.code.extend_from_slice(&bits.to_le_bytes());
    }

    pub fn insn(&mut self, mnemonic: &str, operands: &[(&str, u32)]) {
        self.word(self.rows.insn(mnemonic, operands));
    }

    pub fn addi(&mut self, rd: u32, rs1: u32, immediate: i32) {
        self.insn("addi", &[("rd", rd), ("rs1", rs1), ("imm12", immediate as u32)]);
    }

    /// A load, of any kind with an immediate.
    pub fn load(&mut self, mnemonic: &str, rd: u32, base: u32, offset: u32) {
        let field = if mnemonic.starts_with('f') { "fd" } else { "rd" };
        self.insn(mnemonic, &[(field, rd), ("rs1", base), ("imm12", offset)]);
    }

    /// A store, of any kind with an immediate.
    pub fn store(&mut self, mnemonic: &str, rs2: u32, base: u32, offset: u32) {
        let field = if mnemonic.starts_with('f') { "fs2" } else { "rs2" };
        self.insn(mnemonic, &[(field, rs2), ("rs1", base), ("simm12", offset)]);
    }

    /// Any constant.
    pub fn li(&mut self, rd: u32, value: u64) {
        let low = (value as i64) << 52 >> 52;
        let high = (value as i64).wrapping_sub(low);
        if high == i64::from(high as i32) {
            self.insn("lui", &[("rd", rd), ("imm20", (high >> 12) as u32)]);
            self.insn("addiw", &[("rd", rd), ("rs1", rd), ("imm12", low as u32)]);
        } else {
            self.li(rd, (high >> 12) as u64);
            self.insn("slli", &[("rd", rd), ("rs1", rd), ("shamt6", 12)]);
            self.addi(rd, rd, low as i32);
        }
    }

    /// Jumps anywhere near, with the link in `link`.
    pub fn jump(&mut self, link: u32, to: u64) {
        let distance = to.wrapping_sub(self.here()) as u32;
        let upper = distance.wrapping_add(0x800) >> 12;
        let target = if link == reg::ZERO { reg::T0 } else { link };
        self.insn("auipc", &[("rd", target), ("imm20", upper)]);
        self.insn("jalr", &[("rd", link), ("rs1", target), ("imm12", distance)]);
    }

    /// Branches back or forth.
    pub fn branch(&mut self, mnemonic: &str, rs1: u32, rs2: u32, to: u64) {
        let distance = to.wrapping_sub(self.here()) as u32;
        self.insn(mnemonic, &[("rs1", rs1), ("rs2", rs2), ("bimm12", distance)]);
    }

    pub fn jr(&mut self, register: u32) {
        self.insn("jalr", &[("rs1", register)]);
    }

    /// Reads a CSR.
    pub fn csrr(&mut self, rd: u32, csr: u32) {
        self.insn("csrrs", &[("rd", rd), ("csr", csr)]);
    }

    /// Writes a CSR.
    pub fn csrw(&mut self, csr: u32, rs1: u32) {
        self.insn("csrrw", &[("csr", csr), ("rs1", rs1)]);
    }
}
