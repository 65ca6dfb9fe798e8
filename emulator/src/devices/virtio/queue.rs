//! The split virtqueue (virtio 1.2, 2.7), from the device's side.
//!
//! Nothing the driver wrote is trusted: indices, lengths and addresses are checked when they are
//! read, and all work on one queue is bounded by its size.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::devices::{Context, InvalidState};
use crate::memory::{GuestMemory, OutOfRange};

const DESCRIPTOR_SIZE: u64 = 16;
/// Bytes of a chain: a used length has 32 bits.
const MAX_CHAIN: u64 = 1 << 32;
/// Descriptor flag: the chain goes on at `next`.
const NEXT: u16 = 1;
/// Descriptor flag: the device writes to this buffer.
const WRITE: u16 = 2;
/// Descriptor flag of a feature that no device here offers.
const INDIRECT: u16 = 4;
/// Flag of the available ring: the driver wants no interrupt.
const NO_INTERRUPT: u16 = 1;

/// What a driver did against the specification. The device then needs a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverError {
    /// A ring or a buffer is not in memory.
    OutOfRange,
    /// A queue was made ready with a size or an alignment that is not allowed (2.7).
    QueueLayout,
    /// More buffers were made available than the queue has (2.7.13.3).
    TooManyAvailable,
    /// A descriptor number is not below the queue's size.
    NoSuchDescriptor,
    /// A chain is longer than the queue, so it has a loop (2.7.5.1).
    Loop,
    /// The buffers of a chain are over 2^32 bytes together (2.7.5.1).
    ChainTooLong,
    /// A buffer to read follows one to write (2.7.4.2).
    ReadableAfterWritable,
    /// A buffer of no bytes.
    EmptyBuffer,
    /// An indirect table, which was not negotiated (2.7.5.3.1).
    Indirect,
    /// A chain has too little room, or none, for what its device must read or write.
    ChainTooShort,
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfRange => "a ring or buffer is not in memory",
            Self::QueueLayout => "a queue's size or alignment is not allowed",
            Self::TooManyAvailable => "more buffers are available than the queue has",
            Self::NoSuchDescriptor => "a descriptor number is too large",
            Self::Loop => "a descriptor chain has a loop",
            Self::ChainTooLong => "a descriptor chain is over 2^32 bytes",
            Self::ReadableAfterWritable => "a readable buffer follows a writable one",
            Self::EmptyBuffer => "a buffer is empty",
            Self::Indirect => "an indirect table was not negotiated",
            Self::ChainTooShort => "a chain is too short for its device",
        })
    }
}

impl core::error::Error for DriverError {}

impl From<OutOfRange> for DriverError {
    fn from(_: OutOfRange) -> Self {
        Self::OutOfRange
    }
}

/// A buffer that was in guest memory when its chain was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Guest-physical address.
    pub address: u64,
    /// Length in bytes, not 0.
    pub length: usize,
}

/// A chain of buffers that the driver made available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its first descriptor: its name in the used ring.
    head: u16,
    buffers: Vec<Buffer>,
    /// How many buffers, from the first, are for the device to read.
    readable: usize,
}

impl Chain {
    /// What the driver sends.
    pub fn readable(&self) -> &[Buffer] {
        &self.buffers[..self.readable]
    }

    /// Where the driver wants an answer.
    pub fn writable(&self) -> &[Buffer] {
        &self.buffers[self.readable..]
    }

    /// Bytes of the writable buffers.
    pub fn room(&self) -> usize {
        self.writable().iter().fold(0, |sum: usize, buffer| sum.saturating_add(buffer.length))
    }

