//! The transport and the queue, driven through the entropy device.

use super::*;
use crate::devices::MmioDevice;
use crate::devices::test_host::{RAM, RAM_LENGTH};
use crate::devices::virtio::console::Console;
use crate::devices::virtio::rng::Rng;
use crate::devices::virtio::test_driver::{Driver, INDIRECT, NEXT, Part, VERSION_1, WRITE};
use crate::encoding;
use crate::memory::GuestMemory;

fn running() -> Driver<Rng> {
    Driver::start(Rng, 0)
}

#[test]
fn it_identifies_itself() {
    let mut driver = Driver::unstarted(Rng);
    assert_eq!(driver.read(register::MAGIC_VALUE), u32::from_le_bytes(*b"virt"));
    assert_eq!(driver.read(register::VERSION), 2);
    assert_eq!(driver.read(register::DEVICE_ID), 4);
    driver.write(register::DEVICE_FEATURES_SEL, 1);
    assert_eq!(driver.read(register::DEVICE_FEATURES), 1);
    assert_eq!(driver.read(register::QUEUE_NUM_MAX), 16);
    driver.write(register::QUEUE_SEL, 1);
    assert_eq!(driver.read(register::QUEUE_NUM_MAX), 0);
    driver.write(register::QUEUE_READY, 1);
    assert_eq!(driver.read(register::QUEUE_READY), 0);
    assert_eq!(driver.read(register::SHM_LEN_LOW), u32::MAX);
}

#[test]
fn features_must_be_a_subset_with_version_1() {
    for (features, agreed) in [(VERSION_1, true), (0, false), (VERSION_1 | 1, false)] {
        let mut driver = Driver::unstarted(Rng);
        driver.negotiate(features);
        let status = driver.read(register::STATUS);
        assert_eq!(status & status::FEATURES_OK != 0, agreed, "{features:#x}");
        driver.write(register::STATUS, status | status::DRIVER_OK);
        assert_eq!(driver.mmio.is_running(), agreed);
    }
}

#[test]
fn features_are_fixed_once_agreed() {
    let mut driver = running();
    driver.write(register::DRIVER_FEATURES, 1);
    driver.write(register::STATUS, 1 | 2 | status::FEATURES_OK | status::DRIVER_OK);
    assert!(driver.mmio.is_running());
}

#[test]
fn a_bad_queue_layout_is_refused() {
    for size in [0, 3, 32, 0x1_0010] {
        let mut driver = Driver::unstarted(Rng);
        driver.negotiate(VERSION_1);
        driver.enable_queue(0, size);
        assert_eq!(driver.mmio.driver_error(), Some(DriverError::QueueLayout), "size {size}");
        assert_eq!(driver.read(register::QUEUE_READY), 0);
    }
    for (area, alignment) in [
        (register::QUEUE_DESC_LOW, 16),
        (register::QUEUE_DRIVER_LOW, 2),
        (register::QUEUE_DEVICE_LOW, 4),
    ] {
        for (address, allowed) in [(alignment, true), (alignment / 2, false), (1, false)] {
            let mut driver = Driver::unstarted(Rng);
            driver.negotiate(VERSION_1);
            driver.move_queue(0, area, address);
            let error = (!allowed).then_some(DriverError::QueueLayout);
            assert_eq!(driver.mmio.driver_error(), error, "{area:#x} at {address}");
            assert_eq!(driver.read(register::QUEUE_READY), u32::from(allowed));
        }
    }
}

#[test]
fn rings_work_past_the_wrap_of_their_indices() {
    let mut driver = running();
    for round in 0..70_000u32 {
        let head = driver.post(0, &[Part::Write(2)]);
        driver.notify(0);
        assert_eq!(driver.take_used(0).map(|(used, bytes)| (used, bytes.len())), Some((head, 2)));
        assert!(driver.take_interrupt(), "round {round}");
    }
}

#[test]
fn a_driver_that_wants_no_interrupt_gets_none() {
    let mut driver = running();
    driver.set_flags(0, 1);
    driver.post(0, &[Part::Write(2)]);
    driver.notify(0);
    assert!(driver.take_used(0).is_some());
    assert!(!driver.take_interrupt());
}

