//! What the guest is told of its network.

use crate::HostNetwork;
use alloc::vec::Vec;
use c2w_guest_abi::{HostName, InterfaceAddress, Network};
use c2w_nat::{Config, MTU};
use c2w_session::options::{HostAddress, NetworkOptions};

/// How the guest is to set its interface up.
pub fn network(options: &NetworkOptions, host: &HostNetwork, config: &Config) -> Network {
    let (ipv4, ipv6) = (&config.ipv4, config.ipv6.iter());
    let mut addresses =
        Vec::from([InterfaceAddress { address: ipv4.guest.into(), prefix: ipv4.prefix }]);
    addresses.extend(
        ipv6.clone()
            .map(|ipv6| InterfaceAddress { address: ipv6.guest.into(), prefix: ipv6.prefix }),
    );
    let hosts = options.hosts.iter().map(|(name, address)| HostName {
        name: name.clone(),
        address: match *address {
            HostAddress::Address(address) => address,
            HostAddress::HostGateway => ipv4.gateway.into(),
        },
    });
    let own = |given: bool| if given { Vec::new() } else { Vec::from([ipv4.dns.into()]) };
    let mut name_servers = own(!options.name_servers.is_empty());
    name_servers.extend(&options.name_servers);
    let search = if options.search.is_empty() { &host.search } else { &options.search };
    Network {
        mac: options.mac,
        mtu: MTU as u16,
        addresses,
        gateways: [ipv4.gateway.into()]
            .into_iter()
            .chain(ipv6.map(|it| it.gateway.into()))
            .collect(),
        name_servers,
        search: search.clone(),
        hosts: hosts.collect(),
    }
}
