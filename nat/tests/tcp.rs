//! TCP between two real stacks: the translator's, and one in the place of the guest's.

mod stack;

use c2w_nat::{Config, End, Event, Micros, Refusal};
use smoltcp::socket::tcp::State;
use stack::frames::{ACK, FIN, RST, SYN, tcp};
use stack::{SERVER, SERVER6, World, noise};
use std::net::SocketAddr;

#[test]
fn a_connection_waits_for_the_host() {
    for server in [SERVER, SERVER6] {
        let mut world = World::new();
        let handle = world.connect(server, 40_000);
        let (flow, to) = world.next_connect();
        assert_eq!(to, server.parse().expect("an address"));
        assert_eq!(world.state(handle), State::SynSent);
        assert_eq!(world.nat.room(flow), 0);
        // The guest asks again, which is not another connection.
        world.now.0 += 2_000_000;
        world.settle();
        assert_eq!(world.events(), []);
        assert_eq!(world.nat.poll_at(), None, "the driver is kept busy");
        world.nat.accept(flow);
        world.settle();
        assert_eq!(world.state(handle), State::Established);
        assert_eq!(world.events(), [Event::Writable(flow)]);
    }
}

#[test]
fn the_guest_hears_why_it_is_refused() {
    let kinds = [
        (Refusal::NetworkUnreachable, (3, 0), (1, 0)),
        (Refusal::HostUnreachable, (3, 1), (1, 3)),
        (Refusal::Prohibited, (3, 13), (1, 1)),
    ];
    for (refusal, v4, v6) in kinds {
        for (server, gateway, expected) in [(SERVER, "10.0.2.2", v4), (SERVER6, "fd00::2", v6)] {
            let mut world = World::new();
            let syn = tcp(40_000, server, SYN, 7, 0, &[]);
            world.inject(&syn);
            let (flow, _) = world.next_connect();
            world.nat.refuse(flow, refusal);
            let [icmp] = &world.replies()[..] else { panic!("not one frame") };
            assert_eq!(icmp.from.to_string(), gateway);
            assert_eq!((icmp.payload[0], icmp.payload[1]), expected);
            // The guest finds its socket by the packet's header, the ports and the sequence number.
            assert_eq!(icmp.payload[8..], syn[14..syn.len() - 12]);
            assert_eq!(world.events(), []);
            assert_eq!(world.nat.poll_at(), None);
            // It may try again.
            world.inject(&syn);
            assert_ne!(world.next_connect().0, flow);
        }
    }
}

#[test]
fn a_refused_connection_is_reset() {
    for server in [SERVER, SERVER6] {
        let mut world = World::new();
        let handle = world.connect(server, 40_000);
        let (flow, _) = world.next_connect();
        world.nat.refuse(flow, Refusal::Reset);
        world.settle();
        assert_eq!(world.state(handle), State::Closed);
        assert_eq!(world.events(), []);
        assert_eq!(world.nat.poll_at(), None);
    }
}

#[test]
fn the_guest_gives_up_before_the_host_is_connected() {
    let mut world = World::new();
    world.inject(&tcp(40_000, SERVER, SYN, 7, 0, &[]));
    let (flow, _) = world.next_connect();
    world.inject(&tcp(40_000, SERVER, RST | ACK, 8, 0, &[]));
    assert_eq!(world.events(), [Event::Closed { flow, end: End::Reset }]);
    world.nat.accept(flow);
    assert_eq!(world.replies(), []);
}

/// As Linux does when a program closes a socket that connects.
#[test]
fn the_guest_forgets_a_connection_before_the_host_is_connected() {
    let mut world = World::new();
    world.inject(&tcp(40_000, SERVER, SYN, 7, 0, &[]));
    let (flow, _) = world.next_connect();
    world.nat.accept(flow);
    let [answer] = &world.replies()[..] else { panic!("not one frame") };
    let (flags, _, ack) = answer.tcp();
    assert_eq!((flags, ack), (SYN | ACK, 8));
    assert_eq!(world.nat.room(flow), 0, "there is no connection yet");
    world.inject(&tcp(40_000, SERVER, RST, ack, 0, &[]));
    assert_eq!(world.events(), [Event::Closed { flow, end: End::Reset }]);
}

