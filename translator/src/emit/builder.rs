//! The function of a unit while it is written: locals, guest registers, and the way out.
//!
//! ```text
//! (func (param $base i64) (param $state i32) (param $depth i32) (result i64)
//!   (block $exit (result i32)        ;; offset from $base << 11 | instructions done in the block
//!     ...)
//!   ;; left -= done; return base + offset
//! ```
//!
//! Nothing in it is a `return`: an engine puts the caller's registers back at each, and a branch to the
//! end is a few bytes.
//!
//! Guest registers are locals. What an instruction writes goes to its local, and to memory before
//! anything that can leave the function: so leaving costs no more than a branch. What it reads is loaded
//! from memory, unless it is in its local on every way that leads here ([`crate::emit::facts`]).
//!
//! In a loop without calls memory waits: what the loop writes is *held* in locals until the loop is
//! left, whichever way. A block around the loop does it for those who leave the function there.

use crate::Linkage;
use crate::emit::facts::{Facts, Known};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use c2w_emulator::cpu::translated::place;
use c2w_emulator::cpu::vector::Vtype;
use wasm_encoder::{BlockType, Encode, InstructionSink, MemArg, MemArgTarget, ValType};

/// Virtual address of the unit's first page.
pub const BASE: u32 = 0;
/// Where to go on: an entry's number, and later that of a block that a dispatch leads to.
pub const STATE: u32 = 1;
/// Calls that may still be made.
pub const DEPTH: u32 = 2;
/// Instructions until the hart wants to be asked.
pub const LEFT: u32 = 3;

const PARAMETERS: u32 = 3;

/// Bits of an exit's value that count instructions.
pub const DONE_BITS: u32 = 11;
/// Offsets that fit into the others.
pub const OFFSETS: u32 = 1 << (u32::BITS - DONE_BITS);

/// What those who leave say: go on at an offset from the unit's first page, so many instructions of
/// the block are done.
pub fn exit_value(offset: u32, done: u32) -> i32 {
    (offset << DONE_BITS | done) as i32
}

/// A memory operand.
pub fn at(offset: u64, align: u32) -> MemArg {
    MemArg { offset, align, target: MemArgTarget::default(), ordering: None }
}

/// A set of guest registers, `x0` to `x31` in the lower half, `f0` to `f31` in the upper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers(pub u64);

impl Registers {
    /// `x[register]`; nothing for `x0`, which is no storage.
    pub fn x(register: u8) -> Self {
        Self(1 << register & !1)
    }

    /// `f[register]`.
    pub fn f(register: u8) -> Self {
        Self(1 << 32 << register)
    }

    /// Whether `x[register]` is among them.
    pub fn has_x(self, register: u8) -> bool {
        self.0 >> register & 1 != 0
    }

    /// Both.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those not in `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Their numbers, 0 to 63.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |number| self.0 >> number & 1 != 0)
    }
}

/// A function that is being written.
pub struct Body {
    /// What it can call, and where the hart's state is.
    pub linkage: Linkage,
    code: Vec<u8>,
    locals: Vec<ValType>,
    /// Locals of guest registers by number; 0 for none yet.
    registers: [u32; 64],
    /// Registers whose locals are newer than memory.
    dirty: Registers,
    /// Registers that memory need not have before the loop at hand is left.
    held: Registers,
    /// Labels that were open before the block that those who leave the function go to.
    exit: u32,
    free: Vec<(ValType, u32)>,
    /// Locals for the host's addresses of ranges.
    range_locals: Vec<u32>,
    /// What holds where the next instruction is written.
    pub facts: Facts,
    /// What will again: see [`Self::begin_aside`].
    later: Vec<Facts>,
    /// What holds at the start of blocks ahead, as far as ways to them are written.
    arriving: BTreeMap<usize, Facts>,
    /// Labels that are open, `$exit` among them.
    pub labels: u32,
    /// Whether the block at hand has TLB entries made. What is called for that costs registers of the
    /// host: the kernel comes to new pages all the time, a program's hot code does not.
    pub maps: bool,
    /// The vector type, if it is known; then `vstart` is 0.
    pub vtype: Option<Vtype>,
    /// The instruction at hand: bytes from the unit's first page.
    pub offset: u32,
    /// Instructions of the block before it.
    pub done: u32,
}

