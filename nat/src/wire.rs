//! The wire as smoltcp sees it, for the time of one call: at most one packet each way.

use crate::clock::Micros;
use crate::packet::{ETHERNET_HEADER, Link, MTU};
use alloc::vec::Vec;
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

pub struct Wire<'a> {
    pub link: Link,
    /// The guest's packet, until it is taken.
    pub packet: Option<&'a [u8]>,
    /// Where the frame for the guest goes.
    pub frame: &'a mut Vec<u8>,
    /// Whether there is one.
    pub sent: bool,
}

impl<'a> Wire<'a> {
    pub fn new(link: Link, packet: Option<&'a [u8]>, frame: &'a mut Vec<u8>) -> Self {
        Self { link, packet, frame, sent: false }
    }
}

impl Device for Wire<'_> {
    type RxToken<'b>
        = Incoming<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Outgoing<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: Instant) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        let packet = self.packet.take()?;
        Some((Incoming(packet), Outgoing(self.link, self.frame, &mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        (!self.sent).then_some(Outgoing(self.link, self.frame, &mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        // That of the guest's packets was looked at before.
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities.checksum.tcp = Checksum::None;
        capabilities
    }
}

pub struct Incoming<'a>(&'a [u8]);

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

pub struct Outgoing<'a>(Link, &'a mut Vec<u8>, &'a mut bool);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let Self(link, frame, sent) = self;
        let start = frame.len();
        frame.resize(start + ETHERNET_HEADER + length, 0);
        let (header, packet) = frame[start..].split_at_mut(ETHERNET_HEADER);
        let result = write(packet);
        header.copy_from_slice(&link.header_for(packet));
        *sent = true;
        result
    }
}

/// The flows' time, as smoltcp counts it.
pub fn instant(at: Micros) -> Instant {
    Instant::from_micros(i64::try_from(at.0).unwrap_or(i64::MAX))
}
