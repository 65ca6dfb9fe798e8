use super::*;
use crate::devices::virtio::mmio::{interrupt, register};
use crate::devices::virtio::test_driver::{Driver, Part};
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;

/// Keeps what is transmitted, and has frames to receive.
#[derive(Default)]
struct Wire {
    transmitted: Vec<(Vec<u8>, Checksum)>,
    to_guest: VecDeque<(Vec<u8>, Checksum)>,
    /// Sends each frame back.
    echo: bool,
    /// How many frames it takes.
    room: Option<usize>,
}

struct Plug(Rc<RefCell<Wire>>);

impl NetBackend for Plug {
    fn transmit(&mut self, _: u64, frame: &[u8], checksum: Checksum) {
        let mut wire = self.0.borrow_mut();
        wire.room = wire.room.map(|room| room - 1);
        wire.transmitted.push((frame.to_vec(), checksum));
        if wire.echo {
            wire.to_guest.push_back((frame.to_vec(), checksum));
        }
    }

    fn receive(&mut self, _: u64, frame: &mut Vec<u8>) -> Option<Checksum> {
        let (bytes, checksum) = self.0.borrow_mut().to_guest.pop_front()?;
        frame.extend(bytes);
        Some(checksum)
    }

    fn is_full(&self) -> bool {
        self.0.borrow().room == Some(0)
    }
}

fn driver() -> (Driver<Net>, Rc<RefCell<Wire>>) {
    let wire = Rc::new(RefCell::new(Wire::default()));
    let mut driver = Driver::start(Net::default(), feature::ALL);
    driver.mmio.set_backend(Some(Box::new(Plug(wire.clone()))));
    driver.take_interrupt();
    (driver, wire)
}

