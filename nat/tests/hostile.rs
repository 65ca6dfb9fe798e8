//! A guest that does not mean well: what it can make the translator keep, and what it cannot break.

mod stack;

use c2w_nat::{End, Event, Refusal};
use stack::frames::{ACK, FIN, RST, SYN, fix_header, tcp};
use stack::{SERVER, World, noise};

fn server(number: usize) -> String {
    format!("192.0.2.{}:{}", number % 200 + 1, number / 200 + 1)
}

/// The flows of all connections that are told.
fn connects(world: &mut World) -> Vec<c2w_nat::FlowId> {
    let flow = |event| match event {
        Event::Connect { flow, .. } => flow,
        other => panic!("{other:?}"),
    };
    world.events().into_iter().map(flow).collect()
}

#[test]
fn there_are_1024_flows_at_most() {
    let mut world = World::new();
    let mut flows = Vec::new();
    for number in 0..1024 {
        flows.push(world.handshake(40_000, &server(number), 7).0);
    }
    world.inject(&tcp(40_000, &server(1024), SYN, 7, 0, &[]));
    let [reset] = &world.replies()[..] else { panic!("not one frame") };
    assert_eq!((reset.tcp().0, reset.tcp().2), (RST | ACK, 8));
    assert_eq!(world.events(), []);
    assert_eq!(world.nat.open("10.0.2.2:1".parse().expect("an address"), 80), None);
    // The first have more room than the last.
    let room = |number: usize| world.nat.room(flows[number]);
    assert_eq!(
        [room(0), room(31), room(32), room(255), room(256), room(1023)],
        [262_140, 262_140, 65_535, 65_535, 32_767, 32_767]
    );
    // All of them work, and one that ends makes room for another.
    for (number, &flow) in flows.iter().enumerate() {
        world.inject(&tcp(40_000, &server(number), ACK, 8, 0, b"never"));
        assert_eq!(world.nat.send(flow, b"data"), 4, "flow {number}");
    }
    assert_eq!(world.replies().iter().filter(|frame| frame.payload.len() == 24).count(), 1024);
    world.nat.abort(flows[500]);
    assert_eq!(world.replies().len(), 1);
    world.handshake(40_000, &server(1024), 7);
}

#[test]
fn a_flood_of_connections_waits_up_to_a_limit() {
    let mut world = World::new();
    for number in 0..10_000 {
        world.inject(&tcp(40_000, &server(number), SYN, 7, 0, &[]));
    }
    // Those above it are dropped, not refused.
    assert_eq!(world.replies(), []);
    let flows = connects(&mut world);
    assert_eq!(flows.len(), 128);
    // Repeated by a guest in good faith, the others come in turn.
    for flow in flows {
        world.nat.refuse(flow, Refusal::HostUnreachable);
    }
    world.inject(&tcp(40_000, &server(5000), SYN, 7, 0, &[]));
    assert_eq!(connects(&mut world).len(), 1);
}

#[test]
fn ends_that_nobody_asks_for_are_not_piled_up() {
    let mut world = World::new();
    for number in 0..1024 {
        world.handshake(40_000, &server(number), 7);
    }
    for number in 0..1024 {
        world.inject(&tcp(40_000, &server(number), RST, 8, 0, &[]));
    }
    // The driver does not know yet that they are gone.
    world.inject(&tcp(40_000, &server(2000), SYN, 7, 0, &[]));
    assert_eq!(world.replies()[0].tcp().0, RST | ACK);
    let events = world.events();
    assert_eq!(events.len(), 1024);
    assert!(events.iter().all(|event| matches!(event, Event::Closed { end: End::Reset, .. })));
    world.handshake(40_000, &server(2000), 7);
}

#[test]
fn answers_that_the_guest_does_not_take_are_dropped() {
    let mut world = World::new();
    for number in 0..10_000 {
        world.inject(&tcp(40_000, &server(number), ACK, 7, number as u32, &[]));
    }
    let replies = world.replies();
    assert_eq!(replies.len(), 64);
    assert!(replies.iter().enumerate().all(|(at, frame)| frame.tcp() == (RST, at as u32, 0)));
}

/// The window of a SYN is not scaled, but those after it are.
#[test]
fn more_than_the_window_is_not_kept() {
    for filler in [0, 40, 300] {
        let mut world = World::new();
        // Buffers get smaller.
        for number in 1..=filler {
            world.handshake(40_000, &server(number), 7);
        }
        let (flow, ours) = world.handshake(40_000, SERVER, 7);
        let room = world.nat.room(flow);
        let data = noise(1, 32_000);
        for piece in 0..20 {
            world.inject(&tcp(40_000, SERVER, ACK, 8 + piece * 32_000, ours, &data));
        }
        // Nor what is behind a hole, as far as the numbers go.
        for power in 0..32 {
            world.inject(&tcp(40_000, SERVER, ACK, 1 << power, ours, &data));
        }
        let received = world.take_received(flow).len();
        assert!(received <= room, "{received} bytes in a buffer of {room}");
        // Its window opens with the next frame.
        assert!(!world.replies().is_empty());
        world.inject(&tcp(40_000, SERVER, ACK | FIN, 8 + received as u32, ours, &data));
        world.take_received(flow);
        assert!(world.nat.finished(flow));
    }
}

