//! Makes streams from the list of encodings: what the emulator's own table lacks is found, too.

use super::asm::{Rows, set};
use super::compressed;
use super::list::{Encoding, encodings};
use super::operands::{Random, integer};
use super::program::{BLOCK_REGISTERS, CSRS, F, SLOTS, V};
use super::stream::{Insn, Stream};
use super::values;
use super::vector::{self, VectorType};

/// What a stream consists of mostly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Integer,
    Atomic,
    Compressed,
    Float,
    Vector,
    Illegal,
}

const THEMES: [Theme; 6] =
    [Theme::Integer, Theme::Atomic, Theme::Compressed, Theme::Float, Theme::Vector, Theme::Illegal];

fn theme_of(extension: &str) -> Theme {
    match extension {
        "A" | "Zicbom" | "Zicboz" => Theme::Atomic,
        "C" | "Zcb" | "Zcmop" => Theme::Compressed,
        "F" | "D" | "Zfa" | "Zfhmin" => Theme::Float,
        "V" | "Zvbb" => Theme::Vector,
        _ => Theme::Integer,
    }
}

/// Makes streams.
pub struct Generator {
    pub rows: Rows,
    list: Vec<Encoding>,
    /// Of the rows that the emulator has to execute, those of each theme.
    themes: Vec<(Theme, Vec<Encoding>)>,
    /// Whether there are vectors.
    pub vectors: bool,
    /// Whether half of the floating-point arithmetic is as programs do it.
    usual_floats: bool,
    /// Rows that most vector instructions are of, if they are to be as programs have them.
    usual_vectors: Vec<Encoding>,
}

impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

impl Generator {
    pub fn new() -> Self {
        let list = encodings();
        // A system call of a stream would be one of the host's.
        let ours: Vec<_> = list.iter().filter(|row| row.mnemonic != "ecall").collect();
        let rows_of = |theme: Theme| {
            let rows = ours.iter().filter(|row| theme_of(row.extension) == theme);
            (theme, rows.map(|&row| row.clone()).collect::<Vec<_>>())
        };
        let themes: Vec<_> = THEMES
            .into_iter()
            .map(rows_of)
            .filter(|(theme, rows)| *theme == Theme::Illegal || !rows.is_empty())
            .collect();
        let vectors = themes.iter().any(|(theme, _)| *theme == Theme::Vector);
        Self {
            rows: Rows::new(),
            list,
            themes,
            vectors,
            usual_floats: false,
            usual_vectors: Vec::new(),
        }
    }

    /// The same without some instructions: those that mean something else where the streams run.
    pub fn without(mut self, mnemonics: &[&str]) -> Self {
        for (_, rows) in &mut self.themes {
            rows.retain(|row| !mnemonics.contains(&row.mnemonic));
        }
        self
    }

    /// The same with environment calls, for where they mean nothing.
    pub fn with_environment_calls(mut self) -> Self {
        let calls = self.list.iter().filter(|row| row.mnemonic == "ecall");
        let calls: Vec<_> = calls.cloned().collect();
        let integers = self.themes.iter_mut().filter(|(theme, _)| *theme == Theme::Integer);
        integers.for_each(|(_, rows)| rows.extend(calls.iter().cloned()));
        self
    }

    /// The same with much floating-point arithmetic as programs do it: on ordinary numbers, rounded
    /// to nearest, with the inexact flag set already. What is fast is fast only then.
    pub fn with_usual_floats(self) -> Self {
        Self { usual_floats: true, ..self }
    }

    /// The same for streams that are vectors mostly, most of them these instructions as programs
    /// have them: on all elements from the first one on, of a type that the code names.
    pub fn with_usual_vectors(mut self, mnemonics: &[&str]) -> Self {
        let usual = self.list.iter().filter(|row| mnemonics.contains(&row.mnemonic));
        self.usual_vectors = usual.cloned().collect();
        self.themes.retain(|(theme, _)| *theme == Theme::Vector);
        self
    }

