//! The whole machine: hart, memory, devices and clock.

use crate::devices::bus::{Devices, DevicesConfig, DevicesState};
use crate::devices::vmgenid::ID_LENGTH;
use crate::devices::{Context, InvalidState, P9Server, PowerRequest};
use crate::engine::bus::{Bus, Event};
use crate::engine::clock::Clock;
use crate::engine::code_index::{Counts, Translated};
use crate::engine::cpu::CpuSnapshot;
use crate::engine::observe::Observer;
use crate::engine::translated::TranslatedCode;
use crate::host::{Host, PortId};
use crate::memory::GuestMemory;
use crate::riscv::board::fdt;
use crate::riscv::hart::{Hart, Registers, Riscv};
use crate::riscv::state::HartState;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::mem::MaybeUninit;
use serde::{Deserialize, Serialize};

/// What a machine boots with.
pub struct BootConfig<'a> {
    /// Linux `Image` (Documentation/arch/riscv/boot-image-header.rst).
    pub kernel: &'a [u8],
    /// Initramfs, as a cpio archive.
    pub initramfs: &'a [u8],
    /// Kernel command line.
    pub command_line: &'a str,
    /// Names of the virtio console's ports; a name's index is its [`PortId`].
    pub ports: &'a [&'a str],
    /// The 9p device's mount tag.
    pub mount_tag: &'a str,
    /// First entropy of the kernel's generator.
    pub seed: &'a [u8],
}

/// Why a machine cannot boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The kernel is no RISC-V Linux `Image`.
    NotAKernel,
    /// Kernel, initramfs and device tree need more RAM: so many bytes at least.
    TooLittleMemory(u64),
    /// The command line or a name cannot stand in a device tree.
    DeviceTree,
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAKernel => f.write_str("the kernel is not a RISC-V Linux Image"),
            Self::TooLittleMemory(needed) => {
                write!(f, "too little memory for kernel and initramfs: {needed} bytes are needed")
            }
            Self::DeviceTree => f.write_str("the kernel command line contains a NUL byte"),
        }
    }
}

impl core::error::Error for BootError {}

/// Why saved state does not make a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// The bytes are no state of this version of the emulator.
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
}

/// First bytes of a saved state: magic and version.
const MAGIC: &[u8; 8] = b"c2wsnap\x02";

/// Console ports of a saved machine: each has queues, so their number is looked at first.
const MAX_PORTS: usize = 64;

#[derive(Serialize, Deserialize)]
struct MachineState {
    hart: CpuSnapshot<Registers>,
    devices: DevicesState,
    ports: Vec<String>,
    mount_tag: String,
    ticks: u64,
}

/// A machine.
pub struct Machine {
    memory: GuestMemory,
    hart: Hart,
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
    pub fn boot(mut memory: GuestMemory, config: &BootConfig<'_>) -> Result<Self, BootError> {
        let (entry, device_tree) = load(&mut memory, config)?;
        let ports: Vec<String> = config.ports.iter().map(|&name| name.into()).collect();
        let mount_tag = String::from(config.mount_tag);
        Ok(Self {
            hart: Hart::at_boot(entry, device_tree, &memory),
            devices: devices(&ports, &mount_tag),
            memory,
            clock: Clock::Instructions { skipped: 0 },
            ports,
            mount_tag,
        })
    }

    /// A machine that goes on from [`Self::save`], with the memory it had then. Its time comes
    /// from instructions until [`Self::use_host_clock`].
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are no such state.
    pub fn restore(mut memory: GuestMemory, bytes: &[u8]) -> Result<Self, RestoreError> {
        memory.forget_code();
        let body = bytes.strip_prefix(MAGIC).ok_or(RestoreError::NotASnapshot)?;
        let state: MachineState =
            postcard::from_bytes(body).map_err(|_| RestoreError::NotASnapshot)?;
        if state.ports.len() > MAX_PORTS {
            return Err(RestoreError::NotASnapshot);
        }
        let mut devices = devices(&state.ports, &state.mount_tag);
        devices.restore(state.devices).map_err(RestoreError::Device)?;
        let hart = Hart::restore(&state.hart, &memory).ok_or(RestoreError::NotASnapshot)?;
        let mut clock = Clock::Instructions { skipped: 0 };
        clock.skip_to(state.ticks, hart.steps());
        let (ports, mount_tag) = (state.ports, state.mount_tag);
        Ok(Self { memory, hart, devices, clock, ports, mount_tag })
    }

