//! What is not TCP: UDP, ICMP, ARP, neighbour discovery, and what is dropped.

mod stack;

use c2w_nat::{Config, Event, MAX_FRAME};
use stack::frames::{self, Seen, checksum, fix_header, guest, ip, tcp, udp};
use stack::{GATEWAY_MAC, GUEST_MAC, SERVER, SERVER6, World, noise};
use std::net::{IpAddr, SocketAddr};

const NTP: &str = "192.0.2.9:123";
const NTP6: &str = "[2001:db8::9]:123";

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address with a port")
}

#[test]
fn datagrams_to_the_guest() {
    for (from, longest) in [(NTP, 65_492), (NTP6, 65_472)] {
        let mut world = World::new();
        for length in [0, 1, 2, 1471, longest] {
            let data = noise(length as u64, length);
            assert!(world.nat.datagram(socket(from), 4000, &data), "{length} bytes");
            let mut frame = Vec::new();
            assert!(world.nat.output(world.now, &mut frame));
            assert!(frame.len() <= MAX_FRAME);
            let seen = Seen::of(&frame);
            assert_eq!((seen.from, seen.to), (socket(from).ip(), guest(socket(from).ip())));
            assert_eq!((seen.u16(0), seen.u16(2)), (123, 4000));
            assert_eq!(usize::from(seen.u16(4)), length + 8);
            assert_ne!(seen.u16(6), 0, "without a checksum, which IPv6 does not allow");
            assert!(seen.payload[8..] == data);
        }
        assert!(!world.nat.datagram(socket(from), 4000, &vec![0; longest + 1]));
        assert!(!world.nat.datagram(socket(from), 4000, &vec![0; 70_000]));
        assert!(!world.nat.datagram(socket(from), 0, b"x"));
        assert!(!world.nat.datagram(SocketAddr::new(socket(from).ip(), 0), 1, b"x"));
        assert_eq!(world.replies(), []);
    }
    let mut world = World::with(Config::default());
    assert!(!world.nat.datagram(socket(NTP6), 4000, b"x"), "there is no IPv6");
    assert!(!world.nat.datagram(socket("10.0.2.15:1"), 4000, b"x"), "from itself");
}

#[test]
fn datagrams_for_the_guest_wait_up_to_a_limit() {
    let mut world = World::new();
    for number in 0..100u8 {
        assert_eq!(world.nat.datagram(socket(NTP), 4000, &[number]), number < 64);
    }
    let numbers: Vec<u8> = world.replies().iter().map(|seen| seen.payload[8]).collect();
    assert_eq!(numbers, (0..64).collect::<Vec<u8>>());
    assert!(world.nat.datagram(socket(NTP), 4000, b"x"));
}

#[test]
fn datagrams_of_the_guest() {
    for to in [NTP, NTP6, "10.0.2.2:53", "10.0.2.3:54"] {
        for length in [0, 1, 65_472] {
            let mut world = World::new();
            let data = noise(9, length);
            world.inject(&udp(4000, to, &data));
            assert_eq!(world.events(), [Event::Datagram { from: 4000, to: socket(to), data }]);
        }
    }
    for to in ["10.0.2.3:53", "[fd00::3]:53"] {
        let mut world = World::new();
        world.inject(&udp(4000, to, b"?"));
        let data = b"?".to_vec();
        assert_eq!(world.events(), [Event::Question { from: 4000, to: socket(to), data }]);
    }
}

#[test]
fn datagrams_that_are_none() {
    let mut world = World::new();
    world.inject(&udp(0, NTP, b"x"));
    world.inject(&udp(4000, "192.0.2.9:0", b"x"));
    // Its length is more than there is, and less than its own header.
    for length in [10, 7, 0] {
        let mut frame = udp(4000, NTP, b"x");
        frame[14 + 20 + 4..14 + 20 + 6].copy_from_slice(&u16::to_be_bytes(length));
        world.inject(&frame);
    }
    assert_eq!(world.events(), []);
    // Short frames are filled up.
    let frame = [udp(4000, NTP, b"x"), vec![0; 17]].concat();
    world.inject(&frame);
    assert_eq!(world.events().len(), 1);
}

