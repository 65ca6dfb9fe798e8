//! The console, driven as Linux's virtio_console does it.

use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::devices::MmioDevice;
use crate::devices::test_host::pattern;
use crate::devices::virtio::test_driver::{Driver, Part};

const PAGE: usize = 4096;
const NAMES: [&str; 3] = ["control", "in", "out"];
/// Port 1's queues.
const RECEIVE: usize = 4;
const TRANSMIT: usize = 5;

fn console() -> Console {
    Console::new(NAMES.map(|name| name.to_string()))
}

fn control(driver: &mut Driver<Console>, port: u32, event: u16, value: u16) {
    driver.post(CONTROL_TRANSMIT, &[Part::Read(Control { port, event, value }.encode().to_vec())]);
    driver.notify(CONTROL_TRANSMIT);
    assert_eq!(driver.take_used(CONTROL_TRANSMIT).map(|(_, bytes)| bytes), Some(vec![]));
}

/// The control messages since the last call; their buffers are posted again.
fn messages(driver: &mut Driver<Console>) -> Vec<(u32, u16, Vec<u8>)> {
    let mut messages = Vec::new();
    while let Some((_, bytes)) = driver.take_used(CONTROL_RECEIVE) {
        let message = Control::parse(*bytes.first_chunk().unwrap());
        messages.push((message.port, message.event, bytes[Control::LENGTH..].to_vec()));
        driver.post(CONTROL_RECEIVE, &[Part::Write(PAGE)]);
        driver.notify(CONTROL_RECEIVE);
    }
    messages
}

fn post_pages(driver: &mut Driver<Console>, queue: usize, count: usize) {
    for _ in 0..count {
        driver.post(queue, &[Part::Write(PAGE)]);
        driver.notify(queue);
    }
}

/// A driver that knows all ports, with port 1 open and `pages` receive buffers there.
fn opened(pages: usize) -> Driver<Console> {
    let mut driver = Driver::start(console(), MULTIPORT);
    post_pages(&mut driver, CONTROL_RECEIVE, 16);
    control(&mut driver, u32::MAX, event::DEVICE_READY, 1);
    for port in 0..3 {
        control(&mut driver, port, event::PORT_READY, 1);
    }
    messages(&mut driver);
    post_pages(&mut driver, RECEIVE, pages);
    control(&mut driver, 1, event::PORT_OPEN, 1);
    driver.take_interrupt();
    driver
}

fn push(driver: &mut Driver<Console>, bytes: &[u8]) -> usize {
    driver.mmio.push_input(1, bytes, &mut driver.world.context())
}

#[test]
fn queues_and_configuration_are_where_linux_looks() {
    let mut driver = Driver::unstarted(console());
    assert_eq!(driver.read_config(4, 4), 3);
    assert_eq!(console().queue_sizes(), [8, 256, 16, 16, 8, 256, 8, 256]);
    assert_eq!([0, 1, 2].map(receive_queue), [0, 4, 6]);
}

#[test]
fn the_handshake_names_and_opens_each_port() {
    let mut driver = Driver::start(console(), MULTIPORT);
    post_pages(&mut driver, CONTROL_RECEIVE, 16);
    control(&mut driver, u32::MAX, event::DEVICE_READY, 1);
    assert!(driver.take_interrupt());
    let added: Vec<_> = (0..3).map(|port| (port, event::PORT_ADD, vec![])).collect();
    assert_eq!(messages(&mut driver), added);
    for (port, name) in (0..).zip(NAMES) {
        control(&mut driver, port, event::PORT_READY, 1);
        let expected =
            [(port, event::PORT_NAME, name.as_bytes().to_vec()), (port, event::PORT_OPEN, vec![])];
        assert_eq!(messages(&mut driver), expected);
    }
}

#[test]
fn messages_wait_for_buffers() {
    let mut driver = Driver::start(console(), MULTIPORT);
    for _ in 0..1000 {
        control(&mut driver, 0, event::DEVICE_READY, 1);
        control(&mut driver, 2, event::PORT_READY, 1);
    }
    post_pages(&mut driver, CONTROL_RECEIVE, 2);
    driver.save_and_restore(console());
    let mut events = messages(&mut driver).into_iter().map(|(port, event, _)| (port, event));
    assert!(events.by_ref().eq([
        (0, event::PORT_ADD),
        (1, event::PORT_ADD),
        (2, event::PORT_ADD),
        (2, event::PORT_NAME),
        (2, event::PORT_OPEN),
    ]));
}

#[test]
fn long_chains_are_gathered_in_bounded_pieces() {
    let mut driver = opened(0);
    let bytes = pattern(5 * GATHER_SIZE / 2);
    let (pages, large) = bytes.split_at(3 * GATHER_SIZE / 2);
    let mut parts: Vec<_> = pages.chunks(PAGE).map(|page| Part::Read(page.to_vec())).collect();
    parts.push(Part::Read(large.to_vec()));
    driver.post(TRANSMIT, &parts);
    driver.notify(TRANSMIT);
    let output = &driver.world.host.output;
    let lengths: Vec<_> = output.iter().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(lengths, [GATHER_SIZE, GATHER_SIZE / 2, GATHER_SIZE]);
    assert!(output.iter().flat_map(|(_, bytes)| bytes).eq(&bytes));
}

