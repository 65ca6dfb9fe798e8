//! Runs a program in the emulator, in process: a kernel of a few dozen instructions maps it, goes
//! to user mode and logs its exceptions.

use crate::kit::asm::{Assembler, Rows, reg};
use crate::kit::program::{
    self, DATA, DATA_LENGTH, INPUT, OUT, Program, SIGBUS, SIGILL, SIGSEGV, SIGTRAP, TEXT,
};
use c2w_emulator::layout::RAM_BASE;
use c2w_emulator::{BootConfig, Exit, GuestMemory, Host, Machine, PortId};

const PAGE: u64 = 4096;
const RAM: u64 = 64 << 20;
/// Offsets in the kernel image: the boot code behind the header, the trap handler, its memory.
const BOOT: u64 = 0x40;
const HANDLER: u64 = 0x400;
const SAVED: u64 = 0x800;
const ROOT_TABLE: u64 = 0x1000;

mod csr {
    pub const SSTATUS: u32 = 0x100;
    pub const STVEC: u32 = 0x105;
    pub const SENVCFG: u32 = 0x10a;
    pub const SSCRATCH: u32 = 0x140;
    pub const SEPC: u32 = 0x141;
    pub const SCAUSE: u32 = 0x142;
    pub const STVAL: u32 = 0x143;
    pub const SATP: u32 = 0x180;
}

/// FS and VS dirty, SUM: the handler reads the program's code and writes its log.
const SSTATUS: u64 = 3 << 13 | 3 << 9 | 1 << 18;
/// Of the cache-block instructions, user mode may use `cbo.zero` only: so says QEMU 10 in user
/// mode.
const SENVCFG: u64 = 1 << 7;
const ECALL: u32 = 8;

/// Nothing outside.
struct NoHost;

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

/// Runs the program; gives its output, with causes of exceptions in the place of signals.
pub fn run(rows: &Rows, program: &Program, input: &[u8]) -> Vec<u8> {
    let mut image = Image { bytes: Vec::new() };
    image.allocate(2 * PAGE);
    // The kernel's own gigabyte, by one entry.
    let own = RAM_BASE >> 2 | AD | X | W | R | V;
    image.place(ROOT_TABLE + 8 * (RAM_BASE >> 30), &own.to_le_bytes());
    image.map(TEXT, program.text.len() as u64, &program.text, R | X);
    image.map(DATA, DATA_LENGTH, &[], R | W);
    image.map(INPUT, input.len() as u64, input, R);
    let out = image.map(OUT, program.out_length, &program.out, R | W);
    let size = image.bytes.len() as u64;
    image.place(0, &header(rows, size));
    image.place(BOOT, &boot_code(rows, program.main));
    image.place(HANDLER, &handler_code(rows));

    let memory = GuestMemory::allocate(RAM_BASE, RAM, c2w_emulator::layout::IMAGE_BASE, 0);
    let config = BootConfig {
        kernel: &image.bytes,
        initramfs: &[],
        command_line: "",
        ports: &["stdin"],
        mount_tag: "none",
        seed: &[],
    };
    let memory = memory.expect("RAM fits");
    let mut machine = Machine::boot(memory, &config).expect("the image is a kernel");
    let budget = 1_000_000 + 200 * program.text.len() as u64;
    match machine.run(budget, &mut NoHost) {
        Exit::Power(_) => {}
        exit => panic!("the program does not end: {exit:?} at pc {:#x}", machine.pc()),
    }
    let length = program.out_length as usize;
    machine.memory().slice(RAM_BASE + out, length).expect("in RAM").to_vec()
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

fn boot_code(rows: &Rows, main: u64) -> Vec<u8> {
    const SV39: u64 = 8 << 60;
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
    asm.insn("sfence.vma", &[]);
    asm.insn("sret", &[]);
    asm.code
}

/// Logs an exception and returns behind the instruction; a system call is the end.
fn handler_code(rows: &Rows) -> Vec<u8> {
    const SAVE: [u32; 4] = [reg::T1, reg::T2, reg::T3, reg::T4];
    const SRST: u64 = 0x5352_5354;
    let mut asm = Assembler::new(rows, RAM_BASE + HANDLER);
    let exchange = [("rd", reg::T0), ("csr", csr::SSCRATCH), ("rs1", reg::T0)];
    asm.insn("csrrw", &exchange);
    for (index, register) in SAVE.into_iter().enumerate() {
        asm.store("sd", register, reg::T0, 8 * index as u32);
    }
    asm.csrr(reg::T2, csr::SCAUSE);
    asm.addi(reg::T1, reg::ZERO, ECALL as i32);
    let place = asm.code.len();
    asm.word(0);
    asm.li(reg::A7, SRST);
    for register in [reg::A6, reg::A0, reg::A1] {
        asm.addi(register, reg::ZERO, 0);
    }
    asm.insn("ecall", &[]);
    let distance = asm.code.len() - place;
    let branch = [("rs1", reg::T1), ("rs2", reg::T2), ("bimm12", distance as u32)];
    asm.code[place..place + 4].copy_from_slice(&rows.insn("bne", &branch).to_le_bytes());
    asm.csrr(reg::T1, csr::SEPC);
    asm.csrr(reg::T3, csr::STVAL);
    program::emit_log(&mut asm);
    asm.csrw(csr::SEPC, reg::T1);
    asm.li(reg::T0, RAM_BASE + SAVED);
    for (index, register) in SAVE.into_iter().enumerate() {
        asm.load("ld", register, reg::T0, 8 * index as u32);
    }
    asm.insn("csrrw", &exchange);
    asm.insn("sret", &[]);
    asm.code
}
