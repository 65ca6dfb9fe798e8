//! Assembler text of the V extension.

use super::format::X_NAMES;
use super::{Format, Insn};
use core::fmt;

impl Insn {
    /// Whether a vector instruction works on all elements, bit 25.
    pub fn unmasked(&self) -> bool {
        self.bits >> 25 & 1 != 0
    }

    /// Fields of a segment less 1 (`nf`, bits 31:29).
    pub fn extra_fields(&self) -> u32 {
        self.bits >> 29
    }

    /// The text of an instruction whose [`Format::is_vector`].
    pub(super) fn vector_text(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x = |register: u8| X_NAMES[register as usize & 31];
        let (rd, rs1, rs2) = (x(self.rd), x(self.rs1), x(self.rs2));
        let (vd, vs1, vs2) = (self.rd, self.rs1, self.rs2);
        let (name, imm) = (self.opcode.mnemonic(), self.imm);
        let mask = if self.unmasked() { "" } else { ", v0.t" };
        match self.opcode.format() {
            Format::VSetVli => write!(f, "{name} {rd}, {rs1}, {}", VtypeText(imm)),
            Format::VSetIvli => write!(f, "{name} {rd}, {}, {}", self.rs1, VtypeText(imm)),
            Format::VSetVl => write!(f, "{name} {rd}, {rs1}, {rs2}"),
            Format::VMem => {
                self.segment_name(f)?;
                write!(f, " v{vd}, ({rs1}){mask}")
            }
            Format::VMemStrided => {
                self.segment_name(f)?;
                write!(f, " v{vd}, ({rs1}), {rs2}{mask}")
            }
            Format::VMemIndexed => {
                self.segment_name(f)?;
                write!(f, " v{vd}, ({rs1}), v{vs2}{mask}")
            }
            Format::Vv => write!(f, "{name} v{vd}, v{vs2}, v{vs1}{mask}"),
            Format::Vx => write!(f, "{name} v{vd}, v{vs2}, {rs1}{mask}"),
            Format::Vi | Format::Vu => write!(f, "{name} v{vd}, v{vs2}, {imm}{mask}"),
            Format::Vf => write!(f, "{name} v{vd}, v{vs2}, f{vs1}{mask}"),
            Format::Vvm => write!(f, "{name} v{vd}, v{vs2}, v{vs1}, v0"),
            Format::Vxm => write!(f, "{name} v{vd}, v{vs2}, {rs1}, v0"),
            Format::Vim => write!(f, "{name} v{vd}, v{vs2}, {imm}, v0"),
            Format::Vfm => write!(f, "{name} v{vd}, v{vs2}, f{vs1}, v0"),
            Format::VvAcc => write!(f, "{name} v{vd}, v{vs1}, v{vs2}{mask}"),
            Format::VxAcc => write!(f, "{name} v{vd}, {rs1}, v{vs2}{mask}"),
            Format::VfAcc => write!(f, "{name} v{vd}, f{vs1}, v{vs2}{mask}"),
            Format::V2 => write!(f, "{name} v{vd}, v{vs2}{mask}"),
            Format::VFromV => write!(f, "{name} v{vd}, v{vs1}"),
            Format::VFromX => write!(f, "{name} v{vd}, {rs1}"),
            Format::VFromI => write!(f, "{name} v{vd}, {imm}"),
            Format::VFromF => write!(f, "{name} v{vd}, f{vs1}"),
            Format::Vd => write!(f, "{name} v{vd}{mask}"),
            Format::VToX => write!(f, "{name} {rd}, v{vs2}{mask}"),
            Format::VToF => write!(f, "{name} f{}, v{vs2}", self.rd),
            _ => f.write_str(name),
        }
    }

    /// The mnemonic of a load or store: `vle8.v` with three fields is `vlseg3e8.v`. In loads and
    /// stores of masks and whole registers the same bits belong to the mnemonic.
    fn segment_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FIELDS: u32 = 7 << 29;
        let name = self.opcode.mnemonic();
        let width = name.find(|c: char| c.is_ascii_digit());
        let (Some(width), true) = (width, self.extra_fields() > 0) else {
            return f.write_str(name);
        };
        if super::TABLE[self.opcode as usize].mask & FIELDS != 0 {
            return f.write_str(name);
        }
        let indexed = name[..width].ends_with("ei");
        let (kind, width) = name.split_at(width - if indexed { 2 } else { 1 });
        write!(f, "{kind}seg{}{width}", self.extra_fields() + 1)
    }
}

/// A vector type as `vsetvli` has it, by name if it is not reserved.
struct VtypeText(i32);

impl fmt::Display for VtypeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LENGTHS: [&str; 8] = ["m1", "m2", "m4", "m8", "", "mf8", "mf4", "mf2"];
        let length = LENGTHS[self.0 as usize & 7];
        let width = self.0 >> 3 & 7;
        if self.0 >> 8 != 0 || width > 3 || length.is_empty() {
            return write!(f, "{}", self.0);
        }
        let tail = if self.0 & 0x40 != 0 { "ta" } else { "tu" };
        let mask = if self.0 & 0x80 != 0 { "ma" } else { "mu" };
        write!(f, "e{}, {length}, {tail}, {mask}", 8 << width)
    }
}
