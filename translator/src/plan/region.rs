//! A unit: blocks of guest code that become one function.

use crate::emit::builder::Registers;
use alloc::vec::Vec;
use c2w_emulator::cpu::isa::{Format, Insn, Opcode};
use c2w_emulator::cpu::vector::Vtype;

/// A unit before it is translated.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// Pages that its code lies in: distance from the first one in pages, and the number of the
    /// content, ascending. The first distance is 0.
    pub pages: Vec<(u32, u16)>,
    /// Whether it is code of U-mode.
    pub user: bool,
    /// Its blocks, by ascending offset.
    pub blocks: Vec<Block>,
    /// Blocks where it can be entered. The first is where calls go.
    pub entries: Vec<usize>,
}

/// Instructions that are executed one after the other.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Bytes from the start of the unit's first page to the first instruction.
    pub offset: u32,
    /// The instructions; none but the last transfers control.
    pub insns: Vec<Insn>,
    /// Instructions, by their places, whose accesses to memory are looked up by themselves: together
    /// with others they often lie on two pages.
    pub alone: Vec<usize>,
    /// Whether the slow path was seen to execute an instruction of it: mostly an access to memory for
    /// which a TLB lacked an entry.
    pub misses: bool,
    /// The vector type that it needs to begin with, and has when control comes from other blocks.
    pub vtype: Option<Vtype>,
    /// How often it was executed.
    pub count: u64,
    /// The block behind it, if that is in the unit: where a branch that is not taken or a call goes
    /// on.
    pub next: Option<usize>,
    /// The block that the last instruction's direct jump or branch leads to, if it is in the unit.
    pub taken: Option<usize>,
    /// The blocks that the last instruction, a jump by register, was seen to lead to; without
    /// instructions, those that a loop leads to which is a unit of its own.
    pub indirect: Vec<usize>,
    /// The unit that the last instruction, a direct jump or call, leads to: its number, and the
    /// pages from the first page of this one to the first of that one.
    pub other: Option<(u32, i64)>,
}

/// How an instruction goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// With the next one.
    Next,
    /// With the next one or at a fixed distance.
    Branch,
    /// At a fixed distance.
    Jump,
    /// At a fixed distance, and comes back.
    Call,
    /// Where a register says.
    IndirectJump,
    /// Where a register says, and comes back.
    IndirectCall,
    /// The same as an indirect jump, by the convention for returns.
    Return,
    /// Into the kernel, and comes back behind it.
    SystemCall,
    /// Into a loop that is a unit of its own, and from there to one of several blocks.
    Loop,
}

/// The registers that the calling convention keeps return addresses in (unprivileged ISA, "Return
/// address prediction hints").
fn is_link(register: u8) -> bool {
    matches!(register, 1 | 5)
}

/// How an instruction goes on.
pub fn flow(insn: &Insn) -> Flow {
    match insn.opcode {
        Opcode::Jal if is_link(insn.rd) => Flow::Call,
        Opcode::Jal => Flow::Jump,
        Opcode::Jalr if is_link(insn.rd) => Flow::IndirectCall,
        Opcode::Jalr if insn.rd == 0 && is_link(insn.rs1) && insn.imm == 0 => Flow::Return,
        Opcode::Jalr => Flow::IndirectJump,
        Opcode::Ecall => Flow::SystemCall,
        _ if insn.opcode.format() == Format::B => Flow::Branch,
        _ => Flow::Next,
    }
}

impl Block {
    /// Offset behind the last instruction.
    pub fn end(&self) -> u32 {
        self.offset + self.insns.iter().map(|insn| u32::from(insn.length)).sum::<u32>()
    }

    /// The instructions behind one that may share a look at the TLB with it.
    pub fn following(&self, place: usize) -> &[Insn] {
        if self.alone.contains(&place) {
            return &[];
        }
        let end = self.alone.iter().copied().find(|&alone| alone > place);
        &self.insns[place + 1..end.unwrap_or(self.insns.len())]
    }

    /// How the last instruction goes on.
    pub fn flow(&self) -> Flow {
        self.insns.last().map_or(Flow::Loop, flow)
    }

    /// Blocks that may follow immediately, that is without another function in between.
    pub fn successors(&self) -> impl Iterator<Item = usize> {
        let next = match self.flow() {
            Flow::Next | Flow::Branch => self.next,
            _ => None,
        };
        let indirect = if self.insns.is_empty() { &[][..] } else { &self.indirect };
        self.taken.into_iter().chain(next).chain(indirect.iter().copied())
    }

    /// Blocks that another function comes back to.
    pub fn returns(&self) -> impl Iterator<Item = usize> {
        let (next, exits) = match self.flow() {
            Flow::Call | Flow::IndirectCall | Flow::SystemCall => (self.next, &[][..]),
            Flow::Loop => (None, &self.indirect[..]),
            _ => (None, &[][..]),
        };
        next.into_iter().chain(exits.iter().copied())
    }

    /// Whether another function is called at the end.
    pub fn calls(&self) -> bool {
        matches!(self.flow(), Flow::Call | Flow::IndirectCall | Flow::SystemCall | Flow::Loop)
    }
}

/// Registers that an instruction reads and writes.
pub fn operands(insn: &Insn) -> (Registers, Registers) {
    let (x, f) = (Registers::x, Registers::f);
    let (rd, rs1, rs2, rs3) = (insn.rd, insn.rs1, insn.rs2, insn.rs3);
    let none = Registers::default();
    match insn.opcode.format() {
        Format::R | Format::Amo => (x(rs1).with(x(rs2)), x(rd)),
        Format::R1 | Format::I | Format::Shift | Format::Load | Format::Csr => (x(rs1), x(rd)),
        Format::S | Format::B => (x(rs1).with(x(rs2)), none),
        Format::SFp => (x(rs1).with(f(rs2)), none),
        Format::LoadFp | Format::XToFp => (x(rs1), f(rd)),
        Format::Cbo => (x(rs1), none),
        Format::U | Format::J | Format::CsrI => (none, x(rd)),
        Format::R4 => (f(rs1).with(f(rs2)).with(f(rs3)), f(rd)),
        Format::Fp => (f(rs1).with(f(rs2)), f(rd)),
        Format::Fp1 => (f(rs1), f(rd)),
        Format::FpToX2 => (f(rs1).with(f(rs2)), x(rd)),
        Format::FpToX => (f(rs1), x(rd)),
        Format::Fli => (none, f(rd)),
        Format::VSetVli => (x(rs1), x(rd)),
        Format::VSetIvli | Format::VToX => (none, x(rd)),
        Format::VMem | Format::Vx | Format::VFromX => (x(rs1), none),
        _ => (none, none),
    }
}
