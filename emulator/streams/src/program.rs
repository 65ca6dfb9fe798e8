//! A program that runs streams of instructions and keeps what they did: user-mode code and data at
//! fixed addresses, the same bytes for QEMU and for the emulator.
//!
//! ```text
//! DATA   guard page | 2 pages that streams read and write | guard page
//! TEXT   loaders and dumpers, then for each stream: load, stream, dump
//! OUT    pointer into the log, then a block and a copy of the data pages for each stream, the log
//! INPUT  first contents of the data pages, tables of vector indices and of values
//! ```
//!
//! A block holds a stream's registers: first those it starts with, then those it ended with. While
//! a stream runs, one integer register, chosen by the stream, points at its block; streams neither
//! write it nor store through it, except to slots at the block's end.

use super::asm::reg::{self, T0, T1, T2, T3, T4};
use super::asm::{Assembler, Rows};
use super::stream::{Insn, Stream};

/// First address of the data pages.
pub const DATA: u64 = 0x0800_1000;
/// Their length in bytes.
pub const DATA_LENGTH: u64 = 0x2000;
/// Where code begins.
pub const TEXT: u64 = 0x1000_0000;
/// Where output begins.
pub const OUT: u64 = 0x2000_0000;
/// What streams only read.
pub const INPUT: u64 = 0x2800_0000;
/// Small indices for vector accesses: 128 bytes each, for elements of 8, 16, 32 and 64 bits.
pub const INDICES: u64 = INPUT + DATA_LENGTH;
/// Index tables of each width.
pub const INDEX_TABLES: u64 = 8;
/// Values to fill vector registers with, from any multiple of 16.
pub const VALUES: u64 = INDICES + 4 * INDEX_TABLES * 128;
/// Their length in bytes.
pub const VALUES_LENGTH: u64 = 0x2000;
/// Length of all of it.
pub const INPUT_LENGTH: u64 = VALUES + VALUES_LENGTH - INPUT;

/// A block's length, and the places in it.
const BLOCK: u64 = 0x800;
pub const X: usize = 0;
pub const F: usize = 0x100;
pub const V: usize = 0x200;
/// `fcsr`, `vtype`, `vl`, `vcsr`, `vstart`, end of the stream's part of the log.
pub const CSRS: usize = 0x400;
pub const CSR_NAMES: [&str; 6] = ["fcsr", "vtype", "vl", "vcsr", "vstart", "log"];
const LOG_CSR: usize = 5;
/// Constants of the stream, and what it stored.
pub const SLOTS: usize = 0x430;
/// How many slots there are.
pub const SLOT_COUNT: usize = (BLOCK as usize - SLOTS) / 8;
/// A block and the copy of the data pages.
const RESULT: u64 = BLOCK + DATA_LENGTH;
const FIRST_BLOCK: u64 = OUT + 0x1000;

/// CSR numbers.
mod csr {
    pub const FCSR: u32 = 0x003;
    pub const VSTART: u32 = 0x008;
    pub const VCSR: u32 = 0x00f;
    pub const VL: u32 = 0xc20;
    pub const VTYPE: u32 = 0xc21;
}

/// Which register points at the block: streams differ, so that all registers get their turn. None
/// of them is a temporary, which loaders and dumpers use.
pub const BLOCK_REGISTERS: [u32; 5] = [3, 9, 14, 20, 31];

/// A program for some streams.
pub struct Program {
    /// Code, from [`TEXT`] on.
    pub text: Vec<u8>,
    /// Where the streams begin to run.
    pub main: u64,
    /// The system call that the emulator's kernel takes for the end.
    pub end: u64,
    /// First part of the memory at [`OUT`].
    pub out: Vec<u8>,
    /// How much of it is output.
    pub out_length: u64,
    /// Where each stream's instructions are: their addresses, in order.
    pub streams: Vec<Vec<u64>>,
}

/// An entry of the log: an exception that a stream raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    pub pc: u64,
    /// The instruction; the upper half of a compressed one is what follows it.
    pub bits: u32,
    /// The number of the signal that Linux makes of it.
    pub signal: u64,
    /// `stval`, or the signal's address.
    pub address: u64,
}

/// Illegal instructions.
pub const SIGILL: u64 = 4;
/// Breakpoints.
pub const SIGTRAP: u64 = 5;
/// Misaligned atomics.
pub const SIGBUS: u64 = 7;
/// Faults.
pub const SIGSEGV: u64 = 11;

/// Bytes of a log entry.
pub const LOGGED: u64 = 24;

/// What a stream left.
#[derive(Clone)]
pub struct Outcome {
    pub block: Vec<u8>,
    pub data: Vec<u8>,
    pub log: Vec<Logged>,
}

