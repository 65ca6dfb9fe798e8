//! A byte stream with frames on it, and a peer that sends anything in any pieces, takes as much as
//! it likes and leaves when it likes. What the channel has taken goes to a peer that means well,
//! and a DHCP client hears all that comes.

mod answer;
mod sums;

use crate::{UpTo, nat, noise};
use answer::{Answer, Kind};
use arbitrary::Arbitrary;
use c2w_emulator::devices::Checksum;
use c2w_nat::dhcp::{Client, Lease};
use c2w_nat::{MTU, Micros};
use c2w_network::{Channel, Checksums, FramedChannel, Transfer};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of the longest frame, and of all that may wait for the channel.
const LONGEST: usize = 65_550;
const OUTGOING: usize = 1 << 20;
/// Bytes of frames that are sent for one input.
const TOTAL: usize = 2 << 20;
/// Then smoltcp takes all checksums for right.
#[allow(unexpected_cfgs, reason = "scripts/fuzz.sh sets it")]
const FUZZING: bool = cfg!(fuzzing);
/// The address that [`nat::ip`] makes frames for.
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

#[derive(Arbitrary, Debug)]
struct Input {
    offloaded: bool,
    steps: UpTo<Step, 100>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// The guest sends a frame, some times.
    Send(Frame, State, u8),
    Flush,
    /// The channel takes so many bytes more, in pieces of so many.
    Take(u32, u16),
    /// The peer sends bytes, a length, a frame, or what a DHCP server answers.
    Bytes(UpTo<u8, 80>),
    Length(u32),
    Frame(Frame),
    Answer(Answer, Kind),
    /// Some frames are received, out of pieces of so many bytes.
    Receive(u8, u16),
    /// The client asks if it wants to, after so many milliseconds.
    Ask(u16),
    /// The client and a server that answers come to an end.
    Acquire(Answer),
    /// The peer sends no more.
    End,
    /// The connection breaks, what is on its way is lost or not, and somebody knows why or not.
    Break(bool, bool),
    Renew,
}

#[derive(Arbitrary, Debug)]
enum Frame {
    /// An IP packet with noise in it, a byte changed and bytes behind it.
    Packet {
        six: bool,
        protocol: u8,
        length: u16,
        change: (u8, u8),
        behind: UpTo<u8, 20>,
    },
    Raw(UpTo<u8, 90>),
    Noise(u32),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum State {
    Present,
    Valid,
    Partial(u16, u16),
    /// As a driver does it: the pseudo header's sum is there.
    Driver,
}

/// The bytes' way, which goes as far as it is told.
#[derive(Default)]
struct Stream {
    incoming: Vec<u8>,
    /// How many of these have been read.
    read: usize,
    /// How many bytes are read and written at once; 0 is all.
    read_at_once: usize,
    written_at_once: usize,
    room: usize,
    taken: Vec<u8>,
    /// What reads come to in the end, if nothing more comes.
    end: Option<Transfer>,
    reason: Option<&'static str>,
}

impl Channel for Stream {
    const POLLED: bool = false;

    fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        assert!(!buffer.is_empty(), "there is no room to read into");
        let count = at_once(self.read_at_once, buffer.len()).min(self.unread());
        buffer[..count].copy_from_slice(&self.incoming[self.read..][..count]);
        self.read += count;
        if self.unread() == 0 {
            self.incoming.clear();
            self.read = 0;
        }
        match count {
            0 => self.end.unwrap_or(Transfer::Blocked),
            count => Transfer::Moved(count),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Transfer {
        assert!(!bytes.is_empty(), "there is nothing to write");
        let count = at_once(self.written_at_once, bytes.len()).min(self.room);
        match count {
            _ if self.end == Some(Transfer::Broken) => return Transfer::Broken,
            0 => return Transfer::Blocked,
            _ => {}
        }
        self.room -= count;
        self.taken.extend_from_slice(&bytes[..count]);
        Transfer::Moved(count)
    }

    fn failure(&self) -> Option<&str> {
        self.reason
    }
}

impl Stream {
    fn unread(&self) -> usize {
        self.incoming.len() - self.read
    }
}

fn at_once(limit: usize, length: usize) -> usize {
    if limit == 0 { length } else { length.min(limit) }
}

/// What is next in bytes of the peer.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Frame(Vec<u8>),
    Part,
    /// Something that is not frames.
    Other,
}

fn next(bytes: &[u8]) -> Next {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Next::Part };
    let length = u32::from_be_bytes(*length) as usize;
    match rest.get(..length) {
        _ if !(1..=LONGEST).contains(&length) => Next::Other,
        Some(frame) => Next::Frame(frame.to_vec()),
        None => Next::Part,
    }
}

