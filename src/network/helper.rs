//! `c2w net-helper`: gives a network to containers that have a way to this process, but no sockets.
//!
//! ```text
//! module  --frames-->  rings in files, or a socket  -->  FramedChannel  -->  UserNetwork  -->  sockets
//! ```

use super::ring_directory::RingDirectory;
use super::ring_file::FileOfRing;
use super::sockets::{HostSockets, poll_fd};
use super::{connect, describe, resolv_conf, sockets, timespec};
use crate::entropy;
use crate::interrupt::{ENDING, Received};
use anyhow::{Context, Result};
use c2w_emulator::devices::NetBackend;
use c2w_network::{
    Channel, Checksums, FramedChannel, HostNetwork, Rings, StreamChannel, UserNetwork, Wire,
};
use c2w_session::options::{HostAddress, NetworkOptions, Peer, PublishedPort};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use signal_hook::consts::SIGTERM;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

/// What to serve, and how.
pub struct Options {
    /// Where the containers' frames come from.
    pub served: Served,
    /// Ports of this host that lead to the container's.
    pub publish: Vec<PublishedPort>,
    /// Whether the gateway stands for this host's loopback.
    pub host_gateway: bool,
    /// What runs a container, and ends the helper with it; empty for nothing.
    pub command: Vec<OsString>,
}

/// Where the containers' frames come from.
pub enum Served {
    /// Rings in files of this directory.
    Directory(PathBuf),
    /// A socket that somebody listens on, usually a runtime for its module.
    Peer(Peer),
}

/// How long what a container has sent may take to leave when it has ended, as of `c2w run`'s; and when
/// another one waits, which gives up after five seconds.
const SEND_LIMIT: Duration = Duration::from_secs(10);
const SEND_LIMIT_BEFORE_ANOTHER: Duration = Duration::from_secs(3);
/// How long a peer may take to listen if nothing was started that will, and how often to look, in
/// nanoseconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const CONNECT_PAUSE: u64 = 20_000_000;
/// Frames that are moved before the sockets get their turn.
const AT_ONCE: usize = 256;
/// How long rings are left alone where a file system does not tell that they were written, and where
/// nobody tells, in nanoseconds.
const WATCHED_PAUSE: u64 = 100_000_000;
const UNWATCHED_PAUSE: u64 = 5_000_000;

/// Serves containers until the command ends, or a signal comes. Returns the exit status.
///
/// # Errors
/// When a port cannot be published, the directory cannot be served, or the command not be started.
pub fn serve(options: &Options, note: &dyn Fn(&str)) -> Result<u8> {
    let signals = Received::listen_to_all()?;
    let network = user_network(options)?;
    network.notes().for_each(|text| note(&text));
    match &options.served {
        Served::Directory(path) => {
            let (directory, rings) =
                RingDirectory::make(path).with_context(|| path.display().to_string())?;
            let framed = FramedChannel::new(rings, Checksums::Offloaded);
            let command = Running::start(&options.command)?;
            let served = InDirectory { directory, framed, refused: String::new(), note };
            Helper::new(network, served, signals, command).run()
        }
        Served::Peer(peer) => {
            let command = Running::start(&options.command)?;
            let limit = command.is_none().then(|| Instant::now() + CONNECT_LIMIT);
            let served = OnSocket { peer: peer.clone(), limit, connection: None, note };
            Helper::new(network, served, signals, command).run()
        }
    }
}

/// The network of the containers, whatever they are.
fn user_network(options: &Options) -> Result<UserNetwork<HostSockets>> {
    let gateway = options.host_gateway.then(|| (Vec::new(), HostAddress::HostGateway));
    let network = NetworkOptions {
        publish: options.publish.clone(),
        hosts: gateway.into_iter().collect(),
        ..NetworkOptions::default()
    };
    // The containers learn their address by DHCP, which is of IPv4.
    let host = HostNetwork { ipv6: false, ..resolv_conf::host_network() };
    let network = UserNetwork::new(&network, host, entropy::number(), HostSockets);
    network.map_err(anyhow::Error::msg)
}

/// What frames come from.
trait Source {
    type Channel: Channel;

    /// Takes the next container, if there is one. Of a container that has ended, nothing is left.
    ///
    /// # Errors
    /// When there will be none.
    fn accept(&mut self) -> Result<bool>;

    /// Whether there may be another container.
    fn goes_on(&self) -> bool;

    /// The frames' way, when there has been a container.
    fn framed(&mut self) -> Option<&mut FramedChannel<Self::Channel>>;

    /// What to wait for: something to read, or room to write if that is wanted.
    fn poll_fd(&self, write: bool) -> Option<PollFd<'_>>;

    /// The longest to wait for that, in nanoseconds.
    fn pause(&self) -> Option<u64>;

    /// It was found ready.
    fn take_events(&mut self) {}

    /// Tells that a container's frames have come to an end for this reason.
    fn tell(&self, failure: &str);
}

struct InDirectory<'a> {
    directory: RingDirectory,
    framed: FramedChannel<Rings<FileOfRing>>,
    /// Why a container was refused last; it may ask again and again.
    refused: String,
    note: &'a dyn Fn(&str),
}

