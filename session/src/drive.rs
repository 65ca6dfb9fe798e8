//! The loop around a command: runs the machine in slices, passes standard input on between them,
//! and waits while the guest does. All front ends share it; what differs is a [`RunHost`].
//!
//! ```text
//! Runner::run_to_end   run_slice, pass_input, handle_signals, run_slice ...; it may block
//! an event loop        pass_input with no time to wait, run_slice, and back to the loop: the
//!                      returned RunState says what to wait for, and nothing here blocks
//! ```

use crate::host::SessionHost;
use crate::session::{Session, Step};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use c2w_guest_abi::Notice;

/// Instructions between two checks of standard input: a few milliseconds.
const SLICE: u64 = 1 << 21;
/// Most bytes of standard input read at once.
const INPUT_CHUNK: usize = 256 << 10;
/// How long bytes are waited for that a container had sent at its end, in nanoseconds.
pub const SEND_LIMIT: u64 = 10_000_000_000;
/// Do not wait.
const NO_TIME: Option<u64> = Some(0);

/// What a command does after a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// There is more to execute.
    Running,
    /// The guest has nothing to do.
    Waiting {
        /// Whether standard input would change that.
        input: bool,
        /// Nanoseconds until the guest's timer would, if it has set one.
        timer: Option<u64>,
    },
    /// The command ended with this status, or could not be run, which was shown.
    Finished(u8),
}

/// What [`RunHost::wait`] waits for. Times are in nanoseconds; `None` is without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Whether standard input is wanted.
    pub input: bool,
    /// The longest to wait.
    pub timeout: Option<u64>,
    /// Time to the guest's next timer. It exceeds `timeout` if the caller's event loop does the
    /// waiting.
    pub idle: Option<u64>,
}

/// What came of an attempt to read standard input.
pub enum Input {
    /// This many bytes, at least one.
    Bytes(usize),
    /// Its end, or there is no standard input.
    End,
    /// It cannot be read, for this reason.
    Failed(String),
    /// Nothing at the moment.
    Nothing,
}

/// What a run needs of its host beside what its [`Session`] does.
pub trait RunHost: SessionHost {
    /// Why a wait is impossible.
    type Error;

    /// Shows one line from c2w itself, without its end.
    fn show(&mut self, message: &str);

    /// Waits until standard input can be read, if that is wanted, or something else is to be done,
    /// or the time is over. Returns whether to read standard input.
    ///
    /// # Errors
    /// When this host cannot wait.
    fn wait(&mut self, wait: Wait) -> Result<bool, Self::Error>;

    /// Reads standard input into `buffer`, which is not empty.
    fn read(&mut self, buffer: &mut [u8]) -> Input;

    /// Moves what the container's network has between the machine and this host, without waiting.
    /// Returns whether the guest has something to do because of it.
    fn exchange_packets(&mut self, _session: &mut Session) -> bool {
        false
    }

    /// Whether bytes that the container has sent are still on their way.
    fn has_unsent(&mut self) -> bool {
        false
    }

    /// What to show about something that happened in the container.
    fn text(&self, notice: Notice) -> &'static str {
        notice.text()
    }

    /// Passes on the signals that have come since the last call; returns whether one of them was to
    /// end the command.
    fn handle_signals(&mut self, _session: &mut Session) -> bool {
        false
    }
}

/// A command that was started.
pub struct Runner {
    session: Session,
    state: RunState,
    buffer: Vec<u8>,
}

impl Runner {
    /// Of a session whose command was started.
    pub fn new(session: Session) -> Self {
        Self { session, state: RunState::Running, buffer: vec![0; INPUT_CHUNK] }
    }

    /// The machine and its container.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What the command does, as of the last slice.
    pub fn state(&self) -> RunState {
        self.state
    }

    /// Runs to the end of the command; returns its exit status.
    ///
    /// # Errors
    /// When the host cannot wait.
    pub fn run_to_end<H: RunHost>(&mut self, host: &mut H) -> Result<u8, H::Error> {
        loop {
            if let RunState::Finished(status) = self.run_slice(SLICE, host) {
                self.send_rest(host)?;
                return Ok(status);
            }
            let moved = self.exchange_packets(host);
            self.pass_input(if moved { NO_TIME } else { self.idle() }, host)?;
            host.handle_signals(&mut self.session);
        }
    }

    /// Waits for a while until what the container had sent has left. The machine ends with the
    /// command; a kernel that goes on would send it.
    fn send_rest<H: RunHost>(&mut self, host: &mut H) -> Result<(), H::Error> {
        let end = host.monotonic_ns().saturating_add(SEND_LIMIT);
        loop {
            host.exchange_packets(&mut self.session);
            let left = end.saturating_sub(host.monotonic_ns());
            if left == 0 || !host.has_unsent() {
                return Ok(());
            }
            host.wait(Wait { input: false, timeout: Some(left), idle: Some(left) })?;
            // Who sends one does not want to wait.
            if host.handle_signals(&mut self.session) {
                return Ok(());
            }
        }
    }

    /// Runs about `budget` instructions, or until the guest waits.
    pub fn run_slice(&mut self, budget: u64, host: &mut impl RunHost) -> RunState {
        self.state = match self.session.run(budget, host) {
            Step::Running | Step::Hello | Step::Reached(_) | Step::Ready => RunState::Running,
            Step::Idle(timer) => RunState::Waiting { input: self.session.stdin_room() > 0, timer },
            Step::Notice(notice) => {
                host.show(host.text(notice));
                RunState::Running
            }
            Step::StreamFailed(failure) => {
                host.show(&failure);
                RunState::Running
            }
            Step::Exited(status) => RunState::Finished(status),
            Step::Failed(failure) => {
                host.show(&failure.message);
                RunState::Finished(failure.status)
            }
        };
        self.state
    }

    /// Moves what the container's network has, without waiting. Returns whether the guest has something
    /// to do because of it.
    pub fn exchange_packets(&mut self, host: &mut impl RunHost) -> bool {
        host.exchange_packets(&mut self.session)
    }

    /// Passes standard input on if there is any, waiting at most `timeout` nanoseconds for it, or
    /// without limit.
    ///
    /// # Errors
    /// When the host cannot wait.
    pub fn pass_input<H: RunHost>(
        &mut self,
        timeout: Option<u64>,
        host: &mut H,
    ) -> Result<(), H::Error> {
        let room = self.session.stdin_room().min(self.buffer.len());
        let wait = Wait { input: room > 0, timeout, idle: self.idle() };
        if room == 0 && timeout == NO_TIME || !host.wait(wait)? {
            return Ok(());
        }
        match host.read(&mut self.buffer[..room]) {
            Input::Bytes(length) => {
                self.session.push_stdin(&self.buffer[..length], host);
            }
            Input::End => self.session.end_stdin(),
            Input::Failed(reason) => self.session.fail_stdin(&reason),
            Input::Nothing => {}
        }
        Ok(())
    }

    /// How long the guest has nothing to do, as of the last slice.
    fn idle(&self) -> Option<u64> {
        match self.state {
            RunState::Running | RunState::Finished(_) => NO_TIME,
            RunState::Waiting { timer, .. } => timer,
        }
    }
}
