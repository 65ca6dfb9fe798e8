//! Bodies of the interpreter loop's loads and stores.

/// What an operation does, in the terms of the loop's own macros.
macro_rules! memory {
    (lb) => {
        set_x!(a, read!(i8) as u64)
    };
    (lh) => {
        set_x!(a, read!(i16) as u64)
    };
    (lw) => {
        set_x!(a, read!(i32) as u64)
    };
    (ld) => {
        set_x!(a, read!(u64))
    };
    (lbu) => {
        set_x!(a, u64::from(read!(u8)))
    };
    (lhu) => {
        set_x!(a, u64::from(read!(u16)))
    };
    (lwu) => {
        set_x!(a, u64::from(read!(u32)))
    };
    (sb) => {
        store!(u8, x!(a))
    };
    (sh) => {
        store!(u16, x!(a))
    };
    (sw) => {
        store!(u32, x!(a))
    };
    (sd) => {
        store!(u64, x!(a))
    };
    (cbo_zero) => {{
        if !state!().may_zero {
            leave!(Slow);
        }
        let address = writable!(x!(b) & !63, 64);
        unsafe { core::ptr::with_exposed_provenance_mut::<[u64; 8]>(address).write([0; 8]) }
    }};
}
pub(super) use memory;

macro_rules! read {
    ($type:ty) => {{
        let address = readable!(x!(b).wrapping_add(imm!()), size_of::<$type>() as u64);
        unsafe { core::ptr::with_exposed_provenance::<$type>(address).read_unaligned() }
    }};
}
pub(super) use read;

macro_rules! store {
    ($type:ty, $value:expr) => {{
        let address = writable!(x!(b).wrapping_add(imm!()), size_of::<$type>() as u64);
        unsafe {
            core::ptr::with_exposed_provenance_mut::<$type>(address)
                .write_unaligned($value as $type)
        }
    }};
}
pub(super) use store;