impl Body {
    /// An empty function, in which `$exit` is open.
    pub fn new(linkage: &Linkage) -> Self {
        let mut body = Self {
            linkage: *linkage,
            code: Vec::new(),
            locals: [ValType::I64].into(),
            registers: [0; 64],
            dirty: Registers::default(),
            held: Registers::default(),
            exit: 0,
            free: Vec::new(),
            range_locals: Vec::new(),
            facts: Facts::default(),
            later: Vec::new(),
            arriving: BTreeMap::new(),
            labels: 0,
            maps: false,
            vtype: None,
            offset: 0,
            done: 0,
        };
        body.open(BlockType::Result(ValType::I32));
        body
    }

    /// The memory operand of a field of the hart's state, for address 0.
    pub fn field(&self, offset: u64, align: u32) -> MemArg {
        at(u64::from(self.linkage.state) + offset, align)
    }

    /// Pushes a field of the hart's state, an `i64`.
    pub fn load_field(&mut self, offset: u64) {
        let field = self.field(offset, 3);
        self.code().i32_const(0).i64_load(field);
    }

    /// Where instructions are written to.
    pub fn code(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.code)
    }

    /// Opens a block.
    pub fn open(&mut self, kind: BlockType) {
        self.code().block(kind);
        self.labels += 1;
    }

    /// Opens a loop.
    pub fn open_loop(&mut self) {
        self.code().loop_(BlockType::Empty);
        self.labels += 1;
    }

    /// Opens an `if` on the condition on the stack.
    pub fn open_if(&mut self, kind: BlockType) {
        self.code().if_(kind);
        self.labels += 1;
    }

    /// Closes what was opened last.
    pub fn close(&mut self) {
        self.code().end();
        self.labels -= 1;
    }

    /// The branch label of what was opened when `labels` were open.
    pub fn label(&self, labels: u32) -> u32 {
        self.labels - 1 - labels
    }

    /// A local for a while.
    pub fn take(&mut self, kind: ValType) -> u32 {
        match self.free.iter().rposition(|&(free, _)| free == kind) {
            Some(place) => self.free.remove(place).1,
            None => self.new_local(kind),
        }
    }

    /// Gives a local of [`Self::take`] back.
    pub fn give(&mut self, local: u32) {
        let kind = self.locals[(local - PARAMETERS) as usize];
        self.free.push((kind, local));
    }

    fn new_local(&mut self, kind: ValType) -> u32 {
        self.locals.push(kind);
        PARAMETERS + self.locals.len() as u32 - 1
    }

    fn register(&mut self, number: u8) -> u32 {
        if self.registers[number as usize] == 0 {
            let kind = if number < 32 { ValType::I64 } else { ValType::F64 };
            self.registers[number as usize] = self.new_local(kind);
        }
        self.registers[number as usize]
    }

    /// Pushes `x[register]`, an `i64`.
    pub fn x(&mut self, register: u8) {
        if register == 0 {
            self.code().i64_const(0);
        } else {
            let local = self.register(register);
            self.code().local_get(local);
        }
    }

    /// Pops an `i64` into `x[register]`.
    pub fn set_x(&mut self, register: u8) {
        if register == 0 {
            self.code().drop();
            return;
        }
        let local = self.register(register);
        self.code().local_set(local);
        self.written(Registers::x(register));
    }

    /// Pushes `f[register]` as an `f64`, all bits as they are.
    pub fn f(&mut self, register: u8) {
        let local = self.register(register + 32);
        self.code().local_get(local);
    }

    /// Pushes the bits of `f[register]`, an `i64`.
    pub fn f_bits(&mut self, register: u8) {
        self.f(register);
        self.code().i64_reinterpret_f64();
    }

    /// Pops an `f64` into `f[register]`.
    pub fn set_f(&mut self, register: u8) {
        let local = self.register(register + 32);
        self.code().local_set(local);
        self.written(Registers::f(register));
    }

    /// Pops the bits of `f[register]`, an `i64`.
    pub fn set_f_bits(&mut self, register: u8) {
        self.code().f64_reinterpret_i64();
        self.set_f(register);
    }

    fn written(&mut self, register: Registers) {
        self.dirty = self.dirty.with(register);
        self.facts.loaded = self.facts.loaded.with(register);
    }

    /// Brings memory in line with the locals of registers, but for those that are held.
    pub fn flush(&mut self) {
        let dirty = core::mem::take(&mut self.dirty).without(self.held);
        self.store(dirty);
    }

    /// Stores registers from their locals.
    pub fn store(&mut self, registers: Registers) {
        for number in registers.iter() {
            let (local, place) = (self.register(number), self.register_place(number));
            self.code().i32_const(0).local_get(local);
            if number < 32 {
                self.code().i64_store(place);
            } else {
                self.code().f64_store(place);
            }
        }
    }

    /// Loads registers that are not in their locals yet.
    pub fn need(&mut self, registers: Registers) {
        for number in registers.without(self.facts.loaded).iter() {
            let (local, place) = (self.register(number), self.register_place(number));
            self.code().i32_const(0);
            if number < 32 {
                self.code().i64_load(place);
            } else {
                self.code().f64_load(place);
            }
            self.code().local_set(local);
        }
        self.facts.loaded = self.facts.loaded.with(registers);
    }

    /// Where a register is in the hart's state.
    fn register_place(&self, number: u8) -> MemArg {
        let first = if number < 32 { place::X } else { place::F };
        self.field(first + u64::from(number % 32) * 8, 3)
    }

    /// Begins a loop that holds registers: they are in their locals.
    pub fn hold(&mut self, registers: Registers) {
        self.held = registers;
        self.exit = self.labels;
        self.open(BlockType::Result(ValType::I32));
    }

    /// Ends such a loop: nothing comes here but those who leave the function.
    pub fn release(&mut self) {
        self.code().unreachable();
        self.close();
        let held = core::mem::take(&mut self.held);
        self.store(held);
        self.exit = 0;
        let exit = self.label(0);
        self.code().br(exit);
    }

    /// Stores what is held, to leave the loop.
    pub fn store_held(&mut self) {
        self.store(self.held);
    }

    /// Leaves the function before the instruction at hand if the `i32` that `condition` pushes is
    /// not zero. Everything else that is on the stack must have been there before.
    pub fn leave_if(&mut self, condition: impl FnOnce(&mut Self)) {
        self.flush();
        condition(self);
        // Not a `br_if` that takes the value along: an engine would compute it on the way past, too.
        self.open_if(BlockType::Empty);
        self.leave_at(exit_value(self.offset, self.done));
        self.close();
    }

    /// Leaves the function before the instruction at hand unless there is a TLB entry for `size` bytes
    /// at the address in a local; `missing` pushes an `i32` that is not zero if there is none. Then
    /// one may be made.
    pub fn leave_unless_mapped(
        &mut self,
        address: u32,
        size: u32,
        write: bool,
        missing: impl FnOnce(&mut Self),
    ) {
        if !self.maps {
            return self.leave_if(missing);
        }
        self.flush();
        missing(self);
        self.open_if(BlockType::Empty);
        self.leave_if(|body| {
            let map = body.linkage.helpers.map;
            body.code().local_get(address).i32_const(size as i32).i32_const(i32::from(write));
            body.code().call(map).i32_eqz();
        });
        self.close();
    }

    /// Leaves the function before the instruction at hand.
    pub fn leave(&mut self) {
        self.flush();
        self.leave_at(exit_value(self.offset, self.done));
    }

    /// The same, with memory in line, for where [`exit_value`] says.
    pub fn leave_at(&mut self, value: i32) {
        let exit = self.label(self.exit);
        self.code().i32_const(value).br(exit);
    }

    /// Ends the function; the address at which to go on is on the stack.
    pub fn return_address(&mut self) {
        let end = self.labels;
        self.code().br(end);
    }

    /// The same, if the `i32` above the address is not zero; else both are dropped.
    pub fn return_address_if(&mut self) {
        let end = self.labels;
        self.code().br_if(end).drop();
    }

    /// Leaves unless floating-point registers may be used without further notice.
    pub fn need_fp(&mut self) {
        if !self.facts.known.fp_ready {
            self.leave_unless_set(place::FP_READY);
            self.facts.known.fp_ready = true;
        }
    }

    /// Leaves unless operations that are normal and at most inexact change no flag.
    pub fn need_fast_fp(&mut self) {
        if !self.facts.known.fp_fast {
            self.leave_unless_set(place::FP_FAST);
            self.facts.known = Known { fp_ready: true, fp_fast: true, ..self.facts.known };
        }
    }

    /// Leaves unless vector registers may be used without further notice.
    pub fn need_vectors(&mut self) {
        if !self.facts.known.vector_ready {
            self.leave_unless_set(place::VECTOR_READY);
            self.facts.known.vector_ready = true;
        }
    }

    /// Leaves unless `vtype` is this and `vstart` is 0.
    pub fn need_vector_type(&mut self, vtype: Vtype) {
        /// In a word from `vtype` on, those two.
        const BOTH: i32 = 0x00ff_00ff;
        let field = self.field(place::VTYPE, 0);
        self.leave_if(|body| {
            let mut code = body.code();
            code.i32_const(0).i32_load(field).i32_const(BOTH).i32_and();
            code.i32_const(vtype.code().into()).i32_ne();
        });
    }

    /// Leaves unless U-mode may use `cbo.zero`.
    pub fn need_zeroing(&mut self) {
        self.leave_unless_set(place::MAY_ZERO);
    }

    fn leave_unless_set(&mut self, flag: u64) {
        let flag = self.field(flag, 0);
        self.leave_if(|body| {
            body.code().i32_const(0).i32_load8_u(flag).i32_eqz();
        });
    }

    /// Control may go from here to the start of a block ahead.
    pub fn lead_to(&mut self, block: usize) {
        let facts = match self.arriving.remove(&block) {
            Some(other) => other.and(&self.facts),
            None => self.facts.clone(),
        };
        self.arriving.insert(block, facts);
    }

    /// All ways that lead ahead to a block are written: what holds at its start, if there are any.
    pub fn arrived(&mut self, block: usize) -> Option<Facts> {
        self.arriving.remove(&block)
    }

    /// Begins what is not always executed: behind it holds what does now.
    pub fn begin_aside(&mut self) {
        self.later.push(self.facts.clone());
    }

    /// Ends that.
    pub fn end_aside(&mut self) {
        self.facts = self.later.pop().unwrap_or_default();
    }

    /// A local for the address of a range, which is free wherever a range is known.
    pub fn range_local(&mut self) -> u32 {
        let known = self.arriving.values().chain(&self.later).chain([&self.facts]);
        let used: Vec<u32> =
            known.flat_map(|facts| &facts.ranges).map(|range| range.local).collect();
        match self.range_locals.iter().find(|local| !used.contains(local)) {
            Some(&local) => local,
            None => {
                let local = self.new_local(ValType::I32);
                self.range_locals.push(local);
                local
            }
        }
    }

    /// Ends the function: what `$exit` does, and everything as a code section wants it.
    pub fn finish(mut self) -> Vec<u8> {
        self.code().unreachable();
        self.close();
        let left = self.field(place::LEFT, 3);
        self.code()
            .local_tee(STATE)
            .i32_const(DONE_BITS as i32)
            .i32_shr_u()
            .i64_extend_i32_u()
            .local_get(BASE)
            .i64_add()
            .i32_const(0)
            .local_get(LEFT)
            .local_get(STATE)
            .i32_const((1 << DONE_BITS) - 1)
            .i32_and()
            .i64_extend_i32_u()
            .i64_sub()
            .i64_store(left)
            .end();
        let mut function = Vec::new();
        let groups: Vec<_> = self.locals.chunk_by(|a, b| a == b).collect();
        (groups.len() as u32).encode(&mut function);
        for group in groups {
            (group.len() as u32).encode(&mut function);
            group[0].encode(&mut function);
        }
        function.extend(self.code);
        function
    }
}
