//! A RISC-V hart: a CPU of the engine with RV64GCV and S-mode.

use super::csr::{Csrs, envcfg, status, trap_register};
use super::interpreter;
use super::interpreter::op::Op;
use super::interpreter::page::Page;
use super::isa::decode_cache::DecodedInsns;
use super::isa::{self, Insn, Opcode};
use super::state::HartState;
use super::trap::{Cause, Trap, interrupt};
use super::vector::VectorState;
use crate::engine::access::Access;
use crate::engine::arch::{Arch, Leaf, LoopExit};
use crate::engine::bus::Bus;
use crate::engine::cpu::Cpu;
use crate::engine::pointer::Wide;
use crate::engine::tlb::{Privilege, empty_fetch_table, fetch_index};
use crate::memory::{GuestMemory, PAGE_SHIFT, PAGE_SIZE};
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// Privilege modes; there is no M-mode, the emulator itself answers SBI calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// U-mode.
    User,
    /// S-mode.
    Supervisor,
}

/// The instruction set, and what a hart has beside [`HartState`].
pub struct Riscv {
    pub(super) mode: Mode,
    decoded: DecodedInsns,
}

/// One hardware thread.
pub type Hart = Cpu<Riscv>;

/// The registers of a hart, as a snapshot keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registers {
    x: [u64; 32],
    f: [u64; 32],
    pc: u64,
    mode: Mode,
    csrs: Csrs,
    /// `sscratch`, `sepc`, `scause`, `stval`.
    trap: [u64; 4],
    /// Guest-physical address that `lr` reserved.
    reservation: Option<u64>,
    vector: VectorState,
}

impl Registers {
    /// Those of a hart in S-mode that starts at `entry` as the boot protocol wants it
    /// (Linux, Documentation/arch/riscv/boot.rst): a0 = hart 0, a1 = the device tree.
    fn at_boot(entry: u64, device_tree: u64) -> Self {
        let mut x = [0; 32];
        x[11] = device_tree;
        Self {
            x,
            f: [0; 32],
            pc: entry,
            mode: Mode::Supervisor,
            // As firmware leaves it: no timer, and user mode may read the counters.
            csrs: Csrs { stimecmp: u64::MAX, scounteren: 7, ..Csrs::default() },
            trap: [0; 4],
            reservation: None,
            vector: VectorState::default(),
        }
    }

    /// Whether a hart can have come to this; for registers that came from a snapshot.
    fn is_possible(&self) -> bool {
        self.trap[trap_register::EPC] & 1 == 0
            && self.csrs.is_possible()
            && self.vector.is_possible()
    }

    /// What the interpreter loop works on. [`Arch::sync`] must follow.
    fn to_state(&self, memory: &GuestMemory) -> HartState {
        let reservation = self
            .reservation
            .and_then(|address| {
                let page = memory.known_page(address)?;
                let in_page = address & (PAGE_SIZE as u64 - 1);
                Some((u64::from(page) << PAGE_SHIFT | in_page) + 1)
            })
            .unwrap_or(0);
        let mut x = self.x;
        x[0] = 0;
        HartState {
            x,
            f: self.f,
            pc: self.pc & !1,
            budget: 0,
            read_tlb: Wide(core::ptr::null()),
            write_tlb: Wide(core::ptr::null()),
            other_sum: [Wide(core::ptr::null()); 2],
            fetch_entries: Wide(core::ptr::null()),
            fetch: empty_fetch_table(),
            entries: Box::default(),
            fetch_tag: 0,
            window: memory.base(),
            trap: self.trap,
            csrs: self.csrs.clone(),
            vector: self.vector.clone(),
            pending: 0,
            reservation,
            fp_ready: false,
            fp_fast: false,
            may_zero: false,
            vector_ready: false,
            unused: 0,
        }
    }

    #[cfg(test)]
    pub(crate) fn csrs_mut(&mut self) -> &mut Csrs {
        &mut self.csrs
    }
}

impl Arch for Riscv {
    type State = HartState;
    type Op = Op;
    type Page = Page;
    type Trap = Trap;
    type Registers = Registers;

    fn save(hart: &Hart, memory: &GuestMemory) -> Registers {
        let state = &*hart.state;
        let offset = state.reservation.checked_sub(1).map(|offset| offset as u32);
        Registers {
            x: state.x,
            f: state.f,
            pc: state.pc,
            mode: hart.arch.mode,
            csrs: state.csrs.clone(),
            trap: state.trap,
            reservation: offset.and_then(|offset| memory.physical(offset)),
            vector: state.vector.clone(),
        }
    }

