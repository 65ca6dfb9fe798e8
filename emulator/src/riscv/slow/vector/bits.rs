//! Zvbb on single elements; its logical, rotating and widening instructions are with the others of
//! their shape.

use super::Vop;
use super::lanes::{by_width, lanes};
use crate::riscv::isa::Opcode::*;

impl Vop<'_> {
    /// Reversal and counting of bits; the last of OPMVV.
    pub(super) fn bit_manipulation(&mut self) -> Option<()> {
        match self.insn.opcode {
            VbrevV => lanes!(self, |a, _b| a.reverse_bits()),
            Vbrev8V => lanes!(self, |a, _b| a.reverse_bits().swap_bytes()),
            Vrev8V => lanes!(self, |a, _b| a.swap_bytes()),
            VclzV => lanes!(self, |a, _b| a.leading_zeros() as U),
            VctzV => lanes!(self, |a, _b| a.trailing_zeros() as U),
            VcpopV => lanes!(self, |a, _b| a.count_ones() as U),
            _ => None,
        }
    }
}
