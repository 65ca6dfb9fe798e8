//! The interpreter loop against the slow path: random instruction streams must leave two harts, of
//! which one never enters the interpreter loop, with equal registers, CSRs and memory.

use super::hart::{Mode, Registers};
use super::isa::{self, Format, Opcode, TABLE};
use super::test_machine::World;
use crate::engine::cpu::CpuSnapshot;
use crate::riscv::board::layout::RAM_BASE;
use alloc::vec::Vec;

const CODE: u64 = RAM_BASE;
const HANDLER: u64 = RAM_BASE + 0x8000;
const DATA: u64 = RAM_BASE + 0x10000;
const DATA_LENGTH: usize = 0x3000;
/// Two pages of page tables.
const TABLES: u64 = RAM_BASE + 0x1e000;
/// Instructions of a stream: more than a page of code, so that it crosses one.
const STREAM: usize = 1500;
const STEPS: u64 = 4000;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    /// A number as arithmetic likes them: small, at an edge, or anything.
    fn operand(&mut self) -> u64 {
        let edge = [0, 1, u64::MAX, 1 << 63, i64::MAX as u64, 0x8000_0000, 0x7fff_ffff];
        match self.below(4) {
            0 => edge[self.below(edge.len() as u64) as usize],
            1 => self.below(64),
            _ => self.next(),
        }
    }

    /// The bits of a floating-point register.
    fn float(&mut self) -> u64 {
        let doubles = [0.0, -0.0, 1.0, -1.5, 1e300, 1e-308, f64::INFINITY, f64::NAN, 3.9];
        match self.below(4) {
            0 => doubles[self.below(doubles.len() as u64) as usize].to_bits(),
            1 => 0xffff_ffff_0000_0000 | self.next() >> 32,
            2 => (self.below(1 << 20) as f64 / 1024.0).to_bits(),
            _ => self.next(),
        }
    }
}

/// Registers that hold data addresses and are never a destination.
const BASES: [u8; 2] = [8, 9];

/// A random instruction that neither leaves the stream nor changes a base register.
fn instruction(random: &mut Random) -> u32 {
    loop {
        if random.below(3) == 0 {
            let bits = random.next() as u16;
            match isa::decode(u32::from(bits)) {
                Some(insn) if insn.length == 2 && harmless(&insn) => return u32::from(bits),
                _ => continue,
            }
        }
        let row = &TABLE[random.below(TABLE.len() as u64) as usize];
        if row.format.is_vector() {
            // Only the slow path knows these.
            continue;
        }
        let mut bits = row.bits | random.next() as u32 & !row.mask;
        match row.format {
            Format::Load | Format::LoadFp | Format::S | Format::SFp | Format::Amo | Format::Cbo => {
                let base = BASES[random.below(2) as usize];
                bits = bits & !(31 << 15) | u32::from(base) << 15;
            }
            // Forward by 8 bytes.
            Format::B => bits = bits & 0x01ff_f07f | 8 << 7,
            Format::J => bits = bits & 0xfff | 8 << 20,
            Format::Csr | Format::CsrI => {
                // sstatus less often: it switches floating point off.
                let csr = match random.below(20) {
                    0 => 0x100,
                    other => [1, 2, 3, 0x106, 0x140, 0x141, 0x142, 0x143, 0xc02, 0xc1f]
                        [other as usize % 10],
                };
                bits = bits & 0x000f_ffff | csr << 20;
            }
            _ => {}
        }
        if let Some(insn) = isa::decode(bits)
            && harmless(&insn)
        {
            return bits;
        }
    }
}

fn harmless(insn: &isa::Insn) -> bool {
    let memory = matches!(
        insn.opcode.format(),
        Format::Load | Format::LoadFp | Format::S | Format::SFp | Format::Amo | Format::Cbo
    );
    let jump =
        matches!(insn.opcode, Opcode::Jalr | Opcode::Jal) || { insn.opcode.format() == Format::B };
    // A call is a trap into the handler, or the emulator's to answer.
    let system = matches!(insn.opcode.format(), Format::None | Format::Sfence)
        && insn.opcode != Opcode::Ecall;
    let writes_base = !matches!(insn.opcode.format(), Format::S | Format::SFp | Format::B)
        && BASES.contains(&insn.rd);
    !system
        && !writes_base
        && insn.opcode != Opcode::Jalr
        && (!memory || BASES.contains(&insn.rs1))
        && (!jump || insn.imm == 8)
}

