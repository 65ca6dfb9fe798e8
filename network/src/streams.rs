//! Connections: each flow of the NAT has a socket of the host.

use crate::policy::Policy;
use crate::sockets::{Interest, Sockets, Transfer};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_nat::{End, Event, FlowId, Nat, Refusal};
use c2w_session::options::PublishedPort;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// How long the container may take to answer a connection from outside.
const OPEN_LIMIT: u64 = 30_000_000_000;
/// How long the guest gets what a peer has said before it broke the connection.
const BROKEN_LIMIT: u64 = 1_000_000_000;
/// After what time a connection is accepted that could not be, for want of descriptors.
const RETRY: u64 = 100_000_000;
/// The most sockets. The NAT has a limit of its own, which leaves out those that are closing.
const MAX_SOCKETS: usize = 1024;

/// All connections, and the sockets that accept more.
pub struct Streams<S: Sockets> {
    flows: BTreeMap<FlowId, Flow<S::Stream>>,
    listeners: Vec<Listener<S::Listener>>,
    /// Whose bytes are on their way still.
    closing: Vec<S::Stream>,
}

struct Listener<L> {
    socket: L,
    /// The container's port.
    port: u16,
    /// It cannot accept before this moment.
    paused: Option<u64>,
}

struct Flow<T> {
    stream: T,
    state: State,
    /// It is aborted at this moment.
    deadline: Option<u64>,
    /// Whether the host's socket took no more, so that bytes of the guest wait.
    blocked: bool,
    /// Whether the host's peer has sent all.
    ended: bool,
    /// Whether the guest has, and the socket knows.
    shut_down: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The host connects for the guest.
    Connecting,
    /// The guest is asked to take a connection.
    Opening,
    Connected,
    /// The host's peer takes no more; what it has said before is the guest's still.
    Broken,
}

impl<S: Sockets> Streams<S> {
    pub fn new() -> Self {
        Self { flows: BTreeMap::new(), listeners: Vec::new(), closing: Vec::new() }
    }

    /// Listens for a port of the container; returns where.
    pub fn publish(&mut self, port: &PublishedPort, sockets: &mut S) -> Result<SocketAddr, String> {
        let listening = sockets.listen(port.host);
        let (socket, at) =
            listening.map_err(|why| format!("cannot listen on {}: {why}", port.host))?;
        self.listeners.push(Listener { socket, port: port.container, paused: None });
        Ok(at)
    }

    /// When [`Self::expire`] has something to do.
    pub fn deadline(&self) -> Option<u64> {
        let flows = self.flows.values().filter_map(|flow| flow.deadline);
        flows.chain(self.listeners.iter().filter_map(|listener| listener.paused)).min()
    }