#[test]
fn output_of_each_port_reaches_the_host_in_order() {
    let mut driver = opened(0);
    let bytes = pattern(32 * 1024);
    driver.post(TRANSMIT, &[Part::Read(bytes.clone()), Part::Read(b"tail".to_vec())]);
    driver.notify(TRANSMIT);
    driver.post(1, &[Part::Read(b"zero".to_vec())]);
    driver.notify(1);
    driver.post(7, &[Part::Read(b"two".to_vec())]);
    driver.notify(7);
    let gathered = [&bytes[..], b"tail"].concat();
    let expected = vec![(1, gathered), (0, b"zero".to_vec()), (2, b"two".to_vec())];
    assert_eq!(driver.world.host.output, expected);
    assert!(driver.take_used(TRANSMIT).is_some());
    assert!(driver.take_interrupt());
}

#[test]
fn input_fills_posted_buffers_and_no_more() {
    let mut driver = opened(3);
    assert_eq!(driver.mmio.input_room(1, &mut driver.world.memory), 3 * PAGE);
    let bytes = pattern(4 * PAGE);
    assert_eq!(push(&mut driver, &bytes[..5000]), 5000);
    assert!(driver.take_interrupt());
    assert_eq!(driver.mmio.input_room(1, &mut driver.world.memory), PAGE);
    assert_eq!(push(&mut driver, &bytes[5000..]), PAGE);
    assert_eq!(push(&mut driver, &bytes), 0);
    let mut received = Vec::new();
    while let Some((_, buffer)) = driver.take_used(RECEIVE) {
        received.extend(buffer);
    }
    assert_eq!(received, bytes[..5000 + PAGE]);
}

#[test]
fn much_input_arrives_whole() {
    const TOTAL: usize = 8 << 20;
    let mut driver = opened(RECEIVE_SIZE.into());
    let bytes = pattern(TOTAL);
    let mut sent = 0;
    let mut received = Vec::with_capacity(TOTAL);
    while received.len() < TOTAL {
        sent += push(&mut driver, &bytes[sent..]);
        while let Some((_, buffer)) = driver.take_used(RECEIVE) {
            received.extend(buffer);
            post_pages(&mut driver, RECEIVE, 1);
        }
    }
    assert!(received == bytes);
}

#[test]
fn a_port_that_no_process_has_open_takes_nothing() {
    let mut driver = opened(2);
    control(&mut driver, 1, event::PORT_OPEN, 0);
    for port in [0, 1, 2, 3, usize::MAX] {
        assert_eq!(driver.mmio.input_room(port, &mut driver.world.memory), 0);
        assert_eq!(driver.mmio.push_input(port, b"x", &mut driver.world.context()), 0);
    }
    control(&mut driver, 1, event::PORT_OPEN, 1);
    assert_eq!(push(&mut driver, b"x"), 1);
}

#[test]
fn saved_with_buffers_posted_and_ports_open_it_goes_on() {
    let mut driver = opened(2);
    assert_eq!(push(&mut driver, b"before"), 6);
    driver.save_and_restore(console());
    assert_eq!(driver.mmio.input_room(1, &mut driver.world.memory), PAGE);
    assert_eq!(push(&mut driver, b"after"), 5);
    assert_eq!(driver.take_used(RECEIVE).unwrap().1, b"before");
    assert_eq!(driver.take_used(RECEIVE).unwrap().1, b"after");
    assert!(driver.take_interrupt());

    let other = Console::new(["other".to_string(), "in".to_string(), "out".to_string()]);
    assert!(VirtioMmio::new(other).restore(&driver.mmio.save()).is_err());
}

#[test]
fn a_guest_that_resets_starts_over() {
    let mut driver = opened(2);
    driver.write(0x70, 0);
    assert_eq!(driver.mmio.save(), VirtioMmio::new(console()).save());
    assert_eq!(driver.mmio.input_room(1, &mut driver.world.memory), 0);
}

#[test]
fn hostile_buffers_need_a_reset() {
    let mut driver = opened(0);
    driver.post(RECEIVE, &[Part::Read(vec![0])]);
    assert_eq!(driver.mmio.input_room(1, &mut driver.world.memory), 0);
    assert_eq!(push(&mut driver, b"x"), 0);
    driver.assert_needs_reset(DriverError::ChainTooShort);

    let mut driver = opened(0);
    driver.post(CONTROL_TRANSMIT, &[Part::Read(vec![0; 7])]);
    driver.notify(CONTROL_TRANSMIT);
    driver.assert_needs_reset(DriverError::ChainTooShort);
    assert_eq!(driver.mmio.input_room(1, &mut driver.world.memory), 0);
}

#[test]
fn control_messages_of_no_port_are_ignored() {
    let mut driver = opened(1);
    let before = driver.mmio.device.save();
    for event in 0..10 {
        control(&mut driver, u32::MAX, event, 2);
        control(&mut driver, 3, event, 2);
    }
    assert_eq!(driver.mmio.device.save(), before);
}
