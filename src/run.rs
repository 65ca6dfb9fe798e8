//! Runs a container natively: the machine of the module, without a WASI runtime.

use c2w_guest_abi::{RunRequest, Stream};
use c2w_session::{Closed, Outside, Session, Step};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Write};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Instructions between two looks at standard input: a few milliseconds.
const BUDGET: u64 = 1 << 21;
/// Most bytes of standard input read at once.
const INPUT_CHUNK: usize = 256 << 10;

/// This process's clock, entropy and streams.
struct Process {
    start: Instant,
}

impl Outside for Process {
    fn monotonic_ns(&mut self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn realtime_ns(&mut self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64)
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        let mut filled = 0;
        while filled < buffer.len() {
            let flags = rustix::rand::GetRandomFlags::empty();
            match rustix::rand::getrandom(&mut buffer[filled..], flags) {
                Ok(length) => filled += length,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("the kernel gives no entropy: {error}"),
            }
        }
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Closed> {
        let written = match stream {
            Stream::Stdout => write_through(io::stdout().lock(), bytes),
            Stream::Stderr => write_through(io::stderr().lock(), bytes),
        };
        written.map_err(|_| Closed)
    }
}

fn write_through(mut out: impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes)?;
    out.flush()
}

/// Runs a command in a prepared container to its end and returns its exit status.
///
/// # Errors
/// When the request is too long, or standard input cannot be waited for.
pub fn run(mut session: Session, request: RunRequest) -> anyhow::Result<u8> {
    let mut process = Process { start: Instant::now() };
    session.start(request, &mut process)?;
    let mut buffer = vec![0; INPUT_CHUNK];
    loop {
        let wait = match session.run(BUDGET, &mut process) {
            Step::Running | Step::Hello | Step::Reached(_) | Step::Ready => Some(0),
            Step::Idle(timer) => timer,
            Step::Exited(status) => return Ok(status),
            Step::Failed(failure) => {
                eprintln!("c2w: {}", failure.message);
                return Ok(failure.status);
            }
        };
        pump_input(&mut session, &mut buffer, wait, &mut process)?;
    }
}

/// Passes standard input on if there is any, waiting at most `wait` nanoseconds for it.
fn pump_input(
    session: &mut Session,
    buffer: &mut [u8],
    wait: Option<u64>,
    process: &mut Process,
) -> io::Result<()> {
    let room = session.stdin_room().min(buffer.len());
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
    let watched = if room > 0 { &mut polled[..] } else { &mut [] };
    if watched.is_empty() && wait == Some(0) {
        return Ok(());
    }
    let timeout = wait.map(|ns| Timespec {
        tv_sec: (ns / 1_000_000_000) as i64,
        tv_nsec: (ns % 1_000_000_000) as i64,
    });
    match poll(watched, timeout.as_ref()) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    match rustix::io::read(&stdin, &mut buffer[..room]) {
        Ok(0) | Err(_) => session.end_stdin(),
        Ok(length) => {
            session.push_stdin(&buffer[..length], process);
        }
    }
    Ok(())
}
