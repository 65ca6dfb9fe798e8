//! A hart: its state, and the loop around the hot loop.

use super::code::CodeCache;
use super::csr::{Csrs, envcfg, status, trap_register};
use super::interpreter::op::{Code, FetchEntry, Op};
use super::interpreter::{self, Hot, Stop};
use super::isa::decode_cache::DecodedInsns;
use super::isa::{Insn, Opcode};
use super::translated::Units;
use super::trap::{Cause, Trap, interrupt};
use super::vector::VectorState;
use crate::engine::access::Access;
use crate::engine::address_spaces::AddressSpaces;
use crate::engine::bus::{Bus, Event};
use crate::engine::code_index::Counts;
use crate::engine::observe::Observer;
use crate::engine::pointer::Wide;
use crate::engine::state_box::HotPlace;
use crate::engine::tlb::{Privilege, empty_fetch_table, fetch_index};
use crate::memory::{GuestMemory, PAGE_SHIFT, PAGE_SIZE};
use crate::riscv::board::syscon::PowerRequest;
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

/// A hart that does ten billion steps a second gets here in 14 years.
const MAX_STEPS: u64 = 1 << 62;

/// Instructions after which translated code that could not be entered is tried again.
const PLAIN_VISIT: i64 = 256;

/// The registers of a hart, as a snapshot keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HartState {
    x: [u64; 32],
    f: [u64; 32],
    pc: u64,
    mode: Mode,
    csrs: Csrs,
    /// `sscratch`, `sepc`, `scause`, `stval`.
    trap: [u64; 4],
    waiting: bool,
    steps: u64,
    traps: u64,
    /// Guest-physical address that `lr` reserved.
    reservation: Option<u64>,
    vector: VectorState,
}

impl HartState {
    /// Whether a hart can have come to this; for state that came from a snapshot.
    pub(crate) fn is_possible(&self) -> bool {
        self.steps <= MAX_STEPS
            && self.traps <= self.steps
            && self.trap[trap_register::EPC] & 1 == 0
            && self.csrs.is_possible()
            && self.vector.is_possible()
    }

    #[cfg(test)]
    pub(crate) fn set_counts(&mut self, steps: u64, traps: u64) {
        (self.steps, self.traps) = (steps, traps);
    }

    #[cfg(test)]
    pub(crate) fn csrs_mut(&mut self) -> &mut Csrs {
        &mut self.csrs
    }
}

/// One hardware thread.
pub struct Hart {
    pub(super) hot: HotPlace,
    /// Cached translations, but for the fetch table in `hot`.
    pub(super) spaces: AddressSpaces<Op>,
    pub(super) code: CodeCache,
    decoded: DecodedInsns,
    pub(super) mode: Mode,
    /// `wfi` was executed and no interrupt is pending.
    pub(super) waiting: bool,
    /// The loop outside must look: at pending interrupts, a wait or a power request.
    pub(super) attention: bool,
    /// Whether the timer was due when the clock was last looked at.
    timer_due: bool,
    /// The step at which to look at the clock again.
    next_look: u64,
    /// What the guest asked of the SBI.
    pub(super) power: Option<PowerRequest>,
    /// The step count at which `hot.left` is zero.
    stop_at: u64,
    /// Steps that ended in a trap and did not retire an instruction.
    traps: u64,
    /// Who watches.
    pub(super) observer: Option<Box<dyn Observer>>,
    /// The step from which on they watch only a part.
    pub(super) sampled_from: Option<u64>,
    /// Who calls translated code.
    pub(super) units: Option<Box<dyn Units>>,
    /// How much they did.
    pub(super) counts: Counts,
    /// They have come back at a place where the budget is looked at.
    pub(super) stopped: bool,
    /// Changes of what is mapped or of code: after one, units that wait must not go on.
    pub(super) disturbances: u64,
}

impl Hart {
    /// A hart in S-mode that starts at `entry` with the boot protocol's registers
    /// (Linux, Documentation/arch/riscv/boot.rst): a0 = hart 0, a1 = the device tree.
    pub fn new(memory: &GuestMemory, entry: u64, device_tree: u64) -> Self {
        let mut x = [0; 32];
        x[11] = device_tree;
        let state = HartState {
            x,
            f: [0; 32],
            pc: entry,
            mode: Mode::Supervisor,
            // As firmware leaves it: no timer, and user mode may read the counters.
            csrs: Csrs { stimecmp: u64::MAX, scounteren: 7, ..Csrs::default() },
            trap: [0; 4],
            waiting: false,
            steps: 0,
            traps: 0,
            reservation: None,
            vector: VectorState::default(),
        };
        Self::from_state(&state, memory)
    }

