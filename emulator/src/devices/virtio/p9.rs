//! The 9P transport device. Virtio 1.2 only reserves its ID; the rest is as Linux has it in
//! `uapi/linux/virtio_9p.h` and `net/9p/trans_virtio.c`. The protocol is 9P2000.L.
//!
//! Each chain is one request, its readable buffers the T-message and its writable buffers the
//! room for the R-message. A [`P9Server`] makes the answers; the transport knows of a message
//! only its header, `size[4] type[1] tag[2]`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::mmio::VirtioMmio;
use super::queue::Chain;
use super::{DriverError, Queue, VirtioDevice};
use crate::devices::{Context, Devices, InvalidState};

/// The longest request in bytes. Linux's own limit of `msize` here is 512 000.
pub const MAX_REQUEST: usize = 1 << 20;

/// Feature: the configuration space holds the mount tag.
const MOUNT_TAG: u64 = 1;
/// As many as Linux's driver gathers into one request, and room for one more of them.
const QUEUE_SIZE: u16 = 256;

const HEADER_LENGTH: usize = 7;
const RLERROR: u8 = 7;
/// Linux's error numbers, which Rlerror carries.
const ENODEV: u32 = 19;
const EMSGSIZE: u32 = 90;

/// A 9P2000.L file server.
pub trait P9Server {
    /// Answers one T-message with one whole R-message, put into `reply`, which comes empty. The
    /// request has at least a header's 7 bytes; nothing else of it is checked, its `size` neither.
    fn handle(&mut self, request: &[u8], reply: &mut Vec<u8>);
}

/// What a snapshot keeps of a [`P9`]. The server's own state is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct P9State {
    tag: String,
}

/// The device.
pub struct P9 {
    tag: String,
    config: Vec<u8>,
    server: Option<Box<dyn P9Server>>,
    /// Kept between requests for their allocations.
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl P9 {
    /// A device that a guest mounts by `tag` (`mount -t 9p -o trans=virtio TAG DIR`), cut to
    /// 65535 bytes. Until it gets a server, every request fails with ENODEV.
    pub fn new(tag: String) -> Self {
        let length = u16::try_from(tag.len()).unwrap_or(u16::MAX);
        let mut config = length.to_le_bytes().to_vec();
        config.extend_from_slice(&tag.as_bytes()[..length.into()]);
        Self { tag, config, server: None, request: Vec::new(), reply: Vec::new() }
    }

    /// Sets who answers from now on.
    pub fn set_server(&mut self, server: Box<dyn P9Server>) {
        self.server = Some(server);
    }

    /// Makes the answer to one chain in `self.reply`.
    fn answer(&mut self, chain: &Chain, context: &mut Context<'_>) -> Result<(), DriverError> {
        self.request.clear();
        self.reply.clear();
        let whole = chain.gather(context.memory, MAX_REQUEST, &mut self.request)?;
        let Some(header) = self.request.first_chunk::<HEADER_LENGTH>() else {
            return Err(DriverError::ChainTooShort);
        };
        let tag = [header[5], header[6]];
        match &mut self.server {
            _ if !whole => self.reply = error_reply(tag, EMSGSIZE),
            None => self.reply = error_reply(tag, ENODEV),
            Some(server) => server.handle(&self.request, &mut self.reply),
        }
        if self.reply.len() > chain.room() {
            self.reply = error_reply(tag, EMSGSIZE);
        }
        if self.reply.len() > chain.room() { Err(DriverError::ChainTooShort) } else { Ok(()) }
    }
}

/// `size[4] Rlerror tag[2] ecode[4]`
fn error_reply(tag: [u8; 2], errno: u32) -> Vec<u8> {
    let mut reply = vec![0; 4];
    reply.push(RLERROR);
    reply.extend_from_slice(&tag);
    reply.extend_from_slice(&errno.to_le_bytes());
    let length = reply.len() as u32;
    reply[..4].copy_from_slice(&length.to_le_bytes());
    reply
}

impl VirtioDevice for P9 {
    type State = P9State;

    const ID: u32 = 9;

    fn features(&self) -> u64 {
        MOUNT_TAG
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE]
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
        queues[index].serve(context, |chain, context| {
            self.answer(chain, context)?;
            chain.scatter(context.memory, &self.reply)
        })
    }

