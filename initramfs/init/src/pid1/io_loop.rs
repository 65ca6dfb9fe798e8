//! The loop while the command runs: carries its streams between pipes (or a terminal) and the
//! ports, handles the host's messages and waits for its end. One epoll, and no timer before that.
//!
//! Streams are watched edge-triggered: a copy moves all it can and then waits for an event of
//! either side. Where the kernel carries the bytes, only the ends are events.

use super::connections::Connections;
use super::container::Container;
use super::control::Control;
use super::copy::{Copy, Progress};
use super::dns_stub;
use super::streams::Streams;
use crate::agent::terminal::window;
use crate::failure::{MACHINE, OrFail, Result, failure};
use crate::handoff::FromAgent;
use c2w_guest_abi::{FromGuest, Notice, Stream, ToGuest};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::termios::tcsetwinsize;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Source {
    Control,
    Agent,
    Process,
    Stdin,
    StdinSink,
    Stdout,
    StdoutSink,
    Stderr,
    StderrSink,
    Dns,
    Oom,
}

impl Source {
    const ALL: [Self; 11] = [
        Self::Control,
        Self::Agent,
        Self::Process,
        Self::Stdin,
        Self::StdinSink,
        Self::Stdout,
        Self::StdoutSink,
        Self::Stderr,
        Self::StderrSink,
        Self::Dns,
        Self::Oom,
    ];
}

/// All that a run of the command waits for.
pub struct IoLoop<'a> {
    epoll: OwnedFd,
    control: &'a mut Control,
    container: &'a mut Container,
    /// Whether the agent may still have something to say.
    linked: bool,
    streams: Streams,
    status: Option<u8>,
    /// Whether the container may have connections.
    has_network: bool,
    /// What they have still to send, when the container has ended.
    connections: Option<Connections>,
    /// Whether the host was told of a question for a name.
    no_network: bool,
    /// Processes of the container that the OOM killer has ended so far.
    oom_kills: u64,
}

/// SIGHUP, SIGINT and SIGTERM.
const ENDING: [u8; 3] = [1, 2, 15];
/// `c_cc[VEOF]` of a new terminal: end of file when it is typed.
const TERMINAL_EOF: u8 = 4;
/// Each read takes one end of file, and one more the end of a line without its newline. After the
/// end of input there may be several readers, a shell and its commands.
const TERMINAL_EOFS: usize = 64;