    /// A hart that goes on from a snapshot.
    pub fn from_state(state: &HartState, memory: &GuestMemory) -> Self {
        let reservation = state
            .reservation
            .and_then(|address| {
                let page = memory.window_page(address)?;
                let in_page = address & (PAGE_SIZE as u64 - 1);
                Some((u64::from(page) << PAGE_SHIFT | in_page) + 1)
            })
            .unwrap_or(0);
        let mut x = state.x;
        x[0] = 0;
        let mut hart = Self {
            hot: HotPlace::new(Hot {
                x,
                f: state.f,
                pc: state.pc & !1,
                left: 0,
                read_tlb: Wide(core::ptr::null()),
                write_tlb: Wide(core::ptr::null()),
                other_sum: [Wide(core::ptr::null()); 2],
                fetch_entries: Wide(core::ptr::null()),
                plain: false,
                fetch: empty_fetch_table(),
                entries: Box::default(),
                fetch_tag: 0,
                window: memory.base(),
                trap: state.trap,
                csrs: state.csrs.clone(),
                vector: state.vector.clone(),
                pending: 0,
                reservation,
                fp_ready: false,
                fp_fast: false,
                may_zero: false,
                vector_ready: false,
            }),
            spaces: AddressSpaces::new(),
            code: CodeCache::new(memory.pages()),
            decoded: DecodedInsns::new(),
            mode: state.mode,
            waiting: state.waiting,
            attention: true,
            timer_due: false,
            next_look: 0,
            power: None,
            stop_at: state.steps,
            traps: state.traps,
            observer: None,
            sampled_from: None,
            units: None,
            counts: Counts::default(),
            stopped: false,
            disturbances: 0,
        };
        hart.sync();
        hart
    }

    /// The registers.
    pub fn state(&self, memory: &GuestMemory) -> HartState {
        let offset = self.hot.reservation.checked_sub(1).map(|offset| offset as u32);
        HartState {
            x: self.hot.x,
            f: self.hot.f,
            pc: self.hot.pc,
            mode: self.mode,
            csrs: self.hot.csrs.clone(),
            trap: self.hot.trap,
            waiting: self.waiting,
            steps: self.steps(),
            traps: self.traps,
            reservation: offset.and_then(|offset| memory.physical(offset)),
            vector: self.hot.vector.clone(),
        }
    }

    /// Steps so far: instructions, and traps in their place.
    pub fn steps(&self) -> u64 {
        self.stop_at.wrapping_sub(self.hot.left as u64)
    }

    /// How much of them was translated code.
    pub fn translated(&self) -> Counts {
        self.counts
    }

    /// Retired instructions.
    pub fn instret(&self) -> u64 {
        self.steps() - self.traps
    }

    /// The tick at which the timer ends a wait; `None` when it is off or its interrupt masked,
    /// for then it never does.
    pub fn timer(&self) -> Option<u64> {
        let enabled = self.hot.csrs.sie >> interrupt::TIMER & 1 != 0;
        (enabled && self.hot.csrs.stimecmp != u64::MAX).then_some(self.hot.csrs.stimecmp)
    }

    /// The next instruction's address.
    pub fn pc(&self) -> u64 {
        self.hot.pc
    }

    /// Runs until `limit` steps are done (and a little more), or something else happens.
    pub fn run(&mut self, limit: u64, bus: &mut Bus<'_>) -> Event {
        self.next_look = 0;
        loop {
            // Devices may have written to memory: since the last call, or when they were accessed.
            self.drop_overwritten_code(bus.memory);
            if let Some(request) = self.power.take().or_else(|| bus.devices.take_power_request()) {
                return Event::Power(request);
            }
            self.attention = false;
            // The host's clock is asked once a slice, not at every look.
            if self.steps() >= self.next_look {
                self.look_at_timer(bus);
            }
            self.hot.pending = self.pending_interrupts(bus);
            if self.deliverable() {
                self.waiting = false;
            }
            if self.waiting {
                return Event::Idle;
            }
            if self.steps() >= limit {
                return Event::Limit;
            }
            self.take_interrupt();
            self.set_limit(limit.min(self.next_look));
            self.execute(bus);
        }
    }

    /// Compares the clock with the timer, and decides when to do so again.
    fn look_at_timer(&mut self, bus: &mut Bus<'_>) {
        let deadline = self.hot.csrs.stimecmp;
        self.timer_due =
            deadline != u64::MAX && bus.clock.ticks(self.steps(), bus.host) >= deadline;
        // A timer that is due but masked must not stop the loop at every step.
        self.next_look = match self.timer_due {
            true => u64::MAX,
            false => bus.clock.next_look(deadline, self.steps()),
        };
    }

