//! Where the state of a hart is: in a box, or where translated code expects it.

use crate::riscv::state::Hot;
use alloc::boxed::Box;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// The state of a hart.
pub struct HotPlace {
    hot: NonNull<Hot>,
    boxed: bool,
}

impl HotPlace {
    /// State in a box.
    pub fn new(hot: Hot) -> Self {
        Self { hot: NonNull::from(Box::leak(Box::new(hot))), boxed: true }
    }

    /// Moves the state to a place that stays.
    pub fn move_to(&mut self, place: &'static mut MaybeUninit<Hot>) {
        // SAFETY: the state is valid and moves; what is left is freed without being dropped.
        let hot = place.write(unsafe { self.hot.as_ptr().read() });
        if core::mem::replace(&mut self.boxed, false) {
            // SAFETY: the box of `new`, whose contents have moved.
            drop(unsafe { Box::from_raw(self.hot.as_ptr().cast::<MaybeUninit<Hot>>()) });
        }
        self.hot = NonNull::from(hot);
    }
}

impl Drop for HotPlace {
    fn drop(&mut self) {
        // SAFETY: the state is valid, and nobody refers to it any more.
        unsafe {
            match self.boxed {
                true => drop(Box::from_raw(self.hot.as_ptr())),
                false => self.hot.as_ptr().drop_in_place(),
            }
        }
    }
}

impl Deref for HotPlace {
    type Target = Hot;

    fn deref(&self) -> &Hot {
        // SAFETY: valid and this place's own.
        unsafe { self.hot.as_ref() }
    }
}

impl DerefMut for HotPlace {
    fn deref_mut(&mut self) -> &mut Hot {
        // SAFETY: as above.
        unsafe { self.hot.as_mut() }
    }
}
