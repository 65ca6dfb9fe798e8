//! A virtio driver as small as can be: it sets a device up, posts chains, takes them back.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

use super::mmio::{VirtioMmio, interrupt, register, status};
use super::{DriverError, VirtioDevice};
use crate::devices::MmioDevice;
use crate::devices::test_host::{RAM, RAM_LENGTH, World};

/// Distance between the areas of one queue and the next.
const QUEUE_STRIDE: u64 = 0x4000;
const DRIVER_AREA: u64 = 0x1000;
const DEVICE_AREA: u64 = 0x2000;
/// Buffers are handed out from here to the end of RAM, then from here again.
const BUFFERS: u64 = RAM + 0x8_0000;

pub const VERSION_1: u64 = 1 << 32;
pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;

/// A buffer to post.
pub enum Part {
    /// The device reads these bytes.
    Read(Vec<u8>),
    /// The device may write so many.
    Write(usize),
}

#[derive(Default)]
struct DriverQueue {
    size: u16,
    next_descriptor: u16,
    available: u16,
    used: u16,
    /// The writable buffers of chains under way, by head.
    writable: BTreeMap<u16, Vec<(u64, usize)>>,
}

/// The driver and the device it drives.
pub struct Driver<D: VirtioDevice> {
    pub mmio: VirtioMmio<D>,
    pub world: World,
    queues: Vec<DriverQueue>,
    next_buffer: u64,
}

impl<D: VirtioDevice> Driver<D> {
    /// A device with all its queues ready at full size and these features and VERSION_1 agreed.
    pub fn start(device: D, features: u64) -> Self {
        let mut driver = Self::unstarted(device);
        driver.negotiate(features | VERSION_1);
        for queue in 0..driver.queues.len() {
            driver.enable_queue(queue, driver.queues[queue].size.into());
        }
        driver.write(register::STATUS, 1 | 2 | status::FEATURES_OK | status::DRIVER_OK);
        assert!(driver.mmio.is_running());
        driver
    }

    /// A device at reset.
    pub fn unstarted(device: D) -> Self {
        let sizes = device.queue_sizes().into_iter();
        let queues = sizes.map(|size| DriverQueue { size, ..DriverQueue::default() }).collect();
        let mmio = VirtioMmio::new(device);
        Self { mmio, world: World::new(), queues, next_buffer: BUFFERS }
    }

    /// Asks for features; whether the device agreed is in its status.
    pub fn negotiate(&mut self, features: u64) {
        self.write(register::STATUS, 1);
        self.write(register::STATUS, 1 | 2);
        for half in [1, 0] {
            self.write(register::DRIVER_FEATURES_SEL, half);
            self.write(register::DRIVER_FEATURES, (features >> (32 * half)) as u32);
        }
        self.write(register::STATUS, 1 | 2 | status::FEATURES_OK);
    }

    /// Makes a queue ready with so many descriptors.
    pub fn enable_queue(&mut self, queue: usize, size: u32) {
        self.lay_out_queue(queue, size);
        self.write(register::QUEUE_READY, 1);
    }

    /// Makes a queue ready with one of its address registers set to `value`.
    pub fn move_queue(&mut self, queue: usize, area: u64, value: u32) {
        self.write(register::QUEUE_SEL, queue as u32);
        self.write(register::QUEUE_READY, 0);
        self.lay_out_queue(queue, self.queues[queue].size.into());
        self.write(area, value);
        self.write(register::QUEUE_READY, 1);
    }

    fn lay_out_queue(&mut self, queue: usize, size: u32) {
        let base = Self::base(queue);
        self.write(register::QUEUE_SEL, queue as u32);
        self.write(register::QUEUE_NUM, size);
        for (low, high, address) in [
            (register::QUEUE_DESC_LOW, register::QUEUE_DESC_HIGH, base),
            (register::QUEUE_DRIVER_LOW, register::QUEUE_DRIVER_HIGH, base + DRIVER_AREA),
            (register::QUEUE_DEVICE_LOW, register::QUEUE_DEVICE_HIGH, base + DEVICE_AREA),
        ] {
            self.write(low, address as u32);
            self.write(high, (address >> 32) as u32);
        }
    }

    fn base(queue: usize) -> u64 {
        RAM + QUEUE_STRIDE * queue as u64
    }

    pub fn read(&mut self, offset: u64) -> u32 {
        self.world.read(&mut self.mmio, offset)
    }

    pub fn write(&mut self, offset: u64, value: u32) {
        self.world.write(&mut self.mmio, offset, value);
    }

    pub fn read_config(&mut self, offset: u64, size: u8) -> u64 {
        self.mmio.read(register::CONFIG + offset, size, &mut self.world.context())
    }

    /// Guest memory for a buffer.
    pub fn allocate(&mut self, length: usize) -> u64 {
        if self.next_buffer + length as u64 > RAM + RAM_LENGTH {
            self.next_buffer = BUFFERS;
        }
        let address = self.next_buffer;
        self.next_buffer += length as u64;
        address
    }