    fn restore(registers: &Registers, memory: &GuestMemory) -> Option<(Self, HartState)> {
        let arch = Self { mode: registers.mode, decoded: DecodedInsns::new() };
        registers.is_possible().then(|| (arch, registers.to_state(memory)))
    }

    unsafe fn interpret(state: &mut HartState, untranslated: bool) -> LoopExit {
        // SAFETY: as the caller promises.
        unsafe { interpreter::run(state, untranslated) }
    }

    fn step(hart: &mut Hart, bus: &mut Bus<'_>) -> Result<bool, Trap> {
        hart.step_slow_run(bus)
    }

    /// Executes `ecall` in U-mode or `sret` in S-mode: every system call has both.
    fn fast_privilege_transfer(hart: &mut Hart) -> Option<Result<bool, Trap>> {
        /// Their encodings (unprivileged ISA, "Environment Call and Breakpoints"; privileged ISA,
        /// "Trap-Return Instructions").
        const ECALL: u32 = 0x0000_0073;
        const SRET: u32 = 0x1020_0073;
        let bits = hart.state.op(hart.state.pc)?.slow_bits()?;
        match (bits, hart.arch.mode) {
            _ if hart.is_observed() => None,
            (ECALL, Mode::User) => Some(Err(Trap::new(Cause::EcallFromUser, 0))),
            (SRET, Mode::Supervisor) => {
                let pc = hart.state.pc;
                hart.state.pc = hart.sret();
                hart.retire();
                Some(Ok(hart.is_elsewhere(pc, 4)))
            }
            _ => None,
        }
    }

    fn system_call(hart: &mut Hart) -> u64 {
        /// Bytes of an environment call; there is no compressed one.
        const ECALL_LENGTH: u64 = 4;
        let return_site = hart.state.pc.wrapping_add(ECALL_LENGTH);
        hart.raise(Trap::new(Cause::EcallFromUser, 0));
        return_site
    }

    fn enter_trap(hart: &mut Hart, trap: Trap) {
        hart.enter_handler(trap.cause as u64, trap.value, 0);
    }

    fn describe(trap: Trap) -> (u64, u64) {
        (trap.cause as u64, trap.value)
    }

    fn access_fault(access: Access, address: u64) -> Trap {
        Trap::new(access.access_fault(), address)
    }

    fn poll_interrupts(hart: &mut Hart, bus: &Bus<'_>) -> bool {
        hart.state.pending = hart.pending_interrupts(bus);
        hart.deliverable()
    }

    /// Enters the highest of the pending interrupts.
    fn take_interrupt(hart: &mut Hart) {
        let enabled = match hart.arch.mode {
            Mode::User => true,
            Mode::Supervisor => hart.state.csrs.sstatus & status::SIE != 0,
        };
        let deliverable = hart.state.pending & hart.state.csrs.sie;
        if !enabled || deliverable == 0 {
            return;
        }
        // Privileged ISA, "Supervisor Interrupt Registers": external, software, timer.
        let number = [interrupt::EXTERNAL, interrupt::SOFTWARE, interrupt::TIMER]
            .into_iter()
            .find(|number| deliverable >> number & 1 != 0)
            .unwrap_or(interrupt::TIMER);
        let vectored = hart.state.csrs.stvec & 3 == 1;
        let offset = if vectored { 4 * number } else { 0 };
        hart.enter_handler(1 << 63 | number, 0, offset);
    }

    fn timer_deadline(state: &HartState) -> u64 {
        state.csrs.stimecmp
    }

    fn timer_enabled(state: &HartState) -> bool {
        state.csrs.sie >> interrupt::TIMER & 1 != 0
    }

    fn effective_address(hart: &Hart, address: u64) -> u64 {
        hart.masked(address)
    }

    fn walk(hart: &Hart, address: u64, access: Access, bus: &mut Bus<'_>) -> Result<Leaf, Trap> {
        hart.walk_page_table(address, access, bus)
    }

    fn privilege(hart: &Hart) -> Privilege {
        match hart.arch.mode {
            Mode::User => Privilege::User,
            Mode::Supervisor if hart.state.csrs.sstatus & status::SUM != 0 => {
                Privilege::SupervisorUserMemory
            }
            Mode::Supervisor => Privilege::Supervisor,
        }
    }

