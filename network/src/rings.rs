//! Bytes in both directions between two processes of one host that share a directory and nothing
//! else: a module, which has files but no sockets, and a helper, which has both.
//!
//! There are two files, each written by one side only: [`GUEST_FILE`] by the guest's, [`HOST_FILE`]
//! by the helper. Numbers are little endian.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 7 | `c2wring` |
//! | 7 | 1 | version, 1 |
//! | 8 | 8 | generation: random, of this start of the writer; not 0 |
//! | 16 | 8 | answers: the other side's generation with which the writer is connected, or 0 |
//! | 24 | 8 | written: how many bytes the writer has put into this file's ring |
//! | 32 | 8 | read: how many bytes it has taken out of the other file's ring |
//! | 40 | 8 | state: 1 connecting, 2 connected, 3 closed |
//! | 48 | 8 | 0 |
//! | 56 | 8 | check: FNV-1a (64 bits) of bytes 0 to 55 |
//! | 4096 | [`RING`] | the ring: byte n of the connection is at 4096 + n % [`RING`] |
//!
//! A header is written at once, after the bytes that it announces. One whose check is wrong is half
//! written: it is not news, and the reader looks again later. A connection is made in three steps:
//!
//! 1. The guest writes a header: connecting, answers 0, written 0, read 0.
//! 2. The helper finds a generation that it has not answered in state connecting, and answers it:
//!    connected, written 0, read 0. It ignores a file that is in another state, as one that
//!    somebody has left behind. Until then its own header says connecting, answers 0.
//! 3. The guest finds its generation answered, and answers: connected.
//!
//! Nobody writes into a ring before the other side's header answers: until then somebody may still
//! read what an earlier connection has left there. A side has room for [`RING`] bytes more than the
//! other has read. Its connection ends when the other side is closed, or when the other's header is
//! of another generation or answers another: one of the two has started anew. What was announced
//! before can be read then. A guest's header of another generation that does not say connecting is not
//! news to the helper: a guest that was replaced has written it before it saw that.
//!
//! What this asks of its host: that a read which sees a header sees the bytes that were written
//! before it, which is so for the processes of one kernel, but not over a network file system. And
//! that there is one guest and one helper at a time: two helpers that live at once write to one file,
//! and so do two guests until the older one has seen that it was replaced. Nobody is told when a process dies without
//! [`Rings::close`].

mod header;
#[cfg(test)]
mod tests;

use crate::framing::Channel;
use crate::sockets::Transfer;
use alloc::string::{String, ToString};
use core::ops::Range;
use header::{Header, State};

/// The name of the file that the guest's side writes.
pub const GUEST_FILE: &str = "guest.ring";
/// The name of the file that the helper writes.
pub const HOST_FILE: &str = "host.ring";
/// How many bytes may be on their way in one direction.
pub const RING: u64 = 1 << 20;
/// Where the ring begins in a file.
const DATA: u64 = 4096;
/// After how many bytes the other side is told that there is room for more, while others are there
/// to read: a header for each of many small reads would cost more than the reads.
const ANNOUNCE: u64 = RING / 4;

/// Whether a file that begins so is one of a ring, of whatever version.
pub fn is_ring_file(beginning: &[u8]) -> bool {
    beginning.starts_with(header::NAME)
}

/// A file of the shared directory. Errors are reasons for people.
pub trait RingFile {
    /// Reads at an offset; fewer bytes only at the file's end.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String>;

    /// Writes all of the bytes at an offset.
    ///
    /// # Errors
    /// When they cannot be written, or not all of them.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String>;
}

/// One end of the channel. Nothing here waits: between two attempts, the caller does.
pub struct Rings<F> {
    own: F,
    peer: F,
    side: Side,
    link: Link,
    /// Of this start of this side.
    generation: u64,
    /// The generation of the other side that this one has answered last; 0 for none.
    partner: u64,
    /// The other side's header as it was last read.
    seen: [u8; header::LENGTH],
    /// Bytes that were put into the own ring, and how many of them the other side has taken, as far
    /// as is known.
    written: u64,
    written_read: u64,
    /// Bytes that the other side is known to have put into its ring, how many of them were taken,
    /// and of how many of those it has been told.
    arrived: u64,
    taken: u64,
    announced: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Guest,
    Helper,
}

