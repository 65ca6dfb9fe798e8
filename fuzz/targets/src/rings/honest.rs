//! Two ends that mean well, each of which goes on whenever it likes, ends, or is gone without a word
//! and starts anew.

use super::{File, Size, start};
use arbitrary::Arbitrary;
use c2w_network::{RING, Rings, Transfer};
use std::collections::{HashMap, HashSet};

/// Bytes that are written for one input.
const TOTAL: u64 = 3 << 20;

#[derive(Arbitrary, Debug)]
pub enum Step {
    Write(Side, Size),
    Read(Side, Size),
    /// A write of one side, and a read of the other.
    Move(Side, Size),
    Accept,
    /// All that it takes for a guest to be connected.
    Connect,
    Ready(Side, bool, bool),
    Look(Side),
    Close(Side),
    /// The side is gone, and there is another.
    Restart(Side),
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Guest,
    Helper,
}

/// Who writes and who reads, by generation. A guest's reader is 0: it has one connection only, and
/// writes before one can tell with whom.
type Way = (u64, u64);

#[derive(Default)]
struct Count {
    written: u64,
    read: u64,
}

struct World {
    files: [File; 2],
    ends: [Rings<File>; 2],
    /// How often a side was started.
    starts: u64,
    counts: HashMap<Way, Count>,
    /// Connections, by who writes and who reads, that a reader has seen the end of. A guest can
    /// have been answered before, by a helper that is gone.
    ended: HashSet<(u64, u64)>,
    torn: bool,
    total: u64,
}

pub fn check(torn: bool, steps: &[Step]) {
    let files = [File::default(), File::default()];
    for (seed, file) in files.iter().enumerate() {
        file.0.borrow_mut().torn = torn.then_some(seed as u64);
    }
    let ends = [start(true, &files[0], &files[1], 1), start(false, &files[1], &files[0], 2)];
    let mut world = World {
        files,
        ends,
        starts: 2,
        counts: HashMap::new(),
        ended: HashSet::new(),
        torn,
        total: 0,
    };
    for step in steps {
        world.step(step);
    }
    world.finish();
}

