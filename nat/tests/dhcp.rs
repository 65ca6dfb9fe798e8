//! DHCP: what the guest is told, and what the client takes from others.

mod stack;

use c2w_nat::dhcp::{Client, Lease};
use c2w_nat::{Config, MTU, Micros, Network};
use stack::frames::{Seen, checksum, fix_header, ip, udp};
use stack::{GATEWAY_MAC, GUEST_MAC, World, noise};
use std::net::Ipv4Addr;

const GATEWAY: [u8; 4] = [10, 0, 2, 2];
const GUEST: [u8; 4] = [10, 0, 2, 15];
const NOBODY: [u8; 4] = [0; 4];
const ALL: [u8; 4] = [255; 4];
const XID: u32 = 0x1234_5678;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;
const INFORM: u8 = 8;

/// A message, by the layout of RFC 2131.
#[derive(Clone)]
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(operation: u8, message_type: u8) -> Self {
        let mut bytes = vec![operation, 1, 6, 0];
        bytes.extend(XID.to_be_bytes());
        bytes.resize(28, 0);
        bytes.extend(GUEST_MAC);
        bytes.resize(236, 0);
        bytes.extend([99, 130, 83, 99]);
        Self { bytes }.option(53, &[message_type])
    }

    fn question(message_type: u8) -> Self {
        Self::new(1, message_type)
    }

    fn answer(message_type: u8) -> Self {
        Self::new(2, message_type).field(16, &GUEST).option(54, &GATEWAY)
    }

    fn field(mut self, at: usize, value: &[u8]) -> Self {
        self.bytes[at..at + value.len()].copy_from_slice(value);
        self
    }

    fn broadcast(self) -> Self {
        self.field(10, &[0x80, 0])
    }

    fn option(mut self, code: u8, data: &[u8]) -> Self {
        self.bytes.extend([code, data.len() as u8]);
        self.bytes.extend(data);
        self
    }

    /// As a frame of the guest.
    fn frame(&self, from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
        let to = format!("{}:67", Ipv4Addr::from(to));
        let mut frame = udp(68, &to, &[&self.bytes[..], &[255]].concat());
        frame[26..30].copy_from_slice(&from);
        fix_header(&mut frame[14..34]);
        frame
    }

    /// As a frame of a server.
    fn frame_of_server(&self) -> Vec<u8> {
        let data = [&self.bytes[..], &[255]].concat();
        let length = data.len() as u16 + 8;
        let mut datagram = [&[0, 67, 0, 68][..], &length.to_be_bytes(), &[0, 0], &data].concat();
        let pseudo = [&GATEWAY[..], &ALL, &[0, 17], &length.to_be_bytes()].concat();
        let sum = checksum(&[&pseudo[..], &datagram].concat());
        datagram[6..8].copy_from_slice(&sum.to_be_bytes());
        let (from, to) = (Ipv4Addr::from(GATEWAY), Ipv4Addr::from(ALL));
        let mut frame = ip(from.into(), to.into(), 17, &datagram);
        frame[..6].fill(0xff);
        frame
    }
}

/// An answer of the translator: all that must be right whatever is in it is checked.
struct Answer {
    mac: Vec<u8>,
    to: Ipv4Addr,
    bytes: Vec<u8>,
    options: Vec<(u8, Vec<u8>)>,
}

impl Answer {
    fn of(frame: &[u8]) -> Self {
        let seen = Seen::of(&[&GUEST_MAC[..], &frame[6..]].concat());
        assert_eq!((seen.from, seen.protocol), (GATEWAY.into(), 17));
        assert_eq!((seen.u16(0), seen.u16(2)), (67, 68));
        assert_ne!(seen.u16(6), 0, "no checksum");
        let bytes = seen.payload[8..].to_vec();
        assert!(bytes.len() >= 300);
        assert_eq!((&bytes[..4], &bytes[4..8]), (&[2, 1, 6, 0][..], &XID.to_be_bytes()[..]));
        assert_eq!(bytes[28..34], GUEST_MAC);
        assert!(bytes[34..236].iter().all(|&byte| byte == 0));
        assert_eq!(bytes[236..240], [99, 130, 83, 99]);
        let mut options = Vec::new();
        let mut rest = &bytes[240..];
        while rest[0] != 255 {
            let (data, next) = rest[2..].split_at(rest[1].into());
            options.push((rest[0], data.to_vec()));
            rest = next;
        }
        assert!(rest[1..].iter().all(|&byte| byte == 0));
        let std::net::IpAddr::V4(to) = seen.to else { panic!("IPv6") };
        Self { mac: frame[..6].to_vec(), to, bytes, options }
    }

