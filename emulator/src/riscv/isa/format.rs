//! Instruction formats: which operands there are, where they stand in the 32 bits, and how
//! assembler writes them.

use super::{Insn, constants};
use core::fmt;

/// Which operands an instruction has, and where they stand in its 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `rd, rs1, rs2`
    R,
    /// `rd, rs1`
    R1,
    /// `rd, rs1, imm`
    I,
    /// `rd, rs1, shamt`
    Shift,
    /// `rd, imm(rs1)`
    Load,
    /// `fd, imm(rs1)`
    LoadFp,
    /// `rs2, imm(rs1)`
    S,
    /// `fs2, imm(rs1)`
    SFp,
    /// `rs1, rs2, pc + imm`
    B,
    /// `rd, imm` (upper 20 bits)
    U,
    /// `rd, pc + imm`
    J,
    /// `rd, rs2, (rs1)`
    Amo,
    /// `fd, fs1, fs2, fs3`
    R4,
    /// `fd, fs1, fs2`
    Fp,
    /// `fd, fs1`
    Fp1,
    /// `rd, fs1, fs2`
    FpToX2,
    /// `rd, fs1`
    FpToX,
    /// `fd, rs1`
    XToFp,
    /// `fd, constant`, by the number in rs1's place
    Fli,
    /// `rd, csr, rs1`
    Csr,
    /// `rd, csr, uimm`
    CsrI,
    /// `rs1, rs2`
    Sfence,
    /// `rd, rs1`, with a number in the mnemonic
    MopR,
    /// `rd, rs1, rs2`, with a number in the mnemonic
    MopRr,
    /// `(rs1)`
    Cbo,
    /// ordering bits, ignored
    Fence,
    /// no operands
    None,
    /// `rd, rs1, vtype`
    VSetVli,
    /// `rd, uimm, vtype`
    VSetIvli,
    /// `rd, rs1, rs2` (AVL and vtype)
    VSetVl,
    /// `vd, (rs1)`, `v0.t` if masked; also of segments and whole registers
    VMem,
    /// `vd, (rs1), rs2`
    VMemStrided,
    /// `vd, (rs1), vs2`
    VMemIndexed,
    /// `vd, vs2, vs1`, `v0.t` if masked
    Vv,
    /// `vd, vs2, rs1`
    Vx,
    /// `vd, vs2, imm`
    Vi,
    /// `vd, vs2, uimm`
    Vu,
    /// `vd, vs2, fs1`
    Vf,
    /// `vd, vs2, vs1, v0`: `v0` is an operand
    Vvm,
    /// `vd, vs2, rs1, v0`
    Vxm,
    /// `vd, vs2, imm, v0`
    Vim,
    /// `vd, vs2, fs1, v0`
    Vfm,
    /// `vd, vs1, vs2`: `vd` is an operand
    VvAcc,
    /// `vd, rs1, vs2`
    VxAcc,
    /// `vd, fs1, vs2`
    VfAcc,
    /// `vd, vs2`
    V2,
    /// `vd, vs1`
    VFromV,
    /// `vd, rs1`
    VFromX,
    /// `vd, imm`
    VFromI,
    /// `vd, fs1`
    VFromF,
    /// `vd`
    Vd,
    /// `rd, vs2`
    VToX,
    /// `fd, vs2`
    VToF,
}

impl Format {
    /// Whether this is a format of the V extension; those come last.
    pub fn is_vector(self) -> bool {
        self as u8 >= Self::VSetVli as u8
    }