impl World {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(side, size) => drop(self.write(*side, size.bytes())),
            Step::Read(side, size) => drop(self.read(*side, size.bytes())),
            Step::Move(side, size) => {
                self.write(*side, size.bytes());
                self.read(side.other(), size.bytes());
            }
            Step::Accept => drop(self.accept()),
            Step::Connect => {
                for side in [Side::Guest, Side::Helper] {
                    self.accept();
                    self.ends[side as usize].is_connected();
                }
            }
            Step::Ready(side, read, write) => self.ready(*side, *read, *write),
            Step::Look(side) => {
                let end = &mut self.ends[*side as usize];
                let _ = (end.has_news(), end.is_connected(), end.is_replaced(), end.failure());
            }
            Step::Close(side) => {
                self.ends[*side as usize].close();
                assert_eq!(self.ends[*side as usize].read(&mut [0]), Transfer::End);
                assert_eq!(self.ends[*side as usize].write(&[0]), Transfer::Broken);
            }
            Step::Restart(side) => {
                self.starts += 1;
                let (own, peer) = (*side as usize, side.other() as usize);
                let is_guest = *side == Side::Guest;
                let generation = self.starts.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                self.ends[own] = start(is_guest, &self.files[own], &self.files[peer], generation);
            }
        }
    }

    fn accept(&mut self) -> bool {
        assert_eq!(self.ends[0].accept(), Ok(false), "a guest has no guests");
        self.ends[1].accept().expect("files that can be read and written")
    }

    /// Whose bytes a side writes or, by its partner, reads.
    fn way(&self, writer: Side, own: Side) -> Way {
        let word = |at| self.files[own as usize].0.borrow().word(at);
        let (generation, partner) = (word(8), word(16));
        match (writer, own) {
            (Side::Guest, Side::Guest) => (generation, 0),
            (Side::Guest, Side::Helper) => (partner, 0),
            (Side::Helper, Side::Helper) => (generation, partner),
            (Side::Helper, Side::Guest) => (partner, generation),
        }
    }

    fn write(&mut self, side: Side, length: usize) -> Transfer {
        if self.total > TOTAL {
            return Transfer::Blocked;
        }
        let way = self.way(side, side);
        let count = self.counts.entry(way).or_default();
        // No longer than it takes to be cut.
        let length = length.min((RING - (count.written - count.read)) as usize + 1);
        let bytes = content(way, count.written, length);
        let transfer = self.ends[side as usize].write(&bytes);
        match transfer {
            Transfer::Moved(moved) => {
                assert!((1..=length).contains(&moved));
                count.written += moved as u64;
                self.total += moved as u64;
                assert!(count.written - count.read <= RING, "more than there is room for");
            }
            Transfer::Blocked => {}
            Transfer::Broken => self.check_end(side),
            Transfer::End => panic!("the end of writing"),
        }
        transfer
    }

    fn read(&mut self, side: Side, length: usize) -> Transfer {
        let mut buffer = vec![0; length];
        let transfer = self.ends[side as usize].read(&mut buffer);
        let way = self.way(side.other(), side);
        let word = |at| self.files[side as usize].0.borrow().word(at);
        let connection = (word(16), word(8));
        let count = self.counts.entry(way).or_default();
        match transfer {
            Transfer::Moved(moved) => {
                let expected = content(way, count.read, moved);
                assert!(buffer[..moved] == expected, "other bytes, after {}", count.read);
                assert!(!self.ended.contains(&connection), "bytes behind the end");
                count.read += moved as u64;
                assert!(count.read <= count.written, "bytes that nobody has written");
            }
            Transfer::Blocked => {}
            Transfer::End => {
                self.ended.insert(connection);
                self.check_end(side);
            }
            Transfer::Broken => panic!("{:?}", self.ends[side as usize].failure()),
        }
        transfer
    }

    /// Nothing but a new start ends it without an end.
    fn check_end(&self, side: Side) {
        let end = &self.ends[side as usize];
        assert_eq!(end.failure().is_some(), end.is_replaced(), "{:?}", end.failure());
    }

    fn ready(&mut self, side: Side, read: bool, write: bool) {
        let is_ready = self.ends[side as usize].is_ready(read, write);
        let was_read = read && self.read(side, 1) != Transfer::Blocked;
        let written = self.write(side, 1);
        let was_written = write && written != Transfer::Blocked || written == Transfer::Broken;
        // To look again can be to see more of a header.
        let is_certain = is_ready || !self.torn;
        if is_certain && self.total <= TOTAL {
            assert_eq!(is_ready, was_read || was_written, "ready, and moved");
        }
    }

    /// What is on its way in the last connection arrives.
    fn finish(&mut self) {
        let words = |file: &File| {
            let mut store = file.0.borrow_mut();
            store.torn = None;
            [8, 16, 40].map(|at| store.word(at))
        };
        let [guest, helper] = [words(&self.files[0]), words(&self.files[1])];
        let is_connection = guest[1] == helper[0] && helper[1] == guest[0];
        for (side, [.., state]) in [(Side::Guest, guest), (Side::Helper, helper)] {
            while let Transfer::Moved(_) = self.read(side, RING as usize) {}
            let count = self.counts.entry(self.way(side.other(), side)).or_default();
            let (written, read) = (count.written, count.read);
            let has_closed = state == 3;
            let is_whole = has_closed || !is_connection || written == read;
            assert!(is_whole, "{read} bytes of {written} arrive");
        }
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Guest => Self::Helper,
            Self::Helper => Self::Guest,
        }
    }
}

/// The bytes of a way: no stretch of it, or of another, is like another.
fn content((writer, reader): Way, start: u64, length: usize) -> Vec<u8> {
    let seed = writer.wrapping_mul(3).wrapping_add(reader).rotate_left(20);
    let mut bytes = Vec::with_capacity(length + 16);
    for word in start / 8..=(start + length as u64) / 8 {
        let word = word.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes.drain(..start as usize % 8);
    bytes.truncate(length);
    bytes
}
