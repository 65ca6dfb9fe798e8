//! The virtio transport over memory-mapped registers, version 2 (virtio 1.2, 4.2).
//!
//! Node: `compatible = "virtio,mmio"`, `reg` of 0x200 bytes or more, one interrupt.

use crate::encoding;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{DriverError, Queue, VirtioDevice};
use crate::devices::{self, Context, InvalidState, MmioDevice};

/// "virt"
const MAGIC: u32 = 0x7472_6976;
const VERSION: u32 = 2;
/// "c2w\0"
const VENDOR: u32 = 0x0077_3263;
const VERSION_1: u64 = 1 << 32;

/// Register offsets (4.2.2) with the names of the specification.
pub(super) mod register {
    pub const MAGIC_VALUE: u64 = 0x000;
    pub const VERSION: u64 = 0x004;
    pub const DEVICE_ID: u64 = 0x008;
    pub const VENDOR_ID: u64 = 0x00c;
    pub const DEVICE_FEATURES: u64 = 0x010;
    pub const DEVICE_FEATURES_SEL: u64 = 0x014;
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
    pub const QUEUE_DESC_LOW: u64 = 0x080;
    pub const QUEUE_DESC_HIGH: u64 = 0x084;
    pub const QUEUE_DRIVER_LOW: u64 = 0x090;
    pub const QUEUE_DRIVER_HIGH: u64 = 0x094;
    pub const QUEUE_DEVICE_LOW: u64 = 0x0a0;
    pub const QUEUE_DEVICE_HIGH: u64 = 0x0a4;
    pub const SHM_LEN_LOW: u64 = 0x0b0;
    pub const SHM_BASE_HIGH: u64 = 0x0bc;
    pub const CONFIG: u64 = 0x100;
}

/// Bits of the device status (2.1).
pub(super) mod status {
    pub const FEATURES_OK: u32 = 8;
    pub const DRIVER_OK: u32 = 4;
    pub const NEEDS_RESET: u32 = 64;
    /// ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, FAILED: those the driver sets.
    pub const OF_DRIVER: u32 = 1 | 2 | DRIVER_OK | FEATURES_OK | 128;
}

/// Bits of the interrupt status.
pub(super) mod interrupt {
    pub const USED_BUFFER: u32 = 1;
    pub const CONFIG_CHANGE: u32 = 2;
}

/// The registers that belong to no queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Registers {
    status: u32,
    interrupt_status: u32,
    device_features_sel: u32,
    driver_features_sel: u32,
    driver_features: u64,
    queue_sel: u32,
}

/// What a snapshot keeps of a device and its transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct VirtioState<S> {
    registers: Registers,
    queues: Vec<Queue>,
    device: S,
}

/// A virtio device with its transport.
pub struct VirtioMmio<D> {
    pub(super) device: D,
    pub(super) queues: Vec<Queue>,
    registers: Registers,
    driver_error: Option<DriverError>,
}

impl<D: VirtioDevice> VirtioMmio<D> {
    /// The device at reset.
    pub fn new(device: D) -> Self {
        let queues = device.queue_sizes().into_iter().map(Queue::new).collect();
        Self { device, queues, registers: Registers::default(), driver_error: None }
    }

    /// The device behind the transport.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// What the driver did wrong since its last reset, if anything.
    pub fn driver_error(&self) -> Option<DriverError> {
        self.driver_error
    }

