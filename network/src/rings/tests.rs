use super::*;
use Transfer::{Blocked, Broken, End, Moved};
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, println, process, thread};

/// A file in memory, which counts its calls and can go wrong.
#[derive(Default)]
struct Store {
    bytes: Vec<u8>,
    /// The header before the last one, but for bytes that somebody has seen the last one's of.
    old: Vec<Option<u8>>,
    reads: usize,
    writes: usize,
    /// Whether a header is read as a mixture of the last one and the one before.
    torn: Option<Noise>,
    failing: bool,
}

type Shared = Rc<RefCell<Store>>;

impl Store {
    fn header(&self) -> [u8; header::LENGTH] {
        let at = |index| self.bytes.get(index).copied().unwrap_or(0);
        core::array::from_fn(at)
    }

    fn fields(&self) -> Header {
        Header::decode(&self.header()).expect("a header").expect("all of it")
    }
}

impl RingFile for Shared {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
        let store = &mut *self.borrow_mut();
        store.reads += 1;
        if store.failing {
            return Err("cannot read".to_string());
        }
        let start = (offset as usize).min(store.bytes.len());
        let count = buffer.len().min(store.bytes.len() - start);
        buffer[..count].copy_from_slice(&store.bytes[start..][..count]);
        if let (0, Some(noise)) = (offset, &mut store.torn) {
            // A byte that was seen to be new stays so. Now and then all are, or none is.
            let share = noise.below(5);
            for (byte, old) in buffer[..count].iter_mut().zip(&mut store.old) {
                if noise.below(4) < share {
                    *old = None;
                }
                *byte = old.unwrap_or(*byte);
            }
        }
        Ok(count)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        let store = &mut *self.borrow_mut();
        store.writes += 1;
        if store.failing {
            return Err("cannot write".to_string());
        }
        if offset == 0 {
            assert_eq!(bytes.len(), header::LENGTH);
            store.old = store.header().map(Some).to_vec();
        } else {
            assert!(offset >= DATA && offset + bytes.len() as u64 <= DATA + RING);
        }
        let end = offset as usize + bytes.len();
        let length = store.bytes.len().max(end);
        store.bytes.resize(length, 0);
        store.bytes[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }
}

/// Numbers that look random, the same in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    /// Small and large numbers, each as often.
    fn size(&mut self) -> usize {
        let limit = [10, 1000, 300_000][self.below(3) as usize];
        self.below(limit) as usize + 1
    }
}

/// A directory with the two files.
#[derive(Default)]
struct World {
    guest: Shared,
    host: Shared,
}

impl World {
    fn join(&self, generation: u64) -> Rings<Shared> {
        Rings::join(self.guest.clone(), self.host.clone(), generation).expect("a guest")
    }

    fn listen(&self, generation: u64) -> Rings<Shared> {
        Rings::listen(self.host.clone(), self.guest.clone(), generation).expect("a helper")
    }

    /// A guest of generation 7 and a helper of generation 9, which are connected.
    fn connected() -> (Self, Rings<Shared>, Rings<Shared>) {
        let world = Self::default();
        let (guest, helper) = connect(world.join(7), world.listen(9));
        (world, guest, helper)
    }

    /// How many calls there were, since this was asked last.
    fn calls(&self) -> usize {
        let take = |file: &Shared| {
            let store = &mut *file.borrow_mut();
            core::mem::take(&mut store.reads) + core::mem::take(&mut store.writes)
        };
        take(&self.guest) + take(&self.host)
    }

    /// Lets somebody change the header of a file, with the check made right.
    fn forge(file: &Shared, change: impl FnOnce(&mut Header)) {
        let mut header = file.borrow().fields();
        change(&mut header);
        file.clone().write_at(0, &header.encode()).expect("written");
    }
}

fn connect(mut guest: Rings<Shared>, mut helper: Rings<Shared>) -> (Rings<Shared>, Rings<Shared>) {
    assert_eq!(helper.accept(), Ok(true));
    assert!(guest.is_connected() && helper.is_connected());
    (guest, helper)
}

/// The bytes of a stream: no stretch of it is like another.
fn stream(from: u64, length: usize) -> Vec<u8> {
    let byte = |at: u64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (from..from + length as u64).map(byte).collect()
}

fn read(rings: &mut Rings<Shared>, length: usize) -> Vec<u8> {
    let mut buffer = alloc::vec![0; length];
    match rings.read(&mut buffer) {
        Moved(count) => buffer[..count].to_vec(),
        other => panic!("{other:?}"),
    }
}

