//! Statics of a program that has one thread, and still may be entered while it runs: what it
//! imports may call what it exports.

use crate::wasi_calls;
use core::cell::{Cell, RefCell};
use core::ops::Deref;

/// A static of any type. Its address is that of the value.
#[repr(transparent)]
pub struct SingleThread<T>(pub T);

// SAFETY: a module has one thread, so nothing in here is ever shared between two.
unsafe impl<T> Sync for SingleThread<T> {}

impl<T> Deref for SingleThread<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A value that is used by one call at a time.
pub type Exclusive<T> = SingleThread<RefCell<T>>;

impl<T> Exclusive<T> {
    /// Lends the value to `f`. A call from within another is a bug of the embedder: it traps.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        match self.try_borrow_mut() {
            Ok(mut value) => f(&mut value),
            Err(_) => refuse_reentry(),
        }
    }
}

/// Traps, after a message that is written once: who writes it may be who calls.
#[cold]
pub fn refuse_reentry() -> ! {
    static REFUSED: SingleThread<Cell<bool>> = SingleThread(Cell::new(false));
    if !REFUSED.replace(true) {
        let message =
            "an export of this module was called by an import of it, before that returned";
        wasi_calls::complain(format_args!("{message}"));
    }
    core::arch::wasm32::unreachable()
}
