//! RISC-V's registers in a function that is being written, and the checks of the hart's state.

use super::Builder;
use super::insn::F;
use crate::emit::Checks;
use c2w_emulator::riscv::linkage::state_offsets;
use c2w_emulator::riscv::vector::Vtype;

/// Checks that need not be made again.
#[derive(Clone, Copy, Debug, Default)]
pub struct HartChecks {
    /// `fp_ready` is set.
    pub fp_ready: bool,
    /// `fp_fast` is set.
    pub fp_fast: bool,
    /// `vector_ready` is set.
    pub vector_ready: bool,
}

impl Checks for HartChecks {
    fn and(self, other: Self) -> Self {
        Self {
            fp_ready: self.fp_ready && other.fp_ready,
            fp_fast: self.fp_fast && other.fp_fast,
            vector_ready: self.vector_ready && other.vector_ready,
        }
    }
}

impl Builder {
    /// Pushes `x[register]`, an `i64`.
    pub fn x(&mut self, register: u8) {
        self.get(register);
    }

    /// Pops an `i64` into `x[register]`.
    pub fn set_x(&mut self, register: u8) {
        self.set(register);
    }

    /// Pushes `f[register]` as an `f64`, all bits as they are.
    pub fn f(&mut self, register: u8) {
        self.get(F + register);
    }

    /// Pushes the bits of `f[register]`, an `i64`.
    pub fn f_bits(&mut self, register: u8) {
        self.f(register);
        self.code().i64_reinterpret_f64();
    }

    /// Pops an `f64` into `f[register]`.
    pub fn set_f(&mut self, register: u8) {
        self.set(F + register);
    }

    /// Pops the bits of `f[register]`, an `i64`.
    pub fn set_f_bits(&mut self, register: u8) {
        self.code().f64_reinterpret_i64();
        self.set_f(register);
    }

    /// Leaves unless floating-point registers may be used without further notice.
    pub fn need_fp(&mut self) {
        if !self.facts.checks.fp_ready {
            self.leave_unless_set(state_offsets::FP_READY);
            self.facts.checks.fp_ready = true;
        }
    }

    /// Leaves unless operations that are normal and at most inexact change no flag.
    pub fn need_fast_fp(&mut self) {
        if !self.facts.checks.fp_fast {
            self.leave_unless_set(state_offsets::FP_FAST);
            self.facts.checks.fp_ready = true;
            self.facts.checks.fp_fast = true;
        }
    }

    /// Leaves unless vector registers may be used without further notice.
    pub fn need_vectors(&mut self) {
        if !self.facts.checks.vector_ready {
            self.leave_unless_set(state_offsets::VECTOR_READY);
            self.facts.checks.vector_ready = true;
        }
    }

    /// Leaves unless `vtype` is this and `vstart` is 0.
    pub fn need_vector_type(&mut self, vtype: Vtype) {
        /// In a word from `vtype` on, those two.
        const BOTH: i32 = 0x00ff_00ff;
        let field = self.field(state_offsets::VTYPE, 0);
        self.leave_if(|body| {
            let mut code = body.code();
            code.i32_const(0).i32_load(field).i32_const(BOTH).i32_and();
            code.i32_const(vtype.code().into()).i32_ne();
        });
    }

    /// Leaves unless U-mode may use `cbo.zero`.
    pub fn need_zeroing(&mut self) {
        self.leave_unless_set(state_offsets::MAY_ZERO);
    }
}
