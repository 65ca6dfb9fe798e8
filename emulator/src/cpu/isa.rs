//! The instruction table: the one place that knows RISC-V encodings. Decoder, disassembler and
//! the choice of hot-loop operations ([`super::op`]) are all made from it.
//!
//! Encodings are those of the RISC-V unprivileged ISA (chapter "RV32/64G Instruction Set
//! Listings") and the privileged ISA. Compressed instructions are expanded to these first
//! ([`super::compressed`]).

use core::fmt;

/// Calls `$with!` with every row: `Variant "mnemonic" mask bits Format`. Rows are sorted by
/// major opcode (bits 6:2), which the decoder relies on.
macro_rules! for_each_instruction {
    ($with:ident) => {
        $with! {
            // 0x03 LOAD
            Lb      "lb"        0x0000707f 0x00000003 Load
            Lh      "lh"        0x0000707f 0x00001003 Load
            Lw      "lw"        0x0000707f 0x00002003 Load
            Ld      "ld"        0x0000707f 0x00003003 Load
            Lbu     "lbu"       0x0000707f 0x00004003 Load
            Lhu     "lhu"       0x0000707f 0x00005003 Load
            Lwu     "lwu"       0x0000707f 0x00006003 Load
            // 0x07 LOAD-FP
            Flw     "flw"       0x0000707f 0x00002007 LoadFp
            Fld     "fld"       0x0000707f 0x00003007 LoadFp
            // 0x0f MISC-MEM
            Fence   "fence"     0x0000707f 0x0000000f Fence
            FenceI  "fence.i"   0x0000707f 0x0000100f Fence
            // 0x13 OP-IMM
            Addi    "addi"      0x0000707f 0x00000013 I
            Slli    "slli"      0xfc00707f 0x00001013 Shift
            Slti    "slti"      0x0000707f 0x00002013 I
            Sltiu   "sltiu"     0x0000707f 0x00003013 I
            Xori    "xori"      0x0000707f 0x00004013 I
            Srli    "srli"      0xfc00707f 0x00005013 Shift
            Srai    "srai"      0xfc00707f 0x40005013 Shift
            Ori     "ori"       0x0000707f 0x00006013 I
            Andi    "andi"      0x0000707f 0x00007013 I
            // 0x17 AUIPC
            Auipc   "auipc"     0x0000007f 0x00000017 U
            // 0x1b OP-IMM-32
            Addiw   "addiw"     0x0000707f 0x0000001b I
            Slliw   "slliw"     0xfe00707f 0x0000101b Shift
            Srliw   "srliw"     0xfe00707f 0x0000501b Shift
            Sraiw   "sraiw"     0xfe00707f 0x4000501b Shift
            // 0x23 STORE
            Sb      "sb"        0x0000707f 0x00000023 S
            Sh      "sh"        0x0000707f 0x00001023 S
            Sw      "sw"        0x0000707f 0x00002023 S
            Sd      "sd"        0x0000707f 0x00003023 S
            // 0x27 STORE-FP
            Fsw     "fsw"       0x0000707f 0x00002027 SFp
            Fsd     "fsd"       0x0000707f 0x00003027 SFp
            // 0x2f AMO
            AmoaddW  "amoadd.w"  0xf800707f 0x0000202f Amo
            AmoaddD  "amoadd.d"  0xf800707f 0x0000302f Amo
            AmoswapW "amoswap.w" 0xf800707f 0x0800202f Amo
            AmoswapD "amoswap.d" 0xf800707f 0x0800302f Amo
            LrW      "lr.w"      0xf9f0707f 0x1000202f Amo
            LrD      "lr.d"      0xf9f0707f 0x1000302f Amo
            ScW      "sc.w"      0xf800707f 0x1800202f Amo
            ScD      "sc.d"      0xf800707f 0x1800302f Amo
            AmoxorW  "amoxor.w"  0xf800707f 0x2000202f Amo
            AmoxorD  "amoxor.d"  0xf800707f 0x2000302f Amo
            AmoorW   "amoor.w"   0xf800707f 0x4000202f Amo
            AmoorD   "amoor.d"   0xf800707f 0x4000302f Amo
            AmoandW  "amoand.w"  0xf800707f 0x6000202f Amo
            AmoandD  "amoand.d"  0xf800707f 0x6000302f Amo
            AmominW  "amomin.w"  0xf800707f 0x8000202f Amo
            AmominD  "amomin.d"  0xf800707f 0x8000302f Amo
            AmomaxW  "amomax.w"  0xf800707f 0xa000202f Amo
            AmomaxD  "amomax.d"  0xf800707f 0xa000302f Amo
            AmominuW "amominu.w" 0xf800707f 0xc000202f Amo
            AmominuD "amominu.d" 0xf800707f 0xc000302f Amo
            AmomaxuW "amomaxu.w" 0xf800707f 0xe000202f Amo
            AmomaxuD "amomaxu.d" 0xf800707f 0xe000302f Amo
            // 0x33 OP
            Add     "add"       0xfe00707f 0x00000033 R
            Sub     "sub"       0xfe00707f 0x40000033 R
            Sll     "sll"       0xfe00707f 0x00001033 R
            Slt     "slt"       0xfe00707f 0x00002033 R
            Sltu    "sltu"      0xfe00707f 0x00003033 R
            Xor     "xor"       0xfe00707f 0x00004033 R
            Srl     "srl"       0xfe00707f 0x00005033 R
            Sra     "sra"       0xfe00707f 0x40005033 R
            Or      "or"        0xfe00707f 0x00006033 R
            And     "and"       0xfe00707f 0x00007033 R
            Mul     "mul"       0xfe00707f 0x02000033 R
            Mulh    "mulh"      0xfe00707f 0x02001033 R
            Mulhsu  "mulhsu"    0xfe00707f 0x02002033 R
            Mulhu   "mulhu"     0xfe00707f 0x02003033 R
            Div     "div"       0xfe00707f 0x02004033 R
            Divu    "divu"      0xfe00707f 0x02005033 R
            Rem     "rem"       0xfe00707f 0x02006033 R
            Remu    "remu"      0xfe00707f 0x02007033 R
            // 0x37 LUI
            Lui     "lui"       0x0000007f 0x00000037 U
            // 0x3b OP-32
            Addw    "addw"      0xfe00707f 0x0000003b R
            Subw    "subw"      0xfe00707f 0x4000003b R
            Sllw    "sllw"      0xfe00707f 0x0000103b R
            Srlw    "srlw"      0xfe00707f 0x0000503b R
            Sraw    "sraw"      0xfe00707f 0x4000503b R
            Mulw    "mulw"      0xfe00707f 0x0200003b R
            Divw    "divw"      0xfe00707f 0x0200403b R
            Divuw   "divuw"     0xfe00707f 0x0200503b R
            Remw    "remw"      0xfe00707f 0x0200603b R
            Remuw   "remuw"     0xfe00707f 0x0200703b R
            // 0x43..0x4f fused multiply-add
            FmaddS  "fmadd.s"   0x0600007f 0x00000043 R4
            FmaddD  "fmadd.d"   0x0600007f 0x02000043 R4
            FmsubS  "fmsub.s"   0x0600007f 0x00000047 R4
            FmsubD  "fmsub.d"   0x0600007f 0x02000047 R4
            FnmsubS "fnmsub.s"  0x0600007f 0x0000004b R4
            FnmsubD "fnmsub.d"  0x0600007f 0x0200004b R4
            FnmaddS "fnmadd.s"  0x0600007f 0x0000004f R4
            FnmaddD "fnmadd.d"  0x0600007f 0x0200004f R4
            // 0x53 OP-FP
            FaddS   "fadd.s"    0xfe00007f 0x00000053 Fp
            FaddD   "fadd.d"    0xfe00007f 0x02000053 Fp
            FsubS   "fsub.s"    0xfe00007f 0x08000053 Fp
            FsubD   "fsub.d"    0xfe00007f 0x0a000053 Fp
            FmulS   "fmul.s"    0xfe00007f 0x10000053 Fp
            FmulD   "fmul.d"    0xfe00007f 0x12000053 Fp
            FdivS   "fdiv.s"    0xfe00007f 0x18000053 Fp
            FdivD   "fdiv.d"    0xfe00007f 0x1a000053 Fp
            FsqrtS  "fsqrt.s"   0xfff0007f 0x58000053 Fp1
            FsqrtD  "fsqrt.d"   0xfff0007f 0x5a000053 Fp1
            FsgnjS  "fsgnj.s"   0xfe00707f 0x20000053 Fp
            FsgnjnS "fsgnjn.s"  0xfe00707f 0x20001053 Fp
            FsgnjxS "fsgnjx.s"  0xfe00707f 0x20002053 Fp
            FsgnjD  "fsgnj.d"   0xfe00707f 0x22000053 Fp
            FsgnjnD "fsgnjn.d"  0xfe00707f 0x22001053 Fp
            FsgnjxD "fsgnjx.d"  0xfe00707f 0x22002053 Fp
            FminS   "fmin.s"    0xfe00707f 0x28000053 Fp
            FmaxS   "fmax.s"    0xfe00707f 0x28001053 Fp
            FminD   "fmin.d"    0xfe00707f 0x2a000053 Fp
            FmaxD   "fmax.d"    0xfe00707f 0x2a001053 Fp
            FcvtSD  "fcvt.s.d"  0xfff0007f 0x40100053 Fp1
            FcvtDS  "fcvt.d.s"  0xfff0007f 0x42000053 Fp1
            FleS    "fle.s"     0xfe00707f 0xa0000053 FpToX2
            FltS    "flt.s"     0xfe00707f 0xa0001053 FpToX2
            FeqS    "feq.s"     0xfe00707f 0xa0002053 FpToX2
            FleD    "fle.d"     0xfe00707f 0xa2000053 FpToX2
            FltD    "flt.d"     0xfe00707f 0xa2001053 FpToX2
            FeqD    "feq.d"     0xfe00707f 0xa2002053 FpToX2
            FcvtWS  "fcvt.w.s"  0xfff0007f 0xc0000053 FpToX
            FcvtWuS "fcvt.wu.s" 0xfff0007f 0xc0100053 FpToX
            FcvtLS  "fcvt.l.s"  0xfff0007f 0xc0200053 FpToX
            FcvtLuS "fcvt.lu.s" 0xfff0007f 0xc0300053 FpToX
            FcvtWD  "fcvt.w.d"  0xfff0007f 0xc2000053 FpToX
            FcvtWuD "fcvt.wu.d" 0xfff0007f 0xc2100053 FpToX
            FcvtLD  "fcvt.l.d"  0xfff0007f 0xc2200053 FpToX
            FcvtLuD "fcvt.lu.d" 0xfff0007f 0xc2300053 FpToX
            FcvtSW  "fcvt.s.w"  0xfff0007f 0xd0000053 XToFp
            FcvtSWu "fcvt.s.wu" 0xfff0007f 0xd0100053 XToFp
            FcvtSL  "fcvt.s.l"  0xfff0007f 0xd0200053 XToFp
            FcvtSLu "fcvt.s.lu" 0xfff0007f 0xd0300053 XToFp
            FcvtDW  "fcvt.d.w"  0xfff0007f 0xd2000053 XToFp
            FcvtDWu "fcvt.d.wu" 0xfff0007f 0xd2100053 XToFp
            FcvtDL  "fcvt.d.l"  0xfff0007f 0xd2200053 XToFp
            FcvtDLu "fcvt.d.lu" 0xfff0007f 0xd2300053 XToFp
            FmvXW   "fmv.x.w"   0xfff0707f 0xe0000053 FpToX
            FclassS "fclass.s"  0xfff0707f 0xe0001053 FpToX
            FmvXD   "fmv.x.d"   0xfff0707f 0xe2000053 FpToX
            FclassD "fclass.d"  0xfff0707f 0xe2001053 FpToX
            FmvWX   "fmv.w.x"   0xfff0707f 0xf0000053 XToFp
            FmvDX   "fmv.d.x"   0xfff0707f 0xf2000053 XToFp
            // 0x63 BRANCH
            Beq     "beq"       0x0000707f 0x00000063 B
            Bne     "bne"       0x0000707f 0x00001063 B
            Blt     "blt"       0x0000707f 0x00004063 B
            Bge     "bge"       0x0000707f 0x00005063 B
            Bltu    "bltu"      0x0000707f 0x00006063 B
            Bgeu    "bgeu"      0x0000707f 0x00007063 B
            // 0x67 JALR, 0x6f JAL
            Jalr    "jalr"      0x0000707f 0x00000067 Load
            Jal     "jal"       0x0000007f 0x0000006f J
            // 0x73 SYSTEM, the frequent ones first
            Csrrw   "csrrw"     0x0000707f 0x00001073 Csr
            Csrrs   "csrrs"     0x0000707f 0x00002073 Csr
            Csrrc   "csrrc"     0x0000707f 0x00003073 Csr
            Csrrwi  "csrrwi"    0x0000707f 0x00005073 CsrI
            Csrrsi  "csrrsi"    0x0000707f 0x00006073 CsrI
            Csrrci  "csrrci"    0x0000707f 0x00007073 CsrI
            Ecall   "ecall"     0xffffffff 0x00000073 None
            Ebreak  "ebreak"    0xffffffff 0x00100073 None
            Sret    "sret"      0xffffffff 0x10200073 None
            Wfi     "wfi"       0xffffffff 0x10500073 None
            SfenceVma "sfence.vma" 0xfe007fff 0x12000073 Sfence
        }
    };
}

