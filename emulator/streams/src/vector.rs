//! Vector instructions of a stream.

use super::asm::set;
use super::generate::{Item, rounding_mode};
use super::list::Encoding;
use super::operands::{Random, integer};
use super::program::{DATA, DATA_LENGTH, INDEX_TABLES, INDICES, VALUES, VALUES_LENGTH};
use super::stream::Insn;
use super::values;

/// The register length in bits, as the profile of [`super::qemu`] is asked for.
const VLEN: u32 = 128;

/// A supported `vtype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorType {
    /// log2 of the element width in bytes.
    sew: u32,
    /// log2 of the group's length in registers.
    lmul: i32,
    /// `vta` and `vma`. QEMU leaves agnostic elements as they are unless it is told to fill them,
    /// and the emulator does the same, so they are compared like all others (unprivileged ISA,
    /// "Vector Tail Agnostic and Vector Mask Agnostic": both are allowed).
    agnostic: u32,
}

impl VectorType {
    pub fn random(random: &mut Random) -> Self {
        let sew = random.below(4) as u32;
        // A fraction of a register holds an element at least: SEW <= LMUL * ELEN.
        let lowest = sew as i32 - 3;
        let lmul = lowest + random.below((4 - lowest) as u64) as i32;
        Self { sew, lmul, agnostic: random.below(4) as u32 }
    }

    pub fn bits(self) -> u32 {
        self.lmul as u32 & 7 | self.sew << 3 | self.agnostic << 6
    }

    /// Whether an instruction has, with this type, operands that exist: floating-point numbers of
    /// 32 or 64 bits, elements of twice the width in groups of twice the length.
    fn suits(self, mnemonic: &str) -> bool {
        let narrow = self.sew < 3 && self.lmul < 3;
        let half = mnemonic.contains("cvt.f.") || mnemonic.starts_with("vfn");
        match mnemonic {
            _ if mnemonic.starts_with("vfw") || mnemonic.starts_with("vfn") => {
                narrow && self.sew >= if half { 1 } else { 2 }
            }
            _ if mnemonic.starts_with("vf") || mnemonic.starts_with("vmf") => self.sew >= 2,
            _ if mnemonic.starts_with("vw") || mnemonic.starts_with("vn") => narrow,
            _ => !mnemonic.ends_with('8') || self.sew == 3,
        }
    }

    /// Whether a load or store of elements of its own width has a group for as many of them.
    fn has_group(self, row: &Encoding) -> bool {
        !row.operands.contains(&"nf")
            || (-3..=3).contains(&(self.lmul + named_width(row.bits) - self.sew as i32))
    }

    pub fn vlmax(self) -> u32 {
        let elements = (VLEN / 8) >> self.sew;
        if self.lmul < 0 { elements >> -self.lmul } else { elements << self.lmul }
    }
}

/// Registers of a group of 2^lmul, one at least.
fn registers(lmul: i32) -> u32 {
    1 << lmul.clamp(0, 3)
}

/// An item around an instruction of the row.
pub fn generate(item: &mut Item<'_>, row: &Encoding) {
    if row.mnemonic.starts_with("vset") {
        let new = VectorType::random(item.random);
        let supported = is_supported(item);
        return configure(item, row.mnemonic, new, supported);
    }
    let usual = item.usual_vectors;
    let suits = |new: VectorType| new.suits(row.mnemonic) && (!usual || new.has_group(row));
    let unnamed = usual && !item.type_is_named;
    let keeps = suits(item.vector_type) || !usual && item.once_in(8);
    let needs = WHOLE_MOVES.contains(&row.mnemonic);
    if !keeps || unnamed || needs || item.once_in(if usual { 2 } else { 3 }) {
        let named = ["vsetvli", "vsetivli"];
        let mnemonic = match usual {
            true => named[item.below(2) as usize],
            false => ["vsetvli", "vsetvl", "vsetivli"][item.below(3) as usize],
        };
        let new = loop {
            let new = VectorType::random(item.random);
            if suits(new) {
                break new;
            }
        };
        let supported = needs || is_supported(item);
        configure(item, mnemonic, new, supported);
    }
    let bits = row.bits | item.random.next() as u32 & !row.mask;
    let unmasked = usual && row.operands.contains(&"vm");
    let bits = if unmasked { set(bits, "vm", 1) } else { bits };
    let memory = matches!(row.bits & 0x7f, 0x07 | 0x27);
    if memory { access(item, row, bits) } else { arithmetic(item, row, bits) }
}

