//! Fixed-point arithmetic: rounding by `vxrm`, saturation noted in `vxsat`.

use super::Vop;
use super::elements::Extend::{self, Sign, Zero};
use super::elements::members;
use crate::riscv::isa::Opcode::*;

/// `value / 2^shift`, rounded as `vxrm` says (V, "Vector Fixed-Point Rounding Mode Register").
fn round_off(value: i128, shift: u32, mode: u8) -> i128 {
    if shift == 0 {
        return value;
    }
    let floor = value >> shift;
    let rest = value - (floor << shift);
    let half = 1 << (shift - 1);
    let up = match mode {
        // To nearest, up at the half.
        0 => rest >= half,
        // To nearest, even at the half.
        1 => rest > half || rest == half && floor & 1 != 0,
        // Down.
        2 => false,
        // To odd.
        _ => rest != 0 && floor & 1 == 0,
    };
    floor + i128::from(up)
}

/// The number that 64 bits hold.
fn number(value: u64, extend: Extend) -> i128 {
    match extend {
        Zero => i128::from(value),
        Sign => i128::from(value as i64),
    }
}

impl Vop<'_> {
    /// `vd = f(vs2, vs1 or scalar)`, brought into the range of an element.
    fn saturating(&mut self, extend: Extend, f: impl Fn(i128, i128) -> i128) -> Option<()> {
        self.check_single_width()?;
        for index in members(self.active) {
            let a = number(self.a(self.width, extend, index), extend);
            let b = number(self.b(extend, index), extend);
            self.write_saturated(index, f(a, b), extend);
        }
        Some(())
    }

    fn write_saturated(&mut self, index: usize, value: i128, extend: Extend) {
        let bits = 8 << self.width;
        let (least, greatest) = match extend {
            Zero => (0, (1 << bits) - 1),
            Sign => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        };
        let clamped = value.clamp(least, greatest);
        self.v.vxsat |= clamped != value;
        self.v.set_element(self.insn.rd, self.width, index, clamped as u64);
    }

    /// What else there is in OPIVV, OPIVX and OPIVI.
    pub(super) fn narrowing_or_fixed(&mut self) -> Option<()> {
        let mode = self.v.vxrm;
        let bits = 8_u32 << self.width;
        match self.insn.opcode {
            VsadduVv | VsadduVx | VsadduVi => self.saturating(Zero, |a, b| a + b),
            VsaddVv | VsaddVx | VsaddVi => self.saturating(Sign, |a, b| a + b),
            VssubuVv | VssubuVx => self.saturating(Zero, |a, b| a - b),
            VssubVv | VssubVx => self.saturating(Sign, |a, b| a - b),
            VsmulVv | VsmulVx => self.saturating(Sign, |a, b| round_off(a * b, bits - 1, mode)),
            VssrlVv | VssrlVx | VssrlVi => self.scaling_shift(Zero),
            VssraVv | VssraVx | VssraVi => self.scaling_shift(Sign),
            VnsrlWv | VnsrlWx | VnsrlWi => self.narrowing_shift(Zero),
            VnsraWv | VnsraWx | VnsraWi => self.narrowing_shift(Sign),
            VnclipuWv | VnclipuWx | VnclipuWi => self.clip(Zero),
            VnclipWv | VnclipWx | VnclipWi => self.clip(Sign),
            VwsllVv | VwsllVx | VwsllVi => self.widening_shift(),
            _ => self.permute(),
        }
    }

    fn scaling_shift(&mut self, extend: Extend) -> Option<()> {
        let mode = self.v.vxrm;
        let amount = (8 << self.width) - 1;
        self.map_elements(extend, |a, b| {
            round_off(number(a, extend), b as u32 & amount, mode) as u64
        })
    }

    /// `vnclip`: half the width, shifted, rounded and saturated.
    fn clip(&mut self, extend: Extend) -> Option<()> {
        self.check_narrowing()?;
        let wide = self.width + 1;
        for index in members(self.active) {
            let amount = self.b(Zero, index) as u32 & ((8 << wide) - 1);
            let value = number(self.a(wide, extend, index), extend);
            self.write_saturated(index, round_off(value, amount, self.v.vxrm), extend);
        }
        Some(())
    }

    /// Averages, and what else there is in OPMVV and OPMVX.
    pub(super) fn averaging(&mut self) -> Option<()> {
        let mode = self.v.vxrm;
        let half = move |value: i128| round_off(value, 1, mode) as u64;
        match self.insn.opcode {
            VaadduVv | VaadduVx => {
                self.map_elements(Zero, |a, b| half(number(a, Zero) + number(b, Zero)))
            }
            VaaddVv | VaaddVx => {
                self.map_elements(Sign, |a, b| half(number(a, Sign) + number(b, Sign)))
            }
            VasubuVv | VasubuVx => {
                self.map_elements(Zero, |a, b| half(number(a, Zero) - number(b, Zero)))
            }
            VasubVv | VasubVx => {
                self.map_elements(Sign, |a, b| half(number(a, Sign) - number(b, Sign)))
            }
            _ => self.widening(),
        }
    }
}