/// Which operands an instruction has, and where they stand in its 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `rd, rs1, rs2`
    R,
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
    /// `rd, csr, rs1`
    Csr,
    /// `rd, csr, uimm`
    CsrI,
    /// `rs1, rs2`
    Sfence,
    /// ordering bits, ignored
    Fence,
    /// no operands
    None,
}

/// An instruction's encoding.
pub(super) struct Row {
    mnemonic: &'static str,
    pub(super) mask: u32,
    pub(super) bits: u32,
    opcode: Opcode,
    pub(super) format: Format,
}

macro_rules! define {
    ($($variant:ident $mnemonic:literal $mask:literal $bits:literal $format:ident)*) => {
        /// An instruction, without its operands. Named after its mnemonic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Opcode { $($variant),* }

        pub(super) static TABLE: &[Row] = &[$(Row {
            mnemonic: $mnemonic,
            mask: $mask,
            bits: $bits,
            opcode: Opcode::$variant,
            format: Format::$format,
        }),*];
    };
}
for_each_instruction!(define);

impl Opcode {
    /// How assembler writes it.
    pub fn mnemonic(self) -> &'static str {
        TABLE[self as usize].mnemonic
    }

    /// Its operands.
    pub fn format(self) -> Format {
        TABLE[self as usize].format
    }
}

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// What it does.
    pub opcode: Opcode,
    /// Destination register.
    pub rd: u8,
    /// First source register, or the immediate of a `csrr?i`.
    pub rs1: u8,
    /// Second source register.
    pub rs2: u8,
    /// Third source register (fused multiply-add).
    pub rs3: u8,
    /// Rounding mode field (bits 14:12).
    pub rm: u8,
    /// 2 or 4 bytes.
    pub length: u8,
    /// Immediate, sign-extended; CSR number; shift amount.
    pub imm: i32,
    /// The bits as fetched (16 or 32), for `stval` of an illegal instruction.
    pub bits: u32,
}

