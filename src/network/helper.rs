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
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
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

/// How long what a container has sent may take to leave when it has ended, as of `c2w run`'s.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// How long a runtime may take to listen, and how long to wait between two attempts.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const CONNECT_PAUSE: Duration = Duration::from_millis(20);
/// Frames that are moved before the sockets get their turn.
const AT_ONCE: usize = 256;
/// How long rings are left alone where a file system does not tell that they were written.
const RING_PAUSE: u64 = 100_000_000;

/// Serves containers until the command ends, or a signal comes. Returns the exit status.
///
/// # Errors
/// When a port cannot be published, the directory cannot be served, or the command not be started.
pub fn serve(options: &Options, note: &dyn Fn(&str)) -> Result<u8> {
    let signals = Received::listen()?;
    let network = user_network(options)?;
    network.notes().for_each(|text| note(&text));
    match &options.served {
        Served::Directory(path) => {
            let (directory, rings) =
                RingDirectory::make(path).with_context(|| path.display().to_string())?;
            let framed = FramedChannel::new(rings, Checksums::Offloaded);
            let command = Running::start(&options.command)?;
            let served = InDirectory { directory, framed, note };
            Helper::new(network, served, signals, command).run()
        }
        Served::Peer(peer) => {
            let command = Running::start(&options.command)?;
            let stream = connect_patiently(peer)
                .with_context(|| format!("cannot connect to {}", describe(peer)))?;
            let stream = Rc::new(stream);
            let channel = StreamChannel::new(HostSockets, Rc::clone(&stream));
            let framed = FramedChannel::new(channel, Checksums::Present);
            let served = OnSocket { stream, framed };
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

fn connect_patiently(peer: &Peer) -> Result<OwnedFd> {
    let deadline = Instant::now() + CONNECT_LIMIT;
    loop {
        match connect(peer) {
            Err(_) if Instant::now() < deadline => thread::sleep(CONNECT_PAUSE),
            done => return done,
        }
    }
}

/// What frames come from.
trait Source {
    type Channel: Channel;

    /// Takes the next container, if there is one. Of a container that has ended, nothing is left.
    fn accept(&mut self) -> bool;

    /// Whether there will be another container.
    fn goes_on(&self) -> bool;

    fn framed(&mut self) -> &mut FramedChannel<Self::Channel>;

    /// What to wait for: something to read, or room to write if that is wanted.
    fn poll_fd(&self, write: bool) -> Option<PollFd<'_>>;

    /// The longest to wait for that, in nanoseconds.
    fn pause(&self) -> Option<u64>;

    /// It was found ready.
    fn take_events(&mut self) {}
}

struct InDirectory<'a> {
    directory: RingDirectory,
    framed: FramedChannel<Rings<FileOfRing>>,
    note: &'a dyn Fn(&str),
}

impl Source for InDirectory<'_> {
    type Channel = Rings<FileOfRing>;

    fn accept(&mut self) -> bool {
        match self.framed.channel_mut().accept() {
            Ok(is_new) => {
                if is_new {
                    self.framed.renew();
                }
                is_new
            }
            Err(reason) => {
                (self.note)(&reason);
                false
            }
        }
    }

    fn goes_on(&self) -> bool {
        true
    }

    fn framed(&mut self) -> &mut FramedChannel<Self::Channel> {
        &mut self.framed
    }

    fn poll_fd(&self, _: bool) -> Option<PollFd<'_>> {
        Some(PollFd::from_borrowed_fd(self.directory.watch(), PollFlags::IN))
    }

    fn pause(&self) -> Option<u64> {
        Some(RING_PAUSE)
    }

    fn take_events(&mut self) {
        self.directory.take_events();
    }
}

struct OnSocket {
    stream: Rc<OwnedFd>,
    framed: FramedChannel<StreamChannel<HostSockets>>,
}

impl Source for OnSocket {
    type Channel = StreamChannel<HostSockets>;