/// Builds the program. Vector registers are loaded and kept if `vectors`.
pub fn build(rows: &Rows, streams: &[Stream], vectors: bool) -> Program {
    let mut asm = Assembler::new(rows, TEXT);
    let dumpers: Vec<(u64, u64)> = BLOCK_REGISTERS
        .iter()
        .map(|&block| {
            let loader = asm.here();
            emit_loader(&mut asm, block, vectors);
            let dumper = asm.here();
            emit_dumper(&mut asm, block, vectors);
            (loader, dumper)
        })
        .collect();
    let log = FIRST_BLOCK + RESULT * streams.len() as u64;
    let log_entries: u64 = streams.iter().map(|stream| stream.longest_log()).sum();
    let mut out = vec![0; (log - OUT) as usize];
    out[..8].copy_from_slice(&log.to_le_bytes());
    let main = asm.here();
    let mut places = Vec::new();
    for (index, stream) in streams.iter().enumerate() {
        let address = FIRST_BLOCK + RESULT * index as u64;
        let (loader, dumper) = dumpers[stream.block_register];
        let block = BLOCK_REGISTERS[stream.block_register];
        asm.li(block, address);
        asm.jump(reg::RA, loader);
        asm.load("ld", reg::RA, block, 8);
        let bytes = &mut out[(address - OUT) as usize..][..BLOCK as usize];
        places.push(emit_stream(&mut asm, stream, block, bytes));
        asm.store("sd", reg::RA, block, 8);
        asm.jump(reg::RA, dumper);
    }
    // write(1, OUT, length).
    let out_length = log + LOGGED * log_entries - OUT;
    let again = asm.here();
    for (register, value) in [(reg::A7, 64), (reg::A0, 1), (reg::A1, OUT), (reg::A2, out_length)] {
        asm.li(register, value);
    }
    let end = asm.here();
    asm.insn("ecall", &[]);
    asm.li(reg::A3, out_length);
    // A signal cannot come, so a short write is an error.
    asm.insn("sub", &[("rd", reg::A0), ("rs1", reg::A0), ("rs2", reg::A3)]);
    asm.li(reg::A7, 93);
    asm.insn("ecall", &[]);
    asm.jump(reg::ZERO, again);
    Program { text: asm.code, main, end, out, out_length, streams: places }
}

/// The stream's code; its first registers and its slots go into `block`.
fn emit_stream(asm: &mut Assembler<'_>, stream: &Stream, base: u32, block: &mut [u8]) -> Vec<u64> {
    block[..stream.state.len()].copy_from_slice(&stream.state);
    let mut used = 0;
    let mut slot = |value: u64| {
        let at = SLOTS + 8 * used;
        used += 1;
        block[at..at + 8].copy_from_slice(&value.to_le_bytes());
        at as u32
    };
    let mut places = Vec::new();
    for insn in stream.items.iter().flatten() {
        places.push(asm.here());
        match *insn {
            Insn::Word(bits) => asm.word(bits),
            Insn::Half(bits) => asm.half(bits),
            Insn::Load { rd, value } => asm.load("ld", rd, base, slot(value)),
            Insn::LoadFloat { fd, value } => asm.load("fld", fd, base, slot(value)),
            Insn::Save(rs2) => asm.store("sd", rs2, base, slot(0)),
            Insn::SaveFloat(fs2) => asm.store("fsd", fs2, base, slot(0)),
        }
    }
    places
}

/// Loads all registers from the block, and the data pages. Returns to x1, which it leaves.
fn emit_loader(asm: &mut Assembler<'_>, block: u32, vectors: bool) {
    asm.li(T0, INPUT);
    asm.li(T1, DATA);
    emit_copy(asm, DATA + DATA_LENGTH);
    let csr = |index: usize| (CSRS + 8 * index) as u32;
    asm.load("ld", T0, block, csr(0));
    asm.csrw(csr::FCSR, T0);
    if vectors {
        asm.csrw(csr::VSTART, reg::ZERO);
        asm.addi(T0, block, V as i32);
        for register in [0, 8, 16, 24] {
            asm.insn("vl8re8.v", &[("vd", register), ("rs1", T0)]);
            asm.addi(T0, T0, 128);
        }
        asm.load("ld", T0, block, csr(1));
        asm.load("ld", T1, block, csr(2));
        asm.insn("vsetvl", &[("rs1", T1), ("rs2", T0)]);
        asm.load("ld", T0, block, csr(3));
        asm.csrw(csr::VCSR, T0);
        asm.load("ld", T0, block, csr(4));
        asm.csrw(csr::VSTART, T0);
    }
    for register in 0..32 {
        asm.load("fld", register, block, F as u32 + 8 * register);
    }
    for register in (2..32).filter(|&register| register != block) {
        asm.load("ld", register, block, X as u32 + 8 * register);
    }
    asm.jr(reg::RA);
}

