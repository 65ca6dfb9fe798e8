//! A machine and the conversation with PID 1 in it.

use crate::host::{CONTROL, Captured, Ports, STDIN, SessionHost};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::devices::{NetBackend, P9Server};
use c2w_emulator::engine::code_index::Counts;
use c2w_emulator::engine::observe::Observer;
use c2w_emulator::{
    Board, Exit, GENERATION_LENGTH, GuestMemory, Machine, PowerRequest, RestoreError, UnitError,
};
use c2w_guest_abi::{
    Failure, FromGuest, Milestone, Notice, RunRequest, TerminalSize, ToGuest, WallClock, frame,
};

/// Entropy that a run starts with, in bytes.
const SEED_LENGTH: usize = 64;

/// The status of a run that failed in the machine and not in its command.
const MACHINE_FAILED: u8 = 125;

/// What a session does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to execute.
    Running,
    /// The guest waits: for input, or for its timer, which is due after these nanoseconds.
    Idle(Option<u64>),
    /// PID 1 is up and waits for its configuration.
    Hello,
    /// The creation of the container has come to this point.
    Reached(Milestone),
    /// The container is created: the moment of the snapshot.
    Ready,
    /// To be shown to the user. The command goes on.
    Notice(Notice),
    /// To be shown, too: bytes of a stream are lost, for this reason. The command goes on.
    StreamFailed(String),
    /// The command ended with this status.
    Exited(u8),
    /// The command was never started, or the machine has stopped under it.
    Failed(Failure),
}

/// A container in a machine.
pub struct Session {
    machine: Machine,
    captured: Captured,
    decoder: frame::Decoder,
    /// Encoded messages that the control port has not taken yet.
    to_guest: Vec<u8>,
    /// How many of the closed outputs have been reported to the guest.
    reported_closed: usize,
    stdin_wanted: bool,
    /// Whether a stream has failed: then the command's status 0 becomes [`MACHINE_FAILED`].
    stream_failed: bool,
    /// The machine's power request, while a failed stream is reported before it.
    power: Option<PowerRequest>,
}