    /// Makes a chain available without a notification; returns its head.
    pub fn post(&mut self, queue: usize, parts: &[Part]) -> u16 {
        let size = self.queues[queue].size;
        let head = self.queues[queue].next_descriptor;
        let mut writable = Vec::new();
        for (place, part) in parts.iter().enumerate() {
            let (length, flag) = match part {
                Part::Read(bytes) => (bytes.len(), 0),
                Part::Write(length) => (*length, WRITE),
            };
            let address = self.allocate(length);
            match part {
                Part::Read(bytes) => self.world.memory.write(address, bytes).unwrap(),
                Part::Write(_) => writable.push((address, length)),
            }
            let index = (head + place as u16) % size;
            let more = if place + 1 < parts.len() { NEXT } else { 0 };
            self.describe(queue, index, address, length as u32, flag | more, (index + 1) % size);
        }
        self.queues[queue].next_descriptor = (head + parts.len() as u16) % size;
        self.queues[queue].writable.insert(head, writable);
        self.make_available(queue, head);
        head
    }

    /// Writes an entry of the descriptor table.
    pub fn describe(
        &mut self,
        queue: usize,
        index: u16,
        address: u64,
        length: u32,
        flags: u16,
        next: u16,
    ) {
        let bits = u128::from(address)
            | u128::from(length) << 64
            | u128::from(flags) << 96
            | u128::from(next) << 112;
        let entry = Self::base(queue) + 16 * u64::from(index);
        self.world.memory.write(entry, &bits.to_le_bytes()).unwrap();
    }

    /// Puts a head into the available ring.
    pub fn make_available(&mut self, queue: usize, head: u16) {
        let ring = Self::base(queue) + DRIVER_AREA;
        let DriverQueue { size, available, .. } = self.queues[queue];
        let slot = u64::from(available % size);
        self.world.memory.write(ring + 4 + 2 * slot, &head.to_le_bytes()).unwrap();
        self.set_available(queue, available.wrapping_add(1));
    }

    /// Sets the index of the available ring.
    pub fn set_available(&mut self, queue: usize, index: u16) {
        self.queues[queue].available = index;
        self.world.memory.write(Self::base(queue) + DRIVER_AREA + 2, &index.to_le_bytes()).unwrap();
    }

    /// Sets the flags of the available ring.
    pub fn set_flags(&mut self, queue: usize, flags: u16) {
        self.world.memory.write(Self::base(queue) + DRIVER_AREA, &flags.to_le_bytes()).unwrap();
    }

    pub fn notify(&mut self, queue: usize) {
        self.write(register::QUEUE_NOTIFY, queue as u32);
    }

    /// The next chain that came back: its head and what was written to it.
    pub fn take_used(&mut self, queue: usize) -> Option<(u16, Vec<u8>)> {
        let ring = Self::base(queue) + DEVICE_AREA;
        let DriverQueue { size, used, .. } = self.queues[queue];
        if u16::from_le_bytes(self.world.memory.read_array(ring + 2).unwrap()) == used {
            return None;
        }
        let element = ring + 4 + 8 * u64::from(used % size);
        let head = u32::from_le_bytes(self.world.memory.read_array(element).unwrap()) as u16;
        let length = u32::from_le_bytes(self.world.memory.read_array(element + 4).unwrap());
        self.queues[queue].used = used.wrapping_add(1);
        let mut bytes = vec![];
        for (address, room) in self.queues[queue].writable.remove(&head).unwrap() {
            let length = room.min(length as usize - bytes.len());
            bytes.extend_from_slice(self.world.memory.slice(address, length).unwrap());
        }
        assert_eq!(bytes.len(), length as usize, "used length over the buffers'");
        Some((head, bytes))
    }

    /// Handles the interrupt: whether it was for used buffers.
    pub fn take_interrupt(&mut self) -> bool {
        assert_eq!(self.mmio.interrupt(), self.read(register::INTERRUPT_STATUS) != 0);
        let causes = self.read(register::INTERRUPT_STATUS);
        self.write(register::INTERRUPT_ACK, causes);
        assert!(!self.mmio.interrupt());
        causes & interrupt::USED_BUFFER != 0
    }

    pub fn assert_needs_reset(&mut self, error: DriverError) {
        assert_eq!(self.mmio.driver_error(), Some(error));
        assert_ne!(self.read(register::STATUS) & status::NEEDS_RESET, 0);
        assert_ne!(self.read(register::INTERRUPT_STATUS) & interrupt::CONFIG_CHANGE, 0);
    }

    /// Puts the device's state through bytes into `fresh` and goes on with that.
    pub fn save_and_restore(&mut self, fresh: D)
    where
        D::State: Serialize + DeserializeOwned + PartialEq + Debug,
    {
        let saved = self.mmio.save();
        self.mmio = VirtioMmio::new(fresh);
        self.mmio.restore(&saved).unwrap();
        assert_eq!(self.mmio.save(), saved);
    }
}
