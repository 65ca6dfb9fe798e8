//! A function while it is written: its locals, its labels, and the way out.
//!
//! ```text
//! (func (param $base i64) (param $state i32) (param $depth i32) (result i64)
//!   (block $exit (result i32)        ;; offset from $base << 11 | instructions done in the block
//!     ...)
//!   ;; budget -= done; return base + offset
//! ```
//!
//! There is no `return` in it: an engine restores the caller's registers at each, and a branch to
//! the end takes a few bytes.

use super::Emit;
use super::facts::{Facts, Hoisted};
use crate::Linkage;
use crate::guest::Registers;
use crate::plan::region::{MAX_BLOCK, MAX_DISTANCE};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use wasm_encoder::{BlockType, Encode, InstructionSink, MemArg, MemArgTarget, ValType};

/// Virtual address of the region's first page.
pub const BASE: u32 = 0;
/// Which block is next: an entry's number, and later that of a block for a loop's header to
/// dispatch.
pub const STATE: u32 = 1;
/// Calls that may still be made.
pub const DEPTH: u32 = 2;
/// Instructions until the CPU has to be asked.
pub const BUDGET: u32 = 3;

const PARAMETERS: u32 = 3;

/// Bits of an exit's value that count instructions.
const DONE_BITS: u32 = 11;
/// Offsets that fit into the others.
pub const OFFSETS: u32 = 1 << (u32::BITS - DONE_BITS);

const _: () = assert!(MAX_BLOCK < 1 << DONE_BITS);
const _: () = assert!((MAX_DISTANCE as usize + 1) * PAGE_SIZE < OFFSETS as usize);

/// The value of an exit: continue at an offset from the region's first page; `done` instructions of
/// the block have been executed.
pub fn exit_value(offset: u32, done: u32) -> i32 {
    (offset << DONE_BITS | done) as i32
}

/// A memory operand.
pub fn at(offset: u64, align: u32) -> MemArg {
    MemArg { offset, align, target: MemArgTarget::default(), ordering: None }
}

/// A function that is being written.
pub struct Builder<G: Emit> {
    /// What it can call, and where the CPU's state is.
    pub linkage: Linkage,
    code: Vec<u8>,
    locals: Vec<ValType>,
    /// Locals of guest registers by number; 0 for none yet.
    pub(super) registers: [u32; 64],
    /// Registers whose locals are newer than memory.
    pub(super) dirty: Registers,
    /// Registers that memory need not have before the loop at hand is left.
    pub(super) promoted: Registers,
    /// Labels that were open before the block that exits of the function go to.
    pub(super) exit: u32,
    free: Vec<(ValType, u32)>,
    /// Locals for the host's addresses of ranges.
    range_locals: Vec<u32>,
    /// What holds where the next instruction is written.
    pub facts: Facts<G::Checks>,
    /// What holds again behind the open scopes: see [`Self::begin_scope`].
    scopes: Vec<Facts<G::Checks>>,
    /// What holds at the start of later blocks, as far as ways to them are written.
    incoming: BTreeMap<usize, Facts<G::Checks>>,
    /// In a strip, the accesses that were checked before it.
    pub hoisted: Vec<Hoisted>,
    /// Whether the accesses of the block at hand are among those.
    pub is_hoisted: bool,
    /// Labels that are open, `$exit` among them.
    pub labels: u32,
    /// Whether the code runs with the user's privilege.
    pub user: bool,
    /// Whether the block at hand has missing TLB entries made. The call for that costs registers of
    /// the host: the kernel comes to new pages all the time, a program's hot code does not.
    pub maps: bool,
    /// What is known to hold: see [`crate::guest::Guest::Assumption`].
    pub assumption: Option<G::Assumption>,
    /// The instruction at hand: bytes from the region's first page.
    pub offset: u32,
    /// Instructions of the block before it.
    pub done: u32,
}

impl<G: Emit> Builder<G> {
    /// An empty function, in which `$exit` is open.
    pub fn new(linkage: &Linkage) -> Self {
        let mut body = Self {
            linkage: *linkage,
            code: Vec::new(),
            locals: [ValType::I64].into(),
            registers: [0; 64],
            dirty: Registers::default(),
            promoted: Registers::default(),
            exit: 0,
            free: Vec::new(),
            range_locals: Vec::new(),
            facts: Facts::default(),
            scopes: Vec::new(),
            incoming: BTreeMap::new(),
            hoisted: Vec::new(),
            is_hoisted: false,
            labels: 0,
            user: false,
            maps: false,
            assumption: None,
            offset: 0,
            done: 0,
        };
        body.open(BlockType::Result(ValType::I32));
        body
    }