/// Moves of whole registers, by the logarithm of how many. Where `vtype` has `vill`, the emulator does
/// them and QEMU does not, so they come right behind a supported type.
const WHOLE_MOVES: [&str; 4] = ["vmv1r.v", "vmv2r.v", "vmv4r.v", "vmv8r.v"];

/// Whether the next type to be set is a supported one.
fn is_supported(item: &mut Item<'_>) -> bool {
    item.usual_vectors || !item.once_in(24)
}

/// Sets `vtype` and `vl`: to `new`, or to a type that is not supported.
fn configure(item: &mut Item<'_>, mnemonic: &str, new: VectorType, supported: bool) {
    let old = item.vector_type;
    if supported {
        item.vector_type = new;
        item.type_is_named = mnemonic != "vsetvl";
    }
    let vtype = if supported { new.bits().into() } else { unsupported(item.random) };
    let vlmax = u64::from(new.vlmax());
    let length = match item.below(8) {
        0 if !item.usual_vectors => 0,
        1 => vlmax,
        2 => vlmax + item.below(vlmax + 3),
        3 => integer(item.random),
        _ => item.below(vlmax) + 1,
    };
    let rd = item.destination();
    if mnemonic == "vsetivli" {
        let operands = [("rd", rd), ("zimm5", length.min(31) as u32), ("zimm10", vtype as u32)];
        return item.word(mnemonic, &operands);
    }
    // x0 stands for the longest vector, or with rd = x0 for the length as it is: that is reserved
    // if the longest vector changes (unprivileged ISA, "AVL encoding").
    let keeps = rd == 0 && old.vlmax() == new.vlmax() && supported;
    let rs1 = if (rd != 0 || keeps) && item.once_in(5) { 0 } else { item.loaded(length) };
    if mnemonic == "vsetvl" {
        let rs2 = apart(item, vtype, &[rs1]);
        item.word(mnemonic, &[("rd", rd), ("rs1", rs1), ("rs2", rs2)]);
    } else {
        item.word(mnemonic, &[("rd", rd), ("rs1", rs1), ("zimm11", vtype as u32)]);
    }
    if rd != 0 {
        item.insns.push(Insn::Save(rd));
    }
}

/// A `vtype` that sets `vill`: reserved bits, no such group, no such width, or elements longer than
/// the fraction of a register that SEW <= LMUL * ELEN allows. The last may be supported
/// (unprivileged ISA, "Vector Register Grouping"), but neither QEMU nor the emulator does.
fn unsupported(random: &mut Random) -> u64 {
    let any = integer(random);
    match random.below(4) {
        0 => any | 0x100,
        1 => any & 0xf8 | 4,
        2 => any & 0xff | 0x20,
        _ => any & 0xc0 | 5 | (1 + random.below(3)) << 3,
    }
}

/// A register with this value, another than those.
fn apart(item: &mut Item<'_>, value: u64, others: &[u32]) -> u32 {
    loop {
        let rd = item.holder();
        if !others.contains(&rd) {
            item.insns.push(Insn::Load { rd, value });
            return rd;
        }
    }
}

/// A register group, mostly an aligned one.
fn group(item: &mut Item<'_>, lmul: i32) -> u32 {
    let register = item.below(32) as u32;
    let aligned = item.usual_vectors || !item.once_in(16);
    if aligned { register & !(registers(lmul) - 1) } else { register }
}

/// Fills a group from a place in memory; `others` keep their values.
fn fill(item: &mut Item<'_>, group: u32, lmul: i32, address: u64, others: &[u32]) {
    let count = registers(lmul);
    let whole = ["vl1re8.v", "vl2re8.v", "vl4re8.v", "vl8re8.v"];
    if group.is_multiple_of(count) {
        let base = apart(item, address, others);
        let mnemonic = whole[count.trailing_zeros() as usize];
        return item.word(mnemonic, &[("vd", group), ("rs1", base)]);
    }
    for index in 0..count {
        let base = apart(item, address + 16 * u64::from(index), others);
        item.word("vl1re8.v", &[("vd", (group + index) % 32), ("rs1", base)]);
    }
}

