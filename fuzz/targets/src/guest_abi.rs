//! What a guest says on its control port: decoded at once and in pieces, by itself and by a
//! session.

use crate::driver::{self, BUFFERS, CONSOLE, DEVICES, Layout, NEXT, register};
use crate::guest::{self, RAM_LENGTH};
use crate::snapshot::CountingHost;
use crate::world::RAM;
use arbitrary::Arbitrary;
use c2w_emulator::GuestMemory;
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::board::layout;
use c2w_guest_abi::frame::{self, Decoder, FrameError};
use c2w_guest_abi::{FromGuest, ToGuest};
use c2w_session::{Session, Step};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::OnceLock;

/// The control port's transmit queue.
const TRANSMIT: usize = 1;
const SIZE: u16 = 64;
/// Steps in which the guest has sent all.
const SLICE: u64 = 10_000;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Lengths of the pieces that the bytes come in.
    pieces: Vec<u8>,
    /// From 240 on: the guest sends all of its RAM so much more often afterwards, in one chain.
    flood: u8,
    messages: &'a [u8],
}

/// Runs one input.
///
/// # Panics
/// When pieces make a difference, a message does not survive, or a session hears another.
pub fn check(bytes: &[u8]) {
    let Some(input) = crate::parse::<Input<'_>>(bytes) else { return };
    let pieces = input.pieces();
    let _ = messages::<ToGuest>(&pieces);
    let (said, end) = messages::<FromGuest>(&pieces);
    input.converse(&pieces, &said, end);
}

impl Input<'_> {
    fn floods(&self) -> usize {
        self.flood.saturating_sub(239).into()
    }

    fn pieces(&self) -> Vec<&[u8]> {
        let mut rest = self.messages;
        let mut pieces = Vec::new();
        for &length in self.pieces.iter().take(usize::from(SIZE) - 2) {
            let (now, later) = rest.split_at(usize::from(length).min(rest.len()));
            pieces.push(now);
            rest = later;
        }
        pieces.push(rest);
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// Has a guest send the pieces; the session must hear what was said.
    fn converse(&self, pieces: &[&[u8]], said: &[FromGuest], end: Result<(), FrameError>) {
        let mut host = CountingHost::default();
        let mut session = self.session(pieces);
        let mut expected = said.iter().filter(|message| **message != FromGuest::StdinClosed);
        loop {
            let step = session.run(SLICE, &mut host);
            let flooded = matches!(&step, Step::Failed(failure)
                if self.floods() > 0 && failure.status == 125);
            match (step, expected.next()) {
                (Step::Hello, Some(FromGuest::Hello)) => {}
                (Step::Ready, Some(FromGuest::Ready)) => {}
                (Step::Reached(heard), Some(FromGuest::Reached(said))) if heard == *said => {}
                (Step::Notice(heard), Some(FromGuest::Notice(said))) if heard == *said => {}
                (Step::Exited(status), Some(FromGuest::Exited(said))) if status == *said => {}
                (Step::Failed(failure), Some(FromGuest::Failed(said))) if failure == *said => {}
                (Step::Failed(failure), None) if end.is_err() && failure.status == 125 => return,
                (Step::Idle(None), None) if end.is_ok() => return,
                (_, None) if self.floods() > 0 => return,
                _ if flooded => return,
                (step, said) => panic!("{said:?} was heard as {step:?}"),
            }
        }
    }

    /// A session whose guest is about to send the pieces.
    fn session(&self, pieces: &[&[u8]]) -> Session {
        static GUEST: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
        let (ram, state) = GUEST.get_or_init(|| guest::parts(&guest::boot(&sender(), 0)));
        let mut memory =
            GuestMemory::allocate(RAM, RAM_LENGTH, layout::IMAGE_BASE, 0).expect("small");
        memory.write(RAM, ram).expect("as long as RAM");
        let layout = Layout::of(TRANSMIT, SIZE);
        let mut chains = Vec::new();
        let mut address = BUFFERS;
        for (index, piece) in (0..).zip(pieces) {
            memory.write(address, piece).expect("inputs are shorter than RAM");
            chains.push((index, address, piece.len() as u64));
            address += piece.len() as u64;
        }
        if self.floods() > 0 {
            chains.push((SIZE - 1, RAM, RAM_LENGTH));
        }
        for (place, (index, address, length)) in (0..).zip(&chains) {
            // The flood's chain goes through its own descriptor and those that are free.
            let entry = driver::descriptor(*address, *length as u32, 0, 0);
            memory.write(layout.descriptor(*index), &entry).expect("in RAM");
            memory.write(layout.available(place), &index.to_le_bytes()).expect("in RAM");
        }
        self.lengthen_flood(&mut memory, &layout, pieces.len() as u16);
        let count = (chains.len() as u16).to_le_bytes();
        memory.write(layout.available_index(), &count).expect("in RAM");
        Session::restore(&RiscvBoard, memory, state).expect("state of this machine")
    }

    /// Makes the flood's chain longer by the descriptors that no piece uses.
    fn lengthen_flood(&self, memory: &mut GuestMemory, layout: &Layout, free: u16) {
        let mut next = SIZE - 1;
        for index in (free..SIZE - 1).take(self.floods().saturating_sub(1)) {
            let entry = driver::descriptor(RAM, RAM_LENGTH as u32, NEXT, next);
            memory.write(layout.descriptor(index), &entry).expect("in RAM");
            next = index;
        }
        if self.floods() > 0 {
            let place = layout.available(free);
            memory.write(place, &next.to_le_bytes()).expect("in RAM");
        }
    }
}

/// A guest that has its control port's queue sent.
fn sender() -> Vec<u8> {
    let place = DEVICES[CONSOLE];
    let writes = driver::negotiate(2)
        .into_iter()
        .chain(Layout::of(TRANSMIT, SIZE).set_up(TRANSMIT))
        .chain([driver::START, (register::QUEUE_NOTIFY, TRANSMIT as u32)]);
    let stores: Vec<_> = writes.map(|(offset, value)| (place.base + offset, value)).collect();
    guest::stores(&stores)
}

/// All messages of the pieces, and whether a message can still follow.
fn messages<T>(pieces: &[&[u8]]) -> (Vec<T>, Result<(), FrameError>)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let whole = decode::<T>(&[&pieces.concat()]);
    assert_eq!(decode::<T>(pieces), whole, "pieces make a difference");
    for message in &whole.0 {
        let bytes = frame::encode(message).expect("it was a message");
        let (again, end) = decode::<T>(&[&bytes]);
        assert!(again.len() == 1 && again[0] == *message && end.is_ok(), "lost: {message:?}");
    }
    whole
}

fn decode<T: DeserializeOwned>(pieces: &[&[u8]]) -> (Vec<T>, Result<(), FrameError>) {
    let mut decoder = Decoder::default();
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
    }
    (messages, Ok(()))
}