impl<'a> IoLoop<'a> {
    /// A loop that watches everything already.
    pub fn new(
        control: &'a mut Control,
        container: &'a mut Container,
        streams: Streams,
        has_network: bool,
    ) -> Result<Self> {
        let mut io_loop = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC).or_fail("creating an epoll")?,
            control,
            container,
            linked: true,
            streams,
            status: None,
            has_network,
            connections: None,
            no_network: false,
            oom_kills: 0,
        };
        io_loop.control.set_nonblocking()?;
        io_loop.watch_all()?;
        Ok(io_loop)
    }

    fn watch_all(&mut self) -> Result<()> {
        watch(&self.epoll, &*self.control, Source::Control, EventFlags::IN)?;
        watch(&self.epoll, &self.container.link, Source::Agent, EventFlags::IN)?;
        watch(&self.epoll, &self.container.process, Source::Process, EventFlags::IN)?;
        watch(&self.epoll, &self.container.dns_socket, Source::Dns, EventFlags::IN)?;
        watch(&self.epoll, &self.container.memory_events, Source::Oom, EventFlags::PRI)?;
        if let Some(stdin) = &self.streams.stdin {
            watch_copy(&self.epoll, &stdin.copy, [Source::Stdin, Source::StdinSink])?;
        }
        let sides = [[Source::Stdout, Source::StdoutSink], [Source::Stderr, Source::StderrSink]];
        for (output, sides) in self.streams.outputs.iter().zip(sides) {
            if let Some(copy) = output {
                watch_copy(&self.epoll, copy, sides)?;
            }
        }
        Ok(())
    }

    /// Runs until the command has ended and its output is delivered; returns its status.
    pub fn run(mut self) -> Result<u8> {
        let mut events = [MaybeUninit::<Event>::uninit(); Source::ALL.len()];
        // A message that arrived together with `Run` was read with it: epoll will not report it.
        self.handle_control()?;
        let mut pause = None;
        loop {
            let ready = match epoll::wait(&self.epoll, &mut events, pause.as_ref()) {
                Ok((ready, _)) => ready,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error).or_fail("waiting for events"),
            };
            for event in ready {
                let data = event.data.u64();
                if let Some(source) = Source::ALL.into_iter().find(|known| *known as u64 == data) {
                    self.handle(source, event.flags)?;
                }
            }
            if let Some(status) = self.status
                && self.streams.outputs.iter().flatten().all(Copy::is_drained)
            {
                pause = match &mut self.connections {
                    Some(connections) => connections.pause()?,
                    None => None,
                };
                if pause.is_none() {
                    return Ok(status);
                }
            }
        }
    }

    fn handle(&mut self, source: Source, flags: EventFlags) -> Result<()> {
        let broken = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        match source {
            Source::Control => self.handle_control()?,
            Source::Agent => self.handle_agent()?,
            Source::Process => self.reap()?,
            Source::Dns => self.handle_dns()?,
            Source::Oom => self.handle_oom()?,
            Source::StdinSink if broken => self.lose_stdin_reader()?,
            Source::Stdin | Source::StdinSink => self.advance_stdin()?,
            // A pipe without writers may still hold bytes; a port without a host takes none.
            Source::StdoutSink if broken => self.close_output(0)?,
            Source::StderrSink if broken => self.close_output(1)?,
            Source::Stdout | Source::StdoutSink => self.advance_output(0)?,
            Source::Stderr | Source::StderrSink => self.advance_output(1)?,
        }
        Ok(())
    }

    fn handle_control(&mut self) -> Result<()> {
        while let Some(message) = self.control.receive()? {
            match message {
                ToGuest::StdinEof => {
                    if let Some(stdin) = &mut self.streams.stdin {
                        stdin.ended = true;
                        self.advance_stdin()?;
                    }
                }
                ToGuest::Resized(size) => {
                    if let Some(terminal) = &self.streams.terminal {
                        // A terminal that is gone needs no size.
                        let _ = tcsetwinsize(terminal, window(size));
                    }
                }
                // Who has ended it does not wait for its connections.
                ToGuest::Stop if self.status.is_some() => self.connections = None,
                ToGuest::Signal(number) if self.status.is_some() => {
                    if ENDING.contains(&number) {
                        self.connections = None;
                    }
                }
                ToGuest::Signal(number) => self.container.signal(number),
                ToGuest::Stop => self.container.stop(),
                ToGuest::OutputClosed(Stream::Stdout) => self.close_output(0)?,
                ToGuest::OutputClosed(Stream::Stderr) => self.close_output(1)?,
                ToGuest::Create(_) | ToGuest::Run(_) => {
                    return Err(failure(MACHINE, "the command is already running"));
                }
            }
        }
        Ok(())
    }

    /// End of file means that the agent has become the command; a message, that it could not.
    fn handle_agent(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.linked) {
            return Ok(());
        }
        let link = &mut self.container.link;
        match link.receive()? {
            None => unwatch(&self.epoll, &*link),
            Some((FromAgent::Failed(failed), _)) => Err(failed),
            Some(_) => Err(failure(MACHINE, "unexpected message from the container")),
        }
    }

    fn handle_dns(&mut self) -> Result<()> {
        if dns_stub::answer_all(&self.container.dns_socket)
            && !std::mem::replace(&mut self.no_network, true)
        {
            self.control.send(&FromGuest::Notice(Notice::NoNetwork))?;
        }
        Ok(())
    }

    fn handle_oom(&mut self) -> Result<()> {
        let killed = self.container.oom_kills()?;
        if killed > std::mem::replace(&mut self.oom_kills, killed) {
            self.control.send(&FromGuest::Notice(Notice::OutOfMemory))?;
        }
        Ok(())
    }

    fn reap(&mut self) -> Result<()> {
        // The message of an agent that failed comes before its end, and says more than its status.
        self.handle_agent()?;
        self.handle_oom()?;
        let ended = waitid(WaitId::PidFd(self.container.process.as_fd()), WaitIdOptions::EXITED)
            .or_fail("waiting for the command")?
            .ok_or_else(|| failure(MACHINE, "the command vanished"))?;
        let status = match (ended.exit_status(), ended.terminating_signal()) {
            (Some(status), _) => status as u8,
            (None, Some(signal)) => (128 + signal) as u8,
            (None, None) => return Err(failure(MACHINE, "the command neither exited nor died")),
        };
        unwatch(&self.epoll, &self.container.process)?;
        self.status = Some(status);
        self.connections = self.has_network.then(Connections::new);
        self.drop_stdin()?;
        // The kernel has killed the rest of the container, so nothing more is written. What is in
        // the pipes still counts.
        self.advance_output(0)?;
        self.advance_output(1)
    }

    fn advance_stdin(&mut self) -> Result<()> {
        let Some(stdin) = &mut self.streams.stdin else { return Ok(()) };
        match stdin.copy.advance() {
            // After the end was announced, all that the port still holds comes first.
            Progress::Waiting if stdin.ended && stdin.copy.is_drained() => self.end_stdin(),
            Progress::Waiting => Ok(()),
            Progress::SourceEnded => self.end_stdin(),
            Progress::SinkGone => self.lose_stdin_reader(),
        }
    }

    fn lose_stdin_reader(&mut self) -> Result<()> {
        if self.streams.stdin.is_none() {
            return Ok(());
        }
        self.drop_stdin()?;
        self.control.send(&FromGuest::StdinClosed)
    }

    /// All input is in the pipe: closing it is the end of file.
    fn end_stdin(&mut self) -> Result<()> {
        if let Some(stdin) = &self.streams.stdin
            && stdin.terminal
        {
            // A terminal that is gone needs no end.
            let _ = rustix::io::write(&stdin.copy.sink, &[TERMINAL_EOF; TERMINAL_EOFS]);
        }
        self.drop_stdin()
    }

    fn drop_stdin(&mut self) -> Result<()> {
        let Some(stdin) = self.streams.stdin.take() else { return Ok(()) };
        if stdin.terminal {
            // The output's copy holds the same open terminal, so closing would not end the watch.
            unwatch(&self.epoll, &stdin.copy.sink)?;
        }
        Ok(())
    }

    fn advance_output(&mut self, index: usize) -> Result<()> {
        let progress = self.streams.outputs[index].as_mut().map(Copy::advance);
        match progress {
            None | Some(Progress::Waiting) => Ok(()),
            Some(_) => self.close_output(index),
        }
    }

    /// Closing our end of a pipe gives its writers EPIPE.
    fn close_output(&mut self, index: usize) -> Result<()> {
        let closed = self.streams.outputs[index].take();
        if closed.is_some() && self.streams.terminal.is_some() { self.hang_up() } else { Ok(()) }
    }

    /// Closes all that we have of a terminal's master, or its writers would wait for somebody to
    /// read: the kernel sends its session SIGHUP, and writing to it fails.
    fn hang_up(&mut self) -> Result<()> {
        self.lose_stdin_reader()?;
        self.streams.terminal = None;
        Ok(())
    }
}

fn watch(epoll: &OwnedFd, fd: impl AsFd, source: Source, flags: EventFlags) -> Result<()> {
    epoll::add(epoll, fd, EventData::new_u64(source as u64), flags).or_fail("watching a stream")
}

/// EPOLLHUP and EPOLLERR are always reported: of a pipe's sink, that it has lost its readers.
fn watch_copy(epoll: &OwnedFd, copy: &Copy, [source, sink]: [Source; 2]) -> Result<()> {
    let bytes = if copy.relayed { EventFlags::empty() } else { EventFlags::IN };
    watch(epoll, &copy.source, source, bytes | EventFlags::ET)?;
    watch(epoll, &copy.sink, sink, EventFlags::OUT | EventFlags::ET)
}

fn unwatch(epoll: &OwnedFd, fd: impl AsFd) -> Result<()> {
    epoll::delete(epoll, fd).or_fail("no longer watching a stream")
}