    /// The whole of `satp`, its page table as well as its identifier.
    fn address_space(state: &HartState) -> u64 {
        state.csrs.satp
    }

    fn sync(hart: &mut Hart) {
        hart.sync();
    }

    fn instruction_length(code: &[u8]) -> usize {
        code.first().map_or(0, |&low| isa::length(low.into()).into())
    }
}

impl Hart {
    /// A hart about to execute the first instruction of a kernel.
    pub(crate) fn at_boot(entry: u64, device_tree: u64, memory: &GuestMemory) -> Self {
        let registers = Registers::at_boot(entry, device_tree);
        let arch = Riscv { mode: registers.mode, decoded: DecodedInsns::new() };
        Self::new(arch, registers.to_state(memory), memory)
    }

    /// Whether an interrupt is pending and enabled in `sie`.
    pub(super) fn deliverable(&self) -> bool {
        self.state.pending & self.state.csrs.sie != 0
    }

    /// Sets the timer, in ticks.
    pub(super) fn set_timer(&mut self, deadline: u64) {
        self.state.csrs.stimecmp = deadline;
        self.timer_changed();
    }

    /// Runs up to `steps` without the interpreter loop, the reference for it.
    #[cfg(test)]
    pub(super) fn run_slowly(&mut self, steps: u64, bus: &mut Bus<'_>) {
        while self.steps() < steps {
            if let Err(trap) = self.step_slow(bus) {
                self.raise(trap);
            }
        }
    }

    /// Whether control has gone on elsewhere than behind the instruction at `pc`, or in another
    /// page.
    fn is_elsewhere(&self, pc: u64, length: u8) -> bool {
        let next = pc.wrapping_add(u64::from(length));
        self.state.pc != next || (pc ^ next) >> PAGE_SHIFT != 0
    }

    /// Executes the instruction at `pc` and those behind it that the interpreter loop would only
    /// come back with: vector code is full of such runs.
    ///
    /// Returns whether control has gone elsewhere.
    fn step_slow_run(&mut self, bus: &mut Bus<'_>) -> Result<bool, Trap> {
        let mut jumped = self.step_slow(bus)?;
        while let Some((bits, window_page)) = self.next_slow_bits(bus).filter(|_| !jumped) {
            jumped = self.execute_bits(bits, window_page, bus)?;
        }
        Ok(jumped)
    }

    /// The instruction at `pc`, if it is decoded and only the slow path knows it, and nothing is to
    /// be done first; and the window page it is in.
    fn next_slow_bits(&mut self, bus: &mut Bus<'_>) -> Option<(u32, u32)> {
        self.drop_overwritten_code(bus.memory);
        let window_page = self.state.fetch[fetch_index(self.state.pc)].window_page;
        let must_exit = self.exit_request || bus.memory.needs_attention();
        let op = self.state.op(self.state.pc).filter(|_| !must_exit)?;
        Some((op.slow_bits()?, window_page))
    }

    /// Executes the instruction at `pc` the slow way. Returns whether control goes on elsewhere.
    fn step_slow(&mut self, bus: &mut Bus<'_>) -> Result<bool, Trap> {
        let pc = self.state.pc;
        let window_page = self.fetch_entry(pc, bus)?.window_page;
        let decoded = self.code.page(window_page).and_then(|page| page.slow_bits(pc));
        let bits = match decoded {
            Some(bits) => bits,
            None => self.fetch_bits(bus)?,
        };
        self.execute_bits(bits, window_page, bus)
    }

    /// Executes the instruction at `pc`, which has these bits and begins in a window page. Returns
    /// whether control goes on elsewhere: not at the next instruction, or in another page.
    fn execute_bits(
        &mut self,
        bits: u32,
        window_page: u32,
        bus: &mut Bus<'_>,
    ) -> Result<bool, Trap> {
        let illegal = Trap::new(Cause::IllegalInstruction, u64::from(bits));
        let insn = self.arch.decoded.decode(bits).ok_or(illegal)?;
        let pc = self.state.pc;
        if pc & 0xfff == 0xffe && insn.length == 4 {
            // Before it is executed: it may overwrite itself.
            if let Some(page) = self.code.page_mut(window_page) {
                page.cache_page_crosser(&insn);
            }
        }
        let performed = self.perform(&insn, bus);
        // An environment call is done, too, though it ends in a trap.
        if self.is_observed() && (performed.is_ok() || insn.opcode == Opcode::Ecall) {
            // After `sret` the mode is another one; only S-mode executes it.
            let user = self.arch.mode == Mode::User && insn.opcode != Opcode::Sret;
            let code = &insn.bits.to_le_bytes()[..insn.length as usize];
            self.report_slow((pc, window_page), user, code, bus);
        }
        performed?;
        self.retire();
        Ok(self.is_elsewhere(pc, insn.length))
    }

