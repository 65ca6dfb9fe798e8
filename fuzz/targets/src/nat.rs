//! The network address translator between a guest and a driver that both do anything: frames that
//! are nearly right, calls in any order, time that jumps.

use crate::UpTo;
use arbitrary::Arbitrary;
use c2w_nat::{
    Config, Event, FlowId, Limits, MAX_FRAME, Micros, Nat, Network as Addresses, Refusal,
};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Few, so that they are reached.
const LIMITS: Limits =
    Limits { flows: 12, waiting: 4, datagrams: 4, events: 5, event_bytes: 100_000 };
/// More frames than can wait at one time, with windows as large as they get.
const MANY: usize = 100_000;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

#[derive(Arbitrary, Debug)]
struct Input {
    seed: u8,
    ipv6: bool,
    /// Whether frames that are broken come as well: then data may be other than it should.
    broken: bool,
    steps: UpTo<Step, 255>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Segment(Segment),
    /// The same, with a byte changed and cut.
    Broken(Segment, u8, u8, u16),
    /// A connection up to its first data, with a driver that does well.
    Connection(u8),
    /// The guest resets a connection as it should be done.
    Reset(u8),
    Raw(u16, UpTo<u8, 80>),
    Udp(u8, u8, u16),
    Ping(u8, u8, u16),
    Call(Call, u8),
    /// The guest accepts if it is said to.
    Open(u8, bool),
    Datagram(u8, u8, u16),
    Reply(u8, u16),
    Wait(u32),
    Output(u8),
    Events,
}

#[derive(Arbitrary, Debug)]
struct Segment {
    /// Which of the few connections.
    place: u8,
    flags: u8,
    sequence: Number,
    ack: Number,
    window: u16,
    scale: u8,
    length: u16,
}

/// Beside the right number, or anywhere.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Right,
    Near(i8),
    Far(i16),
    Any(u32),
}

#[derive(Arbitrary, Debug)]
enum Call {
    Accept,
    Refuse(u8),
    Consume(u16),
    ConsumeAll,
    Send(u16),
    Close,
    Abort,
}

/// A connection's two ends: the guest's port and the other.
type Place = (u16, SocketAddr);

/// What the guest knows of a connection.
#[derive(Default)]
struct Peer {
    /// What it sends next, what it has seen of the other side.
    next: u32,
    seen: u32,
    /// The acknowledgement in the last segment for it, if it has sent nothing since.
    acknowledged: Option<u32>,
    /// The first bytes' sequence numbers in both directions.
    start: Option<u32>,
    other_start: Option<u32>,
    has_sent_fin: bool,
}

/// What the driver knows of one.
struct Known {
    place: Place,
    consumed: u32,
    sent: u32,
    /// Whether the guest's SYN waits for an answer; one that is refused ends without an event.
    is_waiting: bool,
    is_closed: bool,
    is_over: bool,
}

struct World {
    nat: Nat,
    now: Micros,
    peers: HashMap<Place, Peer>,
    flows: Vec<(FlowId, Known)>,
    /// Whether all data of the guest is what it should be.
    is_exact: bool,
}

/// The byte at a place in a stream.
fn content(position: u32) -> u8 {
    (position ^ position >> 8 ^ position >> 16) as u8
}

fn contents(start: u32, length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| content(start.wrapping_add(at))).collect()
}

/// Runs one input.
///
/// # Panics
/// When a limit is passed, a frame is wrong, bytes arrive otherwise than they were sent, a flow
/// outlives the guest's reset, or a timer is due that does nothing.
pub fn check(bytes: &[u8]) {
    let Some(input) = crate::parse::<Input>(bytes) else { return };
    let config = Config {
        seed: input.seed.into(),
        ipv6: input.ipv6.then(Addresses::default),
        limits: LIMITS,
        ..Config::default()
    };
    let mut world = World {
        nat: Nat::new(config),
        now: Micros(0),
        peers: HashMap::new(),
        flows: Vec::new(),
        is_exact: !input.broken,
    };
    for step in &input.steps.0 {
        world.step(step);
        world.now.0 += 10;
    }
    world.events();
    world.output(MANY);
}