    fn save(&self) -> P9State {
        P9State { tag: self.tag.clone() }
    }

    fn restore(&mut self, state: P9State) -> Result<(), InvalidState> {
        if state.tag != self.tag {
            return Err(InvalidState("mount tag of the 9p device"));
        }
        Ok(())
    }
}

impl Devices {
    /// Sets who answers the guest's 9p requests.
    pub fn set_p9_server(&mut self, server: Box<dyn P9Server>) {
        self.with(|device: &mut VirtioMmio<P9>| device.device_mut().set_server(server));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::MmioDevice;
    use crate::devices::virtio::test_driver::{Driver, Part};

    const TVERSION: [u8; 7] = [7, 0, 0, 0, 100, 0xff, 0xfe];

    /// Answers with the request, doubled.
    struct Doubler;

    impl P9Server for Doubler {
        fn handle(&mut self, request: &[u8], reply: &mut Vec<u8>) {
            reply.extend_from_slice(request);
            reply.extend_from_slice(request);
        }
    }

    fn driver() -> Driver<P9> {
        Driver::start(P9::new("host".into()), MOUNT_TAG)
    }

    fn with_server() -> Driver<P9> {
        let mut driver = driver();
        driver.mmio.device_mut().set_server(Box::new(Doubler));
        driver
    }

    fn ask(driver: &mut Driver<P9>, parts: &[Part]) -> Vec<u8> {
        let head = driver.post(0, parts);
        driver.notify(0);
        let (used, reply) = driver.take_used(0).expect("an answer");
        assert_eq!(used, head);
        reply
    }

    #[test]
    fn the_tag_is_in_the_configuration() {
        let mut driver = driver();
        let bytes: Vec<_> = (0..7).map(|offset| driver.read_config(offset, 1) as u8).collect();
        assert_eq!(bytes, b"\x04\0host\0");
    }

    #[test]
    fn without_a_server_there_is_no_device() {
        let reply = ask(&mut driver(), &[Part::Read(TVERSION.to_vec()), Part::Write(100)]);
        assert_eq!(reply, [11, 0, 0, 0, RLERROR, 0xff, 0xfe, 19, 0, 0, 0]);
    }

    #[test]
    fn a_server_gets_the_whole_request_and_fills_split_room() {
        let mut driver = with_server();
        let parts =
            [Part::Read(TVERSION[..3].to_vec()), Part::Read(TVERSION[3..].to_vec())].into_iter();
        let parts: Vec<_> = parts.chain([Part::Write(11), Part::Write(4096)]).collect();
        assert_eq!(ask(&mut driver, &parts), TVERSION.repeat(2));
    }

    #[test]
    fn a_reply_over_the_room_becomes_an_error() {
        let reply = ask(&mut with_server(), &[Part::Read(TVERSION.to_vec()), Part::Write(13)]);
        assert_eq!(reply[4..8], [RLERROR, 0xff, 0xfe, EMSGSIZE as u8]);
    }

    #[test]
    fn a_request_over_the_limit_becomes_an_error() {
        let parts = [Part::Read(vec![1; MAX_REQUEST]), Part::Read(vec![1]), Part::Write(11)];
        assert_eq!(ask(&mut with_server(), &parts)[4..8], [RLERROR, 1, 1, EMSGSIZE as u8]);
    }

    #[test]
    fn no_header_or_no_room_is_the_drivers_error() {
        for parts in
            [[Part::Read(vec![0; 6]), Part::Write(100)], [Part::Read(vec![0; 7]), Part::Write(10)]]
        {
            let mut driver = driver();
            driver.post(0, &parts);
            driver.notify(0);
            driver.assert_needs_reset(DriverError::ChainTooShort);
        }
    }

    #[test]
    fn a_restored_device_answers_what_was_posted_before() {
        let mut driver = with_server();
        let head = driver.post(0, &[Part::Read(TVERSION.to_vec()), Part::Write(14)]);
        driver.save_and_restore(P9::new("host".into()));
        driver.mmio.device_mut().set_server(Box::new(Doubler));
        driver.notify(0);
        assert_eq!(driver.take_used(0), Some((head, TVERSION.repeat(2))));
        let state = driver.mmio.save();
        assert!(VirtioMmio::new(P9::new("x".into())).restore(&state).is_err());
    }
}
