//! RISC-V: RV64GC with what `c2w_emulator` has besides, as far as it is translated.

mod builder;
mod coverage;
mod float;
mod fused;
mod insn;
#[cfg(test)]
mod instruction_tests;
mod integer;
mod memory;
mod system;
mod vector;

use crate::emit::{BASE, Emit, StateLayout};
use crate::guest::{AssumptionUse, Flow, Guest, MemoryAccess, RegisterUse};
use builder::HartChecks;
use c2w_emulator::riscv::isa::{self, Format, Insn, Opcode};
use c2w_emulator::riscv::linkage::state_offsets;
use c2w_emulator::riscv::vector::Vtype;
use insn::registers;
use wasm_encoder::ValType;

/// A function with RISC-V code.
type Builder = crate::emit::Builder<Riscv>;

/// The instruction set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Riscv;

impl Guest for Riscv {
    type Insn = Insn;
    /// The vector type; then `vstart` is 0.
    type Assumption = Vtype;

    const CODE_SHIFT: u32 = 1;
    const MAX_LENGTH: usize = 4;
    const ZERO: Option<u8> = Some(0);

    #[inline]
    fn length_at(code: &[u8]) -> Option<usize> {
        code.first().map(|&low| if low & 3 == 3 { 4 } else { 2 })
    }

    fn decode(code: &[u8]) -> Option<Insn> {
        match Self::length_at(code)? {
            2 => isa::decode(u16::from_le_bytes(*code.first_chunk()?).into()),
            _ => isa::decode(u32::from_le_bytes(*code.first_chunk()?)),
        }
    }

    fn length(insn: &Insn) -> u32 {
        insn.length.into()
    }

    fn can_translate(insn: &Insn, user: bool) -> bool {
        coverage::can_translate(insn, user)
    }

    fn flow(insn: &Insn) -> Flow {
        insn::flow(insn)
    }

    fn registers(insn: &Insn) -> RegisterUse {
        registers(insn)
    }

    fn memory_access(insn: &Insn) -> Option<MemoryAccess> {
        memory::access_of(insn)
    }

    fn increment(insn: &Insn, register: u8) -> Option<i32> {
        (insn.opcode == Opcode::Addi && insn.rs1 == register).then_some(insn.imm)
    }

    fn assumption_use(insn: &Insn) -> AssumptionUse<Vtype> {
        vector::assumption_use(insn)
    }
}

impl Emit for Riscv {
    type Checks = HartChecks;

    const STATE: StateLayout = StateLayout {
        pc: state_offsets::PC,
        budget: state_offsets::BUDGET,
        fetch_entries: state_offsets::FETCH_ENTRIES,
        read_tlb: state_offsets::READ_TLB,
        write_tlb: state_offsets::WRITE_TLB,
        fetch_count: state_offsets::FETCH_COUNT,
        fetch_entry_shift: state_offsets::FETCH_ENTRY_SHIFT,
        code_tag: state_offsets::CODE_TAG,
        tlb_shift: state_offsets::ENTRY_OFFSET_SHIFT,
        tlb_mask: state_offsets::ENTRY_OFFSET_MASK,
        tlb_page: state_offsets::TLB_PAGE,
        tlb_distance: state_offsets::TLB_DISTANCE,
    };

    fn register(number: u8) -> (ValType, u64) {
        insn::register(number)
    }

    fn emit(insn: &Insn, following: &[Insn], body: &mut Builder) -> bool {
        match insn.opcode.format() {
            Format::U if insn.opcode == Opcode::Auipc => {
                let page = i64::from(body.offset) + i64::from(insn.imm);
                body.code().local_get(BASE).i64_const(page).i64_add();
                body.set_x(insn.rd);
                true
            }
            Format::Csr | Format::CsrI => {
                vector::register(insn, body) || system::system(insn, body)
            }
            Format::Amo => memory::atomic(insn, body),
            Format::Cbo => memory::zero_block(insn, body),
            _ => {
                memory::access(insn, following, body)
                    || integer::integer(insn, body)
                    || float::float(insn, body)
                    || vector::vector(insn, body)
            }
        }
    }

    fn condition(insn: &Insn, body: &mut Builder) {
        insn::condition(insn, body);
    }

    fn target(insn: &Insn, body: &mut Builder) {
        body.x(insn.rs1);
        if insn.imm != 0 {
            body.code().i64_const(i64::from(insn.imm)).i64_add();
        }
        body.code().i64_const(!1).i64_and();
    }

    fn link(insn: &Insn, end: u32, body: &mut Builder) {
        if insn.rd != 0 {
            body.code().local_get(BASE).i64_const(i64::from(end)).i64_add();
            body.set_x(insn.rd);
        }
    }

    fn check_assumption(vtype: Vtype, body: &mut Builder) {
        body.need_vector_type(vtype);
    }
}
