//! The 9p transport: requests gathered from chains, replies scattered into them, held against a
//! model.

use crate::UpTo;
use crate::driver::{self, BUFFERS, DEVICES, Layout, NEXT, P9, WRITE, register};
use crate::world::World;
use arbitrary::Arbitrary;
use c2w_emulator::devices::P9Server;
use std::sync::{Arc, Mutex};

const RAM_LENGTH: u64 = 0x8_0000;
const RLERROR: u8 = 7;
const SIZE: u16 = 256;

#[derive(Arbitrary, Debug)]
struct Input {
    server: bool,
    exchanges: UpTo<Exchange, 32>,
}

#[derive(Arbitrary, Debug)]
struct Exchange {
    /// Lengths of the readable buffers, then of the writable ones.
    request: UpTo<u16, 8>,
    room: UpTo<u16, 8>,
    /// The request's first bytes.
    header: [u8; 12],
    /// How long the server's reply is.
    reply: u16,
}

/// What a server was asked, and what it shall answer.
#[derive(Default)]
struct Conversation {
    request: Vec<u8>,
    reply: Vec<u8>,
}

struct Server(Arc<Mutex<Conversation>>);

impl P9Server for Server {
    fn handle(&mut self, request: &[u8], reply: &mut Vec<u8>) {
        assert!(reply.is_empty(), "the reply does not come empty");
        assert!(request.len() >= 7, "a request without a header");
        let mut conversation = self.0.lock().expect("one thread");
        conversation.request = request.to_vec();
        reply.extend_from_slice(&conversation.reply);
    }
}

/// Runs one input.
///
/// # Panics
/// When a request or a reply arrives otherwise than it was sent.
pub fn check(bytes: &[u8]) {
    let Some(input) = crate::parse::<Input>(bytes) else { return };
    let mut world = World::new(RAM_LENGTH, 0);
    let conversation = Arc::new(Mutex::new(Conversation::default()));
    if input.server {
        world.devices.set_p9_server(Box::new(Server(conversation.clone())));
    }
    let place = DEVICES[P9];
    let layout = Layout::of(0, SIZE);
    world.write_all(place, driver::negotiate(1));
    world.write_all(place, layout.set_up(0));
    world.write_all(place, [driver::START]);
    for (index, exchange) in input.exchanges.0.iter().enumerate() {
        let conversation = input.server.then_some(&conversation);
        if !exchange.run(&mut world, &layout, index as u16, conversation) {
            return;
        }
        world.reload();
        if let Some(conversation) = conversation {
            world.devices.set_p9_server(Box::new(Server(conversation.clone())));
        }
    }
}

impl Exchange {
    /// Sends the request and checks the answer; false when the device refused it, as it should.
    fn run(
        &self,
        world: &mut World,
        layout: &Layout,
        index: u16,
        server: Option<&Arc<Mutex<Conversation>>>,
    ) -> bool {
        let (request, room) = self.post(world, layout, index);
        let reply: Vec<u8> = (0..self.reply).map(|byte| byte as u8 ^ 0x5a).collect();
        if let Some(server) = server {
            server.lock().expect("one thread").reply = reply.clone();
        }
        world.write_all(DEVICES[P9], [(register::QUEUE_NOTIFY, 0)]);
        let used: [u8; 2] = world.memory.read_array(layout.areas[2] + 2).expect("in RAM");
        let total: usize = room.iter().map(|&(_, length)| length).sum();
        let empty = request.is_empty() && room.is_empty();
        let expected = self.expected(&request, total, server.is_some().then_some(reply));
        let Some(expected) = expected.filter(|_| !empty) else {
            assert_eq!(u16::from_le_bytes(used), index, "a bad chain was used");
            return false;
        };
        assert_eq!(u16::from_le_bytes(used), index + 1, "no answer");
        if let Some(server) = server {
            assert!(server.lock().expect("one thread").request == request, "another request");
        }
        let element = layout.areas[2] + 4 + 8 * u64::from(index % SIZE);
        let length: [u8; 4] = world.memory.read_array(element + 4).expect("in RAM");
        let mut answer = Vec::new();
        for (address, length) in room {
            answer.extend_from_slice(world.memory.slice(address, length).expect("in RAM"));
        }
        answer.truncate(u32::from_le_bytes(length) as usize);
        assert!(answer == expected, "{answer:x?} in place of {expected:x?}");
        true
    }

    /// What is to be answered; `None` when the chain is the driver's error.
    fn expected(&self, request: &[u8], room: usize, reply: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let tag = [*request.get(5)?, *request.get(6)?];
        let error = |errno: u8| vec![11, 0, 0, 0, RLERROR, tag[0], tag[1], errno, 0, 0, 0];
        let reply = reply.unwrap_or_else(|| error(19));
        let reply = if reply.len() <= room { reply } else { error(90) };
        (reply.len() <= room).then_some(reply)
    }

    /// Lays the chain out; returns the request's bytes and the places for the answer.
    fn post(&self, world: &mut World, layout: &Layout, index: u16) -> (Vec<u8>, Vec<(u64, usize)>) {
        let readable = self.request.0.iter().map(|&length| (length, 0));
        let writable = self.room.0.iter().map(|&length| (length, WRITE));
        // An empty buffer is an error of its own, which the virtqueues' fuzzer knows.
        let parts: Vec<_> = readable.chain(writable).filter(|&(length, _)| length > 0).collect();
        let (mut request, mut room) = (Vec::new(), Vec::new());
        let mut address = BUFFERS;
        for (place, &(length, flag)) in parts.iter().enumerate() {
            let length = length % 0x6000 + 1;
            if flag == 0 {
                let start = request.len();
                let byte = |at| self.header.get(at).copied().unwrap_or(at as u8);
                request.extend((start..start + usize::from(length)).map(byte));
                world.memory.write(address, &request[start..]).expect("in RAM");
            } else {
                room.push((address, usize::from(length)));
            }
            let more = if place + 1 < parts.len() { NEXT } else { 0 };
            let next = place as u16 + 1;
            let entry = driver::descriptor(address, length.into(), flag | more, next);
            world.memory.write(layout.descriptor(place as u16), &entry).expect("in RAM");
            address += u64::from(length);
        }
        if parts.is_empty() {
            world.memory.write(layout.descriptor(0), &[0; 16]).expect("in RAM");
        }
        world.memory.write(layout.available(index), &[0, 0]).expect("in RAM");
        let next = (index + 1).to_le_bytes();
        world.memory.write(layout.available_index(), &next).expect("in RAM");
        (request, room)
    }
}
