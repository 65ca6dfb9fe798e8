//! Which halfwords are compressed instructions: the rows of the list, less the reserved operands
//! that the unprivileged ISA names in chapter "C Extension for Compressed Instructions", listings
//! "Instruction listing for RVC, Quadrant 0..2". HINTs are legal.

use super::list::Encoding;

/// Whether `half` is an instruction of `row`.
pub fn legal(row: &Encoding, half: u16) -> bool {
    let bits = u32::from(half);
    if !row.matches(bits) {
        return false;
    }
    let rd = half >> 7 & 31;
    let rs2 = half >> 2 & 31;
    // Immediate bits of the CI format.
    let immediate = half & 0x107c;
    match row.mnemonic {
        // nzuimm = 0; all zeros is the illegal instruction.
        "c.addi4spn" => half >> 5 & 0xff != 0,
        "c.addiw" | "c.lwsp" | "c.ldsp" => rd != 0,
        "c.addi16sp" => immediate != 0,
        // nzimm = 0; rd = 2 is c.addi16sp.
        "c.lui" => immediate != 0 && rd != 2,
        "c.jr" | "c.jalr" => rd != 0,
        // rs2 = 0 is c.jr, c.jalr or c.ebreak.
        "c.mv" | "c.add" => rs2 != 0,
        _ => true,
    }
}
