//! Messages (RFC 2131, 2). smoltcp has their format, too, but only along with Ethernet, which would
//! give each flow's interface a table of neighbours.

use crate::packet::{Link, Mac, array};
use crate::udp;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

/// The ports of UDP, RFC 2131 4.1.
pub const SERVER_PORT: u16 = 67;
pub const CLIENT_PORT: u16 = 68;

/// Who sends it: the field `op`.
pub mod operation {
    pub const REQUEST: u8 = 1;
    pub const REPLY: u8 = 2;
}

/// The option of the same name, RFC 2132 9.6.
pub mod message_type {
    pub const DISCOVER: u8 = 1;
    pub const OFFER: u8 = 2;
    pub const REQUEST: u8 = 3;
    pub const ACK: u8 = 5;
    pub const NAK: u8 = 6;
    pub const INFORM: u8 = 8;
}

/// Codes of options: RFC 2132, and the search list of RFC 3397.
pub mod option {
    pub const PAD: u8 = 0;
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const NAME_SERVERS: u8 = 6;
    pub const DOMAIN_NAME: u8 = 15;
    pub const MTU: u8 = 26;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER: u8 = 54;
    pub const PARAMETERS: u8 = 55;
    pub const SEARCH: u8 = 119;
    pub const END: u8 = 255;
}

/// `htype` and `hlen` of Ethernet.
const ETHERNET: [u8; 2] = [1, 6];
/// The topmost bit of `flags`.
const BROADCAST: u8 = 0x80;
/// Of options, in front of them.
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Where fields are.
const TRANSACTION: usize = 4;
const FLAGS: usize = 10;
const CLIENT_ADDRESS: usize = 12;
const YOUR_ADDRESS: usize = 16;
const RELAY_ADDRESS: usize = 24;
const HARDWARE: usize = 28;
const SERVER_NAME: usize = 44;
const FILE: usize = 108;
const COOKIE: usize = 236;
const OPTIONS: usize = 240;
/// BOOTP's messages have 64 bytes behind the fields (RFC 951, 3); some servers drop shorter ones.
const SHORTEST: usize = 300;

/// The fields in use.
pub struct Fields {
    pub operation: u8,
    /// `xid`.
    pub transaction: u32,
    pub broadcast: bool,
    /// `ciaddr`: the client's, which it has already.
    pub client: Ipv4Addr,
    /// `yiaddr`: what it is given.
    pub your: Ipv4Addr,
    /// `chaddr`.
    pub hardware: Mac,
}

impl Fields {
    /// The frame of a message with these options.
    pub fn frame(
        &self,
        link: Link,
        from: impl Into<SocketAddr>,
        to: impl Into<SocketAddr>,
        options: &[(u8, &[u8])],
    ) -> Option<Vec<u8>> {
        let mut message = Vec::with_capacity(SHORTEST);
        message.push(self.operation);
        message.extend_from_slice(&ETHERNET);
        message.resize(OPTIONS, 0);
        let mut put = |at: usize, bytes: &[u8]| message[at..][..bytes.len()].copy_from_slice(bytes);
        put(TRANSACTION, &self.transaction.to_be_bytes());
        put(FLAGS, &[if self.broadcast { BROADCAST } else { 0 }]);
        put(CLIENT_ADDRESS, &self.client.octets());
        put(YOUR_ADDRESS, &self.your.octets());
        put(HARDWARE, &self.hardware);
        put(COOKIE, &MAGIC_COOKIE);
        for &(code, data) in options {
            message.extend_from_slice(&[code, u8::try_from(data.len()).ok()?]);
            message.extend_from_slice(data);
        }
        message.push(option::END);
        message.resize(message.len().max(SHORTEST), option::PAD);
        udp::frame(link, from.into(), to.into(), &message)
    }
}

/// A message that came.
pub struct Message<'a> {
    pub fields: Fields,
    /// `giaddr`.
    pub relay: Ipv4Addr,
    /// Where options are: more than one with the option that says so (RFC 2132, 9.3).
    areas: [&'a [u8]; 3],
}

impl<'a> Message<'a> {
    /// `None` when it is not of Ethernet, not DHCP, or has an option that is longer than its place.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [operation, ethernet @ ..] = array::<3>(bytes, 0)?;
        if ethernet != ETHERNET || array(bytes, COOKIE)? != MAGIC_COOKIE {
            return None;
        }
        let address = |at| array::<4>(bytes, at).map(Ipv4Addr::from);
        let fields = Fields {
            operation,
            transaction: u32::from_be_bytes(array(bytes, TRANSACTION)?),
            broadcast: bytes[FLAGS] & BROADCAST != 0,
            client: address(CLIENT_ADDRESS)?,
            your: address(YOUR_ADDRESS)?,
            hardware: array(bytes, HARDWARE)?,
        };
        let areas = [&bytes[OPTIONS..], &[], &[]];
        let mut message = Self { fields, relay: address(RELAY_ADDRESS)?, areas };
        let [overload] = message.array(option::OVERLOAD).unwrap_or([0]);
        if overload & 1 != 0 {
            message.areas[1] = &bytes[FILE..COOKIE];
        }
        if overload & 2 != 0 {
            message.areas[2] = &bytes[SERVER_NAME..FILE];
        }
        message
            .areas
            .iter()
            .flat_map(|area| Options(area))
            .all(|option| option.is_some())
            .then_some(message)
    }

    /// What is in an option. One that comes in parts is put together (RFC 3396, 7).
    pub fn option(&self, code: u8) -> Option<Vec<u8>> {
        let options = self.areas.iter().flat_map(|area| Options(area)).flatten();
        let parts = options.filter(|option| option.0 == code).map(|option| option.1);
        parts.fold(None, |whole: Option<Vec<u8>>, part| {
            let mut whole = whole.unwrap_or_default();
            whole.extend_from_slice(part);
            Some(whole)
        })
    }

    /// The same, if it has this length.
    pub fn array<const N: usize>(&self, code: u8) -> Option<[u8; N]> {
        self.option(code)?.try_into().ok()
    }

    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.array::<4>(code).map(Ipv4Addr::from)
    }

    /// The addresses in an option that has at least one.
    pub fn addresses(&self, code: u8) -> Vec<Ipv4Addr> {
        let bytes = self.option(code).unwrap_or_default();
        bytes.as_chunks::<4>().0.iter().map(|&octets| octets.into()).collect()
    }

    pub fn message_type(&self) -> Option<u8> {
        self.array(option::MESSAGE_TYPE).map(|[message_type]| message_type)
    }
}

/// The options of an area: code and data, or `None` for one that is longer than the rest, the last.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = Option<(u8, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        while let [option::PAD, rest @ ..] = self.0 {
            self.0 = rest;
        }
        let (&code, rest) = self.0.split_first()?;
        if code == option::END {
            return None;
        }
        let whole =
            rest.split_first().and_then(|(&length, rest)| rest.split_at_checked(length.into()));
        self.0 = whole.map_or(&[], |(_, rest)| rest);
        Some(whole.map(|(data, _)| (code, data)))
    }
}
