//! What joins the command's standard streams to the ports: pipes, or a terminal. Never a port
//! itself: it allows one opener, gives no EPIPE and cannot be reopened as /dev/stdin.

use super::copy::Copy;
use crate::failure::{OrFail, Result};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The ports of the three streams.
pub struct StreamPorts {
    /// The host's bytes.
    pub stdin: OwnedFd,
    /// To the host.
    pub stdout: OwnedFd,
    /// To the host.
    pub stderr: OwnedFd,
}

/// The streams of a run.
pub struct Streams {
    /// Standard input, while anybody reads it.
    pub stdin: Option<Stdin>,
    /// Standard output and error; a terminal has the first alone.
    pub outputs: [Option<Copy>; 2],
    /// The terminal's master, to set its size.
    pub terminal: Option<OwnedFd>,
}

/// Standard input, in either form.
pub struct Stdin {
    /// From the port.
    pub copy: Copy,
    /// Whether a terminal takes it: its end is then a character, not a closed pipe.
    pub terminal: bool,
    /// Whether the host has said that nothing follows.
    pub ended: bool,
}

impl Stdin {
    /// Input that has not ended.
    pub fn new(copy: Copy, terminal: bool) -> Self {
        Self { copy, terminal, ended: false }
    }
}

/// Three pipes, made before the snapshot, so that a start has less to do.
pub struct Pipes {
    stdin: Pipe,
    stdout: Pipe,
    stderr: Pipe,
}

struct Pipe {
    read_end: OwnedFd,
    write_end: OwnedFd,
}

impl Pipes {
    /// Our ends are non-blocking, the command's are not.
    pub fn new() -> Result<Self> {
        let pipes = Self { stdin: Pipe::new()?, stdout: Pipe::new()?, stderr: Pipe::new()? };
        set_nonblocking(&pipes.stdin.write_end)?;
        set_nonblocking(&pipes.stdout.read_end)?;
        set_nonblocking(&pipes.stderr.read_end)?;
        Ok(pipes)
    }

    /// Standard input (if there is one), output and error for the command.
    pub fn command_ends(&self, has_stdin: bool) -> Vec<BorrowedFd<'_>> {
        let stdin = has_stdin.then(|| self.stdin.read_end.as_fd());
        let outputs = [self.stdout.write_end.as_fd(), self.stderr.write_end.as_fd()];
        stdin.into_iter().chain(outputs).collect()
    }
}

impl Pipe {
    fn new() -> Result<Self> {
        let (read_end, write_end) = pipe_with(PipeFlags::CLOEXEC).or_fail("creating a pipe")?;
        Ok(Self { read_end, write_end })
    }
}

/// The copies between pipes and ports. Closes the command's ends, so that only the command's own
/// count.
pub fn over_pipes(ports: StreamPorts, pipes: Pipes, has_stdin: bool) -> Result<Streams> {
    let stdin = if has_stdin {
        Some(Stdin::new(Copy::from_port(ports.stdin, pipes.stdin.write_end)?, false))
    } else {
        None
    };
    let stdout = Copy::to_port(pipes.stdout.read_end, ports.stdout)?;
    let stderr = Copy::to_port(pipes.stderr.read_end, ports.stderr)?;
    Ok(Streams { stdin, outputs: [Some(stdout), Some(stderr)], terminal: None })
}

/// The copies between a terminal's master and the ports; standard error is unused.
pub fn over_terminal(ports: StreamPorts, master: OwnedFd, has_stdin: bool) -> Result<Streams> {
    set_nonblocking(&master)?;
    let duplicate = || master.try_clone().or_fail("duplicating the terminal");
    let terminal = Some(duplicate()?);
    let stdin = if has_stdin {
        let sink = duplicate()?;
        Some(Stdin::new(Copy::by_buffer(ports.stdin, sink), true))
    } else {
        None
    };
    let output = Copy::by_buffer(master, ports.stdout);
    Ok(Streams { stdin, outputs: [Some(output), None], terminal })
}

fn set_nonblocking(fd: &OwnedFd) -> Result<()> {
    let flags = fcntl_getfl(fd).or_fail("stream flags")?;
    fcntl_setfl(fd, flags | OFlags::NONBLOCK).or_fail("stream flags")
}
