//! The devices of a machine, where its board has put them, with their interrupts wired.
//!
//! What the host does with one of them stands beside the device, as methods of [`Devices`] that
//! reach it by its type.

use super::{AccessFault, Context, InterruptController, InvalidState, MmioDevice, PowerRequest};
use crate::host::Host;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::Any;
use serde::{Deserialize, Serialize};

/// Where a device is: its registers, and its interrupt's number at the controller (0: none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmioRange {
    /// First physical address.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
    /// Interrupt source.
    pub irq: u32,
}

impl MmioRange {
    /// How far into the range `size` bytes at `address` are, if they are in it.
    #[inline]
    fn offset(self, address: u64, size: u8) -> Option<u64> {
        let offset = address.checked_sub(self.base)?;
        (offset.checked_add(size.into())? <= self.size).then_some(offset)
    }
}

struct Slot<D: ?Sized> {
    name: &'static str,
    range: MmioRange,
    device: Box<D>,
}

impl<D: MmioDevice + ?Sized> Slot<D> {
    fn save(&self) -> (String, Vec<u8>) {
        (self.name.to_owned(), self.device.save())
    }

    fn restore(&mut self, (name, state): &(String, Vec<u8>)) -> Result<(), InvalidState> {
        if name != self.name {
            return Err(InvalidState("names of the devices"));
        }
        self.device.restore(state)
    }
}

/// What a snapshot keeps of the devices: name and state of each, the interrupt controller first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicesState(Vec<(String, Vec<u8>)>);

/// The devices of a machine.
pub struct Devices {
    controller: Slot<dyn InterruptController>,
    slots: Vec<Slot<dyn MmioDevice>>,
    /// Whether the controller asks for the CPU's interrupt.
    interrupt: bool,
    power: Option<PowerRequest>,
}

impl Devices {
    /// An interrupt controller, and no device.
    pub fn new<D: InterruptController>(name: &'static str, range: MmioRange, device: D) -> Self {
        let controller = Slot { name, range, device: Box::new(device) as Box<_> };
        Self { controller, slots: Vec::new(), interrupt: false, power: None }
    }

    /// Adds a device. Its name, which snapshots know it by, and its range are its own.
    pub fn add(&mut self, name: &'static str, range: MmioRange, device: Box<dyn MmioDevice>) {
        self.slots.push(Slot { name, range, device });
    }

    /// Reads `size` (1, 2, 4 or 8) bytes of a device's registers.
    ///
    /// # Errors
    /// [`AccessFault`] when no device is there.
    pub fn read(
        &mut self,
        address: u64,
        size: u8,
        context: &mut Context<'_>,
    ) -> Result<u64, AccessFault> {
        if let Some(offset) = self.controller.range.offset(address, size) {
            let value = self.controller.device.read(offset, size, context);
            self.update_interrupts();
            return Ok(value);
        }
        let (index, offset) = self.locate(address, size)?;
        let value = self.slots[index].device.read(offset, size, context);
        self.update_interrupt(index);
        Ok(value)
    }

    /// Writes `size` (1, 2, 4 or 8) bytes of a device's registers.
    ///
    /// # Errors
    /// [`AccessFault`] when no device is there.
    pub fn write(
        &mut self,
        address: u64,
        size: u8,
        value: u64,
        context: &mut Context<'_>,
    ) -> Result<(), AccessFault> {
        if let Some(offset) = self.controller.range.offset(address, size) {
            self.controller.device.write(offset, size, value, context);
            self.update_interrupts();
            return Ok(());
        }
        let (index, offset) = self.locate(address, size)?;
        let device = &mut self.slots[index].device;
        device.write(offset, size, value, context);
        self.power = device.take_power_request().or(self.power);
        self.update_interrupt(index);
        Ok(())
    }

    /// The device that answers for `size` bytes at `address`, and the offset into its registers.
    #[inline]
    fn locate(&self, address: u64, size: u8) -> Result<(usize, u64), AccessFault> {
        let offset = |slot: &Slot<dyn MmioDevice>| slot.range.offset(address, size);
        let mut slots = self.slots.iter().enumerate();
        slots.find_map(|(index, slot)| Some((index, offset(slot)?))).ok_or(AccessFault)
    }

    /// Whether the interrupt controller asks for the CPU's interrupt.
    #[inline]
    pub fn interrupt(&self) -> bool {
        self.interrupt
    }

    /// What the guest asked of its power supply since the last call.
    #[inline]
    pub fn take_power_request(&mut self) -> Option<PowerRequest> {
        self.power.take()
    }

    /// Tells the devices that time has passed.
    pub fn tick(&mut self, host: &mut dyn Host) {
        for index in 0..self.slots.len() {
            if self.slots[index].device.tick(host) {
                self.update_interrupt(index);
            }
        }
    }

    /// The device of a type, if there is one.
    pub(super) fn get<D: MmioDevice>(&self) -> Option<&D> {
        self.slots.iter().find_map(|slot| (&*slot.device as &dyn Any).downcast_ref())
    }

    /// Has the host do something with the device of a type, if there is one, and looks at the
    /// device's interrupt afterwards.
    pub(super) fn with<D: MmioDevice, R>(&mut self, act: impl FnOnce(&mut D) -> R) -> Option<R> {
        let is_it = |slot: &Slot<dyn MmioDevice>| (&*slot.device as &dyn Any).is::<D>();
        let index = self.slots.iter().position(is_it)?;
        let device = (&mut *self.slots[index].device as &mut dyn Any).downcast_mut()?;
        let result = act(device);
        self.update_interrupt(index);
        Some(result)
    }

    /// The state for a snapshot. What the host has lent to a device is not part of it.
    pub fn save(&self) -> DevicesState {
        let devices = self.slots.iter().map(Slot::save);
        DevicesState(core::iter::once(self.controller.save()).chain(devices).collect())
    }

    /// Takes over state that came from a snapshot, unchecked.
    ///
    /// # Errors
    /// [`InvalidState`] when it is not of devices configured like these; parts of it may then
    /// have been taken over.
    pub fn restore(&mut self, state: &DevicesState) -> Result<(), InvalidState> {
        let (controller, devices) =
            state.0.split_first().ok_or(InvalidState("number of devices"))?;
        if devices.len() != self.slots.len() {
            return Err(InvalidState("number of devices"));
        }
        self.controller.restore(controller)?;
        for (slot, state) in self.slots.iter_mut().zip(devices) {
            slot.restore(state)?;
        }
        self.update_interrupts();
        Ok(())
    }

    /// Samples every device's level: the controller may now take one that waited.
    fn update_interrupts(&mut self) {
        (0..self.slots.len()).for_each(|index| self.sample(index));
        self.interrupt = self.controller.device.is_asserted();
    }

    /// Samples a device's level.
    fn update_interrupt(&mut self, index: usize) {
        self.sample(index);
        self.interrupt = self.controller.device.is_asserted();
    }

    fn sample(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let (device, controller) = (&mut slot.device, &mut self.controller.device);
        let irq = slot.range.irq;
        if irq == 0 {
            return;
        }
        let level = device.interrupt();
        controller.set_level(irq, level);
        if level && controller.is_pending(irq) {
            device.interrupt_latched();
            controller.set_level(irq, device.interrupt());
        }
    }
}
