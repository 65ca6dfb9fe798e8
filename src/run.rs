//! Runs a container natively: the machine of the module, without a WASI runtime.

use crate::errno::words;
use crate::interrupt::{ENDING, Received};
use crate::network::{ContainerNetwork, poll_fd, timespec};
use crate::{entropy, terminal, writable};
use c2w_guest_abi::{RunRequest, Stream, Terminal, TerminalMode};
use c2w_session::{Closed, Input, RunHost, Runner, Session, SessionHost, Wait};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FileType;
use rustix::io::Errno;
use signal_hook::consts::{SIGTERM, SIGWINCH};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// This process: its clock, entropy, streams and signals.
struct Process {
    start: Instant,
    signals: Received,
    /// The command's terminal, if it is this process's own.
    terminal: Option<Terminal>,
    network: Option<ContainerNetwork>,
}

impl SessionHost for Process {
    fn monotonic_ns(&mut self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn realtime_ns(&mut self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64)
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        entropy::fill(buffer);
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Closed> {
        match stream {
            Stream::Stdout => write_all(io::stdout().as_fd(), bytes),
            Stream::Stderr => write_all(io::stderr().as_fd(), bytes),
        }
    }

    fn kernel_log(&mut self, bytes: &[u8]) {
        let _ = write_all(io::stderr().as_fd(), bytes);
    }
}

/// Writes past the standard library's streams, which give up what does not block and takes nothing
/// for the moment.
fn write_all(out: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Closed> {
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(0) => return Err(Closed::Failed("it takes nothing".into())),
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                writable::wait(out).map_err(|error| Closed::Failed(words(error)))?;
            }
            Err(Errno::PIPE) => return Err(Closed::ReaderGone),
            Err(error) => return Err(Closed::Failed(words(error))),
        }
    }
    Ok(())
}

/// Runs a command in a prepared container to its end and returns its exit status. Its network has the
/// published ports open already, and the clock is the time since `start`.
///
/// # Errors
/// When the request is too long, or standard input cannot be waited for.
pub fn run(
    mut session: Session,
    mut request: RunRequest,
    network: Option<ContainerNetwork>,
    start: Instant,
) -> anyhow::Result<u8> {
    let terminal = request.terminal.filter(|_| terminal::find().is_some());
    let _raw = match terminal {
        Some(Terminal { mode: TerminalMode::Raw, .. }) => Some(terminal::Raw::new()?),
        _ => None,
    };
    let signals = Received::listen()?;
    request.network = network.as_ref().map(|network| network.plug_in(&mut session));
    let mut process = Process { start, signals, terminal, network };
    session.start(request, &mut process)?;
    let status = Runner::new(session).run_to_end(&mut process)?;
    process.network.iter_mut().for_each(ContainerNetwork::end);
    Ok(status)
}

impl RunHost for Process {
    type Error = io::Error;

    /// A raw terminal does not go back to the left edge by itself.
    fn show(&mut self, message: &str) {
        let raw = self.terminal.is_some_and(|terminal| terminal.mode == TerminalMode::Raw);
        let line = format!("c2w: {message}{}", if raw { "\r\n" } else { "\n" });
        // Nothing can be done about a line that cannot be shown.
        let _ = write_all(io::stderr().as_fd(), line.as_bytes());
    }

    fn wait(&mut self, wait: Wait) -> io::Result<bool> {
        let stdin = io::stdin();
        let mut polled = vec![PollFd::new(self.signals.stream(), PollFlags::IN)];
        polled.extend(wait.input.then(|| PollFd::new(&stdin, PollFlags::IN)));
        let interests = self.network.iter().flat_map(ContainerNetwork::interests);
        polled.extend(interests.map(|interest| poll_fd(&interest)));
        let timer = self.network.as_ref().and_then(ContainerNetwork::next_timer);
        let timer = timer.map(|at| at.saturating_sub(self.start.elapsed().as_nanos() as u64));
        let timeout = wait.timeout.into_iter().chain(timer).min().map(timespec);
        match poll(&mut polled, timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => Ok(false),
            Ok(_) => Ok(wait.input && !polled[1].revents().is_empty()),
            Err(error) => Err(error.into()),
        }
    }

    fn exchange_packets(&mut self, session: &mut Session) -> bool {
        let Some(mut network) = self.network.take() else { return false };
        let moved = network.exchange(session, self);
        network.take_failure().into_iter().for_each(|failure| self.show(&failure));
        self.network = Some(network);
        moved
    }

    fn has_unsent(&mut self) -> bool {
        self.network.as_mut().is_some_and(ContainerNetwork::is_sending)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Input {
        match rustix::io::read(io::stdin(), buffer) {
            // Somebody else has read it, from the same pipe.
            Err(Errno::AGAIN | Errno::INTR) => Input::Nothing,
            Ok(0) => Input::End,
            Err(Errno::BADF) if is_device() => Input::End,
            Err(error) => Input::Failed(words(error)),
            Ok(length) => Input::Bytes(length),
        }
    }

    fn handle_signals(&mut self, session: &mut Session) -> bool {
        let mut ends = false;
        while let Some(signal) = self.signals.next() {
            ends |= ENDING.contains(&signal);
            match signal {
                SIGWINCH => terminal::size().into_iter().for_each(|size| session.resize(size)),
                SIGTERM => session.stop(),
                other => session.signal(other as u8),
            }
        }
        ends
    }
}

/// Whether standard input is a character device. One that cannot be read is what nohup(1) leaves to
/// programs that need no input.
fn is_device() -> bool {
    let status = rustix::fs::fstat(io::stdin());
    status.is_ok_and(|status| FileType::from_raw_mode(status.st_mode).is_char_device())
}