impl World {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Segment(segment) => self.segment(segment),
            Step::Broken(..) | Step::Raw(..) if self.is_exact => {}
            Step::Broken(segment, at, value, length) => {
                let mut frame = self.frame(segment);
                let at = usize::from(*at) % frame.len();
                frame[at] ^= value;
                frame.truncate(usize::from(*length) % (frame.len() + 1));
                self.input(&frame);
            }
            Step::Connection(place) => self.connection(*place),
            Step::Reset(place) => self.reset(*place),
            Step::Raw(kind, bytes) => {
                let kind = [0x0800, 0x0806, 0x86dd, *kind][usize::from(*kind) % 4];
                self.input(&ethernet(kind, &bytes.0));
            }
            Step::Udp(place, port, length) => {
                let (_, to) = connection(*place);
                let header = [0, *port, 0, 53, (length >> 8) as u8, *length as u8, 0, 0];
                let data = vec![0; usize::from(length % 2048)];
                self.input(&ip(to.ip(), 17, &[&header[..], &data].concat()));
            }
            Step::Ping(place, kind, length) => {
                let (_, to) = connection(*place);
                let kind = [8, 128, 135, *kind][usize::from(*kind) % 4];
                let message = [&[kind, 0, 0, 0, 0, 1, 0, 2], &vec![0; usize::from(*length)][..]];
                self.input(&ip(to.ip(), if to.is_ipv4() { 1 } else { 58 }, &message.concat()));
            }
            Step::Call(call, flow) => {
                if let Some(index) = usize::from(*flow).checked_rem(self.flows.len()) {
                    self.call(call, index);
                }
            }
            Step::Open(place, accept) => self.open(*place, *accept),
            Step::Datagram(place, port, length) => {
                let (_, from) = connection(*place);
                self.nat.datagram(from, (*port).into(), &vec![1; usize::from(*length)]);
            }
            Step::Reply(place, length) => {
                let data = vec![2; usize::from(*length)];
                self.nat.echo_reply(connection(*place).1.ip(), 1, 2, &data);
            }
            Step::Wait(millis) => self.now.0 += u64::from(*millis % 100_000) * 1000,
            Step::Output(count) => self.output((*count).into()),
            Step::Events => self.events(),
        }
    }

    fn input(&mut self, frame: &[u8]) {
        self.nat.input(self.now, frame);
    }

    /// A segment of the guest, which then knows what it has sent.
    fn segment(&mut self, segment: &Segment) {
        let frame = self.frame(segment);
        let peer = self.peers.entry(connection(segment.place)).or_default();
        let sequence = segment.sequence.beside(peer.next);
        peer.acknowledged = None;
        peer.has_sent_fin |= segment.flags & FIN != 0;
        if segment.sequence.is_right() {
            let ends = segment.flags & (SYN | FIN) != 0;
            peer.next = sequence.wrapping_add(segment.data_length()).wrapping_add(ends.into());
        }
        self.input(&frame);
    }

    fn frame(&mut self, segment: &Segment) -> Vec<u8> {
        let place = connection(segment.place);
        let peer = self.peers.entry(place).or_default();
        let sequence = segment.sequence.beside(peer.next);
        let mut bytes = Vec::new();
        bytes.extend(place.0.to_be_bytes());
        bytes.extend(place.1.port().to_be_bytes());
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(segment.ack.beside(peer.seen).to_be_bytes());
        let options = if segment.flags & SYN != 0 { &[3, 3, segment.scale, 1][..] } else { &[] };
        bytes.extend([(5 + options.len() as u8 / 4) << 4, segment.flags]);
        bytes.extend(segment.window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(options);
        bytes.extend(contents(sequence, segment.data_length() as usize));
        ip(place.1.ip(), 6, &bytes)
    }

    /// What a guest and a driver that mean well do.
    fn connection(&mut self, place: u8) {
        self.segment(&Segment::right(place, SYN, 0));
        self.events();
        let to = connection(place);
        let flow = self.flows.iter().rposition(|(_, known)| known.place == to);
        let Some(flow) = flow else { return };
        self.call(&Call::Accept, flow);
        self.output(MANY);
        self.segment(&Segment::right(place, ACK, 0));
        self.segment(&Segment::right(place, ACK, 1000));
        self.events();
    }

    /// Once the guest has reset a connection with the number that was last acknowledged to it, that
    /// is over, unless it was before, but for what the driver has not consumed.
    fn reset(&mut self, place: u8) {
        // No acknowledgement is held back any more.
        self.now.0 += 2000;
        self.events();
        let place_and_port = connection(place);
        let peer = self.peers.entry(place_and_port).or_default();
        let Some(sequence) = peer.acknowledged else { return };
        let has_sent_fin = peer.has_sent_fin;
        peer.next = sequence;
        self.segment(&Segment::right(place, RST, 0));
        self.events();
        let mut known = self.flows.iter().filter(|(_, known)| known.place == place_and_port);
        let survivor = known.find(|(_, known)| !known.is_over);
        if let Some((id, known)) = survivor {
            assert!(has_sent_fin && known.is_closed || !self.is_exact, "{id:?} outlives its reset");
        }
    }

    fn open(&mut self, place: u8, accept: bool) {
        self.events();
        let to = connection(place);
        let Some(id) = self.nat.open(to.1, to.0) else { return };
        self.new_peer(to);
        self.know(id, to, false);
        self.output(MANY);
        if accept {
            self.segment(&Segment::right(place, SYN | ACK, 0));
            let peer = self.peers.entry(to).or_default();
            peer.start = Some(peer.next);
            self.segment(&Segment::right(place, ACK, 1000));
        }
    }

    /// Nothing of an earlier connection holds.
    fn new_peer(&mut self, place: Place) {
        let peer = self.peers.entry(place).or_default();
        *peer = Peer { next: peer.next, ..Peer::default() };
    }

    fn know(&mut self, id: FlowId, place: Place, is_waiting: bool) {
        assert!(self.flows.iter().all(|(other, _)| *other != id), "{id:?} comes again");
        let (is_closed, is_over) = (false, false);
        let known = Known { place, consumed: 0, sent: 0, is_waiting, is_closed, is_over };
        self.flows.push((id, known));
        let alive = self.flows.iter().filter(|(_, known)| !known.is_over).count();
        assert!(alive <= LIMITS.flows, "{alive} flows");
    }

    fn call(&mut self, call: &Call, index: usize) {
        let (id, known) = &mut self.flows[index];
        let (id, nat) = (*id, &mut self.nat);
        match call {
            Call::Accept => {
                known.is_waiting = false;
                nat.accept(id);
            }
            Call::Refuse(kind) => {
                let kinds = [
                    Refusal::Reset,
                    Refusal::NetworkUnreachable,
                    Refusal::HostUnreachable,
                    Refusal::Prohibited,
                ];
                nat.refuse(id, kinds[usize::from(*kind) % 4]);
                known.is_over |= known.is_waiting;
            }
            Call::Consume(count) => self.consume(index, (*count).into()),
            Call::ConsumeAll => {
                while !self.nat.received(id).is_empty() {
                    self.consume(index, usize::MAX);
                }
            }
            Call::Send(length) => {
                let room = nat.room(id);
                let data = contents(known.sent, (*length).into());
                let sent = nat.send(id, &data);
                assert_eq!(sent, room.min(data.len()), "room is not what is taken");
                known.sent += sent as u32;
            }
            Call::Close => {
                known.is_closed = true;
                known.is_over |= known.is_waiting;
                nat.close(id);
            }
            Call::Abort => {
                known.is_over = true;
                nat.abort(id);
                assert_eq!((nat.room(id), nat.received(id)), (0, &[][..]), "{id:?} lives");
            }
        }
    }

    fn consume(&mut self, index: usize, count: usize) {
        let (id, known) = &mut self.flows[index];
        let received = self.nat.received(*id);
        let start = self.peers.get(&known.place).and_then(|peer| peer.start);
        if let (Some(start), true) = (start, self.is_exact && !known.is_over) {
            let position = start.wrapping_add(known.consumed);
            assert!(received == contents(position, received.len()), "other bytes than were sent");
        }
        let count = count.min(received.len());
        known.consumed = known.consumed.wrapping_add(count as u32);
        self.nat.consume(*id, count);
    }

    fn events(&mut self) {
        // So that no segment of an old connection is taken for one of a new.
        self.output(MANY);
        let mut packets = 0;
        while let Some(event) = self.nat.event() {
            let over = match event {
                Event::Connect { flow, to } => {
                    self.new_connection(flow, to);
                    continue;
                }
                Event::Closed { flow, .. } | Event::Refused(flow) => flow,
                Event::Opened(_) | Event::Readable(_) | Event::Writable(_) => continue,
                Event::Datagram { .. } | Event::Question { .. } | Event::Echo { .. } => {
                    packets += 1;
                    continue;
                }
            };
            assert_eq!(self.nat.room(over), 0, "{over:?} lives");
            let known = self.flows.iter_mut().find(|(id, _)| *id == over);
            known.expect("nobody knew it").1.is_over = true;
        }
        assert!(packets <= LIMITS.events, "{packets} packets");
    }

    /// The event does not tell the guest's port, but this guest has one for each address.
    fn new_connection(&mut self, flow: FlowId, to: SocketAddr) {
        let place = (0..=255).map(connection).find(|place| place.1 == to);
        let Some(place) = place else {
            assert!(!self.is_exact, "a connection to {to}");
            return self.nat.refuse(flow, Refusal::Prohibited);
        };
        self.new_peer(place);
        self.know(flow, place, true);
    }

    fn output(&mut self, count: usize) {
        let mut frame = Vec::new();
        for frames in 0..count {
            if !self.nat.output(self.now, &mut frame) {
                let next = self.nat.poll_at();
                assert!(next.is_none_or(|next| next > self.now), "{next:?} keeps the driver busy");
                break;
            }
            assert!(frames < MANY - 1, "frames without end");
            assert!(frame.len() <= MAX_FRAME, "a frame of {} bytes", frame.len());
            self.seen(&frame);
            frame.clear();
        }
    }

    /// The guest sees a frame: if that is a segment, it is what the driver has sent.
    fn seen(&mut self, frame: &[u8]) {
        let packet = &frame[14..];
        let (from, header): (IpAddr, usize) = match frame[12..14] {
            [8, 6] => return,
            [8, 0] => {
                assert_eq!(checksum(&packet[..20]), 0, "the header's checksum");
                let from: [u8; 4] = packet[12..16].try_into().expect("4 bytes");
                (from.into(), 20)
            }
            _ => {
                let from: [u8; 16] = packet[8..24].try_into().expect("16 bytes");
                (from.into(), 40)
            }
        };
        let protocol = if header == 20 { packet[9] } else { packet[6] };
        if protocol != 6 {
            return;
        }
        let segment = &packet[header..];
        let port = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
        let number = |at: usize| u32::from(port(at)) << 16 | u32::from(port(at + 2));
        let place = (port(2), SocketAddr::new(from, port(0)));
        let peer = self.peers.entry(place).or_default();
        let (flags, sequence, ack) = (segment[13], number(4), number(8));
        if flags & RST != 0 {
            peer.acknowledged = None;
            return;
        }
        let data = &segment[usize::from(segment[12] >> 4) * 4..];
        if flags & SYN != 0 {
            peer.other_start = Some(sequence.wrapping_add(1));
        } else if let (Some(start), true) = (peer.other_start, self.is_exact) {
            let position = sequence.wrapping_sub(start);
            assert!(data == contents(position, data.len()), "other bytes than were sent");
        }
        if flags & ACK != 0 {
            peer.acknowledged = Some(ack);
            if flags & SYN != 0 {
                peer.start = Some(ack);
                peer.next = ack;
            }
        }
        let ends = flags & (SYN | FIN) != 0;
        peer.seen = sequence.wrapping_add(data.len() as u32).wrapping_add(ends.into());
    }
}

