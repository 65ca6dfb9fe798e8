//! A machine and the conversation with PID 1 in it.

use crate::outside::{CONTROL, Outbox, Outside, Ports, STDIN};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use c2w_emulator::devices::P9Server;
use c2w_emulator::engine::code_index::Counts;
use c2w_emulator::engine::observe::Observer;
use c2w_emulator::{
    Board, Exit, GENERATION_LENGTH, GuestMemory, Machine, PowerRequest, RestoreError,
};
use c2w_guest_abi::{
    Failure, FromGuest, Milestone, Notice, RunRequest, TerminalSize, ToGuest, WallClock, frame,
};

/// Entropy that a run starts with, in bytes.
const SEED_LENGTH: usize = 64;

/// The status of a run that failed, but not by its command's doing.
const MACHINE_FAILED: u8 = 125;

/// What a session does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to execute.
    Running,
    /// The guest waits: for input, or for its timer in so many nanoseconds.
    Idle(Option<u64>),
    /// PID 1 is up and waits for its orders.
    Hello,
    /// The container has come so far.
    Reached(Milestone),
    /// The container is created: the moment of the snapshot.
    Ready,
    /// People want to know this; the command goes on.
    Notice(Notice),
    /// So are they of this: bytes of a stream are lost. The command goes on.
    StreamFailed(String),
    /// The command ended with this status.
    Exited(u8),
    /// There was no command, or there is no machine any more.
    Failed(Failure),
}

/// A container in a machine.
pub struct Session {
    machine: Machine,
    outbox: Outbox,
    decoder: frame::Decoder,
    /// Encoded messages that the control port has not taken yet.
    to_guest: Vec<u8>,
    /// How many of the outputs that are closed the guest was told of.
    told_closed: usize,
    stdin_wanted: bool,
    /// Whether a stream has failed, so that a command's success is none.
    stream_failed: bool,
    /// That the machine was switched off, if something had to be said before.
    power: Option<PowerRequest>,
}

impl Session {
    /// A session on a machine that was just made.
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            outbox: Outbox::default(),
            decoder: frame::Decoder::default(),
            to_guest: Vec::new(),
            told_closed: 0,
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
    pub fn save(&mut self, outside: &mut dyn Outside) -> Vec<u8> {
        self.machine.save(&mut Ports { outside, outbox: &mut self.outbox })
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

    /// The machine, for what only its instruction set knows.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// How much translated code has done.
    pub fn translated(&self) -> Counts {
        self.machine.translated()
    }

    /// Has an observer told of every block that is executed from now on.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.machine.observe(observer);
    }

    /// Has an observer told of every block of the next `all` steps, and of a part of those after.
    pub fn sample(&mut self, observer: Box<dyn Observer>, all: u64) {
        self.machine.sample(observer, all);
    }

    /// Has the guest's 9p device answered by `server` from now on.
    pub fn share(&mut self, server: Box<dyn P9Server>) {
        self.machine.set_p9_server(server);
    }

    /// Starts the command in a container that is [`Step::Ready`]: on the host's clock from now
    /// on, with fresh entropy. `request`'s clock and seed are filled in here.
    ///
    /// # Errors
    /// When the request is too long for one message.
    pub fn start(
        &mut self,
        request: RunRequest,
        outside: &mut dyn Outside,
    ) -> Result<(), frame::FrameError> {
        self.machine.use_host_clock(&mut Ports { outside, outbox: &mut self.outbox });
        self.rehearse(request, outside)
    }

    /// As [`Self::start`], but time still comes from instructions: the same run every time, if
    /// `outside` is the same.
    ///
    /// # Errors
    /// When the request is too long for one message.
    pub fn rehearse(
        &mut self,
        mut request: RunRequest,
        outside: &mut dyn Outside,
    ) -> Result<(), frame::FrameError> {
        let mut id = [0; GENERATION_LENGTH];
        outside.entropy(&mut id);
        request.seed = vec![0; SEED_LENGTH];
        outside.entropy(&mut request.seed);
        request.clock = self.wall_clock(outside);
        self.stdin_wanted = request.stdin;
        self.outbox.console_hidden = !request.debug;
        self.send(&ToGuest::Run(request))?;
        self.machine.renew_generation(id);
        Ok(())
    }

    /// What time it is, for the machine and for the world.
    fn wall_clock(&mut self, outside: &mut dyn Outside) -> WallClock {
        let realtime_ns = outside.realtime_ns();
        let ticks = self.machine.ticks(&mut Ports { outside, outbox: &mut self.outbox });
        WallClock { realtime_ns, ticks, tick_ns: self.machine.tick_ns() }
    }