    fn client(&self) -> &[u8] {
        &self.bytes[12..16]
    }

    fn your(&self) -> &[u8] {
        &self.bytes[16..20]
    }

    fn goes_to(&self, mac: [u8; 6], to: [u8; 4]) -> bool {
        (&self.mac[..], self.to) == (&mac[..], to.into())
    }
}

/// What the translator answers.
fn ask(world: &mut World, frame: &[u8]) -> Option<Answer> {
    world.inject(frame);
    assert_eq!(world.events(), [], "an answer is not the driver's");
    let mut answer = Vec::new();
    world.nat.output(world.now, &mut answer).then(|| {
        assert!(!world.nat.output(world.now, &mut Vec::new()), "a second answer");
        Answer::of(&answer)
    })
}

fn answer(message: &Message, from: [u8; 4], to: [u8; 4]) -> Option<Answer> {
    ask(&mut World::new(), &message.frame(from, to))
}

/// What each answer but a refusal says of the network.
fn network(message_type: u8) -> Vec<(u8, Vec<u8>)> {
    vec![
        (53, vec![message_type]),
        (54, GATEWAY.to_vec()),
        (1, vec![255, 255, 255, 0]),
        (3, GATEWAY.to_vec()),
        (6, vec![10, 0, 2, 3]),
        (26, (MTU as u16).to_be_bytes().to_vec()),
    ]
}

#[test]
fn the_guest_is_offered_its_address() {
    let mut world = World::new();
    let lease = |message_type| [network(message_type), vec![(51, vec![0xff; 4])]].concat();
    let offer = ask(&mut world, &Message::question(DISCOVER).frame(NOBODY, ALL)).expect("an offer");
    assert!(offer.goes_to(GUEST_MAC, GUEST));
    assert_eq!((offer.client(), offer.your()), (&NOBODY[..], &GUEST[..]));
    assert_eq!(offer.options, lease(OFFER));
    let request = Message::question(REQUEST).option(50, &GUEST).option(54, &GATEWAY);
    let ack = ask(&mut world, &request.frame(NOBODY, ALL)).expect("an answer");
    assert!(ack.goes_to(GUEST_MAC, GUEST));
    assert_eq!((ack.client(), ack.your()), (&NOBODY[..], &GUEST[..]));
    assert_eq!(ack.options, lease(ACK));
    // As it wants it, by broadcast.
    for question in [Message::question(DISCOVER), request] {
        let answer = answer(&question.broadcast(), NOBODY, ALL).expect("an answer");
        assert!(answer.goes_to([0xff; 6], ALL));
        assert_eq!((answer.your(), &answer.bytes[10..12]), (&GUEST[..], &[0x80, 0][..]));
    }
    // After a start, it remembers its address, and nobody's offer.
    let ack = answer(&Message::question(REQUEST).option(50, &GUEST), NOBODY, ALL);
    assert_eq!(ack.expect("an answer").options, lease(ACK));
}

#[test]
fn an_address_is_asked_for_again_by_unicast() {
    let request = Message::question(REQUEST).field(12, &GUEST);
    for (request, to) in
        [(request.clone(), GATEWAY), (request.clone(), ALL), (request.broadcast(), ALL)]
    {
        let ack = answer(&request, GUEST, to).expect("an answer");
        assert!(ack.goes_to(GUEST_MAC, GUEST));
        assert_eq!((ack.client(), ack.your()), (&GUEST[..], &GUEST[..]));
        assert_eq!(ack.options[0], (53, vec![ACK]));
    }
}

