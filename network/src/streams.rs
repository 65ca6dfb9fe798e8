//! Connections: each flow of the NAT has a socket of the host.

use crate::policy::Policy;
use crate::sockets::{Interest, Sockets, Transfer};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_nat::{End, Event, FlowId, Nat};
use c2w_session::options::PublishedPort;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// How long the container may take to answer a connection from outside.
const OPEN_LIMIT: u64 = 30_000_000_000;

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
}

struct Flow<T> {
    stream: T,
    state: State,
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
    /// The guest is asked to take a connection, until this moment.
    Opening(u64),
    Connected,
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
        self.listeners.push(Listener { socket, port: port.container });
        Ok(at)
    }

    /// The end of the longest wait for the guest to take a connection that has to end first.
    pub fn deadline(&self) -> Option<u64> {
        let deadline = |flow: &Flow<_>| match flow.state {
            State::Opening(until) => Some(until),
            _ => None,
        };
        self.flows.values().filter_map(deadline).min()
    }

    /// What the listeners are wanted for, then those flows that are wanted for something.
    pub fn interests<'a>(&'a self, nat: &Nat) -> Vec<Interest<'a, S>> {
        let listeners = self.listeners.iter().map(|listener| Interest::Listener(&listener.socket));
        listeners.chain(self.wanted(nat).map(|(_, interest)| interest)).collect()
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
            !nat.received(id).is_empty() || !sockets.is_flushed(&flow.stream)
        };
        self.flows.iter().any(waits) || !self.closing.is_empty()
    }

    /// Does what an event asks for.
    pub fn handle(&mut self, event: Event, nat: &mut Nat, policy: &Policy, sockets: &mut S) {
        match event {
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
                }
            }
            Event::Readable(id) => self.write(id, nat, sockets),
            Event::Refused(id) | Event::Closed { flow: id, end: End::Reset } => {
                if let Some(flow) = self.flows.remove(&id) {
                    sockets.reset(flow.stream);
                }
            }
            Event::Closed { flow, end: End::Finished } => {
                self.closing.extend(self.flows.remove(&flow).map(|flow| flow.stream));
            }
            // Room is asked for when there is something for it.
            _ => {}
        }
    }

    /// Ends those that the guest has not answered in time.
    pub fn expire(&mut self, now: u64, nat: &mut Nat, sockets: &mut S) {
        let late = |flow: &Flow<_>| matches!(flow.state, State::Opening(until) if until <= now);
        let late: Vec<_> =
            self.flows.iter().filter(|(_, flow)| late(flow)).map(|(&id, _)| id).collect();
        for id in late {
            self.abort(id, nat, sockets);
        }
    }

    /// Does with each socket of [`Self::interests`] that is `ready` what it is ready for.
    pub fn advance(
        &mut self,
        now: u64,
        ready: &[bool],
        nat: &mut Nat,
        policy: &Policy,
        sockets: &mut S,
        buffer: &mut [u8],
    ) {
        self.closing.retain(|stream| !sockets.is_flushed(stream));
        let (listeners, flows) = ready.split_at(self.listeners.len());
        let wanted = self.wanted(nat).map(|(id, _)| id);
        let flows: Vec<FlowId> = of_ready(wanted, flows).collect();
        let listeners: Vec<usize> = of_ready(0..self.listeners.len(), listeners).collect();
        for &id in &flows {
            self.advance_one(id, nat, sockets, buffer);
        }
        for &index in &listeners {
            self.accept(now, index, nat, policy, sockets);
        }
    }

    fn advance_one(&mut self, id: FlowId, nat: &mut Nat, sockets: &mut S, buffer: &mut [u8]) {
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
        self.write(id, nat, sockets);
        self.read(id, nat, sockets, buffer);
    }

    /// Moves bytes of the guest to the host's socket, as far as it takes them.
    fn write(&mut self, id: FlowId, nat: &mut Nat, sockets: &mut S) {
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
                Transfer::End | Transfer::Broken => return self.abort(id, nat, sockets),
            }
        }
        if nat.finished(id) && !core::mem::replace(&mut flow.shut_down, true) {
            sockets.shut_down(&flow.stream);
        }
    }

    /// Moves bytes of the host's peer to the guest, as far as there is room.
    fn read(&mut self, id: FlowId, nat: &mut Nat, sockets: &mut S, buffer: &mut [u8]) {
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
                    nat.close(id);
                }
                Transfer::Broken => return self.abort(id, nat, sockets),
            }
        }
    }

    fn accept(&mut self, now: u64, index: usize, nat: &mut Nat, policy: &Policy, sockets: &mut S) {
        let Listener { socket, port } = &self.listeners[index];
        while let Some(stream) = sockets.accept(socket) {
            // The NAT chooses a port: clients of several addresses may have the same.
            let from = SocketAddr::new(policy.gateway(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), 0);
            match nat.open(from, *port) {
                Some(id) => {
                    let state = State::Opening(now.saturating_add(OPEN_LIMIT));
                    self.flows.insert(id, Flow::new(stream, state));
                }
                None => sockets.reset(stream),
            }
        }
    }

    fn abort(&mut self, id: FlowId, nat: &mut Nat, sockets: &mut S) {
        nat.abort(id);
        if let Some(flow) = self.flows.remove(&id) {
            sockets.reset(flow.stream);
        }
    }
}

impl<T> Flow<T> {
    fn new(stream: T, state: State) -> Self {
        Self { stream, state, blocked: false, ended: false, shut_down: false }
    }

    /// Whether it may have bytes for the guest.
    fn reads(&self) -> bool {
        self.state == State::Connected && !self.ended
    }
}

/// Those of `all` that are `ready`.
fn of_ready<T>(all: impl Iterator<Item = T>, ready: &[bool]) -> impl Iterator<Item = T> {
    all.zip(ready).filter_map(|(one, ready)| ready.then_some(one))
}