const VSTART: (&str, u32) = ("csr", 8);

/// Now and then, lets the instruction begin in the middle, at one of so many elements. A `vstart`
/// that no element has is reserved (unprivileged ISA, "Vector Start Index CSR"). Whether it did.
fn set_start(item: &mut Item<'_>, elements: u32, others: &[u32]) -> bool {
    if item.usual_vectors || !item.once_in(8) {
        return false;
    }
    let start = item.below(elements.into());
    if start < 32 {
        item.word("csrrwi", &[VSTART, ("zimm5", start as u32)]);
    } else {
        let rs1 = apart(item, start, others);
        item.word("csrrw", &[VSTART, ("rs1", rs1)]);
    }
    true
}

/// Keeps where an instruction stopped; the next one begins at its first element.
fn take_start(item: &mut Item<'_>) {
    if item.usual_vectors {
        return;
    }
    let rd = item.holder();
    item.word("csrrwi", &[VSTART, ("rd", rd)]);
    item.insns.push(Insn::Save(rd));
}

/// How much longer than LMUL the groups of `vd` and `vs2` are, as powers of two.
fn widening(mnemonic: &str) -> (i32, i32) {
    let wide_source = i32::from(mnemonic.contains(".w"));
    match mnemonic {
        _ if mnemonic.contains("red") => (-3, 0),
        _ if mnemonic.starts_with("vw") || mnemonic.starts_with("vfw") => (1, wide_source),
        _ if mnemonic.starts_with("vn") || mnemonic.starts_with("vfn") => (0, wide_source),
        _ => (0, 0),
    }
}

fn arithmetic(item: &mut Item<'_>, row: &Encoding, bits: u32) {
    let whole = WHOLE_MOVES.iter().position(|mnemonic| *mnemonic == row.mnemonic);
    let lmul = whole.map_or(item.vector_type.lmul, |log2| log2 as i32);
    let (wider_vd, wider_vs2) = widening(row.mnemonic);
    let mut bits = bits;
    let mut kept = Vec::new();
    for operand in &row.operands {
        match *operand {
            "vd" => bits = set(bits, "vd", group(item, lmul + wider_vd)),
            "vs1" | "vs2" => {
                let lmul = lmul + if *operand == "vs2" { wider_vs2 } else { 0 };
                let register = group(item, lmul);
                bits = set(bits, operand, register);
                if item.once_in(2) {
                    let address = VALUES + 16 * item.below((VALUES_LENGTH - 128) / 16);
                    fill(item, register, lmul, address, &kept);
                }
            }
            "rs1" if item.once_in(2) => {
                let value = if item.once_in(2) { item.below(200) } else { integer(item.random) };
                let rs1 = apart(item, value, &kept);
                kept.push(rs1);
                bits = set(bits, "rs1", rs1);
            }
            "fs1" if item.once_in(2) => {
                let fd = item.below(32) as u32;
                let value = values::float(item.random);
                item.insns.push(Insn::LoadFloat { fd, value });
                bits = set(bits, "fs1", fd);
            }
            "rd" => bits = set(bits, "rd", item.destination()),
            _ => {}
        }
    }
    observed(item, row, bits, &kept);
}

/// The instruction, with modes set before it and flags read after it, now and then.
fn observed(item: &mut Item<'_>, row: &Encoding, bits: u32, kept: &[u32]) {
    const FLAGS: [u32; 2] = [1, 9];
    const FRM: (&str, u32) = ("csr", 2);
    const VXRM: (&str, u32) = ("csr", 0xa);
    let float = row.mnemonic.starts_with("vf") || row.mnemonic.starts_with("vmf");
    if !item.usual_vectors && item.once_in(4) {
        let mode = rounding_mode(item.random) as u32;
        match float {
            true => item.word("csrrwi", &[FRM, ("zimm5", mode)]),
            false => item.word("csrrwi", &[VXRM, ("zimm5", mode & 3)]),
        }
    }
    let flags = ("csr", FLAGS[usize::from(!float)]);
    let observed = !item.usual_vectors && item.once_in(3);
    if observed {
        item.word("csrrwi", &[flags]);
    }
    let started = set_start(item, item.vector_type.vlmax(), kept);
    item.insns.push(Insn::Word(bits));
    if started {
        take_start(item);
    }
    if observed {
        let rd = item.holder();
        item.word("csrrs", &[flags, ("rd", rd)]);
        item.insns.push(Insn::Save(rd));
    }
    if row.operands.contains(&"rd") {
        item.insns.push(Insn::Save(bits >> 7 & 31));
    }
    if row.operands.contains(&"fd") {
        item.insns.push(Insn::SaveFloat(bits >> 7 & 31));
    }
}

