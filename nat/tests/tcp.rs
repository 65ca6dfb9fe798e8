//! TCP between two real stacks: the translator's, and one in the place of the guest's.

mod stack;

use c2w_nat::{End, Event};
use smoltcp::socket::tcp::State;
use stack::{SERVER, SERVER6, World};

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
    assert_eq!(world.take_received(flow), b"thanks");
    assert_eq!(world.events(), [Event::Closed { flow, end: End::Finished }]);
}
