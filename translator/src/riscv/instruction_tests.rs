//! Single instructions in functions of their own, against plain arithmetic and the exact routines.

extern crate std;

// Its random numbers are all that is used here.
#[allow(dead_code)]
#[path = "../../../emulator/tests/softfloat/operands.rs"]
mod operands;

use super::integer::integer;
use crate::Linkage;
use crate::riscv::float::float;
use crate::riscv::{Builder, insn};
use alloc::vec::Vec;
use c2w_emulator::riscv::isa::{Format, Insn, Opcode, Row, TABLE, constants, decode};
use c2w_emulator::riscv::linkage::state_offsets;
use c2w_emulator::softfloat::{self as soft, F32, F64, NX, RoundingMode, fast};
use c2w_module_abi::Helpers;
use operands::Random;
use std::vec;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, FunctionSection, ImportSection,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wasmtime::{Engine, Func, Instance, Memory, Store, TypedFunc};

/// Where the hart's state is.
const HOT: usize = 256;
const BASE: i64 = 0x1000;

const LINKAGE: Linkage = Linkage {
    state: HOT as u32,
    first_region: 0,
    helpers: Helpers { invoke: 0, status: 0, resume: 0, system_call: 0, map: 0, fma32: 0 },
};

/// What is known of floating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FpState {
    Off,
    Ready,
    Fast,
}

type Function = TypedFunc<(i64, i32, i32), i64>;

/// Functions of one instruction each.
struct Machine {
    store: Store<()>,
    memory: Memory,
    functions: Vec<Function>,
}

