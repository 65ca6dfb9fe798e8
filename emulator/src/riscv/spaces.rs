//! What a hart forgets of its translations, and when.

use super::csr::satp;
use super::hart::Hart;
use super::interpreter::op::Op;
use crate::engine::address_spaces::Translations;

impl Hart {
    /// Takes up the translations of the address space that `satp` names now, and keeps those of
    /// `old`.
    pub(super) fn switch_translations(&mut self, old: u64) {
        self.disturbances += 1;
        self.spaces.switch(old, self.hot.csrs.satp, &mut self.hot.fetch);
        self.sync();
    }

    /// Those of all address spaces.
    fn translations(&mut self) -> impl Iterator<Item = Translations<'_, Op>> {
        self.spaces.translations(self.hot.csrs.satp, &mut self.hot.fetch, |_| true)
    }

    /// Forgets all translations, those of one identifier if there is one.
    pub(super) fn flush_translations(&mut self, asid: Option<u64>) {
        self.disturbances += 1;
        let hot = &mut *self.hot;
        self.spaces.flush(hot.csrs.satp, &mut hot.fetch, has(asid));
    }

    /// Forgets the translation of an address, in the spaces of one identifier if there is one.
    pub(super) fn flush_page(&mut self, address: u64, asid: Option<u64>) {
        self.disturbances += 1;
        let hot = &mut *self.hot;
        let meant = self.spaces.translations(hot.csrs.satp, &mut hot.fetch, has(asid));
        meant.for_each(|translations| translations.flush_page(address));
    }

    /// Forgets where code is.
    pub(super) fn flush_fetches(&mut self) {
        self.disturbances += 1;
        self.translations().for_each(Translations::flush_fetches);
    }

    /// Forgets what translated code the content of a window page had.
    pub(super) fn forget_content(&mut self, window_page: u32) {
        self.disturbances += 1;
        self.translations().for_each(|space| space.forget_content(window_page));
    }

    /// Makes stores to a window page take the slow path.
    pub(super) fn protect(&mut self, window_page: u32) {
        self.translations().for_each(|space| space.protect(window_page));
    }
}

/// Whether a `satp` has an identifier, or any.
fn has(asid: Option<u64>) -> impl Fn(u64) -> bool {
    move |satp| asid.is_none_or(|asid| satp::asid(satp) == asid)
}