#[test]
fn nothing_happens_before_driver_ok() {
    let mut driver = Driver::unstarted(Rng);
    driver.negotiate(VERSION_1);
    driver.enable_queue(0, 16);
    driver.post(0, &[Part::Write(2)]);
    driver.notify(0);
    assert_eq!(driver.take_used(0), None);
}

#[test]
fn a_reset_forgets_everything() {
    let mut driver = running();
    driver.post(0, &[Part::Write(2)]);
    driver.notify(0);
    driver.write(register::STATUS, 0);
    assert_eq!(driver.mmio.save(), VirtioMmio::new(Rng).save());
    assert!(!driver.mmio.interrupt());
}

#[test]
fn a_device_that_needs_a_reset_works_after_it() {
    let mut driver = running();
    driver.set_available(0, 17);
    driver.notify(0);
    driver.assert_needs_reset(DriverError::TooManyAvailable);
    // No other write takes the bit back.
    driver.write(register::STATUS, 1 | 2 | status::FEATURES_OK | status::DRIVER_OK);
    driver.assert_needs_reset(DriverError::TooManyAvailable);

    driver.write(register::STATUS, 0);
    assert_eq!(driver.mmio.driver_error(), None);
    driver.set_available(0, 0);
    driver.negotiate(VERSION_1);
    driver.enable_queue(0, 16);
    driver.write(register::STATUS, 1 | 2 | status::FEATURES_OK | status::DRIVER_OK);
    let head = driver.post(0, &[Part::Write(2)]);
    driver.notify(0);
    assert_eq!(driver.take_used(0), Some((head, alloc::vec![1, 2])));
}

#[test]
fn a_queue_that_broke_before_driver_ok_keeps_the_device_from_running() {
    let mut driver = Driver::unstarted(Rng);
    driver.negotiate(VERSION_1);
    driver.enable_queue(0, 3);
    driver.enable_queue(0, 16);
    driver.write(register::STATUS, 1 | 2 | status::FEATURES_OK | status::DRIVER_OK);
    assert!(!driver.mmio.is_running());
    driver.post(0, &[Part::Write(2)]);
    driver.notify(0);
    assert_eq!(driver.take_used(0), None);
}

/// One chain of descriptors `(address, length, flags, next)` from 0.
fn error_of(descriptors: &[(u64, u32, u16, u16)]) -> Option<DriverError> {
    let mut driver = running();
    for (index, &(address, length, flags, next)) in descriptors.iter().enumerate() {
        driver.describe(0, index as u16, address, length, flags, next);
    }
    driver.make_available(0, 0);
    driver.notify(0);
    let error = driver.mmio.driver_error()?;
    driver.assert_needs_reset(error);
    // Broken, it does nothing more until a reset.
    driver.set_available(0, 0);
    driver.notify(0);
    assert_eq!(driver.take_used(0), None);
    Some(error)
}

#[test]
fn hostile_chains_need_a_reset() {
    let end = RAM + RAM_LENGTH;
    let buffer = RAM + 0x10_0000;
    for (descriptors, error) in [
        (&[(buffer, 4, WRITE | NEXT, 0)][..], DriverError::Loop),
        (&[(buffer, 4, WRITE | NEXT, 1), (buffer, 4, WRITE | NEXT, 0)], DriverError::Loop),
        (&[(buffer, 4, WRITE | NEXT, 16)], DriverError::NoSuchDescriptor),
        (&[(buffer, 4, WRITE | NEXT, u16::MAX)], DriverError::NoSuchDescriptor),
        (&[(buffer, 0, WRITE, 0)], DriverError::EmptyBuffer),
        (&[(buffer, u32::MAX, WRITE, 0)], DriverError::OutOfRange),
        (&[(end - 4, 5, WRITE, 0)], DriverError::OutOfRange),
        (&[(end, 1, WRITE, 0)], DriverError::OutOfRange),
        (&[(u64::MAX, 2, WRITE, 0)], DriverError::OutOfRange),
        (&[(0, 1, WRITE, 0)], DriverError::OutOfRange),
        (&[(buffer, 16, INDIRECT, 0)], DriverError::Indirect),
        (&[(buffer, 4, WRITE | NEXT, 1), (buffer, 4, 0, 0)], DriverError::ReadableAfterWritable),
    ] {
        assert_eq!(error_of(descriptors), Some(error), "{descriptors:x?}");
    }
    assert_eq!(error_of(&[(end - 4, 4, WRITE, 0)]), None);
}

