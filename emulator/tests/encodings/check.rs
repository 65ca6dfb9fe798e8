//! The emulator's table against the list, as a function over data, so that altered tables can be
//! held against it too.

use super::list::Encoding;
use std::collections::HashMap;

/// A row of the emulator's table, as data.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub mnemonic: &'static str,
    pub mask: u32,
    pub bits: u32,
    /// The format's name.
    pub format: String,
}

/// What the emulator's formats mean in the words of the list. An operand list has one format: an
/// instruction decodes its immediate, and is written by the disassembler, according to it. The
/// rounding mode, the ordering bits of atomics and the numbers of the may-be-operations are fields
/// that no format mentions.
const FORMATS: &[(&str, &str)] = &[
    ("rd,rs1,rs2", "R"),
    ("rd,rs1", "R1"),
    ("rd,rs1,n", "MopR"),
    ("rd,rs1,rs2,n", "MopRr"),
    ("rd,rs1,imm12", "I Load"),
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
    ("", "None Fence"),
];

/// Formats that share their operands with another one, which instructions have them.
const SPECIAL: &[(&str, &[&str])] = &[
    ("Load", &["lb", "lh", "lw", "ld", "lbu", "lhu", "lwu", "jalr"]),
    ("Fence", &["fence", "fence.i"]),
];

fn format_of(row: &Encoding) -> Option<&'static str> {
    let operands = row.operands.join(",");
    let (_, formats) = FORMATS.iter().find(|(known, _)| *known == operands)?;
    let special = |format: &&str| {
        SPECIAL.iter().any(|(name, of)| name == format && of.contains(&row.mnemonic))
    };
    let mut formats = formats.split(' ');
    let usual = formats.clone().find(|format| SPECIAL.iter().all(|(name, _)| name != format));
    formats.find(special).or(usual)
}

/// What is wrong with a table, a line each; nothing if it is the list less what is excused.
pub fn differences(list: &[Encoding], table: &[Entry]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut entries: HashMap<&str, &Entry> = HashMap::with_capacity(table.len());
    for entry in table {
        if entries.insert(entry.mnemonic, entry).is_some() {
            wrong.push(format!("{}: twice in the table", entry.mnemonic));
        }
    }
    for row in list.iter().filter(|row| !row.compressed) {
        let Some(entry) = entries.remove(row.mnemonic) else {
            if !row.is_excused() {
                wrong.push(format!("{}: missing from the table", row.mnemonic));
            }
            continue;
        };
        if (entry.mask, entry.bits) != (row.mask, row.bits) {
            wrong.push(format!(
                "{}: mask {:#010x} bits {:#010x}, in the list {:#010x} {:#010x}",
                row.mnemonic, entry.mask, entry.bits, row.mask, row.bits
            ));
        }
        let format = format_of(row);
        if format != Some(entry.format.as_str()) {
            wrong.push(format!(
                "{}: format {}, for operands {} it is {format:?}",
                row.mnemonic,
                entry.format,
                row.operands.join(",")
            ));
        }
    }
    wrong.extend(entries.keys().map(|mnemonic| format!("{mnemonic}: not in the list")));
    wrong
}
