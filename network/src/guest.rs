//! What the guest is told of its network.

use crate::user::HostNetwork;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_guest_abi::{HostName, InterfaceAddress, Network};
use c2w_nat::dhcp::Lease;
use c2w_nat::{Config, MTU};
use c2w_session::options::{HostAddress, NetworkOptions};
use core::net::IpAddr;

/// The MTU of a network that says nothing of its own: Ethernet's.
const ETHERNET_MTU: u16 = 1500;

/// How the guest is to set its interface up in a network of a [`c2w_nat::Nat`].
pub fn network(options: &NetworkOptions, host: &HostNetwork, config: &Config) -> Network {
    let (ipv4, ipv6) = (&config.ipv4, config.ipv6.as_ref());
    let address = InterfaceAddress { address: ipv4.guest.into(), prefix: ipv4.prefix };
    let address6 =
        ipv6.map(|ipv6| InterfaceAddress { address: ipv6.guest.into(), prefix: ipv6.prefix });
    let gateway = IpAddr::from(ipv4.gateway);
    Network {
        mac: options.mac,
        mtu: MTU as u16,
        addresses: [address].into_iter().chain(address6).collect(),
        gateways: [gateway].into_iter().chain(ipv6.map(|it| it.gateway.into())).collect(),
        name_servers: unless_given(&options.name_servers, &[ipv4.dns.into()]),
        search: unless_given(&options.search, &host.search),
        hosts: options.hosts.iter().map(|host| name(host, gateway)).collect(),
    }
}

/// How the guest is to set its interface up in a network that has given it an address.
///
/// # Errors
/// When something is asked for that the network does not have: what, for people.
pub fn of_lease(options: &NetworkOptions, lease: &Lease) -> Result<Network, String> {
    let gateway = lease.router.map(IpAddr::from);
    let is_gateway = |(_, address): &(_, HostAddress)| *address == HostAddress::HostGateway;
    if gateway.is_none() && options.hosts.iter().any(is_gateway) {
        return Err("host-gateway: this network has no gateway".into());
    }
    let name_servers: Vec<IpAddr> = lease.name_servers.iter().map(|&ip| ip.into()).collect();
    let hosts = options.hosts.iter();
    Ok(Network {
        mac: options.mac,
        mtu: lease.mtu.unwrap_or(ETHERNET_MTU).min(MTU as u16),
        addresses: Vec::from([InterfaceAddress {
            address: lease.address.into(),
            prefix: lease.prefix,
        }]),
        gateways: gateway.into_iter().collect(),
        name_servers: unless_given(&options.name_servers, &name_servers),
        search: unless_given(&options.search, &lease.search),
        hosts: hosts.map(|host| name(host, gateway.unwrap_or(lease.address.into()))).collect(),
    })
}

fn unless_given<T: Clone>(given: &[T], otherwise: &[T]) -> Vec<T> {
    if given.is_empty() { otherwise.to_vec() } else { given.to_vec() }
}

fn name((name, address): &(Vec<u8>, HostAddress), gateway: IpAddr) -> HostName {
    let address = match *address {
        HostAddress::Address(address) => address,
        HostAddress::HostGateway => gateway,
    };
    HostName { name: name.clone(), address }
}
