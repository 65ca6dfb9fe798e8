//! All TCP connections of the guest, by 4-tuple and by id: who may have a frame, and when.

use crate::clock::Micros;
use crate::config::Config;
use crate::event::{Event, FlowId, Refusal};
use crate::flow::{ACK_DELAY, Flow, Tuple};
use crate::frames::Frames;
use crate::icmp::Quote;
use crate::packet::{Link, Packet};
use crate::segment::{Segment, flag};
use crate::wire::{Wire, instant};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use smoltcp::iface::{Config as InterfaceConfig, Interface, SocketSet};
use smoltcp::time::Instant;
use smoltcp::wire::HardwareAddress;

/// Bytes of a buffer for each direction, and how many flows there may be before the next row holds.
/// None is a power of two: the window of a SYN is not scaled (RFC 7323, 2.2), but smoltcp scales it
/// when it looks whether a segment is inside, and that must not be more than there is room.
const BUFFERS: [(usize, usize); 3] = [(32, 4 * 65_535), (256, 65_535), (usize::MAX, 32_767)];
/// How long the FIN of a flow that has ended is acknowledged, in microseconds, and of how many.
const LINGER: u64 = 1_000_000;
const LINGERING: usize = 1024;
/// RFC 6335, 6.
const EPHEMERAL_PORTS: u16 = 49_152;

pub struct Flows {
    interface: Interface,
    /// For segments of no flow.
    nobody: SocketSet<'static>,
    config: Config,
    by_id: BTreeMap<FlowId, Flow>,
    by_tuple: BTreeMap<Tuple, FlowId>,
    /// Those whose SYN is not answered.
    waiting: BTreeSet<FlowId>,
    next_id: u64,
    next_port: u16,
    /// Those that may have a frame, in turn.
    ready: VecDeque<FlowId>,
    timers: BTreeSet<(Micros, FlowId)>,
    /// Those that have something to tell.
    news: VecDeque<FlowId>,
    /// Flows that have ended, and until when their late segments are known.
    lingering: VecDeque<(Micros, Tuple)>,
}

impl Flows {
    pub fn new(config: &Config) -> Self {
        let mut smoltcp = InterfaceConfig::new(HardwareAddress::Ip);
        smoltcp.random_seed = config.seed;
        let mut frame = Vec::new();
        let link = Link { gateway: config.mac, guest: config.guest_mac };
        let mut wire = Wire::new(link, None, &mut frame);
        let mut interface = Interface::new(smoltcp, &mut wire, Instant::ZERO);
        interface.set_any_ip(true);
        Self {
            interface,
            nobody: SocketSet::new(Vec::new()),
            config: config.clone(),
            by_id: BTreeMap::new(),
            by_tuple: BTreeMap::new(),
            waiting: BTreeSet::new(),
            next_id: 0,
            next_port: EPHEMERAL_PORTS | (config.seed ^ config.seed >> 32) as u16,
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            news: VecDeque::new(),
            lingering: VecDeque::new(),
        }
    }

    /// A segment of the guest. What answers it at once goes to `replies`.
    pub fn input(&mut self, now: Micros, link: Link, packet: &Packet, replies: &mut Frames) {
        let Some(segment) = Segment::parse(now, link, packet) else { return };
        while self.lingering.front().is_some_and(|&(until, _)| until <= now) {
            self.lingering.pop_front();
        }
        match self.by_tuple.get(&segment.tuple).copied() {
            Some(id) => self.segment(&segment, id, replies),
            None if segment.is_syn() => self.syn(&segment, replies),
            None if self.lingers(segment.tuple) => replies.extend(segment.late_ack()),
            None => self.stray(&segment, replies),
        }
    }

    fn segment(&mut self, segment: &Segment, id: FlowId, replies: &mut Frames) {
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        let before = flow.before();
        segment.enter(&mut self.interface, &mut flow.sockets, replies);
        flow.after(&before, segment.has(flag::RST));
        if flow.is_in_time_wait() {
            segment.last_ack(&mut self.interface, &mut flow.sockets, replies);
            flow.leave_wire();
        }
        if flow.is_off_wire() {
            self.leave_wire(segment.now, id);
        }
        self.enqueue(id);
        self.settle(id);
    }