impl Source for InDirectory<'_> {
    type Channel = Rings<FileOfRing>;

    fn accept(&mut self) -> Result<bool> {
        match self.framed.channel_mut().accept() {
            Ok(is_new) => {
                if is_new {
                    self.framed.renew();
                }
                Ok(is_new)
            }
            Err(reason) => {
                if self.refused != reason {
                    (self.note)(&reason);
                }
                self.refused = reason;
                Ok(false)
            }
        }
    }

    fn goes_on(&self) -> bool {
        true
    }

    fn framed(&mut self) -> Option<&mut FramedChannel<Self::Channel>> {
        Some(&mut self.framed)
    }

    fn poll_fd(&self, _: bool) -> Option<PollFd<'_>> {
        let watch = self.directory.watch()?;
        Some(PollFd::from_borrowed_fd(watch, PollFlags::IN))
    }

    fn pause(&self) -> Option<u64> {
        Some(if self.directory.watch().is_some() { WATCHED_PAUSE } else { UNWATCHED_PAUSE })
    }

    fn take_events(&mut self) {
        self.directory.take_events();
    }

    /// One that has ended, or was killed, is nothing to speak of.
    fn tell(&self, failure: &str) {
        if !self.framed.is_closed() && !self.framed.channel().is_replaced() {
            (self.note)(&format!("a container's network has ended: {failure}"));
        }
    }
}

struct OnSocket<'a> {
    peer: Peer,
    /// Until when to try.
    limit: Option<Instant>,
    connection: Option<(Rc<OwnedFd>, FramedChannel<StreamChannel<HostSockets>>)>,
    note: &'a dyn Fn(&str),
}

impl Source for OnSocket<'_> {
    type Channel = StreamChannel<HostSockets>;

    /// The one that it connects to.
    fn accept(&mut self) -> Result<bool> {
        if self.connection.is_some() {
            return Ok(false);
        }
        match connect(&self.peer) {
            Ok(stream) => {
                let stream = Rc::new(stream);
                let channel = StreamChannel::new(HostSockets, Rc::clone(&stream));
                let framed = FramedChannel::new(channel, Checksums::Present);
                self.connection = Some((stream, framed));
                Ok(true)
            }
            Err(error) if self.limit.is_some_and(|limit| limit <= Instant::now()) => {
                Err(error.context(format!("cannot connect to {}", describe(&self.peer))))
            }
            Err(_) => Ok(false),
        }
    }

    fn goes_on(&self) -> bool {
        self.connection.is_none()
    }

    fn framed(&mut self) -> Option<&mut FramedChannel<Self::Channel>> {
        self.connection.as_mut().map(|(_, framed)| framed)
    }

    /// A broken socket is always ready: it would be for nothing.
    fn poll_fd(&self, write: bool) -> Option<PollFd<'_>> {
        let (stream, framed) = self.connection.as_ref()?;
        let write = if write { PollFlags::OUT } else { PollFlags::empty() };
        let is_open = framed.failure().is_none();
        is_open.then(|| PollFd::new(&**stream, PollFlags::IN | write))
    }

    fn pause(&self) -> Option<u64> {
        self.connection.is_none().then_some(CONNECT_PAUSE)
    }

    fn tell(&self, failure: &str) {
        let is_end = self.connection.as_ref().is_some_and(|(_, framed)| framed.is_closed());
        if !is_end {
            (self.note)(&format!("the container's network has ended: {failure}"));
        }
    }
}

/// The command that runs a container.
struct Running {
    child: Child,
    /// Readable when it has ended.
    ended: OwnedFd,
}

impl Running {
    /// Starts it, if there is one.
    fn start(command: &[OsString]) -> Result<Option<Self>> {
        let [program, arguments @ ..] = command else { return Ok(None) };
        let child = Command::new(program).args(arguments).spawn();
        let mut child = child.with_context(|| format!("cannot start {}", program.display()))?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(ended) => Ok(Some(Self { child, ended })),
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                Err(error.into())
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // One that has ended needs none.
        let _ = pidfd_send_signal(&self.ended, signal);
    }
}

impl Drop for Running {
    /// Nothing that it has started outlives the helper; one that has ended is only reaped.
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let limit = Instant::now() + Duration::from_secs(2);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < limit {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// What a shell makes of a status.
fn shell_status(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(u8::MAX)
}

struct Helper<S> {
    network: UserNetwork<HostSockets>,
    served: S,
    signals: Received,
    command: Option<Running>,
    start: Instant,
    /// The exit status, when it is time for one.
    status: Option<u8>,
}

/// Moves frames between a container and its network; returns whether there were any.
fn pump(framed: &mut FramedChannel<impl Channel>, wire: &mut Wire, now: u64) -> bool {
    let mut frame = Vec::new();
    let mut moved = false;
    for _ in 0..AT_ONCE {
        frame.clear();
        let Some(checksum) = framed.receive(&mut frame) else { break };
        wire.transmit(now, &frame, checksum);
        moved = true;
    }
    for _ in 0..AT_ONCE {
        frame.clear();
        if framed.is_full() {
            break;
        }
        let Some(checksum) = wire.receive(now, &mut frame) else { break };
        framed.send(&frame, checksum);
        moved = true;
    }
    framed.flush();
    moved
}

/// What has become of the container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guest {
    /// There is none.
    Absent,
    Present,
    /// It has ended at this moment; what it had sent is leaving.
    Ending(Instant),
}

impl Guest {
    fn has_ended(self) -> bool {
        matches!(self, Self::Ending(_))
    }

