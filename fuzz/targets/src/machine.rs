//! A machine whose guest is random: code, registers, CSRs and page tables. It must stay inside
//! its memory and its budget, and do the same when it runs again.

use crate::UpTo;
use crate::guest::{self, HEADER_LENGTH, IMAGE_OFFSET, RAM_LENGTH, asm};
use crate::world::{Counter, RAM};
use arbitrary::Arbitrary;
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::board::layout;
use c2w_emulator::riscv::isa::TABLE;
use c2w_emulator::{Exit, GuestMemory, Machine, PAGE_SIZE, Region};
use std::sync::OnceLock;

/// Steps of one run.
const STEPS: u64 = 2000;
/// The hot loop looks at its budget where a branch is taken or the page changes.
const OVERRUN: u64 = PAGE_SIZE as u64 / 2 + 1;
const DISK_LENGTH: u64 = 0x1_0000;
/// Where the prelude's registers are, from the start of the `Image`.
const REGISTERS: usize = 0x1000;
/// `sstatus.FS` and `sstatus.VS`, on.
const UNITS_ON: u64 = 3 << 13 | 3 << 9;

/// The CSRs that the prelude sets, in turn; the last two at its very end.
mod csr {
    pub const SSTATUS: u32 = 0x100;
    pub const SIE: u32 = 0x104;
    pub const STVEC: u32 = 0x105;
    pub const SCOUNTEREN: u32 = 0x106;
    pub const SSCRATCH: u32 = 0x140;
    pub const SEPC: u32 = 0x141;
    pub const STIMECMP: u32 = 0x14d;
    pub const SATP: u32 = 0x180;
    pub const FCSR: u32 = 0x003;
}

#[derive(Arbitrary, Debug)]
struct Input {
    sstatus: u32,
    sie: u16,
    stvec: Address,
    stimecmp: u16,
    fcsr: u8,
    entry: Address,
    /// Translation is on, with its root table in this page.
    root: Option<u8>,
    /// RAM and devices are mapped one to one, by gigabytes.
    identity: bool,
    entries: UpTo<Entry, 15>,
    x: [Address; 8],
    f: [u64; 4],
    input: [u16; 2],
    host_clock: bool,
    pieces: UpTo<Piece, 15>,
}

/// An entry of a page table.
#[derive(Arbitrary, Debug)]
struct Entry {
    table: u8,
    index: u16,
    target: Address,
    /// Mostly what the entry holds in its low bits.
    flags: u8,
    high: u8,
}

#[derive(Arbitrary, Debug)]
enum Address {
    /// In a page of RAM.
    Page(u8, u16),
    /// A device's register.
    Device(u8, u16),
    Disk(u16),
    /// A virtual address that these indices of the page tables lead to.
    Virtual(u16, u16, u16, u16),
    Any(u64),
}

impl Address {
    fn get(&self) -> u64 {
        let page = PAGE_SIZE as u64;
        match *self {
            Self::Page(number, offset) => RAM + u64::from(number) * page + u64::from(offset) % page,
            Self::Device(device, offset) => {
                let places = [
                    layout::PLIC,
                    layout::CONSOLE,
                    layout::RNG,
                    layout::P9_TRANSPORT,
                    layout::RTC,
                    layout::NET,
                ];
                places[usize::from(device) % places.len()].base + u64::from(offset)
            }
            Self::Disk(offset) => layout::IMAGE_BASE + u64::from(offset),
            Self::Virtual(a, b, c, offset) => {
                let index = |part: u16| u64::from(part) & 0x1ff;
                let address = index(a) << 30 | index(b) << 21 | index(c) << 12;
                // Bit 38 is the sign.
                ((address << 25) as i64 >> 25) as u64 | (u64::from(offset) % page)
            }
            Self::Any(address) => address,
        }
    }
}

/// Something in RAM.
#[derive(Arbitrary, Debug)]
struct Piece {
    page: u8,
    offset: u16,
    code: UpTo<Code, 255>,
}

#[derive(Arbitrary, Debug)]
enum Code {
    /// A row of the instruction table and what the row leaves open.
    Row(u16, u32),
    Compressed(u16),
    Any(u32),
    Number(u64),
}

impl Code {
    fn append_to(&self, bytes: &mut Vec<u8>) {
        match *self {
            Self::Row(row, fields) => {
                let row = &TABLE[usize::from(row) % TABLE.len()];
                bytes.extend((row.bits | fields & !row.mask).to_le_bytes());
            }
            Self::Compressed(bits) => bytes.extend(bits.to_le_bytes()),
            Self::Any(bits) => bytes.extend(bits.to_le_bytes()),
            Self::Number(number) => bytes.extend(number.to_le_bytes()),
        }
    }
}

/// Runs one input.
///
/// # Panics
/// When the machine does not keep to its budget, is not the same twice, or panics itself.
pub fn check(bytes: &[u8]) {
    let Some(input) = crate::parse::<Input>(bytes) else { return };
    let first = input.run();
    // Twice takes twice as long.
    if !bytes.len().is_multiple_of(4) {
        return;
    }
    let second = input.run();
    assert!(first.host == second.host, "the same guest asked the host otherwise");
    assert!(first.state == second.state, "the same guest has other registers or devices");
    for region in [first.machine.memory().ram(), first.machine.memory().image()] {
        assert!(first.bytes(region) == second.bytes(region), "the same guest has other memory");
    }
}

/// Everything that a run leaves.
struct Outcome {
    machine: Machine,
    state: Vec<u8>,
    host: Counter,
}

impl Outcome {
    fn bytes(&self, region: Region) -> &[u8] {
        self.machine
            .memory()
            .resident(region.start, region.length as usize)
            .expect("all of a region")
    }
}

