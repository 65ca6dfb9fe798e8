//! Loops over a group as bytes, one for each element width, in a form that the compiler can
//! vectorize. Results go to a block of their own first, so operands may be the destination, and
//! elements that are not active may be computed in vain.

use super::Vop;
use crate::riscv::vector::{GROUP, VLENB, low_bits};

/// A register group on its own.
pub(super) type Block = [u8; GROUP];

/// An element's type.
pub(super) trait Lane: Copy {
    /// log2 of its bytes.
    const WIDTH: u32;
    fn load(bytes: &[u8]) -> Self;
    fn store(self, bytes: &mut [u8]);
    fn truncate(value: u64) -> Self;
    fn widen(self) -> u64;
}

macro_rules! lane {
    ($type:ty, $width:literal) => {
        impl Lane for $type {
            const WIDTH: u32 = $width;

            #[inline(always)]
            fn load(bytes: &[u8]) -> Self {
                let mut value = [0; 1 << $width];
                value.copy_from_slice(bytes);
                Self::from_le_bytes(value)
            }

            #[inline(always)]
            fn store(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }

            #[inline(always)]
            fn truncate(value: u64) -> Self {
                value as Self
            }

            #[inline(always)]
            fn widen(self) -> u64 {
                self as u64
            }
        }
    };
}
lane!(u8, 0);
lane!(u16, 1);
lane!(u32, 2);
lane!(u64, 3);

/// Runs `$body` with `U` and `S` as the unsigned and signed type of an element.
macro_rules! by_width {
    ($width:expr, $body:expr) => {{
        match $width {
            0 => {
                type U = u8;
                #[allow(dead_code)]
                type S = i8;
                $body
            }
            1 => {
                type U = u16;
                #[allow(dead_code)]
                type S = i16;
                $body
            }
            2 => {
                type U = u32;
                #[allow(dead_code)]
                type S = i32;
                $body
            }
            _ => {
                type U = u64;
                #[allow(dead_code)]
                type S = i64;
                $body
            }
        }
    }};
}
pub(super) use by_width;

/// `vd = f(vs2, vs1 or scalar)` on elements of the same width.
macro_rules! lanes {
    ($vop:expr, |$a:ident, $b:ident| $value:expr) => {
        by_width!($vop.width, $vop.map_lanes(|$a: U, $b: U| -> U { $value }))
    };
}
pub(super) use lanes;

/// `vd = f(vs2, vs1 or scalar, vd)`.
macro_rules! accumulate {
    ($vop:expr, |$a:ident, $b:ident, $d:ident| $value:expr) => {
        by_width!($vop.width, $vop.accumulate_lanes(|$a: U, $b: U, $d: U| -> U { $value }))
    };
}
pub(super) use accumulate;

/// The mask `vd` = whether `f(vs2, vs1 or scalar)`.
macro_rules! compare {
    ($vop:expr, |$a:ident, $b:ident| $value:expr) => {
        by_width!($vop.width, $vop.compare_lanes(|$a: U, $b: U| -> bool { $value }))
    };
}
pub(super) use compare;