enum Link {
    /// The guest is not answered yet, or the helper has no guest.
    Waiting,
    /// The helper has answered; the guest has not seen it yet.
    Answered,
    Connected,
    Ended(Ending),
}

enum Ending {
    /// By [`Rings::close`], of this side or the other.
    Closed,
    /// One of the two sides has started anew.
    Replaced,
    Broken(String),
}

impl<F: RingFile> Rings<F> {
    /// The guest's end, which connects as soon as there is a helper. `generation` is random.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn join(own: F, peer: F, generation: u64) -> Result<Self, String> {
        Self::start(own, peer, generation, Side::Guest)
    }

    /// The helper's end, for one guest after another: see [`Self::accept`]. `generation` is random.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn listen(own: F, peer: F, generation: u64) -> Result<Self, String> {
        Self::start(own, peer, generation, Side::Helper)
    }

    fn start(own: F, peer: F, generation: u64, side: Side) -> Result<Self, String> {
        let mut rings = Self {
            own,
            peer,
            side,
            link: Link::Waiting,
            generation: generation.max(1),
            partner: 0,
            seen: [0; header::LENGTH],
            written: 0,
            written_read: 0,
            arrived: 0,
            taken: 0,
            announced: 0,
        };
        // Replaces what an earlier start has left, so that nobody goes on with that.
        rings.put_header(State::Connecting)?;
        Ok(rings)
    }

    /// Whether there is a new guest, with which the helper is connected from now on: what an
    /// earlier one has sent and nobody has read is gone.
    ///
    /// # Errors
    /// When a file cannot be read or written, or the guest's is of another version of c2w, which is
    /// told once. The helper may try again.
    pub fn accept(&mut self) -> Result<bool, String> {
        let before = self.seen;
        match self.is_live() {
            true => self.refresh_or_break(),
            false => self.look().map(|_| ())?,
        }
        match Header::decode(&self.seen) {
            Ok(Some(guest)) if self.is_new(&guest) => self.answer(guest.generation).map(|()| true),
            Err(why) if self.seen != before => Err(why.to_string()),
            _ => Ok(false),
        }
    }

    fn is_new(&self, guest: &Header) -> bool {
        let is_known = guest.generation == self.partner;
        self.side == Side::Helper && guest.state == State::Connecting && !is_known
    }

    /// Reads into `buffer`, as [`crate::Sockets::read`] does.
    pub fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        let transfer = self.try_read(buffer);
        self.broken_if_failed(transfer)
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> Result<Transfer, String> {
        if self.unread() == 0 {
            self.refresh()?;
        }
        let count = at_most(buffer.len(), self.unread());
        if count == 0 {
            return match &self.link {
                Link::Ended(Ending::Broken(_)) => Ok(Transfer::Broken),
                Link::Ended(_) => Ok(Transfer::End),
                // Who has read all may be about to wait for the other side, which has to have room.
                _ => self.announce().map(|()| Transfer::Blocked),
            };
        }
        for (offset, range) in stretches(self.taken, count) {
            let length = range.len();
            if length > 0 && self.peer.read_at(offset, &mut buffer[range])? != length {
                return Err("the other side's file has less than it says".to_string());
            }
        }
        self.taken += count as u64;
        if self.taken - self.announced >= ANNOUNCE {
            self.announce()?;
        }
        Ok(Transfer::Moved(count))
    }

    /// Writes from `bytes`, as [`crate::Sockets::write`] does.
    pub fn write(&mut self, bytes: &[u8]) -> Transfer {
        let transfer = self.try_write(bytes);
        self.broken_if_failed(transfer)
    }

    fn try_write(&mut self, bytes: &[u8]) -> Result<Transfer, String> {
        if self.room() < bytes.len() as u64 {
            self.refresh()?;
        }
        let count = at_most(bytes.len(), self.room());
        if matches!(self.link, Link::Ended(_)) {
            return Ok(Transfer::Broken);
        }
        if count == 0 {
            return self.announce().map(|()| Transfer::Blocked);
        }
        for (offset, range) in stretches(self.written, count) {
            if !range.is_empty() {
                self.own.write_at(offset, &bytes[range])?;
            }
        }
        self.written += count as u64;
        self.put_header(State::Connected)?;
        Ok(Transfer::Moved(count))
    }

    /// Whether bytes can be written: each side has answered the other, and neither has ended it.
    pub fn is_connected(&mut self) -> bool {
        if !matches!(self.link, Link::Connected) {
            self.refresh_or_break();
        }
        matches!(self.link, Link::Connected)
    }

    /// Whether [`Self::read`], if that is wanted, or [`Self::write`] would come to something other
    /// than [`Transfer::Blocked`]. If not, the other side can go on with all that this one has
    /// read, so that the caller may wait.
    pub fn is_ready(&mut self, read: bool, write: bool) -> bool {
        let is_ready = |rings: &Self| {
            let has_ended = matches!(rings.link, Link::Ended(_));
            has_ended || read && rings.unread() > 0 || write && rings.room() > 0
        };
        if !is_ready(self) {
            let asked = self.refresh().and_then(|()| self.announce());
            self.break_if_failed(asked);
        }
        is_ready(self)
    }

    /// Whether the other side's header is another than when it was last looked at, by one read of
    /// 64 bytes; also when that fails. Bytes that are known to be there are no news: to wait for
    /// more of them, ask [`Self::is_ready`].
    pub fn has_news(&mut self) -> bool {
        let mut bytes = [0; header::LENGTH];
        self.peer.read_at(0, &mut bytes).is_err() || bytes != self.seen
    }

    /// Whether the connection is over because one of the two sides has started anew. Then a helper
    /// can accept the newer guest.
    pub fn is_replaced(&self) -> bool {
        matches!(self.link, Link::Ended(Ending::Replaced))
    }

    /// Why the connection is over, for people, when it was not closed.
    pub fn failure(&self) -> Option<&str> {
        match &self.link {
            Link::Ended(Ending::Broken(why)) => Some(why),
            Link::Ended(Ending::Replaced) => Some("the other side has started anew"),
            _ => None,
        }
    }

    /// Ends the connection in both directions. The other side can read what was written.
    pub fn close(&mut self) {
        // Where another guest has begun, the file is that one's.
        if !self.is_replaced() {
            let closed = self.put_header(State::Closed);
            if matches!(self.link, Link::Ended(Ending::Broken(_))) {
                return;
            }
            self.end(Ending::Closed);
            self.break_if_failed(closed);
        }
        self.arrived = self.taken;
    }

    /// Bytes that are known to be there.
    fn unread(&self) -> u64 {
        self.arrived - self.taken
    }

    /// How many bytes are known to have room in the own ring.
    fn room(&self) -> u64 {
        match self.link {
            Link::Connected => RING - (self.written - self.written_read),
            _ => 0,
        }
    }

    fn is_live(&self) -> bool {
        matches!(self.link, Link::Answered | Link::Connected)
    }

    /// Connects with a generation of the other side from the first byte on.
    fn answer(&mut self, generation: u64) -> Result<(), String> {
        self.partner = generation;
        self.link = Link::Answered;
        (self.written, self.written_read) = (0, 0);
        (self.arrived, self.taken, self.announced) = (0, 0, 0);
        let answered = self.put_header(State::Connected);
        if answered.is_err() {
            (self.partner, self.link) = (0, Link::Waiting);
        }
        answered
    }

    /// Tells the other side how much was read, if it does not know.
    fn announce(&mut self) -> Result<(), String> {
        match self.is_live() && self.announced != self.taken {
            true => self.put_header(State::Connected),
            false => Ok(()),
        }
    }

    fn put_header(&mut self, state: State) -> Result<(), String> {
        let (generation, answers) = (self.generation, self.partner);
        let (written, read) = (self.written, self.taken);
        self.own.write_at(0, &Header { generation, answers, written, read, state }.encode())?;
        self.announced = read;
        Ok(())
    }

    /// Reads the other side's header; returns how many bytes there are of it.
    fn look(&mut self) -> Result<usize, String> {
        let mut bytes = [0; header::LENGTH];
        let length = self.peer.read_at(0, &mut bytes)?;
        self.seen = bytes;
        Ok(length)
    }

    /// Takes the other side's news, for which there is one read at most.
    fn refresh(&mut self) -> Result<(), String> {
        match (&self.link, self.side) {
            // Guests are accepted when the caller asks for that.
            (Link::Ended(_), _) | (Link::Waiting, Side::Helper) => return Ok(()),
            _ => {}
        }
        if self.look()? < header::LENGTH && self.is_live() {
            return Err("the other side's file has been cut".to_string());
        }
        let Some(header) = Header::decode(&self.seen)? else { return Ok(()) };
        if matches!(self.link, Link::Waiting) {
            // Anything else was left by a helper, or is for another guest.
            if header.answers != self.generation {
                // A guest that is still alive may have written over the question.
                return self.put_header(State::Connecting);
            }
            self.answer(header.generation)?;
        }
        self.follow(&header)
    }

    /// Takes the news of a header while there is a connection.
    fn follow(&mut self, header: &Header) -> Result<(), String> {
        let is_unanswered = matches!(self.link, Link::Answered) && header.answers == 0;
        let is_answered = header.answers == self.generation;
        if header.generation != self.partner || !(is_answered || is_unanswered) {
            // A guest that was replaced and has not seen it yet writes over the newer one's header,
            // which that will write again.
            let is_of_the_past = self.side == Side::Helper
                && header.generation != self.partner
                && header.state != State::Connecting;
            if !is_of_the_past {
                self.end(Ending::Replaced);
            }
            return Ok(());
        }
        if is_answered && header.state == State::Connecting {
            return Err("the other side connects and is connected".to_string());
        }
        if is_unanswered && (header.state == State::Connected || header.written > 0) {
            return Err("the other side is connected with nobody".to_string());
        }
        self.count(header)?;
        if header.state == State::Closed {
            self.end(Ending::Closed);
        } else if is_answered {
            self.link = Link::Connected;
        }
        Ok(())
    }

    /// Takes the counters of a header, which the other side may have made up.
    fn count(&mut self, header: &Header) -> Result<(), String> {
        if header.written < self.arrived || header.read < self.written_read {
            return Err("the other side's counters run backwards".to_string());
        }
        // What was announced before cannot be taken back, so that neither can be less than zero.
        if header.written - self.taken > RING {
            return Err("the other side has written more than there was room for".to_string());
        }
        if header.read > self.written {
            return Err("the other side has read more than there was".to_string());
        }
        (self.arrived, self.written_read) = (header.written, header.read);
        Ok(())
    }

    fn end(&mut self, how: Ending) {
        self.link = Link::Ended(how);
    }

    fn refresh_or_break(&mut self) {
        let refreshed = self.refresh();
        self.break_if_failed(refreshed);
    }

    fn break_if_failed(&mut self, done: Result<(), String>) {
        if let Err(why) = done {
            // Of a file that is not to be trusted no more is read.
            self.arrived = self.taken;
            self.end(Ending::Broken(why));
        }
    }

    fn broken_if_failed(&mut self, transfer: Result<Transfer, String>) -> Transfer {
        transfer.unwrap_or_else(|why| {
            self.break_if_failed(Err(why));
            Transfer::Broken
        })
    }
}

fn at_most(length: usize, limit: u64) -> usize {
    length.min(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Where the bytes after the first `count` of a connection are in a file, and in the caller's
/// buffer: up to the ring's end, and on from its beginning.
fn stretches(count: u64, length: usize) -> [(u64, Range<usize>); 2] {
    let start = count % RING;
    let first = at_most(length, RING - start);
    [(DATA + start, 0..first), (DATA, first..length)]
}

impl<F: RingFile> Channel for Rings<F> {
    const POLLED: bool = true;

    fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        self.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> Transfer {
        self.write(bytes)
    }

    fn absence(&self) -> Option<&'static str> {
        matches!(self.link, Link::Waiting).then_some("no c2w net-helper answers")
    }

    fn failure(&self) -> Option<&str> {
        self.failure()
    }

    fn close(&mut self) {
        self.close();
    }
}
