//! The network device (virtio 1.2, 5.1): Ethernet frames to and from a [`NetBackend`].
//!
//! Its features are agreed on before a snapshot, when nobody knows yet what will be at the other
//! end: a frame has 64 KiB, so that neither side has to segment or to reassemble, and checksums may
//! be left to whoever needs them. A backend for which that does not do completes them itself.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::mmio::VirtioMmio;
use super::queue::Chain;
use super::{DriverError, Queue, VirtioDevice};
use crate::devices::{Context, Devices, InvalidState};

/// The guest's address, of those that everybody may give away (IEEE 802, locally administered).
pub const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// The longest packet in a frame, in bytes, as passt has it.
pub const MTU: u16 = 65_520;

/// The longest frame: an Ethernet header with a VLAN tag, and a packet.
pub const MAX_FRAME: usize = ETHERNET_HEADER + 4 + MTU as usize;

const ETHERNET_HEADER: usize = 14;

/// Features (5.1.3).
mod feature {
    pub const CSUM: u64 = 1 << 0;
    pub const GUEST_CSUM: u64 = 1 << 1;
    pub const MTU: u64 = 1 << 3;
    pub const MAC: u64 = 1 << 5;
    pub const MRG_RXBUF: u64 = 1 << 15;
    pub const STATUS: u64 = 1 << 16;
    pub const ALL: u64 = CSUM | GUEST_CSUM | MTU | MAC | MRG_RXBUF | STATUS;
}

/// Where the link's state is in the configuration space (5.1.4).
const CONFIG_STATUS: usize = 6;
const LINK_UP: u8 = 1;

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const QUEUE_SIZE: u16 = 256;

/// What stands before each frame (5.1.6): flags, then the segmentation that nobody offers, where a
/// checksum begins and belongs, and the number of chains.
const HEADER: usize = 12;
const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;

/// The state of the transport checksum in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It is in the frame, for the receiver to verify.
    Present,
    /// Nobody has to verify it: the frame has not left this machine.
    Valid,
    /// The sum over everything from `start` belongs `offset` bytes behind that. The field holds
    /// the sum over the pseudo header.
    Partial {
        /// Bytes from the beginning of the frame, which may be beyond its end.
        start: u16,
        /// Bytes from `start`, which may be beyond the frame's end.
        offset: u16,
    },
}

/// What is at the other end of the wire. Times are [`Host::monotonic_ns`](crate::Host).
pub trait NetBackend {
    /// Takes a frame of the guest, from 14 to [`MAX_FRAME`] bytes long.
    fn transmit(&mut self, now: u64, frame: &[u8], checksum: Checksum);

    /// Whether the guest's next frame is to wait in its queue. One that has become ready is asked
    /// again by [`Devices::exchange_frames`].
    fn is_full(&self) -> bool {
        false
    }

    /// Appends the next frame for the guest, if there is one, to `frame`. One over [`MAX_FRAME`]
    /// bytes is lost.
    fn receive(&mut self, now: u64, frame: &mut Vec<u8>) -> Option<Checksum>;
}

/// The device. Snapshots keep nothing of it: a frame on its way may get lost.
pub struct Net {
    config: Vec<u8>,
    backend: Option<Box<dyn NetBackend>>,
    /// The frame that the guest is sending; kept for its allocation.
    outgoing: Vec<u8>,
    /// The frame that waits for room in the guest, behind its header.
    incoming: Vec<u8>,
}

impl Default for Net {
    /// A device without a backend: its link is down.
    fn default() -> Self {
        let (status, queue_pairs) = (0_u16.to_le_bytes(), 1_u16.to_le_bytes());
        let config = [&MAC[..], &status, &queue_pairs, &MTU.to_le_bytes()].concat();
        Self { config, backend: None, outgoing: Vec::new(), incoming: Vec::new() }
    }
}

impl Net {
    /// Plugs a backend in, or whatever there is out.
    fn set_backend(&mut self, backend: Option<Box<dyn NetBackend>>) {
        self.config[CONFIG_STATUS] = if backend.is_some() { LINK_UP } else { 0 };
        self.backend = backend;
        self.incoming.clear();
    }

    /// Gives the guest what the backend has for it, as far as there is room; no more frames than
    /// a queue has descriptors, so that a backend without end does not hold the machine up.
    fn deliver(
        &mut self,
        queue: &mut Queue,
        context: &mut Context<'_>,
    ) -> Result<bool, DriverError> {
        let mut delivered = false;
        for _ in 0..QUEUE_SIZE {
            if !self.fetch(context) || !self.has_room(queue, context) {
                break;
            }
            scatter(&mut self.incoming, queue, context)?;
            self.incoming.clear();
            delivered = true;
        }
        Ok(delivered)
    }

    /// Whether the guest can take the waiting frame whole.
    fn has_room(&self, queue: &Queue, context: &mut Context<'_>) -> bool {
        let length = self.incoming.len();
        queue.room(context.memory, length) >= length
    }

