//! What a session needs from its host, and how the machine's ports map to it.

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

/// Most bytes that the guest may write to the control port before they are decoded: one message of
/// the greatest length.
const CONTROL_ROOM: usize = 4 + frame::MAX_MESSAGE;
/// How much of the kernel's console is kept for an error message, in bytes.
const CONSOLE_TAIL: usize = 4096;

/// Why an output takes no more bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Nobody reads it any more. That is not an error, as it is not for the writer of a pipe.
    ReaderGone,
    /// It cannot be written, for this reason.
    Failed(String),
}

/// What a session is given by the program that it runs in.
pub trait SessionHost {
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

    /// Shows what the guest kernel writes to its console: of a boot, and of a run with `--debug`.
    fn kernel_log(&mut self, _bytes: &[u8]) {}

    /// A part of the boot is done, `steps` after the machine's first instruction.
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

/// What one call of the machine has written, for the session to act on after it.
#[derive(Default)]
pub struct Captured {
    /// Bytes of the control port.
    pub control: Vec<u8>,
    /// The bytes that were written to the control port at once, if that was more than
    /// [`CONTROL_ROOM`].
    pub control_overflow: Option<usize>,
    /// Outputs that turned out to be closed: what comes for them is dropped.
    pub closed: Vec<Stream>,
    /// Messages about streams that failed.
    pub failures: Vec<String>,
    /// The end of the kernel's console output.
    pub console_tail: Vec<u8>,
    /// Whether that output is kept from [`SessionHost::kernel_log`].
    pub console_hidden: bool,
}

impl Captured {
    fn take_control(&mut self, bytes: &[u8]) {
        let length =
            self.control_overflow.unwrap_or(self.control.len()).saturating_add(bytes.len());
        if length > CONTROL_ROOM {
            self.control_overflow = Some(length);
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
    pub host: &'a mut dyn SessionHost,
    pub captured: &'a mut Captured,
}

impl Host for Ports<'_> {
    fn monotonic_ns(&mut self) -> u64 {
        self.host.monotonic_ns()
    }

    fn realtime_ns(&mut self) -> u64 {
        self.host.realtime_ns()
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        self.host.entropy(buffer);
    }

    fn port_output(&mut self, port: PortId, bytes: &[u8]) {
        let stream = match port {
            CONTROL => return self.captured.take_control(bytes),
            STDOUT => Stream::Stdout,
            STDERR => Stream::Stderr,
            _ => return,
        };
        if self.captured.closed.contains(&stream) {
            return;
        }
        if let Err(why) = self.host.output(stream, bytes) {
            self.captured.close(stream, why);
        }
    }

    fn debug_output(&mut self, bytes: &[u8]) {
        if !self.captured.console_hidden {
            self.host.kernel_log(bytes);
        }
        let tail = &mut self.captured.console_tail;
        tail.extend_from_slice(bytes);
        tail.drain(..tail.len().saturating_sub(CONSOLE_TAIL));
    }
}