#[test]
fn a_guest_with_an_address_is_told_the_rest() {
    for to in [GATEWAY, ALL] {
        let inform = Message::question(INFORM).field(12, &GUEST);
        let ack = answer(&inform, GUEST, to).expect("an answer");
        assert!(ack.goes_to(GUEST_MAC, GUEST));
        assert_eq!((ack.client(), ack.your()), (&GUEST[..], &NOBODY[..]));
        assert_eq!(ack.options, network(ACK));
    }
    let other = Message::question(INFORM).field(12, &[10, 0, 2, 16]);
    assert!(answer(&other, GUEST, GATEWAY).is_none());
}

#[test]
fn other_addresses_are_refused() {
    let other = [10, 0, 2, 16];
    let request = || Message::question(REQUEST);
    for request in [
        request().option(50, &other),
        request().option(50, &other).option(54, &GATEWAY),
        request().option(50, &other).field(12, &GUEST),
        request().field(12, &other),
    ] {
        let nak = answer(&request, NOBODY, ALL).expect("an answer");
        assert!(nak.goes_to([0xff; 6], ALL));
        assert_eq!((nak.client(), nak.your()), (&NOBODY[..], &NOBODY[..]));
        assert_eq!(nak.options, [(53, vec![NAK]), (54, GATEWAY.to_vec())]);
    }
}

#[test]
fn what_asks_nothing_of_us_is_dropped() {
    let discover = || Message::question(DISCOVER);
    let request = || Message::question(REQUEST).option(50, &GUEST);
    assert!(answer(&discover(), NOBODY, ALL).is_some());
    for (message, why) in [
        (request().option(54, &[10, 0, 2, 4]), "another server"),
        (Message::question(REQUEST), "no address"),
        (Message::question(REQUEST).option(50, &GUEST[..3]), "a part of an address"),
        (discover().field(0, &[2]), "an answer"),
        (discover().field(1, &[6]), "another network"),
        (discover().field(2, &[16]), "a longer hardware address"),
        (discover().field(24, &[10, 0, 2, 9]), "a relay"),
        (discover().field(28, &[3]), "a group"),
        (discover().field(236, &[0]), "BOOTP"),
        (discover().option(53, &[DISCOVER]), "two types"),
        (discover().field(242, &[OFFER]), "an offer"),
        (discover().field(242, &[7]), "the end of a lease"),
        (discover().field(242, &[0]), "no type"),
        (discover().field(241, &[200]), "an option without an end"),
        (discover().field(240, &[0, 0, 0]), "no options"),
    ] {
        assert!(answer(&message, NOBODY, ALL).is_none(), "{why}");
        // It does not go to the driver either.
        assert!(answer(&message, GUEST, GATEWAY).is_none(), "{why}");
    }
    for (from, to) in [(NOBODY, [10, 0, 2, 3]), ([10, 0, 2, 16], ALL), (NOBODY, [10, 0, 2, 255])] {
        assert!(answer(&discover(), from, to).is_none());
    }
    let frame = discover().frame(NOBODY, ALL);
    for length in 0..frame.len() {
        assert!(ask(&mut World::new(), &frame[..length]).is_none());
        // The same in a packet that is whole.
        if length >= 42 {
            let mut frame = frame[..length].to_vec();
            frame[16..18].copy_from_slice(&(length as u16 - 14).to_be_bytes());
            frame[38..40].copy_from_slice(&(length as u16 - 34).to_be_bytes());
            fix_header(&mut frame[14..34]);
            // The end of options may be missing.
            let is_whole = length >= 42 + 240 + 3;
            assert_eq!(ask(&mut World::new(), &frame).is_some(), is_whole, "{length} bytes");
        }
    }
}

#[test]
fn options_are_put_together() {
    // An address in two parts (RFC 3396), and in the field of the file's name.
    let parts = Message::question(REQUEST).option(50, &GUEST[..1]).option(50, &GUEST[1..]);
    assert_eq!(answer(&parts, NOBODY, ALL).expect("an answer").options[0].1, [ACK]);
    let name = [0, 50, 4, 10, 0, 2, 15, 255];
    for (overload, at, is_read) in [
        (1, 108, true),
        (2, 44, true),
        (3, 44, true),
        (3, 108, true),
        (1, 44, false),
        (2, 108, false),
    ] {
        let message = Message::question(REQUEST).option(52, &[overload]).field(at, &name);
        assert_eq!(answer(&message, NOBODY, ALL).is_some(), is_read, "{overload}, {at}");
    }
    let without_end = Message::question(DISCOVER).option(52, &[1]).field(108, &[50, 127]);
    assert!(answer(&without_end, NOBODY, ALL).is_none());
}

