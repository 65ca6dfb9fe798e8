//! Decoded code, a page at a time, found by the window page it was decoded from.
//!
//! A page of memory is in one of two states, which [`GuestMemory::has_code`] tells:
//!
//! ```text
//!              decode                      (stores take the slow path: no write TLB entry)
//!   no code  ----------->  has code
//!            <-----------
//!              any write: what is decoded is reset
//! ```
//!
//! A page that is a code page is decoded twice: as it is entered from outside, with
//! entries where translated code goes on, and without them: its untranslated view.

use super::address_spaces::Writer;
use super::arch::DecodedPage;
use super::code_index::{CodeIndex, CodePageId};
use crate::memory::{GuestMemory, OutOfRange};
use alloc::vec;
use alloc::vec::Vec;

/// Pages kept at once: 64 MiB of RISC-V's slots. When they are used up, all are dropped.
const MAX_PAGES: usize = 4096;

/// Who may have a write translation to a page. Code generators write to their pages again and
/// again, at one address: it costs much less to find that one than all that there may be.
#[derive(Clone, Copy)]
pub enum Writers {
    /// Nobody.
    None,
    /// Nobody else.
    One(Writer),
    /// Anybody.
    Any,
}

struct CachedPage<P> {
    decoded: P,
    window_page: u32,
    id: CodePageId,
    writers: Writers,
}

/// All decoded pages.
pub struct CodeCache<P> {
    pages: Vec<CachedPage<P>>,
    /// For each window page: its index in `pages` + 1, or 0.
    index: Vec<u16>,
    first_page: u32,
    /// What is translated.
    translated: CodeIndex,
}

impl<P: DecodedPage> CodeCache<P> {
    /// An empty cache for a memory of `pages` window pages from `first_page`.
    pub fn new((first_page, pages): (u32, usize)) -> Self {
        let translated = CodeIndex::default();
        Self { pages: Vec::new(), index: vec![0; pages], first_page, translated }
    }

    /// Has translated code entered from now on. Nothing may be decoded yet.
    pub fn set_translated(&mut self, translated: CodeIndex) {
        self.translated = translated;
    }

    /// What is translated.
    pub fn translated(&self) -> &CodeIndex {
        &self.translated
    }

    /// What fetch entries of a window page point to, made if necessary. `None` when the cache is
    /// full: the caller must then forget all pointers and [`Self::clear`] it.
    pub fn ops(&mut self, window_page: u32, memory: &GuestMemory) -> Option<*const P::Op> {
        let known = &mut self.index[(window_page - self.first_page) as usize];
        if *known == 0 {
            if self.pages.len() == MAX_PAGES {
                return None;
            }
            let id = memory.page(window_page).map_or(0, |page| self.translated.code_page(page));
            let decoded = P::new(id != 0);
            self.pages.push(CachedPage { decoded, window_page, id, writers: Writers::Any });
            *known = self.pages.len() as u16;
        }
        Some(self.pages[*known as usize - 1].decoded.ops())
    }

    /// The code page that a window page is for certain: nobody can write to it unseen.
    pub fn code_page(&self, window_page: u32, memory: &GuestMemory) -> CodePageId {
        match self.find(window_page) {
            Some(index) if memory.has_code(window_page) => self.pages[index].id,
            _ => 0,
        }
    }

    /// Looks which code page a window page is, now that writes to it are noticed. Returns that, and
    /// whether its operations have moved.
    pub fn match_page(&mut self, window_page: u32, memory: &GuestMemory) -> (CodePageId, bool) {
        if self.translated.is_empty() {
            return (0, false);
        }
        let id = memory.page(window_page).map_or(0, |page| self.translated.code_page(page));
        let Some(index) = self.find(window_page) else { return (0, false) };
        let page = &mut self.pages[index];
        let old = core::mem::replace(&mut page.id, id);
        let moves = (old == 0) != (id == 0);
        if moves {
            page.decoded = P::new(id != 0);
        }
        (id, moves)
    }

    /// Notes that a write translation to a window page is about to be cached.
    pub fn note_writer(&mut self, window_page: u32, writer: Writer) {
        if let Some(index) = self.find(window_page) {
            let writers = &mut self.pages[index].writers;
            *writers = match *writers {
                Writers::None => Writers::One(writer),
                Writers::One(known) if known == writer => return,
                _ => Writers::Any,
            };
        }
    }

    /// Who may have a write translation to a window page, when all of them are about to go.
    pub fn take_writers(&mut self, window_page: u32) -> Writers {
        let Some(index) = self.find(window_page) else { return Writers::Any };
        core::mem::replace(&mut self.pages[index].writers, Writers::None)
    }

    /// Forgets what was decoded from a window page; its operations stay where they are. Returns
    /// whether something of it was translated.
    pub fn reset(&mut self, window_page: u32) -> bool {
        let Some(index) = self.find(window_page) else { return false };
        let page = &mut self.pages[index];
        page.decoded.reset();
        page.id != 0
    }

    /// Drops everything.
    pub fn clear(&mut self, memory: &mut GuestMemory) {
        for page in self.pages.drain(..) {
            self.index[(page.window_page - self.first_page) as usize] = 0;
            memory.unmark_code(page.window_page);
        }
    }

    /// Decodes from byte `offset` of a page.
    ///
    /// # Errors
    /// [`OutOfRange`] when `window_page` is not a page of memory, which no fetch entry names.
    pub fn decode(
        &mut self,
        memory: &GuestMemory,
        window_page: u32,
        offset: usize,
    ) -> Result<(), OutOfRange> {
        let bytes = memory.page(window_page)?;
        let index = self.find(window_page).ok_or(OutOfRange)?;
        let page = &mut self.pages[index];
        page.decoded.decode(bytes, offset, self.translated.entries_in(page.id));
        Ok(())
    }

    /// What is decoded of a window page.
    pub fn page(&self, window_page: u32) -> Option<&P> {
        self.find(window_page).map(|index| &self.pages[index].decoded)
    }

    /// The same, to be changed.
    pub fn page_mut(&mut self, window_page: u32) -> Option<&mut P> {
        self.find(window_page).map(|index| &mut self.pages[index].decoded)
    }

    fn find(&self, window_page: u32) -> Option<usize> {
        self.index[(window_page - self.first_page) as usize].checked_sub(1).map(usize::from)
    }
}