#[test]
fn a_connection_that_nobody_heard_of_ends_in_silence() {
    let mut world = World::new();
    for round in 0..10_000 {
        world.inject(&tcp(40_000, SERVER, SYN, round, 0, &[]));
        world.inject(&tcp(40_000, SERVER, RST, round + 1, 0, &[]));
    }
    assert_eq!(world.events(), []);
}

#[test]
fn bytes_go_both_ways_and_both_sides_close() {
    let mut world = World::new();
    let (flow, handle) = world.connected(SERVER, 40_000);
    world.guest(handle).send_slice(b"question").expect("it is open");
    world.settle();
    assert_eq!(world.events(), [Event::Readable(flow)]);
    assert_eq!(world.take_received(flow), b"question");
    assert!(!world.nat.finished(flow));
    assert_eq!(world.nat.send(flow, b"answer"), 6);
    world.nat.close(flow);
    assert_eq!(world.nat.send(flow, b"more"), 0);
    world.settle();
    assert_eq!(world.state(handle), State::CloseWait);
    let mut answer = [0; 10];
    assert_eq!(world.guest(handle).recv_slice(&mut answer), Ok(6));
    world.guest(handle).send_slice(b"thanks").expect("it is half-open");
    world.guest(handle).close();
    world.settle();
    assert_eq!(world.state(handle), State::Closed);
    assert_eq!(world.events(), [Event::Readable(flow)]);
    // The host is slow: what is not consumed stays for as long as it takes.
    world.now.0 += 100_000_000;
    world.settle();
    assert_eq!(world.take_received(flow), b"thanks");
    assert_eq!(world.events(), [Event::Closed { flow, end: End::Finished }]);
    assert_eq!(world.nat.poll_at(), None);
}

#[test]
fn the_guest_closes_first() {
    let mut world = World::new();
    let (flow, handle) = world.connected(SERVER6, 40_000);
    world.guest(handle).send_slice(b"all").expect("it is open");
    world.guest(handle).close();
    world.settle();
    assert_eq!(world.events(), [Event::Readable(flow)]);
    assert!(!world.nat.finished(flow), "there is more");
    assert_eq!(world.take_received(flow), b"all");
    assert!(world.nat.finished(flow));
    assert_eq!(world.nat.send(flow, b"answer"), 6);
    world.settle();
    let mut answer = [0; 10];
    assert_eq!(world.guest(handle).recv_slice(&mut answer), Ok(6));
    world.nat.close(flow);
    world.settle();
    assert_eq!(world.state(handle), State::TimeWait);
    assert_eq!(world.events(), [Event::Closed { flow, end: End::Finished }]);
}

#[test]
fn closing_before_the_handshake_is_over_sends_the_fin_after_it() {
    let mut world = World::new();
    let handle = world.connect(SERVER, 40_000);
    let (flow, _) = world.next_connect();
    world.nat.accept(flow);
    world.nat.close(flow);
    world.settle();
    assert_eq!(world.state(handle), State::CloseWait);
    // One that waits for its answer is refused.
    let handle = world.connect(SERVER, 40_001);
    let (flow, _) = world.next_connect();
    world.nat.close(flow);
    world.settle();
    assert_eq!(world.state(handle), State::Closed);
}