impl Machine {
    /// With a function for each instruction that `emit` writes; gives those, too.
    fn new(
        insns: impl IntoIterator<Item = Insn>,
        emit: fn(&Insn, &mut Builder) -> bool,
    ) -> (Self, Vec<Insn>) {
        let mut code = CodeSection::new();
        let known: Vec<_> = insns
            .into_iter()
            .filter(|insn| function(insn, emit).inspect(|bytes| _ = code.raw(bytes)).is_some())
            .collect();
        let engine = Engine::default();
        let bytes = module(known.len() as u32, &code);
        let compiled = wasmtime::Module::new(&engine, bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let fma32 = Func::wrap(&mut store, |a: f32, b: f32, c: f32| {
            fast::fma32_fast(a, b, c).unwrap_or(f32::NAN)
        });
        let imports = [fma32.into()];
        let instance = Instance::new(&mut store, &compiled, &imports).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let functions = (0..known.len())
            .map(|place| {
                let name = std::format!("{place}");
                instance.get_typed_func(&mut store, &name).unwrap()
            })
            .collect();
        (Self { store, memory, functions }, known)
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) {
        self.memory.write(&mut self.store, HOT + offset as usize, bytes).unwrap();
    }

    fn get(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.memory.read(&self.store, HOT + offset as usize, &mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    }

    /// Runs a function with these registers; gives the values of register `rd` in both files
    /// afterwards, if the function did not leave before.
    fn run(
        &mut self,
        number: usize,
        state: FpState,
        x: &[(u8, u64)],
        f: &[(u8, u64)],
        rd: u8,
    ) -> Option<(u64, u64)> {
        self.put(state_offsets::FP_READY, &[u8::from(state != FpState::Off)]);
        self.put(state_offsets::FP_FAST, &[u8::from(state == FpState::Fast)]);
        for (first, file) in [(state_offsets::X, x), (state_offsets::F, f)] {
            for &(register, value) in file {
                self.put(first + u64::from(register) * 8, &value.to_le_bytes());
            }
        }
        let read = |machine: &Self| {
            let offset = u64::from(rd) * 8;
            (machine.get(state_offsets::X + offset), machine.get(state_offsets::F + offset))
        };
        let before = read(self);
        let function = self.functions[number].clone();
        let next = function.call(&mut self.store, (BASE, 0, 0)).unwrap();
        // There was no budget, and what was done has been taken off.
        let done = 0_u64.wrapping_sub(self.get(state_offsets::BUDGET));
        let after = read(self);
        match next - BASE {
            0 => {
                assert_eq!((after, done), (before, 0));
                None
            }
            4 => {
                assert_eq!(done, 1);
                Some(after)
            }
            other => panic!("went to {other}"),
        }
    }
}

fn function(insn: &Insn, emit: fn(&Insn, &mut Builder) -> bool) -> Option<Vec<u8>> {
    let mut body = Builder::new(&LINKAGE);
    for register in [insn.rs1, insn.rs2, insn.rs3] {
        body.load(insn::x(register).with(insn::f(register)));
    }
    if !emit(insn, &mut body) {
        return None;
    }
    body.offset += 4;
    body.done += 1;
    body.leave();
    Some(body.finish())
}

fn module(count: u32, code: &CodeSection) -> Vec<u8> {
    use ValType::{F32, I32, I64};
    let mut types = TypeSection::new();

    types.ty().function([F32; 3], [F32]);
    types.ty().function([I64, I32, I32], [I64]);
    let mut imports = ImportSection::new();
    imports.import("host", "fma32", EntityType::Function(0));
    let (mut functions, mut exports) = (FunctionSection::new(), ExportSection::new());
    for number in 0..count {
        functions.function(1);
        exports.export(&std::format!("{number}"), ExportKind::Func, number + 1);
    }
    exports.export("memory", ExportKind::Memory, 0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions);
    module.section(&memories).section(&exports).section(code);
    module.finish()
}

fn choose<T: Copy>(numbers: &mut Random, from: &[T]) -> T {
    from[numbers.next() as usize % from.len()]
}

/// The instruction of a row with some operands; a field is only used where the row leaves it open.
fn with_operands(row: &Row, rd: u32, rs1: u32, rs2: u32, rest: u32) -> Insn {
    let registers = rd << 7 | rs1 << 15 | rs2 << 20;
    let fields = registers | rest & !(31 << 7 | 31 << 15 | 31 << 20);
    decode(row.bits | fields & !row.mask).unwrap()
}

fn is_integer(row: &Row) -> bool {
    let format = row.format;
    let register = matches!(format, Format::R | Format::R1 | Format::I | Format::Shift);
    register || matches!(format, Format::MopR | Format::MopRr) || row.opcode == Opcode::Lui
}

/// What an instruction computes.
fn expected(insn: &Insn, l: u64, second: u64) -> u64 {
    use Opcode::*;
    let immediate = !matches!(insn.opcode.format(), Format::R);
    let r = if immediate { i64::from(insn.imm) as u64 } else { second };
    let (sl, sr) = (i128::from(l as i64), i128::from(r as i64));
    let (ul, ur) = (i128::from(l), i128::from(r));
    let (wl, wr) = (i128::from(l as i32), i128::from(r as i32));
    let (vl, vr) = (i128::from(l as u32), i128::from(r as u32));
    let (power, power_w) = (1_i128 << (r % 64), 1_i128 << (r % 32));
    let word = |value: i128| i128::from(value as i32);
    let bytes = l.to_le_bytes();
    let result: i128 = match insn.opcode {
        Lui => sr,
        Addi | Add => sl + sr,
        Sub => sl - sr,
        Slli | Sll => ul * power,
        Srli | Srl => ul / power,
        Srai | Sra => sl.div_euclid(power),
        Slti | Slt => (sl < sr).into(),
        Sltiu | Sltu => (ul < ur).into(),
        Xori | Xor => sl ^ sr,
        Ori | Or => sl | sr,
        Andi | And => sl & sr,
        Addiw | Addw => word(wl + wr),
        Subw => word(wl - wr),
        Slliw | Sllw => word(vl * power_w),
        Srliw | Srlw => word(vl / power_w),
        Sraiw | Sraw => wl.div_euclid(power_w),
        Mul => sl.wrapping_mul(sr),
        Mulh => (sl * sr) >> 64,
        Mulhsu => (sl * ur) >> 64,
        Mulhu => ((u128::from(l) * u128::from(r)) >> 64) as i128,
        Mulw => word(wl * wr),
        Div => sl.checked_div(sr).unwrap_or(-1),
        Divu => ul.checked_div(ur).unwrap_or(-1),
        Rem => sl.checked_rem(sr).unwrap_or(sl),
        Remu => ul.checked_rem(ur).unwrap_or(ul),
        Divw => word(wl.checked_div(wr).unwrap_or(-1)),
        Divuw => word(vl.checked_div(vr).unwrap_or(-1)),
        Remw => word(wl.checked_rem(wr).unwrap_or(wl)),
        Remuw => word(vl.checked_rem(vr).unwrap_or(vl)),
        Sh1add => ul * 2 + ur,
        Sh2add => ul * 4 + ur,
        Sh3add => ul * 8 + ur,
        AddUw => vl + ur,
        Sh1addUw => vl * 2 + ur,
        Sh2addUw => vl * 4 + ur,
        Sh3addUw => vl * 8 + ur,
        SlliUw => vl * power,
        Andn => sl & !sr,
        Orn => sl | !sr,
        Xnor => !(sl ^ sr),
        Clz => (0..64).take_while(|bit| l << bit >> 63 == 0).count() as i128,
        Ctz => (0..64).take_while(|bit| l >> bit & 1 == 0).count() as i128,
        Cpop => (0..64).map(|bit| i128::from(l >> bit & 1)).sum(),
        Clzw => (32..64).take_while(|bit| l << bit >> 63 == 0).count() as i128,
        Ctzw => (0..32).take_while(|bit| l >> bit & 1 == 0).count() as i128,
        Cpopw => (0..32).map(|bit| i128::from(l >> bit & 1)).sum(),
        Min => sl.min(sr),
        Minu => ul.min(ur),
        Max => sl.max(sr),
        Maxu => ul.max(ur),
        SextB => (l as i8).into(),
        SextH => (l as i16).into(),
        ZextH => (l as u16).into(),
        Rol => (ul * power) | ((ul * power) >> 64),
        Ror | Rori => (ul / power) | ((ul << 64) / power),
        Rolw => word((vl * power_w) | ((vl * power_w) >> 32)),
        Rorw | Roriw => word((vl / power_w) | ((vl << 32) / power_w)),
        OrcB => u64::from_le_bytes(bytes.map(|byte| if byte == 0 { 0 } else { 0xff })).into(),
        Rev8 => u64::from_be_bytes(bytes).into(),
        Bset | Bseti => ul | power,
        Bclr | Bclri => ul & !power,
        Binv | Binvi => ul ^ power,
        Bext | Bexti => ul / power % 2,
        CzeroEqz => {
            if r == 0 {
                0
            } else {
                ul
            }
        }
        CzeroNez => {
            if r == 0 {
                ul
            } else {
                0
            }
        }
        MopR | MopRr => 0,
        other => panic!("{other:?}"),
    };
    result as u64
}

const INTEGERS: &[u64] = &[
    0,
    1,
    2,
    31,
    32,
    33,
    63,
    64,
    0x7f,
    0x80,
    0x7fff,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x0102_0304_0506_0708,
    0x00ff_0010_8000_0001,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

#[test]
fn integer_instructions_compute_what_they_should() {
    let mut numbers = Random(1);
    for row in TABLE.iter().filter(|row| is_integer(row)) {
        let mut insns = Vec::new();
        for (rd, rs1, rs2) in [
            (12, 10, 11),
            (10, 10, 11),
            (11, 10, 11),
            (10, 10, 10),
            (12, 10, 10),
            (12, 0, 11),
            (12, 10, 0),
            (12, 0, 0),
            (0, 10, 11),
        ] {
            for imm in [0, 1, -1, 31, numbers.next() as i32, numbers.next() as i32] {
                // The immediate of most formats has the place of rs2.
                let rs2 = if row.format == Format::R { rs2 } else { imm as u32 & 31 };
                insns.push(with_operands(row, rd, rs1, rs2, (imm as u32) << 20));
            }
        }
        insns.dedup();
        let count = insns.len();
        let (mut machine, insns) = Machine::new(insns, integer);
        assert_eq!(insns.len(), count, "{}", row.mnemonic);
        let mut pairs: Vec<_> =
            INTEGERS.iter().flat_map(|&l| INTEGERS.iter().map(move |&r| (l, r))).collect();
        for _ in 0..50 {
            let (l, r) = (numbers.next(), numbers.next());
            pairs.extend([(l, r), (l, r >> (l % 64)), (l as i32 as u64, r as i32 as u64)]);
        }
        for (number, insn) in insns.iter().enumerate() {
            for &(a, b) in &pairs {
                let x = |register: u8| match register {
                    10 => a,
                    11 => b,
                    _ => 0,
                };
                let registers = [(10, a), (11, b), (12, 99)];
                let result = machine.run(number, FpState::Off, &registers, &[], insn.rd);
                let value = if insn.rd == 0 { 0 } else { expected(insn, x(insn.rs1), x(insn.rs2)) };
                assert_eq!(result.unwrap().0, value, "{insn} with {a:#x}, {b:#x}");
            }
        }
    }
}

#[test]
fn others_are_no_integer_instructions() {
    let nothing = [Opcode::Fence, Opcode::WrsNto, Opcode::WrsSto];
    for row in TABLE.iter().filter(|row| !is_integer(row)) {
        let known = function(&decode(row.bits).unwrap(), integer).is_some();
        assert_eq!(known, nothing.contains(&row.opcode), "{}", row.mnemonic);
    }
}

const BOX: u64 = 0xffff_ffff_0000_0000;

fn doubles() -> Vec<u64> {
    let mut bits = vec![
        0x7ff8_0000_0000_0000,
        0x7ff0_0000_0000_0001,
        0xfff4_0000_0000_1234,
        0x7ff8_dead_beef_0001,
    ];
    let largest = [u64::from(u32::MAX), u64::MAX].map(|value| value as f64);
    let positive = [
        0.0,
        5e-324,
        1e-310,
        0.3,
        0.5,
        0.75,
        1.0,
        1.5,
        2.5,
        3.0,
        1e10,
        1e17,
        1e30,
        1e-30,
        1e300,
        1e-300,
        2_147_483_646.5,
        2_147_483_647.0,
        2_147_483_647.5,
        2_147_483_648.0,
        2_147_483_648.5,
        4_294_967_295.5,
        4_294_967_296.0,
        largest[0],
        largest[1],
        9_223_372_036_854_774_784.0,
        9_223_372_036_854_775_808.0,
        18_446_744_073_709_549_568.0,
        f64::MIN_POSITIVE,
        f64::MIN_POSITIVE * 2.0,
        f64::MIN_POSITIVE * 4.0,
        f64::MAX,
        f64::INFINITY,
        f64::from(f32::MIN_POSITIVE),
        f64::from(f32::MIN_POSITIVE) * 2.0,
        f64::from(f32::MAX),
        3.5e38,
    ];
    for value in positive {
        let magnitude = value.to_bits();
        for near in [magnitude, magnitude + 1, magnitude.saturating_sub(1)] {
            bits.extend([near, near | 1 << 63]);
        }
    }
    bits
}

fn singles() -> Vec<u64> {
    let mut bits = vec![0x7fc0_0000, 0x7f80_0001, 0xffa0_1234, 0x7fc0_beef];
    let positive: [f32; 25] = [
        0.0,
        1e-45,
        1e-40,
        0.3,
        0.5,
        0.75,
        1.0,
        1.5,
        2.5,
        3.0,
        1e10,
        1e30,
        1e-30,
        1e-20,
        1e20,
        2_147_483_520.0,
        2_147_483_648.0,
        4_294_967_040.0,
        4_294_967_296.0,
        9.223_372e18,
        f32::MIN_POSITIVE,
        f32::MIN_POSITIVE * 2.0,
        f32::MIN_POSITIVE * 4.0,
        f32::MAX,
        f32::INFINITY,
    ];
    for value in positive {
        let magnitude = value.to_bits();
        for near in [magnitude, magnitude + 1, magnitude.saturating_sub(1)] {
            bits.extend([near, near | 1 << 31].map(u64::from));
        }
    }
    for single in &mut bits {
        *single |= BOX;
    }
    // And some without their box.
    bits.extend([0, 0x3f80_0000, 0x7fff_ffff_3f80_0000, 0xffff_fffe_3f80_0000]);
    bits
}

/// What a floating-point instruction computes: for `x[rd]` or `f[rd]`, and the flags.
fn expected_float(insn: &Insn, x: u64, f: [u64; 3], mode: RoundingMode) -> (u64, u8) {
    use Opcode::*;
    use soft::Format;
    let flags = &mut 0;
    let [a, b, c] = f;
    let [sa, sb, sc] = f.map(F32::unbox);
    let (minus, minus_s) = (F64::SIGN, F32::SIGN);
    let flip = |l: u64, r: u64, sign: u64| l & !sign | r & sign;
    let single = F32::nan_box;
    let value = match insn.opcode {
        FmvXD => a,
        FmvXW => a as i32 as u64,
        FmvDX => x,
        FmvWX => single(x & 0xffff_ffff),
        FliD => constants::double(insn.rs1),
        FliS => single(constants::single(insn.rs1).into()),
        FsgnjD => flip(a, b, minus),
        FsgnjnD => flip(a, !b, minus),
        FsgnjxD => flip(a, a ^ b, minus),
        FsgnjS => single(flip(sa, sb, minus_s)),
        FsgnjnS => single(flip(sa, !sb, minus_s)),
        FsgnjxS => single(flip(sa, sa ^ sb, minus_s)),
        FminD => soft::min::<F64>(a, b, flags),
        FmaxD => soft::max::<F64>(a, b, flags),
        FminmD => soft::min_nan::<F64>(a, b, flags),
        FmaxmD => soft::max_nan::<F64>(a, b, flags),
        FminS => single(soft::min::<F32>(sa, sb, flags)),
        FmaxS => single(soft::max::<F32>(sa, sb, flags)),
        FminmS => single(soft::min_nan::<F32>(sa, sb, flags)),
        FmaxmS => single(soft::max_nan::<F32>(sa, sb, flags)),
        FeqD => soft::eq::<F64>(a, b, flags).into(),
        FltD => soft::lt::<F64>(a, b, flags).into(),
        FleD => soft::le::<F64>(a, b, flags).into(),
        FltqD => soft::lt_quiet::<F64>(a, b, flags).into(),
        FleqD => soft::le_quiet::<F64>(a, b, flags).into(),
        FeqS => soft::eq::<F32>(sa, sb, flags).into(),
        FltS => soft::lt::<F32>(sa, sb, flags).into(),
        FleS => soft::le::<F32>(sa, sb, flags).into(),
        FltqS => soft::lt_quiet::<F32>(sa, sb, flags).into(),
        FleqS => soft::le_quiet::<F32>(sa, sb, flags).into(),
        FaddD => soft::add::<F64>(a, b, mode, flags),
        FsubD => soft::sub::<F64>(a, b, mode, flags),
        FmulD => soft::mul::<F64>(a, b, mode, flags),
        FdivD => soft::div::<F64>(a, b, mode, flags),
        FsqrtD => soft::sqrt::<F64>(a, mode, flags),
        FaddS => single(soft::add::<F32>(sa, sb, mode, flags)),
        FsubS => single(soft::sub::<F32>(sa, sb, mode, flags)),
        FmulS => single(soft::mul::<F32>(sa, sb, mode, flags)),
        FdivS => single(soft::div::<F32>(sa, sb, mode, flags)),
        FsqrtS => single(soft::sqrt::<F32>(sa, mode, flags)),
        FmaddD => soft::mul_add::<F64>(a, b, c, mode, flags),
        FmsubD => soft::mul_add::<F64>(a, b, c ^ minus, mode, flags),
        FnmsubD => soft::mul_add::<F64>(a ^ minus, b, c, mode, flags),
        FnmaddD => soft::mul_add::<F64>(a ^ minus, b, c ^ minus, mode, flags),
        FmaddS => single(soft::mul_add::<F32>(sa, sb, sc, mode, flags)),
        FmsubS => single(soft::mul_add::<F32>(sa, sb, sc ^ minus_s, mode, flags)),
        FnmsubS => single(soft::mul_add::<F32>(sa ^ minus_s, sb, sc, mode, flags)),
        FnmaddS => single(soft::mul_add::<F32>(sa ^ minus_s, sb, sc ^ minus_s, mode, flags)),
        FcvtDS => soft::convert::<F32, F64>(sa, mode, flags),
        FcvtSD => single(soft::convert::<F64, F32>(a, mode, flags)),
        FcvtDW => soft::from_i32::<F64>(x as i32, mode, flags),
        FcvtDWu => soft::from_u32::<F64>(x as u32, mode, flags),
        FcvtDL => soft::from_i64::<F64>(x as i64, mode, flags),
        FcvtDLu => soft::from_u64::<F64>(x, mode, flags),
        FcvtSW => single(soft::from_i32::<F32>(x as i32, mode, flags)),
        FcvtSWu => single(soft::from_u32::<F32>(x as u32, mode, flags)),
        FcvtSL => single(soft::from_i64::<F32>(x as i64, mode, flags)),
        FcvtSLu => single(soft::from_u64::<F32>(x, mode, flags)),
        FcvtWD => soft::to_i32::<F64>(a, mode, flags) as u64,
        FcvtWuD => soft::to_u32::<F64>(a, mode, flags) as i32 as u64,
        FcvtLD => soft::to_i64::<F64>(a, mode, flags) as u64,
        FcvtLuD => soft::to_u64::<F64>(a, mode, flags),
        FcvtWS => soft::to_i32::<F32>(sa, mode, flags) as u64,
        FcvtWuS => soft::to_u32::<F32>(sa, mode, flags) as i32 as u64,
        FcvtLS => soft::to_i64::<F32>(sa, mode, flags) as u64,
        FcvtLuS => soft::to_u64::<F32>(sa, mode, flags),
        other => panic!("{other:?}"),
    };
    (value, *flags)
}

/// Instructions of a row with registers that are the same and registers that are not, in all
/// rounding modes.
fn float_variants(row: &Row) -> Vec<Insn> {
    let mut insns = Vec::new();
    for rm in [0, 1, 2, 3, 4, 7] {
        for (rd, rs1, rs2, rs3) in [
            (13, 10, 11, 12),
            (10, 10, 11, 12),
            (11, 10, 11, 12),
            (13, 10, 10, 10),
            (0, 10, 11, 12),
        ] {
            let rest = rm << 12 | rs3 << 27;
            insns.push(with_operands(row, rd, rs1, rs2, rest));
        }
    }
    insns.dedup();
    insns
}

/// Whether the instruction has a rounding mode.
fn is_rounding(row: &Row) -> bool {
    row.mask & 0x7000 == 0
}

/// Checks an instruction on operands; whether it was done.
fn check_float(
    machine: &mut Machine,
    number: usize,
    insn: &Insn,
    state: FpState,
    x: u64,
    f: [u64; 3],
) -> bool {
    let to_x = matches!(insn.opcode.format(), Format::FpToX | Format::FpToX2);
    let registers = [(10, f[0]), (11, f[1]), (12, f[2]), (13, 99), (0, 98)];
    let Some((done_x, done_f)) =
        machine.run(number, state, &[(10, x), (13, 97)], &registers, insn.rd)
    else {
        return false;
    };
    assert_ne!(state, FpState::Off, "{insn}");
    let f = [insn.rs1, insn.rs2, insn.rs3].map(|register| f[register as usize % 10 % 3]);
    let static_mode = RoundingMode::from_bits(insn.rm);
    let modes = match static_mode {
        // Nothing is known of `frm` unless everything is.
        None if state == FpState::Ready => 0..5,
        None => 0..1,
        Some(_) => insn.rm..insn.rm + 1,
    };
    for mode in modes.filter_map(RoundingMode::from_bits) {
        let (value, flags) = expected_float(insn, x, f, mode);
        let text = || std::format!("{insn} rm {} {state:?} with {x:#x}, {f:#x?}", insn.rm);
        assert_eq!(if to_x { done_x } else { done_f }, value, "{}", text());
        assert_eq!(flags & !if state == FpState::Fast { NX } else { 0 }, 0, "{}", text());
    }
    true
}

/// The rows of which something is translated.
fn float_rows() -> impl Iterator<Item = (&'static Row, Machine, Vec<Insn>)> {
    let emit = |insn: &Insn, body: &mut Builder| float(insn, body);
    TABLE.iter().filter(|row| !is_integer(row) && !row.format.is_vector()).filter_map(move |row| {
        let (machine, insns) = Machine::new(float_variants(row), emit);
        (!insns.is_empty()).then_some((row, machine, insns))
    })
}

#[test]
fn floating_point_instructions_are_exact_or_not_done() {
    let mut numbers = Random(2);
    let (doubles, singles) = (doubles(), singles());
    for (row, mut machine, insns) in float_rows() {
        let narrow = row.mnemonic.ends_with(".s");
        let edges = if narrow { &singles } else { &doubles };
        for (number, insn) in insns.iter().enumerate() {
            for round in 0..600 {
                let mut operand = || match round % 4 {
                    0 | 1 => choose(&mut numbers, edges),
                    2 if narrow => BOX | numbers.next(),
                    2 => numbers.next(),
                    // About the same exponents.
                    _ if narrow => BOX | 0x3f80_0000 ^ numbers.next() & 0x81ff_ffff,
                    _ => 0x3ff0_0000_0000_0000 ^ numbers.next() & 0x807f_ffff_ffff_ffff,
                };
                let f = [operand(), operand(), operand()];
                let x =
                    if round % 2 == 0 { choose(&mut numbers, INTEGERS) } else { numbers.next() };
                let state = choose(
                    &mut numbers,
                    &[FpState::Off, FpState::Ready, FpState::Fast, FpState::Fast],
                );
                check_float(&mut machine, number, insn, state, x, f);
            }
        }
    }
}

#[test]
fn ordinary_numbers_are_not_left_to_the_interpreter() {
    let mut numbers = Random(3);
    for (row, mut machine, insns) in float_rows() {
        let narrow = row.mnemonic.ends_with(".s") && row.opcode != Opcode::FmvDX;
        for (number, insn) in insns.iter().enumerate() {
            for zero in [false, true] {
                let divides = matches!(row.opcode, Opcode::FdivS | Opcode::FdivD);
                let mut operand = |zero: bool| {
                    let value =
                        if zero { 0.0 } else { (numbers.next() % 1_000_000) as f64 / 8.0 + 1.0 };
                    if narrow { BOX | u64::from((value as f32).to_bits()) } else { value.to_bits() }
                };
                let f = [operand(zero), operand(zero && !divides), operand(false)];
                if zero && divides && insn.rs1 == insn.rs2 {
                    continue;
                }
                let done = check_float(&mut machine, number, insn, FpState::Fast, 7, f);
                assert!(done, "{insn} {f:#x?}");
            }
        }
    }
}

#[test]
fn what_is_translated_of_floating_point() {
    let emit = |insn: &Insn, body: &mut Builder| float(insn, body);
    for row in TABLE.iter().filter(|row| !row.format.is_vector()) {
        use Opcode::*;
        let to_x = matches!(row.format, Format::FpToX | Format::FpToX2);
        let to_integer = to_x && is_rounding(row);
        let is_float = to_x
            || matches!(
                row.format,
                Format::R4 | Format::Fp | Format::Fp1 | Format::XToFp | Format::Fli
            );
        let rare = matches!(
            row.opcode,
            FclassS
                | FclassD
                | FroundS
                | FroundD
                | FroundnxS
                | FroundnxD
                | FcvtmodWD
                | FcvtSH
                | FcvtDH
                | FcvtHS
                | FcvtHD
                | FmvXH
                | FmvHX
        );
        for insn in float_variants(row) {
            let mode = match (is_rounding(row), to_integer) {
                (false, _) => true,
                (true, false) => matches!(insn.rm, 0 | 7),
                (true, true) => insn.rm != 4,
            };
            let wanted = is_float && !rare && mode && !(to_x && insn.rd == 0);
            assert_eq!(function(&insn, emit).is_some(), wanted, "{insn} rm {}", insn.rm);
        }
    }
}

#[test]
fn what_came_before_is_in_memory_on_every_way_out() {
    // fadd.d f12, f10, f11; addi a3, zero, 77; fmul.d f14, f10, f11
    let emit = |insn: &Insn, body: &mut Builder| {
        let [fadd, addi] = [0x02b5_0653, 0x04d0_0693].map(|bits| decode(bits).unwrap());
        // The first leaves if it has to, so that there is no other reason to flush.
        float(&fadd, body) && integer(&addi, body) && float(insn, body)
    };
    let (mut machine, _) = Machine::new([decode(0x12b5_0753).unwrap()], emit);
    for (a, b, done) in
        [(2.0, 3.0, true), (0.0, 3.0, true), (f64::MIN_POSITIVE, f64::MIN_POSITIVE, false)]
    {
        machine.put(state_offsets::X + 13 * 8, &[0; 8]);
        let registers = [(10, f64::to_bits(a)), (11, f64::to_bits(b))];
        // Reads a register that nothing writes.
        let result = machine.run(0, FpState::Fast, &[], &registers, 15);
        assert_eq!(result.is_some(), done, "{a} {b}");
        assert_eq!(machine.get(state_offsets::X + 13 * 8), 77, "{a} {b}");
        assert_eq!(f64::from_bits(machine.get(state_offsets::F + 12 * 8)), a + b);
    }
}
