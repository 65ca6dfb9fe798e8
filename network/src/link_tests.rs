use super::*;
use crate::sockets::Transfer;
use alloc::collections::VecDeque;
use alloc::vec;
use c2w_nat::{Config, Nat};
use c2w_session::options::HostAddress;
use core::net::{IpAddr, Ipv4Addr};

/// A NAT at the other end of a stream, which answers when it is looked for something to read.
struct Peer {
    nat: Option<Nat>,
    to_peer: Vec<u8>,
    to_guest: VecDeque<u8>,
}

impl Peer {
    fn new(nat: Option<Nat>) -> Self {
        Self { nat, to_peer: Vec::new(), to_guest: VecDeque::new() }
    }

    fn answer(&mut self) {
        let Some(nat) = &mut self.nat else { return };
        while let Some((length, rest)) = self.to_peer.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            nat.input(Micros(0), &rest[..length]);
            self.to_peer.drain(..4 + length);
        }
        let mut frame = Vec::new();
        while nat.output(Micros(0), &mut frame) {
            self.to_guest.extend((frame.len() as u32).to_be_bytes());
            self.to_guest.extend(frame.drain(..));
        }
    }
}

impl Channel for Peer {
    const POLLED: bool = true;

    fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        self.answer();
        let count = buffer.len().min(self.to_guest.len());
        for (to, from) in buffer.iter_mut().zip(self.to_guest.drain(..count)) {
            *to = from;
        }
        if count == 0 { Transfer::Blocked } else { Transfer::Moved(count) }
    }

    fn write(&mut self, bytes: &[u8]) -> Transfer {
        self.to_peer.extend(bytes);
        Transfer::Moved(bytes.len())
    }
}

/// With a clock that goes on only while somebody waits.
fn connect(peer: Peer, options: &NetworkOptions) -> (Result<Link<Peer>, String>, u64) {
    let clock = core::cell::Cell::new(0);
    let wait = |_: &mut Peer, ns| clock.set(clock.get() + ns);
    let link = Link::connect(peer, Checksums::Offloaded, options, 7, || clock.get(), wait);
    (link, clock.get())
}

#[test]
fn the_container_gets_what_the_peer_leases() {
    let gateway: IpAddr = Ipv4Addr::new(10, 0, 2, 2).into();
    let hosts = vec![(b"host".to_vec(), HostAddress::HostGateway)];
    let options = NetworkOptions { hosts, ..NetworkOptions::default() };
    let (link, _) = connect(Peer::new(Some(Nat::new(Config::default()))), &options);
    let link = link.unwrap();
    let guest = link.guest();
    let address = guest.addresses[0];
    assert_eq!((address.address, address.prefix), (Ipv4Addr::new(10, 0, 2, 15).into(), 24));
    assert_eq!(guest.gateways, [gateway]);
    assert_eq!(guest.name_servers, [IpAddr::from(Ipv4Addr::new(10, 0, 2, 3))]);
    assert_eq!(guest.hosts[0].address, gateway);
    assert_eq!(usize::from(guest.mtu), c2w_nat::MTU);
}

#[test]
fn options_come_before_what_the_peer_leases() {
    let options = NetworkOptions {
        name_servers: vec![Ipv4Addr::new(9, 9, 9, 9).into()],
        search: vec![b"example".to_vec()],
        ..NetworkOptions::default()
    };
    let (link, _) = connect(Peer::new(Some(Nat::new(Config::default()))), &options);
    let link = link.unwrap();
    assert_eq!(link.guest().name_servers, [IpAddr::from(Ipv4Addr::new(9, 9, 9, 9))]);
    assert_eq!(link.guest().search, [b"example"]);
}

#[test]
fn a_peer_that_says_nothing_is_given_up() {
    let (link, waited) = connect(Peer::new(None), &NetworkOptions::default());
    assert_eq!(link.err().unwrap(), "nobody has given the container an address (by DHCP)");
    assert_eq!(waited, LEASE_LIMIT);
}

#[test]
fn a_polled_channel_is_left_alone_the_longer_the_less_comes() {
    let nat = Nat::new(Config::default());
    let (link, _) = connect(Peer::new(Some(nat)), &NetworkOptions::default());
    let mut link = link.unwrap();
    assert!(link.exchange(0, || true));
    let mut pauses = Vec::new();
    for now in [8_000, 8_000_000, 800_000_000] {
        assert!(!link.exchange(now, || false));
        pauses.push(link.next_timer().unwrap() - now);
    }
    assert_eq!(pauses, [SHORTEST_PAUSE, 1_000_000, LONGEST_PAUSE]);
    let backend = &mut *link.plug();
    backend.transmit(0, &[0; 60], Checksum::Present);
    link.exchange(900_000_000, || false);
    assert_eq!(link.next_timer(), Some(900_000_000 + SHORTEST_PAUSE));
}

#[test]
fn a_failure_is_told_once() {
    let nat = Nat::new(Config::default());
    let (link, _) = connect(Peer::new(Some(nat)), &NetworkOptions::default());
    let mut link = link.unwrap();
    link.with_channel(|peer| peer.to_guest.extend([0; 4]));
    let backend = &mut *link.plug();
    assert_eq!(backend.receive(0, &mut Vec::new()), None);
    let expected = "the container's network has ended: what comes is not frames: one of 0 bytes";
    assert_eq!(link.take_failure().as_deref(), Some(expected));
    assert_eq!(link.take_failure(), None);
    assert_eq!((link.exchange(0, || false), link.next_timer()), (false, None));
}