#[test]
fn events_wait_up_to_limits() {
    let mut world = World::new();
    for number in 0..2000u16 {
        world.inject(&udp(4000, NTP, &number.to_be_bytes()));
    }
    let events = world.events();
    assert_eq!(events.len(), 1024);
    let Event::Datagram { data, .. } = &events[1023] else { panic!("something else") };
    assert_eq!(data[..], 1023u16.to_be_bytes());
    for _ in 0..2000 {
        world.inject(&udp(4000, NTP, &[0; 60_000]));
    }
    assert_eq!(world.events().len(), (4 << 20) / 60_000);
    world.inject(&udp(4000, NTP, &[0; 60_000]));
    assert_eq!(world.events().len(), 1, "what is gone is still counted");
}

fn echo(kind: u8, to: IpAddr, data: &[u8]) -> Vec<u8> {
    let protocol = if to.is_ipv4() { 1 } else { 58 };
    let echo = [&[kind, 0, 0, 0, 1, 2, 3, 4], data].concat();
    ip(guest(to), to, protocol, &echo)
}

#[test]
fn gateway_and_name_server_answer_pings() {
    for (to, request, reply) in
        [("10.0.2.2", 8, 0), ("10.0.2.3", 8, 0), ("fd00::2", 128, 129), ("fd00::3", 128, 129)]
    {
        let mut world = World::new();
        for length in [0, 1, 56, 65_472] {
            let data = noise(8, length);
            world.inject(&echo(request, address(to), &data));
            let [seen] = &world.replies()[..] else { panic!("not one frame") };
            assert_eq!((seen.from, seen.to), (address(to), guest(address(to))));
            assert_eq!((seen.payload[0], seen.payload[1]), (reply, 0));
            assert_eq!(seen.payload[4..8], [1, 2, 3, 4]);
            assert!(seen.payload[8..] == data);
        }
        assert_eq!(world.events(), []);
    }
}

#[test]
fn other_pings_are_up_to_the_driver() {
    for (to, request, reply) in [("192.0.2.9", 8, 0), ("2001:db8::9", 128, 129)] {
        let mut world = World::new();
        let to = address(to);
        world.inject(&echo(request, to, b"data"));
        assert_eq!(world.replies(), []);
        let data = b"data".to_vec();
        assert_eq!(world.events(), [Event::Echo { to, id: 0x102, sequence: 0x304, data }]);
        world.nat.echo_reply(to, 0x102, 0x304, b"data");
        let [seen] = &world.replies()[..] else { panic!("not one frame") };
        assert_eq!(seen.payload[0], reply);
        assert_eq!(seen.payload[4..], *b"\x01\x02\x03\x04data");
        // Neither replies nor errors of the guest mean anything here.
        for kind in [reply, 3, 1] {
            world.inject(&echo(kind, to, b"data"));
        }
        assert_eq!((world.events(), world.replies()), (vec![], vec![]));
    }
}

fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, operation];
    [&[0xff; 6][..], &GUEST_MAC, &[8, 6], &head, &GUEST_MAC, &sender, &[0; 6], &target].concat()
}

