//! Bodies of the interpreter loop's vector instructions: setting type and length, and moving one
//! group between registers and memory. With these there, a copy is made of nothing else.

/// What an operation does, in the terms of the loop's own macros.
macro_rules! vector {
    // `imm` has a legal type, `d` the largest length; the length is x[b], or the largest if `c`.
    (vsetvli) => {{
        need_vectors!();
        let wanted = if op!().c != 0 { u64::MAX } else { x!(b) };
        let length = wanted.min(u64::from(op!().d));
        let state = vector_state!();
        state.vtype = Some(Vtype::from_legal(op!().imm as u8));
        (state.vl, state.vstart) = (length as u8, 0);
        set_x!(a, length);
        clear_zero!();
    }};
    // Elements of `1 << d` bytes at x[b], from the register `c` on.
    (vload) => {{
        need_vectors!();
        let state = vector_state!();
        let length = u64::from(state.vl) << op!().d;
        let Some(group) = state.group(op!().c, u32::from(op!().d)) else { leave!(Slow) };
        if length > 0 {
            let address = readable!(x!(b), length);
            let from = core::ptr::with_exposed_provenance::<u8>(address);
            unsafe { copy_elements(from, group, length as usize) }
        }
    }};
    (vstore) => {{
        need_vectors!();
        let state = vector_state!();
        let length = u64::from(state.vl) << op!().d;
        let Some(group) = state.group(op!().c, u32::from(op!().d)) else { leave!(Slow) };
        if length > 0 {
            let address = writable!(x!(b), length);
            let to = core::ptr::with_exposed_provenance_mut::<u8>(address);
            unsafe { copy_elements(group, to, length as usize) }
        }
    }};
    // `d` bytes of whole registers, from `c` on, whatever type and length are.
    (vload_whole) => {{
        let registers = whole_registers!();
        let address = readable!(x!(b), u64::from(op!().d));
        let from = core::ptr::with_exposed_provenance::<u8>(address);
        unsafe { copy_elements(from, registers, op!().d.into()) }
    }};
    (vstore_whole) => {{
        let registers = whole_registers!();
        let address = writable!(x!(b), u64::from(op!().d));
        let to = core::ptr::with_exposed_provenance_mut::<u8>(address);
        unsafe { copy_elements(registers, to, op!().d.into()) }
    }};
}
pub(super) use vector;

macro_rules! whole_registers {
    () => {{
        need_vectors!();
        if vector_state!().vstart != 0 {
            leave!(Slow);
        }
        vector_state!().register(op!().c)
    }};
}
pub(super) use whole_registers;

macro_rules! vector_state {
    () => {
        &mut state!().vector
    };
}
pub(super) use vector_state;

macro_rules! need_vectors {
    () => {
        if !state!().vector_ready {
            leave!(Slow);
        }
    };
}
pub(super) use need_vectors;

/// Copies up to 128 bytes without a call.
///
/// # Safety
/// `from` and `to` must be valid for `length` bytes and apart.
#[inline(always)]
pub(super) unsafe fn copy_elements(from: *const u8, to: *mut u8, length: usize) {
    let mut at = 0;
    // SAFETY: by this function's contract; every access ends at `length` at most.
    unsafe {
        while at + 8 <= length {
            let word = from.add(at).cast::<u64>().read_unaligned();
            to.add(at).cast::<u64>().write_unaligned(word);
            at += 8;
        }
        while at < length {
            // Volatile, or the compiler makes a call of the loop.
            to.add(at).write_volatile(from.add(at).read());
            at += 1;
        }
    }
}