    /// Queues a message to PID 1.
    pub(crate) fn send(&mut self, message: &ToGuest) -> Result<(), frame::FrameError> {
        self.to_guest.extend(frame::encode(message)?);
        Ok(())
    }

    /// Bytes of standard input that the guest can take now; 0 once it wants none any more.
    pub fn stdin_room(&self) -> usize {
        if self.stdin_wanted { self.machine.input_room(STDIN) } else { 0 }
    }

    /// Whether the command may still read its standard input.
    pub fn stdin_wanted(&self) -> bool {
        self.stdin_wanted
    }

    /// Passes standard input on. Returns how many bytes were taken, at most
    /// [`Self::stdin_room`].
    pub fn push_stdin(&mut self, bytes: &[u8], outside: &mut dyn Outside) -> usize {
        self.machine.push_input(STDIN, bytes, &mut Ports { outside, outbox: &mut self.outbox })
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
            self.outbox.failures.push(format!("cannot read standard input: {reason}"));
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

    /// Runs about `budget` instructions, or until something is to be done outside.
    pub fn run(&mut self, budget: u64, outside: &mut dyn Outside) -> Step {
        self.deliver(outside);
        let exit = match self.power.take() {
            Some(request) => Exit::Power(request),
            None => self.machine.run(budget, &mut Ports { outside, outbox: &mut self.outbox }),
        };
        self.report_closed_outputs();
        if let Some(failure) = self.outbox.failures.pop() {
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
            Exit::Idle(_) if self.deliver(outside) => Step::Running,
            Exit::Idle(timer) => Step::Idle(timer.map(|tick| self.ticks_until(tick, outside))),
            Exit::Power(request) => Step::Failed(self.switched_off(request)),
        }
    }

    /// As [`Self::run`] for a machine on instruction time, in which a wait for a timer is over at once.
    pub fn run_to_timer(&mut self, budget: u64, outside: &mut dyn Outside) -> Step {
        let step = self.run(budget, outside);
        if let Step::Idle(Some(wait)) = step {
            let mut ports = Ports { outside, outbox: &mut self.outbox };
            let tick = self.machine.ticks(&mut ports) + wait / self.machine.tick_ns();
            self.skip_to(tick);
            return Step::Running;
        }
        step
    }

    /// Nanoseconds until the guest's clock shows `tick`.
    fn ticks_until(&mut self, tick: u64, outside: &mut dyn Outside) -> u64 {
        let now = self.machine.ticks(&mut Ports { outside, outbox: &mut self.outbox });
        tick.saturating_sub(now).saturating_mul(self.machine.tick_ns())
    }

    /// Gives queued messages to the control port. Returns whether any byte was taken.
    fn deliver(&mut self, outside: &mut dyn Outside) -> bool {
        if self.to_guest.is_empty() {
            return false;
        }
        let mut ports = Ports { outside, outbox: &mut self.outbox };
        let taken = self.machine.push_input(CONTROL, &self.to_guest, &mut ports);
        self.to_guest.drain(..taken);
        taken > 0
    }

    fn report_closed_outputs(&mut self) {
        while let Some(&stream) = self.outbox.closed.get(self.told_closed) {
            self.told_closed += 1;
            // This message is a few bytes: it fits.
            let _ = self.send(&ToGuest::OutputClosed(stream));
        }
    }

    /// Handles what PID 1 said.
    fn receive(&mut self) -> Result<Option<Step>, frame::FrameError> {
        loop {
            let Some(message) = self.decoder.message::<FromGuest>()? else {
                // What was said is decoded before more is taken, so neither buffer grows.
                if self.outbox.control.is_empty() {
                    break;
                }
                self.decoder.push(&core::mem::take(&mut self.outbox.control));
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
        match self.outbox.control_overflow {
            None => Ok(None),
            Some(said) => Err(frame::FrameError::TooLong(said)),
        }
    }

    fn switched_off(&self, request: PowerRequest) -> Failure {
        let what = match request {
            PowerRequest::Reboot => "the guest kernel stopped",
            PowerRequest::PowerOff => "the guest switched off without a status",
            PowerRequest::Failure(_) => "the guest reported a failure",
        };
        let console = String::from_utf8_lossy(&self.outbox.console_tail);
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

/// A failure that is the machine's, not the command's.
pub(crate) fn machine_failure(message: &str) -> Failure {
    Failure { status: MACHINE_FAILED, message: message.into() }
}
