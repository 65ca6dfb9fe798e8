//! The entropy device (virtio 1.2, 5.4): fills buffers with the host's entropy.

use alloc::vec;
use alloc::vec::Vec;

use super::{DriverError, Queue, VirtioDevice};
use crate::devices::{Context, InvalidState};

/// The most bytes given for one request; the device may give fewer than asked for (5.4.6.2).
const MAX_REQUEST: usize = 64 << 10;

/// The device. It has no state of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rng;

impl VirtioDevice for Rng {
    type State = ();

    const ID: u32 = 4;

    fn queue_sizes(&self) -> Vec<u16> {
        vec![16]
    }

    fn notify(
        &mut self,
        index: usize,
        queues: &mut [Queue],
        context: &mut Context<'_>,
    ) -> Result<(), DriverError> {
        queues[index].serve(context, |chain, context| {
            let mut given = 0;
            for buffer in chain.writable() {
                let length = buffer.length.min(MAX_REQUEST - given);
                context.host.entropy(context.memory.slice_mut(buffer.address, length)?);
                given += length;
            }
            if given == 0 { Err(DriverError::ChainTooShort) } else { Ok(given) }
        })
    }

    fn save(&self) {}

    fn restore(&mut self, (): ()) -> Result<(), InvalidState> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::virtio::test_driver::{Driver, Part};

    #[test]
    fn buffers_are_filled_with_the_hosts_entropy() {
        let mut driver = Driver::start(Rng, 0);
        let head = driver.post(0, &[Part::Write(3), Part::Write(5)]);
        driver.notify(0);
        assert_eq!(driver.take_used(0), Some((head, vec![1, 2, 3, 4, 5, 6, 7, 8])));
        assert!(driver.take_interrupt());
    }

    #[test]
    fn a_huge_request_is_answered_in_part() {
        let mut driver = Driver::start(Rng, 0);
        driver.post(0, &[Part::Write(MAX_REQUEST - 1), Part::Write(MAX_REQUEST)]);
        driver.notify(0);
        assert_eq!(driver.take_used(0).unwrap().1.len(), MAX_REQUEST);
    }

    #[test]
    fn a_request_without_room_is_the_drivers_error() {
        let mut driver = Driver::start(Rng, 0);
        driver.post(0, &[Part::Read(vec![1])]);
        driver.notify(0);
        driver.assert_needs_reset(DriverError::ChainTooShort);
    }
}
