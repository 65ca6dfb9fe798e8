//! The client: it asks whoever answers first, and takes what makes sense.

use super::message::{CLIENT_PORT, Fields, Message, SERVER_PORT, message_type, operation, option};
use super::search;
use crate::checksum;
use crate::clock::Micros;
use crate::packet::{BROADCAST_MAC, Link, MTU, Mac, array, parse_ip};
use crate::udp;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};

/// What it asks for. The time is only to be polite: a lease is for as long as the guest runs.
const PARAMETERS: [u8; 7] = [
    option::SUBNET_MASK,
    option::ROUTER,
    option::NAME_SERVERS,
    option::DOMAIN_NAME,
    option::MTU,
    option::SEARCH,
    option::LEASE_TIME,
];

/// A question is repeated after a second. RFC 2131, 4.1, begins with four and doubles them, so that
/// clients do not flood a slow server together; here one client asks a process that is beside it.
const PATIENCE: u64 = 1_000_000;
/// How often a server is asked for what it offered before others are.
const REQUESTS: u8 = 4;
/// As many as resolv.conf(5) has room for.
const NAME_SERVERS: usize = 3;
/// What every host takes (RFC 791, 3.1). RFC 2132, 5.1, allows 68, but with that a peer that does
/// not mean well would have the guest split every packet to bits.
const SMALLEST_MTU: u16 = 576;

/// What the guest is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The guest's address: one of a host.
    pub address: Ipv4Addr,
    /// How many bits of it are the network's: 1 to 32.
    pub prefix: u8,
    /// The way to others. It need not be in the network, as with a prefix of 32.
    pub router: Option<Ipv4Addr>,
    /// The first three.
    pub name_servers: Vec<Ipv4Addr>,
    /// The search list or the domain, six at most: each 1 to 253 characters of printable ASCII
    /// without blanks and `#`.
    pub search: Vec<Vec<u8>>,
    /// The longest packet of the network: 576 to [`MTU`].
    pub mtu: Option<u16>,
}

/// Acquires a [`Lease`] by Ethernet frames, without a clock. It is not renewed.
pub struct Client {
    mac: Mac,
    transaction: u32,
    state: State,
    /// When the next frame is due.
    at: Micros,
}

/// RFC 2131, 4.4, figure 5.
enum State {
    /// Nothing is asked yet, so that nothing answers.
    Init,
    Selecting,
    Requesting {
        server: Ipv4Addr,
        address: Ipv4Addr,
        left: u8,
    },
    Bound(Lease),
}

impl Client {
    /// A client with this hardware address. Transactions are numbered from `transaction` on, which
    /// is to differ from others' on the same network: random.
    pub fn new(mac: [u8; 6], transaction: u32) -> Self {
        Self { mac, transaction, state: State::Init, at: Micros(0) }
    }

    /// A frame from the wire; those that are not for the client are ignored.
    pub fn input(&mut self, frame: &[u8]) {
        let Some(answer) = self.answer(frame) else { return };
        let (Some(kind), Some(from)) = (answer.message_type(), answer.address(option::SERVER))
        else {
            return;
        };
        match (&self.state, kind) {
            (State::Selecting, message_type::OFFER) => {
                if let Some(lease) = lease(&answer) {
                    let address = lease.address;
                    self.state = State::Requesting { server: from, address, left: REQUESTS };
                    self.at = Micros(0);
                }
            }
            (&State::Requesting { server, address, .. }, message_type::ACK) if server == from => {
                if let Some(lease) = lease(&answer).filter(|lease| lease.address == address) {
                    self.state = State::Bound(lease);
                }
            }
            // The next question comes when the last one would have been repeated: a peer that
            // offers and refuses does not keep us busy.
            (&State::Requesting { server, .. }, message_type::NAK) if server == from => {
                self.begin_again();
            }
            _ => {}
        }
    }

