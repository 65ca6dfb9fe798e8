use super::*;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;

/// What is on its way in each direction.
#[derive(Default)]
pub struct Pipe {
    to_peer: VecDeque<u8>,
    from_peer: VecDeque<u8>,
    /// How many bytes there is room for, and whether the peer has ended it.
    room: usize,
    ended: bool,
    /// How many bytes are moved at once.
    step: usize,
}

#[derive(Clone, Default)]
pub struct Near(pub Rc<RefCell<Pipe>>);

impl Channel for Near {
    const POLLED: bool = false;

    fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        let pipe = &mut *self.0.borrow_mut();
        let count = buffer.len().min(pipe.from_peer.len()).min(pipe.step);
        for (to, from) in buffer.iter_mut().zip(pipe.from_peer.drain(..count)) {
            *to = from;
        }
        match count {
            0 if pipe.ended => Transfer::End,
            0 => Transfer::Blocked,
            count => Transfer::Moved(count),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Transfer {
        let pipe = &mut *self.0.borrow_mut();
        let count = bytes.len().min(pipe.room).min(pipe.step);
        pipe.room -= count;
        pipe.to_peer.extend(&bytes[..count]);
        if count == 0 { Transfer::Blocked } else { Transfer::Moved(count) }
    }
}

fn framed(room: usize, step: usize) -> (FramedChannel<Near>, Near) {
    let near = Near::default();
    *near.0.borrow_mut() = Pipe { room, step, ..Pipe::default() };
    (FramedChannel::new(near.clone(), Checksums::Present), near)
}

fn frame(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

/// What stands for a frame on the stream.
fn encoded(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_be_bytes()[..], frame].concat()
}

fn received(framed: &mut FramedChannel<Near>) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    framed.receive(&mut frame).map(|_| frame)
}

#[test]
fn frames_come_out_as_they_went_in() {
    for step in [1, 3, 1000, 1 << 20] {
        let (mut framed, near) = framed(usize::MAX, step);
        let frames = [frame(60), frame(14), frame(MAX_FRAME), frame(1)];
        for one in &frames {
            framed.send(one, Checksum::Present);
        }
        framed.flush();
        assert!(!framed.is_sending());
        let expected: Vec<u8> = frames.iter().flat_map(|frame| encoded(frame)).collect();
        assert!(near.0.borrow().to_peer == expected, "{step}");
        near.0.borrow_mut().from_peer.extend(expected);
        for one in &frames {
            assert!(received(&mut framed).as_ref() == Some(one), "{step}");
        }
        assert_eq!(received(&mut framed), None);
        assert_eq!(framed.failure(), None);
    }
}

#[test]
fn a_frame_waits_for_its_end() {
    let (mut framed, near) = framed(0, 1000);
    let bytes = encoded(&frame(100));
    for &byte in &bytes[..bytes.len() - 1] {
        near.0.borrow_mut().from_peer.push_back(byte);
        assert_eq!(received(&mut framed), None);
    }
    near.0.borrow_mut().from_peer.push_back(bytes[bytes.len() - 1]);
    assert_eq!(received(&mut framed), Some(frame(100)));
}

#[test]
fn what_the_channel_does_not_take_is_kept_up_to_a_limit() {
    let (mut framed, near) = framed(0, usize::MAX);
    let mut sent = 0;
    while !framed.is_full() {
        framed.send(&frame(60_000), Checksum::Present);
        sent += 1;
    }
    assert!(framed.outgoing.len() <= OUTGOING && sent >= 15, "{sent}");
    // One more is lost, and nothing else.
    framed.send(&frame(60_000), Checksum::Present);
    near.0.borrow_mut().room = 100_000;
    framed.flush();
    assert!(framed.is_sending() && !framed.is_full());
    near.0.borrow_mut().room = usize::MAX;
    framed.flush();
    assert!(!framed.is_sending());
    let expected: Vec<u8> = (0..sent).flat_map(|_| encoded(&frame(60_000))).collect();
    assert!(near.0.borrow().to_peer == expected);
}

