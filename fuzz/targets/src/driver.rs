//! The driver's side of virtio: registers, and the layout of queues in memory (virtio 1.2, 2.7
//! and 4.2.2).

use crate::world::{RAM, World};
use c2w_emulator::devices::MmioRange;
use c2w_emulator::riscv::board::layout;

/// The virtio devices of a machine.
pub const DEVICES: [MmioRange; 4] =
    [layout::CONSOLE, layout::RNG, layout::P9_TRANSPORT, layout::NET];
/// Places in [`DEVICES`].
pub const CONSOLE: usize = 0;
/// The 9p device.
pub const P9: usize = 2;

/// Registers of the transport.
pub mod register {
    #![allow(missing_docs)]
    pub const DRIVER_FEATURES: u64 = 0x020;
    pub const DRIVER_FEATURES_SEL: u64 = 0x024;
    pub const QUEUE_SEL: u64 = 0x030;
    pub const QUEUE_NUM_MAX: u64 = 0x034;
    pub const QUEUE_NUM: u64 = 0x038;
    pub const QUEUE_READY: u64 = 0x044;
    pub const QUEUE_NOTIFY: u64 = 0x050;
    pub const INTERRUPT_STATUS: u64 = 0x060;
    pub const INTERRUPT_ACK: u64 = 0x064;
    pub const STATUS: u64 = 0x070;
    pub const AREAS: [u64; 3] = [0x080, 0x090, 0x0a0];
}

/// Descriptor flags.
pub const NEXT: u16 = 1;
/// The device writes to the buffer.
pub const WRITE: u16 = 2;

/// Queues that have a place: those of a console with four ports.
const MAX_QUEUES: u32 = 10;
/// Descriptors that have a place.
pub const MAX_SIZE: u16 = 256;
/// Distance between the areas of one queue and the next.
const STRIDE: u64 = 0x2000;
const DRIVER_AREA: u64 = 0x1000;
const DEVICE_AREA: u64 = 0x1400;
/// Everything from here to the end of RAM is for buffers.
pub const BUFFERS: u64 = RAM + MAX_QUEUES as u64 * STRIDE;

/// Where a queue is, and how large.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Number of descriptors.
    pub size: u16,
    /// Descriptor table, available ring, used ring.
    pub areas: [u64; 3],
}

impl Layout {
    /// The place that this driver chooses for a queue.
    pub fn of(queue: usize, size: u16) -> Self {
        let base = RAM + STRIDE * queue as u64;
        Self { size, areas: [base, base + DRIVER_AREA, base + DEVICE_AREA] }
    }

    /// The register writes that make the queue ready, in turn.
    pub fn set_up(&self, queue: usize) -> Vec<(u64, u32)> {
        let mut writes = vec![
            (register::QUEUE_SEL, queue as u32),
            (register::QUEUE_READY, 0),
            (register::QUEUE_NUM, self.size.into()),
        ];
        for (register, area) in register::AREAS.into_iter().zip(self.areas) {
            writes.extend([(register, area as u32), (register + 4, (area >> 32) as u32)]);
        }
        writes.push((register::QUEUE_READY, 1));
        writes
    }

    /// The address of an entry of the descriptor table.
    pub fn descriptor(&self, index: u16) -> u64 {
        self.areas[0].wrapping_add(16 * u64::from(index))
    }

    /// The address of an entry of the available ring.
    pub fn available(&self, index: u16) -> u64 {
        let slot = index.checked_rem(self.size).unwrap_or(0);
        self.areas[1].wrapping_add(4 + 2 * u64::from(slot))
    }

    /// The address of the available ring's index.
    pub fn available_index(&self) -> u64 {
        self.areas[1].wrapping_add(2)
    }
}

/// The register writes of a driver that agrees on `features` and VERSION_1, up to FEATURES_OK.
pub fn negotiate(features: u32) -> [(u64, u32); 8] {
    [
        (register::STATUS, 0),
        (register::STATUS, 1),
        (register::STATUS, 3),
        (register::DRIVER_FEATURES_SEL, 0),
        (register::DRIVER_FEATURES, features),
        (register::DRIVER_FEATURES_SEL, 1),
        (register::DRIVER_FEATURES, 1),
        (register::STATUS, 0xb),
    ]
}

/// The last write: DRIVER_OK.
pub const START: (u64, u32) = (register::STATUS, 0xf);

/// An entry of the descriptor table.
pub fn descriptor(address: u64, length: u32, flags: u16, next: u16) -> [u8; 16] {
    let bits = u128::from(address)
        | u128::from(length) << 64
        | u128::from(flags) << 96
        | u128::from(next) << 112;
    bits.to_le_bytes()
}

impl World {
    /// The largest sizes of a device's queues, as far as they have a place.
    pub fn queue_sizes(&mut self, place: MmioRange) -> Vec<u16> {
        let sizes = (0..MAX_QUEUES).map(|queue| {
            self.write(place.base + register::QUEUE_SEL, 4, queue.into());
            self.read(place.base + register::QUEUE_NUM_MAX, 4)
        });
        let sizes = sizes.take_while(|&size| size > 0);
        sizes.map(|size| u16::try_from(size).unwrap_or(MAX_SIZE).min(MAX_SIZE)).collect()
    }

    /// Writes 32-bit registers of a device.
    pub fn write_all(&mut self, place: MmioRange, writes: impl IntoIterator<Item = (u64, u32)>) {
        for (offset, value) in writes {
            self.write(place.base + offset, 4, value.into());
        }
    }
}