    /// The state of everything but memory.
    ///
    /// # Panics
    /// Never: the state has no form that cannot be encoded.
    pub fn save(&self, host: &mut dyn Host) -> Vec<u8> {
        let state = MachineState {
            hart: self.hart.save(&self.memory),
            devices: self.devices.save(),
            ports: self.ports.clone(),
            mount_tag: self.mount_tag.clone(),
            ticks: self.ticks(host),
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(postcard::to_allocvec(&state).expect("plain data"));
        bytes
    }

    /// Runs about `budget` instructions, or until the guest waits or switches off.
    pub fn run(&mut self, budget: u64, host: &mut dyn Host) -> Exit {
        // The hart counts down in 63 bits.
        let limit = self.hart.steps().saturating_add(budget.min(1 << 62));
        self.devices.check_alarm(host);
        let mut bus =
            Bus { memory: &mut self.memory, devices: &mut self.devices, host, clock: &self.clock };
        match self.hart.run(limit, &mut bus) {
            Event::Limit => Exit::Budget,
            Event::Idle => Exit::Idle(self.hart.timer()),
            Event::Power(request) => Exit::Power(request),
        }
    }

    /// Lets time pass to `tick` at once, if time comes from instructions.
    pub fn skip_to(&mut self, tick: u64) {
        self.clock.skip_to(tick, self.hart.steps());
    }

    /// From now on, time is the host's; the guest's clock goes on from where it stands.
    pub fn use_host_clock(&mut self, host: &mut dyn Host) {
        let start_ticks = self.ticks(host);
        self.clock = Clock::Host { start_ticks, start_ns: host.monotonic_ns() };
    }

    /// The guest's time now, in ticks.
    pub fn ticks(&self, host: &mut dyn Host) -> u64 {
        self.clock.ticks(self.hart.steps(), host)
    }

    /// Steps (instructions and traps) so far.
    pub fn steps(&self) -> u64 {
        self.hart.steps()
    }

    /// The address of the next instruction, to say where a guest hangs.
    pub fn pc(&self) -> u64 {
        self.hart.pc()
    }

    /// Bytes of input that a console port can take now; 0 while the guest has not opened it.
    pub fn input_room(&self, port: PortId) -> usize {
        self.devices.console_room(port, &self.memory)
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

    /// Has translated code entered from now on, through `code`. That expects the hart's state in `cell`.
    pub fn set_translated(
        &mut self,
        translated: &Translated,
        code: Box<dyn TranslatedCode<Riscv>>,
        cell: &'static mut MaybeUninit<HartState>,
    ) {
        self.hart.set_translated(translated, code, cell, &mut self.memory);
    }

    /// Forgets everything that is cached: translations of addresses and decoded code. For tests: the
    /// guest cannot tell.
    pub fn drop_caches(&mut self) {
        self.hart.drop_caches(&mut self.memory);
    }

    /// How much translated code has done.
    pub fn translated(&self) -> Counts {
        self.hart.translated()
    }

    /// Has an observer told of every block that is executed from now on.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.hart.observe(observer);
    }

    /// Has an observer told of every block of the next `all` steps, and of a part of those after.
    pub fn sample(&mut self, observer: Box<dyn Observer>, all: u64) {
        self.hart.sample(observer, all);
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

fn devices(ports: &[String], mount_tag: &str) -> Devices {
    Devices::new(DevicesConfig {
        ports: ports.to_vec(),
        mount_tag: mount_tag.into(),
        ..DevicesConfig::default()
    })
}

/// Puts kernel, initramfs and device tree into RAM; returns the entry point and the tree's
/// address. The kernel goes where its header says, the others to the end of RAM.
fn load(memory: &mut GuestMemory, config: &BootConfig<'_>) -> Result<(u64, u64), BootError> {
    const ALIGN: u64 = 1 << 16;
    let ram = memory.ram();
    let (offset, size) = kernel_header(config.kernel).ok_or(BootError::NotAKernel)?;
    let tree_room = ALIGN;
    let initramfs_room = (config.initramfs.len() as u64).next_multiple_of(ALIGN);
    let needed = [offset, size.max(config.kernel.len() as u64), tree_room, initramfs_room, ALIGN]
        .into_iter()
        .fold(0, u64::saturating_add);
    if needed > ram.length {
        return Err(BootError::TooLittleMemory(needed));
    }
    let end = (ram.start + ram.length) & !(ALIGN - 1);
    let tree_at = end - tree_room;
    let initramfs_at = tree_at - initramfs_room;
    let tree = fdt::build(&fdt::Description {
        ram,
        image: memory.image(),
        command_line: config.command_line,
        initramfs: (initramfs_at, initramfs_at + config.initramfs.len() as u64),
        seed: config.seed,
    })
    .map_err(|_| BootError::DeviceTree)?;
    let too_small = |_| BootError::TooLittleMemory(needed);
    if tree.len() as u64 > tree_room {
        return Err(BootError::DeviceTree);
    }
    let entry = ram.start + offset;
    memory.write(entry, config.kernel).map_err(too_small)?;
    memory.write(initramfs_at, config.initramfs).map_err(too_small)?;
    memory.write(tree_at, &tree).map_err(too_small)?;
    Ok((entry, tree_at))
}

/// Load offset and memory size that an `Image` asks for.
fn kernel_header(kernel: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize| Some(u64::from_le_bytes(kernel.get(at..at + 8)?.try_into().ok()?));
    (kernel.get(48..56)? == b"RISCV\0\0\0" || kernel.get(56..60)? == b"RSC\x05")
        .then_some(())
        .and_then(|()| Some((number(8)?, number(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::test_host::TestHost;
    use crate::riscv::csr::Csrs;
    use alloc::vec;

    fn memory() -> GuestMemory {
        GuestMemory::allocate(0x8000_0000, 1 << 20, 0, 0).unwrap()
    }

    /// The state of a machine that has not run, after `change`.
    fn restored(change: impl FnOnce(&mut MachineState)) -> Result<Machine, RestoreError> {
        let mut kernel = [0; 64];
        kernel[48..56].copy_from_slice(b"RISCV\0\0\0");
        let config = BootConfig {
            kernel: &kernel,
            initramfs: &[],
            command_line: "",
            ports: &["a"],
            mount_tag: "b",
            seed: &[],
        };
        let saved = Machine::boot(memory(), &config).unwrap().save(&mut TestHost::default());
        let mut state = postcard::from_bytes(&saved[MAGIC.len()..]).unwrap();
        change(&mut state);
        let body = postcard::to_allocvec(&state).unwrap();
        Machine::restore(memory(), &[MAGIC, body.as_slice()].concat())
    }

    #[test]
    fn a_state_with_counts_about_to_overflow_is_refused() {
        assert!(restored(|_| {}).is_ok());
        for (steps, traps) in [(u64::MAX, 0), (1 << 63, 0), (3, 4)] {
            let changed = restored(|state| (state.hart.steps, state.hart.traps) = (steps, traps));
            assert_eq!(changed.err(), Some(RestoreError::NotASnapshot), "{steps} {traps}");
        }
    }

    #[test]
    fn a_state_with_registers_that_no_software_wrote_is_refused() {
        let changes: [fn(&mut Csrs); 5] = [
            |csrs| csrs.satp = 1 << 60,
            |csrs| csrs.sstatus = u64::MAX,
            |csrs| csrs.sie = u64::MAX,
            |csrs| csrs.stvec = 2,
            |csrs| csrs.frm = 8,
        ];
        for change in changes {
            let changed = restored(|state| change(state.hart.registers.csrs_mut()));
            assert_eq!(changed.err(), Some(RestoreError::NotASnapshot));
        }
    }

    #[test]
    fn a_state_with_a_thousand_ports_is_refused_before_they_are_made() {
        let changed = restored(|state| state.ports = vec![String::new(); 1000]);
        assert_eq!(changed.err(), Some(RestoreError::NotASnapshot));
    }

    #[test]
    fn a_state_at_the_end_of_time_stays_there() {
        let mut machine = restored(|state| state.ticks = u64::MAX).unwrap();
        machine.run(10_000, &mut TestHost::default());
        assert_eq!(machine.ticks(&mut TestHost::default()), u64::MAX);
    }
}