#[test]
fn arp_is_answered_for_everybody_but_the_guest() {
    const GUEST: [u8; 4] = [10, 0, 2, 15];
    let mut frame = Vec::new();
    for target in [[10, 0, 2, 2], [10, 0, 2, 3], [10, 0, 2, 77], [192, 0, 2, 1]] {
        let mut world = World::new();
        world.inject(&arp(1, GUEST, target));
        frame.clear();
        assert!(world.nat.output(world.now, &mut frame));
        let head = [&GUEST_MAC[..], &GATEWAY_MAC, &[8, 6], &[0, 1, 8, 0, 6, 4, 0, 2]].concat();
        assert_eq!(frame, [&head, &GATEWAY_MAC[..], &target, &GUEST_MAC, &GUEST].concat());
    }
    let mut world = World::new();
    // Itself, an announcement, a probe, somebody else's reply, nobody, everybody.
    world.inject(&arp(1, [10, 0, 2, 2], GUEST));
    world.inject(&arp(1, [10, 0, 2, 99], [10, 0, 2, 99]));
    world.inject(&arp(1, [0; 4], [10, 0, 2, 2]));
    world.inject(&arp(2, GUEST, [10, 0, 2, 2]));
    world.inject(&arp(1, GUEST, [0; 4]));
    world.inject(&arp(1, GUEST, [255; 4]));
    world.inject(&arp(1, GUEST, [10, 0, 2, 2])[..41]);
    assert!(!world.nat.output(world.now, &mut frame));
}

/// A neighbour solicitation.
fn solicitation(from: &str, target: &str) -> Vec<u8> {
    let IpAddr::V6(target) = address(target) else { panic!("not IPv6") };
    let message = [&[135, 0, 0, 0, 0, 0, 0, 0], &target.octets()[..], &[1, 1], &GUEST_MAC].concat();
    ip(address(from), address("ff02::1:ff00:2"), 58, &message)
}

#[test]
fn neighbours_are_found_but_for_the_guest() {
    for (from, target) in
        [("fd00::15", "fd00::2"), ("fd00::15", "2001:db8::1"), ("fe80::1", "fd00::3")]
    {
        let mut world = World::new();
        world.inject(&solicitation(from, target));
        let [seen] = &world.replies()[..] else { panic!("not one frame") };
        assert_eq!((seen.from, seen.to), (address(target), address(from)));
        assert_eq!((seen.protocol, seen.hop_limit), (58, 255));
        let IpAddr::V6(target) = address(target) else { panic!("not IPv6") };
        let head = [136, 0, seen.payload[2], seen.payload[3], 0xe0, 0, 0, 0];
        assert_eq!(seen.payload, [&head[..], &target.octets(), &[2, 1], &GATEWAY_MAC].concat());
    }
    let mut world = World::new();
    // Itself, a look for duplicates, its own other address, a group, too short, from far away.
    world.inject(&solicitation("fd00::2", "fd00::15"));
    world.inject(&solicitation("::", "fd00::2"));
    world.inject(&solicitation("fe80::1", "fe80::1"));
    world.inject(&solicitation("fd00::15", "ff02::1"));
    world.inject(&ip(address("fd00::15"), address("fd00::2"), 58, &[135, 0, 0, 0, 0, 0, 0, 0]));
    let mut far = solicitation("fd00::15", "fd00::2");
    far[14 + 7] = 254;
    world.inject(&far);
    assert_eq!(world.replies(), []);
    let mut without = World::with(Config::default());
    without.inject(&solicitation("fd00::15", "fd00::2"));
    assert_eq!(without.replies(), []);
}

#[test]
fn frames_go_to_whom_the_last_one_came_from() {
    let mut world = World::new();
    let mut frame = arp(1, [10, 0, 2, 15], [10, 0, 2, 2]);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    world.inject(&frame);
    let mut reply = Vec::new();
    assert!(world.nat.output(world.now, &mut reply));
    assert_eq!(reply[..6], [2, 0, 0, 0, 0, 9]);
    // A group has sent nothing.
    frame[6] = 3;
    world.inject(&frame);
    assert!(!world.nat.output(world.now, &mut reply));
    world.nat.datagram(socket(NTP), 1, b"x");
    reply.clear();
    assert!(world.nat.output(world.now, &mut reply));
    assert_eq!(reply[..6], [2, 0, 0, 0, 0, 9]);
}

