//! Bytes from one non-blocking descriptor to another, in order, none lost when the sink is full.
//!
//! Read and write, not splice(2): a port cannot be spliced from, and splicing to one drops what
//! does not fit into its queue.

use rustix::io::{Errno, read, write};
use std::os::fd::OwnedFd;

/// A pipe's capacity.
const BUFFER_BYTES: usize = 64 << 10;

/// One direction of a stream.
pub struct Copy {
    /// Where bytes come from.
    pub source: OwnedFd,
    /// Where they go.
    pub sink: OwnedFd,
    /// Whether bytes wait because the sink is full.
    pub blocked: bool,
    /// Which side the event loop watches; it keeps this up to date.
    pub watching_sink: bool,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// How far one step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Bytes went through; there may be more.
    More,
    /// The source has none at the moment.
    Idle,
    /// The sink is full.
    Blocked,
    /// The source is at its end and everything has been passed on.
    SourceEnded,
    /// Nobody takes the bytes any more.
    SinkGone,
}

impl Copy {
    /// Both descriptors must be non-blocking.
    pub fn new(source: OwnedFd, sink: OwnedFd) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { source, sink, blocked: false, watching_sink: false, buffer, start: 0, end: 0 }
    }

    /// One round: what waits goes out, then one read and its write.
    pub fn advance(&mut self) -> Progress {
        match self.flush() {
            Progress::Idle => {}
            stuck => return stuck,
        }
        loop {
            match read(&self.source, &mut self.buffer[..]) {
                Ok(0) => return Progress::SourceEnded,
                Ok(count) => {
                    (self.start, self.end) = (0, count);
                    return match self.flush() {
                        Progress::Idle => Progress::More,
                        stuck => stuck,
                    };
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Progress::Idle,
                // The master of a terminal that nobody has open any more fails with EIO.
                Err(_) => return Progress::SourceEnded,
            }
        }
    }

    /// Writes what waits: [`Progress::Idle`] when nothing is left.
    pub fn flush(&mut self) -> Progress {
        self.blocked = false;
        while self.start < self.end {
            match write(&self.sink, &self.buffer[self.start..self.end]) {
                Ok(count) => self.start += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.blocked = true;
                    return Progress::Blocked;
                }
                Err(_) => return Progress::SinkGone,
            }
        }
        Progress::Idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

    fn pipe() -> (OwnedFd, OwnedFd) {
        pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap()
    }

    #[test]
    fn a_full_sink_loses_nothing() {
        let (source, feed) = pipe();
        let (drain, sink) = pipe();
        fcntl_setpipe_size(&sink, 4096).unwrap();
        let sent: Vec<u8> = (0..20_000u32).map(|n| n as u8).collect();
        assert_eq!(write(&feed, &sent).unwrap(), sent.len());
        drop(feed);
        let mut copy = Copy::new(source, sink);
        let mut got = Vec::new();
        let mut bytes = [0; 1000];
        assert_eq!(copy.advance(), Progress::Blocked);
        assert!(copy.blocked);
        let mut ended = false;
        while !ended {
            ended = copy.advance() == Progress::SourceEnded;
            while let Ok(count) = read(&drain, &mut bytes) {
                got.extend_from_slice(&bytes[..count]);
            }
        }
        assert_eq!(got, sent);
    }

    #[test]
    fn an_empty_source_is_idle_and_a_lost_reader_is_told() {
        let (source, feed) = pipe();
        let (drain, sink) = pipe();
        let mut copy = Copy::new(source, sink);
        assert_eq!(copy.advance(), Progress::Idle);
        write(&feed, b"x").unwrap();
        assert_eq!(copy.advance(), Progress::More);
        drop(drain);
        write(&feed, b"x").unwrap();
        assert_eq!(copy.advance(), Progress::SinkGone);
    }
}
