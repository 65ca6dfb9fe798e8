//! Carries bytes from one non-blocking descriptor to another, in order, and loses none when the
//! sink is full.
//!
//! Between a port and a pipe the kernel does that by itself (kernel/patches); only the ends of such
//! a stream are handled here.

use crate::failure::{OrFail, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use rustix::pipe::{SpliceFlags, splice};
use std::os::fd::{AsRawFd, OwnedFd};

/// More than any pipe holds.
const SPLICE_BYTES: usize = 1 << 20;
/// More than a terminal has at once.
const BUFFER_BYTES: usize = 16 << 10;

/// One direction of a stream.
pub struct Copy {
    /// Where bytes come from.
    pub source: OwnedFd,
    /// Where they go.
    pub sink: OwnedFd,
    /// What was read and not yet written; `None` when the kernel moves the bytes.
    buffer: Option<Buffer>,
    /// Whether the kernel moves bytes without being asked.
    pub relayed: bool,
}

struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

/// Why a copy does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The source is empty or the sink full, at the moment.
    Waiting,
    /// The source is at its end and everything has been passed on.
    SourceEnded,
    /// The sink has lost its reader.
    SinkGone,
}

impl Copy {
    /// From a port to a pipe, both non-blocking.
    pub fn from_port(port: OwnedFd, pipe: OwnedFd) -> Result<Self> {
        relay(&port, &pipe)?;
        Ok(Self { relayed: true, ..Self::by_splice(port, pipe) })
    }

    /// From a pipe to a port, both non-blocking.
    pub fn to_port(pipe: OwnedFd, port: OwnedFd) -> Result<Self> {
        relay(&port, &pipe)?;
        Ok(Self { relayed: true, ..Self::by_splice(pipe, port) })
    }

    /// By splice(2), where pages change hands: one side at least is a pipe.
    fn by_splice(source: OwnedFd, sink: OwnedFd) -> Self {
        Self { source, sink, buffer: None, relayed: false }
    }

    /// A copy by read(2) and write(2), for a terminal. Both sides must be non-blocking.
    pub fn by_buffer(source: OwnedFd, sink: OwnedFd) -> Self {
        let bytes = vec![0; BUFFER_BYTES].into_boxed_slice();
        let buffer = Some(Buffer { bytes, start: 0, end: 0 });
        Self { source, sink, buffer, relayed: false }
    }

    /// Moves all that the source has and the sink takes.
    pub fn advance(&mut self) -> Progress {
        loop {
            let moved = match &mut self.buffer {
                None => splice(
                    &self.source,
                    None,
                    &self.sink,
                    None,
                    SPLICE_BYTES,
                    SpliceFlags::NONBLOCK,
                ),
                Some(buffer) => buffer.advance(&self.source, &self.sink),
            };
            match moved {
                Ok(0) => return Progress::SourceEnded,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Progress::Waiting,
                Err(Errno::PIPE) => return Progress::SinkGone,
                // The master of a terminal fails with EIO once no process has it open.
                Err(_) => return Progress::SourceEnded,
            }
        }
    }

    /// Whether nothing is left to pass on, of a copy that is [`Progress::Waiting`].
    pub fn is_drained(&self) -> bool {
        if self.buffer.as_ref().is_some_and(|buffer| buffer.start < buffer.end) {
            return false;
        }
        let mut source = [PollFd::new(&self.source, PollFlags::IN)];
        let ready = poll(&mut source, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        !(ready == Ok(1) && source[0].revents().contains(PollFlags::IN))
    }
}

/// Lets the kernel carry bytes between `port` and `pipe`, as long as `port` is open.
#[allow(unsafe_code)]
fn relay(port: &OwnedFd, pipe: &OwnedFd) -> Result<()> {
    /// `VPORT_IOC_RELAY`, of our virtio_console alone.
    const RELAY: libc::Ioctl = 0x4004_7600_u32 as libc::Ioctl;
    // SAFETY: the argument is a number, and both descriptors are open.
    match unsafe { libc::ioctl(port.as_raw_fd(), RELAY, pipe.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).or_fail("joining a port and a pipe"),
    }
}

impl Buffer {
    /// Writes what waits, or else reads and writes once.
    fn advance(&mut self, source: &OwnedFd, sink: &OwnedFd) -> rustix::io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, read(source, &mut self.bytes[..])?);
            if self.end == 0 {
                return Ok(0);
            }
        }
        let written = match write(sink, &self.bytes[self.start..self.end]) {
            Err(Errno::AGAIN) => return Err(Errno::AGAIN),
            Err(Errno::INTR) => return Err(Errno::INTR),
            // A terminal fails with EIO.
            Err(_) => return Err(Errno::PIPE),
            Ok(written) => written,
        };
        self.start += written;
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

    type Way = fn(OwnedFd, OwnedFd) -> Copy;
    const WAYS: [Way; 2] = [Copy::by_splice, Copy::by_buffer];

    fn pipe() -> (OwnedFd, OwnedFd) {
        pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap()
    }

    #[test]
    fn a_full_sink_loses_nothing() {
        for way in WAYS {
            let (source, feed) = pipe();
            let (drain, sink) = pipe();
            fcntl_setpipe_size(&sink, 4096).unwrap();
            let sent: Vec<u8> = (0..20_000u32).map(|n| n as u8).collect();
            assert_eq!(write(&feed, &sent).unwrap(), sent.len());
            drop(feed);
            let mut copy = way(source, sink);
            let mut got = Vec::new();
            let mut bytes = [0; 1000];
            assert_eq!(copy.advance(), Progress::Waiting);
            assert!(!copy.is_drained());
            let mut ended = false;
            while !ended {
                ended = copy.advance() == Progress::SourceEnded;
                while let Ok(count @ 1..) = read(&drain, &mut bytes) {
                    got.extend_from_slice(&bytes[..count]);
                }
            }
            assert_eq!(got, sent);
        }
    }

    #[test]
    fn an_empty_source_is_drained_and_a_lost_reader_is_told() {
        for way in WAYS {
            let (source, feed) = pipe();
            let (drain, sink) = pipe();
            let mut copy = way(source, sink);
            assert_eq!(copy.advance(), Progress::Waiting);
            assert!(copy.is_drained());
            write(&feed, b"x").unwrap();
            assert_eq!(copy.advance(), Progress::Waiting);
            assert_eq!(read(&drain, &mut [0; 9]), Ok(1));
            drop(drain);
            write(&feed, b"x").unwrap();
            assert_eq!(copy.advance(), Progress::SinkGone);
        }
    }
}