    /// The message in a frame, if it answers the last question.
    fn answer<'a>(&self, frame: &'a [u8]) -> Option<Message<'a>> {
        let to: Mac = array(frame, 0)?;
        let packet = parse_ip(frame)?;
        let (from_port, to_port, data) = udp::parse(&packet)?;
        let is_ours = packet.to.is_ipv4()
            && (to == self.mac || to == BROADCAST_MAC)
            && (from_port, to_port) == (SERVER_PORT, CLIENT_PORT)
            && checksum::is_valid(frame);
        is_ours.then_some(())?;
        Message::parse(data).filter(|Message { fields, .. }| {
            fields.operation == operation::REPLY
                && fields.transaction == self.transaction
                && fields.hardware == self.mac
        })
    }

    /// Late answers to what was asked before are not taken for those to come.
    fn begin_again(&mut self) {
        self.transaction = self.transaction.wrapping_add(1);
        self.state = State::Init;
    }

    /// The next frame to send, appended to `frame`; false when there is none now.
    pub fn output(&mut self, now: Micros, frame: &mut Vec<u8>) -> bool {
        if self.poll_at().is_none_or(|at| now < at) {
            return false;
        }
        match &mut self.state {
            State::Requesting { left: 0, .. } => self.begin_again(),
            State::Requesting { left, .. } => *left -= 1,
            _ => {}
        }
        if let State::Init = self.state {
            self.state = State::Selecting;
        }
        let Some(question) = self.question() else { return false };
        frame.extend_from_slice(&question);
        self.at = now.plus(PATIENCE);
        true
    }

    /// RFC 2131, 4.4.1, table 5.
    fn question(&self) -> Option<Vec<u8>> {
        let parameters = (option::PARAMETERS, &PARAMETERS[..]);
        // Nobody has an address yet that frames could be sent to.
        let fields = Fields {
            operation: operation::REQUEST,
            transaction: self.transaction,
            broadcast: true,
            client: Ipv4Addr::UNSPECIFIED,
            your: Ipv4Addr::UNSPECIFIED,
            hardware: self.mac,
        };
        let link = Link { gateway: self.mac, guest: BROADCAST_MAC };
        let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT);
        let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT);
        match self.state {
            State::Selecting => {
                let discover = (option::MESSAGE_TYPE, &[message_type::DISCOVER][..]);
                fields.frame(link, from, to, &[discover, parameters])
            }
            State::Requesting { server, address, .. } => {
                let request = (option::MESSAGE_TYPE, &[message_type::REQUEST][..]);
                let (server, address) = (server.octets(), address.octets());
                let server = (option::SERVER, &server[..]);
                let address = (option::REQUESTED_ADDRESS, &address[..]);
                fields.frame(link, from, to, &[request, server, address, parameters])
            }
            State::Init | State::Bound(_) => None,
        }
    }

    /// When [`Client::output`] shall be called the next time, if nothing comes before: in the past
    /// when it has a frame at once, `None` when there is a lease.
    pub fn poll_at(&self) -> Option<Micros> {
        self.lease().is_none().then_some(self.at)
    }

    /// The lease, once there is one. It does not change any more.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Bound(lease) => Some(lease),
            _ => None,
        }
    }
}

/// What a server offers, if a guest can work with it.
fn lease(answer: &Message) -> Option<Lease> {
    let mask = u32::from(answer.address(option::SUBNET_MASK)?);
    let prefix = mask.leading_ones();
    let address = answer.fields.your;
    if prefix == 0 || mask.count_ones() != prefix || !is_host(address) {
        return None;
    }
    // The first and the last address are the network's and everybody's, unless there are only two
    // (RFC 3021) or one.
    let host = u32::from(address) & !mask;
    if prefix < 31 && (host == 0 || host == !mask) {
        return None;
    }
    let hosts = |code| answer.addresses(code).into_iter().filter(|&address| is_host(address));
    let mtu = answer.array(option::MTU).map(u16::from_be_bytes);
    Some(Lease {
        address,
        prefix: prefix as u8,
        router: hosts(option::ROUTER).next(),
        name_servers: hosts(option::NAME_SERVERS).take(NAME_SERVERS).collect(),
        search: search::domains(answer),
        mtu: mtu.filter(|&mtu| mtu >= SMALLEST_MTU).map(|mtu| mtu.min(MTU as u16)),
    })
}

/// Whether it can be the address of one host on a network (RFC 1122, 3.2.1.3): the guest's own
/// loopback is none.
fn is_host(address: Ipv4Addr) -> bool {
    let is_this_network = address.octets()[0] == 0;
    !is_this_network && !address.is_loopback() && !address.is_multicast() && !address.is_broadcast()
}
