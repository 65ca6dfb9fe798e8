//! What the emulator's formats mean in the words of the list.

use super::list::Encoding;

const LOAD: u32 = 0x03;
const LOAD_FP: u32 = 0x07;
const MISC_MEM: u32 = 0x0f;
const JALR: u32 = 0x67;

/// Operands, and the format of instructions that have them: the immediate is decoded, and the text
/// written, by it. No format mentions the rounding mode, the ordering bits of atomics, whether an
/// instruction is masked and the number of a segment's fields.
const FORMATS: &[(&str, &str)] = &[
    ("rd,rs1,rs2", "R"),
    ("rd,rs1", "R1"),
    ("rd,rs1,n", "MopR"),
    ("rd,rs1,rs2,n", "MopRr"),
    ("rd,rs1,imm12", "I"),
    ("rd,rs1,shamt6", "Shift"),
    ("rd,rs1,shamt5", "Shift"),
    ("fd,rs1,imm12", "LoadFp"),
    ("rs2,rs1,simm12", "S"),
    ("fs2,rs1,simm12", "SFp"),
    ("rs1,rs2,bimm12", "B"),
    ("rd,imm20", "U"),
    ("rd,jimm20", "J"),
    ("rd,rs2,rs1,aq,rl", "Amo"),
    ("rd,rs1,aq,rl", "Amo"),
    ("fd,fs1,fs2,fs3,rm", "R4"),
    ("fd,fs1,fs2,rm", "Fp"),
    ("fd,fs1,fs2", "Fp"),
    ("fd,fs1,rm", "Fp1"),
    ("rd,fs1,fs2", "FpToX2"),
    ("rd,fs1,rm", "FpToX"),
    ("rd,fs1", "FpToX"),
    ("fd,rs1,rm", "XToFp"),
    ("fd,rs1", "XToFp"),
    ("fd,fimm5", "Fli"),
    ("rd,csr,rs1", "Csr"),
    ("rd,csr,zimm5", "CsrI"),
    ("rs1,rs2", "Sfence"),
    ("rs1", "Cbo"),
    ("pred,succ", "Fence"),
    ("", "None"),
    ("rd,rs1,zimm11", "VSetVli"),
    ("rd,zimm5,zimm10", "VSetIvli"),
    ("vs3,rs1", "VMem"),
    ("vd,rs1,vm,nf", "VMem"),
    ("vs3,rs1,vm,nf", "VMem"),
    ("vd,rs1,rs2,vm,nf", "VMemStrided"),
    ("vs3,rs1,rs2,vm,nf", "VMemStrided"),
    ("vd,rs1,vs2,vm,nf", "VMemIndexed"),
    ("vs3,rs1,vs2,vm,nf", "VMemIndexed"),
    ("vd,vs2,vs1,vm", "Vv"),
    ("vd,vs2,vs1", "Vv"),
    ("vd,vs2,rs1,vm", "Vx"),
    ("vd,vs2,rs1", "Vx"),
    ("vd,vs2,simm5,vm", "Vi"),
    ("vd,vs2,simm5", "Vi"),
    ("vd,vs2,uimm5,vm", "Vu"),
    ("vd,vs2,uimm6,vm", "Vu"),
    ("vd,vs2,fs1,vm", "Vf"),
    ("vd,vs2,vs1,v0", "Vvm"),
    ("vd,vs2,rs1,v0", "Vxm"),
    ("vd,vs2,simm5,v0", "Vim"),
    ("vd,vs2,fs1,v0", "Vfm"),
    ("vd,vs1,vs2,vm", "VvAcc"),
    ("vd,rs1,vs2,vm", "VxAcc"),
    ("vd,fs1,vs2,vm", "VfAcc"),
    ("vd,vs2,vm", "V2"),
    ("vd,vs2", "V2"),
    ("vd,vs1", "VFromV"),
    ("vd,rs1", "VFromX"),
    ("vd,simm5", "VFromI"),
    ("vd,fs1", "VFromF"),
    ("vd,vm", "Vd"),
    ("rd,vs2,vm", "VToX"),
    ("rd,vs2", "VToX"),
    ("fd,vs2", "VToF"),
];

/// The format that an instruction has to have.
pub fn format_of(row: &Encoding) -> Option<&'static str> {
    let operands = row.operands.join(",");
    // Some have the operands of others, but stand for an access, or are written without them.
    match (row.bits & 0x7f, operands.as_str()) {
        (LOAD | JALR, "rd,rs1,imm12") => return Some("Load"),
        (LOAD_FP, "vd,rs1") => return Some("VMem"),
        (MISC_MEM, "") => return Some("Fence"),
        _ if row.mnemonic == "vsetvl" => return Some("VSetVl"),
        _ => {}
    }
    FORMATS.iter().find(|(known, _)| *known == operands).map(|(_, format)| *format)
}