    /// Lets the device work on its queues, if a driver runs it; then interrupts the driver for
    /// buffers given back, or for a broken rule, which makes the answer `None` as well.
    pub(super) fn work<R>(
        &mut self,
        context: &mut Context<'_>,
        work: impl FnOnce(&mut D, &mut [Queue], &mut Context<'_>) -> Result<R, DriverError>,
    ) -> Option<R> {
        if !self.is_running() {
            return None;
        }
        let result = work(&mut self.device, &mut self.queues, context).and_then(|result| {
            for queue in &mut self.queues {
                if queue.take_interrupt(context.memory)? {
                    self.registers.interrupt_status |= interrupt::USED_BUFFER;
                }
            }
            Ok(result)
        });
        result.map_err(|error| self.fail(error)).ok()
    }

    /// Whether a driver has set the device up and has broken no rule since.
    pub(super) fn is_running(&self) -> bool {
        self.registers.status & (status::DRIVER_OK | status::NEEDS_RESET) == status::DRIVER_OK
    }

    fn fail(&mut self, error: DriverError) {
        self.driver_error = Some(error);
        self.registers.status |= status::NEEDS_RESET;
        if self.registers.status & status::DRIVER_OK != 0 {
            self.registers.interrupt_status |= interrupt::CONFIG_CHANGE;
        }
    }

    /// Tells the driver to look at the configuration space, if one has set the device up.
    pub(super) fn config_changed(&mut self) {
        if self.is_running() {
            self.registers.interrupt_status |= interrupt::CONFIG_CHANGE;
        }
    }

    fn offered_features(&self) -> u64 {
        self.device.features() | VERSION_1
    }

    fn set_status(&mut self, value: u32) {
        if value == 0 {
            return self.reset();
        }
        // Only a reset clears bits; the next is set only when the one before is (3.1.1).
        let mut status = self.registers.status | value & status::OF_DRIVER;
        if !self.features_are_acceptable() {
            status &= !status::FEATURES_OK;
        }
        if status & status::FEATURES_OK == 0 {
            status &= !status::DRIVER_OK;
        }
        self.registers.status = status;
    }

    fn features_are_acceptable(&self) -> bool {
        let accepted = self.registers.driver_features;
        accepted & !self.offered_features() == 0 && accepted & VERSION_1 != 0
    }

    fn reset(&mut self) {
        self.registers = Registers::default();
        self.driver_error = None;
        self.queues.iter_mut().for_each(Queue::reset);
        self.device.reset();
    }

    fn set_driver_features(&mut self, value: u32) {
        if self.registers.status & status::FEATURES_OK != 0
            || self.registers.driver_features_sel > 1
        {
            return;
        }
        let half = &mut self.registers.driver_features;
        set_half(half, self.registers.driver_features_sel == 1, value);
    }

    fn selected(&self) -> Option<&Queue> {
        self.queues.get(self.registers.queue_sel as usize)
    }

    /// Sets up the selected queue, which only can be done before it is ready.
    fn set_up_queue(&mut self, offset: u64, value: u32) {
        let Some(queue) = self.queues.get_mut(self.registers.queue_sel as usize) else { return };
        if queue.is_ready() {
            return;
        }
        match offset {
            register::QUEUE_NUM => queue.size = u16::try_from(value).unwrap_or(0),
            register::QUEUE_DESC_LOW => set_half(&mut queue.descriptor_area, false, value),
            register::QUEUE_DESC_HIGH => set_half(&mut queue.descriptor_area, true, value),
            register::QUEUE_DRIVER_LOW => set_half(&mut queue.driver_area, false, value),
            register::QUEUE_DRIVER_HIGH => set_half(&mut queue.driver_area, true, value),
            register::QUEUE_DEVICE_LOW => set_half(&mut queue.device_area, false, value),
            register::QUEUE_DEVICE_HIGH => set_half(&mut queue.device_area, true, value),
            _ => {}
        }
    }

    fn set_queue_ready(&mut self, ready: bool) {
        let Some(queue) = self.queues.get_mut(self.registers.queue_sel as usize) else { return };
        if !ready {
            queue.reset();
        } else if !queue.is_ready()
            && let Err(error) = queue.enable()
        {
            self.fail(error);
        }
    }

    fn notify(&mut self, queue: u32, context: &mut Context<'_>) {
        let queue = queue as usize;
        if queue < self.queues.len() {
            self.work(context, |device, queues, context| device.notify(queue, queues, context));
        }
    }

    fn read_register(&self, offset: u64) -> u32 {
        let registers = &self.registers;
        match offset {
            register::MAGIC_VALUE => MAGIC,
            register::VERSION => VERSION,
            register::DEVICE_ID => D::ID,
            register::VENDOR_ID => VENDOR,
            register::DEVICE_FEATURES => match registers.device_features_sel {
                0 => self.offered_features() as u32,
                1 => (self.offered_features() >> 32) as u32,
                _ => 0,
            },
            register::QUEUE_NUM_MAX => self.selected().map_or(0, |queue| queue.max_size().into()),
            register::QUEUE_READY => self.selected().is_some_and(Queue::is_ready).into(),
            register::INTERRUPT_STATUS => registers.interrupt_status,
            register::STATUS => registers.status,
            // No shared memory: all ones.
            register::SHM_LEN_LOW..=register::SHM_BASE_HIGH => u32::MAX,
            _ => 0,
        }
    }

    fn read_config(&self, offset: u64, size: u8) -> u64 {
        let mut bytes = [0; 8];
        let config = usize::try_from(offset).ok().and_then(|from| self.device.config().get(from..));
        for (byte, &value) in bytes.iter_mut().take(size.into()).zip(config.unwrap_or(&[])) {
            *byte = value;
        }
        u64::from_le_bytes(bytes)
    }
}

impl<D: VirtioDevice> MmioDevice for VirtioMmio<D> {
    fn read(&mut self, offset: u64, size: u8, _: &mut Context<'_>) -> u64 {
        match (offset.checked_sub(register::CONFIG), size) {
            (Some(offset), _) => self.read_config(offset, size),
            (None, 4) => self.read_register(offset).into(),
            (None, _) => 0,
        }
    }

    fn write(&mut self, offset: u64, size: u8, value: u64, context: &mut Context<'_>) {
        if size != 4 {
            return;
        }
        let value = value as u32;
        match offset {
            register::DEVICE_FEATURES_SEL => self.registers.device_features_sel = value,
            register::DRIVER_FEATURES_SEL => self.registers.driver_features_sel = value,
            register::DRIVER_FEATURES => self.set_driver_features(value),
            register::QUEUE_SEL => self.registers.queue_sel = value,
            register::QUEUE_READY => self.set_queue_ready(value & 1 != 0),
            register::QUEUE_NOTIFY => self.notify(value, context),
            register::INTERRUPT_ACK => self.registers.interrupt_status &= !value,
            register::STATUS => self.set_status(value),
            _ => self.set_up_queue(offset, value),
        }
    }

    fn interrupt(&self) -> bool {
        self.registers.interrupt_status != 0
    }

    fn save(&self) -> Vec<u8> {
        encoding::encode(&VirtioState {
            registers: self.registers.clone(),
            queues: self.queues.clone(),
            device: self.device.save(),
        })
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), InvalidState> {
        let state: VirtioState<D::State> = devices::decode(state)?;
        if state.queues.len() != self.queues.len() {
            return Err(InvalidState("number of virtqueues"));
        }
        self.registers = state.registers;
        if self.registers.status & status::FEATURES_OK != 0 && !self.features_are_acceptable() {
            return Err(InvalidState("virtio features"));
        }
        for (queue, saved) in self.queues.iter_mut().zip(state.queues) {
            queue.restore(saved)?;
        }
        self.driver_error = None;
        self.device.restore(state.device)
    }
}

/// Replaces the low or the high half of a 64-bit register.
fn set_half(register: &mut u64, high: bool, value: u32) {
    let value = u64::from(value);
    *register =
        if high { *register & 0xffff_ffff | value << 32 } else { *register >> 32 << 32 | value };
}

#[cfg(test)]
#[path = "mmio_tests.rs"]
mod tests;