#[test]
fn an_end_of_a_connection_outside_of_its_window_is_none() {
    let mut world = World::new();
    let (flow, ours) = world.handshake(40_000, SERVER, 7);
    for sequence in [7, 8 + 1_000_000, 8u32.wrapping_sub(1_000_000)] {
        world.inject(&tcp(40_000, SERVER, RST, sequence, ours, &[]));
        world.inject(&tcp(40_000, SERVER, FIN | ACK, sequence, ours, &[]));
    }
    assert_eq!(world.events(), []);
    world.inject(&tcp(40_000, SERVER, ACK, 8, ours, b"data"));
    assert_eq!(world.events(), [Event::Readable(flow)]);
}

#[test]
fn data_behind_its_end_ends_a_connection() {
    let mut world = World::new();
    let (flow, ours) = world.handshake(40_000, SERVER, 7);
    world.inject(&tcp(40_000, SERVER, FIN | ACK, 8, ours, b"all"));
    assert_eq!(world.events(), [Event::Readable(flow)]);
    // The same again is as good as none.
    world.inject(&tcp(40_000, SERVER, FIN | ACK, 8, ours, b"all"));
    assert_eq!(world.events(), []);
    world.inject(&tcp(40_000, SERVER, ACK, 12, ours, b"more"));
    assert_eq!(world.events(), [Event::Closed { flow, end: End::Reset }]);
}

#[test]
fn ports_0_and_flags_without_sense_open_nothing() {
    let mut world = World::new();
    world.inject(&tcp(0, SERVER, SYN, 7, 0, &[]));
    world.inject(&tcp(40_000, "192.0.2.1:0", SYN, 7, 0, &[]));
    for flags in (0..=255).filter(|flags| flags & (SYN | FIN | RST | ACK) != SYN) {
        world.inject(&tcp(40_000, SERVER, flags, 7, 0, &[]));
    }
    // Neither do options that end in the middle, nor a header that is longer than the packet.
    for options in [&[2, 0, 0, 0][..], &[3, 200, 1, 1], &[1, 1, 1, 2], &[8, 1]] {
        let mut frame = tcp(40_000, SERVER, SYN, 7, 0, options);
        frame[14 + 20 + 12] = 0x60;
        world.inject(&frame);
    }
    for length in [0, 0x10, 0x40, 0xf0] {
        let mut frame = tcp(40_000, SERVER, SYN, 7, 0, &[]);
        frame[14 + 20 + 12] = length;
        world.inject(&frame);
    }
    assert_eq!(world.events(), []);
}

/// Numbers that look like nothing.
struct Random(u64);

impl Random {
    fn next(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// A frame that is nearly right, or nothing of the kind.
    fn frame(&mut self) -> Vec<u8> {
        let number = self.next(1500) as usize;
        let port = 40_000 + self.next(3) as u16;
        let data = noise(self.0, self.next(20) as usize * self.next(70) as usize);
        let (sequence, ack) = (self.next(1 << 32) as u32, self.next(1 << 32) as u32);
        let flags = if self.next(3) == 0 { SYN } else { self.next(64) as u8 };
        let mut frame = tcp(port, &server(number), flags, sequence, ack, &data);
        match self.next(8) {
            0 => frame = noise(self.0, self.next(100) as usize),
            // Another protocol, or another length in the IP header, whose checksum is right then.
            1 => frame[23] = self.next(256) as u8,
            2 => frame.truncate(self.next(frame.len() as u64 + 1) as usize),
            3 => {
                let at = self.next(frame.len() as u64) as usize;
                frame[at] = self.next(256) as u8;
            }
            _ => {}
        }
        if self.next(2) == 0 && frame.len() >= 34 {
            fix_header(&mut frame[14..34]);
        }
        frame
    }
}

/// Frames and calls in any order. FRAMES in the environment is how many, for more than a test's time.
#[test]
fn anything_may_come() {
    let count = std::env::var("FRAMES").map_or(100_000, |count| count.parse().expect("a number"));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut nat = World::new().nat;
    let mut flows = std::collections::VecDeque::new();
    let mut now = 0;
    for _ in 0..count {
        now += random.next(3000);
        let moment = c2w_nat::Micros(now);
        nat.input(moment, &random.frame());
        while let Some(event) = nat.event() {
            if let Event::Connect { flow, .. } = event {
                flows.push_back(flow);
            }
        }
        // Those that have ended are among them: a driver may be late.
        while flows.len() > 1200 {
            flows.pop_front();
        }
        if let Some(&flow) = flows.get(random.next(flows.len() as u64 + 1) as usize) {
            match random.next(6) {
                0 => nat.accept(flow),
                1 => nat.refuse(flow, Refusal::HostUnreachable),
                2 => nat.abort(flow),
                3 => nat.close(flow),
                4 => {
                    let length = nat.received(flow).len();
                    nat.consume(flow, length);
                }
                _ => assert!(nat.send(flow, &[7; 100]) <= nat.room(flow) + 100),
            }
        }
        let mut frame = Vec::new();
        while random.next(4) > 0 && nat.output(moment, &mut frame) {
            assert!(frame.len() <= c2w_nat::MAX_FRAME);
            frame.clear();
        }
    }
}
