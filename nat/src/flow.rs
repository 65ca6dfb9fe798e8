//! One TCP connection of the guest.

use crate::clock::Micros;
use crate::event::{End, Event, FlowId};
use crate::icmp::Quote;
use core::mem::take;
use core::net::{IpAddr, SocketAddr};
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Duration;

use alloc::vec;
use alloc::vec::Vec;

/// How long an ACK waits for data to ride on, in microseconds. Without, small writes of the guest
/// would each be acknowledged, and its own Nagle would hold nothing back.
pub const ACK_DELAY: u64 = 1000;

/// Both ends; the guest's address follows from the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tuple {
    pub guest_port: u16,
    pub remote: SocketAddr,
}

/// A connection from its SYN until the driver knows of its end.
pub struct Flow {
    pub id: FlowId,
    pub tuple: Tuple,
    /// Whether it is in the queue of those that may have a frame.
    pub is_queued: bool,
    /// Whether it is in the queue of those that have news.
    pub is_announced: bool,
    /// When it may have a frame.
    pub timer: Option<Micros>,
    /// A set of one: smoltcp looks at all sockets of a set for every frame.
    pub sockets: SocketSet<'static>,
    handle: SocketHandle,
    stage: Stage,
    news: News,
    /// The driver was told that there is no room.
    is_full: bool,
    /// The driver sends nothing more; the FIN follows as soon as there is a connection.
    is_closing: bool,
}

enum Stage {
    /// The guest's SYN waits for the driver.
    Waiting(Quote),
    /// Our SYN waits for the guest.
    Opening,
    /// Connected, or soon to be.
    Live,
    /// Both sides are closed and no frame is to come, but the driver has not consumed all.
    Draining,
    /// The driver gave it up: only an RST is still to leave.
    Aborted,
    /// What the driver is still to be told.
    Over(Event),
}

/// What the driver is still to be told.
#[derive(Default)]
struct News {
    connect: bool,
    opened: bool,
    readable: bool,
    writable: bool,
}

/// What a frame of the guest may change.
pub struct Before {
    received: usize,
    half_closed: bool,
}

