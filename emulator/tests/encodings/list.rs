//! The list of instructions that was made from another project's tables (`rva23.txt`): what the
//! emulator has to know, and no more.

use c2w_emulator::cpu::isa;

/// One line of the list.
#[derive(Clone, Debug)]
pub struct Encoding {
    pub mnemonic: &'static str,
    pub mask: u32,
    pub bits: u32,
    pub extension: &'static str,
    /// Fields that the mask leaves open, in assembler's order.
    pub operands: Vec<&'static str>,
    /// 16 bits instead of 32.
    pub compressed: bool,
}

/// What is not implemented yet: extensions, or single mnemonics. A row may be missing from the
/// emulator only if it is named here; an entry that is wholly implemented makes a test fail.
pub const NOT_YET: &[&str] = &[];

impl Encoding {
    /// Whether an instruction is of this row. For compressed ones, see also
    /// [`super::compressed::legal`].
    pub fn matches(&self, bits: u32) -> bool {
        bits & self.mask == self.bits
    }

    /// Whether the row may be missing.
    pub fn is_excused(&self) -> bool {
        NOT_YET.contains(&self.extension) || NOT_YET.contains(&self.mnemonic)
    }

    /// Whether the emulator has to execute this row: it is not excused, or there nevertheless.
    pub fn is_expected(&self) -> bool {
        !self.is_excused() || self.is_implemented()
    }

    /// Whether the emulator decodes this row. All operand fields one is a legal choice of operands
    /// in every compressed row, except where that is another row.
    pub fn is_implemented(&self) -> bool {
        if self.compressed {
            let open = !self.mask & 0xffff;
            return isa::decode(self.bits | open).is_some();
        }
        isa::TABLE.iter().any(|row| row.mnemonic == self.mnemonic)
    }
}

/// The whole list.
pub fn encodings() -> Vec<Encoding> {
    let lines = include_str!("rva23.txt").lines();
    lines.filter(|line| !line.starts_with('#')).map(parse).collect()
}

fn parse(line: &'static str) -> Encoding {
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap_or_else(|| panic!("rva23.txt: short line: {line}"));
    let (mnemonic, mask, bits, extension) = (word(), word(), word(), word());
    let hex = |text: &str| u32::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{line}"));
    Encoding {
        mnemonic,
        mask: hex(mask),
        bits: hex(bits),
        extension,
        operands: words.next().map_or(Vec::new(), |text| text.split(',').collect()),
        compressed: mask.len() == 4,
    }
}