#[test]
fn answers_that_are_not_taken_are_dropped() {
    let mut world = World::new();
    for _ in 0..10_000 {
        world.inject(&Message::question(DISCOVER).frame(NOBODY, ALL));
    }
    let mut count = 0;
    while world.nat.output(world.now, &mut Vec::new()) {
        count += 1;
    }
    assert_eq!(count, 64);
    assert_eq!(world.events(), []);
}

/// Carries frames between the client and the translator until there are none; returns how many the
/// client sent.
fn exchange(client: &mut Client, world: &mut World) -> usize {
    let mut count = 0;
    loop {
        let mut frame = Vec::new();
        if !client.output(world.now, &mut frame) {
            return count;
        }
        count += 1;
        world.inject(&frame);
        let mut answer = Vec::new();
        while world.nat.output(world.now, &mut answer) {
            client.input(&answer);
            answer.clear();
        }
    }
}

#[test]
fn a_lease_of_the_translator() {
    let mut world = World::new();
    let mut client = Client::new(GUEST_MAC, XID);
    assert_eq!(client.poll_at(), Some(Micros(0)));
    assert_eq!(exchange(&mut client, &mut world), 2);
    let lease = Lease {
        address: GUEST.into(),
        prefix: 24,
        router: Some(GATEWAY.into()),
        name_servers: vec![Ipv4Addr::new(10, 0, 2, 3)],
        search: vec![],
        mtu: Some(MTU as u16),
    };
    assert_eq!(client.lease(), Some(&lease));
    assert_eq!(client.poll_at(), None);
    assert!(!client.output(Micros(u64::MAX), &mut Vec::new()));
    assert_eq!(world.events(), []);
    // Of another network, by another hardware address.
    let network = Network {
        guest: Ipv4Addr::new(172, 16, 3, 4),
        prefix: 20,
        gateway: Ipv4Addr::new(172, 16, 0, 1),
        dns: Ipv4Addr::new(9, 9, 9, 9),
    };
    let mut world = World::with(Config { ipv4: network, ..Config::default() });
    let mut client = Client::new([2, 0, 0, 0, 0, 77], 7);
    exchange(&mut client, &mut world);
    let lease = client.lease().expect("a lease");
    assert_eq!((lease.address, lease.prefix), (network.guest, 20));
    assert_eq!(
        (lease.router, &lease.name_servers[..]),
        (Some(network.gateway), &[network.dns][..])
    );
}

/// The message in a frame of the client; all that must be right whatever is in it is checked.
fn question(frame: &[u8]) -> (u32, Vec<u8>) {
    assert_eq!((&frame[..6], &frame[6..12]), (&[0xff; 6][..], &GUEST_MAC[..]));
    let seen = Seen::of(&[&GUEST_MAC[..], &GATEWAY_MAC, &frame[12..]].concat());
    assert_eq!((seen.from, seen.to), (NOBODY.into(), ALL.into()));
    assert_eq!((seen.protocol, seen.u16(0), seen.u16(2)), (17, 68, 67));
    assert_ne!(seen.u16(6), 0, "no checksum");
    let bytes = &seen.payload[8..];
    assert_eq!(bytes.len(), 300);
    assert_eq!((&bytes[..4], &bytes[8..12]), (&[1, 1, 6, 0][..], &[0, 0, 0x80, 0][..]));
    assert!(bytes[12..28].iter().all(|&byte| byte == 0));
    assert_eq!((&bytes[28..34], &bytes[236..240]), (&GUEST_MAC[..], &[99, 130, 83, 99][..]));
    assert!(bytes[34..236].iter().all(|&byte| byte == 0));
    let end = bytes.iter().rposition(|&byte| byte != 0).expect("an end");
    assert_eq!(bytes[end], 255);
    (seen.u32(8 + 4), bytes[240..end].to_vec())
}

fn next_question(client: &mut Client, now: u64) -> Option<(u32, Vec<u8>)> {
    let mut frame = vec![];
    client.output(Micros(now), &mut frame).then(|| question(&frame))
}

const PARAMETERS: [u8; 9] = [55, 7, 1, 3, 6, 15, 26, 119, 51];