/// Neighbours that load, or store, doublewords at one base, which the interpreter loop takes
/// together: inside a page, over its end, with gaps, or with a new base in the middle.
fn neighbours(random: &mut Random) -> Vec<u32> {
    const BASE: u32 = 10;
    let from = u32::from(BASES[random.below(2) as usize]);
    // addi x10, base, imm
    let mut code = alloc::vec![(random.next() as u32 & 0xff) << 20 | from << 15 | BASE << 7 | 0x13];
    let (short, store) = (random.below(2) == 0, random.below(2) == 0);
    let mut imm = random.below(17) as i32 * 8 - if short { 0 } else { 64 };
    for _ in 0..2 + random.below(10) {
        // Any register but those of other data addresses; the base itself now and then.
        let register = BASE + random.below(6) as u32;
        let place = imm.rem_euclid(if short { 256 } else { 4096 }) as u32;
        code.push(match (short, store) {
            (true, _) => {
                let bits = (place << 7 & 0x1c00) | (place >> 1 & 0x60) | (BASE - 8) << 7;
                let operation = if store { 0xe000 } else { 0x6000 };
                operation | bits | (register - 8) << 2
            }
            (false, true) => {
                let bits = (place >> 5) << 25 | (place & 31) << 7 | BASE << 15;
                bits | register << 20 | 3 << 12 | 0x23
            }
            (false, false) => place << 20 | BASE << 15 | 3 << 12 | register << 7 | 3,
        });
        imm += [8, 8, 8, 8, -8, 16, 0, if short { 24 } else { 4 }][random.below(8) as usize];
    }
    code
}

/// The code of a stream, ended by a jump to its start: what crosses pages is met again.
fn stream(random: &mut Random) -> Vec<u8> {
    let mut code = Vec::new();
    for _ in 0..STREAM {
        let together = match random.below(40) {
            0 => neighbours(random),
            _ => alloc::vec![instruction(random)],
        };
        for bits in together {
            let length = if bits & 3 == 3 { 4 } else { 2 };
            code.extend_from_slice(&bits.to_le_bytes()[..length]);
        }
    }
    // c.nop, so that a jump over it lands in the loop.
    code.extend_from_slice(&[1, 0, 1, 0, 1, 0, 1, 0]);
    code.extend_from_slice(&jump(-(code.len() as i32)).to_le_bytes());
    code
}

/// `j . + distance`.
fn jump(distance: i32) -> u32 {
    let bits = distance as u32;
    bits << 11 & 1 << 31 | bits << 20 & 0x7fe0_0000 | bits << 9 & 1 << 20 | bits & 0xff000 | 0x6f
}

/// Returns behind the faulting instruction, as if it had 4 bytes; x5 is kept in sscratch.
const HANDLER_CODE: [u32; 6] = [
    0x1402_92f3, // csrrw x5, sscratch, x5
    0x1410_22f3, // csrr x5, sepc
    0x0042_8293, // addi x5, x5, 4
    0x1412_9073, // csrw sepc, x5
    0x1402_92f3, // csrrw x5, sscratch, x5
    0x1020_0073, // sret
];

/// A hart with random registers, about to run `code`.
fn world(code: &[u8], random: &mut Random) -> World {
    let mut world = World::new(0x20000, CODE);
    let World { memory, hart, .. } = &mut world;
    memory.write(CODE, code).unwrap();
    for (index, word) in HANDLER_CODE.iter().enumerate() {
        memory.write(HANDLER + 4 * index as u64, &word.to_le_bytes()).unwrap();
    }
    let data: Vec<u8> = (0..DATA_LENGTH).map(|_| random.next() as u8).collect();
    memory.write(DATA, &data).unwrap();
    for register in 1..32 {
        hart.set_x(register, random.operand());
        hart.state.f[register as usize] = random.float();
    }
    hart.set_x(BASES[0], DATA + 0x1000);
    hart.set_x(BASES[1], DATA + 0x1800 + random.below(8));
    hart.state.csrs.stvec = HANDLER;
    hart.state.csrs.sstatus = random.next() & 0x6722; // FS, VS, SPP, SPIE, SIE
    hart.state.csrs.frm = if random.below(2) == 0 { 0 } else { random.below(8) as u8 };
    hart.state.csrs.fflags = random.below(32) as u8;
    match random.below(3) {
        0 => hart.sync(),
        mode => translated(&mut world, 7 + mode, random),
    }
    world
}