/// First row of each major opcode (bits 6:2), and one past the last.
static BUCKETS: [u16; 33] = buckets();

const fn buckets() -> [u16; 33] {
    macro_rules! bits {
        ($($v:ident $m:literal $mask:literal $bits:literal $f:ident)*) => { [$($bits as u32),*] };
    }
    let rows = for_each_instruction!(bits);
    let mut starts = [0u16; 33];
    let mut row = 0;
    let mut major = 0;
    while major < 32 {
        starts[major] = row as u16;
        while row < rows.len() && (rows[row] >> 2 & 31) as usize == major {
            row += 1;
        }
        major += 1;
    }
    assert!(row == rows.len(), "the instruction table is not sorted by major opcode");
    starts[32] = row as u16;
    starts
}

/// Decodes the instruction at the start of `bits` (little-endian halfwords); `None` if it is
/// illegal. A compressed instruction ignores the upper half.
pub fn decode(bits: u32) -> Option<Insn> {
    if bits & 3 == 3 {
        decode_32(bits, 4, bits)
    } else {
        let compressed = bits as u16;
        decode_32(super::compressed::expand(compressed)?, 2, u32::from(compressed))
    }
}

fn decode_32(bits: u32, length: u8, fetched: u32) -> Option<Insn> {
    let major = (bits >> 2 & 31) as usize;
    let rows = &TABLE[BUCKETS[major] as usize..BUCKETS[major + 1] as usize];
    let row = rows.iter().find(|row| bits & row.mask == row.bits)?;
    let field = |low: u32| (bits >> low & 31) as u8;
    Some(Insn {
        opcode: row.opcode,
        rd: field(7),
        rs1: field(15),
        rs2: field(20),
        rs3: field(27),
        rm: (bits >> 12 & 7) as u8,
        length,
        imm: immediate(row.format, bits),
        bits: fetched,
    })
}