/// log2 of the bytes of the elements that a load or store names.
fn named_width(bits: u32) -> i32 {
    [0, 0, 0, 0, 0, 1, 2, 3][(bits >> 12 & 7) as usize]
}

/// A load or store.
fn access(item: &mut Item<'_>, row: &Encoding, bits: u32) {
    let has = |operand: &str| row.operands.contains(&operand);
    let VectorType { sew, lmul, .. } = item.vector_type;
    // The element width in the instruction is the index's if there is one.
    let width = named_width(bits);
    let named_lmul = lmul + width - sew as i32;
    let (data, data_lmul) = if has("vs2") { (sew, lmul) } else { (width as u32, named_lmul) };
    let mut bits = bits;
    if has("nf") && (item.usual_vectors || !item.once_in(3)) {
        bits = set(bits, "nf", 0);
    }
    // Whole registers are numbered by how many there are.
    let data_lmul = if has("vm") { data_lmul } else { (bits >> 29).count_ones() as i32 };
    let vd = group(item, data_lmul);
    bits = set(bits, "vd", vd);
    let inside = item.usual_vectors && !item.once_in(16);
    let address = if inside {
        values::inside(item.random, 512)
    } else if row.mnemonic.ends_with("ff.v") {
        first_fault_address(item, u64::from((bits >> 29) + 1) << data)
    } else {
        address(item, 1 << data)
    };
    let base = item.loaded(address);
    bits = set(bits, "rs1", base);
    if has("vs2") {
        let indices = group(item, named_lmul);
        let table = INDEX_TABLES * width as u64 + item.below(INDEX_TABLES);
        fill(item, indices, named_lmul, INDICES + 128 * table, &[base]);
        bits = set(bits, "vs2", indices);
    }
    if has("rs2") {
        let size = 1_u64 << data;
        let strides = [0, size, size.wrapping_neg(), 8, 16, 3, 24, 7_u64.wrapping_neg()];
        let stride = strides[item.below(8) as usize];
        bits = set(bits, "rs2", apart(item, stride, &[base]));
    }
    // Whole registers have a length of their own, and QEMU fails its own assertion where `vstart`
    // is behind it.
    let whole = (((bits >> 29) + 1) * 16) >> width;
    let vlmax = item.vector_type.vlmax();
    let elements = if has("vm") { vlmax } else { whole.min(vlmax) };
    set_start(item, elements, &[base, bits >> 20 & 31]);
    item.insns.push(Insn::Word(bits));
    take_start(item);
}

/// Where a fault-only-first load begins: pages end between two segments, for QEMU 10 fails its own
/// assertion where one crosses a page's end.
fn first_fault_address(item: &mut Item<'_>, segment: u64) -> u64 {
    let end = if item.once_in(4) { DATA + DATA_LENGTH / 2 } else { DATA + DATA_LENGTH };
    end - segment * item.below(24)
}

/// Where an access begins: inside the data pages, or so that it crosses a page or an end of them.
fn address(item: &mut Item<'_>, size: u64) -> u64 {
    const PAGE: u64 = 4096;
    let address = match item.below(16) {
        0 => DATA + DATA_LENGTH - item.below(160),
        1 => DATA - item.below(64),
        2..5 => DATA + PAGE - item.below(200),
        5 if item.once_in(4) => item.below(PAGE),
        _ => values::inside(item.random, 512),
    };
    if item.once_in(4) { address } else { address & !(size - 1) }
}