struct World {
    checksums: Checksums,
    framed: FramedChannel<Stream>,
    /// Bytes that the peer has sent and that are in no frame yet.
    coming: Vec<u8>,
    /// Bytes that wait for the channel, and frames that the peer has not received.
    waiting: Vec<u8>,
    sent: VecDeque<Vec<u8>>,
    total: usize,
    /// The peer that means well.
    peer: FramedChannel<Stream>,
    client: Client,
    now: u64,
    /// The client's last question.
    question: Vec<u8>,
    lease: Option<Lease>,
}

/// Runs one input.
///
/// # Panics
/// When a frame is lost that is not too much, is kept that is, or arrives otherwise than it was
/// sent; when bytes come to other frames than they are; and when a lease is none.
pub fn check(bytes: &[u8]) {
    let Some(input) = crate::parse::<Input>(bytes) else { return };
    let checksums = if input.offloaded { Checksums::Offloaded } else { Checksums::Present };
    let mut world = World {
        checksums,
        framed: FramedChannel::new(Stream::default(), checksums),
        coming: Vec::new(),
        waiting: Vec::new(),
        sent: VecDeque::new(),
        total: 0,
        peer: FramedChannel::new(Stream::default(), checksums),
        client: Client::new(MAC, 7),
        now: 0,
        question: Vec::new(),
        lease: None,
    };
    for step in &input.steps.0 {
        world.step(step);
        world.compare();
    }
    world.take(usize::MAX, 0);
    world.flush();
    world.receive(usize::MAX);
    let is_over = world.framed.failure().is_some();
    assert!(is_over || world.waiting.is_empty() && world.sent.is_empty(), "something is lost");
}

