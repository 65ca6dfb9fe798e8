//! Runs a program in the emulator, in process: a kernel of a few dozen instructions maps it, goes
//! to user mode and logs its exceptions.

use crate::asm::{Assembler, Rows, reg};
use crate::program::{
    self, DATA, DATA_LENGTH, INPUT, OUT, Program, SIGBUS, SIGILL, SIGSEGV, SIGTRAP, TEXT,
};
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::board::layout::RAM_BASE;
use c2w_emulator::{BootConfig, Exit, GuestMemory, Host, Machine, PortId};

const PAGE: u64 = 4096;
/// Bytes of RAM.
pub const RAM: u64 = 64 << 20;
/// Offsets in the kernel image: the boot code behind the header, the trap handler, its memory. That
/// is on another page than code, which can be translated therefore.
const BOOT: u64 = 0x40;
const HANDLER: u64 = 0x400;
const ROOT_TABLE: u64 = 0x1000;
const SAVED: u64 = 0x2000;
/// In the handler's memory, behind registers: what the timer's next distance comes from.
const RANDOM: u64 = 0x40;

mod csr {
    pub const SSTATUS: u32 = 0x100;
    pub const SIE: u32 = 0x104;
    pub const STVEC: u32 = 0x105;
    pub const SENVCFG: u32 = 0x10a;
    pub const SSCRATCH: u32 = 0x140;
    pub const SEPC: u32 = 0x141;
    pub const SCAUSE: u32 = 0x142;
    pub const STVAL: u32 = 0x143;
    pub const STIMECMP: u32 = 0x14d;
    pub const SATP: u32 = 0x180;
    pub const TIME: u32 = 0xc01;
}

/// FS and VS dirty, SUM: the handler reads the program's code and writes its log.
const SSTATUS: u64 = 3 << 13 | 3 << 9 | 1 << 18;
/// Of the cache-block instructions, user mode may use `cbo.zero` only: so says QEMU 10 in user
/// mode.
const SENVCFG: u64 = 1 << 7;

/// Nothing outside.
pub struct NoHost;

impl Host for NoHost {
    fn monotonic_ns(&mut self) -> u64 {
        0
    }
    fn realtime_ns(&mut self) -> u64 {
        0
    }
    fn entropy(&mut self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
    fn port_output(&mut self, _: PortId, _: &[u8]) {}
    fn debug_output(&mut self, _: &[u8]) {}
}

/// A kernel image under construction; offsets are from RAM's beginning.
struct Image {
    bytes: Vec<u8>,
}

/// Page table entry flags: valid, readable, writable, executable, user. Accessed and dirty are left
/// to the emulator.
const V: u64 = 1;
const R: u64 = 2;
const W: u64 = 4;
const X: u64 = 8;
const U: u64 = 16;
const AD: u64 = 0xc0;

impl Image {
    /// Whole pages at the end.
    fn allocate(&mut self, length: u64) -> u64 {
        let at = self.bytes.len() as u64;
        self.bytes.resize((at + length.next_multiple_of(PAGE)) as usize, 0);
        at
    }

