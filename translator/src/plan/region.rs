//! A region: blocks of guest code that become one function.

use crate::guest::{Flow, Guest};
use alloc::vec::Vec;

/// The most instructions in a region: engines take longer than in proportion for large functions.
pub const MAX_INSTRUCTIONS: usize = 3000;
/// The most pages that a region's code lies in: each is checked whenever it is entered.
pub const MAX_PAGES: usize = 12;
/// The most pages from a region's start to its other code: an exit's value has few bits for it.
pub const MAX_DISTANCE: i64 = 100;
/// The most instructions in a block, for the same reason.
pub const MAX_BLOCK: usize = 500;

/// A region before it is translated.
#[derive(Clone, Debug, Default)]
pub struct Region<G: Guest> {
    /// Pages that its code lies in: distance from the first one in pages, and the number of the
    /// code page, ascending. The first distance is 0.
    pub pages: Vec<(u32, u16)>,
    /// Whether it is code that runs with the user's privilege.
    pub user: bool,
    /// Its blocks, by ascending offset.
    pub blocks: Vec<Block<G>>,
    /// Blocks where it can be entered. The first is where calls go.
    pub entries: Vec<usize>,
}

/// Instructions that are executed one after the other. A block without any is the call of an
/// outlined loop: a region of its own, from which control comes to one of several blocks.
#[derive(Clone, Debug)]
pub struct Block<G: Guest> {
    /// Bytes from the start of the region's first page to the first instruction.
    pub offset: u32,
    /// The instructions; only the last may transfer control.
    pub insns: Vec<G::Insn>,
    /// Instructions, by their indices, whose accesses to memory get a TLB probe of their own:
    /// together with others they often lie on two pages.
    pub unshared: Vec<usize>,
    /// Whether the slow path was seen to execute an instruction of it: mostly an access to memory
    /// for which a TLB lacked an entry.
    pub seen_tlb_miss: bool,
    /// The assumption that it needs to begin with, and that holds when control comes from other
    /// blocks.
    pub assumption: Option<G::Assumption>,
    /// How often it was executed.
    pub count: u64,
    /// The block behind it, if that is in the region: where control goes when a branch is not
    /// taken, or what a call returns to.
    pub next: Option<usize>,
    /// The block that the last instruction's direct jump or branch leads to, if it is in the
    /// region.
    pub taken: Option<usize>,
    /// The blocks that the last instruction, an indirect jump, was seen to lead to, or those that
    /// an outlined loop leads to.
    pub indirect: Vec<usize>,
    /// The region that the last instruction, a direct jump or call, leads to, or the outlined loop.
    pub callee: Option<Callee>,
}

/// A region that another one calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callee {
    /// Its number.
    pub region: u32,
    /// Pages from the caller's first page to its first page.
    pub distance: i64,
}

impl<G: Guest> Default for Block<G> {
    fn default() -> Self {
        Self {
            offset: 0,
            insns: Vec::new(),
            unshared: Vec::new(),
            seen_tlb_miss: false,
            assumption: None,
            count: 0,
            next: None,
            taken: None,
            indirect: Vec::new(),
            callee: None,
        }
    }
}

impl<G: Guest> Block<G> {
    /// Offset behind the last instruction.
    pub fn end(&self) -> u32 {
        self.offset + self.insns.iter().map(G::length).sum::<u32>()
    }

    /// The instructions behind one that may share a TLB probe with it.
    pub fn following(&self, index: usize) -> &[G::Insn] {
        if self.unshared.contains(&index) {
            return &[];
        }
        let end = self.unshared.iter().copied().find(|&unshared| unshared > index);
        &self.insns[index + 1..end.unwrap_or(self.insns.len())]
    }

    /// Where control goes from the last instruction; `None` for the call of an outlined loop.
    pub fn flow(&self) -> Option<Flow> {
        self.insns.last().map(G::flow)
    }

    /// Whether it is the call of an outlined loop.
    pub fn is_outlined_loop(&self) -> bool {
        self.insns.is_empty()
    }

    /// Blocks that may follow immediately, that is without another function in between.
    pub fn successors(&self) -> impl Iterator<Item = usize> {
        let next = match self.flow() {
            Some(Flow::Next | Flow::Branch(_)) => self.next,
            _ => None,
        };
        let indirect = if self.is_outlined_loop() { &[][..] } else { &self.indirect };
        self.taken.into_iter().chain(next).chain(indirect.iter().copied())
    }

    /// Blocks that another function returns to.
    pub fn returns(&self) -> impl Iterator<Item = usize> {
        let (next, exits) = match self.flow() {
            Some(Flow::Call(_) | Flow::IndirectCall | Flow::SystemCall) => (self.next, &[][..]),
            Some(_) => (None, &[][..]),
            None => (None, &self.indirect[..]),
        };
        next.into_iter().chain(exits.iter().copied())
    }

    /// Whether another function is called at the end.
    pub fn calls(&self) -> bool {
        match self.flow() {
            Some(flow) => matches!(flow, Flow::Call(_) | Flow::IndirectCall | Flow::SystemCall),
            None => true,
        }
    }
}