#[test]
fn what_is_not_for_one_host_is_dropped() {
    let mut world = World::new();
    for to in ["255.255.255.255:9", "10.0.2.255:9", "224.0.0.251:9", "0.0.0.0:9", "10.0.2.15:9"]
        .into_iter()
        .chain(["[ff02::1]:9", "[::]:9", "[fd00::15]:9", "[::ffff:127.0.0.1]:9"])
    {
        world.inject(&udp(4000, to, b"x"));
        world.inject(&tcp(4000, to, frames::SYN, 1, 0, &[]));
        world.inject(&echo(if to.starts_with('[') { 128 } else { 8 }, socket(to).ip(), b"x"));
    }
    // Other sources than the guest's, IGMP, and a protocol that nobody knows.
    for from in ["10.0.2.16", "0.0.0.0", "127.0.0.1", "255.255.255.255"] {
        let datagram = &udp(4000, NTP, b"x")[34..];
        world.inject(&ip(address(from), socket(NTP).ip(), 17, datagram));
        let segment = &tcp(4000, SERVER, frames::SYN, 1, 0, &[])[34..];
        world.inject(&ip(address(from), socket(SERVER).ip(), 6, segment));
    }
    for protocol in [2, 0, 132, 255, 58] {
        world.inject(&ip(address("10.0.2.15"), address("192.0.2.1"), protocol, &[8; 40]));
    }
    assert_eq!((world.events(), world.replies()), (vec![], vec![]));
}

#[test]
fn broken_headers_are_dropped() {
    let frame = udp(4000, NTP, b"data");
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = frame.clone();
        change(&mut frame);
        let mut world = World::new();
        world.inject(&frame);
        world.events().len()
    };
    assert_eq!(with(&|_| {}), 1);
    // Checksum, version, header's length, more fragments, an offset, a total length beyond the end.
    assert_eq!(with(&|frame| frame[24] ^= 1), 0);
    let header_with = |at: usize, value: u8| {
        with(&|frame| {
            frame[14 + at] = value;
            fix_header(&mut frame[14..34]);
        })
    };
    assert_eq!(header_with(0, 0x55), 0);
    assert_eq!(header_with(0, 0x44), 0);
    assert_eq!(header_with(6, 0x20), 0);
    assert_eq!(header_with(7, 1), 0);
    assert_eq!(header_with(2, 1), 0);
    // The bit that has no meaning has none.
    assert_eq!(header_with(6, 0xc0), 1);
    // Options are passed over.
    let mut optional = frame[14..].to_vec();
    optional.splice(20..20, [1, 1, 1, 0]);
    optional[0] = 0x46;
    optional[3] += 4;
    fix_header(&mut optional[..24]);
    assert_eq!(checksum(&optional[..24]), 0);
    let mut world = World::new();
    world.inject(&stack::ethernet(&optional));
    assert_eq!(world.events().len(), 1);
}

#[test]
fn no_part_of_a_frame_is_taken_for_the_whole() {
    let whole = [
        udp(4000, NTP, b"data"),
        udp(4000, NTP6, b"data"),
        tcp(4000, SERVER, frames::SYN, 1, 0, &[]),
        tcp(4000, SERVER6, frames::SYN, 1, 0, &[]),
        echo(8, address("10.0.2.2"), b"data"),
        echo(128, address("fd00::2"), b"data"),
        arp(1, [10, 0, 2, 15], [10, 0, 2, 2]),
        solicitation("fd00::15", "fd00::2"),
    ];
    for frame in whole {
        let mut world = World::new();
        for length in 0..frame.len() {
            world.inject(&frame[..length]);
        }
        assert_eq!(world.events(), []);
        let mut reply = Vec::new();
        assert!(!world.nat.output(world.now, &mut reply), "{frame:02x?}");
        world.inject(&frame);
        assert!(!world.events().is_empty() || world.nat.output(world.now, &mut reply));
    }
}
