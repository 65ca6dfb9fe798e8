//! Routing and interrupts, as the hart and Linux's interrupt handler see them.

use super::{RiscvBoard, layout};
use crate::board::Board;
use crate::devices::test_host::{RAM, RAM_LENGTH, World};
use crate::devices::vmgenid::ID_LENGTH;
use crate::devices::{AccessFault, Devices, DevicesConfig, MmioRange, PowerRequest};
use alloc::string::ToString;
use alloc::vec;

const ENABLE: u64 = layout::PLIC.base + 0x2000;
const CLAIM: u64 = layout::PLIC.base + 0x20_0004;

fn config() -> DevicesConfig {
    DevicesConfig {
        ports: vec!["in".to_string()],
        mount_tag: "c2w".to_string(),
        generation: [1; ID_LENGTH],
    }
}

fn ranges() -> [MmioRange; 8] {
    let [a, b, c, d, e, f, g] = layout::DEVICES.map(|row| row.range);
    [layout::PLIC, a, b, c, d, e, f, g]
}

struct Machine {
    devices: Devices,
    world: World,
}

impl Machine {
    /// Devices with every interrupt enabled, as Linux does it.
    fn new() -> Self {
        let mut machine = Self { devices: RiscvBoard.devices(config()), world: World::new() };
        for source in 1..=31 {
            machine.write(layout::PLIC.base + 4 * source, 1);
        }
        machine.write(ENABLE, 0xffff_fffe);
        machine
    }

    fn read(&mut self, address: u64) -> u64 {
        self.devices.read(address, 4, &mut self.world.context()).unwrap()
    }

    fn write(&mut self, address: u64, value: u64) {
        self.devices.write(address, 4, value, &mut self.world.context()).unwrap();
    }

    /// Sets up the entropy device with one queue of one descriptor and asks it for `length`
    /// bytes; all three areas and the buffer are in RAM.
    fn ask_for_entropy(&mut self, length: u32) {
        let registers = [
            (0x70, 3),
            (0x24, 1),
            (0x20, 1),
            (0x70, 11),
            (0x38, 1),
            (0x80, RAM),
            (0x90, RAM + 0x1000),
            (0xa0, RAM + 0x2000),
            (0x44, 1),
            (0x70, 15),
        ];
        for (offset, value) in registers {
            self.write(layout::RNG.base + offset, value);
        }
        let descriptor = u128::from(RAM + 0x3000) | u128::from(length) << 64 | 2 << 96;
        self.world.memory.write(RAM, &descriptor.to_le_bytes()).unwrap();
        self.world.memory.write(RAM + 0x1000, &[0, 0, 1, 0]).unwrap();
        self.write(layout::RNG.base + 0x50, 0);
    }
}

#[test]
fn only_the_places_of_the_layout_answer() {
    let mut machine = Machine::new();
    for place in ranges() {
        for address in [place.base, place.base + place.size - 4] {
            machine.read(address);
        }
        let last = place.base + place.size - 4;
        let crossing = machine.devices.read(last, 8, &mut machine.world.context());
        assert_eq!(crossing, Err(AccessFault));
    }
    for address in [0, layout::SYSCON.base - 4, layout::NET.base + layout::NET.size, RAM, u64::MAX]
    {
        let context = &mut machine.world.context();
        assert_eq!(machine.devices.read(address, 4, context), Err(AccessFault), "{address:#x}");
        assert_eq!(machine.devices.write(address, 4, 0, context), Err(AccessFault));
    }
    assert!(!ranges().iter().any(|place| place.base + place.size > RAM), "{RAM_LENGTH}");
}

#[test]
fn a_devices_interrupt_is_claimed_acknowledged_and_completed() {
    let mut machine = Machine::new();
    machine.ask_for_entropy(4);
    assert_eq!(machine.world.memory.read_array(RAM + 0x3000), Ok([1, 2, 3, 4]));
    assert!(machine.devices.interrupt());
    assert_eq!(machine.read(CLAIM), layout::RNG.irq.into());
    assert_eq!(machine.read(layout::RNG.base + 0x60), 1);
    machine.write(layout::RNG.base + 0x64, 1);
    machine.write(CLAIM, layout::RNG.irq.into());
    assert!(!machine.devices.interrupt());
}

