//! Bodies of the interpreter loop's atomics: A. There is one hart, so what is done in one go is
//! atomic.

/// What an operation does, in the terms of the loop's own macros.
macro_rules! atomic {
    (amoadd_w) => {
        amo!(i32, |old, operand| old.wrapping_add(operand))
    };
    (amoadd_d) => {
        amo!(i64, |old, operand| old.wrapping_add(operand))
    };
    (amoswap_w) => {
        amo!(i32, |old, operand| operand)
    };
    (amoswap_d) => {
        amo!(i64, |old, operand| operand)
    };
    (amoor_w) => {
        amo!(i32, |old, operand| old | operand)
    };
    (amoor_d) => {
        amo!(i64, |old, operand| old | operand)
    };
    (amoxor_w) => {
        amo!(i32, |old, operand| old ^ operand)
    };
    (amoxor_d) => {
        amo!(i64, |old, operand| old ^ operand)
    };
    (amoand_w) => {
        amo!(i32, |old, operand| old & operand)
    };
    (amoand_d) => {
        amo!(i64, |old, operand| old & operand)
    };
    (lr_w) => {
        load_reserved!(i32)
    };
    (lr_d) => {
        load_reserved!(i64)
    };
    (sc_w) => {
        store_conditional!(u32)
    };
    (sc_d) => {
        store_conditional!(u64)
    };
}
pub(super) use atomic;

macro_rules! amo {
    ($type:ty, |$old:ident, $operand:ident| $new:expr) => {{
        let va = x!(b);
        const SIZE: u64 = size_of::<$type>() as u64;
        if va & (SIZE - 1) != 0 {
            leave!(Slow);
        }
        let address = writable!(va, SIZE);
        let pointer = core::ptr::with_exposed_provenance_mut::<$type>(address);
        let $old = unsafe { pointer.read() };
        let $operand = x!(c) as $type;
        unsafe { pointer.write($new) };
        set_x!(a, $old as i64 as u64);
        clear_zero!();
    }};
}
pub(super) use amo;

macro_rules! load_reserved {
    ($type:ty) => {{
        let va = x!(b);
        const SIZE: u64 = size_of::<$type>() as u64;
        if va & (SIZE - 1) != 0 {
            leave!(Slow);
        }
        let address = readable!(va, SIZE);
        state!().reservation = (address.wrapping_sub(window!()) + 1) as u64;
        let pointer = core::ptr::with_exposed_provenance::<$type>(address);
        set_x!(a, unsafe { pointer.read() } as i64 as u64);
        clear_zero!();
    }};
}
pub(super) use load_reserved;

macro_rules! store_conditional {
    ($type:ty) => {{
        let va = x!(b);
        const SIZE: u64 = size_of::<$type>() as u64;
        if va & (SIZE - 1) != 0 {
            leave!(Slow);
        }
        let address = writable!(va, SIZE);
        let holds = state!().reservation == (address.wrapping_sub(window!()) + 1) as u64;
        if holds {
            let pointer = core::ptr::with_exposed_provenance_mut::<$type>(address);
            unsafe { pointer.write(x!(c) as $type) };
        }
        state!().reservation = 0;
        set_x!(a, u64::from(!holds));
        clear_zero!();
    }};
}
pub(super) use store_conditional;
