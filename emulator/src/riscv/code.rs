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
//!
//! A page with the content of one that was translated has its slots twice: as they are entered
//! from outside, with [`Code::Enter`] where translated code goes on, and behind them plain.

use super::interpreter::fusion;
use super::interpreter::op::{self, ALL_SLOTS, Code, Op, PLAIN, SLOTS, STRADDLING};
use super::isa::{self, Insn};
use crate::engine::code_index::CodeIndex;
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
    /// Number of the translated content that it has; 0 for none.
    content: u16,
}

impl CodePage {
    fn new(window_page: u32, content: u16) -> Self {
        Self { ops: empty_slots(content), window_page, content }
    }
}

/// Undecoded slots, twice for a content that has entries.
fn empty_slots(content: u16) -> Box<[Op]> {
    let mut ops = vec![Op::UNDECODED; ALL_SLOTS];
    ops[SLOTS..].fill(Op::PAGE_END);
    if content != 0 {
        ops.extend_from_within(..);
    }
    ops.into_boxed_slice()
}

/// All decoded pages.
pub struct CodeCache {
    pages: Vec<CodePage>,
    /// For each window page: its place in `pages` + 1, or 0.
    index: Vec<u16>,
    first_page: u32,
    /// What is translated.
    translated: CodeIndex,
}

impl CodeCache {
    /// An empty cache for a memory of `pages` window pages from `first_page`.
    pub fn new((first_page, pages): (u32, usize)) -> Self {
        let translated = CodeIndex::default();
        Self { pages: Vec::new(), index: vec![0; pages], first_page, translated }
    }

    /// Has translated code entered from now on. Nothing may be decoded yet.
    pub fn set_translated(&mut self, translated: CodeIndex) {
        self.translated = translated;
    }

    /// A page of a unit: how far from the unit's first one, and its content.
    pub fn unit_page(&self, unit: u32, place: usize) -> Option<(u32, u16)> {
        self.translated.page(unit, place)
    }

    /// The slots of a window page, made if necessary. `None` when the cache is full: the caller
    /// must then forget all pointers and [`Self::clear`] it.
    pub fn slots(&mut self, window_page: u32, memory: &GuestMemory) -> Option<*const Op> {
        let known = &mut self.index[(window_page - self.first_page) as usize];
        if *known == 0 {
            if self.pages.len() == MAX_PAGES {
                return None;
            }
            let content = memory.page(window_page).map_or(0, |page| self.translated.content(page));
            self.pages.push(CodePage::new(window_page, content));
            *known = self.pages.len() as u16;
        }
        Some(self.pages[*known as usize - 1].ops.as_ptr())
    }

    /// The translated content that a window page has for certain: nobody can write to it unseen.
    pub fn content(&self, window_page: u32, memory: &GuestMemory) -> u16 {
        match self.place(window_page) {
            Some(place) if memory.has_code(window_page) => self.pages[place].content,
            _ => 0,
        }
    }

    /// Looks what a window page holds, now that writes to it are noticed. Returns its translated
    /// content, and whether its slots have moved.
    pub fn recognise(&mut self, window_page: u32, memory: &GuestMemory) -> (u16, bool) {
        if self.translated.is_empty() {
            return (0, false);
        }
        let content = memory.page(window_page).map_or(0, |page| self.translated.content(page));
        let Some(page) = self.page_mut(window_page) else { return (0, false) };
        if page.content == content {
            return (content, false);
        }
        let moved = (page.content == 0) != (content == 0);
        page.content = content;
        if moved {
            page.ops = empty_slots(content);
        }
        (content, moved)
    }

    /// Forgets what was decoded from a window page; its slots stay where they are. Returns whether
    /// it had translated content.
    pub fn reset(&mut self, window_page: u32) -> bool {
        let Some(page) = self.page_mut(window_page) else { return false };
        for view in page.ops.chunks_exact_mut(ALL_SLOTS) {
            view[..SLOTS].fill(Op::UNDECODED);
        }
        page.content != 0
    }

    /// Drops everything.
    pub fn clear(&mut self, memory: &mut GuestMemory) {
        for page in self.pages.drain(..) {
            self.index[(page.window_page - self.first_page) as usize] = 0;
            memory.unmark_code(page.window_page);
        }
    }

    /// Decodes from byte `offset` of a page up to where control cannot go on, or translated code does.
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
        let place = self.place(window_page).ok_or(OutOfRange)?;
        let page = &mut self.pages[place];
        let entries = self.translated.entries_in(page.content);
        let mut slot = offset / 2;
        // Where the page is entered from outside is decoded first: mostly the other is never asked for.
        let is_entered = page.ops[slot].code == Code::Undecoded;
        let view = if is_entered || page.content == 0 { 0 } else { PLAIN };
        let (mut slots, mut ops) = (Vec::new(), Vec::new());
        while slot < SLOTS && page.ops[view + slot].code == Code::Undecoded {
            let entry = if is_entered { entries.at(slot) } else { None };
            let (op, halfwords) = match entry {
                // What follows is translated, and mostly not needed here.
                Some(number) => (Op::enter(number), SLOTS),
                None => decode_slot(bytes, slot),
            };
            slots.push(slot);
            ops.push(op);
            if !op.falls_through() {
                break;
            }
            slot += halfwords;
        }
        fusion::combine(&mut ops);
        slots.into_iter().zip(ops).for_each(|(slot, op)| page.ops[view + slot] = op);
        Ok(())
    }

    /// Remembers the 4-byte instruction that starts in a page's last halfword, as it is with the
    /// page that follows now.
    pub fn learn_straddling(&mut self, window_page: u32, insn: &Insn) {
        let Some(page) = self.page_mut(window_page) else { return };
        for view in page.ops.chunks_exact_mut(ALL_SLOTS) {
            view[STRADDLING] = op::lower_straddling(insn);
            if view[SLOTS - 1].code != Code::Enter {
                view[SLOTS - 1] = Op::straddle((insn.bits >> 16) as u16);
            }
        }
    }

    /// The instruction at `pc`, in a window page, if it is one that only the slow path knows.
    pub fn slow_bits(&self, window_page: u32, pc: u64) -> Option<u32> {
        self.pages[self.place(window_page)?].ops[(pc as usize & (PAGE_SIZE - 1)) / 2].slow_bits()
    }

    fn place(&self, window_page: u32) -> Option<usize> {
        self.index[(window_page - self.first_page) as usize].checked_sub(1).map(usize::from)
    }

    fn page_mut(&mut self, window_page: u32) -> Option<&mut CodePage> {
        self.place(window_page).map(|place| &mut self.pages[place])
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