/// Sends `there` to the host and `back` to the guest, in pieces of odd lengths; what arrives.
fn transfer(world: &mut World, there: &[u8], back: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (flow, handle) = world.connected(SERVER, 40_000);
    let (mut to_host, mut to_guest) = (Vec::new(), Vec::new());
    let (mut sent_there, mut sent_back) = (0, 0);
    let mut piece = 1;
    let mut idle = 0;
    while to_host.len() < there.len() || to_guest.len() < back.len() {
        piece = (piece * 7 + 3) % 70_001;
        let end = there.len().min(sent_there + piece);
        sent_there += world.guest(handle).send_slice(&there[sent_there..end]).unwrap_or(0);
        let end = back.len().min(sent_back + piece / 2 + 1);
        let room = world.nat.room(flow);
        let sent = world.nat.send(flow, &back[sent_back..end]);
        assert!(sent == room.min(end - sent_back), "{sent} of {room} bytes are taken");
        sent_back += sent;
        let moved = world.exchange();
        world.now.0 += 500;
        let count = piece.min(world.nat.received(flow).len());
        to_host.extend_from_slice(&world.nat.received(flow)[..count]);
        world.nat.consume(flow, count);
        let mut some = vec![0; piece];
        let count = world.guest(handle).recv_slice(&mut some).unwrap_or(0);
        to_guest.extend_from_slice(&some[..count]);
        idle = if moved { 0 } else { idle + 1 };
        assert!(idle < 200_000, "it stands still");
    }
    (to_host, to_guest)
}

#[test]
fn ten_megabytes_arrive_as_they_were_sent() {
    let mut world = World::new();
    let (there, back) = (noise(1, 10_000_000), noise(2, 10_000_000));
    let (to_host, to_guest) = transfer(&mut world, &there, &back);
    assert!(to_host == there, "the host got something else");
    assert!(to_guest == back, "the guest got something else");
}

#[test]
fn lost_frames_are_repeated() {
    let mut world = World::new();
    world.lost = Box::new(|frame| frame % 13 == 12);
    let (there, back) = (noise(3, 2_000_000), noise(4, 2_000_000));
    let (to_host, to_guest) = transfer(&mut world, &there, &back);
    assert!(to_host == there, "the host got something else");
    assert!(to_guest == back, "the guest got something else");
}

#[test]
fn the_window_closes_at_a_slow_host_and_opens_again() {
    let mut world = World::new();
    let (flow, handle) = world.connected(SERVER, 40_000);
    let all = noise(5, 1_000_000);
    let mut sent = 0;
    for _ in 0..100 {
        let end = all.len().min(sent + 50_000);
        sent += world.guest(handle).send_slice(&all[sent..end]).expect("it is open");
        world.settle();
    }
    assert!(sent < 400_000, "{sent} bytes are taken although nobody reads");
    assert_eq!(world.events(), [Event::Readable(flow)]);
    let mut arrived = world.take_received(flow);
    assert_eq!(arrived.len(), 4 * 65_535, "the buffer is not used");
    while arrived.len() < all.len() {
        let end = all.len().min(sent + 50_000);
        sent += world.guest(handle).send_slice(&all[sent..end]).expect("it is open");
        world.settle();
        arrived.extend(world.take_received(flow));
    }
    assert!(arrived == all);
}

#[test]
fn a_slow_guest_holds_the_host_back_and_says_when_to_go_on() {
    let mut world = World::new();
    let (flow, handle) = world.connected(SERVER, 40_000);
    let all = noise(6, 1_000_000);
    let mut sent = 0;
    while world.nat.room(flow) > 0 {
        sent += world.nat.send(flow, &all[sent..]);
        world.settle();
    }
    assert!(sent < 500_000, "{sent} bytes are taken although the guest does not read");
    world.events();
    world.settle();
    assert_eq!(world.events(), [], "there is room, although the guest has not read");
    let mut arrived = Vec::new();
    while arrived.len() < all.len() {
        let mut some = vec![0; 100_000];
        let count = world.guest(handle).recv_slice(&mut some).expect("it is open");
        arrived.extend_from_slice(&some[..count]);
        world.now.0 += 2_000_000;
        world.settle();
        if world.events().contains(&Event::Writable(flow)) {
            sent += world.nat.send(flow, &all[sent..]);
        }
        world.settle();
    }
    assert!(arrived == all);
}