    /// What the sockets are wanted for, in the order in which [`Self::advance`] takes them.
    pub fn interests<'a>(&'a self, nat: &Nat) -> Vec<Interest<'a, S>> {
        let listeners = self.active().map(|(_, listener)| Interest::Listener(&listener.socket));
        let flows = self.wanted(nat).map(|(_, interest)| interest);
        let closing =
            self.closing.iter().map(|stream| Interest::Stream { stream, read: false, write: true });
        listeners.chain(flows).chain(closing).collect()
    }

    fn active(&self) -> impl Iterator<Item = (usize, &Listener<S::Listener>)> {
        self.listeners.iter().enumerate().filter(|(_, listener)| listener.paused.is_none())
    }

    fn wanted<'a>(&'a self, nat: &Nat) -> impl Iterator<Item = (FlowId, Interest<'a, S>)> {
        self.flows.iter().filter_map(|(&id, flow)| {
            let read = flow.reads() && nat.room(id) > 0;
            let write = flow.state == State::Connecting || flow.blocked;
            let interest = Interest::Stream { stream: &flow.stream, read, write };
            // A broken socket is always ready: it would be for nothing.
            (read || write).then_some((id, interest))
        })
    }

    /// Whether bytes of the guest wait for a socket to take them.
    pub fn is_sending(&self, nat: &mut Nat, sockets: &mut S) -> bool {
        let waits = |(&id, flow): (&FlowId, &Flow<S::Stream>)| {
            let has_more = flow.state != State::Broken && !nat.received(id).is_empty();
            has_more || !sockets.is_flushed(&flow.stream)
        };
        self.flows.iter().any(waits) || !self.closing.is_empty()
    }

    /// Ends all: those of which the guest has not sent its last byte by a reset, so that nobody takes
    /// what came for the whole.
    pub fn end(&mut self, nat: &mut Nat, sockets: &mut S) {
        for (id, flow) in core::mem::take(&mut self.flows) {
            if !nat.finished(id) {
                sockets.reset(flow.stream);
            }
        }
    }

    /// Does what an event asks for.
    pub fn handle(
        &mut self,
        now: u64,
        event: Event,
        nat: &mut Nat,
        policy: &Policy,
        sockets: &mut S,
    ) {
        match event {
            Event::Connect { flow, .. } if self.is_full() => nat.refuse(flow, Refusal::Reset),
            Event::Connect { flow, to } => {
                let connecting = policy.destination(to).and_then(|to| sockets.connect(to));
                match connecting {
                    Ok(stream) => {
                        self.flows.insert(flow, Flow::new(stream, State::Connecting));
                    }
                    Err(refusal) => nat.refuse(flow, refusal),
                }
            }
            Event::Opened(id) => {
                if let Some(flow) = self.flows.get_mut(&id) {
                    flow.state = State::Connected;
                    flow.deadline = None;
                }
            }
            Event::Readable(id) => self.write(now, id, nat, sockets),
            Event::Refused(id) | Event::Closed { flow: id, end: End::Reset } => {
                self.reset(id, sockets);
            }
            Event::Closed { flow, end: End::Finished } => {
                self.closing.extend(self.flows.remove(&flow).map(|flow| flow.stream));
            }
            // Room is asked for when there is something for it.
            _ => {}
        }
    }

    fn is_full(&self) -> bool {
        self.flows.len() + self.closing.len() >= MAX_SOCKETS
    }

    /// Aborts broken flows of which the guest has all, and those that have had their time, and lets listeners try again.
    pub fn expire(&mut self, now: u64, nat: &mut Nat, sockets: &mut S) {
        let is_due = |(&id, flow): (&FlowId, &Flow<S::Stream>)| {
            let is_late = flow.deadline.is_some_and(|deadline| deadline <= now);
            let has_all = flow.state == State::Broken && flow.ended && nat.unacknowledged(id) == 0;
            (is_late || has_all).then_some(id)
        };
        let due: Vec<_> = self.flows.iter().filter_map(is_due).collect();
        for id in due {
            self.abort(id, nat, sockets);
        }
        for listener in &mut self.listeners {
            listener.paused = listener.paused.filter(|&until| until > now);
        }
    }

    /// Does with each socket of [`Self::interests`] that is `ready` what it is ready for. Returns
    /// whether that was anything.
    pub fn advance(
        &mut self,
        now: u64,
        ready: &[bool],
        nat: &mut Nat,
        policy: &Policy,
        sockets: &mut S,
        buffer: &mut [u8],
    ) -> bool {
        let listeners: Vec<usize> = self.active().map(|(index, _)| index).collect();
        let (of_listeners, rest) = ready.split_at(listeners.len().min(ready.len()));
        let flows: Vec<FlowId> = of_ready(self.wanted(nat).map(|(id, _)| id), rest).collect();
        let closing = self.closing.len();
        self.closing.retain(|stream| !sockets.is_flushed(stream));
        for &id in &flows {
            self.advance_one(now, id, nat, sockets, buffer);
        }
        let mut moved = !flows.is_empty() || self.closing.len() < closing;
        for index in of_ready(listeners.into_iter(), of_listeners) {
            moved |= self.accept(now, index, nat, policy, sockets);
        }
        moved
    }

    fn advance_one(
        &mut self,
        now: u64,
        id: FlowId,
        nat: &mut Nat,
        sockets: &mut S,
        buffer: &mut [u8],
    ) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if flow.state == State::Connecting {
            match sockets.is_connected(&mut flow.stream) {
                Ok(false) => return,
                Ok(true) => {
                    flow.state = State::Connected;
                    nat.accept(id);
                }
                Err(refusal) => {
                    self.flows.remove(&id);
                    return nat.refuse(id, refusal);
                }
            }
        }
        self.write(now, id, nat, sockets);
        self.read(now, id, nat, sockets, buffer);
    }

    /// Moves bytes of the guest to the host's socket, as far as it takes them.
    fn write(&mut self, now: u64, id: FlowId, nat: &mut Nat, sockets: &mut S) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if flow.state != State::Connected {
            return;
        }
        flow.blocked = false;
        loop {
            let bytes = nat.received(id);
            if bytes.is_empty() {
                break;
            }
            match sockets.write(&flow.stream, bytes) {
                Transfer::Moved(count) => nat.consume(id, count),
                Transfer::Blocked => {
                    flow.blocked = true;
                    return;
                }
                Transfer::End | Transfer::Broken => return flow.break_off(now),
            }
        }
        if nat.finished(id) && !core::mem::replace(&mut flow.shut_down, true) {
            sockets.shut_down(&flow.stream);
        }
    }

    /// Moves bytes of the host's peer to the guest, as far as there is room.
    fn read(&mut self, now: u64, id: FlowId, nat: &mut Nat, sockets: &mut S, buffer: &mut [u8]) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        while flow.reads() {
            let room = nat.room(id).min(buffer.len());
            if room == 0 {
                return;
            }
            match sockets.read(&flow.stream, &mut buffer[..room]) {
                Transfer::Moved(count) => {
                    nat.send(id, &buffer[..count]);
                }
                Transfer::Blocked => return,
                Transfer::End => {
                    flow.ended = true;
                    // The end of one that is broken is its reset.
                    if flow.state == State::Connected {
                        nat.close(id);
                    }
                }
                Transfer::Broken => {
                    flow.ended = true;
                    flow.break_off(now);
                }
            }
        }
    }

    /// Takes connections as long as there are some and room for them. Returns whether there were.
    fn accept(
        &mut self,
        now: u64,
        index: usize,
        nat: &mut Nat,
        policy: &Policy,
        sockets: &mut S,
    ) -> bool {
        // The NAT chooses a port: clients of several addresses may have the same.
        let from = SocketAddr::new(policy.gateway(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), 0);
        let mut any = false;
        while !self.is_full() {
            let Listener { socket, port, .. } = &self.listeners[index];
            let Some(stream) = sockets.accept(socket) else { break };
            any = true;
            match nat.open(from, *port) {
                Some(id) => {
                    let deadline = Some(now.saturating_add(OPEN_LIMIT));
                    let flow = Flow::new(stream, State::Opening);
                    self.flows.insert(id, Flow { deadline, ..flow });
                }
                None => sockets.reset(stream),
            }
        }
        // It stays ready where descriptors are used up, and would be looked at without end.
        self.listeners[index].paused = (!any).then(|| now.saturating_add(RETRY));
        any
    }

    fn abort(&mut self, id: FlowId, nat: &mut Nat, sockets: &mut S) {
        nat.abort(id);
        self.reset(id, sockets);
    }

    fn reset(&mut self, id: FlowId, sockets: &mut S) {
        let Some(flow) = self.flows.remove(&id) else { return };
        // A host may wait for bytes that are on their way when their socket is closed.
        match sockets.is_flushed(&flow.stream) {
            true => sockets.reset(flow.stream),
            false => self.closing.push(flow.stream),
        }
    }
}

impl<T> Flow<T> {
    fn new(stream: T, state: State) -> Self {
        let deadline = None;
        Self { stream, state, deadline, blocked: false, ended: false, shut_down: false }
    }

    /// The host's peer has reset it: the guest hears of that when it has what was said before.
    fn break_off(&mut self, now: u64) {
        self.state = State::Broken;
        self.deadline.get_or_insert(now.saturating_add(BROKEN_LIMIT));
    }

    /// Whether it may have bytes for the guest.
    fn reads(&self) -> bool {
        matches!(self.state, State::Connected | State::Broken) && !self.ended
    }
}

/// Those of `all` that are `ready`.
fn of_ready<T>(all: impl Iterator<Item = T>, ready: &[bool]) -> impl Iterator<Item = T> {
    all.zip(ready).filter_map(|(one, ready)| ready.then_some(one))
}
