//! The console device (virtio 1.2, 5.3) as a set of named ports; none of them is a console.
//!
//! Queues come in pairs, receive (to the guest) then transmit: port 0, control, port 1, port 2...
//! The control queues carry the handshake of each port with Linux's virtio_console driver:
//!
//! ```text
//! guest  DEVICE_READY
//! host   PORT_ADD           the guest makes /dev/vportNpM and posts receive buffers
//! guest  PORT_READY
//! host   PORT_NAME, PORT_OPEN
//! guest  PORT_OPEN 1 or 0   a process opened or closed the port
//! ```
//!
//! The guest's kernel posts 32 KiB as a receive buffer (kernel/patches).

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::mmio::VirtioMmio;
use super::queue::Chain;
use super::{DriverError, Queue, VirtioDevice};
use crate::devices::{Context, Devices, InvalidState};
use crate::host::PortId;
use crate::memory::GuestMemory;

/// Feature: more than one port, and control queues.
const MULTIPORT: u64 = 1 << 1;

/// Receive buffers of a port: 256 KiB with the guest's 32 KiB each, all taken at boot.
const RECEIVE_SIZE: u16 = 8;
/// Transmit buffers: splice(2) needs one descriptor for each page of the pipe, 256 for 1 MiB.
const TRANSMIT_SIZE: u16 = 256;
/// Control messages are few, and what does not fit waits.
const CONTROL_SIZE: u16 = 16;

/// Most bytes that are put together for one call of the host.
const GATHER_SIZE: usize = 64 << 10;

const CONTROL_RECEIVE: usize = 2;
const CONTROL_TRANSMIT: usize = 3;

/// Events of control messages (5.3.6.2).
mod event {
    pub const DEVICE_READY: u16 = 0;
    pub const PORT_ADD: u16 = 1;
    pub const PORT_READY: u16 = 3;
    pub const PORT_OPEN: u16 = 6;
    pub const PORT_NAME: u16 = 7;
}

/// A control message but for the name that may follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Control {
    port: u32,
    event: u16,
    value: u16,
}

impl Control {
    const LENGTH: usize = 8;

    fn parse(bytes: [u8; Self::LENGTH]) -> Self {
        let bits = u64::from_le_bytes(bytes);
        Self { port: bits as u32, event: (bits >> 32) as u16, value: (bits >> 48) as u16 }
    }

    fn encode(self) -> [u8; Self::LENGTH] {
        let high = u64::from(self.event) | u64::from(self.value) << 16;
        (u64::from(self.port) | high << 32).to_le_bytes()
    }
}

/// One port. What the guest has still to be told is a flag for each message, so a guest that
/// asks without end costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Port {
    name: String,
    /// A process in the guest has it open.
    guest_open: bool,
    pending_add: bool,
    pending_name: bool,
    pending_open: bool,
}

impl Port {
    fn new(name: String) -> Self {
        Self {
            name,
            guest_open: false,
            pending_add: false,
            pending_name: false,
            pending_open: false,
        }
    }

    /// The next message to the guest, and the flag that says it is owed.
    fn owed(&mut self) -> Option<(u16, &mut bool)> {
        [
            (event::PORT_ADD, &mut self.pending_add),
            (event::PORT_NAME, &mut self.pending_name),
            (event::PORT_OPEN, &mut self.pending_open),
        ]
        .into_iter()
        .find(|(_, owed)| **owed)
    }
}

/// What a snapshot keeps of a [`Console`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleState {
    ports: Vec<Port>,
}

/// The device.
pub struct Console {
    ports: Vec<Port>,
    config: [u8; 8],
}

impl Console {
    /// A console with these ports, one at least; a name's place in the list is its [`PortId`].
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let ports: Vec<_> = names.into_iter().map(Port::new).collect();
        // Columns and rows, which are not offered, then max_nr_ports.
        let mut config = [0; 8];
        config[4..].copy_from_slice(&(ports.len() as u32).to_le_bytes());
        Self { ports, config }
    }

    /// Sends what is owed, as far as the guest has posted buffers for it.
    fn send_owed(
        &mut self,
        queues: &mut [Queue],
        context: &mut Context<'_>,
    ) -> Result<(), DriverError> {
        let queue = &mut queues[CONTROL_RECEIVE];
        for (index, port) in self.ports.iter_mut().enumerate() {
            let name = port.name.clone();
            while let Some((event, owed)) = port.owed() {
                let Some(chain) = queue.pop(context.memory)? else { return Ok(()) };
                *owed = false;
                let message = Control { port: index as u32, event, value: 1 };
                let mut bytes = message.encode().to_vec();
                if event == event::PORT_NAME {
                    bytes.extend_from_slice(name.as_bytes());
                }
                answer(queue, context.memory, &chain, &bytes)?;
            }
        }
        Ok(())
    }

    fn take_control(&mut self, message: Control) {
        match message.event {
            event::DEVICE_READY if message.value == 1 => {
                self.ports.iter_mut().for_each(|port| port.pending_add = true);
            }
            event::PORT_READY if message.value == 1 => {
                if let Some(port) = self.ports.get_mut(message.port as usize) {
                    (port.pending_name, port.pending_open) = (true, true);
                }
            }
            event::PORT_OPEN => {
                if let Some(port) = self.ports.get_mut(message.port as usize) {
                    port.guest_open = message.value == 1;
                }
            }
            _ => {}
        }
    }

    fn take_controls(
        &mut self,
        queue: &mut Queue,
        context: &mut Context<'_>,
    ) -> Result<(), DriverError> {
        let mut bytes = Vec::with_capacity(Control::LENGTH);
        queue.serve(context, |chain, context| {
            bytes.clear();
            chain.gather(context.memory, Control::LENGTH, &mut bytes)?;
            let message = bytes.first_chunk().ok_or(DriverError::ChainTooShort)?;
            self.take_control(Control::parse(*message));
            Ok(0)
        })
    }

    /// Whether the guest can get input at a port now.
    fn is_open(&self, port: PortId) -> bool {
        self.ports.get(port).is_some_and(|port| port.guest_open)
    }
}

