//! The V extension, Zvfhmin and Zvbb.
//!
//! A register group has at most 128 bytes, and as many elements: a set of elements is a `u128`. An
//! instruction computes the set [`Vop::active`] and leaves all others undisturbed, which is what
//! the agnostic policies allow too.
//!
//! Common operations are loops over bytes of a group that the compiler can vectorize, one for each
//! element width ([`lanes`]); the others go element by element in 64 bits ([`elements`]).

mod bits;
mod config;
mod convert;
mod elements;
mod estimate;
mod fixed;
mod float;
mod integer;
mod lanes;
mod mask;
mod memory;
mod permute;
mod reduce;
#[cfg(test)]
mod type_tests;
mod wide;

use crate::engine::bus::Bus;
use crate::riscv::hart::Hart;
use crate::riscv::isa::{Format, Insn, Opcode};
use crate::riscv::trap::Trap;
use crate::riscv::vector::{VectorState, Vtype, low_bits};
use crate::softfloat::{self as soft, F32, F64, RoundingMode};

/// A vector instruction at work on registers. Its methods return `None` when the instruction is
/// illegal; nothing has then changed.
struct Vop<'a> {
    insn: &'a Insn,
    v: &'a mut VectorState,
    /// log2 of the bytes of an element (SEW).
    width: u32,
    /// log2 of the registers of a group (LMUL).
    multiplier: i32,
    /// Vector length.
    vl: usize,
    /// Where the instruction starts: elements below have been done.
    start: usize,
    /// Whether `v0` selects elements.
    masked: bool,
    /// The elements to compute.
    active: u128,
    /// Whether the second operand is the vector `vs1`, not the scalar.
    has_vs1: bool,
    /// The scalar operand: `x[rs1]`, `f[rs1]` or the immediate.
    scalar: u64,
    /// Rounding mode of floating point, and the exceptions raised.
    rounding: RoundingMode,
    flags: u8,
    /// The host's arithmetic may be used where only the inexact flag can be raised.
    fast: bool,
}