impl Flow {
    fn new(id: FlowId, tuple: Tuple, capacity: usize, stage: Stage) -> Self {
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket(capacity));
        Self {
            id,
            tuple,
            is_queued: false,
            is_announced: false,
            timer: None,
            sockets,
            handle,
            stage,
            news: News::default(),
            is_full: true,
            is_closing: false,
        }
    }

    /// For a SYN of the guest, which is then to be given to it.
    pub fn listen(id: FlowId, tuple: Tuple, capacity: usize, quote: Quote) -> Option<Self> {
        let mut flow = Self::new(id, tuple, capacity, Stage::Waiting(quote));
        flow.news.connect = true;
        let socket = flow.socket_mut();
        socket.pause_synack(true);
        socket.listen(tuple.remote).ok()?;
        Some(flow)
    }

    /// Towards the guest.
    pub fn connect(
        id: FlowId,
        tuple: Tuple,
        capacity: usize,
        guest: IpAddr,
        interface: &mut Interface,
    ) -> Option<Self> {
        let mut flow = Self::new(id, tuple, capacity, Stage::Opening);
        let guest = SocketAddr::new(guest, tuple.guest_port);
        flow.socket_mut().connect(interface.context(), guest, tuple.remote).ok()?;
        Some(flow)
    }

    fn socket(&self) -> &Socket<'static> {
        self.sockets.get(self.handle)
    }

    fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn state(&self) -> State {
        self.socket().state()
    }

    fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live | Stage::Draining)
    }

    /// Whether a SYN of the guest has come to it and been understood.
    pub fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting(_)) && self.state() == State::SynReceived
    }

    /// Whether frames may leave on its behalf.
    pub fn is_on_wire(&self) -> bool {
        matches!(self.stage, Stage::Opening | Stage::Live | Stage::Aborted)
    }

    pub fn is_aborted(&self) -> bool {
        matches!(self.stage, Stage::Aborted)
    }

    pub fn has_news(&self) -> bool {
        let News { connect, opened, readable, writable } = self.news;
        connect || opened || readable || writable || matches!(self.stage, Stage::Over(_))
    }

    /// The next thing to tell, and whether that is the last.
    pub fn event(&mut self) -> Option<(Event, bool)> {
        let (flow, news) = (self.id, &mut self.news);
        let event = if take(&mut news.connect) {
            Event::Connect { flow, to: self.tuple.remote }
        } else if take(&mut news.opened) {
            Event::Opened(flow)
        } else if take(&mut news.readable) {
            Event::Readable(flow)
        } else if take(&mut news.writable) {
            Event::Writable(flow)
        } else {
            return match core::mem::replace(&mut self.stage, Stage::Aborted) {
                Stage::Over(event) => Some((event, true)),
                stage => {
                    self.stage = stage;
                    None
                }
            };
        };
        Some((event, false))
    }

    /// To be called before a frame of the guest goes in, for [`Flow::after`].
    pub fn before(&self) -> Before {
        Before { received: self.socket().recv_queue(), half_closed: self.is_half_closed() }
    }

    /// Takes note of what a frame of the guest has changed. `is_reset` says that it was an RST.
    pub fn after(&mut self, before: &Before, is_reset: bool) {
        let state = self.state();
        if is_reset && matches!(state, State::Closed | State::Listen) {
            return self.was_reset();
        }
        let connecting = matches!(state, State::SynSent | State::SynReceived);
        if matches!(self.stage, Stage::Opening) && !connecting {
            self.stage = Stage::Live;
            self.news.opened = true;
        }
        if !self.is_live() {
            return;
        }
        let now = self.before();
        let has_more = now.received > before.received;
        if has_more && before.half_closed {
            // Data behind a FIN, which smoltcp takes: no TCP sends that.
            return self.was_reset();
        }
        self.news.readable |= has_more || now.half_closed && !before.half_closed;
        if self.is_full && self.room() > 0 {
            self.is_full = false;
            self.news.writable = true;
        }
        self.close_if_connected();
        // The guest has acknowledged our FIN, and its own came first.
        if self.state() == State::Closed {
            self.stage = Stage::Draining;
        }
    }

    fn was_reset(&mut self) {
        let flow = self.id;
        self.stage = match self.stage {
            Stage::Opening => Stage::Over(Event::Refused(flow)),
            Stage::Aborted => return,
            _ => Stage::Over(Event::Closed { flow, end: End::Reset }),
        };
        self.release();
    }

    /// Frees what only a connection needs.
    fn release(&mut self) {
        self.news.readable = false;
        self.news.writable = false;
        *self.socket_mut() = socket(0);
    }

    /// All is sent and acknowledged, and the guest's FIN is here; at most its ACK is to leave.
    pub fn is_in_time_wait(&self) -> bool {
        self.is_live() && self.state() == State::TimeWait
    }

    /// Nothing is to leave any more.
    pub fn leave_wire(&mut self) {
        self.stage = Stage::Draining;
    }

    /// Whether it ended on the wire: its 4-tuple is free again.
    pub fn is_off_wire(&self) -> bool {
        matches!(self.stage, Stage::Draining | Stage::Over(_))
    }

    /// Ends a flow of which nothing is left to send or consume.
    pub fn end_if_drained(&mut self) {
        if matches!(self.stage, Stage::Draining) && self.socket().recv_queue() == 0 {
            self.stage = Stage::Over(Event::Closed { flow: self.id, end: End::Finished });
            self.release();
        }
    }

    /// Whether the driver has never heard of it and need not any more.
    pub fn is_forgotten(&self) -> bool {
        self.news.connect && matches!(self.stage, Stage::Over(_))
    }

    /// False when it does not wait for that.
    pub fn accept(&mut self) -> bool {
        let waits = matches!(self.stage, Stage::Waiting(_));
        if waits {
            self.stage = Stage::Live;
            self.socket_mut().pause_synack(false);
        }
        waits
    }

    /// What the guest asked for, if it waits for an answer. Nothing leaves after that.
    pub fn refuse(&mut self) -> Option<Quote> {
        match core::mem::replace(&mut self.stage, Stage::Draining) {
            Stage::Waiting(quote) => Some(quote),
            stage => {
                self.stage = stage;
                None
            }
        }
    }

    /// Sends an RST, if there is still anybody to send it to: else false.
    pub fn abort(&mut self) -> bool {
        let is_off_wire = self.is_off_wire();
        self.news = News::default();
        self.stage = Stage::Aborted;
        self.socket_mut().abort();
        !is_off_wire
    }

    pub fn close(&mut self) {
        self.is_closing = true;
        self.close_if_connected();
    }

    /// smoltcp would send the FIN of a half-open connection in place of its SYN-ACK.
    fn close_if_connected(&mut self) {
        if self.is_closing && self.socket().may_send() {
            self.socket_mut().close();
        }
    }

    /// What is received and in one piece.
    pub fn received(&mut self) -> &[u8] {
        let is_live = self.is_live();
        let socket = self.socket_mut();
        let length = socket.recv_queue();
        if !is_live || length == 0 {
            return &[];
        }
        socket.peek(length).unwrap_or_default()
    }

    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.received().len());
        // It fails when there is nothing, and then `count` is 0.
        let _ = self.socket_mut().recv(|_| (count, ()));
    }

    /// Whether the guest has sent its FIN.
    fn is_half_closed(&self) -> bool {
        use State::{CloseWait, Closed, Closing, LastAck, TimeWait};
        matches!(self.state(), CloseWait | LastAck | Closing | TimeWait | Closed)
    }

    pub fn finished(&self) -> bool {
        self.is_live() && self.is_half_closed() && self.socket().recv_queue() == 0
    }

    pub fn room(&self) -> usize {
        let socket = self.socket();
        if !matches!(self.stage, Stage::Live) || self.is_closing || !socket.may_send() {
            return 0;
        }
        socket.send_capacity() - socket.send_queue()
    }

    pub fn unacknowledged(&self) -> usize {
        self.socket().send_queue()
    }

    pub fn send(&mut self, bytes: &[u8]) -> usize {
        if self.room() == 0 {
            return 0;
        }
        let sent = self.socket_mut().send_slice(bytes).unwrap_or(0);
        self.is_full = self.room() == 0;
        sent
    }
}

fn socket(capacity: usize) -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; capacity]);
    let mut socket = Socket::new(buffer(), buffer());
    // The host has batched already.
    socket.set_nagle_enabled(false);
    socket.set_ack_delay(Some(Duration::from_micros(ACK_DELAY)));
    socket
}
