//! Bodies of the interpreter loop's CSRs: those that every entry into the kernel reads and writes.

/// What an operation does, in the terms of the loop's own macros.
macro_rules! system {
    (trap_read) => {{
        if user_mode!() {
            leave!(Slow);
        }
        set_x!(a, state!().trap[op!().imm as usize & 3])
    }};
    // `c` has the bits that stay zero.
    (trap_write) => {{
        if user_mode!() {
            leave!(Slow);
        }
        let register = op!().imm as usize & 3;
        let old = state!().trap[register];
        state!().trap[register] = x!(b) & !u64::from(op!().c);
        set_x!(a, old);
        clear_zero!();
    }};
    (status_write) => {
        status!(x!(b), |_, operand| operand)
    };
    (status_set) => {
        status!(x!(b), |old, operand| old | operand)
    };
    (status_clear) => {
        status!(x!(b), |old, operand| old & !operand)
    };
    (status_set_bits) => {
        status!(imm!(), |old, operand| old | operand)
    };
    (status_clear_bits) => {
        status!(imm!(), |old, operand| old & !operand)
    };
}
pub(super) use system;

// A change of `sstatus`. Access to user pages swaps the TLBs.
macro_rules! status {
    ($value:expr, |$old:pat_param, $operand:ident| $new:expr) => {{
        let $old = state!().csrs.sstatus;
        let $operand: u64 = $value;
        let reads = state!().csrs.read_sstatus();
        if user_mode!() || !state!().change_status($new) {
            leave!(Slow);
        }
        reload_tlbs!();
        set_x!(a, reads);
        clear_zero!();
    }};
}
pub(super) use status;