    fn place(&mut self, at: u64, bytes: &[u8]) {
        self.bytes[at as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    fn number(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.bytes[at as usize..][..8].try_into().expect("8 bytes"))
    }

    /// The next table that the entry at `at` points to, made if it is not there.
    fn table(&mut self, at: u64) -> u64 {
        if self.number(at) == 0 {
            let table = self.allocate(PAGE);
            self.place(at, &((RAM_BASE + table) >> 2 | V).to_le_bytes());
        }
        (self.number(at) >> 10 << 12) - RAM_BASE
    }

    /// Maps new memory of a length in bytes at a virtual address, with first contents.
    fn map(&mut self, address: u64, length: u64, bytes: &[u8], flags: u64) -> u64 {
        let memory = self.allocate(length);
        self.place(memory, bytes);
        for page in 0..length.div_ceil(PAGE) {
            let address = address + page * PAGE;
            let middle = self.table(ROOT_TABLE + 8 * (address >> 30));
            let last = self.table(middle + 8 * (address >> 21 & 511));
            let entry = (RAM_BASE + memory + page * PAGE) >> 2 | flags | U | V;
            self.place(last + 8 * (address >> 12 & 511), &entry.to_le_bytes());
        }
        memory
    }
}

/// The signal that Linux makes of an exception.
pub fn signal(cause: u64) -> u64 {
    match cause {
        2 => SIGILL,
        3 => SIGTRAP,
        // Misaligned loads, stores and atomics.
        4 | 6 => SIGBUS,
        // Access faults and page faults.
        1 | 5 | 7 | 12 | 13 | 15 => SIGSEGV,
        other => panic!("an exception of cause {other}"),
    }
}

/// Memory for a machine of its own.
pub fn memory() -> GuestMemory {
    let memory =
        GuestMemory::allocate(RAM_BASE, RAM, c2w_emulator::riscv::board::layout::IMAGE_BASE, 0);
    memory.expect("RAM fits")
}

/// Runs the program; gives its output, with causes of exceptions in the place of signals.
pub fn run(rows: &Rows, program: &Program, input: &[u8]) -> Vec<u8> {
    let kernel = Kernel::new(rows, program, input, None);
    let mut machine = kernel.boot(memory());
    match machine.run(kernel.budget, &mut NoHost) {
        Exit::Power(_) => {}
        exit => panic!("the program does not end: {exit:?} at pc {:#x}", machine.pc()),
    }
    kernel.output(machine.memory())
}

/// A kernel and its program, ready to be booted.
pub struct Kernel {
    image: Vec<u8>,
    /// Where in RAM the program's code is.
    text: u64,
    /// Where in RAM its output is, and the length in bytes.
    out: (u64, u64),
    /// Instructions that are enough for all of it.
    pub budget: u64,
}

impl Kernel {
    /// With a timer, its interrupts come after distances that depend on that number, and with each
    /// something is written into the program's code: what is there already.
    pub fn new(rows: &Rows, program: &Program, input: &[u8], timer: Option<u64>) -> Self {
        let mut image = Image { bytes: Vec::new() };
        image.allocate(3 * PAGE);
        // The kernel's own gigabyte, by one entry.
        let own = RAM_BASE >> 2 | AD | X | W | R | V;
        image.place(ROOT_TABLE + 8 * (RAM_BASE >> 30), &own.to_le_bytes());
        let text_length = program.text.len() as u64;
        let text = image.map(TEXT, text_length, &program.text, R | X);
        image.map(DATA, DATA_LENGTH, &[], R | W);
        image.map(INPUT, input.len() as u64, input, R);
        let out = image.map(OUT, program.out_length, &program.out, R | W);
        let size = image.bytes.len() as u64;
        image.place(0, &header(rows, size));
        image.place(BOOT, &boot_code(rows, program.main, timer.is_some()));
        let code = (RAM_BASE + text, text_length);
        let handler = handler_code(rows, program.end, timer.map(|_| code));
        assert!(HANDLER + handler.len() as u64 <= PAGE, "code of one page");
        image.place(HANDLER, &handler);
        image.place(SAVED + RANDOM, &timer.unwrap_or(0).to_le_bytes());
        let budget = 1_000_000 + 200 * text_length;
        Self { image: image.bytes, text, out: (out, program.out_length), budget }
    }

    /// A machine about to run it, in memory as [`memory`] gives it, all zero.
    pub fn boot(&self, memory: GuestMemory) -> Machine {
        let config = BootConfig {
            kernel: &self.image,
            initramfs: &[],
            command_line: "",
            disks: &[],
            vectors: true,
            ports: &["stdin"],
            mount_tag: "none",
            seed: &[],
        };
        Machine::boot(&RiscvBoard, memory, &config).expect("the image is a kernel")
    }

    /// The program's output.
    pub fn output(&self, memory: &GuestMemory) -> Vec<u8> {
        let (at, length) = self.out;
        memory.resident(RAM_BASE + at, length as usize).expect("in RAM").to_vec()
    }