/// Switches translation on, with `satp.MODE` 8 or 9, and perhaps goes to U-mode, where the base
/// registers may carry tags that pointer masking ignores.
fn translated(world: &mut World, mode: u64, random: &mut Random) {
    const LEAF: u64 = RAM_BASE >> 2 | 0xcf;
    const USER: u64 = 1 << 4;
    let user = random.below(2) == 0;
    // Entries of 1 GiB: memory where it is, and once more for the handler.
    let lower = [LEAF | if user { USER } else { 0 }, LEAF];
    for (entry, place) in lower.iter().zip([TABLES + 16, TABLES + 24]) {
        world.memory.write(place, &entry.to_le_bytes()).unwrap();
    }
    world.memory.write(TABLES + 0x1000, &(TABLES >> 2 | 1).to_le_bytes()).unwrap();
    let root = if mode == 8 { TABLES } else { TABLES + 0x1000 };
    let hart = &mut world.hart;
    hart.state.csrs.write_satp(mode << 60 | root >> 12);
    hart.state.csrs.stvec = HANDLER + (1 << 30);
    if user {
        hart.arch.mode = Mode::User;
        let masking = random.below(4);
        hart.state.csrs.write_senvcfg(masking << 32 | random.below(256));
        if masking >= 2 {
            for base in BASES {
                hart.set_x(base, hart.x(base) | random.below(128) << 57);
            }
        }
    }
    hart.sync();
}

/// Everything that the guest can see.
fn state(world: &World) -> (CpuSnapshot<Registers>, Vec<u8>) {
    let data = world.memory.resident(DATA, DATA_LENGTH).unwrap().to_vec();
    (world.hart.snapshot(&world.memory), data)
}

#[test]
fn the_hot_loop_does_what_the_slow_path_does() {
    for seed in 1..=300_u64 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let code = stream(&mut random);
        let values = random.next() | 1;
        let mut fast = world(&code, &mut Random(values));
        let mut slow = world(&code, &mut Random(values));
        fast.with_bus(|hart, bus| hart.run(STEPS, bus));
        let steps = fast.hart.steps();
        assert!(steps >= STEPS, "seed {seed}: stopped after {steps} steps");
        slow.with_bus(|hart, bus| hart.run_slowly(steps, bus));
        let ((fast_hart, fast_data), (slow_hart, slow_data)) = (state(&fast), state(&slow));
        assert_eq!(fast_hart, slow_hart, "seed {seed}");
        assert!(fast_data == slow_data, "seed {seed}: memory differs");
    }
}

/// A loop in which a store changes, in every round, the second half of an instruction that
/// crosses into the next page.
#[test]
fn a_page_crosser_is_what_memory_says() {
    let start = 0xff2;
    let mut code = alloc::vec![0; start];
    for bits in [
        0x0063_9023, // sh x6, 0(x7): where the second half of the addi is
        0x0053_4333, // xor x6, x6, x5
        0x00a5_85b3, // add x11, x11, x10
        0x0015_0513, // addi x10, x10, 1, or 17 when it was changed
        jump(-0x10),
    ] {
        code.extend_from_slice(&bits.to_le_bytes());
    }
    let mut worlds = [(); 2].map(|()| world(&code, &mut Random(7)));
    for world in &mut worlds {
        world.hart.state.pc = CODE + start as u64;
        for (register, value) in [(5, 0x100), (6, 0x15), (7, CODE + 0x1000), (10, 0), (11, 0)] {
            world.hart.set_x(register, value);
        }
    }
    let [fast, slow] = &mut worlds;
    fast.with_bus(|hart, bus| hart.run(400, bus));
    let steps = fast.hart.steps();
    slow.with_bus(|hart, bus| hart.run_slowly(steps, bus));
    assert_eq!(state(fast), state(slow));
    assert_eq!(fast.hart.x(10) % 18, 0, "ones and seventeens in turn");
    assert!(fast.hart.x(10) > 400);
}
