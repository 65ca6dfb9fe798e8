//! The outside of the machines and devices that are fuzzed.

use c2w_emulator::Board;
use c2w_emulator::devices::Context;
use c2w_emulator::devices::{Devices, DevicesConfig};
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::board::layout;
use c2w_emulator::{GuestMemory, Host, PortId};

/// First address of RAM.
pub const RAM: u64 = layout::RAM_BASE;

/// A host that only counts, so that all it does can be done again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Both clocks; it moves by a microsecond whenever somebody looks.
    pub now: u64,
    /// Bytes of entropy handed out.
    pub entropy: u64,
    /// Bytes that came out of each of the console's ports.
    pub output: [u64; 4],
}

impl Host for Counter {
    fn monotonic_ns(&mut self) -> u64 {
        self.now += 1000;
        self.now
    }

    fn realtime_ns(&mut self) -> u64 {
        self.monotonic_ns()
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.entropy += 1;
            *byte = self.entropy as u8;
        }
    }

    fn port_output(&mut self, port: PortId, bytes: &[u8]) {
        self.output[port] += bytes.len() as u64;
    }

    fn debug_output(&mut self, _: &[u8]) {}
}

/// Devices as a session has them, with memory to work on.
pub struct World {
    /// RAM, and an image where there is one.
    pub memory: GuestMemory,
    /// The outside.
    pub host: Counter,
    /// What is fuzzed.
    pub devices: Devices,
}

impl World {
    /// Zeroed memory of these lengths in bytes, and devices at reset.
    pub fn new(ram: u64, image: u64) -> Self {
        let memory = GuestMemory::allocate(RAM, ram, layout::IMAGE_BASE, image).expect("small");
        Self { memory, host: Counter::default(), devices: devices() }
    }

    /// Reads a register; 0 where no device is.
    pub fn read(&mut self, address: u64, size: u8) -> u64 {
        let mut context = Context { memory: &mut self.memory, host: &mut self.host };
        self.devices.read(address, size, &mut context).unwrap_or(0)
    }

    /// Writes a register, where a device is.
    pub fn write(&mut self, address: u64, size: u8, value: u64) {
        let mut context = Context { memory: &mut self.memory, host: &mut self.host };
        let _ = self.devices.write(address, size, value, &mut context);
    }

    /// Gives input to a console port, and checks what was promised and taken.
    pub fn push(&mut self, port: PortId, length: usize) {
        let room = self.devices.console_room(port, &mut self.memory);
        let bytes = vec![0x5a; length];
        let mut context = Context { memory: &mut self.memory, host: &mut self.host };
        let taken = self.devices.push_console(port, &bytes, &mut context);
        assert!(taken <= length, "took {taken} of {length} bytes");
        // Buffers may overlap the ring, which then changes under way: no more can be said.
        assert!(room > 0 || taken == 0, "took {taken} bytes where there was no room");
    }

    /// Goes on with devices that were restored from the state of these.
    pub fn reload(&mut self) {
        let state = self.devices.save();
        self.devices = devices();
        self.devices.restore(&state).expect("the state of such devices");
        assert_eq!(self.devices.save(), state);
    }
}

fn devices() -> Devices {
    RiscvBoard.devices(DevicesConfig {
        ports: ["control", "in", "out", "error"].map(String::from).to_vec(),
        mount_tag: "host".into(),
        generation: [7; 16],
    })
}
