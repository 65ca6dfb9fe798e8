//! The server: one client, one address, for ever.

use super::message::{CLIENT_PORT, Fields, Message, SERVER_PORT, message_type, operation, option};
use crate::config::Config;
use crate::packet::{BROADCAST_MAC, Link, MTU, Packet};
use crate::udp;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddrV4};

const FOR_EVER: u32 = u32::MAX;

/// Whether a packet of the guest is for the server. It then goes nowhere else, whatever is in it.
pub fn is_question(config: &Config, packet: &Packet) -> bool {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (packet.from, packet.to) else { return false };
    (from.is_unspecified() || from == config.ipv4.guest)
        && (to.is_broadcast() || to == config.ipv4.gateway)
        && udp::parse(packet).is_some_and(|(_, to, _)| to == SERVER_PORT)
}

/// The frame that answers it, if it is a question and not for another server (RFC 2131, 4.3).
pub fn answer(config: &Config, link: Link, packet: &Packet) -> Option<Vec<u8>> {
    let question = Message::parse(udp::parse(packet)?.2)?;
    let fields = &question.fields;
    let guest = config.ipv4.guest;
    // There is no relay on this wire, and no group has one address.
    let is_from_client = question.relay.is_unspecified() && fields.hardware[0] & 1 == 0;
    if fields.operation != operation::REQUEST || !is_from_client {
        return None;
    }
    if question.address(option::SERVER).is_some_and(|server| server != config.ipv4.gateway) {
        return None;
    }
    let answer = match question.message_type()? {
        message_type::DISCOVER => Answer::Offer,
        message_type::REQUEST => {
            let has = Some(fields.client).filter(|address| !address.is_unspecified());
            match question.address(option::REQUESTED_ADDRESS).or(has)? == guest {
                true => Answer::Ack,
                false => Answer::Nak,
            }
        }
        message_type::INFORM if fields.client == guest => Answer::Parameters,
        _ => return None,
    };
    answer.frame(config, link, fields)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Offer,
    Ack,
    Nak,
    /// To a client that has its address from elsewhere.
    Parameters,
}

impl Answer {
    /// RFC 2131, 4.3.1, table 3.
    fn frame(self, config: &Config, link: Link, question: &Fields) -> Option<Vec<u8>> {
        let network = &config.ipv4;
        let gateway = network.gateway.octets();
        let host_bits = u32::BITS.saturating_sub(network.prefix.into());
        let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0).to_be_bytes();
        let (dns, mtu, lease) =
            (network.dns.octets(), (MTU as u16).to_be_bytes(), FOR_EVER.to_be_bytes());
        let message_type = [match self {
            Self::Offer => message_type::OFFER,
            Self::Ack | Self::Parameters => message_type::ACK,
            Self::Nak => message_type::NAK,
        }];
        let options: [(u8, &[u8]); 7] = [
            (option::MESSAGE_TYPE, &message_type),
            (option::SERVER, &gateway),
            (option::SUBNET_MASK, &mask),
            (option::ROUTER, &gateway),
            (option::NAME_SERVERS, &dns),
            (option::MTU, &mtu),
            (option::LEASE_TIME, &lease),
        ];
        let (client, your, options) = match self {
            Self::Offer => (Ipv4Addr::UNSPECIFIED, network.guest, &options[..]),
            Self::Ack => (question.client, network.guest, &options[..]),
            Self::Nak => (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, &options[..2]),
            Self::Parameters => (question.client, Ipv4Addr::UNSPECIFIED, &options[..6]),
        };
        // RFC 2131, 4.1: a client that has its address is reached by it, one that is refused has
        // none. The hardware address is the message's, which need not be the frame's.
        let to_all = self == Self::Nak || (question.broadcast && client.is_unspecified());
        let (mac, to) = match to_all {
            true => (BROADCAST_MAC, Ipv4Addr::BROADCAST),
            false => (question.hardware, network.guest),
        };
        let from = SocketAddrV4::new(network.gateway, SERVER_PORT);
        let to = SocketAddrV4::new(to, CLIENT_PORT);
        let operation = operation::REPLY;
        let (transaction, broadcast, hardware) =
            (question.transaction, question.broadcast, question.hardware);
        Fields { operation, transaction, broadcast, client, your, hardware }.frame(
            Link { guest: mac, ..link },
            from,
            to,
            options,
        )
    }
}