fn discover() -> Vec<u8> {
    [&[53, 1, DISCOVER][..], &PARAMETERS].concat()
}

fn request() -> Vec<u8> {
    [&[53, 1, REQUEST, 54, 4][..], &GATEWAY, &[50, 4], &GUEST, &PARAMETERS].concat()
}

/// A server's answer with a mask.
fn with_mask(message_type: u8) -> Message {
    Message::answer(message_type).option(1, &[255, 255, 255, 0])
}

#[test]
fn questions_are_repeated_each_second() {
    const SECOND: u64 = 1_000_000;
    let mut client = Client::new(GUEST_MAC, XID);
    client.input(&with_mask(OFFER).frame_of_server());
    for second in 7..17 {
        assert_eq!(next_question(&mut client, second * SECOND), Some((XID, discover())));
        assert_eq!(client.poll_at(), Some(Micros((second + 1) * SECOND)));
        assert_eq!(next_question(&mut client, (second + 1) * SECOND - 1), None);
    }
    client.input(&with_mask(OFFER).frame_of_server());
    assert_eq!(client.poll_at(), Some(Micros(0)));
    // Four times, and then from the beginning.
    for second in 20..24 {
        assert_eq!(next_question(&mut client, second * SECOND), Some((XID, request())));
        assert_eq!(next_question(&mut client, (second + 1) * SECOND - 1), None);
    }
    assert_eq!(next_question(&mut client, 24 * SECOND), Some((XID + 1, discover())));
    // An answer to what is not asked any more is none.
    client.input(&with_mask(OFFER).frame_of_server());
    client.input(&with_mask(ACK).frame_of_server());
    assert_eq!(next_question(&mut client, 25 * SECOND), Some((XID + 1, discover())));
    let next = (XID + 1).to_be_bytes();
    client.input(&with_mask(OFFER).field(4, &next).frame_of_server());
    assert_eq!(next_question(&mut client, 25 * SECOND), Some((XID + 1, request())));
    client.input(&with_mask(ACK).field(4, &next).frame_of_server());
    assert_eq!(client.lease().map(|lease| lease.prefix), Some(24));
}

#[test]
fn a_refused_client_begins_again() {
    let mut client = requesting();
    // Of somebody else, or nobody.
    client.input(&Message::answer(NAK).field(245, &[9]).frame_of_server());
    client.input(&Message::new(2, NAK).frame_of_server());
    assert_eq!(next_question(&mut client, 1_000_000), Some((XID, request())));
    client.input(&Message::answer(NAK).frame_of_server());
    // Not at once: it could be refused at once, for ever. An offer cannot come before it asks.
    client.input(&with_mask(OFFER).field(4, &(XID + 1).to_be_bytes()).frame_of_server());
    assert_eq!(next_question(&mut client, 1_999_999), None);
    assert_eq!(next_question(&mut client, 2_000_000), Some((XID + 1, discover())));
    let mut world = World::new();
    world.now = Micros(3_000_000);
    assert_eq!(exchange(&mut client, &mut world), 2);
    assert!(client.lease().is_some());
    // What comes later changes nothing.
    let lease = client.lease().cloned();
    client.input(&Message::answer(NAK).field(4, &(XID + 1).to_be_bytes()).frame_of_server());
    assert_eq!((client.lease(), client.poll_at()), (lease.as_ref(), None));
}

/// A client that waits for an offer.
fn selecting() -> Client {
    let mut client = Client::new(GUEST_MAC, XID);
    assert_eq!(next_question(&mut client, 0), Some((XID, discover())));
    client
}

/// A client that waits for the answer to its request.
fn requesting() -> Client {
    let mut client = selecting();
    client.input(&with_mask(OFFER).frame_of_server());
    assert_eq!(next_question(&mut client, 0), Some((XID, request())));
    client
}

/// What a client makes of an answer, as an offer and as an acknowledgement.
fn lease_of(answer: impl Fn(u8) -> Message) -> Option<Lease> {
    let mut client = selecting();
    client.input(&answer(OFFER).frame_of_server());
    let is_taken = client.poll_at() == Some(Micros(0));
    if !is_taken {
        // Then it is not taken for more either.
        let mut client = requesting();
        client.input(&answer(ACK).frame_of_server());
        assert_eq!(client.lease(), None);
        return None;
    }
    assert!(next_question(&mut client, 0).is_some());
    client.input(&answer(ACK).frame_of_server());
    client.lease().cloned()
}