    /// Sets the timer, in ticks.
    pub(super) fn set_timer(&mut self, deadline: u64) {
        self.hot.csrs.stimecmp = deadline;
        self.next_look = 0;
        self.attention = true;
    }

    /// Whether an interrupt is pending and enabled in `sie`.
    pub(super) fn deliverable(&self) -> bool {
        self.hot.pending & self.hot.csrs.sie != 0
    }

    /// Sets the step count at which the hot loop stops.
    fn set_limit(&mut self, limit: u64) {
        let left = limit - self.steps();
        self.stop_at = limit;
        self.hot.left = left as i64;
    }

    /// Runs instructions until the limit or until attention is asked for.
    fn execute(&mut self, bus: &mut Bus<'_>) {
        loop {
            let stop = match self.observer {
                None => self.run_hot(),
                Some(_) => self.run_observed(bus),
            };
            let transferred = match stop {
                Stop::Limit => return,
                Stop::Enter => self.enter_translated(bus),
                _ => self.serve(stop, bus),
            };
            if self.attention || transferred && self.hot.left <= 0 {
                return;
            }
        }
    }

    /// Does what the hot loop has stopped for. Returns whether control goes on elsewhere: then the
    /// budget is looked at.
    pub(super) fn serve(&mut self, stop: Stop, bus: &mut Bus<'_>) -> bool {
        let done = match stop {
            Stop::Limit | Stop::Enter => Ok(false),
            Stop::Fetch => self.fetch_entry(self.hot.pc, bus).map(|_| false),
            Stop::Decode => self.decode(bus).map(|()| false),
            Stop::Slow => self.cross().unwrap_or_else(|| self.step_slowly(bus)),
        };
        done.unwrap_or_else(|trap| {
            self.raise(trap);
            true
        })
    }

    /// Runs instructions until one needs the slow path, or the limit is reached.
    ///
    /// Without entering translated code it goes on for a while only: a loop might not leave the page
    /// for long. What the guest does and when it stops does not depend on that.
    pub(super) fn run_hot(&mut self) -> Stop {
        if !self.hot.plain {
            return self.stops_at_once().unwrap_or_else(|| self.run_loop());
        }
        let later = (self.hot.left - PLAIN_VISIT).max(0);
        self.hot.left -= later;
        let stop = self.run_loop();
        self.hot.left += later;
        if stop == Stop::Limit && self.hot.left > 0 { self.run_loop() } else { stop }
    }

    /// What the loop would come back with at once, which it mostly is after translated code: to start
    /// the loop costs more than to look.
    fn stops_at_once(&self) -> Option<Stop> {
        match self.hot.op(self.hot.pc)?.code {
            Code::Enter => Some(Stop::Enter),
            Code::Slow => Some(Stop::Slow),
            _ => None,
        }
    }

    fn run_loop(&mut self) -> Stop {
        // SAFETY: `sync` keeps the TLB pointers at tables that `self.spaces` owns, whose pages
        // come from `GuestMemory::window_page`; pages with code are protected in `decode`;
        // fetch entries are made in `fetch_entry` and dropped with the code they point to.
        unsafe { interpreter::run(&mut self.hot) }
    }

    /// Runs up to `steps` without the hot loop, the reference for it.
    #[cfg(test)]
    pub(super) fn run_slowly(&mut self, steps: u64, bus: &mut Bus<'_>) {
        while self.steps() < steps {
            if let Err(trap) = self.step(bus) {
                self.raise(trap);
            }
        }
    }

    /// Executes `ecall` in U-mode or `sret` in S-mode, if the instruction at `pc` is that: every system
    /// call has both, and [`Self::step`] would look for what they are each time.
    ///
    /// Returns what [`Self::step_slowly`] would; `None` for all others, and if somebody watches.
    fn cross(&mut self) -> Option<Result<bool, Trap>> {
        /// Their encodings (unprivileged ISA, "Environment Call and Breakpoints"; privileged ISA,
        /// "Trap-Return Instructions").
        const ECALL: u32 = 0x0000_0073;
        const SRET: u32 = 0x1020_0073;
        let bits = self.hot.op(self.hot.pc)?.slow_bits()?;
        match (bits, self.mode) {
            _ if self.observer.is_some() => None,
            (ECALL, Mode::User) => Some(Err(Trap::new(Cause::EcallFromUser, 0))),
            (SRET, Mode::Supervisor) => {
                let pc = self.hot.pc;
                self.hot.pc = self.sret();
                self.hot.left -= 1;
                Some(Ok(self.is_elsewhere(pc, 4)))
            }
            _ => None,
        }
    }

