//! Writes the function of a unit.
//!
//! ```text
//! look at the pages; left = hot.left
//! block for each item of the region
//!   br_table by entry: enough budget left? load registers, go to the entry's block
//! items: blocks, and loops with blocks in them
//! ```

use crate::Linkage;
use crate::emit::builder::{BASE, Body, DEPTH, LEFT, OFFSETS, STATE, at, exit_value};
use crate::emit::facts::Facts;
use crate::emit::memory::{self, Ahead};
use crate::plan::loops::{Analysis, Held, holder};
use crate::plan::region::{Block, Flow, Unit, operands};
use crate::plan::structure::{Item, Loop, Regions};
use crate::riscv::float::float;
use crate::riscv::integer::integer;
use crate::riscv::system::system;
use crate::riscv::vector;
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use c2w_emulator::cpu::isa::{Format, Insn, Opcode};
use c2w_emulator::cpu::translated::place;
use c2w_emulator::cpu::vector::Vtype;
use c2w_emulator::engine::code_index::key;
use wasm_encoder::{BlockType, ValType};

/// Writes the function of a unit, as it stands in a code section.
pub fn function(unit: &Unit, linkage: &Linkage) -> Vec<u8> {
    let regions = Regions::new(unit);
    let analysis = Analysis::new(unit, &regions);
    let mut emitter = Emitter {
        unit,
        regions: &regions,
        analysis,
        body: Body::new(linkage),
        ahead: Ahead::default(),
        scopes: Vec::new(),
    };
    emitter.check_pages();
    emitter.load_left();
    emitter.region(&regions.items, Emitter::enter);
    emitter.body.finish()
}

/// Whether an instruction can be translated in a mode.
pub fn is_known(insn: &Insn, user: bool) -> bool {
    /// Vector types of every element width, one of which will do.
    const TYPES: [u64; 4] = [0, 1 << 3, 2 << 3, 3 << 3];
    let vector = insn.opcode.format().is_vector();
    TYPES.iter().take(if vector { TYPES.len() } else { 1 }).any(|&vtype| {
        let mut body = Body::new(&Linkage::default());
        body.vtype = Vtype::new(vtype);
        simple(insn, &[], user, &Ahead::default(), &mut body)
    }) || matches!(insn.opcode, Opcode::Jal | Opcode::Jalr)
        || user && insn.opcode == Opcode::Ecall
        || insn.opcode.format() == Format::B
}

/// Writes an instruction that transfers no control; `false` if it is not translated.
fn simple(insn: &Insn, following: &[Insn], user: bool, ahead: &Ahead, body: &mut Body) -> bool {
    match insn.opcode.format() {
        Format::U if insn.opcode == Opcode::Auipc => {
            let page = i64::from(body.offset) + i64::from(insn.imm);
            body.code().local_get(BASE).i64_const(page).i64_add();
            body.set_x(insn.rd);
            true
        }
        Format::Csr | Format::CsrI => {
            if vector::register(insn, body) {
                return true;
            }
            if user || !system(insn, body) {
                return false;
            }
            body.facts.ranges.clear();
            true
        }
        Format::Amo => memory::atomic(insn, body),
        Format::Cbo => memory::zero_block(insn, user, body),
        _ => {
            memory::access(insn, following, ahead, body)
                || integer(insn, body)
                || float(insn, body)
                || vector::vector(insn, body)
        }
    }
}

/// Where a branch can go.
#[derive(Clone, Copy)]
enum Scope {
    /// Back to the header of a loop.
    Back(usize),
    /// The same in a strip, while more is left than a local has.
    Strip(usize, u32),
    /// Forward to the item that starts with a block.
    Forward(usize),
}

/// What leaves for an offset from the unit's first page, with the block's instructions spent; `None`
/// for what is before the unit or too far behind.
fn spent_exit(offset: i64) -> Option<i32> {
    let offset = u32::try_from(offset).ok().filter(|offset| *offset < OFFSETS)?;
    Some(exit_value(offset, 0))
}

struct Emitter<'a> {
    unit: &'a Unit,
    regions: &'a Regions,
    analysis: Analysis,
    body: Body,
    ahead: Ahead,
    /// What is open, and how many labels were open before.
    scopes: Vec<(Scope, u32)>,
}