impl Input {
    fn run(&self) -> Outcome {
        let mut host = Counter::default();
        let mut machine = self.machine();
        if self.host_clock {
            machine.use_host_clock(&mut host);
        }
        for (round, &length) in self.input.iter().enumerate() {
            let budget = STEPS / 2 + round as u64;
            run(&mut machine, budget, &mut host);
            let room = machine.input_room(round + 1);
            let taken = machine.push_input(round + 1, &vec![1; length.into()], &mut host);
            assert!(taken <= room.max(usize::from(length)));
        }
        run(&mut machine, 1, &mut host);
        let state = machine.save(&mut host);
        Outcome { machine, state, host }
    }

    /// The machine about to run. What lies over prelude, page tables and device tree wins.
    fn machine(&self) -> Machine {
        static TEMPLATE: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
        let image = || guest::image(&prelude(), REGISTERS, &[]);
        let (ram, state) =
            TEMPLATE.get_or_init(|| guest::parts(&guest::boot(&image(), DISK_LENGTH)));
        let mut memory =
            GuestMemory::allocate(RAM, RAM_LENGTH, layout::IMAGE_BASE, DISK_LENGTH).expect("small");
        memory.write(RAM, ram).expect("as long as RAM");
        let registers = RAM + IMAGE_OFFSET + REGISTERS as u64;
        memory.write(registers, &self.registers()).expect("less than a page");
        for entry in &self.entries.0 {
            let number = entry.target.get() >> 12 << 10 & ((1 << 54) - 1);
            let bits = number | u64::from(entry.flags) | u64::from(entry.high & 0x0f) << 60;
            let place = place_in_table(entry.table, entry.index);
            memory.write(place, &bits.to_le_bytes()).expect("a page of RAM");
        }
        if let Some(root) = self.root.filter(|_| self.identity) {
            for gigabyte in [0, 2, 16] {
                let bits = u64::from(gigabyte) << 28 | 0xcf;
                let place = place_in_table(root, gigabyte);
                memory.write(place, &bits.to_le_bytes()).expect("a page of RAM");
            }
        }
        for piece in &self.pieces.0 {
            let mut bytes = Vec::new();
            piece.code.0.iter().for_each(|code| code.append_to(&mut bytes));
            // What would leave RAM is left out.
            let _ = memory.write(Address::Page(piece.page, piece.offset).get(), &bytes);
        }
        Machine::restore(&RiscvBoard, memory, state).expect("state of this machine")
    }

    /// What the prelude loads: CSRs, f0 to f31, x1 to x31, and `satp`.
    fn registers(&self) -> Vec<u8> {
        let satp = self.root.map_or(0, |page| 8 << 60 | ((RAM >> 12) + u64::from(page)));
        let csrs = [
            UNITS_ON,
            self.fcsr.into(),
            self.sie.into(),
            self.stvec.get(),
            7,
            self.entry.get(),
            self.stimecmp.into(),
            (u64::from(self.sstatus) | UNITS_ON) & !2,
            self.entry.get(),
        ];
        let f = (0..32).map(|register: usize| self.f[register % 4].rotate_left(register as u32));
        let x = (1..32).map(|register| self.x[register % 8].get());
        csrs.into_iter().chain(f).chain(x).chain([satp]).flat_map(u64::to_le_bytes).collect()
    }
}

fn place_in_table(table: u8, index: u16) -> u64 {
    RAM + u64::from(table) * PAGE_SIZE as u64 + u64::from(index & 0x1ff) * 8
}

/// Loads all registers and goes to `sepc`, by way of the page tables.
fn prelude() -> Vec<u32> {
    let (base, value) = (31, 30);
    let csrs = [
        csr::SSTATUS,
        csr::FCSR,
        csr::SIE,
        csr::STVEC,
        csr::SCOUNTEREN,
        csr::SSCRATCH,
        csr::STIMECMP,
        csr::SSTATUS,
        csr::SEPC,
    ];
    let mut code =
        vec![asm::auipc(base, REGISTERS as u32), asm::addi(base, base, -(HEADER_LENGTH as i32))];
    let mut offset = 0;
    let mut next = || {
        offset += 8;
        offset - 8
    };
    for csr in csrs {
        code.extend([asm::ld(value, base, next()), asm::csrw(csr, value)]);
    }
    code.extend((0..32).map(|register| asm::fld(register, base, next())));
    code.extend((1..30).map(|register| asm::ld(register, base, next())));
    let (x30, x31, satp) = (next(), next(), next());
    code.extend([
        asm::ld(value, base, satp),
        // Page tables are looked at from here on, unless this page is in none.
        asm::csrw(csr::SATP, value),
        asm::ld(value, base, x30),
        asm::ld(base, base, x31),
        asm::SRET,
    ]);
    assert!(HEADER_LENGTH + 4 * code.len() <= REGISTERS && offset < 2048);
    code
}

/// Runs about `budget` steps, skipping over waits.
fn run(machine: &mut Machine, budget: u64, host: &mut Counter) {
    let end = machine.steps() + budget;
    for _ in 0..64 {
        let (before, left) = (machine.steps(), end.saturating_sub(machine.steps()));
        let exit = machine.run(left, host);
        let done = machine.steps() - before;
        assert!(done <= left + OVERRUN, "{done} steps in place of {left}");
        match exit {
            Exit::Budget => {
                assert!(done >= left, "{done} steps only, of {left}");
                return;
            }
            Exit::Idle(Some(tick)) => machine.skip_to(tick),
            Exit::Idle(None) | Exit::Power(_) | Exit::MemoryFailure => return,
        }
    }
}

const _: () = assert!(IMAGE_OFFSET < RAM_LENGTH);