impl Hart {
    /// An instruction of the V extension.
    pub(super) fn vector(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Result<(), Trap> {
        if !self.state.csrs.vector_enabled() {
            return Err(Self::illegal(insn));
        }
        match insn.opcode.format() {
            Format::VSetVli | Format::VSetIvli | Format::VSetVl => self.set_vector_type(insn),
            Format::VMem | Format::VMemStrided | Format::VMemIndexed => {
                self.vector_memory(insn, bus)?;
            }
            _ => self.vector_arithmetic(insn).ok_or(Self::illegal(insn))?,
        }
        self.state.mark_vector_dirty();
        self.state.vector.vstart = 0;
        Ok(())
    }

    fn vector_arithmetic(&mut self, insn: &Insn) -> Option<()> {
        // Bits 14:12 tell integers (IVV, IVX, IVI; MVV, MVX) from floating point (FVV, FVF).
        let is_float = matches!(insn.rm, 1 | 5);
        if is_float && !self.state.csrs.fp_enabled() {
            return None;
        }
        let rounding = RoundingMode::from_bits(self.state.csrs.frm);
        if is_float && rounding.is_none() {
            return None;
        }
        let vtype = self.state.vector.vtype.or(type_of_whole_move(insn.opcode))?;
        let format = insn.opcode.format();
        let width = vtype.width();
        let scalar = match format {
            Format::Vx | Format::Vxm | Format::VxAcc | Format::VFromX => self.x(insn.rs1),
            Format::Vf | Format::Vfm | Format::VfAcc | Format::VFromF => {
                self.vector_scalar(insn.rs1, width)
            }
            _ => insn.imm as u64,
        };
        let takes_carry = matches!(format, Format::Vvm | Format::Vxm | Format::Vim | Format::Vfm);
        let masked = !insn.unmasked() && !takes_carry;
        let (vl, start) = (self.state.vector.vl as usize, self.state.vector.vstart as usize);
        let mask = if masked { self.state.vector.mask(0) } else { u128::MAX };
        let fast =
            rounding == Some(RoundingMode::NearestEven) && self.state.csrs.fflags & soft::NX != 0;
        let mut vop = Vop {
            insn,
            width,
            multiplier: vtype.multiplier(),
            vl,
            start,
            masked,
            active: low_bits(vl) & !low_bits(start) & mask,
            has_vs1: matches!(format, Format::Vv | Format::Vvm | Format::VvAcc | Format::VFromV),
            scalar,
            rounding: rounding.unwrap_or(RoundingMode::NearestEven),
            flags: 0,
            fast,
            v: &mut self.state.vector,
        };
        let mut integer = None;
        let mut float = None;
        match (format, is_float) {
            (Format::VToX, _) => integer = Some(vop.to_integer()?),
            (Format::VToF, _) => float = Some(vop.to_float()?),
            (_, true) => vop.float()?,
            (_, false) => vop.integer()?,
        }
        let flags = vop.flags;
        if let Some(value) = integer {
            self.set_x(insn.rd, value);
        }
        if let Some(value) = float {
            self.state.f[insn.rd as usize & 31] = value;
        }
        if is_float {
            self.accrue_vector(flags);
        }
        Some(())
    }

    /// A floating-point register as an operand of elements of a width: the canonical NaN unless
    /// it is boxed.
    fn vector_scalar(&self, register: u8, width: u32) -> u64 {
        use soft::Format;
        let value = self.state.f[register as usize & 31];
        if width == 3 { F64::unbox(value) } else { F32::unbox(value) }
    }

    /// Adds floating-point exceptions, and marks that state dirty.
    fn accrue_vector(&mut self, flags: u8) {
        let before = (self.state.csrs.fflags, self.state.csrs.sstatus);
        self.state.csrs.accrue(flags);
        if before != (self.state.csrs.fflags, self.state.csrs.sstatus) {
            self.sync();
        }
    }
}

/// The type under which whole registers are moved while `vtype` is not set (`vill`).
///
/// V 1.0 excepts only loads and stores of whole registers from what is illegal then, and QEMU goes by
/// that. Linux sets `vill` at every system call, and code generators (QEMU's own) move registers
/// behind one without setting a type, since there are harts that let them: so does this one.
fn type_of_whole_move(opcode: Opcode) -> Option<Vtype> {
    use Opcode::{Vmv1rV, Vmv2rV, Vmv4rV, Vmv8rV};
    // Bytes, which `vstart` then counts.
    matches!(opcode, Vmv1rV | Vmv2rV | Vmv4rV | Vmv8rV).then(|| Vtype::from_legal(0))
}

/// Illegal unless `condition` holds.
fn require(condition: bool) -> Option<()> {
    condition.then_some(())
}

/// Registers of a group.
fn size(multiplier: i32) -> u8 {
    1 << multiplier.clamp(0, 3)
}

/// Whether a group of `1 << multiplier` registers may start at `register`.
fn aligned(register: u8, multiplier: i32) -> bool {
    (-3..=3).contains(&multiplier) && register & (size(multiplier) - 1) == 0
}

/// Whether two groups, given by first register and multiplier, share a register.
fn overlap(a: (u8, i32), b: (u8, i32)) -> bool {
    a.0 < b.0 + size(b.1) && b.0 < a.0 + size(a.1)
}

/// Whether a destination may be where it is, seen from a source whose elements have another width:
/// apart, in the source's lowest part when the elements are narrower than the source's, or holding
/// the source (of whole registers) in its highest part when they are wider.
fn may_overlap(destination: (u8, i32), source: (u8, i32)) -> bool {
    if !overlap(destination, source) {
        return true;
    }
    if size(destination.1) > size(source.1) {
        let end = |group: (u8, i32)| group.0 + size(group.1);
        return source.1 >= 0 && end(destination) == end(source);
    }
    destination.1 < source.1 && destination.0 == source.0
}

impl Vop<'_> {
    /// Whether `v0`, read as a mask, is also written: then only a mask or a scalar may go there.
    fn spares_mask(&self) -> Option<()> {
        require(!self.masked || self.insn.rd != 0)
    }

    /// Whether a source group may be there: not in `v0` when that is also read as a mask, since a
    /// register has one element width in an instruction. Where QEMU does not mind (comparisons,
    /// carries, reductions), neither does this.
    fn reads(&self, register: u8) -> Option<()> {
        require(self.insn.unmasked() || register != 0)
    }

    /// Whether the sources `vs2` and `vs1` of different widths are apart.
    fn sources_apart(&self, vs2: i32, vs1: i32) -> Option<()> {
        require(!self.has_vs1 || !overlap((self.insn.rs2, vs2), (self.insn.rs1, vs1)))
    }

    /// Whether `vd` is an operand, too.
    fn reads_vd(&self) -> bool {
        matches!(self.insn.opcode.format(), Format::VvAcc | Format::VxAcc | Format::VfAcc)
    }

    /// Legality of an operation on groups of the same width: `vs2`, maybe `vs1`, to `vd`.
    fn check_single_width(&self) -> Option<()> {
        let lmul = self.multiplier;
        require(aligned(self.insn.rd, lmul) && aligned(self.insn.rs2, lmul))?;
        self.reads(self.insn.rs2)?;
        if self.has_vs1 {
            require(aligned(self.insn.rs1, lmul))?;
            self.reads(self.insn.rs1)?;
        }
        self.spares_mask()
    }

    /// Whether the instruction starts at its first element, as those must that compute a whole.
    fn starts_at_zero(&self) -> Option<()> {
        require(self.start == 0)
    }

    /// Any instruction of the integer categories that writes a vector.
    fn integer(&mut self) -> Option<()> {
        match self.insn.rm {
            2 | 6 => self.multiplying(),
            _ => self.arithmetic(),
        }
    }
}