#[test]
fn a_reset_reaches_the_other_side() {
    let mut world = World::new();
    let (flow, handle) = world.connected(SERVER, 40_000);
    world.guest(handle).send_slice(b"lost").expect("it is open");
    world.settle();
    world.guest(handle).abort();
    world.settle();
    assert_eq!(world.events(), [Event::Closed { flow, end: End::Reset }]);
    assert_eq!(world.nat.received(flow), b"");

    let (flow, handle) = world.connected(SERVER, 40_001);
    world.nat.send(flow, b"lost");
    world.nat.abort(flow);
    world.settle();
    assert_eq!(world.state(handle), State::Closed);
    assert_eq!(world.events(), []);
    assert_eq!(world.nat.poll_at(), None);
}

#[test]
fn the_last_ack_is_repeated_for_a_late_fin() {
    let mut world = World::new();
    let (flow, ours) = world.handshake(40_000, SERVER, 7);
    world.nat.close(flow);
    let [fin] = &world.replies()[..] else { panic!("not one frame") };
    assert_eq!(fin.tcp(), (FIN | ACK, ours, 8));
    let last = tcp(40_000, SERVER, FIN | ACK, 8, ours + 1, b"last");
    world.inject(&last);
    // However long the guest takes no frames.
    world.now.0 += 20_000_000;
    let [ack] = &world.replies()[..] else { panic!("not one frame") };
    assert_eq!(ack.tcp(), (ACK, ours + 1, 13));
    // Whatever the driver does then.
    assert_eq!(world.take_received(flow), b"last");
    assert_eq!(world.events(), [Event::Closed { flow, end: End::Finished }]);
    let (flow, ours) = world.handshake(40_000, SERVER, 7);
    world.nat.close(flow);
    world.replies();
    let last = tcp(40_000, SERVER, FIN | ACK, 8, ours + 1, b"last");
    world.inject(&last);
    assert_eq!(world.take_received(flow), b"last");
    assert_eq!(world.replies().len(), 1);
    assert_eq!(world.events(), [Event::Closed { flow, end: End::Finished }]);
    world.now.0 += 999_999;
    world.inject(&last);
    world.inject(&tcp(40_000, SERVER, ACK, 13, ours + 1, &[]));
    let [again] = &world.replies()[..] else { panic!("not one frame") };
    assert_eq!(again.tcp(), (ACK, ours + 1, 13));
    // Then nobody knows it any more.
    world.now.0 += 1;
    world.inject(&last);
    let [reset] = &world.replies()[..] else { panic!("not one frame") };
    assert_eq!(reset.tcp().0, RST);
    // The guest may use the port again, within the second, too.
    let (flow, _) = world.handshake(40_000, SERVER, 7);
    world.inject(&tcp(40_000, SERVER, RST, 8, 0, &[]));
    assert_eq!(world.events(), [Event::Closed { flow, end: End::Reset }]);
    assert_ne!(world.handshake(40_000, SERVER, 9).0, flow);
}

#[test]
fn the_host_connects_to_the_guest() {
    for peer in ["10.0.2.2:5555", "[fd00::2]:5555"] {
        let mut world = World::new();
        let handle = world.listen(8080);
        let peer: SocketAddr = peer.parse().expect("an address");
        let flow = world.nat.open(peer, 8080).expect("it can be opened");
        assert_eq!(world.nat.open(peer, 8080), None, "the same connection twice");
        assert_eq!(world.nat.room(flow), 0);
        world.settle();
        assert_eq!(world.events(), [Event::Opened(flow), Event::Writable(flow)]);
        let remote = world.guest(handle).remote_endpoint().expect("it is connected");
        assert_eq!(remote, peer.into());
        world.nat.send(flow, b"hello");
        world.settle();
        assert_eq!(world.guest(handle).recv_queue(), 5);
    }
}

#[test]
fn the_guest_refuses_a_connection() {
    let mut world = World::new();
    let peer = "10.0.2.2:5555".parse().expect("an address");
    let flow = world.nat.open(peer, 8080).expect("it can be opened");
    world.settle();
    assert_eq!(world.events(), [Event::Refused(flow)]);
    // The driver's patience ends, and nobody is there.
    world.inject(&tcp(8080, "10.0.2.2:5555", SYN, 7, 0, &[]));
    let [Event::Connect { flow, .. }] = world.events()[..] else { panic!("not free again") };
    world.nat.refuse(flow, Refusal::Reset);
    world.settle();
    let flow = world.nat.open(peer, 8080).expect("it can be opened again");
    world.nat.abort(flow);
    let flags: Vec<u8> = world.replies().iter().map(|frame| frame.tcp().0).collect();
    assert_eq!(flags, [RST | ACK]);
    assert_eq!(world.events(), []);
}