    /// A new connection, unless there are too many.
    fn syn(&mut self, segment: &Segment, replies: &mut Frames) {
        if self.by_id.len() >= self.config.limits.flows {
            return self.stray(segment, replies);
        }
        if self.waiting.len() >= self.config.limits.waiting {
            return;
        }
        let (id, capacity) = (self.new_id(), self.capacity());
        let flow = Flow::listen(id, segment.tuple, capacity, Quote::of(segment.packet));
        let Some(mut flow) = flow else { return };
        segment.enter(&mut self.interface, &mut flow.sockets, replies);
        if !flow.is_waiting() {
            return;
        }
        self.lingering.retain(|&(_, tuple)| tuple != segment.tuple);
        self.waiting.insert(id);
        self.insert(flow);
    }

    /// A segment that no flow knows: smoltcp sends an RST if that is due (RFC 9293, 3.5.2).
    fn stray(&mut self, segment: &Segment, replies: &mut Frames) {
        segment.enter(&mut self.interface, &mut self.nobody, replies);
    }

    fn lingers(&self, tuple: Tuple) -> bool {
        self.lingering.iter().any(|&(_, other)| other == tuple)
    }

    fn new_id(&mut self) -> FlowId {
        self.next_id += 1;
        FlowId(self.next_id)
    }

    fn capacity(&self) -> usize {
        let flows = self.by_id.len();
        BUFFERS.iter().find(|&&(below, _)| flows < below).map_or(0, |&(_, capacity)| capacity)
    }

    fn insert(&mut self, flow: Flow) {
        let id = flow.id;
        self.by_tuple.insert(flow.tuple, id);
        self.by_id.insert(id, flow);
        self.settle(id);
    }

    pub fn open(&mut self, from: SocketAddr, to_port: u16) -> Option<FlowId> {
        let guest = self.config.guest_beside(from.ip())?;
        let from = SocketAddr::new(from.ip(), self.free_port(from, to_port)?);
        let tuple = Tuple { guest_port: to_port, remote: from };
        if self.by_id.len() >= self.config.limits.flows || self.by_tuple.contains_key(&tuple) {
            return None;
        }
        let (id, capacity) = (self.new_id(), self.capacity());
        let flow = Flow::connect(id, tuple, capacity, guest, &mut self.interface)?;
        self.insert(flow);
        self.enqueue(id);
        Some(id)
    }

    /// The port that was asked for, or one that no flow has.
    fn free_port(&mut self, from: SocketAddr, guest_port: u16) -> Option<u16> {
        if from.port() != 0 {
            return Some(from.port());
        }
        (0..=self.by_tuple.len()).find_map(|_| {
            self.next_port = self.next_port.wrapping_add(1) | EPHEMERAL_PORTS;
            let remote = SocketAddr::new(from.ip(), self.next_port);
            let is_free = !self.by_tuple.contains_key(&Tuple { guest_port, remote });
            is_free.then_some(self.next_port)
        })
    }

    /// Appends the next frame of a flow; false when none has one now.
    pub fn output(&mut self, now: Micros, link: Link, frame: &mut Vec<u8>) -> bool {
        while let Some(&(at, id)) = self.timers.first() {
            if at > now {
                break;
            }
            self.set_timer(id, None);
            self.enqueue(id);
        }
        while let Some(id) = self.ready.pop_front() {
            if self.dispatch(now, link, id, frame) {
                return true;
            }
        }
        false
    }

    /// Lets a flow send one frame.
    fn dispatch(&mut self, now: Micros, link: Link, id: FlowId, frame: &mut Vec<u8>) -> bool {
        let Some(flow) = self.by_id.get_mut(&id) else { return false };
        flow.is_queued = false;
        if !flow.is_on_wire() {
            return false;
        }
        let mut wire = Wire::new(link, None, frame);
        self.interface.poll_egress(instant(now), &mut wire, &mut flow.sockets);
        let sent = wire.sent;
        if flow.is_aborted() {
            self.forget(id);
            return sent;
        }
        if sent {
            self.enqueue(id);
            return true;
        }
        let at = self.interface.poll_at(instant(now), &flow.sockets);
        let at = at.map(|at| Micros(at.total_micros().try_into().unwrap_or(0)));
        // A timer that is due although nothing was sent must not keep the driver busy.
        let later = |at| if at > now { at } else { now.plus(ACK_DELAY) };
        self.set_timer(id, at.map(later));
        false
    }

    pub fn poll_at(&self) -> Option<Micros> {
        if !self.ready.is_empty() {
            return Some(Micros(0));
        }
        self.timers.first().map(|&(at, _)| at)
    }