    /// Appends the readable bytes, `limit` at most, to `bytes`; returns whether that was all.
    ///
    /// # Errors
    /// [`DriverError::OutOfRange`], impossible for a chain of the same memory.
    pub fn gather(
        &self,
        memory: &mut GuestMemory,
        limit: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, DriverError> {
        let mut left = limit;
        for buffer in self.readable() {
            let length = buffer.length.min(left);
            memory.pieces(buffer.address, length, |piece| bytes.extend_from_slice(piece))?;
            left -= length;
            if length < buffer.length {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies `bytes` into the writable buffers; returns how many fitted.
    ///
    /// # Errors
    /// [`DriverError::OutOfRange`], impossible for a chain of the same memory.
    pub fn scatter(&self, memory: &mut GuestMemory, bytes: &[u8]) -> Result<usize, DriverError> {
        let mut rest = bytes;
        for buffer in self.writable() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(buffer.length.min(rest.len()));
            memory.write(buffer.address, now)?;
            rest = later;
        }
        Ok(bytes.len() - rest.len())
    }
}

/// One queue; what it holds is its saved state. The names of the rings are those of the
/// registers: the driver area is the available ring, the device area the used ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    max_size: u16,
    pub(super) size: u16,
    ready: bool,
    pub(super) descriptor_area: u64,
    pub(super) driver_area: u64,
    pub(super) device_area: u64,
    /// The next entry of the available ring to take, modulo 2^16.
    next_available: u16,
    /// The next entry of the used ring to fill, modulo 2^16.
    next_used: u16,
    /// `next_used` when the driver was last signalled.
    signalled_used: u16,
}

impl Queue {
    /// A queue at reset that allows up to `max_size` descriptors, a power of two.
    pub fn new(max_size: u16) -> Self {
        Self {
            max_size,
            size: 0,
            ready: false,
            descriptor_area: 0,
            driver_area: 0,
            device_area: 0,
            next_available: 0,
            next_used: 0,
            signalled_used: 0,
        }
    }

    /// The largest size a driver may choose.
    pub fn max_size(&self) -> u16 {
        self.max_size
    }

    /// Whether the driver has set the queue up.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Starts to use the queue as the driver laid it out.
    ///
    /// # Errors
    /// [`DriverError::QueueLayout`].
    pub(super) fn enable(&mut self) -> Result<(), DriverError> {
        if !self.layout_is_allowed() {
            return Err(DriverError::QueueLayout);
        }
        self.ready = true;
        Ok(())
    }

    /// Back to the state at reset.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.max_size);
    }

    /// Takes over saved state of the same queue.
    ///
    /// # Errors
    /// [`InvalidState`] when its size is not possible here.
    pub(super) fn restore(&mut self, saved: Self) -> Result<(), InvalidState> {
        if saved.max_size != self.max_size || saved.ready && !saved.layout_is_allowed() {
            return Err(InvalidState("a virtqueue's layout"));
        }
        *self = saved;
        Ok(())
    }

    fn layout_is_allowed(&self) -> bool {
        self.size.is_power_of_two()
            && self.size <= self.max_size
            && self.descriptor_area.is_multiple_of(16)
            && self.driver_area.is_multiple_of(2)
            && self.device_area.is_multiple_of(4)
    }

    /// How many chains wait.
    ///
    /// # Errors
    /// [`DriverError`] when the ring is bad.
    fn waiting(&self, memory: &mut GuestMemory) -> Result<u16, DriverError> {
        if !self.ready {
            return Ok(0);
        }
        let index = u16::from_le_bytes(memory.read_array(self.driver_area.wrapping_add(2))?);
        let waiting = index.wrapping_sub(self.next_available);
        if waiting > self.size {
            return Err(DriverError::TooManyAvailable);
        }
        Ok(waiting)
    }

    /// Takes the next chain, if one waits.
    ///
    /// # Errors
    /// [`DriverError`] when the ring or the chain is bad.
    pub fn pop(&mut self, memory: &mut GuestMemory) -> Result<Option<Chain>, DriverError> {
        if self.waiting(memory)? == 0 {
            return Ok(None);
        }
        let head = self.head(memory, 0)?;
        let mut chain = Chain { head, buffers: Vec::new(), readable: 0 };
        self.walk(memory, head, |buffer, writable| {
            chain.buffers.push(buffer);
            chain.readable += usize::from(!writable);
        })?;
        self.next_available = self.next_available.wrapping_add(1);
        Ok(Some(chain))
    }

    /// Gives a chain back with `written` bytes in its writable buffers.
    ///
    /// # Errors
    /// [`DriverError::OutOfRange`] when the used ring is not in memory.
    pub fn push(
        &mut self,
        memory: &mut GuestMemory,
        chain: &Chain,
        written: usize,
    ) -> Result<(), DriverError> {
        let slot = u64::from(self.next_used & (self.size - 1));
        let mut element = [0; 8];
        element[..4].copy_from_slice(&u32::from(chain.head).to_le_bytes());
        element[4..].copy_from_slice(&(written as u32).to_le_bytes());
        memory.write(self.device_area.wrapping_add(4 + 8 * slot), &element)?;
        self.next_used = self.next_used.wrapping_add(1);
        memory.write(self.device_area.wrapping_add(2), &self.next_used.to_le_bytes())?;
        Ok(())
    }

    /// Hands each chain that waits to `handle`, and gives it back with as many bytes written to
    /// it as that returns. Ends at the first error, before that chain is given back.
    ///
    /// # Errors
    /// [`DriverError`] when the ring or a chain is bad, or of `handle`.
    pub fn serve(
        &mut self,
        context: &mut Context<'_>,
        mut handle: impl FnMut(&Chain, &mut Context<'_>) -> Result<usize, DriverError>,
    ) -> Result<(), DriverError> {
        // Buffers may overlap the ring, so the number is read once: it bounds the work.
        for _ in 0..self.waiting(context.memory)? {
            let Some(chain) = self.pop(context.memory)? else { break };
            let written = handle(&chain, context)?;
            self.push(context.memory, &chain, written)?;
        }
        Ok(())
    }

    /// Bytes that the waiting chains can take; those up to the first bad one count. Chains behind
    /// those that have `enough` are not looked at.
    pub fn room(&self, memory: &mut GuestMemory, enough: usize) -> usize {
        let mut room = 0usize;
        for ahead in 0..self.waiting(memory).unwrap_or(0) {
            if room >= enough {
                break;
            }
            let walked = self.head(memory, ahead).and_then(|head| {
                self.walk(memory, head, |buffer, writable| {
                    room = room.saturating_add(if writable { buffer.length } else { 0 });
                })
            });
            if walked.is_err() {
                break;
            }
        }
        room
    }

    /// Whether chains came back since the last call and the driver wants to know.
    ///
    /// # Errors
    /// [`DriverError::OutOfRange`] when the available ring is not in memory.
    pub(super) fn take_interrupt(&mut self, memory: &mut GuestMemory) -> Result<bool, DriverError> {
        if self.signalled_used == self.next_used {
            return Ok(false);
        }
        self.signalled_used = self.next_used;
        let flags = u16::from_le_bytes(memory.read_array(self.driver_area)?);
        Ok(flags & NO_INTERRUPT == 0)
    }

    /// The first descriptor of the chain `ahead` places behind the next one.
    fn head(&self, memory: &mut GuestMemory, ahead: u16) -> Result<u16, DriverError> {
        let slot = u64::from(self.next_available.wrapping_add(ahead) & (self.size - 1));
        let head = memory.read_array(self.driver_area.wrapping_add(4 + 2 * slot))?;
        Ok(u16::from_le_bytes(head))
    }

    /// Visits the checked buffers of a chain: each with whether the device writes to it.
    fn walk(
        &self,
        memory: &mut GuestMemory,
        head: u16,
        mut visit: impl FnMut(Buffer, bool),
    ) -> Result<(), DriverError> {
        let mut index = head;
        let mut seen_writable = false;
        let mut total = 0;
        for _ in 0..self.size {
            let descriptor = self.descriptor(memory, index)?;
            let (buffer, writable) = descriptor.check(memory)?;
            total += buffer.length as u64;
            if total > MAX_CHAIN {
                return Err(DriverError::ChainTooLong);
            }
            if seen_writable && !writable {
                return Err(DriverError::ReadableAfterWritable);
            }
            seen_writable = writable;
            visit(buffer, writable);
            if descriptor.flags & NEXT == 0 {
                return Ok(());
            }
            index = descriptor.next;
        }
        Err(DriverError::Loop)
    }

    fn descriptor(&self, memory: &mut GuestMemory, index: u16) -> Result<Descriptor, DriverError> {
        if index >= self.size {
            return Err(DriverError::NoSuchDescriptor);
        }
        let address = self.descriptor_area.wrapping_add(DESCRIPTOR_SIZE * u64::from(index));
        Ok(Descriptor::parse(u128::from_le_bytes(memory.read_array(address)?)))
    }
}

/// An entry of the descriptor table.
struct Descriptor {
    address: u64,
    length: u32,
    flags: u16,
    next: u16,
}

impl Descriptor {
    fn parse(bits: u128) -> Self {
        Self {
            address: bits as u64,
            length: (bits >> 64) as u32,
            flags: (bits >> 96) as u16,
            next: (bits >> 112) as u16,
        }
    }

    fn check(&self, memory: &GuestMemory) -> Result<(Buffer, bool), DriverError> {
        if self.flags & INDIRECT != 0 {
            return Err(DriverError::Indirect);
        }
        if self.length == 0 {
            return Err(DriverError::EmptyBuffer);
        }
        let length = usize::try_from(self.length).map_err(|_| DriverError::OutOfRange)?;
        let writable = self.flags & WRITE != 0;
        let is_memory = match writable {
            true => memory.is_ram(self.address, length),
            false => memory.contains(self.address, length),
        };
        let buffer = Buffer { address: self.address, length };
        is_memory.then_some((buffer, writable)).ok_or(DriverError::OutOfRange)
    }
}