#[test]
fn nobody_connects_from_where_no_peer_can_be() {
    let mut world = World::with(Config::default());
    for from in ["10.0.2.15:1", "0.0.0.0:1", "10.0.2.255:1", "224.0.0.1:1", "[fd00::2]:1"] {
        assert_eq!(world.nat.open(from.parse().expect("an address"), 80), None, "{from}");
    }
    let gateway = "10.0.2.2:0".parse().expect("an address");
    assert_eq!(world.nat.open(gateway, 0), None);
    let flows: Vec<_> = (0..1024).map(|_| world.nat.open(gateway, 80).expect("a port")).collect();
    assert_eq!(world.nat.open(gateway, 80), None, "too many");
    let mut ports: Vec<u16> = world.replies().iter().map(|frame| frame.u16(0)).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), flows.len());
    assert!(ports[0] >= 49_152);
}

#[test]
fn another_seed_makes_other_numbers() {
    let numbers = |seed| {
        let mut world = World::with(Config { seed, ..Config::default() });
        world.connect(SERVER, 40_000);
        let (flow, _) = world.next_connect();
        world.nat.accept(flow);
        world.nat.open("10.0.2.2:0".parse().expect("an address"), 80).expect("a port");
        let replies = world.replies();
        (replies[0].u32(4), replies[1].u32(4), replies[1].u16(0))
    };
    let (accepted, opened, port) = numbers(1);
    assert_eq!(numbers(1), (accepted, opened, port));
    let (other_accepted, other_opened, other_port) = numbers(2);
    assert_ne!(accepted, other_accepted);
    assert_ne!(opened, other_opened);
    assert_ne!(port, other_port);
}

#[test]
fn an_answer_carries_the_acknowledgement() {
    let mut world = World::new();
    let (flow, handle) = world.connected(SERVER, 40_000);
    assert_eq!(world.nat.poll_at(), None, "a timer runs although nothing is to do");
    world.guest(handle).send_slice(b"question").expect("it is open");
    world.exchange();
    let start = world.now;
    assert_eq!(world.nat.poll_at(), Some(Micros(start.0 + 1000)));
    world.now.0 += 400;
    world.take_received(flow);
    assert_eq!(world.replies(), [], "an ACK without data");
    assert_eq!(world.nat.poll_at(), Some(Micros(start.0 + 1000)), "it is put off");
    world.nat.send(flow, b"answer");
    let [answer] = &world.replies()[..] else { panic!("not one frame") };
    assert_eq!(answer.payload[20..], *b"answer");
    assert!(world.nat.poll_at().expect("it may have to be repeated").0 > start.0 + 100_000);
}

#[test]
fn calls_for_a_flow_that_has_ended_do_nothing() {
    let mut world = World::new();
    let (dead, handle) = world.connected(SERVER, 40_000);
    world.guest(handle).abort();
    world.settle();
    world.events();
    let (alive, _) = world.connected(SERVER, 40_000);
    assert_ne!(dead, alive);
    let nat = &mut world.nat;
    nat.accept(dead);
    nat.refuse(dead, Refusal::Prohibited);
    nat.consume(dead, 5);
    nat.close(dead);
    nat.abort(dead);
    assert_eq!((nat.room(dead), nat.send(dead, b"x"), nat.finished(dead)), (0, 0, false));
    assert_eq!(nat.received(dead), b"");
    // Nor do those that do not fit the flow.
    nat.accept(alive);
    nat.refuse(alive, Refusal::Reset);
    nat.consume(alive, 5);
    assert_eq!(world.replies(), []);
    assert_eq!(world.nat.send(alive, b"x"), 1);
}