    /// The immediate in an instruction of this format: sign-extended number, CSR number or shift
    /// amount; 0 where there is none.
    pub(super) fn immediate(self, bits: u32) -> i32 {
        let signed = bits as i32;
        match self {
            Format::I | Format::Load | Format::LoadFp => signed >> 20,
            Format::Shift => signed >> 20 & 0x3f,
            Format::S | Format::SFp => signed >> 25 << 5 | (bits >> 7 & 0x1f) as i32,
            Format::B => {
                (signed >> 31 << 12)
                    | (bits << 4 & 0x800) as i32
                    | (bits >> 20 & 0x7e0) as i32
                    | (bits >> 7 & 0x1e) as i32
            }
            Format::U => signed & !0xfff,
            Format::J => {
                (signed >> 31 << 20)
                    | (bits & 0xff000) as i32
                    | (bits >> 9 & 0x800) as i32
                    | (bits >> 20 & 0x7fe) as i32
            }
            Format::Csr | Format::CsrI => (bits >> 20) as i32,
            Format::MopR => (bits >> 26 & 0x10 | bits >> 24 & 0xc | bits >> 20 & 3) as i32,
            Format::VSetVli => (bits >> 20 & 0x7ff) as i32,
            Format::VSetIvli => (bits >> 20 & 0x3ff) as i32,
            Format::Vi | Format::Vim | Format::VFromI => signed << 12 >> 27,
            // Bit 26 belongs to the rotation amount of `vror.vi`.
            Format::Vu if bits >> 27 == 10 => (bits >> 21 & 32 | bits >> 15 & 31) as i32,
            Format::Vu => (bits >> 15 & 31) as i32,
            Format::MopRr => (bits >> 28 & 4 | bits >> 26 & 3) as i32,
            _ => 0,
        }
    }
}

/// ABI names of the integer registers.
pub(super) static X_NAMES: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
    "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
    "t5", "t6",
];

impl fmt::Display for Insn {
    /// Assembler text; branch targets relative to the instruction, as `. + 8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x = |register: u8| X_NAMES[register as usize & 31];
        let (rd, rs1, rs2) = (x(self.rd), x(self.rs1), x(self.rs2));
        let (fd, fs1, fs2, fs3) = (self.rd, self.rs1, self.rs2, self.rs3);
        let (name, imm) = (self.opcode.mnemonic(), self.imm);
        match self.opcode.format() {
            Format::R => write!(f, "{name} {rd}, {rs1}, {rs2}"),
            Format::R1 => write!(f, "{name} {rd}, {rs1}"),
            Format::I | Format::Shift => write!(f, "{name} {rd}, {rs1}, {imm}"),
            Format::Load => write!(f, "{name} {rd}, {imm}({rs1})"),
            Format::LoadFp => write!(f, "{name} f{fd}, {imm}({rs1})"),
            Format::S => write!(f, "{name} {rs2}, {imm}({rs1})"),
            Format::SFp => write!(f, "{name} f{fs2}, {imm}({rs1})"),
            Format::B => write!(f, "{name} {rs1}, {rs2}, . + {imm}"),
            Format::U => write!(f, "{name} {rd}, {:#x}", imm as u32 >> 12),
            Format::J => write!(f, "{name} {rd}, . + {imm}"),
            Format::Amo => write!(f, "{name} {rd}, {rs2}, ({rs1})"),
            Format::R4 => write!(f, "{name} f{fd}, f{fs1}, f{fs2}, f{fs3}"),
            Format::Fp => write!(f, "{name} f{fd}, f{fs1}, f{fs2}"),
            Format::Fp1 => write!(f, "{name} f{fd}, f{fs1}"),
            Format::FpToX2 => write!(f, "{name} {rd}, f{fs1}, f{fs2}"),
            Format::FpToX => write!(f, "{name} {rd}, f{fs1}"),
            Format::XToFp => write!(f, "{name} f{fd}, {rs1}"),
            Format::Fli => write!(f, "{name} f{fd}, {}", constants::TEXT[fs1 as usize & 31]),
            Format::Csr => write!(f, "{name} {rd}, {imm:#x}, {rs1}"),
            Format::CsrI => write!(f, "{name} {rd}, {imm:#x}, {}", self.rs1),
            Format::Sfence => write!(f, "{name} {rs1}, {rs2}"),
            Format::Cbo => write!(f, "{name} ({rs1})"),
            Format::MopR => write!(f, "{name}.{imm} {rd}, {rs1}"),
            Format::MopRr => write!(f, "{name}.{imm} {rd}, {rs1}, {rs2}"),
            Format::Fence | Format::None => f.write_str(name),
            _ => self.vector_text(f),
        }
    }
}
