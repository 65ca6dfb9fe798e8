//! The list of instructions that was made from another project's tables (`rva23.txt`): what the
//! emulator has to know, and no more.

/// One line of the list.
#[derive(Clone, Debug)]
pub struct Encoding {
    pub mnemonic: &'static str,
    pub mask: u32,
    pub bits: u32,
    /// Only the streams ask for it.
    #[allow(dead_code)]
    pub extension: &'static str,
    /// Fields that the mask leaves open, in assembler's order.
    pub operands: Vec<&'static str>,
    /// 16 bits instead of 32.
    pub compressed: bool,
}

impl Encoding {
    /// Whether an instruction is of this row. For compressed ones, see also
    /// [`super::compressed::legal`].
    pub fn matches(&self, bits: u32) -> bool {
        bits & self.mask == self.bits
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