#[test]
fn a_chain_over_4_gib_needs_a_reset() {
    // A buffer may come again and again; 256 times 20 MiB are 5 GiB.
    let mut driver = Driver::start(Console::new(["a".into()]), 0);
    let length = 20 << 20;
    driver.world.memory = GuestMemory::allocate(RAM, length, 0, 0).unwrap();
    for index in 0..256 {
        driver.describe(1, index, RAM, length as u32, NEXT, index + 1);
    }
    driver.make_available(1, 0);
    driver.notify(1);
    driver.assert_needs_reset(DriverError::ChainTooLong);
    assert_eq!(driver.world.host.output, []);
}

#[test]
fn hostile_rings_need_a_reset() {
    let mut driver = running();
    driver.set_available(0, 17);
    driver.notify(0);
    driver.assert_needs_reset(DriverError::TooManyAvailable);

    let mut driver = running();
    driver.make_available(0, 16);
    driver.notify(0);
    driver.assert_needs_reset(DriverError::NoSuchDescriptor);

    for area in
        [register::QUEUE_DESC_HIGH, register::QUEUE_DRIVER_HIGH, register::QUEUE_DEVICE_HIGH]
    {
        let mut driver = running();
        driver.move_queue(0, area, u32::MAX);
        driver.post(0, &[Part::Write(2)]);
        driver.notify(0);
        driver.assert_needs_reset(DriverError::OutOfRange);
    }
}

#[test]
fn a_buffer_over_its_own_ring_ends() {
    let mut driver = running();
    for index in 0..16 {
        driver.describe(0, index, RAM, 0x3000, WRITE, 0);
        driver.make_available(0, index);
    }
    driver.notify(0);
    assert!(driver.mmio.driver_error().is_some());
}

#[test]
fn registers_of_no_queue_and_odd_sizes_do_nothing() {
    let mut driver = running();
    let before = driver.mmio.save();
    driver.notify(1);
    driver.notify(usize::MAX);
    for size in [1, 2, 8] {
        driver.mmio.write(register::STATUS, size, 0, &mut driver.world.context());
        assert_eq!(driver.mmio.read(0, size, &mut driver.world.context()), 0);
    }
    assert_eq!(driver.mmio.read(u64::MAX, 4, &mut driver.world.context()), 0);
    assert_eq!(driver.mmio.save(), before);
}

#[test]
fn saved_with_chains_posted_it_goes_on() {
    let mut driver = running();
    for _ in 0..20 {
        driver.post(0, &[Part::Write(2)]);
        driver.notify(0);
        driver.take_used(0).unwrap();
    }
    let head = driver.post(0, &[Part::Write(2)]);
    driver.save_and_restore(Rng);
    driver.notify(0);
    assert_eq!(driver.take_used(0), Some((head, alloc::vec![41, 42])));
}

#[test]
fn hostile_state_is_refused() {
    let saved: VirtioState<()> = devices::decode(&running().mmio.save()).unwrap();
    let restore = |state: &VirtioState<()>| VirtioMmio::new(Rng).restore(&encoding::encode(state));
    let with_queues = |change: fn(&mut Vec<Queue>)| {
        let mut state = saved.clone();
        change(&mut state.queues);
        restore(&state)
    };
    assert_eq!(with_queues(|_| {}), Ok(()));
    assert!(with_queues(|queues| queues.clear()).is_err());
    assert!(with_queues(|queues| queues[0].size = 0).is_err());
    assert!(with_queues(|queues| queues[0].size = 256).is_err());
    assert!(with_queues(|queues| queues[0].device_area = 1).is_err());
    assert!(with_queues(|queues| queues[0] = Queue::new(64)).is_err());
    let mut state = saved.clone();
    state.registers.driver_features = u64::MAX;
    assert!(restore(&state).is_err());
}
