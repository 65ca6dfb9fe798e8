//! Floating point on single and double precision elements. Half precision can only be converted
//! (Zvfhmin).

use super::elements::members;
use super::estimate::{reciprocal, reciprocal_square_root};
use super::lanes::Lane;
use super::{Vop, require};
use crate::riscv::isa::Opcode::*;
use crate::riscv::vector::{GROUP, low_bits};
use crate::softfloat::{self as soft, F32, F64, Format, RoundingMode, fast};

/// A format with host arithmetic ([`fast`]): `None` where a flag other than inexact might be
/// raised.
pub(super) trait Host: Format {
    /// An element's bits.
    type Bits: Lane;
    /// log2 of an element's bytes.
    const LANE: u32 = Self::Bits::WIDTH;
    fn fast_add(a: u64, b: u64) -> Option<u64>;
    fn fast_sub(a: u64, b: u64) -> Option<u64>;
    fn fast_mul(a: u64, b: u64) -> Option<u64>;
    fn fast_div(a: u64, b: u64) -> Option<u64>;
    fn fast_mul_add(a: u64, b: u64, c: u64) -> Option<u64>;
}

macro_rules! host {
    ($format:ty, $bits:ty, $float:ty, $($name:ident = $fast:ident($($operand:ident),*);)*) => {
        impl Host for $format {
            type Bits = $bits;

            $(
                #[inline(always)]
                fn $name($($operand: u64),*) -> Option<u64> {
                    let result = fast::$fast($(<$float>::from_bits($operand as $bits)),*);
                    result.map(|value| u64::from(value.to_bits()))
                }
            )*
        }
    };
}
host!(F32, u32, f32,
    fast_add = add32_fast(a, b);
    fast_sub = sub32_fast(a, b);
    fast_mul = mul32_fast(a, b);
    fast_div = div32_fast(a, b);
    fast_mul_add = fma32_fast(a, b, c);
);
host!(F64, u64, f64,
    fast_add = add64_fast(a, b);
    fast_sub = sub64_fast(a, b);
    fast_mul = mul64_fast(a, b);
    fast_div = div64_fast(a, b);
    fast_mul_add = fma64_fast(a, b, c);
);

/// Which operands of a fused multiply-add change sign, and which one `vd` is.
struct Fused {
    negate_product: bool,
    negate_addend: bool,
    /// The result is of twice the width.
    is_wide: bool,
    /// `vd` is a factor and `vs2` the addend, instead of the other way round.
    multiplies_vd: bool,
}

impl Fused {
    /// A factor and the addend with the signs that they are to have.
    #[inline(always)]
    fn signed<F: Format>(&self, factor: u64, addend: u64) -> (u64, u64) {
        let sign = |negate: bool| if negate { F::SIGN } else { 0 };
        (factor ^ sign(self.negate_product), addend ^ sign(self.negate_addend))
    }
}

