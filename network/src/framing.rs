//! Frames on a byte stream, as QEMU's stream sockets, passt and gvproxy have them: the length in four
//! bytes, the most significant first, then the frame from its Ethernet header on.

use crate::sockets::Transfer;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::devices::Checksum;
use c2w_nat::checksum;

/// A stream of bytes in both directions. Nothing in it blocks.
pub trait Channel {
    /// Whether nobody tells when there is something to read: one has to look again and again.
    const POLLED: bool;

    /// Reads into `buffer`, which is not empty.
    fn read(&mut self, buffer: &mut [u8]) -> Transfer;

    /// Writes from `bytes`, which are not empty.
    fn write(&mut self, bytes: &[u8]) -> Transfer;

    /// Why nobody is at the other end, for people, if that is known.
    fn absence(&self) -> Option<&'static str> {
        None
    }

    /// Why it is broken, for people, if more is known.
    fn failure(&self) -> Option<&str> {
        None
    }

    /// Tells the peer that nothing follows.
    fn close(&mut self) {}
}

/// Who sees to the checksums of TCP, UDP and ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// Each sender, as on a wire.
    Present,
    /// Nobody: both ends are c2w's, and the bytes stay on one host.
    Offloaded,
}

/// What stands before each frame.
const LENGTH: usize = 4;
/// The longest frame that a peer may send; one that is longer is a stream of something else.
const MAX_FRAME: usize = 65_550;
/// Bytes that may wait for the channel.
const OUTGOING: usize = 1 << 20;
/// Bytes that are worth a write of their own while the guest runs.
const WORTH_WRITING: usize = 128 << 10;
/// Bytes that are read at once.
const INCOMING: usize = 256 << 10;

/// A channel with frames on it.
pub struct FramedChannel<C> {
    channel: C,
    checksums: Checksums,
    outgoing: Vec<u8>,
    /// How many of these bytes the channel has.
    written: usize,
    incoming: Vec<u8>,
    /// Which of these bytes were read from the channel, and are in no frame yet.
    start: usize,
    end: usize,
    /// Why nothing goes over it any more, and whether just the channel has come to its end.
    failure: Option<String>,
    closed: bool,
    /// Whether a frame went over it since it was last asked.
    active: bool,
}

impl<C: Channel> FramedChannel<C> {
    /// Nothing has been read of the channel, or written to it.
    pub fn new(channel: C, checksums: Checksums) -> Self {
        Self {
            channel,
            checksums,
            outgoing: Vec::new(),
            written: 0,
            incoming: vec![0; INCOMING],
            start: 0,
            end: 0,
            failure: None,
            closed: false,
            active: false,
        }
    }

    /// The bytes' way.
    pub fn channel(&self) -> &C {
        &self.channel
    }

    /// The same.
    pub fn channel_mut(&mut self) -> &mut C {
        &mut self.channel
    }

    /// Begins anew, on a channel that does.
    pub fn renew(&mut self) {
        self.outgoing.clear();
        (self.written, self.start, self.end) = (0, 0, 0);
        self.failure = None;
        self.closed = false;
    }

    /// Whether its other end is gone, without anything wrong before that.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Why nothing goes over it any more, for people.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Whether a frame went over it since the last call.
    pub fn take_active(&mut self) -> bool {
        core::mem::take(&mut self.active)
    }

    /// Whether a frame would be lost, because too much waits for the channel.
    pub fn is_full(&self) -> bool {
        self.failure.is_none() && self.waiting() + LENGTH + MAX_FRAME > OUTGOING
    }

    /// Whether bytes wait for the channel.
    pub fn is_sending(&self) -> bool {
        self.failure.is_none() && self.waiting() > 0
    }

    fn waiting(&self) -> usize {
        self.outgoing.len() - self.written
    }

    /// Sends a frame, or keeps it until the channel takes it.
    pub fn send(&mut self, frame: &[u8], state: Checksum) {
        if self.failure.is_some() || self.is_full() || frame.len() > MAX_FRAME {
            return;
        }
        self.active = true;
        let begin = self.outgoing.len() + LENGTH;
        self.outgoing.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        self.outgoing.extend_from_slice(frame);
        let frame = &mut self.outgoing[begin..];
        match (self.checksums, state) {
            (Checksums::Offloaded, _) | (_, Checksum::Present) => {}
            (Checksums::Present, Checksum::Valid) => checksum::fill(frame),
            (Checksums::Present, Checksum::Partial { start, offset }) => {
                checksum::complete(frame, start, offset);
            }
        }
        if self.waiting() >= WORTH_WRITING {
            self.flush();
        }
    }

    /// Writes what waits, as far as the channel takes it.
    pub fn flush(&mut self) {
        while self.is_sending() {
            match self.channel.write(&self.outgoing[self.written..]) {
                Transfer::Moved(count) => self.written += count,
                Transfer::Blocked => break,
                Transfer::End | Transfer::Broken => self.fail_channel("the connection is broken"),
            }
        }
        if self.waiting() == 0 || self.written >= OUTGOING {
            self.outgoing.drain(..self.written);
            self.written = 0;
        }
    }

    /// The next frame, appended to `frame`, and what is known of its checksum.
    pub fn receive(&mut self, frame: &mut Vec<u8>) -> Option<Checksum> {
        let bytes = loop {
            if let Some(bytes) = self.next_frame() {
                break bytes;
            }
            if !self.fill() {
                return None;
            }
        };
        self.active = true;
        let bytes = &self.incoming[bytes];
        frame.extend_from_slice(bytes);
        // Summed up here, it does not have to be in the guest, where that takes 20 times as long.
        let is_valid = self.checksums == Checksums::Offloaded || checksum::is_valid(bytes);
        Some(if is_valid { Checksum::Valid } else { Checksum::Present })
    }

    /// Whether a frame that was read waits to be received.
    pub fn has_frame(&self) -> bool {
        let read = &self.incoming[self.start..self.end];
        let length = read.first_chunk().map(|length| u32::from_be_bytes(*length) as usize);
        length.is_some_and(|length| self.failure.is_none() && read.len() >= LENGTH + length)
    }

    /// Where the next frame is, if all of it has been read.
    fn next_frame(&mut self) -> Option<core::ops::Range<usize>> {
        let read = &self.incoming[self.start..self.end];
        let (length, rest) = read.split_first_chunk::<LENGTH>()?;
        let length = u32::from_be_bytes(*length) as usize;
        if length == 0 || length > MAX_FRAME {
            self.fail(&format!("what comes is not frames: one of {length} bytes"));
            return None;
        }
        if rest.len() < length {
            return None;
        }
        let begin = self.start + LENGTH;
        self.start = begin + length;
        Some(begin..self.start)
    }

    /// Reads more; returns whether there was any.
    fn fill(&mut self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        if self.start == self.end || self.incoming.len() - self.end < LENGTH + MAX_FRAME {
            self.incoming.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        match self.channel.read(&mut self.incoming[self.end..]) {
            Transfer::Moved(count) => {
                self.end += count;
                true
            }
            Transfer::Blocked => false,
            Transfer::End => {
                self.fail_channel("its other end has closed it");
                false
            }
            Transfer::Broken => {
                self.fail_channel("the connection is broken");
                false
            }
        }
    }

    /// With the channel's own reason, if it has one.
    fn fail_channel(&mut self, otherwise: &str) {
        self.closed = self.channel.failure().is_none() && self.failure.is_none();
        let reason = self.channel.failure().unwrap_or(otherwise).to_string();
        self.fail(&reason);
    }

    fn fail(&mut self, reason: &str) {
        self.failure.get_or_insert_with(|| reason.to_string());
    }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
