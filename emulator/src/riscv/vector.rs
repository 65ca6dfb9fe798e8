//! Registers of the V extension (version 1.0, VLEN 128, ELEN 64).

use core::num::NonZeroU8;
use serde::{Deserialize, Serialize};

/// Bytes of a vector register.
pub const VLENB: usize = 16;
/// Bytes of the largest register group (LMUL 8), which is also the largest number of elements.
pub const GROUP: usize = 8 * VLENB;

/// A legal vector type: element width, length multiplier and policies, as `vtype` has them.
/// Agnostic elements are left undisturbed, so the policies have no effect.
///
/// In memory it is its [`Self::code`], and `Option<Vtype>` is that or 0: translated code reads and
/// writes it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(transparent)]
pub struct Vtype(NonZeroU8);

/// A multiplier that is reserved: no type's code is 0.
const RESERVED: u8 = 4;

impl TryFrom<u8> for Vtype {
    type Error = &'static str;

    fn try_from(bits: u8) -> Result<Self, Self::Error> {
        Self::new(bits.into()).ok_or("a reserved vector type")
    }
}

impl From<Vtype> for u8 {
    fn from(vtype: Vtype) -> Self {
        vtype.code() ^ RESERVED
    }
}

impl Vtype {
    /// The type in bits 7:0; `None` for a reserved one, or when a bit above is set.
    ///
    /// A fraction of a register must hold one element, if its length were ELEN.
    pub fn new(bits: u64) -> Option<Self> {
        let vtype = Self(NonZeroU8::new(u8::try_from(bits).ok()? ^ RESERVED)?);
        let widest = 3 + vtype.multiplier().min(0);
        let legal = bits & 7 != RESERVED.into() && vtype.width() as i32 <= widest;
        legal.then_some(vtype)
    }

    /// The type in the bits of one that is legal.
    pub fn from_legal(bits: u8) -> Self {
        debug_assert!(Self::new(bits.into()).is_some());
        Self(NonZeroU8::new(bits ^ RESERVED).unwrap_or(NonZeroU8::MIN))
    }

    /// As `vtype` reads.
    pub fn bits(self) -> u64 {
        u8::from(self).into()
    }

    /// As it is in memory.
    pub fn code(self) -> u8 {
        self.0.get()
    }

    /// Element width (SEW): log2 of bytes, 0 to 3.
    pub fn width(self) -> u32 {
        self.bits() as u32 >> 3 & 7
    }

    /// Length multiplier (LMUL): its log2, -3 to 3.
    pub fn multiplier(self) -> i32 {
        i32::from(((self.bits() & 7) << 5) as i8 >> 5)
    }

    /// The number of elements of a register group (VLMAX).
    pub fn max_length(self) -> usize {
        (VLENB << (self.multiplier() + 3)) >> (3 + self.width())
    }
}

/// What V adds to a hart; by default as after reset, without a vector type. Its layout is the same
/// on every host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct VectorState {
    registers: [[u8; VLENB]; 32],
    /// `vtype`; `None` while `vill` is set.
    pub vtype: Option<Vtype>,
    /// Vector length in elements, at most VLMAX.
    pub vl: u8,
    /// The first element to work on, below 128.
    pub vstart: u8,
    /// Fixed-point rounding mode, 0 to 3.
    pub vxrm: u8,
    /// Fixed-point results were saturated.
    pub vxsat: bool,
}

impl VectorState {
    /// Where the registers are in it, in bytes.
    pub const REGISTERS: u64 = core::mem::offset_of!(Self, registers) as u64;

    /// Whether every field is in its range, as instructions rely on; for state that came from a
    /// snapshot.
    pub fn is_possible(&self) -> bool {
        let legal = self.vtype.is_none_or(|vtype| Vtype::new(vtype.bits()).is_some());
        legal
            && usize::from(self.vl) <= self.vtype.map_or(0, Vtype::max_length)
            && self.vstart < 128
            && self.vxrm < 4
    }

    /// The first of a group of whole registers that holds elements of `1 << width` bytes, `vl` of
    /// them from the start; `None` where such a group may not be, or work starts elsewhere.
    #[inline(always)]
    pub fn group(&mut self, register: u8, width: u32) -> Option<*mut u8> {
        let vtype = self.vtype?;
        let multiplier = vtype.multiplier() + width as i32 - vtype.width() as i32;
        let registers = 1_u8 << multiplier.clamp(0, 3);
        let possible = (-3..=3).contains(&multiplier) && register & (registers - 1) == 0;
        (possible && self.vstart == 0).then(|| self.register(register))
    }

