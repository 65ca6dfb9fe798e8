//! The whole machine: CPU, memory, devices and clock.

use crate::board::{Board, BootBoard, BootConfig, BootError};
use crate::devices::vmgenid::ID_LENGTH;
use crate::devices::{
    Context, Devices, DevicesConfig, DevicesState, InvalidState, NetBackend, P9Server, PowerRequest,
};
use crate::encoding;
use crate::engine::bus::{Bus, Event};
use crate::engine::clock::Clock;
use crate::engine::code_index::Counts;
use crate::engine::observe::Observer;
use crate::engine::vcpu::Vcpu;
use crate::host::{Host, PortId};
use crate::memory::GuestMemory;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Why saved state does not make a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// The bytes are not a state of this version of the emulator.
    NotASnapshot,
    /// A device refuses its part.
    Device(InvalidState),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASnapshot => f.write_str("not a machine state of this version"),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RestoreError {}

/// Why [`Machine::run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The budget is used up.
    Budget,
    /// The guest waits for input or for its timer at this tick, if it has set one.
    Idle(Option<u64>),
    /// The guest switched itself off, or wants a reset.
    Power(PowerRequest),
    /// A unit of memory could not be had ([`GuestMemory::failure`]): the machine cannot go on.
    MemoryFailure,
}

/// First bytes of a saved state; the instruction set's ID and the version of the state follow.
const MAGIC: &[u8] = b"c2wsnap";

/// The version of the state.
const VERSION: u8 = 4;

/// Console ports of a saved machine: each has queues, so their number is checked first.
const MAX_PORTS: usize = 64;

#[derive(Serialize, Deserialize)]
struct MachineState {
    /// [`Vcpu::save`].
    cpu: Vec<u8>,
    devices: DevicesState,
    ports: Vec<String>,
    mount_tag: String,
    ticks: u64,
}

/// A machine.
pub struct Machine {
    board: &'static dyn Board,
    memory: GuestMemory,
    cpu: Box<dyn Vcpu>,
    devices: Devices,
    clock: Clock,
    ports: Vec<String>,
    mount_tag: String,
}

impl Machine {
    /// A machine about to execute the kernel's first instruction. RAM must be zero.
    ///
    /// # Errors
    /// [`BootError`] when kernel and initramfs do not fit.
    pub fn boot(
        board: &'static dyn BootBoard,
        mut memory: GuestMemory,
        config: &BootConfig<'_>,
    ) -> Result<Self, BootError> {
        let cpu = board.boot(&mut memory, config)?;
        let ports: Vec<String> = config.ports.iter().map(|&name| name.into()).collect();
        let mount_tag = String::from(config.mount_tag);
        Ok(Self {
            board,
            cpu,
            devices: devices(board, &ports, &mount_tag),
            memory,
            clock: Clock::from_instructions(board.timebase()),
            ports,
            mount_tag,
        })
    }

    /// A machine that goes on from [`Self::save`], with the memory it had then. Its time comes
    /// from instructions until [`Self::use_host_clock`].
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are not such a state.
    pub fn restore(
        board: &'static dyn Board,
        mut memory: GuestMemory,
        bytes: &[u8],
    ) -> Result<Self, RestoreError> {
        memory.forget_code();
        let body =
            bytes.strip_prefix(header(board).as_slice()).ok_or(RestoreError::NotASnapshot)?;
        let state: MachineState = encoding::decode(body).ok_or(RestoreError::NotASnapshot)?;
        if state.ports.len() > MAX_PORTS {
            return Err(RestoreError::NotASnapshot);
        }
        let mut devices = devices(board, &state.ports, &state.mount_tag);
        devices.restore(&state.devices).map_err(RestoreError::Device)?;
        let cpu = board.restore(&state.cpu, &memory).ok_or(RestoreError::NotASnapshot)?;
        let mut clock = Clock::from_instructions(board.timebase());
        clock.skip_to(state.ticks, cpu.steps());
        let (ports, mount_tag) = (state.ports, state.mount_tag);
        Ok(Self { board, memory, cpu, devices, clock, ports, mount_tag })
    }

    /// The state of everything but memory.
    ///
    /// # Panics
    /// Never: the state has no form that cannot be encoded.
    pub fn save(&self, host: &mut dyn Host) -> Vec<u8> {
        let state = MachineState {
            cpu: self.cpu.save(&self.memory),
            devices: self.devices.save(),
            ports: self.ports.clone(),
            mount_tag: self.mount_tag.clone(),
            ticks: self.ticks(host),
        };
        let mut bytes = header(self.board);
        bytes.extend(encoding::encode(&state));
        bytes
    }