impl Vop<'_> {
    /// The first `length` bytes of a group.
    pub(super) fn group(&self, register: u8, length: usize) -> &[u8] {
        let start = register as usize * VLENB;
        &self.v.bytes()[start..start + length]
    }

    /// The second operand as a group: `vs1`, or the scalar in every element.
    #[inline(always)]
    pub(super) fn second<U: Lane>(&self) -> Block {
        let mut block = [0; GROUP];
        let length = self.vl << U::WIDTH;
        if self.has_vs1 {
            block[..length].copy_from_slice(self.group(self.insn.rs1, length));
        } else {
            let value = U::truncate(self.scalar);
            for lane in block.chunks_exact_mut(1 << U::WIDTH) {
                value.store(lane);
            }
        }
        block
    }

    /// Writes the elements of `set`, a subset of those from `start` on.
    pub(super) fn write_block(&mut self, block: &Block, set: u128) {
        let whole = low_bits(self.vl) & !low_bits(self.start);
        let first = self.insn.rd as usize * VLENB;
        if set == whole {
            if self.start < self.vl {
                let bytes = self.start << self.width..self.vl << self.width;
                self.v.bytes_mut()[first + bytes.start..first + bytes.end]
                    .copy_from_slice(&block[bytes]);
            }
            return;
        }
        by_width!(self.width, {
            let target = &mut self.v.bytes_mut()[first..];
            let lanes = target.chunks_exact_mut(1 << U::WIDTH);
            for (index, (old, new)) in lanes.zip(block.chunks_exact(1 << U::WIDTH)).enumerate() {
                if set >> index & 1 != 0 {
                    old.copy_from_slice(new);
                }
            }
        });
    }

    /// Writes the active bits of a mask to `vd`.
    pub(super) fn write_mask(&mut self, mask: u128) {
        let old = self.v.mask(self.insn.rd);
        self.v.set_mask(self.insn.rd, old & !self.active | mask & self.active);
    }

    #[inline(always)]
    pub(super) fn map_lanes<U: Lane>(&mut self, f: impl Fn(U, U) -> U) -> Option<()> {
        self.check_single_width()?;
        let b = self.second::<U>();
        let a = self.group(self.insn.rs2, self.vl << U::WIDTH);
        let mut out = [0; GROUP];
        let operands = a.chunks_exact(1 << U::WIDTH).zip(b.chunks_exact(1 << U::WIDTH));
        for ((a, b), out) in operands.zip(out.chunks_exact_mut(1 << U::WIDTH)) {
            f(U::load(a), U::load(b)).store(out);
        }
        self.write_block(&out, self.active);
        Some(())
    }

    #[inline(always)]
    pub(super) fn accumulate_lanes<U: Lane>(&mut self, f: impl Fn(U, U, U) -> U) -> Option<()> {
        self.check_single_width()?;
        let b = self.second::<U>();
        let length = self.vl << U::WIDTH;
        let a = self.group(self.insn.rs2, length);
        let d = self.group(self.insn.rd, length);
        let mut out = [0; GROUP];
        let operands = a.chunks_exact(1 << U::WIDTH).zip(b.chunks_exact(1 << U::WIDTH));
        let operands = operands.zip(d.chunks_exact(1 << U::WIDTH));
        for (((a, b), d), out) in operands.zip(out.chunks_exact_mut(1 << U::WIDTH)) {
            f(U::load(a), U::load(b), U::load(d)).store(out);
        }
        self.write_block(&out, self.active);
        Some(())
    }

    #[inline(always)]
    pub(super) fn compare_lanes<U: Lane>(&mut self, f: impl Fn(U, U) -> bool) -> Option<()> {
        self.check_mask_result()?;
        let b = self.second::<U>();
        let a = self.group(self.insn.rs2, self.vl << U::WIDTH);
        let mut out = [0; GROUP];
        let operands = a.chunks_exact(1 << U::WIDTH).zip(b.chunks_exact(1 << U::WIDTH));
        for ((a, b), out) in operands.zip(out.iter_mut()) {
            *out = u8::from(f(U::load(a), U::load(b)));
        }
        self.write_mask(pack_bits(&out));
        Some(())
    }
}

impl Vop<'_> {
    /// Which bytes are equal, or with `invert` of ones which are not: what looks for the end of a
    /// string. Eight at a time, without vector instructions of the host.
    pub(super) fn compare_bytes(&mut self, invert: u128) -> Option<()> {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        self.check_mask_result()?;
        let mut block = self.second::<u8>();
        let mut a = [0; GROUP];
        a[..self.vl].copy_from_slice(self.group(self.insn.rs2, self.vl));
        for (a, b) in a.chunks_exact(8).zip(block.chunks_exact_mut(8)) {
            let differs = u64::load(a) ^ u64::load(b);
            // The top bit of each byte is set if the byte is not zero; no carry leaves a byte.
            let nonzero = (differs & LOW).wrapping_add(LOW) | differs;
            (!nonzero >> 7 & 0x0101_0101_0101_0101).store(b);
        }
        self.write_mask(pack_bits(&block) ^ invert);
        Some(())
    }
}

/// A bit for each byte, which must be 0 or 1.
pub(super) fn pack_bits(bytes: &Block) -> u128 {
    let mut mask = [0; GROUP / 8];
    for (eight, mask) in bytes.chunks_exact(8).zip(&mut mask) {
        // The product moves bit 8 * i to bit 56 + i; no two meet on the way.
        *mask = (u64::load(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
    }
    u128::from_le_bytes(mask)
}