/// `length` bytes that differ from their neighbours.
fn frame(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

fn send(driver: &mut Driver<Net>, bytes: &[u8]) {
    let head = driver.post(TRANSMIT, &[Part::Read(bytes.to_vec())]);
    driver.notify(TRANSMIT);
    assert_eq!(driver.take_used(TRANSMIT), Some((head, vec![])));
}

fn deliver(driver: &mut Driver<Net>) -> bool {
    driver.mmio.exchange(&mut driver.world.context())
}

/// The next frame that the guest has got: header and bytes, of all its chains.
fn received(driver: &mut Driver<Net>) -> Option<([u8; HEADER], Vec<u8>)> {
    let (_, mut bytes) = driver.take_used(RECEIVE)?;
    let mut chains = 1;
    let named = |bytes: &[u8]| u16::from_le_bytes([bytes[HEADER - 2], bytes[HEADER - 1]]);
    while bytes.len() < HEADER || chains < named(&bytes) {
        bytes.extend(driver.take_used(RECEIVE).expect("as many chains as the header says").1);
        chains += 1;
    }
    let (header, frame) = bytes.split_first_chunk().unwrap();
    Some((*header, frame.to_vec()))
}

#[test]
fn address_mtu_and_link_are_in_the_configuration() {
    let (mut driver, _) = driver();
    let read = |driver: &mut Driver<Net>| -> Vec<u8> {
        (0..12).map(|offset| driver.read_config(offset, 1) as u8).collect()
    };
    let up = [&MAC[..], &[LINK_UP, 0, 1, 0], &MTU.to_le_bytes()].concat();
    assert_eq!(read(&mut driver), up);
    driver.mmio.set_backend(None);
    assert_eq!(read(&mut driver)[CONFIG_STATUS], 0);
    assert_eq!(driver.read(register::INTERRUPT_STATUS), interrupt::CONFIG_CHANGE);
}

#[test]
fn a_link_that_nobody_listens_to_changes_without_an_interrupt() {
    let mut driver = Driver::unstarted(Net::default());
    driver.mmio.set_backend(Some(Box::new(Plug(Rc::default()))));
    assert_eq!(driver.read(register::INTERRUPT_STATUS), 0);
}

#[test]
fn frames_are_transmitted_with_what_their_header_says() {
    let (mut driver, wire) = driver();
    let partial = [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0];
    send(&mut driver, &[&partial, &frame(60)[..]].concat());
    send(&mut driver, &[&[0; HEADER], &frame(MAX_FRAME)[..]].concat());
    let expected = [
        (frame(60), Checksum::Partial { start: 34, offset: 16 }),
        (frame(MAX_FRAME), Checksum::Present),
    ];
    assert_eq!(wire.borrow().transmitted, expected);
}

#[test]
fn what_cannot_be_a_frame_is_lost_and_given_back() {
    let (mut driver, wire) = driver();
    for length in [1, HEADER, HEADER + ETHERNET_HEADER - 1, HEADER + MAX_FRAME + 1] {
        send(&mut driver, &frame(length));
    }
    driver.mmio.set_backend(None);
    send(&mut driver, &frame(100));
    assert_eq!(wire.borrow().transmitted, []);
    assert_eq!(driver.mmio.driver_error(), None);
}

#[test]
fn what_a_full_backend_does_not_take_waits_in_the_queue() {
    let (mut driver, wire) = driver();
    wire.borrow_mut().room = Some(1);
    let frames = [frame(100), frame(200), frame(300)];
    let heads: Vec<_> = frames
        .iter()
        .map(|frame| driver.post(TRANSMIT, &[Part::Read([&[0; HEADER], &frame[..]].concat())]))
        .collect();
    driver.notify(TRANSMIT);
    assert_eq!(driver.take_used(TRANSMIT), Some((heads[0], vec![])));
    assert_eq!(driver.take_used(TRANSMIT), None);
    driver.take_interrupt();
    assert!(!deliver(&mut driver) && !driver.take_interrupt());
    wire.borrow_mut().room = Some(2);
    assert!(deliver(&mut driver) && driver.take_interrupt());
    assert_eq!(driver.take_used(TRANSMIT), Some((heads[1], vec![])));
    assert_eq!(driver.take_used(TRANSMIT), Some((heads[2], vec![])));
    let transmitted: Vec<_> =
        wire.borrow().transmitted.iter().map(|(frame, _)| frame.clone()).collect();
    assert_eq!(transmitted, frames);
}

#[test]
fn a_frame_is_spread_over_as_many_chains_as_it_takes() {
    for (size, parts) in [(4096, 1), (1024, 2), (300, 4), (257, 1), (1, 1)] {
        let (mut driver, wire) = driver();
        let chains = 256 / parts;
        for _ in 0..chains {
            let each: Vec<_> = (0..parts).map(|_| Part::Write(size)).collect();
            driver.post(RECEIVE, &each);
        }
        let length = (chains * parts * size - HEADER).min(MAX_FRAME);
        wire.borrow_mut().to_guest.push_back((frame(length), Checksum::Valid));
        assert!(deliver(&mut driver));
        let (header, bytes) = received(&mut driver).unwrap();
        assert_eq!(bytes, frame(length), "{size} x {parts}");
        let number = (length + HEADER).div_ceil(size * parts) as u16;
        let expected = [&[DATA_VALID, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &number.to_le_bytes()];
        assert_eq!(header[..], expected.concat());
        assert!(driver.take_interrupt());
    }
}

#[test]
fn a_frame_waits_until_there_is_room_for_all_of_it() {
    let (mut driver, wire) = driver();
    wire.borrow_mut().to_guest.push_back((frame(1000), Checksum::Present));
    wire.borrow_mut().to_guest.push_back((frame(20), Checksum::Present));
    assert!(!deliver(&mut driver));
    driver.post(RECEIVE, &[Part::Write(512)]);
    assert!(!deliver(&mut driver));
    assert_eq!(driver.take_used(RECEIVE), None);
    // The second is not asked for while the first waits.
    assert_eq!(wire.borrow().to_guest.len(), 1);
    driver.post(RECEIVE, &[Part::Write(500)]);
    driver.notify(RECEIVE);
    assert_eq!(received(&mut driver).unwrap().1, frame(1000));
    assert_eq!(received(&mut driver), None);
    driver.post(RECEIVE, &[Part::Write(32)]);
    assert!(deliver(&mut driver));
    assert_eq!(received(&mut driver).unwrap().1, frame(20));
}

#[test]
fn an_answer_comes_with_the_notification() {
    let (mut driver, wire) = driver();
    wire.borrow_mut().echo = true;
    driver.post(RECEIVE, &[Part::Write(4096)]);
    let partial = [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0];
    send(&mut driver, &[&partial, &frame(60)[..]].concat());
    let expected = [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 1, 0];
    assert_eq!(received(&mut driver), Some((expected, frame(60))));
}

#[test]
fn a_frame_over_the_longest_is_lost() {
    let (mut driver, wire) = driver();
    for _ in 0..200 {
        driver.post(RECEIVE, &[Part::Write(512)]);
    }
    wire.borrow_mut().to_guest.push_back((frame(MAX_FRAME + 1), Checksum::Present));
    assert!(!deliver(&mut driver));
    assert_eq!((driver.take_used(RECEIVE), driver.mmio.driver_error()), (None, None));
}

#[test]
fn chains_with_nothing_to_write_to_make_no_room() {
    let (mut driver, wire) = driver();
    driver.post(RECEIVE, &[Part::Read(vec![1; 100])]);
    wire.borrow_mut().to_guest.push_back((frame(100), Checksum::Present));
    assert!(!deliver(&mut driver));
    driver.post(RECEIVE, &[Part::Write(4096)]);
    assert!(deliver(&mut driver));
    let (_, nothing) = driver.take_used(RECEIVE).unwrap();
    assert_eq!(nothing, []);
    assert_eq!(driver.take_used(RECEIVE).unwrap().1[HEADER..], frame(100));
}

#[test]
fn a_restored_device_has_its_queues_and_no_link() {
    let (mut driver, wire) = driver();
    driver.post(RECEIVE, &[Part::Write(4096)]);
    driver.save_and_restore(Net::default());
    assert_eq!(driver.read_config(CONFIG_STATUS as u64, 1), 0);
    assert!(!deliver(&mut driver));
    wire.borrow_mut().to_guest.push_back((frame(50), Checksum::Present));
    driver.mmio.set_backend(Some(Box::new(Plug(wire.clone()))));
    assert!(deliver(&mut driver));
    assert_eq!(received(&mut driver).unwrap().1, frame(50));
}

#[test]
fn a_bad_chain_is_the_drivers_error() {
    let (mut driver, wire) = driver();
    wire.borrow_mut().to_guest.push_back((frame(50), Checksum::Present));
    driver.describe(TRANSMIT, 0, 0x8000_0000, 16, 1, 0);
    driver.make_available(TRANSMIT, 0);
    driver.notify(TRANSMIT);
    driver.assert_needs_reset(DriverError::Loop);
    assert!(!deliver(&mut driver));
}
