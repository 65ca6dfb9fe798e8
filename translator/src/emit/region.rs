//! The function of a region: its blocks in structured control flow, and the budget.
//!
//! ```text
//! check the pages; budget = state.budget
//! block for each item of the region
//!   br_table by entry: enough budget? load registers, go to the entry's block
//! items: blocks, and loops with blocks in them
//! ```

use super::builder::{BASE, BUDGET, Builder, DEPTH, STATE, at};
use super::facts::Facts;
use super::{Emit, memory};
use crate::Linkage;
use crate::guest::Flow;
use crate::plan::loops::{Analysis, Promoted, promoting_loop};
use crate::plan::region::Region;
use crate::plan::structure::{Item, Loop, Structure};
use alloc::vec::Vec;
use c2w_emulator::PAGE_SIZE;
use c2w_emulator::engine::code_index::code_tag;
use wasm_encoder::{BlockType, ValType};

/// Writes the function of a region, in the form of a code section.
pub fn function<G: Emit>(region: &Region<G>, linkage: &Linkage) -> Vec<u8> {
    let structure = Structure::new(region);
    let analysis = Analysis::new(region, &structure);
    let mut body = Builder::new(linkage);
    body.user = region.user;
    let mut emitter = Emitter { region, structure: &structure, analysis, body, scopes: Vec::new() };
    emitter.check_pages();
    emitter.load_budget();
    emitter.items(&structure.items, Emitter::enter);
    emitter.body.finish()
}

/// Where a branch can go.
#[derive(Clone, Copy)]
enum Scope {
    /// Back to the header of a loop.
    Back(usize),
    /// The same in a strip, while the budget is more than a local.
    Strip(usize, u32),
    /// Forward to the item that starts with a block.
    Forward(usize),
}

/// A region's function while it is written.
pub(super) struct Emitter<'a, G: Emit> {
    pub region: &'a Region<G>,
    pub structure: &'a Structure,
    analysis: Analysis,
    pub body: Builder<G>,
    /// What is open, and how many labels were open before.
    scopes: Vec<(Scope, u32)>,
}