    /// The first byte of a register.
    #[inline(always)]
    pub fn register(&mut self, register: u8) -> *mut u8 {
        self.registers.as_mut_ptr().wrapping_add(register as usize & 31).cast()
    }

    /// All registers, one after the other.
    pub fn bytes(&self) -> &[u8] {
        self.registers.as_flattened()
    }

    /// All registers, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.registers.as_flattened_mut()
    }

    /// A register as a mask, element 0 in bit 0.
    pub fn mask(&self, register: u8) -> u128 {
        u128::from_le_bytes(self.registers[register as usize & 31])
    }

    /// Writes a register as a mask.
    pub fn set_mask(&mut self, register: u8, mask: u128) {
        self.registers[register as usize & 31] = mask.to_le_bytes();
    }

    /// Element `index` of the group at `register`, of `1 << width` bytes, zero-extended.
    #[inline(always)]
    pub fn element(&self, register: u8, width: u32, index: usize) -> u64 {
        let start = byte_offset(register, width, index);
        match width {
            0 => u64::from(self.bytes()[start]),
            1 => u64::from(u16::from_le_bytes(self.array(start))),
            2 => u64::from(u32::from_le_bytes(self.array(start))),
            _ => u64::from_le_bytes(self.array(start)),
        }
    }

    /// [`Self::element`], sign-extended.
    #[inline(always)]
    pub fn signed_element(&self, register: u8, width: u32, index: usize) -> u64 {
        sign_extend(self.element(register, width, index), width)
    }

    /// Writes element `index` of the group at `register`.
    #[inline(always)]
    pub fn set_element(&mut self, register: u8, width: u32, index: usize, value: u64) {
        let start = byte_offset(register, width, index);
        let bytes = &mut self.bytes_mut()[start..];
        // A copy of a length that is known becomes a store.
        match width {
            0 => bytes[0] = value as u8,
            1 => bytes[..2].copy_from_slice(&(value as u16).to_le_bytes()),
            2 => bytes[..4].copy_from_slice(&(value as u32).to_le_bytes()),
            _ => bytes[..8].copy_from_slice(&value.to_le_bytes()),
        }
    }

    #[inline(always)]
    fn array<const N: usize>(&self, start: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes()[start..start + N]);
        array
    }
}

#[inline(always)]
fn byte_offset(register: u8, width: u32, index: usize) -> usize {
    register as usize * VLENB + (index << width)
}

/// The low `1 << width` bytes of `value`, sign-extended.
#[inline(always)]
pub fn sign_extend(value: u64, width: u32) -> u64 {
    let unused = 64 - (8 << width);
    ((value << unused) as i64 >> unused) as u64
}

/// The low `1 << width` bytes of `value`.
#[inline(always)]
pub fn zero_extend(value: u64, width: u32) -> u64 {
    let unused = 64 - (8 << width);
    value << unused >> unused
}

/// The bits below `count`.
#[inline]
pub fn low_bits(count: usize) -> u128 {
    if count >= 128 { u128::MAX } else { (1 << count) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_type_has_at_least_one_element() {
        let lengths = |multiplier: u64| {
            [0, 1, 2, 3, 4]
                .map(|width| Vtype::new(width << 3 | multiplier).map_or(0, Vtype::max_length))
        };
        assert_eq!(lengths(3), [128, 64, 32, 16, 0]);
        assert_eq!(lengths(0), [16, 8, 4, 2, 0]);
        assert_eq!(lengths(7), [8, 4, 2, 0, 0]);
        assert_eq!(lengths(5), [2, 0, 0, 0, 0]);
        assert_eq!(lengths(4), [0; 5]);
        assert_eq!(Vtype::new(1 << 8), None);
        assert_eq!(Vtype::new(1 << 63), None);
        assert_eq!(Vtype::new(0xc3).map(Vtype::bits), Some(0xc3));
        assert_eq!(size_of::<Option<Vtype>>(), 1);
    }

    #[test]
    fn state_out_of_range_is_impossible() {
        let sane = VectorState { vtype: Vtype::new(3), vl: 128, ..VectorState::default() };
        assert!(sane.is_possible() && VectorState::default().is_possible());
        let wrong = [
            VectorState { vtype: Vtype::new(2), ..sane.clone() },
            VectorState { vtype: None, ..sane.clone() },
            VectorState { vstart: 128, ..sane.clone() },
            VectorState { vxrm: 4, ..sane },
        ];
        assert!(wrong.iter().all(|state| !state.is_possible()));
        let reserved = [4, 0x20, 0xff];
        assert!(reserved.iter().all(|bits| postcard::from_bytes::<Vtype>(&[*bits]).is_err()));
    }
}
