//! The ends of blocks: branches, jumps, calls and what they return to.

use super::Emit;
use super::builder::{BASE, BUDGET, DEPTH, OFFSETS, exit_value};
use super::region::Emitter;
use crate::guest::Flow;
use crate::plan::region::Block;
use c2w_emulator::PAGE_SIZE;
use wasm_encoder::{BlockType, ValType};

/// The value of an exit to an offset from the region's first page, with the block's instructions
/// spent; `None` if that is before the region or too far behind.
fn spent_exit(offset: i64) -> Option<i32> {
    let offset = u32::try_from(offset).ok().filter(|offset| *offset < OFFSETS)?;
    Some(exit_value(offset, 0))
}

impl<G: Emit> Emitter<'_, G> {
    /// The last instruction of a block, which transfers control.
    pub fn transfer(&mut self, number: usize, block: &Block<G>, insn: &G::Insn, flow: Flow) {
        let target = |distance: i64| i64::from(block.end() - G::length(insn)) + distance;
        match flow {
            Flow::Branch(distance) => self.branch(number, block, insn, target(distance)),
            Flow::Jump(distance) => {
                G::link(insn, block.end(), &mut self.body);
                self.complete(insn);
                match block.taken {
                    Some(to) => self.go(number, to, true),
                    None => self.tail_call(block, target(distance)),
                }
            }
            Flow::Call(distance) => {
                G::link(insn, block.end(), &mut self.body);
                self.complete(insn);
                self.call(block, target(distance));
                self.return_site(number, block);
            }
            Flow::Return | Flow::IndirectJump | Flow::IndirectCall => {
                self.indirect(number, block, insn, flow);
            }
            Flow::SystemCall => self.system_call(number, block),
            Flow::Next => {}
        }
    }

    /// Behind the last instruction: forgets what it has overwritten, and takes the block's
    /// instructions off the budget.
    fn complete(&mut self, insn: &G::Insn) {
        self.body.facts.overwritten(G::registers(insn).written);
        self.body.done += 1;
        self.spend();
    }

    /// A branch; `target` is the offset that it leads to when it is taken.
    fn branch(&mut self, number: usize, block: &Block<G>, insn: &G::Insn, target: i64) {
        self.complete(insn);
        G::condition(insn, &mut self.body);
        let direct = block.taken.filter(|&to| {
            let same_loop = self.promoting_loop(number) == self.promoting_loop(to);
            same_loop && !self.structure.is_back(number, to) && self.forward(to).1
        });
        if let Some(to) = direct {
            let (label, _) = self.forward(to);
            self.body.merge_into(to);
            self.body.code().br_if(label);
        } else {
            self.body.open_if(BlockType::Empty);
            match block.taken {
                Some(to) => self.go(number, to, false),
                None => self.return_to(target),
            }
            self.body.close();
        }
        match block.next {
            Some(next) => self.go(number, next, true),
            None => self.return_to(i64::from(block.end())),
        }
    }

    fn store_budget(&mut self) {
        let budget = self.body.field(G::STATE.budget, 3);
        self.body.code().i32_const(0).local_get(BUDGET).i64_store(budget);
    }

    /// Returns an address, from the region's first page on. The block's instructions are spent.
    fn return_to(&mut self, offset: i64) {
        if let Some(exit) = spent_exit(offset) {
            return self.body.leave_at(exit);
        }
        self.body.store_promoted();
        self.store_budget();
        self.body.code().local_get(BASE).i64_const(offset).i64_add();
        self.body.return_address();
    }

    /// A jump out of the region.
    fn tail_call(&mut self, block: &Block<G>, offset: i64) {
        if block.callee.is_none() {
            return self.return_to(offset);
        }
        self.call(block, offset);
        self.body.return_address();
    }

    /// Calls the region at an offset and pushes the address that it returned: that of the offset if
    /// there is no region.
    fn call(&mut self, block: &Block<G>, offset: i64) {
        self.body.store_promoted();
        self.store_budget();
        let Some(callee) = block.callee else {
            self.body.code().local_get(BASE).i64_const(offset).i64_add();
            return;
        };
        let function = self.body.linkage.first_region + callee.region;
        self.body
            .code()
            .local_get(BASE)
            .i64_const(callee.distance * PAGE_SIZE as i64)
            .i64_add()
            .i32_const(0)
            .local_get(DEPTH)
            .i32_const(1)
            .i32_sub()
            .call(function);
    }

    /// A system call: the CPU does it, and tells where control has come to.
    fn system_call(&mut self, number: usize, block: &Block<G>) {
        self.spend();
        self.store_budget();
        self.body.store_promoted();
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
        self.continue_at(number, back);
    }

    /// Behind a call, whose result is on the stack: continues here if control has come here, with
    /// everything loaded anew.
    fn return_site(&mut self, number: usize, block: &Block<G>) {
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
        self.continue_at(number, back);
    }

    /// Pushes the address of an offset from the region's first page.
    fn push_address(&mut self, offset: u32) {
        self.body.code().local_get(BASE).i64_const(i64::from(offset)).i64_add();
    }

    /// Returns the address on the stack, which is in a local, too; drops it if it is the one behind
    /// the block.
    fn return_unless_behind(&mut self, block: &Block<G>, address: u32) {
        self.body.code().local_get(address);
        self.push_address(block.end());
        self.body.code().i64_ne();
        self.body.return_address_if();
    }

    /// Continues at a block behind a call, where everything may be different.
    fn continue_at(&mut self, number: usize, back: usize) {
        self.load_budget();
        self.enter_from_outside(back);
        self.go(number, back, true);
    }

    /// Calls an outlined loop, and continues where it has come to.
    pub fn call_loop(&mut self, number: usize, block: &Block<G>) {
        self.body.flush();
        self.call(block, i64::from(block.offset));
        let came_to = self.body.take(ValType::I64);
        self.body.code().local_set(came_to);
        self.load_budget();
        self.choose_block(number, block, came_to);
        self.body.code().local_get(came_to);
        self.body.return_address();
        self.body.give(came_to);
    }

    /// A jump or call to an address that is computed, or a return.
    fn indirect(&mut self, number: usize, block: &Block<G>, insn: &G::Insn, flow: Flow) {
        let target = self.body.take(ValType::I64);
        G::target(insn, &mut self.body);
        self.body.code().local_set(target);
        G::link(insn, block.end(), &mut self.body);
        self.complete(insn);
        match flow {
            Flow::Return => {
                self.body.store_promoted();
                self.store_budget();
                self.body.code().local_get(target);
                self.body.return_address();
            }
            Flow::IndirectCall => {
                self.invoke(target);
                self.return_site(number, block);
            }
            _ => {
                self.choose_block(number, block, target);
                self.invoke(target);
                self.body.return_address();
            }
        }
        self.body.give(target);
    }

    /// Enters the region that starts at the address in a local, if any; pushes the address that it
    /// returned.
    fn invoke(&mut self, target: u32) {
        self.store_budget();
        self.body.store_promoted();
        let invoke = self.body.linkage.helpers.invoke;
        self.body.code().local_get(target).local_get(DEPTH).call(invoke);
    }

    /// Goes to the block at the address in a local, if it is one of those that the jump was seen to
    /// lead to.
    fn choose_block(&mut self, number: usize, block: &Block<G>, target: u32) {
        if block.indirect.is_empty() {
            return;
        }
        let mut targets = block.indirect.clone();
        targets.sort_by_key(|&to| self.region.blocks[to].offset);
        let offset = self.body.take(ValType::I64);
        self.body.code().local_get(target).local_get(BASE).i64_sub().local_set(offset);
        self.search(number, &targets, offset);
        self.body.give(offset);
    }

    /// A binary search among blocks in the order of their offsets.
    fn search(&mut self, number: usize, targets: &[usize], offset: u32) {
        let offset_of = |target: usize| i64::from(self.region.blocks[target].offset);
        if let [target] = *targets {
            self.body.code().local_get(offset).i64_const(offset_of(target)).i64_eq();
            self.body.open_if(BlockType::Empty);
            self.branch_scoped(|emitter| {
                if emitter.region.blocks[number].calls() {
                    emitter.enter_from_outside(target);
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
