//! All devices, at their places in [`crate::riscv::board::layout`], with their interrupts wired.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::virtio::console::{Console, ConsoleState};
use super::virtio::mmio::{VirtioMmio, VirtioState};
use super::virtio::p9::{P9, P9Server, P9State};
use super::virtio::rng::Rng;
use super::vmgenid::{ID_LENGTH, VmGenId};
use super::{AccessFault, Context, InvalidState, MmioDevice, PowerRequest};
use crate::host::{Host, PortId};
use crate::memory::GuestMemory;
use crate::riscv::board::goldfish_rtc::Rtc;
use crate::riscv::board::layout::{self, Place};
use crate::riscv::board::plic::Plic;
use crate::riscv::board::syscon::Syscon;

/// A device on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Plic,
    Console,
    P9,
    Rng,
    Rtc,
    VmGenId,
    Syscon,
}

/// Who is where; those asked most often first.
const MAP: [(Slot, Place); 7] = [
    (Slot::Plic, layout::PLIC),
    (Slot::Console, layout::CONSOLE),
    (Slot::P9, layout::P9),
    (Slot::Rng, layout::RNG),
    (Slot::Rtc, layout::RTC),
    (Slot::VmGenId, layout::VMGENID),
    (Slot::Syscon, layout::SYSCON),
];

/// The device that answers for `size` bytes at `address`, with the offset into its registers.
#[inline]
fn locate(address: u64, size: u8) -> Result<(Slot, Place, u64), AccessFault> {
    MAP.into_iter()
        .find_map(|(slot, place)| {
            let offset = address.checked_sub(place.base)?;
            let fits = offset.checked_add(size.into())? <= place.size;
            fits.then_some((slot, place, offset))
        })
        .ok_or(AccessFault)
}

/// What differs between machines. A snapshot only fits devices with the same configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevicesConfig {
    /// Names of the console's ports, one at least; a name's index is its [`PortId`].
    pub ports: Vec<String>,
    /// By what name the guest mounts the 9p device.
    pub mount_tag: String,
    /// The first generation ID.
    pub generation: [u8; ID_LENGTH],
}

/// What a snapshot keeps of the devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicesState {
    plic: Plic,
    rtc: Rtc,
    syscon: Syscon,
    vmgenid: VmGenId,
    console: VirtioState<ConsoleState>,
    rng: VirtioState<()>,
    p9: VirtioState<P9State>,
}

/// The devices of a machine.
pub struct Devices {
    plic: Plic,
    rtc: Rtc,
    syscon: Syscon,
    vmgenid: VmGenId,
    console: VirtioMmio<Console>,
    rng: VirtioMmio<Rng>,
    p9: VirtioMmio<P9>,
}

impl Devices {
    /// All devices at reset.
    pub fn new(config: DevicesConfig) -> Self {
        Self {
            plic: Plic::default(),
            rtc: Rtc::default(),
            syscon: Syscon::default(),
            vmgenid: VmGenId::new(config.generation),
            console: VirtioMmio::new(Console::new(config.ports)),
            rng: VirtioMmio::new(Rng),
            p9: VirtioMmio::new(P9::new(config.mount_tag)),
        }
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
        let (slot, place, offset) = locate(address, size)?;
        let value = self.device(slot).read(offset, size, context);
        self.wire_after_access(slot, place);
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
        let (slot, place, offset) = locate(address, size)?;
        self.device(slot).write(offset, size, value, context);
        self.wire_after_access(slot, place);
        Ok(())
    }

    /// Whether the supervisor external interrupt of hart 0 is asked for.
    #[inline]
    pub fn interrupt(&self) -> bool {
        self.plic.external_interrupt()
    }

    /// Bytes that a console port's guest side can take now; 0 while no process has it open.
    pub fn console_room(&self, port: PortId, memory: &GuestMemory) -> usize {
        self.console.input_room(port, memory)
    }

    /// Gives input to a console port; returns how many of the bytes, from the first, were taken.
    pub fn push_console(&mut self, port: PortId, bytes: &[u8], context: &mut Context<'_>) -> usize {
        let taken = self.console.push_input(port, bytes, context);
        self.wire(Slot::Console, layout::CONSOLE.irq);
        taken
    }

    /// Tells the guest that it was copied. `id` must be random and unique.
    pub fn renew_generation(&mut self, id: [u8; ID_LENGTH]) {
        self.vmgenid.renew(id);
        self.wire(Slot::VmGenId, layout::VMGENID.irq);
    }

    /// What the guest asked of its power supply since the last call.
    pub fn take_power_request(&mut self) -> Option<PowerRequest> {
        self.syscon.take_request()
    }

    /// Sets who answers the guest's 9p requests.
    pub fn set_p9_server(&mut self, server: Box<dyn P9Server>) {
        self.p9.device_mut().set_server(server);
    }

    /// The host's wall clock (ns since 1970) at which [`Self::check_alarm`] has something to do.
    pub fn alarm(&self) -> Option<u64> {
        self.rtc.alarm()
    }

    /// Fires the alarm of the real-time clock when it is due.
    pub fn check_alarm(&mut self, host: &mut dyn Host) {
        if self.rtc.alarm().is_some() {
            self.rtc.check_alarm(host.realtime_ns());
            self.wire(Slot::Rtc, layout::RTC.irq);
        }
    }

    /// The state for a snapshot. A 9p server's own state is not part of it.
    pub fn save(&self) -> DevicesState {
        DevicesState {
            plic: self.plic.clone(),
            rtc: self.rtc.clone(),
            syscon: self.syscon.clone(),
            vmgenid: self.vmgenid.clone(),
            console: self.console.save(),
            rng: self.rng.save(),
            p9: self.p9.save(),
        }
    }

    /// Takes over state that came from a snapshot, unchecked.
    ///
    /// # Errors
    /// [`InvalidState`] when it is not of devices configured like these; parts of it may then
    /// have been taken over.
    pub fn restore(&mut self, state: DevicesState) -> Result<(), InvalidState> {
        state.plic.validate()?;
        self.console.restore(state.console)?;
        self.rng.restore(state.rng)?;
        self.p9.restore(state.p9)?;
        self.plic = state.plic;
        self.rtc = state.rtc;
        self.syscon = state.syscon;
        self.vmgenid = state.vmgenid;
        for (slot, place) in MAP {
            self.wire(slot, place.irq);
        }
        Ok(())
    }

    fn device(&mut self, slot: Slot) -> &mut dyn MmioDevice {
        match slot {
            Slot::Plic => &mut self.plic,
            Slot::Console => &mut self.console,
            Slot::P9 => &mut self.p9,
            Slot::Rng => &mut self.rng,
            Slot::Rtc => &mut self.rtc,
            Slot::VmGenId => &mut self.vmgenid,
            Slot::Syscon => &mut self.syscon,
        }
    }

    fn wire_after_access(&mut self, slot: Slot, place: Place) {
        if slot == Slot::Plic {
            // A completion may have opened the gateway for a pulse that waited.
            self.wire(Slot::VmGenId, layout::VMGENID.irq);
        } else {
            self.wire(slot, place.irq);
        }
    }

    /// Passes a device's interrupt on to the interrupt controller.
    fn wire(&mut self, slot: Slot, irq: u32) {
        if irq == 0 {
            return;
        }
        let level = self.device(slot).interrupt();
        self.plic.set_level(irq, level);
        if level && self.plic.is_pending(irq) {
            self.device(slot).interrupt_latched();
            let level = self.device(slot).interrupt();
            self.plic.set_level(irq, level);
        }
    }
}

#[cfg(test)]
#[path = "bus_tests.rs"]
mod tests;