    /// Whether control has gone on elsewhere than behind the instruction at `pc`, or in another page.
    fn is_elsewhere(&self, pc: u64, length: u8) -> bool {
        let next = pc.wrapping_add(u64::from(length));
        self.hot.pc != next || (pc ^ next) >> PAGE_SHIFT != 0
    }

    /// Executes the instruction at `pc` and those behind it that the hot loop would only come back
    /// with: vector code is full of such runs.
    ///
    /// Returns whether control has gone elsewhere.
    fn step_slowly(&mut self, bus: &mut Bus<'_>) -> Result<bool, Trap> {
        let mut jumped = self.step(bus)?;
        while let Some((bits, window_page)) = self.next_slow_bits(bus).filter(|_| !jumped) {
            jumped = self.execute_bits(bits, window_page, bus)?;
        }
        Ok(jumped)
    }

    /// The instruction at `pc`, if it is decoded and only the slow path knows it, and nothing is to
    /// be done first; and the window page it is in.
    fn next_slow_bits(&mut self, bus: &mut Bus<'_>) -> Option<(u32, u32)> {
        self.drop_overwritten_code(bus.memory);
        let entry = &self.hot.fetch[fetch_index(self.hot.pc)];
        let window_page = entry.window_page;
        let op = self.hot.op(self.hot.pc).filter(|_| !self.attention)?;
        Some((op.slow_bits()?, window_page))
    }

    /// Executes the instruction at `pc` the slow way. Returns whether control goes on elsewhere.
    fn step(&mut self, bus: &mut Bus<'_>) -> Result<bool, Trap> {
        let entry = self.fetch_entry(self.hot.pc, bus)?;
        let bits = match self.code.slow_bits(entry.window_page, self.hot.pc) {
            Some(bits) => bits,
            None => self.fetch_bits(bus)?,
        };
        self.execute_bits(bits, entry.window_page, bus)
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
        let insn = self.decoded.decode(bits).ok_or(illegal)?;
        let pc = self.hot.pc;
        if pc & 0xfff == 0xffe && insn.length == 4 {
            // Before it is executed: it may overwrite itself.
            self.code.learn_straddling(window_page, &insn);
        }
        let performed = self.perform(&insn, bus);
        // An environment call is done, too, though it ends in a trap.
        if self.observer.is_some() && (performed.is_ok() || insn.opcode == Opcode::Ecall) {
            self.report_slow(pc, window_page, &insn, bus);
        }
        performed?;
        self.hot.left -= 1;
        Ok(self.is_elsewhere(pc, insn.length))
    }