impl Segment {
    fn right(place: u8, flags: u8, length: u16) -> Self {
        let (sequence, ack) = (Number::Right, Number::Right);
        Self { place, flags, sequence, ack, window: u16::MAX, scale: 2, length }
    }

    fn data_length(&self) -> u32 {
        u32::from(self.length) % 65_400
    }
}

impl Number {
    fn beside(self, right: u32) -> u32 {
        match self {
            Self::Right => right,
            Self::Near(distance) => right.wrapping_add_signed(distance.into()),
            Self::Far(distance) => right.wrapping_add_signed(i32::from(distance) * 100),
            Self::Any(number) => number,
        }
    }

    fn is_right(self) -> bool {
        matches!(self, Self::Right)
    }
}

/// A few connections, of both families, to the gateway and to port 0, too.
fn connection(number: u8) -> Place {
    let server = u16::from(number % 5);
    let port = [80, 443, 0][usize::from(number / 5 % 3)];
    let address: IpAddr = if number < 200 {
        Ipv4Addr::new(10, 0, 2, server as u8 + 1).into()
    } else {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, server + 1).into()
    };
    (40_000 + server, SocketAddr::new(address, port))
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    let kind = kind.to_be_bytes();
    [&[2, 0, 0, 0, 0, 2][..], &[2, 0, 0, 0, 0, 1], &kind, payload].concat()
}

/// A packet of the guest.
pub(crate) fn ip(to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match to {
        IpAddr::V4(to) => {
            let payload = &payload[..payload.len().min(65_515)];
            let length = (payload.len() as u16 + 20).to_be_bytes();
            let start = [0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
            let mut header = [&start[..], &[10, 0, 2, 15], &to.octets()].concat();
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            ethernet(0x0800, &[&header, payload].concat())
        }
        IpAddr::V6(to) => {
            let payload = &payload[..payload.len().min(65_535)];
            let length = (payload.len() as u16).to_be_bytes();
            let start = [0x60, 0, 0, 0, length[0], length[1], protocol, 255];
            let from = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x15);
            let header = [&start[..], &from.octets(), &to.octets()].concat();
            ethernet(0x86dd, &[&header, payload].concat())
        }
    }
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
