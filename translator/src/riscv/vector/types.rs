//! Which vector type blocks begin with.

use super::type_set_by;
use crate::plan::region::{Block, Unit};
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::cpu::isa::{Format, Insn};
use c2w_emulator::cpu::vector::Vtype;

/// What is known of the type at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing leads there yet.
    Nothing,
    /// All that leads there has this type.
    Type(Vtype),
    /// Various types, or one that is not known.
    Various,
}

impl Known {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, known) | (known, Self::Nothing) => known,
            _ if self == other => self,
            _ => Self::Various,
        }
    }
}

/// Whether an instruction sets the type, maybe to what is not known.
fn sets_type(insn: &Insn) -> bool {
    matches!(insn.opcode.format(), Format::VSetVli | Format::VSetIvli | Format::VSetVl)
}

/// Notes for each block with which type control comes to it from other blocks, where it needs one:
/// what comes from outside has to be looked at.
pub fn find_types(unit: &mut Unit) {
    let vectors = |block: &Block| block.insns.iter().any(|insn| insn.opcode.format().is_vector());
    if !unit.blocks.iter().any(vectors) {
        return;
    }
    let needed = needed(&unit.blocks);
    let known = known(&unit.blocks);
    for (block, (needed, known)) in unit.blocks.iter_mut().zip(needed.into_iter().zip(known)) {
        block.vtype = match known {
            Known::Type(vtype) if needed => Some(vtype),
            _ => None,
        };
    }
}

/// Forwards data flow: the types that blocks begin with.
fn known(blocks: &[Block]) -> Vec<Known> {
    let mut known = vec![Known::Nothing; blocks.len()];
    loop {
        let before = known.clone();
        for (number, block) in blocks.iter().enumerate() {
            let last = block.insns.iter().rfind(|insn| sets_type(insn));
            let after = match last {
                Some(insn) => type_set_by(insn).map_or(Known::Various, Known::Type),
                None => known[number],
            };
            block.successors().for_each(|to| known[to] = known[to].and(after));
        }
        if known == before {
            return known;
        }
    }
}

/// Backwards data flow: which blocks, or those that follow, use the type that they begin with.
fn needed(blocks: &[Block]) -> Vec<bool> {
    let mut needed = vec![false; blocks.len()];
    loop {
        let before = needed.clone();
        for (number, block) in blocks.iter().enumerate().rev() {
            let first = block.insns.iter().find(|insn| insn.opcode.format().is_vector());
            needed[number] = match first {
                Some(insn) if sets_type(insn) => false,
                Some(_) => true,
                None => block.successors().any(|to| needed[to]),
            };
        }
        if needed == before {
            return needed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2w_emulator::cpu::isa::decode;

    /// `vsetvli t0, a0`, with a type.
    fn set(vtype: u32) -> u32 {
        vtype << 20 | 10 << 15 | 7 << 12 | 5 << 7 | 0x57
    }

    /// `vadd.vv v8, v8, v8`.
    const ADD: u32 = 0x0284_0457;
    /// `addi a0, a0, 1`.
    const OTHER: u32 = 0x0015_0513;

    fn block(insns: &[u32], next: Option<usize>, taken: Option<usize>) -> Block {
        let insns = insns.iter().map(|&bits| decode(bits).expect("an instruction")).collect();
        Block { insns, next, taken, ..Block::default() }
    }

    fn types(blocks: Vec<Block>) -> Vec<Option<u64>> {
        let mut unit = Unit { blocks, entries: vec![0], ..Unit::default() };
        find_types(&mut unit);
        unit.blocks.iter().map(|block| block.vtype.map(Vtype::bits)).collect()
    }

    #[test]
    fn a_type_goes_as_far_as_it_is_needed() {
        let loop_ = vec![
            block(&[set(0x10)], Some(1), None),
            block(&[ADD], Some(2), None),
            block(&[OTHER], Some(3), Some(1)),
            block(&[OTHER], None, None),
        ];
        assert_eq!(types(loop_), [None, Some(0x10), Some(0x10), None]);
    }

    #[test]
    fn two_types_are_none() {
        let joined = vec![
            block(&[set(0x10)], Some(2), None),
            block(&[set(0x18)], Some(2), None),
            block(&[ADD, set(8)], Some(3), None),
            block(&[ADD], None, None),
        ];
        assert_eq!(types(joined), [None, None, None, Some(8)]);
    }

    #[test]
    fn a_type_that_a_register_has_is_not_known() {
        /// `vsetvl t0, a0, a1`.
        const BY_REGISTER: u32 = 0x80b5_72d7;
        let blocks = vec![block(&[set(0), BY_REGISTER], Some(1), None), block(&[ADD], None, None)];
        assert_eq!(types(blocks), [None, None]);
    }
}
