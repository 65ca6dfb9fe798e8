//! A host that records what a device asks of it.

use alloc::vec::Vec;
use core::iter;

use super::{Context, MmioDevice};
use crate::host::{Host, PortId};
use crate::memory::GuestMemory;

/// First address of the tests' RAM.
pub const RAM: u64 = 0x8000_0000;
/// Length of the tests' RAM in bytes.
pub const RAM_LENGTH: u64 = 4 << 20;

/// The recorder.
#[derive(Default)]
pub struct TestHost {
    /// What [`Host::realtime_ns`] answers.
    pub realtime_ns: u64,
    /// Each [`Host::port_output`] in turn.
    pub output: Vec<(PortId, Vec<u8>)>,
    /// Bytes of entropy handed out; they count up from 1.
    pub entropy_given: u8,
}

impl Host for TestHost {
    fn monotonic_ns(&mut self) -> u64 {
        0
    }

    fn realtime_ns(&mut self) -> u64 {
        self.realtime_ns
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.entropy_given = self.entropy_given.wrapping_add(1);
            *byte = self.entropy_given;
        }
    }

    fn port_output(&mut self, port: PortId, bytes: &[u8]) {
        self.output.push((port, bytes.to_vec()));
    }

    fn debug_output(&mut self, _: &[u8]) {}
}

/// A host and memory to lend to a device.
pub struct World {
    /// Guest memory.
    pub memory: GuestMemory,
    /// The host.
    pub host: TestHost,
}

impl World {
    /// Zeroed RAM, a host at time 0.
    pub fn new() -> Self {
        let memory = GuestMemory::allocate(RAM, RAM_LENGTH, 0, 0).unwrap();
        Self { memory, host: TestHost::default() }
    }

    /// Both, for one access.
    pub fn context(&mut self) -> Context<'_> {
        Context { memory: &mut self.memory, host: &mut self.host }
    }

    /// A 32-bit register.
    pub fn read(&mut self, device: &mut impl MmioDevice, offset: u64) -> u32 {
        device.read(offset, 4, &mut self.context()) as u32
    }

    /// Sets a 32-bit register.
    pub fn write(&mut self, device: &mut impl MmioDevice, offset: u64, value: u32) {
        device.write(offset, 4, value.into(), &mut self.context());
    }
}

/// `length` bytes that differ from their neighbours.
pub fn pattern(length: usize) -> Vec<u8> {
    iter::successors(Some(7u8), |byte| Some(byte.wrapping_mul(5).wrapping_add(3)))
        .take(length)
        .collect()
}
