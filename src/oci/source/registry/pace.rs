//! A minimum rate for an answer's body: a server that trickles bytes would hold a download for
//! ever, as one that sends none.

use reqwest::blocking::Response;
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Bytes that must come within [`WINDOW`] times the limit for silence.
const LEAST: u64 = 4096;

const WINDOW: u32 = 4;

/// A body that fails when it comes too slowly.
pub(super) struct Paced {
    body: Response,
    pace: Pace,
}

impl Paced {
    pub(super) fn new(body: Response, stall: Duration) -> Self {
        Self { body, pace: Pace::new(stall, Instant::now()) }
    }
}

impl Read for Paced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(buffer)?;
        if count > 0 && !self.pace.keeps(count as u64, Instant::now()) {
            let window = self.pace.window;
            let text = format!("less than {LEAST} bytes came within {window:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        Ok(count)
    }
}

struct Pace {
    window: Duration,
    start: Instant,
    bytes: u64,
}

impl Pace {
    fn new(stall: Duration, now: Instant) -> Self {
        Self { window: stall.saturating_mul(WINDOW), start: now, bytes: 0 }
    }

    /// Whether this many bytes more are in time.
    fn keeps(&mut self, bytes: u64, now: Instant) -> bool {
        self.bytes += bytes;
        if self.bytes >= LEAST {
            (self.start, self.bytes) = (now, 0);
        }
        now.duration_since(self.start) < self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_is_allowed_and_too_slow_is_not() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::new(Duration::from_secs(30), start);
        assert!(pace.keeps(4000, after(119)));
        assert!(pace.keeps(96, after(1000)));
        assert!(pace.keeps(1, after(1119)));
        assert!(!pace.keeps(1, after(1120)));
    }
}