fn end_of_reading(rings: &mut Rings<Shared>) -> Transfer {
    rings.read(&mut [0; 16])
}

/// One direction of a channel: how much was written and read.
#[derive(Default)]
struct Way {
    written: u64,
    read: u64,
    blocked: u64,
}

impl Way {
    fn write(&mut self, rings: &mut Rings<Shared>, size: usize) {
        match rings.write(&stream(self.written, size)) {
            Moved(count) => self.written += count as u64,
            Blocked => self.blocked += 1,
            other => panic!("{other:?}: {:?}", rings.failure()),
        }
    }

    fn read(&mut self, rings: &mut Rings<Shared>, size: usize) {
        let mut buffer = alloc::vec![0; size];
        match rings.read(&mut buffer) {
            Moved(count) => {
                assert!(buffer[..count] == stream(self.read, count), "after {} bytes", self.read);
                self.read += count as u64;
            }
            Blocked => self.blocked += 1,
            other => panic!("{other:?}: {:?}", rings.failure()),
        }
    }
}

/// Writes and reads at random, with stretches in which one of the four does more than the others.
fn exchange(guest: &mut Rings<Shared>, helper: &mut Rings<Shared>, noise: &mut Noise, limit: u64) {
    let (mut out, mut back) = (Way::default(), Way::default());
    let mut favourite = 0;
    while out.read < limit || back.read < limit {
        if noise.below(50) == 0 {
            favourite = noise.below(6);
        }
        let action = if noise.below(3) == 0 { favourite } else { noise.below(4) };
        let size = noise.size();
        match action {
            0 => out.write(guest, size),
            1 => out.read(helper, size),
            2 => back.write(helper, size),
            3 => back.read(guest, size),
            _ => assert!(helper.accept() == Ok(false) && !guest.is_replaced()),
        }
    }
    assert!(out.blocked > 10 && back.blocked > 10);
    // What is left arrives, too.
    for _ in 0..10_000 {
        out.read(helper, 100_000);
        back.read(guest, 100_000);
    }
    assert_eq!((out.read, back.read), (out.written, back.written));
}

#[test]
fn bytes_arrive_as_they_were_sent() {
    for seed in 1..3 {
        let (_, mut guest, mut helper) = World::connected();
        exchange(&mut guest, &mut helper, &mut Noise(seed), 8 << 20);
    }
}

#[test]
fn a_torn_header_is_no_news() {
    for seed in 1..4 {
        let world = World::default();
        for (file, seed) in [(&world.guest, seed), (&world.host, seed + 100)] {
            file.borrow_mut().torn = Some(Noise(seed));
        }
        let mut guest = world.join(0x1234_5678_9abc_def0);
        let mut helper = world.listen(0xfedc_ba98_7654_3210);
        while !helper.accept().expect("no error") {}
        while !guest.is_connected() || !helper.is_connected() {}
        exchange(&mut guest, &mut helper, &mut Noise(seed), 3 << 20);
        assert_eq!(guest.write(b"last"), Moved(4));
        guest.close();
        let mut buffer = [0; 16];
        while helper.read(&mut buffer) != Moved(4) {}
        while helper.read(&mut buffer) != End {}
        assert_eq!(helper.failure(), None);
    }
}

