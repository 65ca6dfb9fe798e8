//! What a session needs from its surroundings, and how the machine's ports map to it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_emulator::{Host, PortId};
use c2w_guest_abi::{Stream, frame, port};

/// The console ports, in the order of their [`PortId`].
pub const PORTS: [&str; 4] = [port::CONTROL, port::STDIN, port::STDOUT, port::STDERR];
pub const CONTROL: PortId = 0;
pub const STDIN: PortId = 1;
const STDOUT: PortId = 2;
const STDERR: PortId = 3;

/// How much the guest may say on the control port before it is heard: one longest message.
const CONTROL_ROOM: usize = 4 + frame::MAX_MESSAGE;
/// How much of the kernel's console is kept for an error message, in bytes.
const CONSOLE_TAIL: usize = 4096;

/// Why an output takes nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Nobody reads it any more: no error, as it is none for a pipe's writer.
    ReaderGone,
    /// It cannot be written, for this reason.
    Failed(String),
}

/// The surroundings of a session.
pub trait Outside {
    /// A monotonic clock in nanoseconds.
    fn monotonic_ns(&mut self) -> u64;

    /// The wall clock: nanoseconds since 1970-01-01T00:00:00Z.
    fn realtime_ns(&mut self) -> u64;

    /// Fills `buffer` with random bytes.
    fn entropy(&mut self, buffer: &mut [u8]);

    /// Writes all of the command's output.
    ///
    /// # Errors
    /// [`Closed`] when that cannot be done; nothing more of this stream is asked for then.
    fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Closed>;

    /// Shows what the guest kernel says on its console: of a boot, and of a run that was asked to.
    fn kernel_log(&mut self, _bytes: &[u8]) {}

    /// Hears that a part of the boot is done, `steps` after the machine's first instruction.
    fn boot_part(&mut self, _part: BootPart, _steps: u64) {}
}

/// The parts of a boot, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootPart {
    /// From the first instruction until PID 1 speaks.
    Kernel,
    /// The container's root and files.
    Root,
    /// The container runtime and the agent that it starts.
    Container,
    /// From there to the moment of the snapshot.
    Rest,
}

/// What came out of the machine during one call of it.
#[derive(Default)]
pub struct Outbox {
    /// Bytes of the control port.
    pub control: Vec<u8>,
    /// So many bytes were said on the control port at once, more than there is room for.
    pub control_overflow: Option<usize>,
    /// Outputs that turned out to be closed: what comes for them is dropped.
    pub closed: Vec<Stream>,
    /// What is to be said of streams that failed.
    pub failures: Vec<String>,
    /// The end of the kernel's console output.
    pub console_tail: Vec<u8>,
    /// Whether nobody wants to see that output as it comes.
    pub console_hidden: bool,
}

impl Outbox {
    fn take_control(&mut self, bytes: &[u8]) {
        let said = self.control_overflow.unwrap_or(self.control.len()).saturating_add(bytes.len());
        if said > CONTROL_ROOM {
            self.control_overflow = Some(said);
        } else {
            self.control.extend_from_slice(bytes);
        }
    }

    fn close(&mut self, stream: Stream, why: Closed) {
        self.closed.push(stream);
        if let Closed::Failed(reason) = why {
            let name = match stream {
                Stream::Stdout => "output",
                Stream::Stderr => "error",
            };
            self.failures.push(format!("cannot write standard {name}: {reason}"));
        }
    }
}

/// The machine's [`Host`] for as long as one call runs.
pub struct Ports<'a> {
    pub outside: &'a mut dyn Outside,
    pub outbox: &'a mut Outbox,
}

impl Host for Ports<'_> {
    fn monotonic_ns(&mut self) -> u64 {
        self.outside.monotonic_ns()
    }

    fn realtime_ns(&mut self) -> u64 {
        self.outside.realtime_ns()
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        self.outside.entropy(buffer);
    }

    fn port_output(&mut self, port: PortId, bytes: &[u8]) {
        let stream = match port {
            CONTROL => return self.outbox.take_control(bytes),
            STDOUT => Stream::Stdout,
            STDERR => Stream::Stderr,
            _ => return,
        };
        if self.outbox.closed.contains(&stream) {
            return;
        }
        if let Err(why) = self.outside.output(stream, bytes) {
            self.outbox.close(stream, why);
        }
    }

    fn debug_output(&mut self, bytes: &[u8]) {
        if !self.outbox.console_hidden {
            self.outside.kernel_log(bytes);
        }
        let tail = &mut self.outbox.console_tail;
        tail.extend_from_slice(bytes);
        tail.drain(..tail.len().saturating_sub(CONSOLE_TAIL));
    }
}