    /// The bits at `pc`: 16 of them for a compressed instruction.
    fn fetch_bits(&mut self, bus: &mut Bus<'_>) -> Result<u32, Trap> {
        let pc = self.state.pc;
        let low = self.fetch_half(pc, bus)?;
        if isa::length(low) == 2 {
            return Ok(low);
        }
        Ok(low | self.fetch_half(pc.wrapping_add(2), bus)? << 16)
    }

    fn fetch_half(&mut self, address: u64, bus: &mut Bus<'_>) -> Result<u32, Trap> {
        let page = self.fetch_entry(address, bus)?.window_page;
        let offset = address as usize & (PAGE_SIZE - 2);
        let fault = Trap::new(Cause::FetchAccess, address);
        let bytes = bus.memory.page(page).map_err(|_| fault)?;
        Ok(u32::from(u16::from_le_bytes([bytes[offset], bytes[offset + 1]])))
    }

    /// Brings what the interpreter loop sees in line with mode and CSRs.
    pub(super) fn sync(&mut self) {
        let privilege = Riscv::privilege(self);
        let (state, tlb) = (&mut *self.state, &mut self.spaces.tlb);
        state.read_tlb = Wide(tlb.read(privilege).as_ptr());
        state.write_tlb = Wide(tlb.write(privilege).as_ptr());
        let other = match privilege {
            Privilege::SupervisorUserMemory => Privilege::Supervisor,
            _ => Privilege::SupervisorUserMemory,
        };
        state.other_sum = [Wide(tlb.read(other).as_ptr()), Wide(tlb.write(other).as_ptr())];
        state.fetch_entries = Wide(state.fetch.as_ptr());
        state.fetch_tag = match self.arch.mode {
            Mode::User => 1,
            Mode::Supervisor => 0,
        };
        state.sync_ready();
        state.may_zero =
            self.arch.mode == Mode::Supervisor || state.csrs.senvcfg & envcfg::CBZE != 0;
    }

    /// Pending interrupts (`sip`), by the state of timer, PLIC and software.
    pub(super) fn pending_interrupts(&self, bus: &Bus<'_>) -> u64 {
        let mut pending = u64::from(self.state.csrs.ssip) << interrupt::SOFTWARE;
        pending |= u64::from(self.timer_due()) << interrupt::TIMER;
        if bus.devices.interrupt() {
            pending |= 1 << interrupt::EXTERNAL;
        }
        pending
    }

    /// Goes to the handler, `offset` bytes behind its base, of an exception or an interrupt.
    fn enter_handler(&mut self, cause: u64, value: u64, offset: u64) {
        let old = self.state.csrs.sstatus;
        let mut new = old & !(status::SIE | status::SPIE | status::SPP);
        if old & status::SIE != 0 {
            new |= status::SPIE;
        }
        if self.arch.mode == Mode::Supervisor {
            new |= status::SPP;
        }
        self.state.csrs.sstatus = new;
        self.state.trap[trap_register::EPC] = self.state.pc;
        self.state.trap[trap_register::CAUSE] = cause;
        self.state.trap[trap_register::VALUE] = value;
        self.state.pc = (self.state.csrs.stvec & !3).wrapping_add(offset);
        self.state.reservation = 0;
        self.arch.mode = Mode::Supervisor;
        self.sync();
    }

    /// Reads an integer register.
    pub(super) fn x(&self, register: u8) -> u64 {
        self.state.x[register as usize & 31]
    }

    /// Writes an integer register; x0 stays zero.
    pub(super) fn set_x(&mut self, register: u8, value: u64) {
        if register != 0 {
            self.state.x[register as usize & 31] = value;
        }
    }

    /// The illegal-instruction exception for `insn`.
    pub(super) fn illegal(insn: &Insn) -> Trap {
        Trap::new(Cause::IllegalInstruction, u64::from(insn.bits))
    }
}