#[test]
fn the_header_is_as_the_table_says() {
    let (world, mut guest, mut helper) = World::connected();
    assert_eq!(guest.write(b"hello"), Moved(5));
    assert_eq!(read(&mut helper, 5), b"hello");
    assert_eq!(end_of_reading(&mut helper), Blocked);
    let words = |file: &Shared| -> Vec<u64> {
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        file.borrow().header()[8..56].chunks(8).map(word).collect()
    };
    assert_eq!(words(&world.guest), [7, 9, 5, 0, 2, 0]);
    assert_eq!(words(&world.host), [9, 7, 0, 5, 2, 0]);
    let bytes = world.guest.borrow().bytes.clone();
    assert_eq!(bytes[..8], *b"c2wring\x01");
    assert_eq!(bytes[56..64], header::hash(&bytes[..56]).to_le_bytes());
    assert_eq!(bytes[4096..], *b"hello");
    assert_eq!(world.host.borrow().bytes.len(), 64);
    // Of the authors of the hash.
    assert_eq!(header::hash(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(header::hash(b"foobar"), 0x8594_4171_f739_67e8);
    guest.close();
    assert_eq!(words(&world.guest), [7, 9, 5, 0, 3, 0]);
}

#[test]
fn headers_that_nobody_writes() {
    let checked = |at: usize, byte| {
        let (world, ..) = World::connected();
        let mut bytes = world.guest.borrow().header();
        bytes[at] = byte;
        let check = header::hash(&bytes[..56]);
        bytes[56..].copy_from_slice(&check.to_le_bytes());
        Header::decode(&bytes)
    };
    assert!(checked(8, 1).expect("no error").is_some());
    assert_eq!(checked(3, 0), Ok(None));
    for state in [0, 4, 255] {
        assert_eq!(checked(40, state), Err("the other side is in a state that there is not"));
    }
}

#[test]
fn nobody_writes_before_the_other_side_answers() {
    let world = World::default();
    let mut guest = world.join(7);
    assert_eq!((guest.write(b"x"), end_of_reading(&mut guest)), (Blocked, Blocked));
    let mut helper = world.listen(9);
    assert_eq!((guest.write(b"x"), end_of_reading(&mut guest)), (Blocked, Blocked));
    assert!(!guest.is_connected() && !guest.is_ready(true, true) && !helper.is_ready(true, true));
    assert_eq!(guest.accept(), Ok(false), "this is not a guest's");
    assert_eq!((helper.write(b"x"), end_of_reading(&mut helper)), (Blocked, Blocked));
    assert!(helper.has_news());
    assert_eq!(helper.accept(), Ok(true));
    assert!(!helper.has_news() && guest.has_news());
    assert_eq!((helper.write(b"x"), end_of_reading(&mut helper)), (Blocked, Blocked));
    assert!(!helper.is_connected() && !helper.is_ready(true, true));
    assert_eq!([&world.guest, &world.host].map(|file| file.borrow().bytes.len()), [64, 64]);
    assert_eq!(guest.write(b"x"), Moved(1));
    assert_eq!(helper.accept(), Ok(false));
    assert!(helper.is_ready(true, false));
    assert_eq!(helper.write(b"y"), Moved(1));
    assert_eq!((read(&mut helper, 9), read(&mut guest, 9)), (b"x".to_vec(), b"y".to_vec()));
}

#[test]
fn a_full_ring_blocks_and_opens() {
    let (world, mut guest, mut helper) = World::connected();
    let bytes = stream(0, 2 << 20);
    assert_eq!(guest.write(&bytes), Moved(RING as usize));
    assert_eq!(guest.write(&bytes), Blocked);
    assert!(!guest.is_ready(false, true));
    assert_eq!(world.guest.borrow().bytes.len() as u64, DATA + RING);
    // Less than a quarter is not told ...
    assert_eq!(read(&mut helper, ANNOUNCE as usize - 1).len(), ANNOUNCE as usize - 1);
    assert!(!guest.has_news());
    assert_eq!(guest.write(&bytes), Blocked);
    // ... but when the reader is about to wait.
    assert!(!helper.is_ready(false, false));
    assert!(guest.has_news() && guest.is_ready(false, true));
    assert_eq!(guest.write(&bytes[RING as usize..]), Moved(ANNOUNCE as usize - 1));
    assert_eq!(guest.write(&bytes), Blocked);
    // A whole quarter is told at once, also of small reads.
    for _ in 0..ANNOUNCE / 4096 {
        assert_eq!(guest.write(&bytes), Blocked);
        read(&mut helper, 4096);
    }
    assert_eq!(guest.write(&bytes), Moved(ANNOUNCE as usize));
    // So it is with what the reader has to say itself.
    read(&mut helper, 10);
    assert_eq!(guest.write(&bytes), Blocked);
    assert_eq!(helper.write(b"x"), Moved(1));
    assert_eq!(guest.write(&bytes[..9]), Moved(9));
    // Too little room that is known is a reason to look for more.
    while helper.read(&mut [0; 50_000]) != Blocked {}
    assert_eq!(guest.write(&bytes), Moved(RING as usize));
}

#[test]
fn whoever_has_read_all_or_can_write_nothing_tells() {
    let (_, mut guest, mut helper) = World::connected();
    let bytes = stream(0, RING as usize);
    assert_eq!(guest.write(&bytes), Moved(bytes.len()));
    assert_eq!(helper.write(&bytes), Moved(bytes.len()));
    // Both are full, and each waits for the other.
    read(&mut helper, 100);
    assert_eq!(helper.write(&bytes), Blocked);
    assert_eq!(guest.write(&bytes), Moved(100));
    for _ in 0..1000 {
        match helper.read(&mut [0; 60_000]) {
            Moved(_) => {}
            other => assert_eq!(other, Blocked),
        }
    }
    assert_eq!(guest.write(&bytes), Moved(bytes.len()));
}

#[test]
fn files_that_were_left_behind() {
    for state in [State::Connected, State::Closed] {
        let (world, guest, helper) = World::connected();
        drop((guest, helper));
        for file in [&world.guest, &world.host] {
            World::forge(file, |header| (header.state, header.written) = (state, 1000));
        }
        // The helper does not take them for a guest, nor the guest for a helper.
        let mut guest = world.join(77);
        assert_eq!(end_of_reading(&mut guest), Blocked);
        assert_eq!(guest.write(b"x"), Blocked);
        World::forge(&world.guest, |header| header.state = state);
        let mut helper = world.listen(99);
        assert_eq!(helper.accept(), Ok(false));
        let (mut guest, mut helper) = connect(world.join(78), helper);
        assert_eq!(guest.write(b"new"), Moved(3));
        assert_eq!(read(&mut helper, 1000), b"new");
        // A generation is answered once.
        helper.close();
        World::forge(&world.guest, |header| header.state = State::Connecting);
        assert_eq!(helper.accept(), Ok(false));
    }
}

#[test]
fn another_guest_takes_over() {
    let (world, mut guest, mut helper) = World::connected();
    let bytes = stream(0, 1000);
    assert_eq!(guest.write(&bytes), Moved(1000));
    assert_eq!(helper.write(b"for the first"), Moved(13));
    assert_eq!(read(&mut guest, 100), b"for the first");
    assert_eq!(end_of_reading(&mut guest), Blocked);
    assert_eq!(read(&mut helper, 400), bytes[..400]);
    let mut second = world.join(8);
    assert_eq!(second.write(b"second"), Blocked);
    // The helper has what was told before.
    assert!(!helper.is_replaced());
    assert_eq!(read(&mut helper, 1000), bytes[400..]);
    assert_eq!(end_of_reading(&mut helper), End);
    assert_eq!(helper.write(b"x"), Broken);
    assert!(helper.is_replaced() && !helper.is_connected() && helper.is_ready(true, false));
    assert_eq!(helper.failure(), Some("the other side has started anew"));
    assert_eq!(helper.accept(), Ok(true));
    assert_eq!((helper.is_replaced(), helper.failure()), (false, None));
    assert_eq!(second.write(b"second"), Moved(6));
    assert_eq!(read(&mut helper, 1000), b"second");
    assert_eq!(helper.write(b"for the second"), Moved(14));
    assert_eq!(read(&mut second, 1000), b"for the second");
    // The first one finds out, and leaves the file alone.
    assert_eq!(end_of_reading(&mut guest), End);
    assert_eq!((guest.write(b"x"), guest.is_replaced()), (Broken, true));
    guest.close();
    assert_eq!(world.guest.borrow().fields().generation, 8);
    // A third one is found without reading, and can be accepted at once.
    let third = world.join(5);
    assert_eq!(second.write(b"lost"), Moved(4));
    World::forge(&world.guest, |header| {
        *header =
            Header { generation: 5, answers: 0, written: 0, state: State::Connecting, ..*header };
    });
    connect(third, helper);
}

#[test]
fn whoever_is_replaced_reads_on_but_writes_no_more() {
    let (world, mut guest, mut helper) = World::connected();
    assert_eq!(helper.write(&stream(0, RING as usize)), Moved(RING as usize));
    assert_eq!(read(&mut guest, 1), stream(0, 1));
    let second = world.join(8);
    assert_eq!(helper.accept(), Ok(true));
    assert_eq!(guest.write(&stream(0, RING as usize + 1)), Broken);
    assert_eq!(read(&mut guest, RING as usize), stream(1, RING as usize - 1));
    assert_eq!(end_of_reading(&mut guest), End);
    assert_eq!(world.guest.borrow().fields().generation, 8);
    drop(second);
    // Zero is as random as any number, but stands for nobody.
    connect(world.join(0), world.listen(0));
}

#[test]
fn the_helper_starts_anew() {
    let (world, mut guest, mut helper) = World::connected();
    assert_eq!(helper.write(b"told"), Moved(4));
    assert!(guest.is_ready(true, false));
    drop(helper);
    let mut helper = world.listen(10);
    assert_eq!(helper.accept(), Ok(false));
    assert_eq!(read(&mut guest, 100), b"told");
    assert_eq!(end_of_reading(&mut guest), End);
    assert_eq!(guest.write(b"x"), Broken);
    assert!(guest.is_replaced() && guest.failure().is_some());
    let (mut guest, mut helper) = connect(world.join(8), helper);
    assert_eq!(guest.write(b"x"), Moved(1));
    assert_eq!(read(&mut helper, 100), b"x");
    // So does one whose guest has not seen that the last one answered.
    let world = World::default();
    let (guest, mut helper) = (world.join(7), world.listen(9));
    assert_eq!(helper.accept(), Ok(true));
    let (guest, _) = connect(guest, world.listen(10));
    assert_eq!(guest.partner, 10);
}

#[test]
fn a_guest_of_the_last_helper_is_none_of_this_one() {
    let world = World::default();
    let (mut guest, mut last) = (world.join(7), world.listen(9));
    assert_eq!(last.accept(), Ok(true));
    let connecting = world.guest.borrow().header();
    assert!(guest.is_connected());
    let connected = world.guest.borrow().header();
    let mut helper = world.listen(10);
    world.guest.clone().write_at(0, &connecting).expect("written");
    assert_eq!(helper.accept(), Ok(true));
    world.guest.clone().write_at(0, &connected).expect("written");
    assert_eq!(end_of_reading(&mut helper), End);
    assert!(helper.is_replaced());
    assert_eq!(guest.write(&stream(0, RING as usize)), Moved(RING as usize));
    assert_eq!(guest.write(b"x"), Broken);
}

#[test]
fn what_was_written_before_the_end_is_read() {
    for of_guest in [true, false] {
        let (world, guest, helper) = World::connected();
        let (mut closed, mut other) = if of_guest { (guest, helper) } else { (helper, guest) };
        let bytes = stream(0, 5000);
        assert_eq!(closed.write(&bytes), Moved(5000));
        assert_eq!(other.write(b"not read by anybody"), Moved(19));
        assert!(closed.is_ready(true, false));
        closed.close();
        assert_eq!((end_of_reading(&mut closed), closed.write(b"x")), (End, Broken));
        assert_eq!(read(&mut other, 3000), bytes[..3000]);
        assert_eq!(read(&mut other, 3000), bytes[3000..]);
        assert_eq!((end_of_reading(&mut other), other.write(b"x")), (End, Broken));
        assert_eq!((other.failure(), closed.failure()), (None, None));
        assert!(!other.is_replaced() && !closed.is_replaced());
        closed.close();
        other.close();
        assert_eq!(world.guest.borrow().fields().state, State::Closed);
    }
    // Also when the guest has not seen yet that it was answered.
    let world = World::default();
    let (mut guest, mut helper) = (world.join(7), world.listen(9));
    assert_eq!(helper.accept(), Ok(true));
    guest.close();
    assert_eq!((end_of_reading(&mut helper), helper.write(b"x")), (End, Broken));
    assert_eq!(helper.failure(), None);
    assert_eq!(helper.accept(), Ok(false));
    let mut guest = world.join(8);
    assert_eq!(helper.accept(), Ok(true));
    helper.close();
    assert_eq!((guest.write(b"x"), end_of_reading(&mut guest)), (Broken, End));
    assert_eq!(guest.failure(), None);
    let mut guest = world.join(6);
    guest.close();
    assert_eq!(helper.accept(), Ok(false), "it has left before it was answered");
}

/// What comes of a connection in which 100 bytes are on their way in each direction, and all of
/// those before, when the other side changes its header.
fn hostile(of_guest: bool, change: impl FnOnce(&mut Header)) -> (Transfer, Transfer, String) {
    let (world, guest, helper) = World::connected();
    let file = if of_guest { world.guest.clone() } else { world.host.clone() };
    let (mut bad, mut good) = if of_guest { (guest, helper) } else { (helper, guest) };
    for round in 0..2 {
        assert_eq!(bad.write(&stream(0, 100)), Moved(100));
        assert_eq!(good.write(&stream(0, 100)), Moved(100));
        if round == 0 {
            assert_eq!(read(&mut good, 1000).len(), 100);
            assert_eq!(read(&mut bad, 1000).len(), 100);
            assert_eq!(end_of_reading(&mut bad), Blocked);
            assert_eq!(end_of_reading(&mut good), Blocked);
        }
    }
    World::forge(&file, change);
    let mut buffer = alloc::vec![0; 4 << 20];
    let transfer = good.read(&mut buffer);
    assert_eq!(good.read(&mut buffer), if transfer == Broken { Broken } else { End });
    (transfer, good.write(&buffer), good.failure().unwrap_or_default().to_string())
}

#[test]
fn a_peer_that_lies() {
    type Lie = (&'static str, fn(&mut Header));
    let broken: &[Lie] = &[
        ("counters run backwards", |header| header.written = 99),
        ("counters run backwards", |header| header.written = 0),
        ("counters run backwards", |header| header.read = 99),
        ("more than there was room for", |header| header.written = 101 + RING),
        ("more than there was room for", |header| header.written = u64::MAX),
        ("has less than it says", |header| header.written = 201),
        ("has less than it says", |header| header.written = 100 + RING),
        ("has read more than there was", |header| header.read = 201),
        ("has read more than there was", |header| header.read = u64::MAX),
        ("connects and is connected", |header| header.state = State::Connecting),
        ("has no generation", |header| header.generation = 0),
    ];
    let replaced: &[fn(&mut Header)] = &[
        |header| (header.generation, header.state) = (1, State::Connecting),
        |header| header.answers = 1,
        |header| header.answers = 0,
        |header| header.answers = u64::MAX,
    ];
    for of_guest in [true, false] {
        for (number, (reason, lie)) in broken.iter().enumerate() {
            let (read, write, why) = hostile(of_guest, lie);
            assert_eq!((read, write), (Broken, Broken), "{number}: {reason}");
            assert!(why.contains(reason), "{number}: {why}");
        }
        for lie in replaced {
            let (read, write, why) = hostile(of_guest, lie);
            assert_eq!((read, write), (End, Broken));
            assert!(why.contains("started anew"));
        }
        // No lie is no failure.
        let (read, _, why) = hostile(of_guest, |header| header.state = State::Closed);
        assert_eq!((read, why.as_str()), (Moved(100), ""));
    }
}

#[test]
fn a_guest_that_was_replaced_and_has_not_seen_it_does_no_harm() {
    let (world, mut old, mut helper) = World::connected();
    let mut guest = world.join(77);
    // It writes over the newer one's question.
    assert_eq!(old.write(b"x"), Moved(1));
    assert_eq!(helper.accept(), Ok(false));
    assert_eq!(end_of_reading(&mut guest), Blocked);
    assert_eq!(helper.accept(), Ok(true));
    assert!(guest.is_connected());
    // And once more, over what that one writes now.
    assert_eq!(guest.write(b"new"), Moved(3));
    assert_eq!(old.write(b""), Blocked);
    let past = world.guest.borrow().header();
    old.put_header(State::Connected).expect("written");
    assert_eq!(end_of_reading(&mut helper), Blocked);
    world.guest.clone().write_at(0, &past).expect("written");
    assert_eq!(read(&mut helper, 10), b"new");
    assert_eq!(end_of_reading(&mut old), End);
    assert!(old.is_replaced());
}

#[test]
fn a_peer_that_lies_from_the_beginning() {
    // A guest, before it has seen the answer.
    let lies: [fn(&mut Header); 3] = [
        |header| header.written = 1,
        |header| header.state = State::Connected,
        |header| (header.state, header.written) = (State::Closed, u64::MAX),
    ];
    for lie in lies {
        let world = World::default();
        let (_, mut helper) = (world.join(7), world.listen(9));
        assert_eq!(helper.accept(), Ok(true));
        World::forge(&world.guest, lie);
        assert_eq!(end_of_reading(&mut helper), Broken);
        assert_eq!(helper.failure(), Some("the other side is connected with nobody"));
    }
    // A helper in its first answer.
    let lies: [fn(&mut Header); 4] = [
        |header| header.written = RING + 1,
        |header| header.read = 1,
        |header| header.state = State::Connecting,
        |header| header.generation = 0,
    ];
    for lie in lies {
        let world = World::default();
        let (mut guest, mut helper) = (world.join(7), world.listen(9));
        assert_eq!(helper.accept(), Ok(true));
        World::forge(&world.host, lie);
        assert!(!guest.is_connected());
        assert_eq!((end_of_reading(&mut guest), guest.write(b"x")), (Broken, Broken));
        assert!(guest.failure().is_some());
    }
}

#[test]
fn a_peer_that_writes_anything() {
    let mut noise = Noise(5);
    let mut ends = Vec::new();
    for _ in 0..5_000 {
        let (world, mut guest, mut helper) = World::connected();
        assert_eq!(helper.write(&stream(0, 50)), Moved(50));
        let mut moved = 0;
        for _ in 0..4 {
            let mut number = || match noise.below(8) {
                0 => noise.next(),
                1 => u64::MAX - noise.below(3),
                2 => RING + noise.below(200),
                3 => 7 + noise.below(3),
                _ => noise.below(200),
            };
            let header = Header {
                generation: if number() % 4 == 0 { number() } else { 7 },
                answers: if number() % 4 == 0 { number() } else { 9 },
                written: number(),
                read: number(),
                state: [State::Connecting, State::Connected, State::Closed][number() as usize % 3],
            };
            let mut bytes = header.encode();
            if number() % 8 == 0 {
                bytes[number() as usize % 64] = number() as u8;
            }
            world.guest.clone().write_at(0, &bytes).expect("written");
            let length = DATA as usize + 180;
            world.guest.borrow_mut().bytes.resize(length, 1);
            let mut buffer = alloc::vec![0; number() as usize % 300 + 1];
            if let Moved(count) = helper.read(&mut buffer) {
                moved += count;
            }
            helper.write(&buffer);
            helper.is_ready(true, true);
            let _ = helper.accept();
        }
        assert!(moved <= 4 * 180);
        ends.push(helper.failure().unwrap_or_default().to_string());
        guest.close();
    }
    ends.sort();
    ends.dedup();
    assert!(ends.len() > 8, "{ends:?}");
}

#[test]
fn a_file_that_is_cut() {
    let (world, _guest, mut helper) = World::connected();
    world.guest.borrow_mut().bytes.truncate(63);
    assert_eq!(end_of_reading(&mut helper), Broken);
    assert_eq!(helper.failure(), Some("the other side's file has been cut"));
    // A new guest can mend that.
    connect(world.join(8), helper);
    let (world, mut guest, mut helper) = World::connected();
    assert_eq!(helper.write(&stream(0, 100)), Moved(100));
    world.host.borrow_mut().bytes.truncate(DATA as usize + 99);
    assert_eq!(guest.read(&mut [0; 100]), Broken);
    assert_eq!(guest.failure(), Some("the other side's file has less than it says"));
    assert_eq!(guest.read(&mut [0; 10]), Broken);
}

#[test]
fn another_version() {
    let world = World::default();
    let mut foreign = [0x55; 64];
    for (start, reason) in [
        (b"c2wring\x02", "the other side is of another version of c2w"),
        (b"\x7fELF\0\0\0\0", "the other side's file is not one of c2w"),
    ] {
        foreign[..8].copy_from_slice(start);
        for mut file in [world.guest.clone(), world.host.clone()] {
            file.write_at(0, &foreign).expect("written");
        }
        let mut helper = world.listen(9);
        assert_eq!(helper.accept(), Err(reason.to_string()));
        assert_eq!(helper.accept(), Ok(false), "it is told once");
        world.host.clone().write_at(0, &foreign).expect("written");
        let mut guest = world.join(7);
        assert_eq!((end_of_reading(&mut guest), guest.write(b"x")), (Broken, Broken));
        assert_eq!(guest.failure(), Some(reason));
        assert!(guest.is_ready(true, false));
        // The helper goes on with one of its own version.
        connect(world.join(8), world.listen(9));
    }
}

#[test]
fn files_that_fail() {
    let (world, mut guest, mut helper) = World::connected();
    assert_eq!(guest.write(b"x"), Moved(1));
    world.guest.borrow_mut().failing = true;
    assert!(helper.has_news());
    assert_eq!(end_of_reading(&mut helper), Broken);
    assert_eq!(helper.failure(), Some("cannot read"));
    assert_eq!((helper.write(b"x"), end_of_reading(&mut helper)), (Broken, Broken));
    assert_eq!(guest.write(b"x"), Broken);
    assert_eq!(guest.failure(), Some("cannot write"));
    assert_eq!(helper.accept(), Err("cannot read".to_string()));
    assert!(Rings::join(world.guest.clone(), world.host.clone(), 1).is_err());
    // The reason is kept, also when the other side can be told.
    world.guest.borrow_mut().failing = false;
    guest.close();
    assert_eq!(guest.failure(), Some("cannot write"));
    assert_eq!(world.guest.borrow().fields().state, State::Closed);
    // The helper tries again.
    let mut guest = world.join(8);
    world.host.borrow_mut().failing = true;
    assert_eq!(helper.accept(), Err("cannot write".to_string()));
    assert!(!helper.is_ready(true, true));
    world.host.borrow_mut().failing = false;
    assert_eq!(helper.accept(), Ok(true));
    assert!(guest.is_connected());
    // Who cannot tell that it ends keeps why.
    world.guest.borrow_mut().failing = true;
    guest.close();
    assert_eq!(guest.failure(), Some("cannot write"));
}

#[test]
fn few_calls() {
    const STEP: usize = 64 << 10;
    let (world, mut guest, mut helper) = World::connected();
    let bytes = stream(0, RING as usize);
    let mut buffer = alloc::vec![0; STEP];
    world.calls();
    // One MiB at once: 16 of bytes and 16 headers, then 16 of bytes, four headers and one look.
    for step in bytes.chunks(STEP) {
        assert_eq!(guest.write(step), Moved(STEP));
    }
    assert_eq!(world.calls(), 32);
    for _ in 0..16 {
        assert_eq!(helper.read(&mut buffer), Moved(STEP));
    }
    assert_eq!(world.calls(), 21);
    assert_eq!((helper.read(&mut buffer), world.calls()), (Blocked, 1));
    // In turns: each write may look for room once, each read for bytes.
    let mut most = 0;
    for step in bytes.chunks(STEP) {
        assert_eq!(guest.write(step), Moved(STEP));
        assert_eq!(helper.read(&mut buffer), Moved(STEP));
        most = world.calls().max(most);
    }
    assert!(most <= 6, "{most}");
    for step in bytes.chunks(STEP).take(16) {
        assert_eq!(guest.write(step), Moved(STEP));
        assert_eq!(helper.read(&mut buffer), Moved(STEP));
    }
    let calls = world.calls();
    assert!(calls <= 16 * 4 + 4 + 2, "{calls}");
    // Small reads of what is there: no headers.
    assert_eq!(guest.write(&bytes[..10_000]), Moved(10_000));
    world.calls();
    for _ in 0..100 {
        assert_eq!(helper.read(&mut buffer[..100]), Moved(100));
    }
    assert_eq!(world.calls(), 101);
    // Waiting is one call, whatever for.
    assert_eq!((helper.read(&mut buffer), world.calls()), (Blocked, 2));
    for _ in 0..10 {
        assert_eq!(helper.read(&mut buffer), Blocked);
        assert!(!helper.has_news() && !helper.is_ready(true, false));
    }
    assert_eq!(world.calls(), 30);
    assert!(helper.is_ready(false, true) && helper.is_connected());
    assert_eq!(world.calls(), 0);
}

impl RingFile for fs::File {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
        FileExt::read_at(self, buffer, offset).map_err(|error| error.to_string())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        self.write_all_at(bytes, offset).map_err(|error| error.to_string())
    }
}

fn open(path: &std::path::Path) -> fs::File {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).expect("a file")
}

/// Does something until it has moved all of `total` bytes.
fn until(total: u64, mut transfer: impl FnMut(u64) -> Transfer) {
    let mut moved = 0;
    while moved < total {
        match transfer(moved) {
            Moved(count) => moved += count as u64,
            Blocked => thread::yield_now(),
            other => panic!("{other:?} after {moved} bytes"),
        }
    }
}

#[test]
fn two_threads_over_real_files() {
    const TOTAL: u64 = 64 << 20;
    const STEP: usize = 64 << 10;
    let folder = env::temp_dir().join(format!("c2w-rings-{}", process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let (own, peer) = (folder.join(GUEST_FILE), folder.join(HOST_FILE));
    // Of a length that is not the ring's, so that no byte is where it was a round before.
    let bytes: Vec<u8> = stream(0, 1_000_003).into_iter().cycle().take(TOTAL as usize).collect();
    let (send, receive) = mpsc::channel();
    let reader = {
        let (own, peer) = (open(&peer), open(&own));
        thread::spawn(move || {
            let mut helper = Rings::listen(own, peer, 9).expect("a helper");
            while !helper.accept().expect("no error") {
                thread::yield_now();
            }
            let mut bytes = alloc::vec![0; TOTAL as usize];
            let start = Instant::now();
            until(TOTAL, |at| {
                let end = (at as usize + STEP).min(bytes.len());
                helper.read(&mut bytes[at as usize..end])
            });
            send.send(start.elapsed()).expect("sent");
            // All the way back, in sizes that are odd.
            until(TOTAL, |at| {
                let end = (at as usize + 40_001).min(bytes.len());
                helper.write(&bytes[at as usize..end])
            });
            helper.close();
        })
    };
    let mut guest = Rings::join(open(&own), open(&peer), 7).expect("a guest");
    until(TOTAL, |at| {
        let end = (at as usize + STEP).min(bytes.len());
        guest.write(&bytes[at as usize..end])
    });
    let mut back = alloc::vec![0; TOTAL as usize];
    until(TOTAL, |at| guest.read(&mut back[at as usize..]));
    while guest.read(&mut [0; 1]) == Blocked {
        thread::yield_now();
    }
    assert_eq!((guest.read(&mut [0; 1]), guest.failure()), (End, None));
    reader.join().expect("the reader");
    assert!(back == bytes);
    let took: Duration = receive.recv().expect("how long it took");
    println!("{:.0} MB/s", TOTAL as f64 / 1e6 / took.as_secs_f64());
    fs::remove_dir_all(&folder).expect("removed");
}
