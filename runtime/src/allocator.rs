//! The heap: dlmalloc, which gets linear memory in large steps. Engines of JavaScript make views of
//! all memory anew at each growth, a third of a start when it grows by 64 KiB.

use crate::single_thread::SingleThread;
use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::memory_grow;
use core::cell::UnsafeCell;
use core::ptr;
use dlmalloc::{Allocator, Dlmalloc};

/// A page of linear memory in bytes.
const PAGE: usize = 64 << 10;
/// Memory grows by so many pages at least, if there are so many: 8 MiB.
const STEP: usize = 128;

/// Linear memory.
struct LinearMemory;

// SAFETY: it hands out memory that has just been added to linear memory, once.
unsafe impl Allocator for LinearMemory {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let least = size.div_ceil(PAGE);
        let grown = |pages: usize| {
            let before = memory_grow::<0>(pages);
            (before != usize::MAX).then(|| (before * PAGE, pages * PAGE))
        };
        let Some((start, length)) = grown(least.max(STEP)).or_else(|| grown(least)) else {
            return (ptr::null_mut(), 0, 0);
        };
        // No memory ends where addresses do: a pointer behind it would be 0.
        let length = if start.wrapping_add(length) == 0 { length - 16 } else { length };
        (ptr::with_exposed_provenance_mut(start), length, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

/// The heap.
pub struct Heap(SingleThread<UnsafeCell<Dlmalloc<LinearMemory>>>);

impl Heap {
    /// An empty one.
    pub const fn new() -> Self {
        Self(SingleThread(UnsafeCell::new(Dlmalloc::new_with_allocator(LinearMemory))))
    }
}

// SAFETY: as dlmalloc's own; there is one thread, and no allocation happens within another.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise; nobody else uses the heap meanwhile.
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        unsafe { (*self.0.get()).free(block, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe { (*self.0.get()).realloc(block, layout.size(), layout.align(), size) }
    }
}
