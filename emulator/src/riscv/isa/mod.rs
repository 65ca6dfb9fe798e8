//! The instruction table: the one place that knows RISC-V encodings. Decoder, disassembler and
//! the choice of interpreter-loop operations ([`super::interpreter::op`]) are all made from it.
//!
//! Encodings are those of the RISC-V unprivileged ISA (chapter "RV32/64G Instruction Set
//! Listings") and the privileged ISA. Compressed instructions are expanded to these first
//! ([`compressed`]). A file holds the rows of a family of extensions: `Variant "mnemonic"
//! mask bits Format`.

mod base;
mod bitmanip;
pub mod compressed;
pub mod constants;
pub(super) mod decode_cache;
mod float;
mod format;
mod misc;
mod vector;
mod vector_text;

use base::base_rows;
use bitmanip::bitmanip_rows;
use float::float_rows;
pub use format::Format;
use misc::misc_rows;
use vector::vector_rows;

/// Calls `$with!` with every row. Each file's macro appends its rows and calls the next.
macro_rules! for_each_instruction {
    ($with:ident) => {
        base_rows! { (float_rows (bitmanip_rows (misc_rows (vector_rows ($with))))) }
    };
}

/// An instruction's encoding.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// How assembler writes it.
    pub mnemonic: &'static str,
    /// The bits that tell the instruction from others.
    pub mask: u32,
    /// Their values; zero outside `mask`.
    pub bits: u32,
    /// The instruction.
    pub opcode: Opcode,
    /// Its operands.
    pub format: Format,
}

macro_rules! define {
    ($($variant:ident $mnemonic:literal $mask:literal $bits:literal $format:ident)*) => {
        /// An instruction, without its operands. Named after its mnemonic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Opcode { $($variant),* }

        /// Every instruction of 32 bits.
        pub static TABLE: &[Row] = &[$(Row {
            mnemonic: $mnemonic,
            mask: $mask,
            bits: $bits,
            opcode: Opcode::$variant,
            format: Format::$format,
        }),*];

        const ENCODINGS: &[(u32, u32)] = &[$(($mask, $bits)),*];
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

/// Bits 6:2 (the major opcode) and 14:12: nearly every instruction is told by these from most
/// others.
const BUCKETS: usize = 256;

const fn bucket(bits: u32) -> usize {
    (bits >> 2 & 31 | bits >> 7 & 0xe0) as usize
}

/// Rows by bucket; a row that leaves bits 14:12 open is in eight.
struct Index {
    /// First entry of each bucket in `rows`, and one past the last.
    starts: [u16; BUCKETS + 1],
    rows: [u16; ENCODINGS.len() * 8],
}

static INDEX: Index = index();

/// A counting sort.
const fn index() -> Index {
    let mut index = Index { starts: [0; BUCKETS + 1], rows: [0; ENCODINGS.len() * 8] };
    let mut variant = 0;
    while variant < ENCODINGS.len() * 8 {
        if let Some(bucket) = bucket_of(variant) {
            index.starts[bucket + 1] += 1;
        }
        variant += 1;
    }
    let mut bucket = 0;
    while bucket < BUCKETS {
        index.starts[bucket + 1] += index.starts[bucket];
        bucket += 1;
    }
    let mut filled = index.starts;
    variant = 0;
    while variant < ENCODINGS.len() * 8 {
        if let Some(bucket) = bucket_of(variant) {
            index.rows[filled[bucket] as usize] = (variant / 8) as u16;
            filled[bucket] += 1;
        }
        variant += 1;
    }
    index
}

/// The bucket of row `variant / 8` with `variant % 8` in bits 14:12, if they match the row.
const fn bucket_of(variant: usize) -> Option<usize> {
    let (mask, bits) = ENCODINGS[variant / 8];
    let funct3 = (variant as u32 & 7) << 12;
    if (bits ^ funct3) & mask & 0x7000 == 0 { Some(bucket(bits | funct3)) } else { None }
}

/// The row of a 32-bit instruction.
fn find(bits: u32) -> Option<&'static Row> {
    let bucket = bucket(bits);
    let range = INDEX.starts[bucket] as usize..INDEX.starts[bucket + 1] as usize;
    let mut rows = INDEX.rows[range].iter().map(|&row| &TABLE[row as usize]);
    rows.find(|row| bits & row.mask == row.bits)
}

/// Bytes of the instruction whose first halfword, or byte, is `low` (unprivileged ISA, "Expanded
/// Instruction-Length Encoding"; longer ones do not exist here).
#[inline]
pub fn length(low: u32) -> u8 {
    if low & 3 == 3 { 4 } else { 2 }
}

/// Decodes the instruction at the start of `bits` (little-endian halfwords); `None` if it is
/// illegal. A compressed instruction ignores the upper half.
pub fn decode(bits: u32) -> Option<Insn> {
    if length(bits) == 4 {
        decode_32(bits, 4, bits)
    } else {
        let compressed = bits as u16;
        decode_32(compressed::expand(compressed)?, 2, u32::from(compressed))
    }
}

fn decode_32(bits: u32, length: u8, fetched: u32) -> Option<Insn> {
    let row = find(bits)?;
    let field = |low: u32| (bits >> low & 31) as u8;
    Some(Insn {
        opcode: row.opcode,
        rd: field(7),
        rs1: field(15),
        rs2: field(20),
        rs3: field(27),
        rm: (bits >> 12 & 7) as u8,
        length,
        imm: row.format.immediate(bits),
        bits: fetched,
    })
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
            (0x20c5_a533, "sh1add a0, a1, a2"),
            (0x6b85_d513, "rev8 a0, a1"),
            (0x61f5_d51b, "roriw a0, a1, 31"),
            (0xf21a_0553, "fli.d f10, 2.0"),
            (0x0045_200f, "cbo.zero (a0)"),
            (0xcdf5_c573, "mop.r.31 a0, a1"),
            (0xcef5_c573, "mop.rr.7 a0, a1, a5"),
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
