//! The example image's machine in a world that the test rules.

use c2w::convert::{self, Options, Prepared};
use c2w::timing::Timing;
use c2w_guest_abi::Stream;
use c2w_session::{Closed, Session, SessionHost};

/// The wall clock when the machine was made, in nanoseconds since 1970.
pub const EPOCH: u64 = 1_700_000_000_000_000_000;

/// A world whose clock moves by a microsecond whenever somebody looks; waits are the test's to add.
#[derive(Default)]
pub struct World {
    /// Nanoseconds since the machine was made.
    pub now: u64,
    /// What the container wrote, to either stream.
    pub output: Vec<u8>,
}

impl SessionHost for World {
    fn monotonic_ns(&mut self) -> u64 {
        self.now += 1000;
        self.now
    }
    fn realtime_ns(&mut self) -> u64 {
        EPOCH + self.now
    }
    fn entropy(&mut self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
    fn output(&mut self, _: Stream, bytes: &[u8]) -> Result<(), Closed> {
        self.output.extend_from_slice(bytes);
        Ok(())
    }
}

/// A machine whose container waits for its command.
pub fn booted() -> Session {
    prepared().session
}

/// The same with what it was made of.
pub fn prepared() -> Prepared {
    let options = Options { memory_mib: 128, ..Options::default() };
    let image = "oci:examples/busybox".parse().unwrap();
    convert::prepare(&image, &options, &mut Timing::start()).unwrap()
}