impl World {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Send(frame, state, times) => {
                let (frame, state) = state.of(frame.bytes());
                for _ in 0..=times % 20 {
                    self.send(&frame, state);
                }
            }
            Step::Flush => self.flush(),
            Step::Take(room, pieces) => self.take(*room as usize, (*pieces).into()),
            Step::Bytes(bytes) => self.come(&bytes.0),
            Step::Length(length) => {
                let length = if *length < 1 << 24 { length % 70_000 } else { *length };
                self.come(&length.to_be_bytes());
            }
            Step::Frame(frame) => self.come_as_frame(&frame.bytes()),
            Step::Answer(answer, kind) => self.come_as_frame(&answer.frame(*kind, &self.question)),
            Step::Receive(count, pieces) => {
                self.stream().read_at_once = (*pieces).into();
                self.receive((*count).into());
            }
            Step::Ask(millis) => self.ask(*millis),
            Step::Acquire(answer) => {
                for kind in [Kind::Offer, Kind::Ack] {
                    self.ask(1000);
                    self.come_as_frame(&answer.frame(kind, &self.question));
                    self.receive(usize::MAX);
                }
            }
            Step::End => drop(self.stream().end.get_or_insert(Transfer::End)),
            Step::Break(lost, known) => {
                if *lost {
                    let left = self.coming.len() - self.stream().unread();
                    self.coming.truncate(left);
                    let read = self.stream().read;
                    self.stream().incoming.truncate(read);
                }
                self.stream().end = Some(Transfer::Broken);
                self.stream().reason = known.then_some("it is known why");
            }
            Step::Renew => self.renew(),
        }
    }

    fn stream(&mut self) -> &mut Stream {
        self.framed.channel_mut()
    }

    fn take(&mut self, room: usize, pieces: usize) {
        self.stream().room = room;
        self.stream().written_at_once = pieces;
    }

    fn come(&mut self, bytes: &[u8]) {
        // Nothing comes behind the end.
        if self.stream().end.is_none() {
            self.stream().incoming.extend_from_slice(bytes);
            self.coming.extend_from_slice(bytes);
        }
    }

    fn come_as_frame(&mut self, frame: &[u8]) {
        self.come(&(frame.len() as u32).to_be_bytes());
        self.come(frame);
    }

    fn renew(&mut self) {
        *self.stream() = Stream::default();
        *self.peer.channel_mut() = Stream::default();
        self.framed.renew();
        self.peer.renew();
        assert_eq!(self.framed.failure(), None);
        self.waiting.clear();
        self.sent.clear();
        self.coming.clear();
        (self.client, self.lease) = (Client::new(MAC, 8), None);
    }

    fn send(&mut self, frame: &[u8], state: Checksum) {
        // The device takes what is shorter than an Ethernet header for no frame.
        if frame.is_empty() || self.total + frame.len() > TOTAL {
            return;
        }
        self.framed.take_active();
        let is_lost = self.framed.failure().is_some() || self.framed.is_full();
        let is_kept = !is_lost && frame.len() <= LONGEST;
        if is_kept {
            let frame = match self.checksums {
                Checksums::Offloaded => frame.to_vec(),
                Checksums::Present => sums::as_sent(frame, state),
            };
            self.total += frame.len();
            self.waiting.extend((frame.len() as u32).to_be_bytes());
            self.waiting.extend(&frame);
            self.sent.push_back(frame);
        }
        let most = self.waiting.len();
        assert!(most <= OUTGOING, "{most} bytes wait");
        self.framed.send(frame, state);
        assert_eq!(self.framed.take_active(), is_kept, "a frame of {} bytes", frame.len());
        self.compare();
    }

    fn flush(&mut self) {
        self.framed.flush();
        self.compare();
        let is_stuck = self.framed.failure().is_some() || self.stream().room == 0;
        assert!(is_stuck || !self.framed.is_sending(), "it does not go on");
    }

    /// What the channel has taken is what was sent, and arrives as such.
    fn compare(&mut self) {
        let taken = std::mem::take(&mut self.stream().taken);
        assert!(self.waiting.starts_with(&taken), "other bytes than were sent");
        self.waiting.drain(..taken.len());
        let (waiting, goes_on) = (self.waiting.len(), self.framed.failure().is_none());
        assert_eq!(self.framed.is_sending(), goes_on && waiting > 0);
        assert_eq!(self.framed.is_full(), goes_on && waiting + 4 + LONGEST > OUTGOING);
        self.peer.channel_mut().incoming.extend_from_slice(&taken);
        let mut frame = Vec::new();
        while let Some(state) = self.peer.receive(&mut frame) {
            let sent = self.sent.pop_front();
            assert!(sent.as_ref() == Some(&frame), "another frame than was sent");
            self.check_state(&frame, state);
            frame.clear();
        }
        assert_eq!(self.peer.failure(), None);
    }

    fn check_state(&self, frame: &[u8], state: Checksum) {
        let is_valid = state == Checksum::Valid;
        assert!(is_valid || state == Checksum::Present);
        match self.checksums {
            Checksums::Offloaded => assert!(is_valid),
            Checksums::Present if sums::is_right(frame) => assert!(is_valid, "a right checksum"),
            Checksums::Present => assert!(!is_valid || FUZZING, "a wrong checksum"),
        }
    }

    fn receive(&mut self, count: usize) {
        let mut frame = Vec::new();
        for _ in 0..count {
            let failed = self.framed.failure().map(str::to_string);
            let Some(state) = self.framed.receive(&mut frame) else {
                self.check_end(failed);
                break;
            };
            assert_eq!(next(&self.coming), Next::Frame(frame.clone()));
            self.coming.drain(..4 + frame.len());
            self.check_state(&frame, state);
            self.client.input(&frame);
            self.check_client();
            frame.clear();
        }
    }

    /// There is no frame: why, and whether that is told.
    fn check_end(&mut self, before: Option<String>) {
        let failure = self.framed.failure().map(str::to_string);
        let (next, end, reason) = (next(&self.coming), self.stream().end, self.stream().reason);
        assert!(before.is_none() || before == failure, "another failure");
        match failure.as_deref() {
            None => assert_eq!((next, end), (Next::Part, None)),
            Some("its other end has closed it") => {
                // It may have broken since.
                assert!(next == Next::Part && end.is_some());
            }
            Some(other) if other.starts_with("what comes is not frames: one of ") => {
                assert_eq!(next, Next::Other);
            }
            Some(other) => {
                assert_eq!(end, Some(Transfer::Broken));
                assert!(before.is_some() || other == reason.unwrap_or("the connection is broken"));
            }
        }
    }

    fn ask(&mut self, millis: u16) {
        self.now += u64::from(millis) * 1000;
        let mut frame = Vec::new();
        if self.client.output(Micros(self.now), &mut frame) {
            assert!(self.client.poll_at() > Some(Micros(self.now)), "it asks at once again");
            assert!(sums::is_right(&frame));
            self.send(&frame, Checksum::Present);
            self.question = frame;
        }
        self.check_client();
        self.flush();
    }

    fn check_client(&mut self) {
        let lease = self.client.lease();
        assert_eq!(self.client.poll_at().is_none(), lease.is_some());
        assert!(self.lease.is_none() || self.lease.as_ref() == lease, "another lease");
        if let (None, Some(lease)) = (&self.lease, lease) {
            check_lease(lease);
            self.lease = Some(lease.clone());
        }
    }
}

