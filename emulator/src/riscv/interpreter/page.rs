//! The decoded code of a page: the slots that the interpreter loop runs through.

use super::fusion;
use super::op::{self, ALL_SLOTS, Code, Op, PAGE_CROSSER, SLOTS, UNTRANSLATED};
use crate::engine::arch::DecodedPage;
use crate::engine::code_index::Entries;
use crate::memory::PAGE_SIZE;
use crate::riscv::isa::{self, Insn};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Slots of a page and what stands behind them; in a page with entries into translated code, all of
/// that a second time, without the entries.
pub struct Page(Box<[Op]>);

impl DecodedPage for Page {
    type Op = Op;

    fn new(entries: bool) -> Self {
        let mut ops = vec![Op::UNDECODED; ALL_SLOTS];
        ops[SLOTS..].fill(Op::PAGE_END);
        if entries {
            ops.extend_from_within(..);
        }
        Self(ops.into_boxed_slice())
    }

    fn ops(&self) -> *const Op {
        self.0.as_ptr()
    }

    fn reset(&mut self) {
        for view in self.0.chunks_exact_mut(ALL_SLOTS) {
            view[..SLOTS].fill(Op::UNDECODED);
        }
    }

    fn decode(&mut self, bytes: &[u8], offset: usize, entries: Entries<'_>) {
        let mut slot = offset / 2;
        // What is entered from outside is decoded first: mostly the other view is never asked for.
        let is_entered = self.0[slot].code == Code::Undecoded;
        let has_entries = self.0.len() > ALL_SLOTS;
        let view = if is_entered || !has_entries { 0 } else { UNTRANSLATED };
        let (mut slots, mut ops) = (Vec::new(), Vec::new());
        while slot < SLOTS && self.0[view + slot].code == Code::Undecoded {
            let entry = if is_entered { entries.at(slot * 2) } else { None };
            let (op, length) = match entry {
                // What follows is translated, and mostly not needed here.
                Some(number) => (Op::enter(number), PAGE_SIZE),
                None => decode_at(bytes, slot * 2),
            };
            slots.push(slot);
            ops.push(op);
            if !op.falls_through() {
                break;
            }
            slot += length / 2;
        }
        fusion::combine(&mut ops);
        slots.into_iter().zip(ops).for_each(|(slot, op)| self.0[view + slot] = op);
    }
}

impl Page {
    /// Remembers the 4-byte instruction that starts in a page's last halfword, as it is with the
    /// page that follows now.
    pub fn cache_page_crosser(&mut self, insn: &Insn) {
        for view in self.0.chunks_exact_mut(ALL_SLOTS) {
            view[PAGE_CROSSER] = op::lower_page_crosser(insn);
            if view[SLOTS - 1].code != Code::Enter {
                view[SLOTS - 1] = Op::cross_page((insn.bits >> 16) as u16);
            }
        }
    }

    /// The instruction at `pc`, which is in this page, if it is one that only the slow path knows.
    pub fn slow_bits(&self, pc: u64) -> Option<u32> {
        self.0[(pc as usize & (PAGE_SIZE - 1)) / 2].slow_bits()
    }
}

/// The operation at an offset, and how many bytes its instruction has.
fn decode_at(page: &[u8], offset: usize) -> (Op, usize) {
    let halfword = |at: usize| u32::from(u16::from_le_bytes([page[at], page[at + 1]]));
    let low = halfword(offset);
    let length = usize::from(isa::length(low));
    let op = match (length, offset + length <= page.len()) {
        // Its second half lies in the next page, which may be anywhere.
        (_, false) => Op::SLOW,
        (4, true) => decoded(low | halfword(offset + 2) << 16, offset),
        (_, true) => decoded(low, offset),
    };
    (op, length)
}

fn decoded(bits: u32, offset: usize) -> Op {
    isa::decode(bits).map_or(Op::slow(bits), |insn| op::lower(&insn, offset))
}