fn immediate(format: Format, bits: u32) -> i32 {
    let signed = bits as i32;
    match format {
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
        _ => 0,
    }
}

/// ABI names of the integer registers.
static X_NAMES: [&str; 32] = [
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
            Format::Csr => write!(f, "{name} {rd}, {imm:#x}, {rs1}"),
            Format::CsrI => write!(f, "{name} {rd}, {imm:#x}, {}", self.rs1),
            Format::Sfence => write!(f, "{name} {rs1}, {rs2}"),
            Format::Fence | Format::None => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn no_two_rows_match_the_same_bits() {
        for (index, a) in TABLE.iter().enumerate() {
            assert_eq!(a.bits & !a.mask, 0, "{}", a.mnemonic);
            for b in &TABLE[index + 1..] {
                let common = a.mask & b.mask;
                assert_ne!(a.bits & common, b.bits & common, "{} {}", a.mnemonic, b.mnemonic);
            }
        }
    }

    /// Encodings and text as GNU `objdump -d -M no-aliases` (binutils 2.40) shows them.
    #[test]
    fn known_encodings_read_as_the_assembler_wrote_them() {
        for (bits, text) in [
            (0x00a5_8533, "add a0, a1, a0"),
            (0xff01_0113, "addi sp, sp, -16"),
            (0x0001_b783, "ld a5, 0(gp)"),
            (0xfea4_3c23, "sd a0, -8(s0)"),
            (0xfe05_1ee3, "bne a0, zero, . + -4"),
            (0x8000_00ef, "jal ra, . + -1048576"),
            (0x1234_5537, "lui a0, 0x12345"),
            (0x43f5_5513, "srai a0, a0, 63"),
            (0x1005_a52f, "lr.w a0, zero, (a1)"),
            (0x02c5_f543, "fmadd.d f10, f11, f12, f0"),
            (0xc010_2573, "csrrs a0, 0xc01, zero"),
            (0x1200_0073, "sfence.vma zero, zero"),
        ] {
            assert_eq!(decode(bits).unwrap().to_string(), text, "{bits:#010x}");
        }
    }

    #[test]
    fn reserved_encodings_are_illegal() {
        for bits in
            [0, 0xffff_ffff, 0x0000_705b, 0x0000_7003, 0x0200_101b | 1 << 25, 0x0200_0053 | 2 << 25]
        {
            assert_eq!(decode(bits), None, "{bits:#010x}");
        }
    }
}
