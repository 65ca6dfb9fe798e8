//! Frames of our own that wait for the guest.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A bounded queue: what does not fit is dropped, as on any wire.
pub struct Frames {
    queue: VecDeque<Vec<u8>>,
    limit: usize,
}

impl Frames {
    pub fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), limit }
    }

    /// False when the frame is dropped.
    pub fn push(&mut self, frame: Vec<u8>) -> bool {
        let room = self.queue.len() < self.limit;
        if room {
            self.queue.push_back(frame);
        }
        room
    }

    pub fn extend(&mut self, frames: impl IntoIterator<Item = Vec<u8>>) {
        for frame in frames {
            self.push(frame);
        }
    }

    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.queue.pop_front()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
