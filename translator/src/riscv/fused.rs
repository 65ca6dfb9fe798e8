//! The fused multiply-add of doubles, which WebAssembly lacks.
//!
//! The same steps as `c2w_emulator::softfloat::fast::fma64_fast`, written where they are needed: a
//! call would have the engine keep all floating-point registers in memory. What those steps cannot
//! decide is left to the interpreter.

use super::Builder;
use wasm_encoder::{BlockType, InstructionSink as Sink, ValType};

/// 2^27 + 1: splits a double into two halves of its digits (Veltkamp).
const SPLITTER: f64 = 134_217_729.0;

/// `a * b + c` from locals, into `a`.
pub fn fused_double(a: u32, b: u32, c: u32, body: &mut Builder) {
    // Before the code that is rarely executed, which may leave.
    body.flush();
    let locals: [u32; 7] = core::array::from_fn(|_| body.take(ValType::F64));
    let [product, error, sum, high_a, low_a, high_b, low_b] = locals;
    split(a, high_a, low_a, body);
    split(b, high_b, low_b, body);
    let mut code = body.code();
    code.local_get(a).local_get(b).f64_mul().local_set(product);
    // Dekker: low_a * low_b - (((product - high * high) - low_a * high_b) - high_a * low_b)
    code.local_get(low_a).local_get(low_b).f64_mul().local_get(product);
    for (left, right) in [(high_a, high_b), (low_a, high_b), (high_a, low_b)] {
        code.local_get(left).local_get(right).f64_mul().f64_sub();
    }
    code.f64_sub().local_set(error);
    // Knuth: what product + c loses, added to what the product has lost.
    code.local_get(product).local_get(c).f64_add().local_tee(sum);
    let (c_part, tail, low) = (high_a, low_a, low_b);
    code.local_get(product).f64_sub().local_set(c_part);
    code.local_get(product).local_get(sum).local_get(c_part).f64_sub().f64_sub();
    code.local_get(c).local_get(c_part).f64_sub().f64_add();
    code.local_get(error).f64_add().local_set(tail);
    // Ziv's test: a unit less and a unit more of the tail round to the same sum.
    rounded(&mut code, sum, tail, 1.0 - f64::EPSILON);
    code.local_tee(low);
    rounded(&mut code, sum, tail, 1.0 + f64::EPSILON);
    code.f64_eq();
    for operand in [a, b, c] {
        is_middle(&mut code, operand);
        code.i32_and();
    }
    code.i32_eqz();
    body.open_if(BlockType::Empty);
    with_zero(a, b, c, low, body);
    body.close();
    body.code().local_get(low).local_set(a);
    locals.into_iter().for_each(|local| body.give(local));
}

/// `sum + tail * factor`
fn rounded(code: &mut Sink<'_>, sum: u32, tail: u32, factor: f64) {
    code.local_get(sum).local_get(tail).f64_const(factor.into()).f64_mul().f64_add();
}

/// Two numbers of half as many digits whose sum a local is.
fn split(whole: u32, high: u32, low: u32, body: &mut Builder) {
    let mut code = body.code();
    code.local_get(whole).f64_const(SPLITTER.into()).f64_mul().local_tee(high);
    // high = scaled - (scaled - whole)
    code.local_get(high).local_get(whole).f64_sub().f64_sub().local_set(high);
    code.local_get(whole).local_get(high).f64_sub().local_set(low);
}

/// Pushes whether the exponent of a local lies within 450 of 0.
fn is_middle(code: &mut Sink<'_>, operand: u32) {
    code.local_get(operand).i64_reinterpret_f64().i64_const(52).i64_shr_u();
    code.i64_const(0x7ff).i64_and().i64_const(1023 - 450).i64_sub().i64_const(900).i64_le_u();
}

/// When an operand is zero, at most one rounding happens anyway; else this is for the interpreter.
fn with_zero(a: u32, b: u32, c: u32, result: u32, body: &mut Builder) {
    body.leave_if(|body| {
        let mut code = body.code();
        let zero = |code: &mut Sink<'_>, operand: u32| {
            code.local_get(operand).f64_const(0.0.into()).f64_eq();
        };
        zero(&mut code, a);
        for operand in [b, c] {
            zero(&mut code, operand);
            code.i32_or();
        }
        for operand in [a, b, c] {
            zero(&mut code, operand);
            is_middle(&mut code, operand);
            code.i32_or().i32_and();
        }
        code.i32_eqz();
    });
    body.code().local_get(a).local_get(b).f64_mul().local_get(c).f64_add().local_set(result);
}