    /// The one that it is connected with.
    fn accept(&mut self) -> bool {
        false
    }

    fn goes_on(&self) -> bool {
        false
    }

    fn framed(&mut self) -> &mut FramedChannel<Self::Channel> {
        &mut self.framed
    }

    /// A broken socket is always ready: it would be for nothing.
    fn poll_fd(&self, write: bool) -> Option<PollFd<'_>> {
        let write = if write { PollFlags::OUT } else { PollFlags::empty() };
        let is_open = self.framed.failure().is_none();
        is_open.then(|| PollFd::new(&*self.stream, PollFlags::IN | write))
    }

    fn pause(&self) -> Option<u64> {
        None
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
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        let ended = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        Ok(Some(Self { child, ended }))
    }

    fn signal(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            // One that has ended needs none.
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
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
    /// It has ended; what it had sent leaves until then.
    Ending(Instant),
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
        let mut guest = if self.served.goes_on() { Guest::Absent } else { Guest::Present };
        loop {
            self.handle_signals();
            if let (Some(command), None) = (&mut self.command, self.status) {
                self.status = command.child.try_wait()?.map(shell_status);
            }
            if self.status.is_some() && guest == Guest::Present {
                guest = Guest::Ending(Instant::now() + SEND_LIMIT);
            }
            let moved = self.turn(&mut guest);
            if guest == Guest::Absent {
                let for_nobody = !self.served.goes_on() && self.command.is_none();
                if let Some(status) = self.status.or(for_nobody.then_some(0)) {
                    self.served.framed().channel_mut().close();
                    return Ok(status);
                }
            }
            self.wait(if moved { Some(0) } else { self.timeout(guest) })?;
        }
    }

    /// Moves what can be moved; returns whether that was anything.
    fn turn(&mut self, guest: &mut Guest) -> bool {
        if self.served.accept() {
            self.end_guest();
            *guest = Guest::Present;
        }
        let now = self.now();
        let mut wire = self.network.wire();
        let framed = self.served.framed();
        let is_present = *guest == Guest::Present;
        let moved = self.network.exchange(now, || is_present && pump(framed, &mut wire, now));
        match *guest {
            Guest::Present if framed.failure().is_some() => {
                *guest = Guest::Ending(Instant::now() + SEND_LIMIT);
            }
            Guest::Ending(limit) if !self.network.is_sending() || limit <= Instant::now() => {
                self.end_guest();
                *guest = Guest::Absent;
            }
            _ => {}
        }
        moved
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
        let timer = self.network.next_timer().map(|at| at.saturating_sub(now));
        let limit = match guest {
            Guest::Ending(limit) => {
                Some(limit.saturating_duration_since(Instant::now()).as_nanos() as u64)
            }
            Guest::Absent | Guest::Present => None,
        };
        [timer, limit, self.served.pause()].into_iter().flatten().min()
    }

    /// Waits for anything that there is to do.
    fn wait(&mut self, timeout: Option<u64>) -> Result<()> {
        let is_sending = self.served.framed().is_sending();
        let mut polled = vec![PollFd::new(self.signals.stream(), PollFlags::IN)];
        polled.extend(self.served.poll_fd(is_sending));
        let command = self.command.as_ref().filter(|_| self.status.is_none());
        polled.extend(command.map(|command| PollFd::new(&command.ended, PollFlags::IN)));
        polled.extend(self.network.interests().into_iter().map(|interest| poll_fd(&interest)));
        match poll(&mut polled, timeout.map(timespec).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.served.take_events();
        Ok(())
    }

    /// A signal is the command's, if there is one; those of a terminal it has got itself.
    fn handle_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            match &self.command {
                Some(command) if signal == SIGTERM => command.signal(signal),
                None if ENDING.contains(&signal) => {
                    self.status.get_or_insert(128 + signal as u8);
                }
                _ => {}
            }
        }
    }
}
