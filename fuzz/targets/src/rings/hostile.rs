//! An end, and somebody at the other who writes headers with a right check, or any bytes.

use super::{CALLS, DATA, File, HEADER, Size, start};
use crate::UpTo;
use arbitrary::Arbitrary;
use c2w_network::{RING, Rings, Transfer};

/// The generations of the end that is tested, and of the other if that is as it should be.
const OWN: u64 = 7;
const PEER: u64 = 9;

#[derive(Arbitrary, Debug)]
pub enum Step {
    /// A header, with a right check.
    Header(Header),
    /// The header that makes or keeps a connection, with bytes written and all read.
    Proper(Size),
    /// The same once more with a byte changed, and the check right or not.
    Changed(u8, u8, bool),
    /// Some bytes at some place, or so many of them in the ring.
    Bytes(u16, UpTo<u8, 80>),
    Data(Size),
    Cut(u16),
    /// A file cannot be read or written, until this comes again.
    Fail(bool),
    Read(Size),
    Write(Size),
    Accept,
    Ready(bool, bool),
    Look,
    Close,
}

#[derive(Arbitrary, Debug)]
pub struct Header {
    generation: Number,
    answers: Number,
    written: Number,
    read: Number,
    state: u8,
}

/// Beside the right number, or anywhere.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Right,
    Near(i8),
    Ring(i8),
    Any(u64),
}

struct World {
    own: File,
    peer: File,
    end: Rings<File>,
    /// What the other side says to have written.
    written: u64,
    /// What reads have come to in the end, while that holds.
    ended: Option<Transfer>,
    /// Whether files have failed.
    failed: bool,
}

pub fn check(is_guest: bool, steps: &[Step]) {
    let (own, peer) = (File::default(), File::default());
    let end = start(is_guest, &own, &peer, OWN);
    let mut world = World { own, peer, end, written: 0, ended: None, failed: false };
    for step in steps {
        world.step(step, is_guest);
    }
    // Nothing more comes: what is there has an end.
    let is_moved = |transfer| matches!(transfer, Transfer::Moved(_));
    assert!((0..CALLS).any(|_| !is_moved(world.read(RING as usize))), "it reads for ever");
    assert!((0..CALLS).any(|_| !is_moved(world.write(RING as usize))), "it writes for ever");
}

impl World {
    fn step(&mut self, step: &Step, is_guest: bool) {
        match step {
            Step::Header(header) => self.header(header),
            Step::Proper(size) => {
                self.written = self.written.wrapping_add(size.bytes() as u64 - 1);
                let is_answered = is_guest || self.own.0.borrow().word(16) == PEER;
                let (answers, state) = if is_answered { (OWN, 2) } else { (0, 1) };
                self.put([PEER, answers, self.written, self.read_of_own(), state]);
            }
            Step::Changed(at, value, is_checked) => {
                let mut peer = self.peer.0.borrow_mut();
                let mut bytes = peer.bytes.get(..HEADER).map_or(vec![0; HEADER], <[u8]>::to_vec);
                bytes[usize::from(*at) % HEADER] ^= value;
                if *is_checked {
                    seal(&mut bytes);
                }
                peer.put(0, &bytes);
            }
            Step::Bytes(at, bytes) => {
                self.peer.0.borrow_mut().put(usize::from(*at) % (2 * DATA), &bytes.0);
            }
            Step::Data(size) => {
                let mut peer = self.peer.0.borrow_mut();
                let length = peer.bytes.len().max(DATA + size.bytes());
                peer.bytes.resize(length, 1);
            }
            Step::Cut(length) => self.peer.0.borrow_mut().bytes.truncate((*length).into()),
            Step::Fail(own) => {
                let file = if *own { &self.own } else { &self.peer };
                file.0.borrow_mut().failing ^= true;
                self.failed = true;
            }
            Step::Read(size) => drop(self.read(size.bytes())),
            Step::Write(size) => drop(self.write(size.bytes())),
            Step::Accept => {
                let accepted = self.end.accept();
                assert!(!is_guest || accepted != Ok(true), "a guest has no guests");
                // An attempt to answer that fails is one to wait again.
                if accepted == Ok(true) || self.failed {
                    self.ended = None;
                }
                if accepted == Ok(true) {
                    self.written = 0;
                }
            }
            Step::Ready(read, write) => {
                let is_ready = self.end.is_ready(*read, *write);
                assert!(is_ready || self.ended.is_none(), "it is not over any more");
            }
            Step::Look => {
                self.end.has_news();
                assert!(!self.end.is_connected() || self.ended.is_none(), "it goes on");
                assert!(!self.end.is_replaced() || self.end.failure().is_some());
            }
            Step::Close => {
                self.end.close();
                let transfer = self.read(1);
                assert!(matches!(transfer, Transfer::End | Transfer::Broken), "{transfer:?}");
            }
        }
    }

    fn header(&mut self, header: &Header) {
        self.written = header.written.beside(self.written);
        let read = header.read.beside(self.read_of_own());
        let generation = header.generation.beside(PEER);
        let answers = header.answers.beside(OWN);
        self.put([generation, answers, self.written, read, (header.state % 5).into()]);
    }

    /// All that the end has written.
    fn read_of_own(&self) -> u64 {
        self.own.0.borrow().word(24)
    }

    fn put(&mut self, words: [u64; 5]) {
        let mut bytes = b"c2wring\x01".to_vec();
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.resize(HEADER, 0);
        seal(&mut bytes);
        self.peer.0.borrow_mut().put(0, &bytes);
    }

    fn read(&mut self, length: usize) -> Transfer {
        let transfer = self.end.read(&mut vec![0; length]);
        assert!(self.ended.is_none() || self.is_same_end(transfer), "{transfer:?} behind the end");
        match transfer {
            Transfer::Moved(count) => assert!((1..=length).contains(&count)),
            Transfer::Blocked => {}
            Transfer::End => self.ended = Some(transfer),
            Transfer::Broken => {
                assert!(self.end.failure().is_some(), "nobody knows why it is broken");
                self.ended = Some(transfer);
            }
        }
        transfer
    }

    /// The end may turn out to be one that could not be told.
    fn is_same_end(&self, transfer: Transfer) -> bool {
        self.ended == Some(transfer) || self.failed && transfer == Transfer::Broken
    }

    fn write(&mut self, length: usize) -> Transfer {
        let transfer = self.end.write(&vec![3; length]);
        match transfer {
            Transfer::Moved(count) => assert!((1..=length).contains(&count)),
            Transfer::Blocked => assert!(self.ended.is_none(), "it waits behind the end"),
            Transfer::Broken => {}
            Transfer::End => panic!("the end of writing"),
        }
        assert!(self.ended.is_none() || transfer == Transfer::Broken, "it writes behind the end");
        transfer
    }
}

impl Number {
    fn beside(self, right: u64) -> u64 {
        match self {
            Self::Right => right,
            Self::Near(distance) => right.wrapping_add_signed(distance.into()),
            Self::Ring(distance) => right.wrapping_add(RING).wrapping_add_signed(distance.into()),
            Self::Any(number) => number,
        }
    }
}

/// Makes the check right: FNV-1a of what is before it.
fn seal(header: &mut [u8]) {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let check = header[..56].iter().fold(0xcbf2_9ce4_8422_2325, mix);
    header[56..].copy_from_slice(&check.to_le_bytes());
}