/// It has the bounds that it is documented to have.
fn check_lease(lease: &Lease) {
    assert!((1..=32).contains(&lease.prefix), "{lease:?}");
    let host_bits = u32::MAX.checked_shr(lease.prefix.into()).unwrap_or(0);
    let host = u32::from(lease.address) & host_bits;
    assert!(lease.prefix >= 31 || (1..host_bits).contains(&host), "{lease:?}");
    let hosts = lease.router.iter().chain(&lease.name_servers).chain([&lease.address]);
    assert!(hosts.into_iter().all(|address| is_host(*address)), "{lease:?}");
    assert!(lease.mtu.is_none_or(|mtu| (576..=MTU).contains(&usize::from(mtu))), "{lease:?}");
    assert!(lease.name_servers.len() <= 3 && lease.search.len() <= 6, "{lease:?}");
    let is_harmless = |byte: &u8| (b'!'..=b'~').contains(byte) && *byte != b'#';
    for name in &lease.search {
        assert!((1..=253).contains(&name.len()) && name.iter().all(is_harmless), "{lease:?}");
    }
}

fn is_host(address: Ipv4Addr) -> bool {
    (1..=223).contains(&address.octets()[0]) && address.octets()[0] != 127
        || (240..=255).contains(&address.octets()[0]) && address != Ipv4Addr::BROADCAST
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Packet { six, protocol, length, change: (at, value), behind } => {
                let protocol = [6, 17, 1, 58, *protocol][usize::from(*protocol) % 5];
                // Short ones, most often.
                let length = if *length < 60_000 { length % 1500 } else { *length };
                let mut payload = noise(length.into(), length.into());
                let length = length.to_be_bytes();
                match (protocol, &mut payload[..]) {
                    (6, [_, _, _, _, _, _, _, _, _, _, _, _, offset, ..]) => *offset = 0x50,
                    (17, [_, _, _, _, high, low, ..]) => [*high, *low] = length,
                    _ => {}
                }
                let mut frame = match six {
                    false => nat::ip(Ipv4Addr::new(10, 0, 2, 2).into(), protocol, &payload),
                    true => nat::ip(Ipv6Addr::LOCALHOST.into(), protocol, &payload),
                };
                let at = usize::from(*at) % frame.len();
                frame[at] ^= value;
                frame.extend(&behind.0);
                frame
            }
            Self::Raw(bytes) => bytes.0.clone(),
            Self::Noise(length) => noise(1, *length as usize % 70_000),
        }
    }
}

impl State {
    /// The frame as a guest gives it to its device.
    fn of(self, mut frame: Vec<u8>) -> (Vec<u8>, Checksum) {
        let state = match self {
            Self::Present => Checksum::Present,
            Self::Valid => Checksum::Valid,
            Self::Partial(start, offset) => {
                // Near the headers, most often.
                let near = |number: u16| if number < 50_000 { number % 80 } else { number };
                Checksum::Partial { start: near(start), offset: near(offset) }
            }
            Self::Driver => sums::leave(&mut frame),
        };
        (frame, state)
    }
}
