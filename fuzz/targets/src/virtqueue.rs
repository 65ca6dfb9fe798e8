//! Virtqueues of every device, as a hostile driver lays them out: descriptors, rings and buffers
//! anywhere, sizes and features as it likes, notifications at any time.

use crate::UpTo;
use crate::driver::{self, BUFFERS, DEVICES, Layout, MAX_SIZE, WRITE, register};
use crate::world::{RAM, World};
use arbitrary::Arbitrary;
use c2w_emulator::devices::{Checksum, NetBackend, P9Server};

const RAM_LENGTH: u64 = 0x3_0000;

#[derive(Arbitrary, Debug)]
struct Input {
    device: u8,
    /// Taken from the size of each queue, by shifting; the last bit says how.
    shrink: u8,
    features: u8,
    /// Areas of queues that lie elsewhere; how many is for `moves` to say.
    moved: [(u8, u8, Address); 2],
    moves: u8,
    /// DRIVER_OK is left out if this is zero.
    start: u8,
    steps: UpTo<Step, 255>,
}

#[derive(Arbitrary, Debug)]
enum Address {
    Buffer(u16),
    Ring(u16),
    End(i8),
    Any(u64),
}

impl Address {
    fn get(&self) -> u64 {
        match *self {
            Self::Buffer(offset) => BUFFERS + u64::from(offset),
            Self::Ring(offset) => RAM + 2 * u64::from(offset),
            Self::End(distance) => (RAM + RAM_LENGTH).wrapping_add_signed(distance.into()),
            Self::Any(address) => address,
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Length {
    Small(u8),
    Large(u16),
    Any(u32),
}

impl Length {
    fn get(&self) -> u32 {
        match *self {
            Self::Small(length) => length.into(),
            Self::Large(length) => length.into(),
            Self::Any(length) => length,
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// Fills an entry of the descriptor table.
    Describe {
        queue: u8,
        index: u8,
        address: Address,
        length: Length,
        flags: u8,
        next: u8,
    },
    /// Puts a head into the available ring.
    Offer {
        queue: u8,
        head: u8,
    },
    /// Sets the index of the available ring.
    SetIndex {
        queue: u8,
        index: u16,
    },
    Notify {
        queue: u8,
    },
    /// A message of the console's control queue.
    Control {
        port: u8,
        event: u8,
        value: u8,
    },
    Input {
        port: u8,
        length: u16,
    },
    Memory {
        at: Address,
        bytes: [u8; 8],
    },
    Register {
        offset: u8,
        value: u32,
    },
    Acknowledge,
    Reload,
}

/// Answers with the request.
struct Echo;

impl P9Server for Echo {
    fn handle(&mut self, request: &[u8], reply: &mut Vec<u8>) {
        reply.extend_from_slice(request);
    }
}

/// The device under test with its driver.
struct Rig {
    world: World,
    device: usize,
    queues: Vec<Layout>,
    /// Indices of the available rings.
    offered: Vec<u16>,
    /// The registers of the queues are as `queues` has them.
    layout_is_known: bool,
}

/// RAM at one moment, and where the device may change it: first addresses and lengths.
struct Before {
    ram: Vec<u8>,
    allowed: Vec<(u64, u64)>,
}

/// Runs one input.
///
/// # Panics
/// When a device writes where its driver has not allowed it to, or panics itself.
pub fn check(bytes: &[u8]) {
    let Some(input) = crate::parse::<Input>(bytes) else { return };
    let mut rig = Rig::new(&input);
    for step in &input.steps.0 {
        rig.step(step);
    }
    rig.world.reload();
}

/// Sends the last frame back, without end.
#[derive(Default)]
struct Repeater(Option<(Vec<u8>, Checksum)>);

impl NetBackend for Repeater {
    fn transmit(&mut self, _: u64, frame: &[u8], checksum: Checksum) {
        self.0 = Some((frame.to_vec(), checksum));
    }

    fn receive(&mut self, _: u64, frame: &mut Vec<u8>) -> Option<Checksum> {
        let (bytes, checksum) = self.0.as_ref()?;
        frame.extend_from_slice(bytes);
        Some(*checksum)
    }
}

impl Rig {
    fn new(input: &Input) -> Self {
        let device = usize::from(input.device) % DEVICES.len();
        let place = DEVICES[device];
        let mut world = World::new(RAM_LENGTH, 0);
        let sizes = world.queue_sizes(place);
        if input.features & 0x80 != 0 {
            world.devices.set_p9_server(Box::new(Echo));
            world.devices.set_net_backend(Some(Box::new(Repeater::default())));
        }
        let shrunk =
            |size: u16| (size >> (input.shrink >> 1 & 7)).wrapping_sub(u16::from(input.shrink & 1));
        let mut queues: Vec<_> = sizes
            .into_iter()
            .enumerate()
            .map(|(queue, size)| Layout::of(queue, shrunk(size)))
            .collect();
        for (queue, area, address) in
            input.moved.iter().take((input.moves % 8).saturating_sub(5).into())
        {
            let count = queues.len();
            queues[usize::from(*queue) % count].areas[usize::from(*area) % 3] = address.get();
        }
        world.write_all(place, driver::negotiate((input.features & 3).into()));
        for (queue, layout) in queues.iter().enumerate() {
            world.write_all(place, layout.set_up(queue));
        }
        if input.start > 0 {
            world.write_all(place, [driver::START]);
        }
        let offered = vec![0; queues.len()];
        Self { world, device, queues, offered, layout_is_known: true }
    }

    fn step(&mut self, step: &Step) {
        let count = self.queues.len();
        let chosen = |queue: u8| usize::from(queue) % count;
        let base = DEVICES[self.device].base;
        match step {
            Step::Describe { queue, index, address, length, flags, next } => {
                let flags = u16::from(*flags);
                let entry =
                    driver::descriptor(address.get(), length.get(), flags, u16::from(*next));
                self.poke(self.queues[chosen(*queue)].descriptor((*index).into()), &entry);
            }
            Step::Offer { queue, head } => self.offer(chosen(*queue), (*head).into()),
            Step::SetIndex { queue, index } => self.set_index(chosen(*queue), *index),
            Step::Notify { queue } => self.notify((*queue).into()),
            Step::Control { port, event, value } => self.control(*port, *event, *value),
            Step::Input { port, length } => {
                let before = self.watch();
                self.world.push((port % 5).into(), (*length).into());
                self.compare(before);
            }
            Step::Memory { at, bytes } => self.poke(at.get(), bytes),
            Step::Register { offset, value } => {
                self.layout_is_known = false;
                self.world.write(base + 4 * u64::from(*offset), 4, (*value).into());
            }
            Step::Acknowledge => {
                let causes = self.world.read(base + register::INTERRUPT_STATUS, 4);
                self.world.write(base + register::INTERRUPT_ACK, 4, causes);
                assert_eq!(self.world.read(base + register::INTERRUPT_STATUS, 4), 0);
            }
            Step::Reload => self.world.reload(),
        }
    }

    /// What the driver writes to memory; nothing where there is none.
    fn poke(&mut self, address: u64, bytes: &[u8]) {
        let _ = self.world.memory.write(address, bytes);
    }

    fn offer(&mut self, queue: usize, head: u16) {
        let index = self.offered[queue];
        self.poke(self.queues[queue].available(index), &head.to_le_bytes());
        self.set_index(queue, index.wrapping_add(1));
    }

    fn set_index(&mut self, queue: usize, index: u16) {
        self.offered[queue] = index;
        self.poke(self.queues[queue].available_index(), &index.to_le_bytes());
    }

    fn notify(&mut self, queue: u64) {
        let before = self.watch();
        self.world.write(DEVICES[self.device].base + register::QUEUE_NOTIFY, 4, queue);
        self.compare(before);
    }

    /// Sends a message on the console's control queue, from the last descriptor of its table.
    fn control(&mut self, port: u8, event: u8, value: u8) {
        const TRANSMIT: usize = 3;
        if self.device != driver::CONSOLE || self.queues[TRANSMIT].size == 0 {
            return;
        }
        let index = self.queues[TRANSMIT].size - 1;
        let message = [port, 0, 0, 0, event, 0, value, 0];
        let entry = driver::descriptor(BUFFERS, message.len() as u32, 0, 0);
        self.poke(BUFFERS, &message);
        self.poke(self.queues[TRANSMIT].descriptor(index), &entry);
        self.offer(TRANSMIT, index);
        self.notify(TRANSMIT as u64);
    }

    /// The device may change used rings, and buffers that a descriptor
    /// names as writable. `None` when it may change descriptors themselves.
    fn watch(&self) -> Option<Before> {
        let (mut allowed, mut descriptors) = (Vec::new(), Vec::new());
        for queue in self.queues.iter().filter(|_| self.layout_is_known) {
            let size = u64::from(queue.size);
            descriptors.push((queue.areas[0], 16 * size));
            descriptors.push((queue.areas[1], 4 + 2 * size));
            allowed.push((queue.areas[2], 4 + 8 * size));
            for index in 0..queue.size.min(MAX_SIZE) {
                let entry = self.world.memory.resident(queue.descriptor(index), 16);
                let Some(entry) = entry.ok().and_then(|entry| entry.try_into().ok()) else {
                    continue;
                };
                let bits = u128::from_le_bytes(entry);
                if (bits >> 96) as u16 & WRITE != 0 {
                    allowed.push((bits as u64, (bits >> 64) as u64 & 0xffff_ffff));
                }
            }
        }
        let overlap = |a: (u64, u64), b: (u64, u64)| {
            a.0 < b.0.saturating_add(b.1) && b.0 < a.0.saturating_add(a.1)
        };
        let fixed = !allowed.iter().any(|&a| descriptors.iter().any(|&b| overlap(a, b)));
        (self.layout_is_known && fixed).then(|| Before { ram: self.ram().to_vec(), allowed })
    }

    fn compare(&self, before: Option<Before>) {
        let Some(Before { ram: mut before, allowed }) = before else { return };
        let after = self.ram();
        for (start, length) in allowed {
            let from = start.saturating_sub(RAM).min(RAM_LENGTH) as usize;
            let end = start.saturating_add(length).saturating_sub(RAM).min(RAM_LENGTH) as usize;
            if from < end {
                before[from..end].copy_from_slice(&after[from..end]);
            }
        }
        if let Some(at) = (0..after.len()).find(|&at| before[at] != after[at]) {
            panic!("the device wrote to {:#x}, which is not its", RAM + at as u64);
        }
    }

    fn ram(&self) -> &[u8] {
        self.world.memory.resident(RAM, RAM_LENGTH as usize).expect("RAM")
    }
}
