//! Where the state of a CPU is: in a box, or where translated code expects it.

use alloc::boxed::Box;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// Owns the state of a CPU.
pub struct StateBox<S> {
    state: NonNull<S>,
    boxed: bool,
}

impl<S> StateBox<S> {
    /// State in a box.
    pub fn new(state: S) -> Self {
        Self { state: NonNull::from(Box::leak(Box::new(state))), boxed: true }
    }

    /// Moves the state to a cell that stays.
    pub fn move_to(&mut self, cell: &'static mut MaybeUninit<S>) {
        // SAFETY: the state is valid and moves; what is left is freed without being dropped.
        let state = cell.write(unsafe { self.state.as_ptr().read() });
        if core::mem::replace(&mut self.boxed, false) {
            // SAFETY: the box of `new`, whose contents have moved.
            drop(unsafe { Box::from_raw(self.state.as_ptr().cast::<MaybeUninit<S>>()) });
        }
        self.state = NonNull::from(state);
    }
}

impl<S> Drop for StateBox<S> {
    fn drop(&mut self) {
        // SAFETY: the state is valid, and nobody refers to it any more.
        unsafe {
            match self.boxed {
                true => drop(Box::from_raw(self.state.as_ptr())),
                false => self.state.as_ptr().drop_in_place(),
            }
        }
    }
}

impl<S> Deref for StateBox<S> {
    type Target = S;

    fn deref(&self) -> &S {
        // SAFETY: valid and owned.
        unsafe { self.state.as_ref() }
    }
}

impl<S> DerefMut for StateBox<S> {
    fn deref_mut(&mut self) -> &mut S {
        // SAFETY: as above.
        unsafe { self.state.as_mut() }
    }
}
