//! Rings in files, between two ends that mean well and start anew at any moment, or between one of
//! them and somebody who writes anything into his file.

mod honest;
mod hostile;

use crate::UpTo;
use arbitrary::Arbitrary;
use c2w_network::{RING, RingFile, Rings};
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes of a header, and where the ring begins.
const HEADER: usize = 64;
const DATA: usize = 4096;
/// More calls than it takes to read or write all that there can be.
const CALLS: usize = 8;

#[derive(Arbitrary, Debug)]
enum Input {
    Honest {
        torn: bool,
        steps: UpTo<honest::Step, 200>,
    },
    /// Whether the guest's side is the one that is tested.
    Hostile {
        is_guest: bool,
        steps: UpTo<hostile::Step, 200>,
    },
}

/// Runs one input.
///
/// # Panics
/// When a file is read or written where it must not be, bytes arrive otherwise than they were
/// sent, or an end goes on that is over.
pub fn check(bytes: &[u8]) {
    match crate::parse::<Input>(bytes) {
        Some(Input::Honest { torn, steps }) => honest::check(torn, &steps.0),
        Some(Input::Hostile { is_guest, steps }) => hostile::check(is_guest, &steps.0),
        None => {}
    }
}

/// Small numbers, most often, and large ones of up to a ring.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Size(u8, u8);

impl Size {
    fn bytes(self) -> usize {
        let shift = if self.1 < 200 { self.1 % 5 } else { self.1 % 13 };
        (usize::from(self.0) << shift) + 1
    }
}

/// A file in memory.
#[derive(Default)]
struct Store {
    bytes: Vec<u8>,
    failing: bool,
    /// How many bytes may be read until the header is looked at again.
    readable: u64,
    /// The header before the last one, but for bytes that somebody has seen the last one's of, if
    /// headers are read while they are written; and the state of what chooses between them.
    torn: Option<u64>,
    old: Vec<Option<u8>>,
}

/// Its writer's and its reader's.
#[derive(Clone, Default)]
struct File(Rc<RefCell<Store>>);

impl Store {
    fn word(&self, at: usize) -> u64 {
        let bytes = self.bytes.get(at..at + 8);
        bytes.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("eight")))
    }

    /// Replaces bytes, behind zeros if the file is shorter.
    fn put(&mut self, at: usize, bytes: &[u8]) {
        let length = self.bytes.len().max(at + bytes.len());
        self.bytes.resize(length, 0);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn tear(&mut self, buffer: &mut [u8]) {
        let Some(state) = &mut self.torn else { return };
        let mut below = |limit: u64| {
            *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (*state >> 40) % limit
        };
        let share = below(5);
        for (byte, old) in buffer.iter_mut().zip(&mut self.old) {
            // What was seen to be new stays so.
            if below(4) < share {
                *old = None;
            }
            *byte = old.unwrap_or(*byte);
        }
    }
}

impl RingFile for File {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
        let store = &mut *self.0.borrow_mut();
        if store.failing {
            return Err("cannot read".into());
        }
        let length = buffer.len() as u64;
        let offset = match offset {
            0 => {
                assert!(buffer.len() == HEADER, "part of a header");
                store.readable = RING;
                0
            }
            _ => {
                check_place(offset, length);
                assert!(length <= store.readable, "more than a ring is read");
                store.readable -= length;
                offset as usize
            }
        };
        let there = store.bytes.get(offset..).unwrap_or_default();
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        if offset == 0 {
            store.tear(&mut buffer[..count]);
        }
        Ok(count)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        let store = &mut *self.0.borrow_mut();
        if store.failing {
            return Err("cannot write".into());
        }
        if offset == 0 {
            assert!(bytes.len() == HEADER, "part of a header");
            store.old = (0..HEADER).map(|at| store.bytes.get(at).copied().or(Some(0))).collect();
        } else {
            check_place(offset, bytes.len() as u64);
        }
        store.put(offset as usize, bytes);
        Ok(())
    }
}

fn check_place(offset: u64, length: u64) {
    let ring = DATA as u64..=DATA as u64 + RING;
    assert!(length > 0 && ring.contains(&offset) && ring.contains(&(offset + length)), "outside");
}

/// An end of the rings and its two files.
fn start(is_guest: bool, own: &File, peer: &File, generation: u64) -> Rings<File> {
    let (own, peer) = (own.clone(), peer.clone());
    let rings = match is_guest {
        true => Rings::join(own, peer, generation),
        false => Rings::listen(own, peer, generation),
    };
    rings.expect("a file that can be written")
}