    /// The stream of a seed.
    pub fn stream(&self, seed: u64) -> Stream {
        let mut random = Random(seed);
        let block_register = random.below(BLOCK_REGISTERS.len() as u64) as usize;
        let theme = self.themes[(seed % self.themes.len() as u64) as usize].0;
        let vector_type = VectorType::random(&mut random);
        let mut state = state(&mut random, vector_type);
        if self.usual_floats && random.below(4) > 0 {
            state[CSRS..CSRS + 8].copy_from_slice(&USUAL_FCSR.to_le_bytes());
        }
        let mut stream = Stream { seed, block_register, state, items: Vec::new() };
        let mut item = Item {
            generator: self,
            random: &mut random,
            block: BLOCK_REGISTERS[block_register],
            vector_type,
            usual_vectors: !self.usual_vectors.is_empty(),
            type_is_named: false,
            insns: Vec::new(),
        };
        // Vector registers are few, and each instruction may write eight of them.
        let length = if theme == Theme::Vector { 14 } else { 30 };
        for _ in 0..length {
            let theme = match item.random.below(5) {
                0 => self.themes[item.random.below(self.themes.len() as u64) as usize].0,
                _ => theme,
            };
            item.generate(theme);
            let insns = std::mem::take(&mut item.insns);
            if !stream.has_room_for(&insns) {
                break;
            }
            stream.items.push(insns);
        }
        stream
    }

    /// The row that an instruction is of, for messages and for counting.
    pub fn row_of(&self, insn: Insn) -> Option<&Encoding> {
        let found = |compressed: bool, bits: u32| {
            self.list.iter().find(|row| {
                row.compressed == compressed
                    && match compressed {
                        true => compressed::legal(row, bits as u16),
                        false => row.matches(bits),
                    }
            })
        };
        match insn {
            Insn::Word(bits) => found(false, bits),
            Insn::Half(bits) => found(true, bits.into()),
            _ => None,
        }
    }

    /// All rows that streams are made of.
    pub fn made_of(&self) -> impl Iterator<Item = &Encoding> {
        self.themes.iter().flat_map(|(_, rows)| rows)
    }
}

/// A block's first part: the registers to start with.
fn state(random: &mut Random, vector_type: VectorType) -> Vec<u8> {
    let mut state = vec![0; SLOTS];
    let mut put = |at: usize, value: u64| state[at..at + 8].copy_from_slice(&value.to_le_bytes());
    for register in 1..32 {
        put(8 * register, integer(random));
    }
    for register in 0..32 {
        put(F + 8 * register, values::float(random));
    }
    for half in 0..64 {
        put(V + 8 * half, values::vector_chunk(random));
    }
    let fcsr = random.below(32) | rounding_mode(random) << 5;
    let vl = random.below(u64::from(vector_type.vlmax()) + 1);
    let numbers = [fcsr, vector_type.bits().into(), vl, random.below(8), 0];
    for (index, number) in numbers.into_iter().enumerate() {
        put(CSRS + 8 * index, number);
    }
    state
}

/// Round to nearest, inexact.
const USUAL_FCSR: u64 = 1;

/// A rounding mode, seldom a reserved one.
pub fn rounding_mode(random: &mut Random) -> u64 {
    if random.below(16) == 0 { random.below(8) } else { random.below(5) }
}

/// QEMU 10 leaves out `froundnx.d` and some others of Zfa, flags and all, if nothing reads the
/// result.
fn must_be_used(row: &Encoding) -> bool {
    row.extension == "Zfa"
}

/// An item in the making.
pub struct Item<'a> {
    pub generator: &'a Generator,
    pub random: &'a mut Random,
    /// The register that must not change.
    pub block: u32,
    /// What `vtype` was last set to.
    pub vector_type: VectorType,
    /// Whether vector instructions are as programs have them.
    pub usual_vectors: bool,
    /// Whether the code has said what `vtype` is.
    pub type_is_named: bool,
    pub insns: Vec<Insn>,
}

