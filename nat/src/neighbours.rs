//! Who has which address on the guest's network: the gateway has all but the guest's, so that
//! whatever the guest believes to be beside it is reached through us, too.

use crate::packet::{Header, Link, Packet, array, ethertype};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ethernet and IPv4, addresses of 6 and 4 bytes, a request (RFC 826).
const ARP_REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
const ARP_REPLY: u8 = 2;

/// The answer to an ARP request. Announcements (RFC 5227, 3) and probes, which ask whether the
/// guest's own address is taken, have none.
pub fn arp_reply(link: Link, guest: Ipv4Addr, request: &[u8]) -> Option<Vec<u8>> {
    let sender_and_address: [u8; 10] = array(request, 8)?;
    let sender = Ipv4Addr::from(array::<4>(request, 14)?);
    let target = Ipv4Addr::from(array::<4>(request, 24)?);
    let is_request = request.starts_with(&ARP_REQUEST);
    let has_owner = !target.is_unspecified() && !target.is_multicast() && !target.is_broadcast();
    if !is_request || !has_owner || target == guest || target == sender || sender.is_unspecified() {
        return None;
    }
    let mut reply = link.header(ethertype::ARP).to_vec();
    reply.extend_from_slice(&ARP_REQUEST[..7]);
    reply.push(ARP_REPLY);
    reply.extend_from_slice(&link.gateway);
    reply.extend_from_slice(&target.octets());
    reply.extend_from_slice(&sender_and_address);
    Some(reply)
}

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// We are a router, are asked, and know better than what was known before.
const ROUTER_SOLICITED_OVERRIDE: u8 = 0xe0;
/// The option with the target's hardware address, of 8 bytes.
const TARGET_LINK_LAYER_ADDRESS: [u8; 2] = [2, 1];
/// Neighbour discovery is between neighbours: a router would have counted down.
const NO_ROUTER_PASSED: u8 = 255;

/// The answer to a neighbour solicitation (RFC 4861, 4.3 and 4.4). Those that look for duplicates
/// of the guest's own addresses have none.
pub fn advertisement(link: Link, guest: Ipv6Addr, packet: &Packet) -> Option<Vec<u8>> {
    let IpAddr::V6(from) = packet.from else { return None };
    let [kind, code] = array(packet.payload, 0)?;
    let target = Ipv6Addr::from(array::<16>(packet.payload, 8)?);
    let right = kind == SOLICITATION && code == 0 && packet.hop_limit == NO_ROUTER_PASSED;
    let has_owner = !target.is_unspecified() && !target.is_multicast();
    let has_sender = !from.is_unspecified() && !from.is_multicast();
    if !right || !has_owner || !has_sender || target == guest || target == from {
        return None;
    }
    let header = Header {
        from: target.into(),
        to: packet.from,
        protocol: packet.protocol,
        hop_limit: NO_ROUTER_PASSED,
        checksum_at: 2,
    };
    let advertisement = [ADVERTISEMENT, 0, 0, 0, ROUTER_SOLICITED_OVERRIDE, 0, 0, 0];
    let parts = [&advertisement[..], &target.octets(), &TARGET_LINK_LAYER_ADDRESS, &link.gateway];
    header.frame(link, &parts)
}