impl Session {
    /// A session on a machine that was just made.
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            captured: Captured::default(),
            decoder: frame::Decoder::default(),
            to_guest: Vec::new(),
            reported_closed: 0,
            stdin_wanted: false,
            stream_failed: false,
            power: None,
        }
    }

    /// A session that goes on from [`Self::save`] with the memory it had then.
    ///
    /// # Errors
    /// [`RestoreError`] when `state` is damaged or of another version.
    pub fn restore(
        board: &'static dyn Board,
        memory: GuestMemory,
        state: &[u8],
    ) -> Result<Self, RestoreError> {
        Ok(Self::new(Machine::restore(board, memory, state)?))
    }

    /// The machine's state without its memory.
    pub fn save(&mut self, host: &mut dyn SessionHost) -> Vec<u8> {
        self.machine.save(&mut Ports { host, captured: &mut self.captured })
    }

    /// RAM and root image, without the machine.
    pub fn into_memory(self) -> GuestMemory {
        self.machine.into_memory()
    }

    /// RAM and root image.
    pub fn memory(&self) -> &GuestMemory {
        self.machine.memory()
    }

    /// The address of the next instruction.
    pub fn pc(&self) -> u64 {
        self.machine.pc()
    }

    /// Steps (instructions and traps) the machine has done.
    pub fn steps(&self) -> u64 {
        self.machine.steps()
    }

    /// The machine, for what only its instruction set knows: its translated code. Input and output
    /// go through the session.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// How much translated code has done.
    pub fn translated(&self) -> Counts {
        self.machine.translated()
    }

    /// Reports every block that is executed from now on to `observer`.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.machine.observe(observer);
    }

    /// Reports every block of the next `all` steps to `observer`, and a sample of those after.
    pub fn sample(&mut self, observer: Box<dyn Observer>, all: u64) {
        self.machine.sample(observer, all);
    }

    /// Has the guest's 9p device answered by `server` from now on.
    pub fn share(&mut self, server: Box<dyn P9Server>) {
        self.machine.set_p9_server(server);
    }

    /// Sets what is at the other end of the container's network from now on.
    pub fn set_net_backend(&mut self, backend: Box<dyn NetBackend>) {
        self.machine.set_net_backend(Some(backend));
    }

    /// Moves frames between the guest and its network's backend that had to wait. Returns whether
    /// the guest got or got rid of any.
    pub fn exchange_frames(&mut self, host: &mut dyn SessionHost) -> bool {
        self.machine.exchange_frames(&mut Ports { host, captured: &mut self.captured })
    }

    /// Starts the command in a container that is [`Step::Ready`]: on the host's clock from now
    /// on, with fresh entropy. `request`'s clock and seed are filled in here.
    ///
    /// # Errors
    /// When the request is too long for one message.
    pub fn start(
        &mut self,
        request: RunRequest,
        host: &mut dyn SessionHost,
    ) -> Result<(), frame::FrameError> {
        self.machine.use_host_clock(&mut Ports { host, captured: &mut self.captured });
        self.start_deterministic(request, host)
    }

    /// As [`Self::start`], but time still comes from instructions: the same run every time, if
    /// `host` is the same.
    ///
    /// # Errors
    /// When the request is too long for one message.
    pub fn start_deterministic(
        &mut self,
        mut request: RunRequest,
        host: &mut dyn SessionHost,
    ) -> Result<(), frame::FrameError> {
        let mut id = [0; GENERATION_LENGTH];
        host.entropy(&mut id);
        request.seed = vec![0; SEED_LENGTH];
        host.entropy(&mut request.seed);
        request.clock = self.wall_clock(host);
        self.stdin_wanted = request.stdin;
        self.captured.console_hidden = !request.debug;
        self.send(&ToGuest::Run(request))?;
        self.machine.renew_generation(id);
        Ok(())
    }

    /// The present moment, on the wall clock and on the machine's.
    fn wall_clock(&mut self, host: &mut dyn SessionHost) -> WallClock {
        let realtime_ns = host.realtime_ns();
        let ticks = self.machine.ticks(&mut Ports { host, captured: &mut self.captured });
        WallClock { realtime_ns, ticks, tick_ns: self.machine.tick_ns() }
    }

    /// Queues a message to PID 1.
    pub(crate) fn send(&mut self, message: &ToGuest) -> Result<(), frame::FrameError> {
        self.to_guest.extend(frame::encode(message)?);
        Ok(())
    }

    /// Bytes of standard input that the guest can take now; 0 once it wants no more.
    pub fn stdin_room(&mut self) -> usize {
        if self.stdin_wanted { self.machine.input_room(STDIN) } else { 0 }
    }

    /// Whether the command may still read its standard input.
    pub fn stdin_wanted(&self) -> bool {
        self.stdin_wanted
    }

    /// Passes standard input on. Returns how many bytes were taken, at most
    /// [`Self::stdin_room`].
    pub fn push_stdin(&mut self, bytes: &[u8], host: &mut dyn SessionHost) -> usize {
        self.machine.push_input(STDIN, bytes, &mut Ports { host, captured: &mut self.captured })
    }

    /// Ends standard input.
    pub fn end_stdin(&mut self) {
        if core::mem::take(&mut self.stdin_wanted) {
            // This message is a few bytes: it fits.
            let _ = self.send(&ToGuest::StdinEof);
        }
    }

    /// Ends standard input, which cannot be read for this reason.
    pub fn fail_stdin(&mut self, reason: &str) {
        if self.stdin_wanted {
            self.captured.failures.push(format!("cannot read standard input: {reason}"));
        }
        self.end_stdin();
    }

    /// Sends the command a signal, by its number.
    pub fn signal(&mut self, number: u8) {
        // This message is a few bytes: it fits.
        let _ = self.send(&ToGuest::Signal(number));
    }

    /// Asks the command to end, in the way that its image wants to be asked.
    pub fn stop(&mut self) {
        // This message is a few bytes: it fits.
        let _ = self.send(&ToGuest::Stop);
    }

    /// Tells the command's terminal of the host's new size.
    pub fn resize(&mut self, size: TerminalSize) {
        // This message is a few bytes: it fits.
        let _ = self.send(&ToGuest::Resized(size));
    }

    /// Lets time pass to the guest's next timer at once, if its time comes from instructions.
    pub(crate) fn skip_to(&mut self, tick: u64) {
        self.machine.skip_to(tick);
    }

    /// Runs about `budget` instructions, or until the host has something to do.
    pub fn run(&mut self, budget: u64, host: &mut dyn SessionHost) -> Step {
        self.deliver(host);
        let exit = match self.power.take() {
            Some(request) => Exit::Power(request),
            None => self.machine.run(budget, &mut Ports { host, captured: &mut self.captured }),
        };
        // What the guest has done with the zeros that it read instead is nobody's business.
        if exit == Exit::MemoryFailure {
            return Step::Failed(self.memory_failed());
        }
        self.report_closed_outputs();
        if let Some(failure) = self.captured.failures.pop() {
            self.stream_failed = true;
            if let Exit::Power(request) = exit {
                self.power = Some(request);
            }
            return Step::StreamFailed(failure);
        }
        match self.receive() {
            Ok(None) => {}
            Ok(Some(step)) => return step,
            Err(error) => return Step::Failed(machine_failure(&error.to_string())),
        }
        match exit {
            Exit::Budget => Step::Running,
            Exit::Idle(_) if self.deliver(host) => Step::Running,
            Exit::Idle(timer) => Step::Idle(timer.map(|tick| self.ticks_until(tick, host))),
            Exit::Power(request) => Step::Failed(self.switched_off(request)),
            Exit::MemoryFailure => Step::Failed(self.memory_failed()),
        }
    }

    fn memory_failed(&self) -> Failure {
        let reason = self.machine.memory().failure().map_or("", |UnitError(reason)| reason);
        machine_failure(&format!("the machine's memory cannot be read: {reason}"))
    }

    /// As [`Self::run`] for a machine on instruction time, in which a wait for a timer is over at
    /// once.
    pub fn run_to_timer(&mut self, budget: u64, host: &mut dyn SessionHost) -> Step {
        let step = self.run(budget, host);
        if let Step::Idle(Some(wait)) = step {
            let mut ports = Ports { host, captured: &mut self.captured };
            let tick = self.machine.ticks(&mut ports) + wait / self.machine.tick_ns();
            self.skip_to(tick);
            return Step::Running;
        }
        step
    }

    /// Nanoseconds until the guest's clock shows `tick`.
    fn ticks_until(&mut self, tick: u64, host: &mut dyn SessionHost) -> u64 {
        let now = self.machine.ticks(&mut Ports { host, captured: &mut self.captured });
        tick.saturating_sub(now).saturating_mul(self.machine.tick_ns())
    }

    /// Gives queued messages to the control port. Returns whether any byte was taken.
    fn deliver(&mut self, host: &mut dyn SessionHost) -> bool {
        if self.to_guest.is_empty() {
            return false;
        }
        let mut ports = Ports { host, captured: &mut self.captured };
        let taken = self.machine.push_input(CONTROL, &self.to_guest, &mut ports);
        self.to_guest.drain(..taken);
        taken > 0
    }

    fn report_closed_outputs(&mut self) {
        while let Some(&stream) = self.captured.closed.get(self.reported_closed) {
            self.reported_closed += 1;
            // This message is a few bytes: it fits.
            let _ = self.send(&ToGuest::OutputClosed(stream));
        }
    }

    /// Decodes what PID 1 has sent, up to the first message that the caller is to know of.
    fn receive(&mut self) -> Result<Option<Step>, frame::FrameError> {
        loop {
            let Some(message) = self.decoder.message::<FromGuest>()? else {
                // Each batch is decoded before more is taken, so neither buffer grows.
                if self.captured.control.is_empty() {
                    break;
                }
                self.decoder.push(&core::mem::take(&mut self.captured.control));
                continue;
            };
            match message {
                FromGuest::StdinClosed => self.stdin_wanted = false,
                FromGuest::Hello => return Ok(Some(Step::Hello)),
                FromGuest::Reached(milestone) => return Ok(Some(Step::Reached(milestone))),
                FromGuest::Ready => return Ok(Some(Step::Ready)),
                FromGuest::Notice(notice) => return Ok(Some(Step::Notice(notice))),
                FromGuest::Exited(0) if self.stream_failed => {
                    return Ok(Some(Step::Exited(MACHINE_FAILED)));
                }
                FromGuest::Exited(status) => return Ok(Some(Step::Exited(status))),
                FromGuest::Failed(failure) => return Ok(Some(Step::Failed(failure))),
            }
        }
        match self.captured.control_overflow {
            None => Ok(None),
            Some(length) => Err(frame::FrameError::TooLong(length)),
        }
    }

    fn switched_off(&self, request: PowerRequest) -> Failure {
        let what = match request {
            PowerRequest::Reboot => "the guest kernel stopped",
            PowerRequest::PowerOff => "the guest switched off without a status",
            PowerRequest::Failure(_) => "the guest reported a failure",
        };
        let console = String::from_utf8_lossy(&self.captured.console_tail);
        let last = console.lines().rfind(|line| line.contains("panic") || line.contains("Oops"));
        machine_failure(&match last {
            Some(line) => format!("{what}: {}", without_time(line.trim())),
            None => what.into(),
        })
    }
}

/// A line of the kernel's log without the `[    5.133484] ` in front.
fn without_time(line: &str) -> &str {
    let stamped = line.strip_prefix('[').and_then(|line| line.split_once("] "));
    stamped.map_or(line, |(_, message)| message)
}

/// A failure of the machine, not of the command.
pub(crate) fn machine_failure(message: &str) -> Failure {
    Failure { status: MACHINE_FAILED, message: message.into() }
}
