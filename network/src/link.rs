//! A network whose packets are somebody else's: the machine's frames go to a peer, which gives the
//! container its address.

use crate::framing::{Channel, Checksums, FramedChannel};
use crate::guest;
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use c2w_emulator::devices::virtio::net;
use c2w_emulator::devices::{Checksum, NetBackend};
use c2w_guest_abi::Network;
use c2w_nat::Micros;
use c2w_nat::dhcp::{Client, Lease};
use c2w_session::options::NetworkOptions;
use core::cell::RefCell;

/// How long a peer may take to give the container an address, in nanoseconds.
const LEASE_LIMIT: u64 = 5_000_000_000;
/// Frames that are looked at before the time is: a peer may send without end.
const AT_ONCE: usize = 64;
/// How long a channel is left alone that does not tell when it has something: an eighth of the time
/// that nothing has come, within these bounds.
const SHORTEST_PAUSE: u64 = 100_000;
const LONGEST_PAUSE: u64 = 10_000_000;

/// How long a link is called active that nothing goes over, in nanoseconds.
const ACTIVE: u64 = 1_000_000_000;

/// A machine's wire to a peer.
pub struct Link<C: Channel> {
    framed: Rc<RefCell<FramedChannel<C>>>,
    guest: Network,
    /// When something last went over it, and when to look again.
    last_active: u64,
    next_timer: Option<u64>,
    /// Whether it was told that it has failed.
    told: bool,
}

impl<C: Channel> Drop for Link<C> {
    /// Tells the peer that nothing follows.
    fn drop(&mut self) {
        self.framed.borrow_mut().channel_mut().close();
    }
}

/// The machine's end.
struct Plug<C>(Rc<RefCell<FramedChannel<C>>>);

impl<C: Channel> NetBackend for Plug<C> {
    fn transmit(&mut self, _: u64, frame: &[u8], checksum: Checksum) {
        self.0.borrow_mut().send(frame, checksum);
    }

    fn receive(&mut self, _: u64, frame: &mut Vec<u8>) -> Option<Checksum> {
        self.0.borrow_mut().receive(frame)
    }

    fn is_full(&self) -> bool {
        self.0.borrow().is_full()
    }
}

impl<C: Channel + 'static> Link<C> {
    /// Asks the peer for an address, by DHCP. `transaction` is random, `now` a clock in
    /// nanoseconds, and `wait` waits until the channel may have something, at most for as many.
    ///
    /// # Errors
    /// When there is none to be had: the reason, for people.
    pub fn connect(
        channel: C,
        checksums: Checksums,
        options: &NetworkOptions,
        transaction: u32,
        mut now: impl FnMut() -> u64,
        mut wait: impl FnMut(&mut C, u64),
    ) -> Result<Self, String> {
        let mut framed = FramedChannel::new(channel, checksums);
        let mut client = Client::new(options.mac.unwrap_or(net::MAC), transaction);
        let deadline = now().saturating_add(LEASE_LIMIT);
        let lease = loop {
            let moment = now();
            if let Some(lease) = ask(&mut framed, &mut client, moment)? {
                break lease;
            }
            if moment >= deadline {
                let absence = framed.channel().absence();
                let otherwise = "nobody has given the container an address (by DHCP)";
                return Err(absence.unwrap_or(otherwise).into());
            }
            if framed.has_frame() {
                continue;
            }
            let timer = client.poll_at().map(|at| at.0.saturating_mul(1000));
            let until = timer.into_iter().fold(deadline, u64::min);
            wait(framed.channel_mut(), until.saturating_sub(moment));
        };
        let guest = guest::of_lease(options, &lease)?;
        let framed = Rc::new(RefCell::new(framed));
        let last_active = now();
        Ok(Self { framed, guest, last_active, next_timer: None, told: false })
    }

    /// How the guest is to set its interface up.
    pub fn guest(&self) -> &Network {
        &self.guest
    }

    /// The machine's end of the wire.
    pub fn plug(&self) -> Box<dyn NetBackend> {
        Box::new(Plug(self.framed.clone()))
    }

    /// Lends `f` the channel.
    pub fn with_channel<R>(&mut self, f: impl FnOnce(&mut C) -> R) -> R {
        f(self.framed.borrow_mut().channel_mut())
    }

    /// Moves what can be moved without waiting; `deliver` moves frames between the guest and
    /// [`Self::plug`], and returns whether there were any, as this does.
    pub fn exchange(&mut self, now: u64, deliver: impl FnOnce() -> bool) -> bool {
        self.framed.borrow_mut().flush();
        let moved = deliver();
        let framed = &mut *self.framed.borrow_mut();
        framed.flush();
        if framed.take_active() {
            self.last_active = now;
        }
        let pause = now.saturating_sub(self.last_active) / 8;
        let pause = pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.next_timer = (C::POLLED && framed.failure().is_none()).then_some(now + pause);
        moved
    }

    /// When [`Self::exchange`] may have something to do even if nobody says so.
    pub fn next_timer(&self) -> Option<u64> {
        self.next_timer
    }

    /// Whether something went over it within the last second.
    pub fn is_active(&self, now: u64) -> bool {
        now.saturating_sub(self.last_active) < ACTIVE
    }

    /// Whether frames of the guest wait for the channel.
    pub fn is_sending(&self) -> bool {
        self.framed.borrow().is_sending()
    }

    /// Whether nothing goes over it any more.
    pub fn has_failed(&self) -> bool {
        self.framed.borrow().failure().is_some()
    }

    /// Why the container has no network any more, when that is known for the first time.
    pub fn take_failure(&mut self) -> Option<String> {
        let framed = self.framed.borrow();
        let failure = framed.failure().filter(|_| !core::mem::replace(&mut self.told, true))?;
        Some(format!("the container's network has ended: {failure}"))
    }

    /// Tells the peer that nothing follows.
    pub fn end(&mut self) {
        self.framed.borrow_mut().channel_mut().close();
    }
}

/// One turn of the client's.
fn ask<C: Channel>(
    framed: &mut FramedChannel<C>,
    client: &mut Client,
    now: u64,
) -> Result<Option<Lease>, String> {
    let mut frame = Vec::new();
    for _ in 0..AT_ONCE {
        if framed.receive(&mut frame).is_none() {
            break;
        }
        client.input(&frame);
        frame.clear();
    }
    if client.output(Micros(now / 1000), &mut frame) {
        framed.send(&frame, Checksum::Present);
    }
    framed.flush();
    match framed.failure() {
        Some(failure) => Err(failure.to_string()),
        None => Ok(client.lease().cloned()),
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