#[test]
fn all_of_a_lease() {
    let lease = lease_of(|message_type| {
        Message::answer(message_type)
            .option(1, &[255, 255, 240, 0])
            .option(3, &[127, 0, 0, 1, 10, 0, 2, 2, 10, 0, 2, 3])
            .option(6, &[0, 0, 0, 0, 127, 0, 0, 53, 1, 1, 1, 1, 224, 0, 0, 1, 2, 2, 2, 2])
            .option(6, &[3, 3, 3, 3, 4, 4, 4, 4, 5])
            .option(15, b"not.used")
            .option(26, &1400u16.to_be_bytes())
            .option(119, b"\x01a\x07exam")
            .option(119, b"ple\0\x01b\xc0\x02")
    });
    let expected = Lease {
        address: GUEST.into(),
        prefix: 20,
        router: Some(GATEWAY.into()),
        name_servers: [1, 2, 3].map(|octet| Ipv4Addr::from([octet; 4])).to_vec(),
        search: vec![b"a.example".to_vec(), b"b.example".to_vec()],
        mtu: Some(1400),
    };
    assert_eq!(lease, Some(expected));
    let least = lease_of(with_mask).expect("a lease");
    assert_eq!((least.router, least.mtu), (None, None));
    assert_eq!((least.name_servers, least.search), (vec![], vec![]));
}

#[test]
fn parts_of_a_lease_that_make_no_sense_are_left_out() {
    let lease = |code: u8, data: &[u8]| {
        lease_of(|message_type| with_mask(message_type).option(code, data)).expect("a lease")
    };
    for (mtu, taken) in [
        (0, None),
        (68, None),
        (575, None),
        (576, Some(576)),
        (65_520, Some(65_520)),
        (65_535, Some(MTU as u16)),
    ] {
        assert_eq!(lease(26, &u16::to_be_bytes(mtu)).mtu, taken);
    }
    assert_eq!(lease(26, &[6]).mtu, None);
    for router in [&[127, 0, 0, 1][..], &[0; 4], &[224, 0, 0, 1], &[255; 4], &[10, 0, 2], &[]] {
        assert_eq!(lease(3, router).router, None);
    }
    assert_eq!(lease(15, b"example.net").search, [b"example.net"]);
    for name in [&b"two names"[..], b"a\nnameserver 1.1.1.1", b"#", b"", b"\xc3\xa4"] {
        assert_eq!(lease(15, name).search, Vec::<Vec<u8>>::new());
    }
    // The domain stands in for a list that has no names.
    let both = lease_of(|message_type| {
        with_mask(message_type).option(15, b"example.net").option(119, &[0xc0, 0])
    });
    assert_eq!(both.expect("a lease").search, [b"example.net"]);
}

#[test]
fn masks_and_addresses_that_make_no_sense_are_not_taken() {
    let lease = |mask: [u8; 4], address: [u8; 4]| {
        lease_of(|message_type| {
            // What `requesting` was offered is replaced, so that only this one is looked at.
            Message::answer(message_type).option(1, &mask).field(16, &address)
        })
    };
    for (mask, prefix) in [
        ([255, 255, 255, 0], 24),
        ([255, 255, 255, 255], 32),
        ([255, 255, 255, 254], 31),
        ([255, 255, 255, 224], 27),
        ([128, 0, 0, 0], 1),
    ] {
        assert_eq!(lease(mask, GUEST).map(|lease| lease.prefix), Some(prefix));
    }
    for mask in [[0; 4], [255, 0, 255, 0], [0, 255, 255, 255], [255, 255, 255, 1], [127, 0, 0, 0]] {
        assert_eq!(lease(mask, GUEST), None, "{mask:?}");
    }
    for address in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [239, 255, 255, 255],
        [255, 255, 255, 255],
        [10, 0, 2, 0],
        [10, 0, 2, 255],
    ] {
        assert_eq!(lease([255, 255, 255, 0], address), None, "{address:?}");
    }
    // None, a part, two.
    assert_eq!(lease_of(Message::answer), None);
    assert_eq!(lease_of(|kind| Message::answer(kind).option(1, &[255, 255, 255])), None);
    assert_eq!(lease_of(|kind| with_mask(kind).option(1, &[255, 255, 255, 0])), None);
}

