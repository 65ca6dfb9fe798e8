//! What the container's connections have still to send when it has ended. Its sockets are the kernel's
//! then (orphans, tcp(7)), which sends on by itself; a machine that was switched off would not.

use crate::failure::{OrFail, Result};
use rustix::event::Timespec;
use std::fs;
use std::time::{Duration, Instant};

/// How long that may take, if a peer takes no more.
const LIMIT: Duration = Duration::from_secs(10);
/// The first pause before it is looked at again; each is twice as long as the last one.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Waits for the kernel to send what there is.
pub struct Connections {
    limit: Instant,
    pause: Duration,
}

impl Connections {
    /// From now on, when the container has ended.
    pub fn new() -> Self {
        Self { limit: Instant::now() + LIMIT, pause: FIRST_PAUSE }
    }

    /// How long to wait before this is asked again, or `None` when nothing is to be waited for.
    pub fn pause(&mut self) -> Result<Option<Timespec>> {
        if orphans()? == 0 || Instant::now() >= self.limit {
            return Ok(None);
        }
        let pause = self.pause;
        self.pause = (2 * pause).min(LONGEST_PAUSE);
        Ok(Timespec::try_from(pause).ok())
    }
}

/// How many sockets have bytes that the other side has not acknowledged, and no process.
fn orphans() -> Result<u64> {
    let statistics = fs::read_to_string("/proc/net/sockstat").or_fail("counting connections")?;
    Ok(parse(&statistics))
}

fn parse(statistics: &str) -> u64 {
    let line = statistics.lines().find_map(|line| line.strip_prefix("TCP: ")).unwrap_or_default();
    let mut words = line.split(' ').skip_while(|word| *word != "orphan");
    words.nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orphans_are_counted() {
        let statistics =
            "sockets: used 5\nTCP: inuse 3 orphan 2 tw 1 alloc 4 mem 5\nUDP: inuse 0 mem 0\n";
        assert_eq!(parse(statistics), 2);
        assert_eq!(parse(""), 0);
    }
}