    /// Whether a frame waits; one is asked of the backend if not.
    fn fetch(&mut self, context: &mut Context<'_>) -> bool {
        let Some(backend) = &mut self.backend else { return false };
        if !self.incoming.is_empty() {
            return true;
        }
        self.incoming.resize(HEADER, 0);
        let checksum = backend.receive(context.host.monotonic_ns(), &mut self.incoming);
        match checksum {
            Some(checksum) if self.incoming.len() <= HEADER + MAX_FRAME => {
                self.incoming[..HEADER].copy_from_slice(&header(checksum));
            }
            _ => self.incoming.clear(),
        }
        !self.incoming.is_empty()
    }

    /// Hands the backend what the guest sends, as long as it takes frames; no more of them than a
    /// queue has descriptors, as the guest may add to it meanwhile.
    fn send(&mut self, queue: &mut Queue, context: &mut Context<'_>) -> Result<bool, DriverError> {
        let mut sent = false;
        for _ in 0..QUEUE_SIZE {
            if self.backend.as_ref().is_some_and(|backend| backend.is_full()) {
                break;
            }
            let Some(chain) = queue.pop(context.memory)? else { break };
            self.transmit(&chain, context)?;
            queue.push(context.memory, &chain, 0)?;
            sent = true;
        }
        Ok(sent)
    }

    fn transmit(&mut self, chain: &Chain, context: &mut Context<'_>) -> Result<(), DriverError> {
        self.outgoing.clear();
        let whole = chain.gather(context.memory, HEADER + MAX_FRAME, &mut self.outgoing)?;
        let frame = self.outgoing.split_first_chunk::<HEADER>();
        // What cannot be a frame is lost, as on any wire.
        if let (Some(backend), true, Some((header, frame))) = (&mut self.backend, whole, frame)
            && frame.len() >= ETHERNET_HEADER
        {
            backend.transmit(context.host.monotonic_ns(), frame, checksum(header));
        }
        Ok(())
    }
}

/// Fills waiting chains, as many as it takes and which are there, with a frame and its header.
fn scatter(
    frame: &mut [u8],
    queue: &mut Queue,
    context: &mut Context<'_>,
) -> Result<(), DriverError> {
    // All are taken before the first is written: buffers may overlap the ring.
    let (mut chains, mut room) = (Vec::new(), 0_usize);
    while room < frame.len() {
        let chain = queue.pop(context.memory)?.ok_or(DriverError::ChainTooShort)?;
        room = room.saturating_add(chain.room());
        chains.push(chain);
    }
    frame[HEADER - 2..HEADER].copy_from_slice(&(chains.len() as u16).to_le_bytes());
    let mut rest = &frame[..];
    for chain in chains {
        let written = chain.scatter(context.memory, rest)?;
        queue.push(context.memory, &chain, written)?;
        rest = &rest[written..];
    }
    Ok(())
}

fn header(checksum: Checksum) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    match checksum {
        Checksum::Present => {}
        Checksum::Valid => header[0] = DATA_VALID,
        Checksum::Partial { start, offset } => {
            header[0] = NEEDS_CSUM;
            header[6..8].copy_from_slice(&start.to_le_bytes());
            header[8..10].copy_from_slice(&offset.to_le_bytes());
        }
    }
    header
}

fn checksum(header: &[u8; HEADER]) -> Checksum {
    if header[0] & NEEDS_CSUM == 0 {
        return Checksum::Present;
    }
    let [.., a, b, c, d, _, _] = *header;
    Checksum::Partial { start: u16::from_le_bytes([a, b]), offset: u16::from_le_bytes([c, d]) }
}

impl VirtioDevice for Net {
    type State = ();

    const ID: u32 = 1;

    fn features(&self) -> u64 {
        feature::ALL
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE; 2]
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn notify(
        &mut self,
        index: usize,
        queues: &mut [Queue],
        context: &mut Context<'_>,
    ) -> Result<(), DriverError> {
        if index == TRANSMIT {
            self.send(&mut queues[TRANSMIT], context)?;
        }
        // What the guest sent may have its answer already.
        self.deliver(&mut queues[RECEIVE], context).map(drop)
    }

    fn reset(&mut self) {
        self.incoming.clear();
    }

    fn save(&self) {}

    fn restore(&mut self, (): ()) -> Result<(), InvalidState> {
        Ok(())
    }
}

impl VirtioMmio<Net> {
    fn set_backend(&mut self, backend: Option<Box<dyn NetBackend>>) {
        self.device.set_backend(backend);
        self.config_changed();
    }

    fn exchange(&mut self, context: &mut Context<'_>) -> bool {
        let exchange = |device: &mut Net, queues: &mut [Queue], context: &mut Context<'_>| {
            let sent = device.send(&mut queues[TRANSMIT], context)?;
            Ok(device.deliver(&mut queues[RECEIVE], context)? || sent)
        };
        self.work(context, exchange).unwrap_or(false)
    }
}

impl Devices {
    /// Sets what is at the other end of the network device's wire; `None` unplugs it.
    pub fn set_net_backend(&mut self, backend: Option<Box<dyn NetBackend>>) {
        self.with(|net: &mut VirtioMmio<Net>| net.set_backend(backend));
    }

    /// Moves frames between the guest and its network's backend that had to wait. Returns whether
    /// the guest got or got rid of any.
    pub fn exchange_frames(&mut self, context: &mut Context<'_>) -> bool {
        self.with(|net: &mut VirtioMmio<Net>| net.exchange(context)).unwrap_or(false)
    }
}

#[cfg(test)]
#[path = "net_tests.rs"]
mod tests;