    /// The memory operand of a field of the CPU's state, for address 0.
    pub fn field(&self, offset: u64, align: u32) -> MemArg {
        at(u64::from(self.linkage.state) + offset, align)
    }

    /// Pushes a field of the CPU's state, an `i64`.
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

    /// A local for temporary use.
    pub fn take(&mut self, kind: ValType) -> u32 {
        match self.free.iter().rposition(|&(free, _)| free == kind) {
            Some(index) => self.free.remove(index).1,
            None => self.new_local(kind),
        }
    }

    /// Gives a local of [`Self::take`] back.
    pub fn give(&mut self, local: u32) {
        let kind = self.locals[(local - PARAMETERS) as usize];
        self.free.push((kind, local));
    }

    pub(super) fn new_local(&mut self, kind: ValType) -> u32 {
        self.locals.push(kind);
        PARAMETERS + self.locals.len() as u32 - 1
    }

    /// Leaves the function before the instruction at hand if the `i32` that `condition` pushes is
    /// not zero. Everything else that is on the stack must have been there before.
    pub fn leave_if(&mut self, condition: impl FnOnce(&mut Self)) {
        self.flush();
        condition(self);
        // Not a `br_if` that takes the value along: an engine would compute it on the way past,
        // too.
        self.open_if(BlockType::Empty);
        self.leave_at(exit_value(self.offset, self.done));
        self.close();
    }

    /// Leaves the function before the instruction at hand unless there is a TLB entry for `size`
    /// bytes at the address in a local; `missing` pushes an `i32` that is not zero if there is
    /// none. Then one may be made.
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

    /// Ends the function; the address at which to continue is on the stack.
    pub fn return_address(&mut self) {
        let end = self.labels;
        self.code().br(end);
    }

    /// The same, if the `i32` above the address is not zero; else both are dropped.
    pub fn return_address_if(&mut self) {
        let end = self.labels;
        self.code().br_if(end).drop();
    }

    /// Leaves unless a flag of the CPU's state is set, a byte.
    pub fn leave_unless_set(&mut self, flag: u64) {
        let flag = self.field(flag, 0);
        self.leave_if(|body| {
            body.code().i32_const(0).i32_load8_u(flag).i32_eqz();
        });
    }

    /// Control may go from here to the start of a later block.
    pub fn merge_into(&mut self, block: usize) {
        let facts = match self.incoming.remove(&block) {
            Some(other) => other.and(&self.facts),
            None => self.facts.clone(),
        };
        self.incoming.insert(block, facts);
    }

    /// What holds at the start of a block, if there are ways to it: all but edges back are written.
    pub fn merged_facts(&mut self, block: usize) -> Option<Facts<G::Checks>> {
        self.incoming.remove(&block)
    }

    /// Begins code that is not always executed: behind it the facts of now hold.
    pub fn begin_scope(&mut self) {
        self.scopes.push(self.facts.clone());
    }

    /// Ends that.
    pub fn end_scope(&mut self) {
        self.facts = self.scopes.pop().unwrap_or_default();
    }

    /// A local for the address of a range, which is free wherever a range is known.
    pub fn range_local(&mut self) -> u32 {
        let known = self.incoming.values().chain(&self.scopes).chain([&self.facts]);
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

    /// Ends the function with what `$exit` does; gives it in the form of a code section.
    pub fn finish(mut self) -> Vec<u8> {
        self.code().unreachable();
        self.close();
        let budget = self.field(G::STATE.budget, 3);
        self.code()
            .local_tee(STATE)
            .i32_const(DONE_BITS as i32)
            .i32_shr_u()
            .i64_extend_i32_u()
            .local_get(BASE)
            .i64_add()
            .i32_const(0)
            .local_get(BUDGET)
            .local_get(STATE)
            .i32_const((1 << DONE_BITS) - 1)
            .i32_and()
            .i64_extend_i32_u()
            .i64_sub()
            .i64_store(budget)
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
