//! Pointers in state that native and wasm hosts share the layout of.

/// A pointer with 8 bytes to itself, so that fields behind it lie at the same place on every host.
#[derive(Debug)]
#[repr(C, align(8))]
pub struct Wide<T>(pub *const T);

// Derived, they would ask for the same of `T`.
impl<T> Clone for Wide<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Wide<T> {}
