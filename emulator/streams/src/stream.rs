//! A stream: registers to start with, and items, each a few instructions that belong together.

use super::program::SLOT_COUNT;

/// An instruction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insn {
    /// 32 bits.
    Word(u32),
    /// 16 bits.
    Half(u16),
    /// Loads a constant.
    Load { rd: u32, value: u64 },
    /// Loads a constant into a floating-point register.
    LoadFloat { fd: u32, value: u64 },
    /// Stores a register where it can be compared.
    Save(u32),
    /// Stores a floating-point register where it can be compared.
    SaveFloat(u32),
}

impl Insn {
    fn needs_slot(self) -> bool {
        !matches!(self, Self::Word(_) | Self::Half(_))
    }
}

/// A stream.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What the stream was made from.
    pub seed: u64,
    /// Index in [`super::program::BLOCK_REGISTERS`].
    pub block_register: usize,
    /// First part of its block: x, f and v registers, CSRs.
    pub state: Vec<u8>,
    pub items: Vec<Vec<Insn>>,
}

impl Stream {
    /// How many exceptions it can raise at most: nothing jumps back.
    pub fn longest_log(&self) -> u64 {
        self.items.iter().map(|item| item.len() as u64).sum()
    }

    /// Whether the block has room for the slots of another item.
    pub fn has_room_for(&self, item: &[Insn]) -> bool {
        let slots = |insns: &[Insn]| insns.iter().filter(|insn| insn.needs_slot()).count();
        let used: usize = self.items.iter().map(|item| slots(item)).sum();
        used + slots(item) <= SLOT_COUNT
    }

    /// The same stream with other items.
    pub fn with_items(&self, items: Vec<Vec<Insn>>) -> Self {
        Self { items, ..self.clone() }
    }
}
