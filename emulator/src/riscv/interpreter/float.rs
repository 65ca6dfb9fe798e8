//! Bodies of the interpreter loop's floating point: F, D and moves, as far as the host's arithmetic
//! does the same.

/// What an operation does, in the terms of the loop's own macros.
macro_rules! float {
    (flw) => {{
        need_fp!();
        set_f!(a, BOX | u64::from(read!(u32)))
    }};
    (fld) => {{
        need_fp!();
        set_f!(a, read!(u64))
    }};
    (fsw) => {{
        need_fp!();
        store!(u32, f!(a))
    }};
    (fsd) => {{
        need_fp!();
        store!(u64, f!(a))
    }};
    (fadd_d) => {
        arithmetic_d!(finite, d!(b) + d!(c))
    };
    (fsub_d) => {
        arithmetic_d!(finite, d!(b) - d!(c))
    };
    (fmul_d) => {
        arithmetic_d!(normal, d!(b) * d!(c))
    };
    (fdiv_d) => {
        arithmetic_d!(normal, d!(b) / d!(c))
    };
    (fmadd_d) => {
        fma_d!(d!(b), d!(c), d!(d))
    };
    (fmsub_d) => {
        fma_d!(d!(b), d!(c), -d!(d))
    };
    (fnmsub_d) => {
        fma_d!(-d!(b), d!(c), d!(d))
    };
    (fnmadd_d) => {
        fma_d!(-d!(b), d!(c), -d!(d))
    };
    (fadd_s) => {
        arithmetic_s!(finite_s, single!(b) + single!(c))
    };
    (fsub_s) => {
        arithmetic_s!(finite_s, single!(b) - single!(c))
    };
    (fmul_s) => {
        arithmetic_s!(normal_s, single!(b) * single!(c))
    };
    (fdiv_s) => {
        arithmetic_s!(normal_s, single!(b) / single!(c))
    };
    (fmadd_s) => {
        fma_s!(single!(b), single!(c), single!(d))
    };
    (fmsub_s) => {
        fma_s!(single!(b), single!(c), -single!(d))
    };
    (fnmsub_s) => {
        fma_s!(-single!(b), single!(c), single!(d))
    };
    (fnmadd_s) => {
        fma_s!(-single!(b), single!(c), -single!(d))
    };
    (fsgnj_d) => {{
        need_fp!();
        set_f!(a, f!(b) & !SIGN | f!(c) & SIGN)
    }};
    (fsgnjn_d) => {{
        need_fp!();
        set_f!(a, f!(b) & !SIGN | !f!(c) & SIGN)
    }};
    (fsgnjx_d) => {{
        need_fp!();
        set_f!(a, f!(b) ^ f!(c) & SIGN)
    }};
    (fmv_x_d) => {{
        need_fp!();
        set_x!(a, f!(b))
    }};
    (fmv_d_x) => {{
        need_fp!();
        set_f!(a, x!(b))
    }};
    (fmv_x_w) => {{
        need_fp!();
        set_x!(a, f!(b) as i32 as u64)
    }};
    (fmv_w_x) => {{
        need_fp!();
        set_f!(a, BOX | x!(b))
    }};
    (fli_d) => {{
        need_fp!();
        set_f!(a, u64::from(op!().wide_imm() as u32) << 32)
    }};
    (fli_s) => {{
        need_fp!();
        set_f!(a, BOX | u64::from(op!().wide_imm() as u32))
    }};
    (feq_d) => {
        compare_d!(|l, r| l == r)
    };
    (flt_d) => {
        compare_d!(|l, r| l < r)
    };
    (fle_d) => {
        compare_d!(|l, r| l <= r)
    };
    (fcvt_d_w) => {{
        need_fp!();
        set_f!(a, f64::from(x!(b) as i32).to_bits())
    }};
    (fcvt_d_wu) => {{
        need_fp!();
        set_f!(a, f64::from(x!(b) as u32).to_bits())
    }};
    (fcvt_d_l) => {{
        if !fp_fast!() {
            leave!(Slow);
        }
        set_f!(a, (x!(b) as i64 as f64).to_bits())
    }};
    (fcvt_d_s) => {
        arithmetic_d!(finite, f64::from(single!(b)))
    };
    (fcvt_s_d) => {
        arithmetic_s!(normal_s, d!(b) as f32)
    };
    (fcvt_w_d_rtz) => {{
        let value = d!(b);
        if !(fp_fast!() && value.abs() < 2_147_483_648.0) {
            leave!(Slow);
        }
        set_x!(a, value as i32 as u64)
    }};
    (fcvt_l_d_rtz) => {{
        let value = d!(b);
        if !(fp_fast!() && value.abs() < 9_223_372_036_854_775_808.0) {
            leave!(Slow);
        }
        set_x!(a, value as i64 as u64)
    }};
}
pub(super) use float;

macro_rules! d {
    ($field:ident) => {
        f64::from_bits(f!($field))
    };
}
pub(super) use d;

macro_rules! single {
    ($field:ident) => {{
        let bits = f!($field);
        if bits & BOX != BOX {
            leave!(Slow);
        }
        f32::from_bits(bits as u32)
    }};
}
pub(super) use single;

macro_rules! arithmetic_d {
    ($fits:ident, $value:expr) => {{
        let value: f64 = $value;
        if !(state!().fp_fast && $fits(value)) {
            leave!(Slow);
        }
        set_f!(a, value.to_bits());
    }};
}
pub(super) use arithmetic_d;

macro_rules! arithmetic_s {
    ($fits:ident, $value:expr) => {{
        let value: f32 = $value;
        if !(state!().fp_fast && $fits(value)) {
            leave!(Slow);
        }
        set_f!(a, BOX | u64::from(value.to_bits()));
    }};
}
pub(super) use arithmetic_s;

macro_rules! fma_d {
    ($a:expr, $b:expr, $c:expr) => {{
        let (true, Some(value)) = (state!().fp_fast, fast::fma64_fast($a, $b, $c)) else {
            leave!(Slow)
        };
        set_f!(a, value.to_bits());
    }};
}
pub(super) use fma_d;

macro_rules! fma_s {
    ($a:expr, $b:expr, $c:expr) => {{
        let (true, Some(value)) = (state!().fp_fast, fast::fma32_fast($a, $b, $c)) else {
            leave!(Slow)
        };
        set_f!(a, BOX | u64::from(value.to_bits()));
    }};
}
pub(super) use fma_s;

macro_rules! need_fp {
    () => {
        if !state!().fp_ready {
            leave!(Slow);
        }
    };
}
pub(super) use need_fp;

macro_rules! compare_d {
    (|$l:ident, $r:ident| $result:expr) => {{
        let ($l, $r) = (d!(b), d!(c));
        if !state!().fp_ready || $l.is_nan() || $r.is_nan() {
            leave!(Slow);
        }
        set_x!(a, u64::from($result));
    }};
}
pub(super) use compare_d;

macro_rules! fp_fast {
    () => {
        state!().fp_fast
    };
}
pub(super) use fp_fast;
