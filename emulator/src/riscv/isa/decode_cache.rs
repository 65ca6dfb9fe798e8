//! Instructions that the slow path has decoded lately. It meets few different ones, but those
//! again and again, and going through the table each time would cost more than executing.

use super::{self as isa, Insn};
use alloc::boxed::Box;
use alloc::vec;

const ENTRIES: usize = 1024;

/// Decoded instructions by their bits.
pub struct DecodedInsns(Box<[(u32, Option<Insn>)]>);

impl DecodedInsns {
    /// An empty one: zero is no legal instruction, so its entry is right from the start.
    pub fn new() -> Self {
        Self(vec![(0, None); ENTRIES].into_boxed_slice())
    }

    /// [`isa::decode`], remembered.
    pub fn decode(&mut self, bits: u32) -> Option<Insn> {
        // Register fields and funct bits both reach the index.
        let slot = (bits.wrapping_mul(0x9e37_79b1) >> 22) as usize;
        let entry = &mut self.0[slot];
        if entry.0 != bits {
            *entry = (bits, isa::decode(bits));
        }
        entry.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_decoding_gives() {
        let mut decoded = DecodedInsns::new();
        let mut bits = 0_u32;
        for _ in 0..2 {
            for _ in 0..5000 {
                assert_eq!(decoded.decode(bits), isa::decode(bits), "{bits:#010x}");
                bits = bits.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f) | 3;
            }
        }
    }
}