impl<G: Emit> Emitter<'_, G> {
    /// Returns at once unless every page of the region is mapped and has the content that it was
    /// made from, and the call is not too deep.
    fn check_pages(&mut self) {
        const PAGE_SHIFT: u32 = PAGE_SIZE.trailing_zeros();
        let state = &G::STATE;
        let shift = state.fetch_entry_shift;
        let mode = u64::from(self.region.user);
        let entries = self.body.field(state.fetch_entries, 2);
        for (number, &(distance, page)) in self.region.pages.iter().enumerate() {
            let mut code = self.body.code();
            let from_base = code_tag(u64::from(distance) << PAGE_SHIFT | mode, page);
            code.local_get(BASE).i64_const(from_base as i64).i64_add();
            // The page's number times the size of an entry, by one shift.
            code.local_get(BASE)
                .i64_const(i64::from(PAGE_SHIFT - shift))
                .i64_shr_u()
                .i32_wrap_i64();
            if distance > 0 {
                code.i32_const((distance << shift) as i32).i32_add();
            }
            code.i32_const(((state.fetch_count - 1) << shift) as i32).i32_and();
            code.i32_const(0).i32_load(entries).i32_add();
            code.i64_load(at(state.code_tag, 3)).i64_ne();
            if number > 0 {
                code.i32_or();
            }
        }
        // Checked by the callee, once, instead of at every call site.
        self.body.code().local_get(DEPTH).i32_const(0).i32_lt_s().i32_or();
        self.body.open_if(BlockType::Empty);
        self.return_to_entry();
        self.body.close();
    }

    /// Returns the address of the entry, with nothing done.
    fn return_to_entry(&mut self) {
        let start = self.region.blocks[self.region.entries[0]].offset;
        // Other regions call the first entry. For other entries the address is in `pc`.
        self.body.code().local_get(BASE).i64_const(i64::from(start)).i64_add();
        self.body.load_field(G::STATE.pc);
        self.body.code().local_get(STATE).i32_eqz().select();
        self.body.return_address();
    }

    pub fn load_budget(&mut self) {
        self.body.load_field(G::STATE.budget);
        self.body.code().local_set(BUDGET);
    }

    /// Writes items in order; `before` is written where branches can go to all of them.
    fn items(&mut self, items: &[Item], before: impl FnOnce(&mut Self)) {
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
        let promotes = self.analysis.promoted.get(&inner.header).copied();
        if let Some(promoted) = promotes {
            self.body.promote(promoted.written);
        }
        self.scopes.push((Scope::Back(inner.header), self.body.labels));
        self.body.open_loop();
        self.body.facts = self.least(inner.header);
        self.strip(inner);
        let (header, rest) = (inner.header, &inner.items[1..]);
        self.items(rest, |emitter| {
            emitter.dispatch(&inner.dispatch);
            emitter.block(header);
        });
        self.scopes.pop();
        self.body.close();
        if promotes.is_some() {
            self.body.end_promotion();
        }
    }

    /// Writes the copy of a loop whose checks are hoisted, if there is one.
    fn strip(&mut self, inner: &Loop) {
        let header = inner.header;
        let Some(strip) = self.analysis.strips.get(&header).cloned() else { return };
        let stop = self.body.take(ValType::I64);
        memory::begin_strip(&strip, stop, self.analysis.longest[header], &mut self.body);
        if !inner.dispatch.is_empty() {
            self.body.code().local_get(STATE).i32_eqz().i32_and();
        }
        self.body.open_if(BlockType::Empty);
        self.scopes.push((Scope::Strip(header, stop), self.body.labels));
        self.body.open_loop();
        self.items(&inner.items[1..], |emitter| emitter.block(header));
        self.scopes.pop();
        self.body.close();
        self.body.close();
        memory::end_strip(&mut self.body);
        self.body.give(stop);
    }

    /// Whether the accesses of a block are checked before the strip around it.
    fn is_hoisted(&self, block: usize) -> bool {
        self.scopes.iter().any(|&(scope, _)| match scope {
            Scope::Strip(header, _) => self.analysis.strips[&header].blocks.contains(&block),
            _ => false,
        })
    }

    /// At the start of a loop: goes to the block that `STATE` names.
    fn dispatch(&mut self, targets: &[usize]) {
        if targets.is_empty() {
            return;
        }
        self.body.code().local_get(STATE);
        self.body.open_if(BlockType::Empty);
        for &target in targets {
            self.body.code().local_get(STATE).i32_const(target as i32 + 1).i32_eq();
            self.body.open_if(BlockType::Empty);
            let (label, direct) = self.forward(target);
            if direct {
                self.body.code().i32_const(0).local_set(STATE);
                self.branch_scoped(|emitter| {
                    emitter.body.facts = emitter.least(target);
                    emitter.body.merge_into(target);
                });
            }
            self.body.code().br(label);
            self.body.close();
        }
        self.body.close();
    }

    /// The label that leads forward to a block, and whether it leads there directly and not to a
    /// loop around it.
    pub fn forward(&self, target: usize) -> (u32, bool) {
        let found = self.scopes.iter().rev().find_map(|&(scope, labels)| match scope {
            Scope::Forward(first) if first == target => Some((labels, true)),
            Scope::Forward(first) if self.structure.loops[target].contains(&first) => {
                Some((labels, false))
            }
            _ => None,
        });
        // Every edge leads forwards or back: `Structure` guarantees it.
        debug_assert!(found.is_some(), "no way forward to block {target}");
        let (labels, direct) = found.unwrap_or((0, true));
        (self.body.label(labels), direct)
    }

    /// By the entry's number, goes to the entry's block if there is budget.
    fn enter(&mut self) {
        let (first, others) = (self.region.entries[0], &self.region.entries[1..]);
        if others.is_empty() {
            return self.enter_at(first);
        }
        // The first is the one of nearly all calls, and a jump table costs as much as ten
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
        self.enter_from_outside(entry);
        let (label, direct) = self.forward(entry);
        let state = if direct { 0 } else { entry as i32 + 1 };
        self.body.code().i32_const(state).local_set(STATE);
        if direct {
            self.body.merge_into(entry);
        }
        self.body.code().br(label);
    }

    /// At the start of a block to which control comes from outside: leaves unless there is budget
    /// for what follows.
    pub fn enter_from_outside(&mut self, block: usize) {
        self.body.facts = Facts::default();
        self.check_budget(block);
        if let Some(assumption) = self.region.blocks[block].assumption {
            G::check_assumption(assumption, &mut self.body);
        }
        self.body.load(self.promoted_in(block).touched);
    }

    /// Writes code that is not always executed: its facts do not hold behind it.
    pub fn branch_scoped(&mut self, write: impl FnOnce(&mut Self)) {
        self.body.begin_scope();
        write(self);
        self.body.end_scope();
    }

    /// What holds at the start of a block in any case.
    fn least(&self, block: usize) -> Facts<G::Checks> {
        Facts { loaded: self.promoted_in(block).touched, ..Facts::default() }
    }

    /// What holds at the start of a block.
    fn facts(&mut self, block: usize) -> Facts<G::Checks> {
        let least = self.least(block);
        let merged = self.body.merged_facts(block);
        // Edges back to a header are not written yet.
        match merged.filter(|_| !self.structure.loops[block].contains(&block)) {
            Some(facts) => Facts { loaded: facts.loaded.with(least.loaded), ..facts },
            None => least,
        }
    }

    /// The loop around a block that promotes registers.
    pub fn promoting_loop(&self, block: usize) -> Option<usize> {
        promoting_loop(self.structure, &self.analysis.promoted, block)
    }

    /// What the loop around a block promotes.
    fn promoted_in(&self, block: usize) -> Promoted {
        self.promoting_loop(block)
            .map_or_else(Promoted::default, |header| self.analysis.promoted[&header])
    }

    /// On the edge from a block to another: stores what the loop that is left has promoted, and
    /// loads what the one that is entered promotes.
    fn change_loops(&mut self, from: usize, to: usize) {
        if self.promoting_loop(from) == self.promoting_loop(to) {
            return;
        }
        if self.promoting_loop(from).is_some() {
            self.body.store_promoted();
        }
        self.body.load(self.promoted_in(to).touched);
    }

    fn check_budget(&mut self, block: usize) {
        self.body.offset = self.region.blocks[block].offset;
        self.body.done = 0;
        let longest = i64::from(self.analysis.longest[block]);
        self.body.leave_if(|body| {
            body.code().local_get(BUDGET).i64_const(longest).i64_le_s();
        });
    }

    fn block(&mut self, number: usize) {
        let region = self.region;
        let block = &region.blocks[number];
        self.body.facts = self.facts(number);
        self.body.is_hoisted = self.is_hoisted(number);
        let in_loop = !self.structure.loops[number].is_empty();
        self.body.maps = !region.user && block.seen_tlb_miss && !in_loop;
        self.body.assumption = block.assumption;
        self.body.offset = block.offset;
        self.body.done = 0;
        let Some(flow) = block.flow() else { return self.call_loop(number, block) };
        for (index, insn) in block.insns.iter().enumerate() {
            let registers = G::registers(insn);
            self.body.load(registers.read);
            if index + 1 == block.insns.len() && flow != Flow::Next {
                return self.transfer(number, block, insn, flow);
            }
            if !G::emit(insn, block.following(index), &mut self.body) {
                return self.body.leave();
            }
            self.body.facts.overwritten(registers.written);
            self.body.offset += G::length(insn);
            self.body.done += 1;
        }
        match block.next {
            Some(next) => {
                self.spend();
                self.go(number, next, true);
            }
            None => self.body.leave(),
        }
    }

    /// Takes the block's instructions off the budget, and brings memory in line with registers.
    pub fn spend(&mut self) {
        self.body.flush();
        let done = i64::from(self.body.done);
        self.body.code().local_get(BUDGET).i64_const(done).i64_sub().local_set(BUDGET);
        self.body.done = 0;
    }

    /// Goes to a block from the end of another; `last` when nothing of that follows.
    pub fn go(&mut self, from: usize, to: usize, last: bool) {
        self.branch_scoped(|emitter| {
            emitter.change_loops(from, to);
            if emitter.structure.is_back(from, to) {
                return emitter.go_back(to);
            }
            let (label, direct) = emitter.forward(to);
            if direct {
                emitter.body.merge_into(to);
            } else {
                emitter.body.code().i32_const(to as i32 + 1).local_set(STATE);
            }
            let follows = last && direct && label == 0;
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
                self.body.code().local_get(BUDGET).local_get(stop).i64_gt_s().br_if(label);
            }
        }
        let back = |&&(scope, _): &&(Scope, u32)| matches!(scope, Scope::Back(to) if to == header);
        let labels = self.scopes.iter().rev().find(back).map_or(0, |&(_, labels)| labels);
        let longest = i64::from(self.analysis.longest[header]);
        let label = self.body.label(labels);
        self.body.code().local_get(BUDGET).i64_const(longest).i64_gt_s().br_if(label);
        self.body.offset = self.region.blocks[header].offset;
        self.body.done = 0;
        self.body.leave();
    }
}
