//! A hart with memory and devices around it, for tests.

use super::csr::trap_register;
use super::hart::{Hart, Mode};
use crate::board::Board;
use crate::devices::test_host::TestHost;
use crate::devices::{Devices, DevicesConfig};
use crate::engine::bus::Bus;
use crate::engine::clock::Clock;
use crate::memory::GuestMemory;
use crate::riscv::board::RiscvBoard;
use crate::riscv::board::layout::{IMAGE_BASE, RAM_BASE, TIMEBASE};
use alloc::vec;
use alloc::vec::Vec;

/// A hart and all that it can reach.
pub struct World {
    pub memory: GuestMemory,
    pub devices: Devices,
    pub host: TestHost,
    pub clock: Clock,
    pub hart: Hart,
}

impl World {
    /// A machine with `ram` bytes, in S-mode without translation, about to start at `entry`.
    pub fn new(ram: u64, entry: u64) -> Self {
        let memory = GuestMemory::allocate(RAM_BASE, ram, IMAGE_BASE, 0).unwrap();
        let hart = Hart::at_boot(entry, 0, &memory);
        let config = DevicesConfig { ports: vec!["a".into()], ..DevicesConfig::default() };
        Self {
            memory,
            devices: RiscvBoard.devices(config),
            host: TestHost::default(),
            clock: Clock::from_instructions(TIMEBASE),
            hart,
        }
    }

    pub fn with_bus<T>(&mut self, run: impl FnOnce(&mut Hart, &mut Bus<'_>) -> T) -> T {
        let mut bus = Bus {
            memory: &mut self.memory,
            devices: &mut self.devices,
            host: &mut self.host,
            clock: &self.clock,
        };
        run(&mut self.hart, &mut bus)
    }
}

/// `scause` and `stval`.
pub type Taken = (u64, u64);

const CODE: u64 = RAM_BASE;
const TABLES: u64 = RAM_BASE + 0x10_0000;
const USER_CODE: u64 = 0x1_0000;
const SUPERVISOR_CODE: u64 = 0x2_0000;

/// Page table entry bits.
pub mod pte {
    pub const V: u64 = 1;
    pub const R: u64 = 2;
    pub const W: u64 = 4;
    pub const X: u64 = 8;
    pub const U: u64 = 16;
    pub const A: u64 = 64;
    pub const D: u64 = 128;
    pub const RW: u64 = V | R | W;
    pub const RWU: u64 = RW | U;
}

/// A [`World`] with page tables, in which single instructions are tried.
pub struct Paged {
    pub world: World,
    mode: u64,
    tables: u64,
}

impl Paged {
    /// Translation by `satp.MODE` 8 or 9, and nothing mapped but code.
    pub fn new(mode: u64) -> Self {
        let mut paged = Self { world: World::new(0x20_0000, CODE), mode, tables: TABLES };
        paged.new_table();
        paged.map(USER_CODE, CODE | pte::V | pte::X | pte::U);
        paged.map(SUPERVISOR_CODE, CODE | pte::V | pte::X);
        // j . for the handler, four pages from here.
        paged.world.memory.write(CODE + 0x800, &0x6f_u32.to_le_bytes()).unwrap();
        paged.world.hart.state.csrs.stvec = SUPERVISOR_CODE + 0x800;
        assert!(paged.world.hart.state.csrs.write_satp(mode << 60 | TABLES >> 12));
        paged
    }

    fn new_table(&mut self) -> u64 {
        let table = self.tables;
        self.tables += 0x1000;
        table
    }

    /// Maps a page: `entry` is its physical address and its bits, the upper ones in their place.
    pub fn map(&mut self, address: u64, entry: u64) {
        self.map_at(0, address, entry);
    }

    /// Maps what an entry at `level` covers.
    pub fn map_at(&mut self, level: u64, address: u64, entry: u64) {
        let at = self.entry_at(level, address);
        let upper = entry >> 54 << 54;
        let entry = upper | (entry & !upper & !0xfff) >> 2 | entry & 0x3ff;
        self.world.memory.write(at, &entry.to_le_bytes()).unwrap();
    }

    /// Where the entry at `level` for an address is; makes the tables above it.
    pub fn entry_at(&mut self, level: u64, address: u64) -> u64 {
        let mut table = TABLES;
        for above in (level + 1..self.mode - 5).rev() {
            let at = table + (address >> (12 + 9 * above) & 0x1ff) * 8;
            let mut entry = u64::from_le_bytes(self.world.memory.read_array(at).unwrap());
            if entry == 0 {
                entry = self.new_table() >> 2 | pte::V;
                self.world.memory.write(at, &entry.to_le_bytes()).unwrap();
            }
            table = entry >> 10 << 12;
        }
        table + (address >> (12 + 9 * level) & 0x1ff) * 8
    }

    /// Tries an instruction; tells the trap that it raised.
    pub fn attempt(&mut self, mode: Mode, bits: u32) -> Option<Taken> {
        self.attempt_all(mode, &[bits])
    }

    /// The same for a few, one after the other.
    pub fn attempt_all(&mut self, mode: Mode, bits: &[u32]) -> Option<Taken> {
        let hart = &mut self.world.hart;
        hart.arch.mode = mode;
        hart.state.pc = match mode {
            Mode::User => USER_CODE,
            Mode::Supervisor => SUPERVISOR_CODE,
        };
        hart.state.trap[trap_register::CAUSE] = u64::MAX;
        hart.sync();
        let code: Vec<u8> =
            bits.iter().chain(&[0x6f]).flat_map(|bits| bits.to_le_bytes()).collect();
        self.world.memory.write(CODE, &code).unwrap();
        let limit = self.world.hart.steps() + bits.len() as u64 + 1;
        self.world.with_bus(|hart, bus| hart.run(limit, bus));
        let trap = self.world.hart.state.trap;
        let taken = (trap[trap_register::CAUSE], trap[trap_register::VALUE]);
        (taken.0 != u64::MAX).then_some(taken)
    }

    /// [`Self::attempt`] twice, with the same answer: the second time the interpreter loop may know
    /// the translation.
    pub fn attempt_twice(&mut self, mode: Mode, bits: u32) -> Option<Taken> {
        let first = self.attempt(mode, bits);
        assert_eq!(self.attempt(mode, bits), first, "the interpreter loop differs");
        first
    }

    /// Sets an integer register.
    pub fn set(&mut self, register: u8, value: u64) {
        self.world.hart.set_x(register, value);
    }
}