/// Copies 8 bytes at a time from T0 to T1, until T1 is `end`.
fn emit_copy(asm: &mut Assembler<'_>, end: u64) {
    asm.li(T2, end);
    let again = asm.here();
    for offset in [0, 8, 16, 24] {
        asm.load("ld", T3, T0, offset);
        asm.store("sd", T3, T1, offset);
    }
    asm.addi(T0, T0, 32);
    asm.addi(T1, T1, 32);
    asm.branch("bne", T1, T2, again);
}

/// Stores all registers but x1 into the block, the data pages behind it.
fn emit_dumper(asm: &mut Assembler<'_>, block: u32, vectors: bool) {
    for register in (2..32).filter(|&register| register != block) {
        asm.store("sd", register, block, X as u32 + 8 * register);
    }
    for register in 0..32 {
        asm.store("fsd", register, block, F as u32 + 8 * register);
    }
    let csr = |index: usize| (CSRS + 8 * index) as u32;
    asm.csrr(T0, csr::FCSR);
    asm.store("sd", T0, block, csr(0));
    if vectors {
        for (index, number) in [csr::VTYPE, csr::VL, csr::VCSR, csr::VSTART].iter().enumerate() {
            asm.csrr(T0, *number);
            asm.store("sd", T0, block, csr(index + 1));
        }
        asm.csrw(csr::VSTART, reg::ZERO);
        asm.addi(T0, block, V as i32);
        for register in [0, 8, 16, 24] {
            asm.insn("vs8r.v", &[("vs3", register), ("rs1", T0)]);
            asm.addi(T0, T0, 128);
        }
    }
    asm.li(T0, OUT);
    asm.load("ld", T0, T0, 0);
    asm.store("sd", T0, block, csr(LOG_CSR));
    asm.li(T0, DATA);
    asm.addi(T1, block, BLOCK as i32 - 1);
    asm.addi(T1, T1, 1);
    // The end depends on the block, so the source decides.
    asm.li(T2, DATA + DATA_LENGTH);
    let again = asm.here();
    for offset in [0, 8, 16, 24] {
        asm.load("ld", T3, T0, offset);
        asm.store("sd", T3, T1, offset);
    }
    asm.addi(T0, T0, 32);
    asm.addi(T1, T1, 32);
    asm.branch("bne", T0, T2, again);
    asm.jr(reg::RA);
}

/// Splits the output into the streams' outcomes.
pub fn outcomes(program: &Program, out: &[u8]) -> Vec<Outcome> {
    let count = program.streams.len();
    let number = |at: usize| u64::from_le_bytes(out[at..at + 8].try_into().expect("8 bytes"));
    let mut from = FIRST_BLOCK + RESULT * count as u64;
    let outcome = |index: usize| {
        let at = (FIRST_BLOCK - OUT + RESULT * index as u64) as usize;
        let mut block = out[at..at + BLOCK as usize].to_vec();
        let to = number(at + CSRS + 8 * LOG_CSR);
        // Where the log ends is no result of the stream: the log is.
        block[CSRS + 8 * LOG_CSR..][..8].fill(0);
        let log = (from..to).step_by(LOGGED as usize).map(|entry| {
            let at = (entry - OUT) as usize;
            let pc = number(at);
            let bits = program.bits(pc);
            Logged { pc, bits, signal: number(at + 8), address: number(at + 16) }
        });
        let log = log.collect();
        from = to;
        Outcome { block, data: out[at + BLOCK as usize..][..DATA_LENGTH as usize].to_vec(), log }
    };
    (0..count).map(outcome).collect()
}

impl Program {
    /// The instruction at an address; 0 if it is not in the program.
    pub fn bits(&self, pc: u64) -> u32 {
        let at = pc.wrapping_sub(TEXT) as usize;
        let bytes = self.text.get(at..at.saturating_add(4));
        bytes.map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().expect("4 bytes")))
    }
}

/// What a trap handler does on either side: logs the exception, and steps `pc` over the
/// instruction. `pc`, signal and address are in T1, T2 and T3; T0 and T4 are free. Leaves the new
/// pc in T1.
pub fn emit_log(asm: &mut Assembler<'_>) {
    asm.li(T4, OUT);
    asm.load("ld", T0, T4, 0);
    asm.store("sd", T1, T0, 0);
    asm.store("sd", T2, T0, 8);
    asm.store("sd", T3, T0, 16);
    asm.addi(T0, T0, LOGGED as i32);
    asm.store("sd", T0, T4, 0);
    // The length of an instruction is in the two lowest bits.
    asm.load("lhu", T2, T1, 0);
    asm.insn("andi", &[("rd", T2), ("rs1", T2), ("imm12", 3)]);
    asm.addi(T3, reg::ZERO, 3);
    asm.addi(T1, T1, 2);
    let over = asm.here() + 8;
    asm.branch("bne", T2, T3, over);
    asm.addi(T1, T1, 2);
}
