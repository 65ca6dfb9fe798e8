//! What the driver is told, and those of the events that flows have no part in.

use crate::config::Limits;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// A TCP connection between the guest and the host. Never used again: calls that name a flow that
/// has ended do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

/// What happened.
///
/// [`Event::Readable`] and [`Event::Writable`] are told once for each change: a driver that leaves
/// bytes behind, because its socket takes no more, remembers that itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The guest connects: to be answered with [`crate::Nat::accept`] or [`crate::Nat::refuse`].
    Connect {
        /// The new flow.
        flow: FlowId,
        /// Where to.
        to: SocketAddr,
    },
    /// A connection made with [`crate::Nat::open`] is established.
    Opened(FlowId),
    /// The guest refused a connection made with [`crate::Nat::open`]. The flow is forgotten.
    Refused(FlowId),
    /// There is more in [`crate::Nat::received`], or [`crate::Nat::finished`] may have become true.
    Readable(FlowId),
    /// There is room for [`crate::Nat::send`], after there was none: also when a connection is
    /// established.
    Writable(FlowId),
    /// The connection is over, and the flow forgotten.
    Closed {
        /// Which.
        flow: FlowId,
        /// How it ended.
        end: End,
    },
    /// A UDP datagram of the guest.
    Datagram {
        /// The guest's port, for [`crate::Nat::datagram`].
        from: u16,
        /// Where to.
        to: SocketAddr,
        /// What is in it, up to 65,527 bytes.
        data: Vec<u8>,
    },
    /// A datagram to port 53 of the name server: a DNS message (RFC 1035, 4.1), if the guest means
    /// well. It is answered with [`crate::Nat::datagram`] from `to`.
    Question {
        /// The guest's port.
        from: u16,
        /// Which address of the name server was asked.
        to: SocketAddr,
        /// The message.
        data: Vec<u8>,
    },
    /// An ICMP echo request, for [`crate::Nat::echo_reply`].
    Echo {
        /// Whom the guest pings.
        to: IpAddr,
        /// The identifier.
        id: u16,
        /// The sequence number.
        sequence: u16,
        /// The data.
        data: Vec<u8>,
    },
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides have sent all they had, and the driver has consumed it: close the host's socket.
    Finished,
    /// The guest reset it: reset the host's, if that can be done.
    Reset,
}

/// Why a connection is refused, and what connect(2) in a Linux guest makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An RST: ECONNREFUSED.
    Reset,
    /// ICMP type 3 code 0, ICMPv6 type 1 code 0: ENETUNREACH.
    NetworkUnreachable,
    /// ICMP type 3 code 1, ICMPv6 type 1 code 3: EHOSTUNREACH.
    HostUnreachable,
    /// ICMP type 3 code 13, ICMPv6 type 1 code 1: EHOSTUNREACH, with IPv6 EACCES.
    Prohibited,
}

/// Packets for the driver: events that carry data.
pub struct Packets {
    queue: VecDeque<Event>,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
}

impl Packets {
    pub fn new(limits: &Limits) -> Self {
        let (max_events, max_bytes) = (limits.events, limits.event_bytes);
        Self { queue: VecDeque::new(), bytes: 0, max_events, max_bytes }
    }

    /// Queues the event, if there is one and room for it.
    pub fn push(&mut self, event: Option<Event>) {
        let Some(event) = event else { return };
        let bytes = self.bytes + event.bytes();
        if self.queue.len() < self.max_events && bytes <= self.max_bytes {
            self.bytes = bytes;
            self.queue.push_back(event);
        }
    }

    pub fn pop(&mut self) -> Option<Event> {
        let event = self.queue.pop_front()?;
        self.bytes -= event.bytes();
        Some(event)
    }
}

impl Event {
    fn bytes(&self) -> usize {
        match self {
            Self::Datagram { data, .. } | Self::Question { data, .. } | Self::Echo { data, .. } => {
                data.len()
            }
            _ => 0,
        }
    }
}