impl Item<'_> {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.random.below(limit)
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// An integer register that may be written.
    pub fn destination(&mut self) -> u32 {
        loop {
            let register = self.below(32) as u32;
            if register != self.block {
                return register;
            }
        }
    }

    /// An integer register that can hold a value.
    pub fn holder(&mut self) -> u32 {
        loop {
            let register = self.destination();
            if register != 0 {
                return register;
            }
        }
    }

    pub fn word(&mut self, mnemonic: &str, operands: &[(&str, u32)]) {
        self.insns.push(Insn::Word(self.generator.rows.insn(mnemonic, operands)));
    }

    /// A new register with this value.
    pub fn loaded(&mut self, value: u64) -> u32 {
        let rd = self.holder();
        self.insns.push(Insn::Load { rd, value });
        rd
    }

    /// Something that shows whether it was jumped over.
    pub fn filler(&mut self) {
        let rd = self.holder();
        self.word("addi", &[("rd", rd), ("rs1", rd), ("imm12", 1)]);
    }

    fn generate(&mut self, theme: Theme) {
        if theme == Theme::Illegal {
            return self.illegal();
        }
        let generator = self.generator;
        let (_, rows) = generator.themes.iter().find(|(of, _)| *of == theme).expect("its rows");
        let usual = self.usual_vectors && !self.once_in(16);
        let rows = if usual { &generator.usual_vectors } else { rows };
        let row = &rows[self.below(rows.len() as u64) as usize];
        match theme {
            Theme::Compressed => self.compressed(row),
            Theme::Vector => vector::generate(self, row),
            _ => self.scalar(row),
        }
    }

    /// An instruction that is in no extension: a random word, a neighbour of a legal one, or a
    /// reserved halfword.
    fn illegal(&mut self) {
        let generator = self.generator;
        loop {
            let bits = match self.below(3) {
                0 => self.random.next() as u32 | 3,
                1 => {
                    let row = &generator.list[self.below(generator.list.len() as u64) as usize];
                    let bits = row.bits | self.random.next() as u32 & !row.mask;
                    bits ^ 1 << (2 + self.below(30))
                }
                _ => self.random.next() as u32 & 0xffff,
            };
            let insn = if bits & 3 == 3 { Insn::Word(bits) } else { Insn::Half(bits as u16) };
            if generator.row_of(insn).is_none() {
                return self.insns.push(insn);
            }
        }
    }

    /// Any 32-bit instruction but a vector's.
    fn scalar(&mut self, row: &Encoding) {
        let bits = row.bits | self.random.next() as u32 & !row.mask;
        let has = |operand: &str| row.operands.contains(&operand);
        match row.mnemonic {
            "jal" | "jalr" => return self.jump(row),
            "lr.w" | "lr.d" => return self.load_reserved(row, bits),
            _ if has("bimm12") => return self.branch(row, bits),
            _ if has("csr") => return self.csr(row, bits),
            _ => {}
        }
        let bits = if has("rd") { set(bits, "rd", self.destination()) } else { bits };
        let loads = matches!(row.bits & 0x7f, 0x03 | 0x07);
        let bits = match row.mnemonic {
            _ if loads => self.based(bits, "imm12"),
            _ if has("simm12") => self.based(bits, "simm12"),
            _ if has("aq") => self.atomic(row, bits),
            _ if row.mnemonic.starts_with("cbo.") => self.block_operation(bits),
            _ => self.with_operands(row, bits),
        };
        let memory = has("imm12") || has("simm12");
        if theme_of(row.extension) != Theme::Float {
            self.insns.push(Insn::Word(bits));
        } else if self.generator.usual_floats && !memory && self.once_in(2) {
            self.usual_float(row, bits);
        } else {
            self.float(row, bits);
        }
        if has("rd") && (must_be_used(row) || self.once_in(4)) {
            self.insns.push(Insn::Save(bits >> 7 & 31));
        }
    }

    /// Gives the source registers values that are hard to treat.
    fn with_operands(&mut self, row: &Encoding, mut bits: u32) -> u32 {
        let floats = values::triple(self.random);
        for (index, operand) in row.operands.iter().enumerate() {
            let register = self.holder();
            if self.once_in(3) {
                continue;
            }
            match *operand {
                "rs1" | "rs2" => {
                    let value = integer(self.random);
                    self.insns.push(Insn::Load { rd: register, value });
                    bits = set(bits, operand, register);
                }
                "fs1" | "fs2" | "fs3" => {
                    let fd = self.below(32) as u32;
                    self.insns.push(Insn::LoadFloat { fd, value: floats[index % 3] });
                    bits = set(bits, operand, fd);
                }
                _ => {}
            }
        }
        bits
    }

    /// Floating-point arithmetic as programs do it.
    fn usual_float(&mut self, row: &Encoding, bits: u32) {
        const FCSR: (&str, u32) = ("csr", 3);
        if self.once_in(2) {
            self.word("csrrwi", &[FCSR, ("zimm5", USUAL_FCSR as u32)]);
        }
        let source = row.mnemonic.rsplit('.').next().unwrap_or_default();
        for (operand, at) in [("rs1", 15), ("fs1", 15), ("fs2", 20), ("fs3", 27)] {
            let register = bits >> at & 31;
            if !row.operands.contains(&operand) || operand == "rs1" && register == self.block {
                continue;
            }
            let number = self.below(1 << 20) as i64 - (1 << 17);
            self.insns.push(match operand {
                "rs1" => Insn::Load { rd: register, value: number as u64 },
                _ => Insn::LoadFloat { fd: register, value: values::ordinary(source, number) },
            });
        }
        let rounding = if self.once_in(2) { 0 } else { 7 };
        let has_mode = row.operands.contains(&"rm");
        self.insns.push(Insn::Word(if has_mode { set(bits, "rm", rounding) } else { bits }));
    }

    /// Flags are sticky: they are cleared before and read after, now and then.
    fn float(&mut self, row: &Encoding, bits: u32) {
        const FFLAGS: (&str, u32) = ("csr", 1);
        const FRM: (&str, u32) = ("csr", 2);
        if self.once_in(5) {
            let mode = rounding_mode(self.random) as u32;
            self.word("csrrwi", &[FRM, ("zimm5", mode)]);
        }
        let observed = self.once_in(3);
        if observed {
            self.word("csrrwi", &[FFLAGS]);
        }
        self.insns.push(Insn::Word(bits));
        if observed {
            let rd = self.holder();
            self.word("csrrs", &[FFLAGS, ("rd", rd)]);
            self.insns.push(Insn::Save(rd));
        }
        if row.operands.contains(&"fd") && (must_be_used(row) || self.once_in(4)) {
            self.insns.push(Insn::SaveFloat(bits >> 7 & 31));
        }
    }

    /// A load or store near the data pages.
    fn based(&mut self, bits: u32, immediate: &str) -> u32 {
        let size = 1 << (bits >> 12 & 3);
        let address = values::address(self.random, size);
        let offset = self.below(4096) as u32;
        let signed = i64::from(offset) << 52 >> 52;
        let base = self.loaded(address.wrapping_sub(signed as u64));
        set(set(bits, "rs1", base), immediate, offset)
    }

    /// A cache-block operation. Where it faults, its address is the block's: `stval` is the value
    /// of `rs1` (CMO extensions, "Traps"), but QEMU's user mode reports the block.
    fn block_operation(&mut self, bits: u32) -> u32 {
        let address = match self.below(4) {
            0 => values::address(self.random, 1) & !63,
            _ => values::inside(self.random, 1),
        };
        set(bits, "rs1", self.loaded(address))
    }

    /// An atomic operation. A misaligned one traps before its page is looked at in QEMU; the
    /// privileged ISA leaves the order open, so those stay within the pages. So does `sc` always:
    /// one that fails anyway need not translate its address.
    fn atomic(&mut self, row: &Encoding, bits: u32) -> u32 {
        let size = 1 << (bits >> 12 & 7);
        let store_conditional = row.mnemonic.starts_with("sc.");
        let address = match self.below(8) {
            0 if !store_conditional => values::inside(self.random, 1),
            1 if !store_conditional => values::address(self.random, 1) & !(size - 1),
            _ => values::inside(self.random, size) & !(size - 1),
        };
        if self.once_in(2) {
            let value = integer(self.random);
            let rs2 = self.loaded(value);
            let base = self.loaded(address);
            return set(set(bits, "rs2", rs2), "rs1", base);
        }
        set(bits, "rs1", self.loaded(address))
    }

    /// `lr` and the `sc` that belongs to it, to the same address or another one. What lies between
    /// is what a constrained loop may have (unprivileged ISA, "Eventual Success of
    /// Store-Conditional Instructions"); of traps and of other sizes the ISA leaves it open whether
    /// they break the reservation.
    fn load_reserved(&mut self, row: &Encoding, bits: u32) {
        let size = 1 << (bits >> 12 & 7);
        let address = values::inside(self.random, size) & !(size - 1);
        let base = self.loaded(address);
        let rd = loop {
            let rd = self.destination();
            if rd != base {
                break rd;
            }
        };
        self.insns.push(Insn::Word(set(set(bits, "rs1", base), "rd", rd)));
        for _ in 0..self.below(3) {
            let other = self.below(32) as u32;
            let rd = if other == base || other == self.block { 0 } else { other };
            self.word("addi", &[("rd", rd), ("rs1", other), ("imm12", 5)]);
        }
        let store = if row.mnemonic == "lr.w" { "sc.w" } else { "sc.d" };
        let base = if self.once_in(4) {
            let other = values::inside(self.random, size) & !(size - 1);
            self.loaded(other)
        } else {
            base
        };
        let (rd, rs2, order) = (self.destination(), self.below(32) as u32, self.below(4) as u32);
        let operands = [("rd", rd), ("rs1", base), ("rs2", rs2), ("aq", order), ("rl", order >> 1)];
        self.word(store, &operands);
        self.insns.push(Insn::Save(rd));
    }

    /// Forward, to the next instruction or over it.
    fn branch(&mut self, row: &Encoding, bits: u32) {
        let left = integer(self.random);
        let right = if self.once_in(2) { left } else { integer(self.random) };
        let (rs1, rs2) = (self.loaded(left), self.loaded(right));
        let distance = if self.once_in(4) { 4 } else { 8 };
        let bits = set(set(set(bits, "rs1", rs1), "rs2", rs2), "bimm12", distance);
        debug_assert!(row.matches(bits));
        self.insns.push(Insn::Word(bits));
        self.filler();
    }

    fn jump(&mut self, row: &Encoding) {
        let rd = self.destination();
        let over = if self.once_in(4) { 0 } else { 4 };
        if row.mnemonic == "jal" {
            self.word("jal", &[("rd", rd), ("jimm20", 4 + over)]);
        } else {
            // The lowest bit of the sum is ignored.
            let (base, odd) = (self.holder(), self.below(2) as u32);
            self.word("auipc", &[("rd", base)]);
            self.word("jalr", &[("rd", rd), ("rs1", base), ("imm12", 8 + over + odd)]);
        }
        self.filler();
    }

    /// Counters are left out: they differ. `vstart` is written by [`vector`] only.
    fn csr(&mut self, row: &Encoding, bits: u32) {
        const FLOAT: [u32; 3] = [1, 2, 3];
        const VECTOR: [u32; 3] = [0x009, 0x00a, 0x00f];
        const READ_ONLY: [u32; 4] = [0x008, 0xc20, 0xc21, 0xc22];
        const FORBIDDEN: [u32; 10] =
            [0x000, 0x004, 0x005, 0x100, 0x105, 0x180, 0x300, 0x7c0, 0xf14, 0xfff];
        let rd = self.destination();
        let mut pick = |from: &[u32]| from[self.random.below(from.len() as u64) as usize];
        let (float, vector) = (pick(&FLOAT), pick(&VECTOR));
        let (read_only, forbidden) = (pick(&READ_ONLY), pick(&FORBIDDEN));
        let vectors = self.generator.vectors;
        let number = match self.below(8) {
            0 => forbidden,
            1 | 2 if vectors => vector,
            3 if vectors => {
                self.word("csrrs", &[("rd", rd), ("csr", read_only)]);
                return self.insns.push(Insn::Save(rd));
            }
            _ => float,
        };
        let mut bits = set(set(bits, "rd", rd), "csr", number);
        if row.operands.contains(&"rs1") && !self.once_in(4) {
            let mode = rounding_mode(self.random);
            let value = if number == 2 { mode } else { mode << 5 | self.below(32) };
            bits = set(bits, "rs1", self.loaded(value));
        } else if number == 2 {
            bits = set(bits, "zimm5", rounding_mode(self.random) as u32);
        }
        self.insns.push(Insn::Word(bits));
        self.insns.push(Insn::Save(rd));
    }

    fn compressed(&mut self, row: &Encoding) {
        let half = loop {
            let half = row.bits as u16 | self.random.next() as u16 & !row.mask as u16;
            if compressed::legal(row, half) && !self.changes_block(row, half) {
                break half;
            }
        };
        let short = |low: u32| u32::from(half) >> low & 7 | 8;
        let full = |low: u32| u32::from(half) >> low & 31;
        let has = |operand: &str| row.operands.contains(&operand);
        match row.mnemonic {
            "c.j" | "c.beqz" | "c.bnez" | "c.jr" | "c.jalr" => {
                return self.compressed_jump(row.mnemonic, half);
            }
            "c.lwsp" | "c.ldsp" | "c.fldsp" | "c.swsp" | "c.sdsp" | "c.fsdsp" => {
                let value = values::address(self.random, 8);
                self.insns.push(Insn::Load { rd: 2, value });
            }
            _ if row.bits & 3 == 0 && has("rs1'") => {
                let value = values::address(self.random, 4);
                self.insns.push(Insn::Load { rd: short(7), value });
            }
            _ => {
                for (operand, rd) in [("rs1'", short(7)), ("rs2'", short(2)), ("rd", full(7))] {
                    if has(operand) && rd != 0 && self.once_in(2) {
                        let value = integer(self.random);
                        self.insns.push(Insn::Load { rd, value });
                    }
                }
            }
        }
        self.insns.push(Insn::Half(half));
    }

    /// Whether a compressed instruction names the block's register as one that it writes.
    fn changes_block(&self, row: &Encoding, half: u16) -> bool {
        let half = u32::from(half);
        let field = |operand: &&str| match *operand {
            "rd" => Some(half >> 7 & 31),
            "rs1'" => Some(half >> 7 & 7 | 8),
            "rs2'" => Some(half >> 2 & 7 | 8),
            _ => None,
        };
        row.operands.iter().filter_map(field).any(|register| register == self.block)
    }

    fn compressed_jump(&mut self, mnemonic: &str, half: u16) {
        // To the next instruction, or over 4 bytes: offset bits 2:1 are in different places.
        let over = !self.once_in(4);
        let base = u32::from(half) >> 7 & 31;
        let half = match mnemonic {
            "c.j" => half & 0xe003 | if over { 3 << 3 } else { 1 << 3 },
            "c.beqz" | "c.bnez" => half & 0xe383 | if over { 3 << 3 } else { 1 << 3 },
            _ if base == self.block => return self.filler(),
            _ => {
                self.insns.push(Insn::Word(self.generator.rows.insn("auipc", &[("rd", base)])));
                let distance = if over { 14 } else { 10 };
                self.word("addi", &[("rd", base), ("rs1", base), ("imm12", distance)]);
                half
            }
        };
        if mnemonic.ends_with('z') && self.once_in(2) {
            let rd = u32::from(half) >> 7 & 7 | 8;
            self.insns.push(Insn::Load { rd, value: 0 });
        }
        self.insns.push(Insn::Half(half));
        self.filler();
    }
}