#[test]
fn what_is_no_frame_ends_it() {
    for length in [0, MAX_FRAME as u32 + 1, u32::MAX] {
        let (mut framed, near) = framed(0, 1000);
        near.0.borrow_mut().from_peer.extend(encoded(&frame(20)));
        near.0.borrow_mut().from_peer.extend(length.to_be_bytes());
        near.0.borrow_mut().from_peer.extend(encoded(&frame(20)));
        assert_eq!(received(&mut framed), Some(frame(20)));
        assert_eq!(received(&mut framed), None);
        let expected = format!("what comes is not frames: one of {length} bytes");
        assert_eq!(framed.failure(), Some(&*expected));
        // Nothing waits for a channel that is of no use.
        framed.send(&frame(20), Checksum::Present);
        assert!(!framed.is_sending() && !framed.is_full());
    }
}

#[test]
fn an_end_is_told_behind_the_frames() {
    let (mut framed, near) = framed(0, 1000);
    near.0.borrow_mut().from_peer.extend(encoded(&frame(20)));
    near.0.borrow_mut().from_peer.extend([0, 0]);
    near.0.borrow_mut().ended = true;
    assert_eq!(received(&mut framed), Some(frame(20)));
    assert_eq!(received(&mut framed), None);
    assert_eq!(framed.failure(), Some("its other end has closed it"));
    near.0.borrow_mut().ended = false;
    framed.renew();
    assert_eq!(framed.failure(), None);
    assert_eq!(received(&mut framed), None);
}

/// UDP from 10.0.2.2 to 10.0.2.15, without its checksum.
fn udp() -> Vec<u8> {
    let mut frame = Vec::from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    frame.extend([0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0x62, 0xbd, 10, 0, 2, 2, 10, 0, 2, 15]);
    frame.extend([0, 7, 0, 9, 0, 12, 0, 0, b'a', b'b', b'c', b'd']);
    frame
}

/// The checksum of [`udp`], by RFC 768: the sum of the pseudo header, header and data.
const UDP_CHECKSUM: [u8; 2] = {
    let words = [0x0a00, 0x0202, 0x0a00, 0x020f, 17, 12, 7, 9, 12, 0x6162, 0x6364];
    let (mut sum, mut index) = (0_u32, 0);
    while index < words.len() {
        sum += words[index];
        index += 1;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    (!(sum as u16)).to_be_bytes()
};

#[test]
fn peers_get_checksums_and_the_guest_hears_that_they_are_right() {
    let mut expected = udp();
    expected[40..42].copy_from_slice(&UDP_CHECKSUM);
    // The pseudo header's sum is what the guest leaves.
    let mut partial = udp();
    partial[40..42].copy_from_slice(&0x182e_u16.to_be_bytes());
    for (state, frame) in [
        (Checksum::Valid, udp()),
        (Checksum::Partial { start: 34, offset: 6 }, partial),
        (Checksum::Present, expected.clone()),
    ] {
        let (mut framed, near) = framed(usize::MAX, usize::MAX);
        framed.send(&frame, state);
        framed.flush();
        assert!(near.0.borrow().to_peer == encoded(&expected), "{state:?}");
    }
    for (frame, state) in [(expected, Checksum::Valid), (frame(60), Checksum::Present)] {
        let (mut framed, near) = framed(0, usize::MAX);
        near.0.borrow_mut().from_peer.extend(encoded(&frame));
        assert_eq!(framed.receive(&mut Vec::new()), Some(state));
    }
}

#[test]
fn a_wrong_checksum_is_the_guests_to_find() {
    let (mut framed, near) = framed(0, usize::MAX);
    let mut wrong = udp();
    wrong[40..42].copy_from_slice(&[1, 2]);
    near.0.borrow_mut().from_peer.extend(encoded(&wrong));
    assert_eq!(framed.receive(&mut Vec::new()), Some(Checksum::Present));
}