/// Hands all that a port's guest side wrote to the host.
fn transmit(port: PortId, queue: &mut Queue, context: &mut Context<'_>) -> Result<(), DriverError> {
    queue.serve(context, |chain, context| send(port, chain, context).map(|()| 0))
}

/// Hands one chain to the host, in few calls: each may be a system call there. A chain of
/// splice(2) has a buffer for each page.
fn send(port: PortId, chain: &Chain, context: &mut Context<'_>) -> Result<(), DriverError> {
    let Context { memory, host } = context;
    let mut gathered = Vec::new();
    let mut buffers = chain.readable().iter().peekable();
    while let Some(buffer) = buffers.next() {
        let is_last = buffers.peek().is_none();
        memory.pieces(buffer.address, buffer.length, |bytes| {
            if gathered.len() + bytes.len() > GATHER_SIZE && !gathered.is_empty() {
                host.port_output(port, &gathered);
                gathered.clear();
            }
            if gathered.is_empty() && (is_last || bytes.len() >= GATHER_SIZE) {
                host.port_output(port, bytes);
            } else {
                gathered.reserve_exact(GATHER_SIZE - gathered.len());
                gathered.extend_from_slice(bytes);
            }
        })?;
    }
    if !gathered.is_empty() {
        host.port_output(port, &gathered);
    }
    Ok(())
}

/// Copies `bytes` into guest buffers until either ends; returns how many were taken.
fn receive(
    queue: &mut Queue,
    memory: &mut GuestMemory,
    bytes: &[u8],
) -> Result<usize, DriverError> {
    let mut taken = 0;
    while taken < bytes.len() {
        let Some(chain) = queue.pop(memory)? else { break };
        taken += answer(queue, memory, &chain, &bytes[taken..])?;
    }
    Ok(taken)
}

/// Gives a chain back with as many bytes as fit into it, one at least.
fn answer(
    queue: &mut Queue,
    memory: &mut GuestMemory,
    chain: &Chain,
    bytes: &[u8],
) -> Result<usize, DriverError> {
    let written = chain.scatter(memory, bytes)?;
    if written == 0 {
        return Err(DriverError::ChainTooShort);
    }
    queue.push(memory, chain, written)?;
    Ok(written)
}

/// A port's receive queue; its transmit queue is the next.
fn receive_queue(port: PortId) -> usize {
    // The control queues sit between ports 0 and 1.
    if port == 0 { 0 } else { 2 * port + 2 }
}

impl VirtioDevice for Console {
    type State = ConsoleState;

    const ID: u32 = 3;

    fn features(&self) -> u64 {
        MULTIPORT
    }

    fn queue_sizes(&self) -> Vec<u16> {
        let mut sizes = [RECEIVE_SIZE, TRANSMIT_SIZE].repeat(self.ports.len());
        let control = sizes.len().min(CONTROL_RECEIVE);
        sizes.splice(control..control, [CONTROL_SIZE, CONTROL_SIZE]);
        sizes
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
        match index {
            CONTROL_RECEIVE => self.send_owed(queues, context),
            CONTROL_TRANSMIT => {
                self.take_controls(&mut queues[CONTROL_TRANSMIT], context)?;
                self.send_owed(queues, context)
            }
            // New receive buffers: the host asks for the room when it has input.
            _ if index.is_multiple_of(2) => Ok(()),
            _ => transmit((index / 2).saturating_sub(1), &mut queues[index], context),
        }
    }

    fn reset(&mut self) {
        for port in &mut self.ports {
            *port = Port::new(core::mem::take(&mut port.name));
        }
    }

    fn save(&self) -> ConsoleState {
        ConsoleState { ports: self.ports.clone() }
    }

    fn restore(&mut self, state: ConsoleState) -> Result<(), InvalidState> {
        let names = |ports: &[Port]| ports.iter().map(|port| port.name.clone()).collect::<Vec<_>>();
        if names(&state.ports) != names(&self.ports) {
            return Err(InvalidState("names of the console's ports"));
        }
        self.ports = state.ports;
        Ok(())
    }
}

impl VirtioMmio<Console> {
    /// Bytes that [`Self::push_input`] would take now; 0 while no process has the port open.
    pub fn input_room(&self, port: PortId, memory: &mut GuestMemory) -> usize {
        if !self.is_running() || !self.device.is_open(port) {
            return 0;
        }
        self.queues[receive_queue(port)].room(memory, usize::MAX)
    }

    /// Gives input to a port; returns how many of the bytes, from the first, were taken.
    pub fn push_input(&mut self, port: PortId, bytes: &[u8], context: &mut Context<'_>) -> usize {
        if !self.device.is_open(port) {
            return 0;
        }
        let taken = self.work(context, |_, queues, context| {
            receive(&mut queues[receive_queue(port)], context.memory, bytes)
        });
        taken.unwrap_or(0)
    }
}

impl Devices {
    /// Bytes that a console port's guest side can take now; 0 while no process has it open.
    pub fn console_room(&self, port: PortId, memory: &mut GuestMemory) -> usize {
        self.get::<VirtioMmio<Console>>().map_or(0, |console| console.input_room(port, memory))
    }

    /// Gives input to a console port; returns how many of the bytes, from the first, were taken.
    pub fn push_console(&mut self, port: PortId, bytes: &[u8], context: &mut Context<'_>) -> usize {
        let push = |console: &mut VirtioMmio<Console>| console.push_input(port, bytes, context);
        self.with(push).unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