    /// Guest-physical address of the program's code.
    pub fn text(&self) -> u64 {
        RAM_BASE + self.text
    }
}

/// The header of a Linux `Image`: a jump, load offset 0, size, magic.
fn header(rows: &Rows, size: u64) -> Vec<u8> {
    let mut bytes = rows.insn("jal", &[("jimm20", BOOT as u32)]).to_le_bytes().to_vec();
    bytes.resize(BOOT as usize, 0);
    bytes[16..24].copy_from_slice(&size.to_le_bytes());
    bytes[48..56].copy_from_slice(b"RISCV\0\0\0");
    bytes[56..60].copy_from_slice(b"RSC\x05");
    bytes
}

fn boot_code(rows: &Rows, main: u64, timer: bool) -> Vec<u8> {
    const SV39: u64 = 8 << 60;
    const STIE: u64 = 1 << 5;
    let mut asm = Assembler::new(rows, RAM_BASE + BOOT);
    for (number, value) in [
        (csr::STVEC, RAM_BASE + HANDLER),
        (csr::SSCRATCH, RAM_BASE + SAVED),
        (csr::SSTATUS, SSTATUS),
        (csr::SENVCFG, SENVCFG),
        (csr::SATP, SV39 | (RAM_BASE + ROOT_TABLE) >> 12),
        (csr::SEPC, main),
    ] {
        asm.li(reg::T0, value);
        asm.csrw(number, reg::T0);
    }
    if timer {
        asm.csrw(csr::STIMECMP, reg::ZERO);
        asm.li(reg::T0, STIE);
        asm.csrw(csr::SIE, reg::T0);
    }
    asm.insn("sfence.vma", &[]);
    asm.insn("sret", &[]);
    asm.code
}

/// Registers that the handler keeps, besides T0.
const SAVE: [u32; 4] = [reg::T1, reg::T2, reg::T3, reg::T4];

/// Logs an exception and returns behind the instruction; the system call at `end` is the end. With
/// a timer, it knows where the program's code is and how long.
fn handler_code(rows: &Rows, end: u64, timer: Option<(u64, u64)>) -> Vec<u8> {
    const SRST: u64 = 0x5352_5354;
    let mut asm = Assembler::new(rows, RAM_BASE + HANDLER);
    exchange(&mut asm);
    for (index, register) in SAVE.into_iter().enumerate() {
        asm.store("sd", register, reg::T0, 8 * index as u32);
    }
    asm.csrr(reg::T2, csr::SCAUSE);
    if let Some(code) = timer {
        emit_unless(&mut asm, "bge", (reg::T2, reg::ZERO), |asm| emit_timer(asm, code));
    }
    asm.csrr(reg::T1, csr::SEPC);
    asm.li(reg::T3, end);
    emit_unless(&mut asm, "bne", (reg::T1, reg::T3), |asm| {
        asm.li(reg::A7, SRST);
        for register in [reg::A6, reg::A0, reg::A1] {
            asm.addi(register, reg::ZERO, 0);
        }
        asm.insn("ecall", &[]);
    });
    asm.csrr(reg::T3, csr::STVAL);
    program::emit_log(&mut asm);
    asm.csrw(csr::SEPC, reg::T1);
    asm.li(reg::T0, RAM_BASE + SAVED);
    emit_return(&mut asm);
    asm.code
}

/// T0 for the address of the handler's memory, or back.
fn exchange(asm: &mut Assembler<'_>) {
    asm.insn("csrrw", &[("rd", reg::T0), ("csr", csr::SSCRATCH), ("rs1", reg::T0)]);
}

/// Code that a branch of that kind passes over.
fn emit_unless(
    asm: &mut Assembler<'_>,
    branch: &str,
    (rs1, rs2): (u32, u32),
    code: impl FnOnce(&mut Assembler<'_>),
) {
    let place = asm.code.len();
    asm.word(0);
    code(asm);
    let behind = std::mem::take(&mut asm.code);
    let distance = behind.len() - place;
    asm.code = behind[..place].to_vec();
    asm.insn(branch, &[("rs1", rs1), ("rs2", rs2), ("bimm12", distance as u32)]);
    asm.code.extend_from_slice(&behind[place + 4..]);
}

/// Back to the program; T0 is the address of the handler's memory.
fn emit_return(asm: &mut Assembler<'_>) {
    for (index, register) in SAVE.into_iter().enumerate() {
        asm.load("ld", register, reg::T0, 8 * index as u32);
    }
    exchange(asm);
    asm.insn("sret", &[]);
}

/// Sets the timer again, one to four ticks ahead. Writes the 8 bytes to some place of the program's
/// code that are there: what was decoded of that page is forgotten.
fn emit_timer(asm: &mut Assembler<'_>, (code, length): (u64, u64)) {
    let three =
        |rd, rs1, rs2| -> [(&'static str, u32); 3] { [("rd", rd), ("rs1", rs1), ("rs2", rs2)] };
    // The linear congruential generator of Knuth's MMIX.
    asm.load("ld", reg::T1, reg::T0, RANDOM as u32);
    asm.li(reg::T2, 6_364_136_223_846_793_005);
    asm.insn("mul", &three(reg::T1, reg::T1, reg::T2));
    asm.li(reg::T2, 1_442_695_040_888_963_407);
    asm.insn("add", &three(reg::T1, reg::T1, reg::T2));
    asm.store("sd", reg::T1, reg::T0, RANDOM as u32);
    asm.li(reg::T2, length / 8);
    asm.insn("mulhu", &three(reg::T2, reg::T1, reg::T2));
    asm.insn("slli", &[("rd", reg::T2), ("rs1", reg::T2), ("shamt6", 3)]);
    asm.li(reg::T3, code);
    asm.insn("add", &three(reg::T2, reg::T2, reg::T3));
    asm.load("ld", reg::T3, reg::T2, 0);
    asm.store("sd", reg::T3, reg::T2, 0);
    // Bits that the place did not come from.
    asm.insn("slli", &[("rd", reg::T1), ("rs1", reg::T1), ("shamt6", 24)]);
    asm.insn("srli", &[("rd", reg::T1), ("rs1", reg::T1), ("shamt6", 62)]);
    asm.csrr(reg::T2, csr::TIME);
    asm.insn("add", &three(reg::T1, reg::T1, reg::T2));
    asm.addi(reg::T1, reg::T1, 1);
    asm.csrw(csr::STIMECMP, reg::T1);
    emit_return(asm);
}