#[test]
fn what_is_no_answer_to_the_client_is_ignored() {
    let other = [2, 0, 0, 0, 0, 9];
    for message in [OFFER, ACK].map(with_mask) {
        let is_offer = message.bytes[242] == OFFER;
        let is_taken = |frame: &[u8]| {
            let mut client = if is_offer { selecting() } else { requesting() };
            client.input(frame);
            client.poll_at() != Some(Micros(1_000_000))
        };
        let whole = message.frame_of_server();
        assert!(is_taken(&whole));
        for (at, value, why) in [
            (0, &[1][..], "a question"),
            (1, &[6], "another network"),
            (4, &[0x12, 0x34, 0x56, 0x79], "another transaction"),
            (28, &other, "another client"),
            (236, &[0], "BOOTP"),
            (242, &[DISCOVER], "a question's type"),
            (242, &[NAK + 1], "another type"),
            (241, &[200], "an option without an end"),
            (244, &[3], "no server"),
        ] {
            assert!(!is_taken(&message.clone().field(at, value).frame_of_server()), "{why}");
        }
        if !is_offer {
            assert!(
                !is_taken(&message.clone().field(245, &[9]).frame_of_server()),
                "another server"
            );
            assert!(
                !is_taken(&message.clone().field(16, &[9]).frame_of_server()),
                "another address"
            );
        }
        // By unicast it is taken, too, but not if it is another's.
        let to = |mac: [u8; 6]| [&mac[..], &whole[6..]].concat();
        assert!(is_taken(&to(GUEST_MAC)));
        assert!(!is_taken(&to(other)));
        for (at, why) in [(23, "protocol"), (35, "source"), (37, "destination"), (41, "checksum")] {
            let mut frame = whole.clone();
            frame[at] ^= 1;
            fix_header(&mut frame[14..34]);
            assert!(!is_taken(&frame), "another {why}");
        }
        for length in 0..whole.len() {
            assert!(!is_taken(&whole[..length]), "{length} bytes");
        }
    }
}

/// Changes a few bytes of a message; the checksums around them are right.
fn spoil(message: &Message, seed: u64) -> Message {
    let pick = noise(seed, 16);
    let mut message = message.clone();
    let more = noise(seed + 1, usize::from(pick[0]));
    message.bytes.extend_from_slice(&more);
    for at in pick[1..13].chunks(3).take(usize::from(pick[13] % 5)) {
        let at_byte = usize::from(u16::from_be_bytes([at[0], at[1]])) % message.bytes.len();
        message.bytes[at_byte] = at[2];
    }
    message.bytes.truncate(message.bytes.len() - usize::from(pick[14] % 32));
    message
}

#[test]
fn noise_breaks_nothing() {
    let mut world = World::new();
    for seed in 0..15_000 {
        let kind = [DISCOVER, REQUEST, INFORM][seed as usize % 3];
        let question = Message::question(kind).option(50, &GUEST).option(52, &[seed as u8 & 3]);
        let (from, to) = if seed % 2 == 0 { (NOBODY, ALL) } else { (GUEST, GATEWAY) };
        world.inject(&spoil(&question, seed).frame(from, to));
        let mut reply = Vec::new();
        while world.nat.output(world.now, &mut reply) {
            assert!(reply.len() < 400);
            reply.clear();
        }
        assert_eq!(world.events(), []);

        let mut client = if seed % 2 == 0 { selecting() } else { requesting() };
        let answer = with_mask(if seed % 2 == 0 { OFFER } else { ACK })
            .option(119, b"\x01a\x03lan\0\x01b\xc0\x02")
            .option(52, &[seed as u8 & 3]);
        client.input(&spoil(&answer, seed).frame_of_server());
        client.input(&noise(seed, seed as usize % 400));
        if let Some(lease) = client.lease() {
            assert!((1..=32).contains(&lease.prefix));
            assert!(lease.name_servers.len() <= 3 && lease.search.len() <= 6);
            assert!(lease.search.iter().flatten().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
