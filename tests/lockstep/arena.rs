//! Linear memory of an engine in which native objects live, too.
//!
//! Translated code finds TLBs and other tables by pointers in the hart's state, of which it takes
//! the lower 32 bits: in a module those are addresses in linear memory. Here linear memory begins
//! at a multiple of 4 GiB, and the allocator puts what is large into it while [`inside`] runs. So
//! the same bits are right for both.

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType, Result};

/// Bytes that wasm32 can address.
pub const SPACE: usize = 1 << 32;
/// What an engine may touch behind that without a check of its own.
const GUARD: usize = 1 << 32;
/// Native objects begin here; below is what the test places itself.
const HEAP: usize = 3 << 30;
/// Smaller objects are nothing that translated code looks at.
const LARGE: usize = 4096;

/// First address of linear memory.
pub fn base() -> usize {
    static BASE: OnceLock<usize> = OnceLock::new();
    *BASE.get_or_init(|| {
        let length = SPACE * 2 + GUARD;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping, anywhere.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, flags)
        };
        let base = start.expect("address space").expose_provenance().next_multiple_of(SPACE);
        KNOWN.store(base, Ordering::Relaxed);
        base
    })
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Has large objects allocated in linear memory.
pub fn inside<T>(run: impl FnOnce() -> T) -> T {
    base();
    let before = INSIDE.replace(true);
    let result = run();
    INSIDE.set(before);
    result
}

/// The allocator of this test: the system's, and a heap in linear memory that hands out powers of
/// two.
pub struct Arena;

static NEXT: AtomicUsize = AtomicUsize::new(HEAP);
static FREE: Mutex<[Vec<usize>; 33]> = Mutex::new([const { Vec::new() }; 33]);

fn class(layout: Layout) -> usize {
    layout.size().next_power_of_two().trailing_zeros() as usize
}

// SAFETY: blocks are handed out once until they are given back, and aligned to a page.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() < LARGE || !INSIDE.get() {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        }
        INSIDE.set(false);
        let class = class(layout);
        let reused = FREE.lock().expect("one thread").get_mut(class).and_then(Vec::pop);
        let place = reused.unwrap_or_else(|| NEXT.fetch_add(1 << class, Ordering::Relaxed));
        INSIDE.set(true);
        assert!(place + (1 << class) <= SPACE, "linear memory is full");
        std::ptr::with_exposed_provenance_mut(base() + place)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let place = pointer.addr().wrapping_sub(KNOWN.load(Ordering::Relaxed));
        if place >= SPACE {
            // SAFETY: the caller's promise.
            return unsafe { System.dealloc(pointer, layout) };
        }
        let before = INSIDE.replace(false);
        FREE.lock().expect("one thread")[class(layout)].push(place);
        INSIDE.set(before);
    }
}

/// The same as [`base`] once that is known; until then no object is in linear memory.
static KNOWN: AtomicUsize = AtomicUsize::new(usize::MAX / 2);

/// Makes engines use this memory.
pub struct Creator;

struct Linear {
    size: usize,
}

// SAFETY: the mapping is as large as announced and never goes away.
unsafe impl LinearMemory for Linear {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        SPACE
    }

    fn grow_to(&mut self, size: usize) -> Result<()> {
        self.size = size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(base())
    }
}

// SAFETY: as for `Linear`; guard and reservation are larger than any that engines ask for.
unsafe impl MemoryCreator for Creator {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        _: Option<usize>,
        _: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        Ok(Box::new(Linear { size: minimum }))
    }
}