#[test]
fn each_new_generation_is_told_once() {
    let mut machine = Machine::new();
    let irq = u64::from(layout::VMGENID.irq);
    machine.devices.renew_generation([2; ID_LENGTH]);
    assert_eq!(machine.read(CLAIM), irq);
    // A second one while the first is in service waits for its completion.
    machine.devices.renew_generation([3; ID_LENGTH]);
    assert!(!machine.devices.interrupt());
    machine.write(CLAIM, irq);
    assert_eq!(machine.read(CLAIM), irq);
    assert_eq!(machine.read(layout::VMGENID.base), 0x0303_0303);
    machine.write(CLAIM, irq);
    assert!(!machine.devices.interrupt());
}

#[test]
fn the_alarm_interrupts() {
    let mut machine = Machine::new();
    machine.write(layout::RTC.base + 0x08, 500);
    machine.write(layout::RTC.base + 0x10, 1);
    machine.devices.tick(&mut machine.world.host);
    assert!(!machine.devices.interrupt());
    machine.world.host.realtime_ns = 500;
    machine.devices.tick(&mut machine.world.host);
    assert_eq!(machine.read(CLAIM), layout::RTC.irq.into());
}

#[test]
fn power_requests_come_out() {
    let mut machine = Machine::new();
    machine.write(layout::SYSCON.base, 0x5555);
    assert_eq!(machine.devices.take_power_request(), Some(PowerRequest::PowerOff));
    assert_eq!(machine.devices.take_power_request(), None);
}

#[test]
fn saved_with_interrupts_under_way_it_goes_on() {
    let mut machine = Machine::new();
    machine.ask_for_entropy(4);
    assert_eq!(machine.read(CLAIM), layout::RNG.irq.into());
    machine.devices.renew_generation([5; ID_LENGTH]);

    let saved = machine.devices.save();
    let bytes = postcard::to_allocvec(&saved).unwrap();
    machine.devices = RiscvBoard.devices(config());
    machine.devices.restore(&postcard::from_bytes(&bytes).unwrap()).unwrap();
    assert_eq!(machine.devices.save(), saved);

    assert_eq!(machine.read(CLAIM), layout::VMGENID.irq.into());
    machine.write(CLAIM, layout::VMGENID.irq.into());
    // Not acknowledged at the device, so completion asks again.
    machine.write(CLAIM, layout::RNG.irq.into());
    assert_eq!(machine.read(CLAIM), layout::RNG.irq.into());
}

#[test]
fn state_of_other_devices_is_refused() {
    let saved = Machine::new().devices.save();
    let mut other = RiscvBoard.devices(DevicesConfig { ports: vec!["x".to_string()], ..config() });
    assert!(other.restore(&saved).is_err());
    let mut other = RiscvBoard.devices(DevicesConfig { mount_tag: "x".to_string(), ..config() });
    assert!(other.restore(&saved).is_err());
}

/// Registers hit at random, then restored state of random damage: nothing may panic.
#[test]
fn random_accesses_and_damaged_state_never_panic() {
    let mut machine = Machine::new();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..200_000 {
        let place = ranges()[(random() % 7) as usize];
        let address = place.base + random() % 0x120;
        let value = if random() % 2 == 0 { RAM + random() % 0x4000 } else { random() % 32 };
        let size = 1 << (random() % 4);
        let _ = machine.devices.write(address, size, value, &mut machine.world.context());
        let _ = machine.devices.read(address, size, &mut machine.world.context());
        machine.devices.push_console(0, b"input", &mut machine.world.context());
    }
    let saved = machine.devices.save();
    assert_eq!(
        RiscvBoard.devices(config()).restore(&saved),
        Ok(()),
        "no guest makes a bad snapshot"
    );
    machine.ask_for_entropy(4);
    let bytes = postcard::to_allocvec(&machine.devices.save()).unwrap();
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut damaged = bytes.clone();
        for _ in 0..1 + random() % 3 {
            let place = random() as usize % damaged.len();
            damaged[place] = random() as u8;
        }
        let Ok(state) = postcard::from_bytes(&damaged) else { continue };
        if machine.devices.restore(&state).is_ok() {
            accepted += 1;
            for place in ranges() {
                for offset in (0..0x100).step_by(4) {
                    machine.read(place.base + offset);
                }
                machine.write(place.base + 0x50, random() % 6);
            }
            machine.devices.console_room(0, &mut machine.world.memory);
            machine.devices.push_console(0, b"input", &mut machine.world.context());
        }
    }
    assert!(accepted > 1000, "damage that goes unnoticed is what this is about: {accepted}");
}