    /// The bits at `pc`: 16 of them for a compressed instruction.
    fn fetch_bits(&mut self, bus: &mut Bus<'_>) -> Result<u32, Trap> {
        let pc = self.hot.pc;
        let low = self.fetch_half(pc, bus)?;
        if low & 3 != 3 {
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

    /// The fetch translation of an address, made if it is not there.
    pub(super) fn fetch_entry(
        &mut self,
        address: u64,
        bus: &mut Bus<'_>,
    ) -> Result<FetchEntry, Trap> {
        let page = address & !(PAGE_SIZE as u64 - 1);
        let slot = fetch_index(address);
        let tag = page | self.hot.fetch_tag;
        if self.hot.fetch[slot].tag == tag {
            return Ok(self.hot.fetch[slot]);
        }
        let physical = self.translate(address, Access::Fetch, bus)?;
        let fault = Trap::new(Cause::FetchAccess, address);
        let window_page = bus.memory.window_page(physical).ok_or(fault)?;
        let ops = match self.code.slots(window_page, bus.memory) {
            Some(ops) => ops,
            None => {
                self.flush_fetches();
                self.code.clear(bus.memory);
                self.code.slots(window_page, bus.memory).ok_or(fault)?
            }
        };
        Ok(self.fill_fetch(address, window_page, ops, bus.memory))
    }

    fn decode(&mut self, bus: &mut Bus<'_>) -> Result<(), Trap> {
        let pc = self.hot.pc;
        let page = self.fetch_entry(pc, bus)?.window_page;
        self.watch_code(page, bus);
        let fault = Trap::new(Cause::FetchAccess, pc);
        self.code.decode(bus.memory, page, pc as usize & (PAGE_SIZE - 1)).map_err(|_| fault)
    }

    /// Forgets everything that is cached: translations of addresses and decoded code. The guest cannot
    /// tell.
    pub fn drop_caches(&mut self, memory: &mut GuestMemory) {
        self.drop_overwritten_code(memory);
        self.flush_translations(None);
        self.code.clear(memory);
    }

    /// Forgets decoded code that memory writes have made stale.
    pub(super) fn drop_overwritten_code(&mut self, memory: &mut GuestMemory) {
        if let Some(pages) = memory.take_overwritten_code() {
            for page in pages {
                if self.code.reset(page) {
                    self.forget_content(page);
                }
            }
        }
    }

    /// Brings what the hot loop sees in line with mode and CSRs.
    pub(super) fn sync(&mut self) {
        let privilege = self.privilege();
        self.hot.read_tlb = Wide(self.spaces.tlb.read(privilege).as_ptr());
        self.hot.write_tlb = Wide(self.spaces.tlb.write(privilege).as_ptr());
        let other = match privilege {
            Privilege::SupervisorUserMemory => Privilege::Supervisor,
            _ => Privilege::SupervisorUserMemory,
        };
        self.hot.other_sum = [
            Wide(self.spaces.tlb.read(other).as_ptr()),
            Wide(self.spaces.tlb.write(other).as_ptr()),
        ];
        self.hot.fetch_entries = Wide(self.hot.fetch.as_ptr());
        self.hot.fetch_tag = match self.mode {
            Mode::User => 1,
            Mode::Supervisor => 0,
        };
        self.hot.sync_ready();
        self.hot.may_zero =
            self.mode == Mode::Supervisor || self.hot.csrs.senvcfg & envcfg::CBZE != 0;
    }

    /// Pending interrupts (`sip`), by the state of timer, PLIC and software.
    pub(super) fn pending_interrupts(&self, bus: &Bus<'_>) -> u64 {
        let mut pending = u64::from(self.hot.csrs.ssip) << interrupt::SOFTWARE;
        pending |= u64::from(self.timer_due) << interrupt::TIMER;
        if bus.devices.external_interrupt() {
            pending |= 1 << interrupt::EXTERNAL;
        }
        pending
    }

    /// Enters the highest of the pending interrupts, if interrupts are enabled.
    fn take_interrupt(&mut self) {
        let enabled = match self.mode {
            Mode::User => true,
            Mode::Supervisor => self.hot.csrs.sstatus & status::SIE != 0,
        };
        let deliverable = self.hot.pending & self.hot.csrs.sie;
        if !enabled || deliverable == 0 {
            return;
        }
        // Privileged ISA, "Supervisor Interrupt Registers": external, software, timer.
        let number = [interrupt::EXTERNAL, interrupt::SOFTWARE, interrupt::TIMER]
            .into_iter()
            .find(|number| deliverable >> number & 1 != 0)
            .unwrap_or(interrupt::TIMER);
        let vectored = self.hot.csrs.stvec & 3 == 1;
        let offset = if vectored { 4 * number } else { 0 };
        self.enter_trap(1 << 63 | number, 0, offset);
    }

    /// Enters an exception. Traps count as steps, or a guest that only traps would never stop.
    pub(super) fn raise(&mut self, trap: Trap) {
        self.hot.left -= 1;
        self.traps += 1;
        if let Some(observer) = &mut self.observer {
            observer.trap(self.hot.pc, trap.cause as u64, trap.value);
        }
        self.enter_trap(trap.cause as u64, trap.value, 0);
    }

    fn enter_trap(&mut self, cause: u64, value: u64, offset: u64) {
        let old = self.hot.csrs.sstatus;
        let mut new = old & !(status::SIE | status::SPIE | status::SPP);
        if old & status::SIE != 0 {
            new |= status::SPIE;
        }
        if self.mode == Mode::Supervisor {
            new |= status::SPP;
        }
        self.hot.csrs.sstatus = new;
        self.hot.trap[trap_register::EPC] = self.hot.pc;
        self.hot.trap[trap_register::CAUSE] = cause;
        self.hot.trap[trap_register::VALUE] = value;
        self.hot.pc = (self.hot.csrs.stvec & !3).wrapping_add(offset);
        self.hot.reservation = 0;
        self.mode = Mode::Supervisor;
        self.sync();
    }

    /// Reads an integer register.
    pub(super) fn x(&self, register: u8) -> u64 {
        self.hot.x[register as usize & 31]
    }

    /// Writes an integer register; x0 stays zero.
    pub(super) fn set_x(&mut self, register: u8, value: u64) {
        if register != 0 {
            self.hot.x[register as usize & 31] = value;
        }
    }

    /// The illegal-instruction exception for `insn`.
    pub(super) fn illegal(insn: &Insn) -> Trap {
        Trap::new(Cause::IllegalInstruction, u64::from(insn.bits))
    }
}
