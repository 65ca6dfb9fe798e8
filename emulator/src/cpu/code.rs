//! Decoded code, a page at a time, found by the window page it was decoded from.
//!
//! A page of memory is in one of two states, which [`GuestMemory::has_code`] tells:
//!
//! ```text
//!              decode                      (stores take the slow path: no write TLB entry)
//!   no code  ----------->  has code
//!            <-----------
//!              any write: slots are reset
//! ```

use super::fusion;
use super::isa::{self, Insn};
use super::op::{self, ALL_SLOTS, Code, Op, SLOTS, STRADDLING};
use crate::memory::{GuestMemory, OutOfRange, PAGE_SIZE};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Pages kept at once: 64 MiB of slots. When they are used up, all are dropped.
const MAX_PAGES: usize = 4096;

/// Slots of a page and what stands behind them.
struct CodePage {
    ops: Box<[Op]>,
    window_page: u32,
}

/// All decoded pages.
pub struct CodeCache {
    pages: Vec<CodePage>,
    /// For each window page: its place in `pages` + 1, or 0.
    index: Vec<u16>,
    first_page: u32,
}

impl CodeCache {
    /// An empty cache for a memory of `pages` window pages from `first_page`.
    pub fn new((first_page, pages): (u32, usize)) -> Self {
        Self { pages: Vec::new(), index: vec![0; pages], first_page }
    }

    /// The slots of a window page, made if necessary. `None` when the cache is full: the caller
    /// must then forget all pointers and [`Self::clear`] it.
    pub fn slots(&mut self, window_page: u32) -> Option<*const Op> {
        let known = &mut self.index[(window_page - self.first_page) as usize];
        if *known == 0 {
            if self.pages.len() == MAX_PAGES {
                return None;
            }
            let mut ops = vec![Op::UNDECODED; ALL_SLOTS].into_boxed_slice();
            ops[SLOTS..].fill(Op::PAGE_END);
            self.pages.push(CodePage { ops, window_page });
            *known = self.pages.len() as u16;
        }
        Some(self.pages[*known as usize - 1].ops.as_ptr())
    }

    /// Forgets what was decoded from a window page; its slots stay where they are.
    pub fn reset(&mut self, window_page: u32) {
        if let Some(page) = self.page_mut(window_page) {
            page.ops[..SLOTS].fill(Op::UNDECODED);
        }
    }

    /// Drops everything.
    pub fn clear(&mut self, memory: &mut GuestMemory) {
        for page in self.pages.drain(..) {
            self.index[(page.window_page - self.first_page) as usize] = 0;
            memory.unmark_code(page.window_page);
        }
    }

    /// Decodes from byte `offset` of a page up to where control cannot go on.
    ///
    /// # Errors
    /// [`OutOfRange`] when `window_page` is no page of memory, which no fetch entry names.
    pub fn decode(
        &mut self,
        memory: &GuestMemory,
        window_page: u32,
        offset: usize,
    ) -> Result<(), OutOfRange> {
        let bytes = memory.page(window_page)?;
        let Some(page) = self.page_mut(window_page) else { return Err(OutOfRange) };
        let mut slot = offset / 2;
        let (mut slots, mut ops) = (Vec::new(), Vec::new());
        while slot < SLOTS && page.ops[slot].code == Code::Undecoded {
            let (op, halfwords) = decode_slot(bytes, slot);
            slots.push(slot);
            ops.push(op);
            if !op.falls_through() {
                break;
            }
            slot += halfwords;
        }
        fusion::combine(&mut ops);
        for (slot, op) in slots.into_iter().zip(ops) {
            page.ops[slot] = op;
        }
        Ok(())
    }

    /// Remembers the 4-byte instruction that starts in a page's last halfword, as it is with the
    /// page that follows now.
    pub fn learn_straddling(&mut self, window_page: u32, insn: &Insn) {
        if let Some(page) = self.page_mut(window_page) {
            page.ops[STRADDLING] = op::lower_straddling(insn);
            page.ops[SLOTS - 1] = Op::straddle((insn.bits >> 16) as u16);
        }
    }

    /// The instruction at `pc`, in a window page, if it is one that only the slow path knows.
    pub fn slow_bits(&self, window_page: u32, pc: u64) -> Option<u32> {
        let place = self.index[(window_page - self.first_page) as usize].checked_sub(1)?;
        self.pages[place as usize].ops[(pc as usize & (PAGE_SIZE - 1)) / 2].slow_bits()
    }

    fn page_mut(&mut self, window_page: u32) -> Option<&mut CodePage> {
        let place = self.index[(window_page - self.first_page) as usize];
        (place != 0).then(|| &mut self.pages[place as usize - 1])
    }
}

/// The operation at a slot, and how many halfwords its instruction has.
fn decode_slot(page: &[u8], slot: usize) -> (Op, usize) {
    let offset = slot * 2;
    let halfword = |at: usize| u32::from(u16::from_le_bytes([page[at], page[at + 1]]));
    let low = halfword(offset);
    let long = low & 3 == 3;
    let op = match (long, offset + 4 <= page.len()) {
        // Its second half lies in the next page, which may be anywhere.
        (true, false) => Op::SLOW,
        (true, true) => decoded(low | halfword(offset + 2) << 16, offset),
        (false, _) => decoded(low, offset),
    };
    (op, if long { 2 } else { 1 })
}

fn decoded(bits: u32, offset: usize) -> Op {
    isa::decode(bits).map_or(Op::slow(bits), |insn| op::lower(&insn, offset))
}