    /// How long ago it has ended.
    fn since(self) -> Duration {
        match self {
            Self::Ending(at) => at.elapsed(),
            Self::Absent | Self::Present => Duration::ZERO,
        }
    }
}

impl<S: Source> Helper<S> {
    fn new(
        network: UserNetwork<HostSockets>,
        served: S,
        signals: Received,
        command: Option<Running>,
    ) -> Self {
        // Not before the command was started, whose limits are its own.
        sockets::raise_limit();
        Self { network, served, signals, command, start: Instant::now(), status: None }
    }

    fn run(mut self) -> Result<u8> {
        let status = self.serve();
        if let Some(framed) = self.served.framed() {
            framed.channel_mut().close();
        }
        status
    }

    fn serve(&mut self) -> Result<u8> {
        let mut guest = Guest::Absent;
        loop {
            self.handle_signals(&mut guest);
            if let (Some(command), None) = (&mut self.command, self.status) {
                self.status = command.child.try_wait()?.map(shell_status);
            }
            if self.status.is_some() && guest == Guest::Present {
                guest = Guest::Ending(Instant::now());
            }
            let moved = self.turn(&mut guest)?;
            if guest == Guest::Absent {
                let for_nobody = !self.served.goes_on() && self.command.is_none();
                if let Some(status) = self.status.or(for_nobody.then_some(0)) {
                    return Ok(status);
                }
            }
            self.wait(guest, if moved { Some(0) } else { self.timeout(guest) })?;
        }
    }

    /// Moves what can be moved; returns whether that was anything.
    fn turn(&mut self, guest: &mut Guest) -> Result<bool> {
        let is_sending = guest.has_ended() && self.network.is_sending();
        if !(is_sending && guest.since() < SEND_LIMIT_BEFORE_ANOTHER) && self.served.accept()? {
            self.end_guest();
            *guest = Guest::Present;
        }
        if *guest == Guest::Absent {
            // Who connects to a published port waits for a container.
            return Ok(false);
        }
        let now = self.now();
        let mut wire = self.network.wire();
        let Some(framed) = self.served.framed() else { return Ok(false) };
        let moved = self.network.exchange(now, || pump(framed, &mut wire, now));
        let failure = framed.failure().map(str::to_owned);
        match failure {
            Some(failure) if *guest == Guest::Present => {
                self.served.tell(&failure);
                *guest = Guest::Ending(Instant::now());
            }
            _ if guest.has_ended() => {
                let is_done = !moved && !self.network.is_sending();
                if is_done || guest.since() >= SEND_LIMIT {
                    self.end_guest();
                    *guest = Guest::Absent;
                }
            }
            _ => {}
        }
        Ok(moved)
    }

    fn end_guest(&mut self) {
        self.network.end(entropy::number());
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// How long there is nothing to do, in nanoseconds.
    fn timeout(&self, guest: Guest) -> Option<u64> {
        let now = self.now();
        let timer = self.network.next_timer().filter(|_| guest != Guest::Absent);
        let timer = timer.map(|at| at.saturating_sub(now));
        let limit = SEND_LIMIT.saturating_sub(guest.since()).as_nanos() as u64;
        let limit = guest.has_ended().then_some(limit);
        [timer, limit, self.served.pause()].into_iter().flatten().min()
    }

    /// Waits for anything that there is to do.
    fn wait(&mut self, guest: Guest, timeout: Option<u64>) -> Result<()> {
        let is_sending = self.served.framed().is_some_and(|framed| framed.is_sending());
        let mut polled = vec![PollFd::new(self.signals.stream(), PollFlags::IN)];
        polled.extend(self.served.poll_fd(is_sending));
        let command = self.command.as_ref().filter(|_| self.status.is_none());
        polled.extend(command.map(|command| PollFd::new(&command.ended, PollFlags::IN)));
        if guest != Guest::Absent {
            let interests = self.network.interests().into_iter();
            polled.extend(interests.map(|interest| poll_fd(&interest)));
        }
        match poll(&mut polled, timeout.map(timespec).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.served.take_events();
        Ok(())
    }

    /// A signal is the command's, if there is one; those of a terminal it has got itself. Whoever sends
    /// one when that has ended does not want to wait.
    fn handle_signals(&mut self, guest: &mut Guest) {
        while let Some(signal) = self.signals.next() {
            match &self.command {
                _ if self.status.is_some() && ENDING.contains(&signal) => {
                    self.end_guest();
                    *guest = Guest::Absent;
                }
                Some(command) if signal == SIGTERM => command.signal(Signal::TERM),
                None if ENDING.contains(&signal) => self.status = Some(128 + signal as u8),
                _ => {}
            }
        }
    }
}
