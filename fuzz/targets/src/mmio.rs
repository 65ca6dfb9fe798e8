//! Registers of every device in every size and order, and guest-physical memory at any address.

use crate::UpTo;
use crate::world::{RAM, World};
use arbitrary::Arbitrary;
use c2w_emulator::devices::MmioRange;
use c2w_emulator::riscv::board::layout;

const RAM_LENGTH: u64 = 0x1_0000;
const IMAGE_LENGTH: u64 = 0x4000;

const PLACES: [MmioRange; 8] = [
    layout::PLIC,
    layout::CONSOLE,
    layout::RNG,
    layout::P9_TRANSPORT,
    layout::RTC,
    layout::VMGENID,
    layout::SYSCON,
    layout::NET,
];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// The start of RAM: descriptors and rings, if registers say so.
    ram: &'a [u8],
    steps: UpTo<Step, 255>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Read { at: Register, size: u8 },
    Write { at: Register, size: u8, value: Value },
    Memory { at: Address, length: u16 },
    Poke { at: Address, bytes: [u8; 4] },
    Input { port: u8, length: u16 },
    Alarm { realtime_ns: u64 },
    Renew { id: [u8; 16] },
    Reload,
}

#[derive(Arbitrary, Debug)]
enum Register {
    Virtio { device: u8, register: u8 },
    Any { device: u8, offset: u32 },
    Nowhere(u64),
}

impl Register {
    fn address(&self) -> u64 {
        match *self {
            Self::Virtio { device, register } => {
                PLACES[1 + usize::from(device % 3)].base + 4 * u64::from(register)
            }
            // A little past the end of a device, too.
            Self::Any { device, offset } => {
                let place = PLACES[usize::from(device) % PLACES.len()];
                place.base + u64::from(offset) % (place.size + 8)
            }
            Self::Nowhere(address) => address,
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Value {
    Small(u8),
    /// The low half of an address in RAM.
    Ram(u16),
    Any(u64),
}

impl Value {
    fn get(&self) -> u64 {
        match *self {
            Self::Small(value) => value.into(),
            Self::Ram(offset) => RAM + u64::from(offset),
            Self::Any(value) => value,
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Address {
    Ram(i16),
    RamEnd(i16),
    Image(i16),
    ImageEnd(i16),
    Any(u64),
}

impl Address {
    fn get(&self) -> u64 {
        let (base, offset) = match *self {
            Self::Any(address) => return address,
            Self::Ram(offset) => (RAM, offset),
            Self::RamEnd(offset) => (RAM + RAM_LENGTH, offset),
            Self::Image(offset) => (layout::IMAGE_BASE, offset),
            Self::ImageEnd(offset) => (layout::IMAGE_BASE + IMAGE_LENGTH, offset),
        };
        base.wrapping_add_signed(offset.into())
    }
}

/// Runs one input.
///
/// # Panics
/// When an access gives what it must not, or a device panics itself.
pub fn check(bytes: &[u8]) {
    let Some(input) = crate::parse::<Input<'_>>(bytes) else { return };
    let mut world = World::new(RAM_LENGTH, IMAGE_LENGTH);
    let ram = &input.ram[..input.ram.len().min(RAM_LENGTH as usize)];
    world.memory.write(RAM, ram).expect("cut to RAM");
    for step in &input.steps.0 {
        self::step(&mut world, step);
    }
    world.reload();
}

fn step(world: &mut World, step: &Step) {
    match step {
        Step::Read { at, size } => {
            let size = 1 << (size % 4);
            let value = world.read(at.address(), size);
            assert!(size == 8 || value >> (8 * size) == 0, "{value:#x} in {size} bytes");
        }
        Step::Write { at, size, value } => {
            world.write(at.address(), 1 << (size % 4), value.get());
        }
        Step::Memory { at, length } => memory(world, at.get(), (*length).into()),
        Step::Poke { at, bytes } => {
            if world.memory.write(at.get(), bytes).is_ok() {
                assert_eq!(world.memory.read_array(at.get()), Ok(*bytes));
            }
        }
        Step::Input { port, length } => world.push((port % 5).into(), (*length).into()),
        Step::Alarm { realtime_ns } => {
            world.host.now = *realtime_ns >> 1;
            world.devices.tick(&mut world.host);
        }
        Step::Renew { id } => world.devices.renew_generation(*id),
        Step::Reload => world.reload(),
    }
    world.devices.interrupt();
    world.devices.take_power_request();
}

/// A slice is exactly what lies inside of one region.
fn memory(world: &mut World, address: u64, length: usize) {
    let inside = |start: u64, size: u64| {
        address >= start && u128::from(address) + length as u128 <= u128::from(start + size)
    };
    let expected = inside(RAM, RAM_LENGTH) || inside(layout::IMAGE_BASE, IMAGE_LENGTH);
    let slice = world.memory.slice(address, length).map(<[u8]>::len);
    assert_eq!(slice.is_ok(), expected, "{address:#x}+{length}");
    assert_eq!(slice.unwrap_or(length), length);
    if let Ok(slice) = world.memory.slice_mut(address, length) {
        slice.fill(0x11);
    }
}