impl Vop<'_> {
    /// Any instruction of OPFVV and OPFVF that writes a vector.
    pub(super) fn float(&mut self) -> Option<()> {
        match self.insn.opcode {
            VfmergeVfm => self.float_width().and_then(|()| self.merge()),
            VfmvVF => self.float_width().and_then(|()| self.splat()),
            VfmvSF => self.float_width().and_then(|()| self.set_first(self.scalar)),
            Vfslide1upVf => self.float_width().and_then(|()| self.slide_one_up()),
            Vfslide1downVf => {
                self.float_width().and_then(|()| self.slide_down(1, Some(self.scalar)))
            }
            _ => match self.conversion() {
                Some(convert) => convert(self),
                None if self.width == 2 => self.single_or_wide(),
                None if self.width == 3 => self.arithmetic_of::<F64>(),
                None => None,
            },
        }
    }

    /// Whether there is arithmetic for the element width.
    pub(super) fn float_width(&self) -> Option<()> {
        require(self.width >= 2)
    }

    fn splat(&mut self) -> Option<()> {
        use super::lanes::{by_width, lanes};
        lanes!(self, |_a, b| b)
    }

    /// `vfmv.f.s`, which goes to a floating-point register.
    pub(super) fn to_float(&self) -> Option<u64> {
        self.float_width()?;
        let value = self.v.element(self.insn.rs2, self.width, 0);
        Some(if self.width == 3 { F64::nan_box(value) } else { F32::nan_box(value) })
    }

    /// Element `index` of `vs2`.
    #[inline(always)]
    fn fa<F: Host>(&self, index: usize) -> u64 {
        self.v.element(self.insn.rs2, F::LANE, index)
    }

    /// Element `index` of `vs1`, or the scalar.
    #[inline(always)]
    fn fb<F: Host>(&self, index: usize) -> u64 {
        if self.has_vs1 { self.v.element(self.insn.rs1, F::LANE, index) } else { self.scalar }
    }

    fn arithmetic_of<F: Host>(&mut self) -> Option<()> {
        match self.insn.opcode {
            VfaddVv | VfaddVf => self.float_map::<F>(F::fast_add, soft::add::<F>),
            VfsubVv | VfsubVf => self.float_map::<F>(F::fast_sub, soft::sub::<F>),
            VfrsubVf => self.float_map::<F>(
                |a, b| F::fast_sub(b, a),
                |a, b, mode, flags| soft::sub::<F>(b, a, mode, flags),
            ),
            VfmulVv | VfmulVf => self.float_map::<F>(F::fast_mul, soft::mul::<F>),
            VfdivVv | VfdivVf => self.float_map::<F>(F::fast_div, soft::div::<F>),
            VfrdivVf => self.float_map::<F>(
                |a, b| F::fast_div(b, a),
                |a, b, mode, flags| soft::div::<F>(b, a, mode, flags),
            ),
            VfsqrtV => self.float_exact::<F>(|a, _, mode, flags| soft::sqrt::<F>(a, mode, flags)),
            Vfrec7V => self.float_exact::<F>(|a, _, mode, flags| reciprocal::<F>(a, mode, flags)),
            Vfrsqrt7V => {
                self.float_exact::<F>(|a, _, _, flags| reciprocal_square_root::<F>(a, flags))
            }
            VfclassV => self.float_exact::<F>(|a, _, _, _| soft::class::<F>(a)),
            VfminVv | VfminVf => {
                self.float_exact::<F>(|a, b, _, flags| soft::min::<F>(a, b, flags))
            }
            VfmaxVv | VfmaxVf => {
                self.float_exact::<F>(|a, b, _, flags| soft::max::<F>(a, b, flags))
            }
            VfsgnjVv | VfsgnjVf => self.sign_injection::<F>(|_, b| b),
            VfsgnjnVv | VfsgnjnVf => self.sign_injection::<F>(|_, b| !b),
            VfsgnjxVv | VfsgnjxVf => self.sign_injection::<F>(|a, b| a ^ b),
            VmfeqVv | VmfeqVf => self.float_compare::<F>(soft::eq::<F>),
            VmfneVv | VmfneVf => self.float_compare::<F>(|a, b, flags| !soft::eq::<F>(a, b, flags)),
            VmfltVv | VmfltVf => self.float_compare::<F>(soft::lt::<F>),
            VmfleVv | VmfleVf => self.float_compare::<F>(soft::le::<F>),
            VmfgtVf => self.float_compare::<F>(|a, b, flags| soft::lt::<F>(b, a, flags)),
            VmfgeVf => self.float_compare::<F>(|a, b, flags| soft::le::<F>(b, a, flags)),
            VfredusumVs | VfredosumVs => self.float_fold::<F>(soft::add::<F>),
            VfredminVs => self.float_fold::<F>(|a, b, _, flags| soft::min::<F>(a, b, flags)),
            VfredmaxVs => self.float_fold::<F>(|a, b, _, flags| soft::max::<F>(a, b, flags)),
            _ => self.fused_of::<F>(),
        }
    }

    /// `vd = f(vs2, vs1 or scalar, vd)` by the host's arithmetic, if that will do for all elements.
    #[inline(always)]
    fn float_lanes<F: Host>(&mut self, f: impl Fn(u64, u64, u64) -> Option<u64>) -> bool {
        if !self.fast || self.active != low_bits(self.vl) {
            return false;
        }
        let size = 1 << F::LANE;
        let length = self.vl << F::LANE;
        let b = self.second::<F::Bits>();
        let (a, d) = (self.group(self.insn.rs2, length), self.group(self.insn.rd, length));
        let operands = a.chunks_exact(size).zip(b.chunks_exact(size)).zip(d.chunks_exact(size));
        let mut out = [0; GROUP];
        let mut exact = true;
        for (((a, b), d), out) in operands.zip(out.chunks_exact_mut(size)) {
            let [a, b, d] = [a, b, d].map(|lane| F::Bits::load(lane).widen());
            let value = f(a, b, d);
            exact &= value.is_some();
            F::Bits::truncate(value.unwrap_or(0)).store(out);
        }
        if exact {
            self.write_block(&out, self.active);
        }
        exact
    }

    /// `vd = f(vs2, vs1 or scalar)`, with the host's arithmetic where it is as good.
    fn float_map<F: Host>(
        &mut self,
        fast: impl Fn(u64, u64) -> Option<u64>,
        exact: impl Fn(u64, u64, RoundingMode, &mut u8) -> u64,
    ) -> Option<()> {
        self.check_single_width()?;
        if self.float_lanes::<F>(|a, b, _| fast(a, b)) {
            return Some(());
        }
        for index in members(self.active) {
            let (a, b) = (self.fa::<F>(index), self.fb::<F>(index));
            let quick = if self.fast { fast(a, b) } else { None };
            let value = quick.unwrap_or_else(|| exact(a, b, self.rounding, &mut self.flags));
            self.v.set_element(self.insn.rd, F::LANE, index, value);
        }
        Some(())
    }

    fn float_exact<F: Host>(
        &mut self,
        f: impl Fn(u64, u64, RoundingMode, &mut u8) -> u64,
    ) -> Option<()> {
        self.float_map::<F>(|_, _| None, f)
    }

    fn sign_injection<F: Host>(&mut self, sign: impl Fn(u64, u64) -> u64) -> Option<()> {
        self.float_exact::<F>(|a, b, _, _| a & !F::SIGN | sign(a, b) & F::SIGN)
    }

    fn float_compare<F: Host>(&mut self, f: impl Fn(u64, u64, &mut u8) -> bool) -> Option<()> {
        self.check_mask_result()?;
        let mut mask = 0;
        for index in members(self.active) {
            let holds = f(self.fa::<F>(index), self.fb::<F>(index), &mut self.flags);
            mask |= u128::from(holds) << index;
        }
        self.write_mask(mask);
        Some(())
    }

    /// Reductions, in the order of elements, which the unordered sum may have as well.
    fn float_fold<F: Host>(
        &mut self,
        f: impl Fn(u64, u64, RoundingMode, &mut u8) -> u64,
    ) -> Option<()> {
        self.check_reduction()?;
        let mut value = self.v.element(self.insn.rs1, self.width, 0);
        for index in members(self.active) {
            value = f(value, self.fa::<F>(index), self.rounding, &mut self.flags);
        }
        self.set_first(value)
    }

    fn fused(&self) -> Option<Fused> {
        let (negate_product, negate_addend, multiplies_vd) = match self.insn.opcode {
            VfmaccVv | VfmaccVf | VfwmaccVv | VfwmaccVf => (false, false, false),
            VfnmaccVv | VfnmaccVf | VfwnmaccVv | VfwnmaccVf => (true, true, false),
            VfmsacVv | VfmsacVf | VfwmsacVv | VfwmsacVf => (false, true, false),
            VfnmsacVv | VfnmsacVf | VfwnmsacVv | VfwnmsacVf => (true, false, false),
            VfmaddVv | VfmaddVf => (false, false, true),
            VfnmaddVv | VfnmaddVf => (true, true, true),
            VfmsubVv | VfmsubVf => (false, true, true),
            VfnmsubVv | VfnmsubVf => (true, false, true),
            _ => return None,
        };
        let is_wide = matches!(
            self.insn.opcode,
            VfwmaccVv
                | VfwmaccVf
                | VfwnmaccVv
                | VfwnmaccVf
                | VfwmsacVv
                | VfwmsacVf
                | VfwnmsacVv
                | VfwnmsacVf
        );
        Some(Fused { is_wide, negate_product, negate_addend, multiplies_vd })
    }

    fn fused_of<F: Host>(&mut self) -> Option<()> {
        let fused = self.fused().filter(|fused| !fused.is_wide)?;
        self.check_single_width()?;
        let done = self.float_lanes::<F>(|a, b, d| {
            let (factor, addend) = if fused.multiplies_vd { (d, a) } else { (a, d) };
            let (b, addend) = fused.signed::<F>(b, addend);
            F::fast_mul_add(b, factor, addend)
        });
        if done {
            return Some(());
        }
        for index in members(self.active) {
            let (a, d) = (self.fa::<F>(index), self.v.element(self.insn.rd, F::LANE, index));
            let (factor, addend) = if fused.multiplies_vd { (d, a) } else { (a, d) };
            let value = self.multiply_add::<F>(&fused, self.fb::<F>(index), factor, addend);
            self.v.set_element(self.insn.rd, F::LANE, index, value);
        }
        Some(())
    }

    #[inline(always)]
    fn multiply_add<F: Host>(&mut self, fused: &Fused, a: u64, b: u64, c: u64) -> u64 {
        let (a, c) = fused.signed::<F>(a, c);
        let quick = if self.fast { F::fast_mul_add(a, b, c) } else { None };
        quick.unwrap_or_else(|| soft::mul_add::<F>(a, b, c, self.rounding, &mut self.flags))
    }

    /// Single precision, and what makes double precision of it.
    fn single_or_wide(&mut self) -> Option<()> {
        match self.insn.opcode {
            VfwaddVv | VfwaddVf => self.float_widen(false, soft::add::<F64>),
            VfwsubVv | VfwsubVf => self.float_widen(false, soft::sub::<F64>),
            VfwaddWv | VfwaddWf => self.float_widen(true, soft::add::<F64>),
            VfwsubWv | VfwsubWf => self.float_widen(true, soft::sub::<F64>),
            VfwmulVv | VfwmulVf => self.float_widen(false, soft::mul::<F64>),
            VfwredusumVs | VfwredosumVs => self.float_widening_sum(),
            _ => match self.fused() {
                Some(fused) if fused.is_wide => self.fused_widening(&fused),
                _ => self.arithmetic_of::<F32>(),
            },
        }
    }

    /// A single precision number in double precision; only a signalling NaN changes.
    fn double(&mut self, value: u64) -> u64 {
        soft::convert::<F32, F64>(value, self.rounding, &mut self.flags)
    }

    fn float_widen(
        &mut self,
        wide_vs2: bool,
        f: impl Fn(u64, u64, RoundingMode, &mut u8) -> u64,
    ) -> Option<()> {
        self.check_widening(wide_vs2)?;
        for index in members(self.active) {
            let a = match wide_vs2 {
                true => self.v.element(self.insn.rs2, 3, index),
                false => self.double(self.fa::<F32>(index)),
            };
            let b = self.double(self.fb::<F32>(index));
            let value = f(a, b, self.rounding, &mut self.flags);
            self.v.set_element(self.insn.rd, 3, index, value);
        }
        Some(())
    }

    fn fused_widening(&mut self, fused: &Fused) -> Option<()> {
        self.check_widening(false)?;
        for index in members(self.active) {
            let (a, b) = (self.double(self.fa::<F32>(index)), self.double(self.fb::<F32>(index)));
            let d = self.v.element(self.insn.rd, 3, index);
            let value = self.multiply_add::<F64>(fused, b, a, d);
            self.v.set_element(self.insn.rd, 3, index, value);
        }
        Some(())
    }

    fn float_widening_sum(&mut self) -> Option<()> {
        self.check_reduction()?;
        let mut sum = self.v.element(self.insn.rs1, 3, 0);
        for index in members(self.active) {
            let value = self.double(self.fa::<F32>(index));
            sum = soft::add::<F64>(sum, value, self.rounding, &mut self.flags);
        }
        if self.vl > 0 {
            self.v.set_element(self.insn.rd, 3, 0, sum);
        }
        Some(())
    }
}