    /// Runs about `budget` instructions, or until the guest waits or switches off.
    pub fn run(&mut self, budget: u64, host: &mut dyn Host) -> Exit {
        // The CPU counts down in 63 bits.
        let limit = self.cpu.steps().saturating_add(budget.min(1 << 62));
        self.devices.tick(host);
        let mut bus =
            Bus { memory: &mut self.memory, devices: &mut self.devices, host, clock: &self.clock };
        let event = self.cpu.run(limit, &mut bus);
        if self.memory.failure().is_some() {
            return Exit::MemoryFailure;
        }
        match event {
            Event::Limit => Exit::Budget,
            Event::Idle => Exit::Idle(self.cpu.timer()),
            Event::Power(request) => Exit::Power(request),
        }
    }

    /// Lets time pass to `tick` at once, if time comes from instructions.
    pub fn skip_to(&mut self, tick: u64) {
        self.clock.skip_to(tick, self.cpu.steps());
    }

    /// From now on, time is the host's; the guest's clock goes on from where it stands.
    pub fn use_host_clock(&mut self, host: &mut dyn Host) {
        let ticks = self.ticks(host);
        self.clock.use_host(ticks, host);
    }

    /// The guest's time now, in ticks.
    pub fn ticks(&self, host: &mut dyn Host) -> u64 {
        self.clock.ticks(self.cpu.steps(), host)
    }

    /// Steps (instructions and traps) so far.
    pub fn steps(&self) -> u64 {
        self.cpu.steps()
    }

    /// The address of the next instruction, to say where a guest hangs.
    pub fn pc(&self) -> u64 {
        self.cpu.pc()
    }

    /// Bytes of input that a console port can take now; 0 while the guest has not opened it.
    pub fn input_room(&mut self, port: PortId) -> usize {
        self.devices.console_room(port, &mut self.memory)
    }

    /// Gives input to a console port. Returns how many bytes it took.
    pub fn push_input(&mut self, port: PortId, bytes: &[u8], host: &mut dyn Host) -> usize {
        let mut context = Context { memory: &mut self.memory, host };
        self.devices.push_console(port, bytes, &mut context)
    }

    /// Tells the guest that it is a copy: its kernel reseeds its random generator from `id`.
    pub fn renew_generation(&mut self, id: [u8; ID_LENGTH]) {
        self.devices.renew_generation(id);
    }

    /// Has 9p requests answered by `server` from now on.
    pub fn set_p9_server(&mut self, server: Box<dyn P9Server>) {
        self.devices.set_p9_server(server);
    }

    /// Sets what is at the other end of the network's wire; `None` unplugs it.
    pub fn set_net_backend(&mut self, backend: Option<Box<dyn NetBackend>>) {
        self.devices.set_net_backend(backend);
    }

    /// Moves frames between the guest and its network's backend that had to wait. Returns whether
    /// the guest got or got rid of any.
    pub fn exchange_frames(&mut self, host: &mut dyn Host) -> bool {
        let mut context = Context { memory: &mut self.memory, host };
        self.devices.exchange_frames(&mut context)
    }

    /// Nanoseconds of a tick.
    pub fn tick_ns(&self) -> u64 {
        self.board.timebase().tick_ns
    }

    /// The CPU and its memory, if it is of this type.
    pub(crate) fn cpu_mut<C: Vcpu>(&mut self) -> Option<(&mut C, &mut GuestMemory)> {
        let cpu = (&mut *self.cpu as &mut dyn Any).downcast_mut()?;
        Some((cpu, &mut self.memory))
    }

    /// How much translated code has done.
    pub fn translated(&self) -> Counts {
        self.cpu.translated()
    }

    /// Has an observer told of every block that is executed from now on.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.cpu.observe(observer);
    }

    /// Has an observer told of every block of the next `all` steps, and of a part of those after.
    pub fn sample(&mut self, observer: Box<dyn Observer>, all: u64) {
        self.cpu.sample(observer, all);
    }

    /// RAM and root image, without the machine.
    pub fn into_memory(self) -> GuestMemory {
        self.memory
    }

    /// RAM and root image.
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }
}

/// What the bytes of a saved state begin with.
fn header(board: &dyn Board) -> Vec<u8> {
    [MAGIC, &[board.id(), VERSION]].concat()
}

fn devices(board: &dyn Board, ports: &[String], mount_tag: &str) -> Devices {
    board.devices(DevicesConfig {
        ports: ports.to_vec(),
        mount_tag: mount_tag.into(),
        ..DevicesConfig::default()
    })
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