impl Emitter<'_> {
    /// Returns at once unless every page of the unit is mapped and has the content it was made from, and
    /// the call is not too deep.
    fn check_pages(&mut self) {
        const SHIFT: u32 = place::FETCH_ENTRY_SHIFT;
        const PAGE_SHIFT: u32 = PAGE_SIZE.trailing_zeros();
        let mode = u64::from(self.unit.user);
        let entries = self.body.field(place::FETCH_ENTRIES, 2);
        for (number, &(distance, content)) in self.unit.pages.iter().enumerate() {
            let mut code = self.body.code();
            let from_base = key(u64::from(distance) << PAGE_SHIFT | mode, content);
            code.local_get(BASE).i64_const(from_base as i64).i64_add();
            // The page's number times the size of an entry, by one shift.
            code.local_get(BASE)
                .i64_const(i64::from(PAGE_SHIFT - SHIFT))
                .i64_shr_u()
                .i32_wrap_i64();
            if distance > 0 {
                code.i32_const((distance << SHIFT) as i32).i32_add();
            }
            code.i32_const(((place::FETCH_COUNT - 1) << SHIFT) as i32).i32_and();
            code.i32_const(0).i32_load(entries).i32_add();
            code.i64_load(at(place::KEY, 3)).i64_ne();
            if number > 0 {
                code.i32_or();
            }
        }
        // Who calls looks for that nowhere: it would be as often in the code as there are calls.
        self.body.code().local_get(DEPTH).i32_const(0).i32_lt_s().i32_or();
        self.body.open_if(BlockType::Empty);
        self.return_to_entry();
        self.body.close();
    }

    /// Returns the address of the entry, with nothing done.
    fn return_to_entry(&mut self) {
        let start = self.unit.blocks[self.unit.entries[0]].offset;
        // Another unit calls the first entry. Who comes to others has left the address in `pc`.
        self.body.code().local_get(BASE).i64_const(i64::from(start)).i64_add();
        self.body.load_field(place::PC);
        self.body.code().local_get(STATE).i32_eqz().select();
        self.body.return_address();
    }

    fn load_left(&mut self) {
        self.body.load_field(place::LEFT);
        self.body.code().local_set(LEFT);
    }

    /// Writes items in order; `before` is written where all of them can be gone to.
    fn region(&mut self, items: &[Item], before: impl FnOnce(&mut Self)) {
        let base = self.scopes.len();
        for item in items.iter().rev() {
            self.scopes.push((Scope::Forward(item.first()), self.body.labels));
            self.body.open(BlockType::Empty);
        }
        before(self);
        for item in items {
            self.scopes.pop();
            self.body.close();
            match item {
                Item::Block(block) => self.block(*block),
                Item::Loop(inner) => self.looped(inner),
            }
        }
        debug_assert_eq!(self.scopes.len(), base);
    }

    fn looped(&mut self, inner: &Loop) {
        let holds = self.analysis.held.get(&inner.header).copied();
        if let Some(held) = holds {
            self.body.hold(held.written);
        }
        self.scopes.push((Scope::Back(inner.header), self.body.labels));
        self.body.open_loop();
        self.body.facts = self.least(inner.header);
        self.strip(inner);
        let (header, rest) = (inner.header, &inner.items[1..]);
        self.region(rest, |emitter| {
            emitter.dispatch(&inner.dispatch);
            emitter.block(header);
        });
        self.scopes.pop();
        self.body.close();
        if holds.is_some() {
            self.body.release();
        }
    }

    /// Does rounds of a loop that have been looked at ahead, if there are such.
    fn strip(&mut self, inner: &Loop) {
        let header = inner.header;
        let Some(strip) = self.analysis.strips.get(&header).cloned() else { return };
        let stop = self.body.take(ValType::I64);
        self.ahead.look(&strip, stop, self.analysis.longest[header], &mut self.body);
        if !inner.dispatch.is_empty() {
            self.body.code().local_get(STATE).i32_eqz().i32_and();
        }
        self.body.open_if(BlockType::Empty);
        self.scopes.push((Scope::Strip(header, stop), self.body.labels));
        self.body.open_loop();
        self.region(&inner.items[1..], |emitter| emitter.block(header));
        self.scopes.pop();
        self.body.close();
        self.body.close();
        self.ahead.end_strip(&mut self.body);
        self.body.give(stop);
    }

    /// Whether the accesses of a block have been looked at ahead, as it is in a strip.
    fn is_ahead(&self, block: usize) -> bool {
        self.scopes.iter().any(|&(scope, _)| match scope {
            Scope::Strip(header, _) => self.analysis.strips[&header].blocks.contains(&block),
            _ => false,
        })
    }

    /// At the start of a loop: goes where `STATE` says.
    fn dispatch(&mut self, targets: &[usize]) {
        if targets.is_empty() {
            return;
        }
        self.body.code().local_get(STATE);
        self.body.open_if(BlockType::Empty);
        for &target in targets {
            self.body.code().local_get(STATE).i32_const(target as i32 + 1).i32_eq();
            self.body.open_if(BlockType::Empty);
            let (label, arrives) = self.forward(target);
            if arrives {
                self.body.code().i32_const(0).local_set(STATE);
                self.aside(|emitter| {
                    emitter.body.facts = emitter.least(target);
                    emitter.body.lead_to(target);
                });
            }
            self.body.code().br(label);
            self.body.close();
        }
        self.body.close();
    }

    /// The label that leads to a block ahead, and whether it leads there directly and not to a loop
    /// around it.
    fn forward(&self, target: usize) -> (u32, bool) {
        let found = self.scopes.iter().rev().find_map(|&(scope, labels)| match scope {
            Scope::Forward(first) if first == target => Some((labels, true)),
            Scope::Forward(first) if self.regions.loops[target].contains(&first) => {
                Some((labels, false))
            }
            _ => None,
        });
        // Every edge leads forwards or back: `Regions` has seen to that.
        debug_assert!(found.is_some(), "block {target} is not ahead");
        let (labels, arrives) = found.unwrap_or((0, true));
        (self.body.label(labels), arrives)
    }

    /// By the entry's number, goes to the entry's block if there is budget.
    fn enter(&mut self) {
        let (first, others) = (self.unit.entries[0], &self.unit.entries[1..]);
        if others.is_empty() {
            return self.enter_at(first);
        }
        // The first is the one of nearly all calls: a look at a jump table would cost as much as ten
        // instructions.
        self.body.open(BlockType::Empty);
        self.body.code().local_get(STATE).br_if(0);
        self.enter_at(first);
        self.body.close();
        let labels = self.body.labels;
        for _ in others {
            self.body.open(BlockType::Empty);
        }
        let last = others.len() as u32 - 1;
        self.body.code().local_get(STATE).i32_const(1).i32_sub().br_table(0..last, last);
        for &entry in others {
            self.body.close();
            self.enter_at(entry);
        }
        debug_assert_eq!(self.body.labels, labels);
    }

    fn enter_at(&mut self, entry: usize) {
        self.arrive(entry);
        let (label, arrives) = self.forward(entry);
        let state = if arrives { 0 } else { entry as i32 + 1 };
        self.body.code().i32_const(state).local_set(STATE);
        if arrives {
            self.body.lead_to(entry);
        }
        self.body.code().br(label);
    }

    /// Where control comes from elsewhere to the start of a block: leaves unless there is budget for
    /// what follows.
    fn arrive(&mut self, block: usize) {
        self.body.facts = Facts::default();
        self.check_budget(block);
        if let Some(vtype) = self.unit.blocks[block].vtype {
            self.body.need_vector_type(vtype);
        }
        self.body.need(self.held_in(block).touched);
    }

    /// Writes what is not always executed.
    fn aside(&mut self, write: impl FnOnce(&mut Self)) {
        self.body.begin_aside();
        write(self);
        self.body.end_aside();
    }

    /// What holds at the start of a block in any case.
    fn least(&self, block: usize) -> Facts {
        Facts { loaded: self.held_in(block).touched, ..Facts::default() }
    }

    /// What holds at the start of a block.
    fn facts(&mut self, block: usize) -> Facts {
        let least = self.least(block);
        let arrived = self.body.arrived(block);
        // Ways back to a header are not written yet.
        let ahead = arrived.filter(|_| !self.regions.loops[block].contains(&block));
        ahead.map_or(least.clone(), |facts| Facts {
            loaded: facts.loaded.with(least.loaded),
            ..facts
        })
    }

    /// The loop around a block that holds registers.
    fn holder(&self, block: usize) -> Option<usize> {
        holder(self.regions, &self.analysis.held, block)
    }

    /// What the loop around a block holds.
    fn held_in(&self, block: usize) -> Held {
        self.holder(block).map_or_else(Held::default, |header| self.analysis.held[&header])
    }

    /// On the way from a block to another: stores what the loop that is left has held, and loads what the
    /// one that is entered does.
    fn change_loops(&mut self, from: usize, to: usize) {
        if self.holder(from) == self.holder(to) {
            return;
        }
        if self.holder(from).is_some() {
            self.body.store_held();
        }
        self.body.need(self.held_in(to).touched);
    }

    fn check_budget(&mut self, block: usize) {
        self.body.offset = self.unit.blocks[block].offset;
        self.body.done = 0;
        let longest = i64::from(self.analysis.longest[block]);
        self.body.leave_if(|body| {
            body.code().local_get(LEFT).i64_const(longest).i64_le_s();
        });
    }

    fn block(&mut self, number: usize) {
        let unit = self.unit;
        let block = &unit.blocks[number];
        self.body.facts = self.facts(number);
        self.ahead.set_here(self.is_ahead(number));
        self.body.maps = !self.unit.user && block.misses && self.regions.loops[number].is_empty();
        self.body.vtype = block.vtype;
        self.body.offset = block.offset;
        self.body.done = 0;
        for (place, insn) in block.insns.iter().enumerate() {
            let (read, written) = operands(insn);
            self.body.need(read);
            if place + 1 == block.insns.len() && block.flow() != Flow::Next {
                return self.transfer(number, block, insn);
            }
            let following = block.following(place);
            if !simple(insn, following, unit.user, &self.ahead, &mut self.body) {
                return self.body.leave();
            }
            self.body.facts.overwritten(written);
            self.body.offset += u32::from(insn.length);
            self.body.done += 1;
        }
        if block.flow() == Flow::Loop {
            return self.call_loop(number, block);
        }
        match block.next {
            Some(next) => {
                self.spend();
                self.go(number, next, true);
            }
            None => self.body.leave(),
        }
    }

    /// Takes the block's instructions off the budget, and has memory in line with registers.
    fn spend(&mut self) {
        self.body.flush();
        let done = i64::from(self.body.done);
        self.body.code().local_get(LEFT).i64_const(done).i64_sub().local_set(LEFT);
        self.body.done = 0;
    }

    /// Goes to a block from the end of another; `last` when nothing of it follows.
    fn go(&mut self, from: usize, to: usize, last: bool) {
        self.aside(|emitter| {
            emitter.change_loops(from, to);
            if emitter.regions.is_back(from, to) {
                return emitter.go_back(to);
            }
            let (label, arrives) = emitter.forward(to);
            if arrives {
                emitter.body.lead_to(to);
            } else {
                emitter.body.code().i32_const(to as i32 + 1).local_set(STATE);
            }
            let follows = last && arrives && label == 0;
            if !follows {
                emitter.body.code().br(label);
            }
        });
    }

    fn go_back(&mut self, header: usize) {
        for &(scope, labels) in self.scopes.iter().rev() {
            if let Scope::Strip(to, stop) = scope
                && to == header
            {
                let label = self.body.label(labels);
                self.body.code().local_get(LEFT).local_get(stop).i64_gt_s().br_if(label);
            }
        }
        let back = |&&(scope, _): &&(Scope, u32)| matches!(scope, Scope::Back(to) if to == header);
        let labels = self.scopes.iter().rev().find(back).map_or(0, |&(_, labels)| labels);
        let longest = i64::from(self.analysis.longest[header]);
        let label = self.body.label(labels);
        self.body.code().local_get(LEFT).i64_const(longest).i64_gt_s().br_if(label);
        self.body.offset = self.unit.blocks[header].offset;
        self.body.done = 0;
        self.body.leave();
    }

    /// The last instruction of a block, which transfers control.
    fn transfer(&mut self, number: usize, block: &Block, insn: &Insn) {
        let here = self.body.offset;
        if block.flow() == Flow::SystemCall {
            return self.system_call(number, block);
        }
        self.body.done += 1;
        match block.flow() {
            Flow::Branch => self.branch(number, block, insn, here),
            Flow::Jump => {
                self.link(insn, block.end());
                self.spend();
                match block.taken {
                    Some(to) => self.go(number, to, true),
                    None => self.tail_call(block, i64::from(here) + i64::from(insn.imm)),
                }
            }
            Flow::Call => {
                self.link(insn, block.end());
                self.spend();
                self.call(block, i64::from(here) + i64::from(insn.imm));
                self.come_back(number, block);
            }
            Flow::Return | Flow::IndirectJump | Flow::IndirectCall => {
                self.indirect(number, block, insn);
            }
            Flow::Next | Flow::Loop | Flow::SystemCall => {}
        }
    }

    /// The return address of a jump or call.
    fn link(&mut self, insn: &Insn, end: u32) {
        if insn.rd != 0 {
            self.body.code().local_get(BASE).i64_const(i64::from(end)).i64_add();
            self.body.set_x(insn.rd);
        }
    }

    fn branch(&mut self, number: usize, block: &Block, insn: &Insn, here: u32) {
        self.spend();
        self.condition(insn);
        let outside = i64::from(here) + i64::from(insn.imm);
        let plain = block.taken.filter(|&to| {
            let same_loop = self.holder(number) == self.holder(to);
            same_loop && !self.regions.is_back(number, to) && self.forward(to).1
        });
        if let Some(to) = plain {
            let (label, _) = self.forward(to);
            self.body.lead_to(to);
            self.body.code().br_if(label);
        } else {
            self.body.open_if(BlockType::Empty);
            match block.taken {
                Some(to) => self.go(number, to, false),
                None => self.return_to(outside),
            }
            self.body.close();
        }
        match block.next {
            Some(next) => self.go(number, next, true),
            None => self.return_to(i64::from(block.end())),
        }
    }

    fn condition(&mut self, insn: &Insn) {
        self.body.x(insn.rs1);
        if insn.rs2 == 0 && matches!(insn.opcode, Opcode::Beq | Opcode::Bne) {
            self.body.code().i64_eqz();
            if insn.opcode == Opcode::Bne {
                self.body.code().i32_eqz();
            }
            return;
        }
        self.body.x(insn.rs2);
        let mut code = self.body.code();
        match insn.opcode {
            Opcode::Beq => code.i64_eq(),
            Opcode::Bne => code.i64_ne(),
            Opcode::Blt => code.i64_lt_s(),
            Opcode::Bge => code.i64_ge_s(),
            Opcode::Bltu => code.i64_lt_u(),
            _ => code.i64_ge_u(),
        };
    }

    fn store_left(&mut self) {
        let left = self.body.field(place::LEFT, 3);
        self.body.code().i32_const(0).local_get(LEFT).i64_store(left);
    }

    /// Returns an address, from the unit's first page on. The block's instructions are spent.
    fn return_to(&mut self, offset: i64) {
        if let Some(exit) = spent_exit(offset) {
            return self.body.leave_at(exit);
        }
        self.body.store_held();
        self.store_left();
        self.body.code().local_get(BASE).i64_const(offset).i64_add();
        self.body.return_address();
    }

    /// A jump out of the unit.
    fn tail_call(&mut self, block: &Block, offset: i64) {
        if block.other.is_none() {
            return self.return_to(offset);
        }
        self.call(block, offset);
        self.body.return_address();
    }

    /// Calls the unit at an offset and pushes where it returned to: the offset's address if there is
    /// none.
    fn call(&mut self, block: &Block, offset: i64) {
        self.body.store_held();
        self.store_left();
        let Some((unit, pages)) = block.other else {
            self.body.code().local_get(BASE).i64_const(offset).i64_add();
            return;
        };
        let function = self.body.linkage.first_region + unit;
        self.body
            .code()
            .local_get(BASE)
            .i64_const(pages << 12)
            .i64_add()
            .i32_const(0)
            .local_get(DEPTH)
            .i32_const(1)
            .i32_sub()
            .call(function);
    }

    /// An environment call of U-mode: the hart does it, and says where the kernel has come to.
    fn system_call(&mut self, number: usize, block: &Block) {
        self.spend();
        self.store_left();
        self.body.store_held();
        self.push_address(self.body.offset);
        let system_call = self.body.linkage.helpers.system_call;
        self.body.code().local_get(DEPTH).call(system_call);
        let Some(back) = block.next else {
            return self.body.return_address();
        };
        let returned = self.body.take(ValType::I64);
        self.body.code().local_tee(returned);
        self.return_unless_behind(block, returned);
        self.body.give(returned);
        self.go_on_behind(number, back);
    }

    /// Behind a call, whose result is on the stack: goes on behind it when control comes there, with
    /// everything loaded anew.
    fn come_back(&mut self, number: usize, block: &Block) {
        let Some(back) = block.next else {
            return self.body.return_address();
        };
        let returned = self.body.take(ValType::I64);
        self.body.code().local_tee(returned);
        self.push_address(block.end());
        self.body.code().i64_ne();
        self.body.open_if(BlockType::Empty);
        self.body.code().local_get(returned);
        self.push_address(block.end());
        let resume = self.body.linkage.helpers.resume;
        self.body.code().local_get(DEPTH).call(resume).local_tee(returned);
        self.return_unless_behind(block, returned);
        self.body.close();
        self.body.give(returned);
        self.go_on_behind(number, back);
    }

    /// Pushes the address of an offset from the unit's first page.
    fn push_address(&mut self, offset: u32) {
        self.body.code().local_get(BASE).i64_const(i64::from(offset)).i64_add();
    }

    /// Returns the address on the stack, which is in a local, too, or drops it if it is the one behind
    /// the block.
    fn return_unless_behind(&mut self, block: &Block, address: u32) {
        self.body.code().local_get(address);
        self.push_address(block.end());
        self.body.code().i64_ne();
        self.body.return_address_if();
    }

    /// Goes on behind a call, where everything may be different.
    fn go_on_behind(&mut self, number: usize, back: usize) {
        self.load_left();
        self.arrive(back);
        self.go(number, back, true);
    }

    /// Runs a loop that is a unit of its own, and goes on where it has come to.
    fn call_loop(&mut self, number: usize, block: &Block) {
        self.body.flush();
        self.call(block, i64::from(block.offset));
        let came_to = self.body.take(ValType::I64);
        self.body.code().local_set(came_to);
        self.load_left();
        self.choose_block(number, block, came_to);
        self.body.code().local_get(came_to);
        self.body.return_address();
        self.body.give(came_to);
    }

    /// A jump or call by register.
    fn indirect(&mut self, number: usize, block: &Block, insn: &Insn) {
        let target = self.body.take(ValType::I64);
        self.body.x(insn.rs1);
        if insn.imm != 0 {
            self.body.code().i64_const(i64::from(insn.imm)).i64_add();
        }
        self.body.code().i64_const(!1).i64_and().local_set(target);
        self.link(insn, block.end());
        self.spend();
        match block.flow() {
            Flow::Return => {
                self.body.store_held();
                self.store_left();
                self.body.code().local_get(target);
                self.body.return_address();
            }
            Flow::IndirectCall => {
                self.invoke(target);
                self.come_back(number, block);
            }
            _ => {
                self.choose_block(number, block, target);
                self.invoke(target);
                self.body.return_address();
            }
        }
        self.body.give(target);
    }

    /// Enters whatever unit starts at the address in a local; pushes where it returned to.
    fn invoke(&mut self, target: u32) {
        self.store_left();
        self.body.store_held();
        let invoke = self.body.linkage.helpers.invoke;
        self.body.code().local_get(target).local_get(DEPTH).call(invoke);
    }

    /// Goes to the block of the unit that the address in a local is in, if it is one of those that
    /// the jump was seen to lead to.
    fn choose_block(&mut self, number: usize, block: &Block, target: u32) {
        if block.indirect.is_empty() {
            return;
        }
        let mut targets = block.indirect.clone();
        targets.sort_by_key(|&to| self.unit.blocks[to].offset);
        let offset = self.body.take(ValType::I64);
        self.body.code().local_get(target).local_get(BASE).i64_sub().local_set(offset);
        self.search(number, &targets, offset);
        self.body.give(offset);
    }

    /// A binary search among blocks in the order of their offsets.
    fn search(&mut self, number: usize, targets: &[usize], offset: u32) {
        let offset_of = |target: usize| i64::from(self.unit.blocks[target].offset);
        if let [target] = *targets {
            self.body.code().local_get(offset).i64_const(offset_of(target)).i64_eq();
            self.body.open_if(BlockType::Empty);
            self.aside(|emitter| {
                if emitter.unit.blocks[number].calls() {
                    emitter.arrive(target);
                }
                emitter.go(number, target, false);
            });
            self.body.close();
            return;
        }
        let (low, high) = targets.split_at(targets.len() / 2);
        self.body.code().local_get(offset).i64_const(offset_of(high[0])).i64_lt_s();
        self.body.open_if(BlockType::Empty);
        self.search(number, low, offset);
        self.body.code().else_();
        self.search(number, high, offset);
        self.body.close();
    }
}