    pub fn event(&mut self) -> Option<Event> {
        loop {
            let id = *self.news.front()?;
            let flow = self.by_id.get_mut(&id)?;
            if let Some((event, is_last)) = flow.event() {
                if is_last {
                    self.forget(id);
                }
                return Some(event);
            }
            flow.is_announced = false;
            self.news.pop_front();
        }
    }

    pub fn accept(&mut self, id: FlowId) {
        if self.by_id.get_mut(&id).is_some_and(Flow::accept) {
            self.waiting.remove(&id);
            self.enqueue(id);
        }
    }

    /// What is to be quoted to the guest, unless an RST will tell it, or the flow does not wait.
    pub fn refuse(&mut self, id: FlowId, refusal: Refusal) -> Option<Quote> {
        if !self.waiting.contains(&id) {
            return None;
        }
        if refusal == Refusal::Reset {
            self.abort(id);
            return None;
        }
        let quote = self.by_id.get_mut(&id)?.refuse();
        self.forget(id);
        quote
    }

    pub fn received(&mut self, id: FlowId) -> &[u8] {
        self.by_id.get_mut(&id).map_or(&[], Flow::received)
    }

    pub fn consume(&mut self, id: FlowId, count: usize) {
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        flow.consume(count);
        self.enqueue(id);
        self.settle(id);
    }

    pub fn finished(&self, id: FlowId) -> bool {
        self.by_id.get(&id).is_some_and(Flow::finished)
    }

    pub fn room(&self, id: FlowId) -> usize {
        self.by_id.get(&id).map_or(0, Flow::room)
    }

    pub fn unacknowledged(&self, id: FlowId) -> usize {
        self.by_id.get(&id).map_or(0, Flow::unacknowledged)
    }

    pub fn send(&mut self, id: FlowId, bytes: &[u8]) -> usize {
        let sent = self.by_id.get_mut(&id).map_or(0, |flow| flow.send(bytes));
        self.enqueue(id);
        sent
    }

    pub fn close(&mut self, id: FlowId) {
        if self.waiting.contains(&id) {
            return self.abort(id);
        }
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        flow.close();
        self.enqueue(id);
    }

    pub fn abort(&mut self, id: FlowId) {
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        if flow.abort() {
            self.waiting.remove(&id);
            self.enqueue(id);
        } else {
            self.forget(id);
        }
    }

    /// The flow may have a frame.
    fn enqueue(&mut self, id: FlowId) {
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        if flow.is_on_wire() && !flow.is_queued {
            flow.is_queued = true;
            self.ready.push_back(id);
        }
    }

    fn set_timer(&mut self, id: FlowId, at: Option<Micros>) {
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        if flow.timer == at {
            return;
        }
        if let Some(old) = flow.timer {
            self.timers.remove(&(old, id));
        }
        if let Some(at) = at {
            self.timers.insert((at, id));
        }
        flow.timer = at;
    }

    /// Has the end of a flow follow from its state, and what it has to tell queued.
    fn settle(&mut self, id: FlowId) {
        let Some(flow) = self.by_id.get_mut(&id) else { return };
        flow.end_if_drained();
        if flow.is_forgotten() {
            self.forget(id);
        } else if flow.has_news() && !flow.is_announced {
            flow.is_announced = true;
            self.news.push_back(id);
        }
    }

    /// Frees the 4-tuple of a flow that has ended; late segments are known for a while.
    fn leave_wire(&mut self, now: Micros, id: FlowId) {
        self.set_timer(id, None);
        self.waiting.remove(&id);
        let Some(flow) = self.by_id.get(&id) else { return };
        if self.by_tuple.remove(&flow.tuple).is_some() {
            if self.lingering.len() >= LINGERING {
                self.lingering.pop_front();
            }
            self.lingering.push_back((now.plus(LINGER), flow.tuple));
        }
    }

    /// Drops all that is known of a flow.
    fn forget(&mut self, id: FlowId) {
        self.set_timer(id, None);
        self.waiting.remove(&id);
        let Some(flow) = self.by_id.remove(&id) else { return };
        // What is left behind would add up while nobody asks for frames or events.
        if flow.is_queued {
            self.ready.retain(|&other| other != id);
        }
        if flow.is_announced {
            self.news.retain(|&other| other != id);
        }
        if self.by_tuple.get(&flow.tuple) == Some(&id) {
            self.by_tuple.remove(&flow.tuple);
        }
    }
}
