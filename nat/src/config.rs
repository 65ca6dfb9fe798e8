//! The guest's network, and what it may cost.

use crate::packet::{Mac, Packet};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the guest's network is like.
#[derive(Clone, Debug)]
pub struct Config {
    /// The gateway's hardware address, which all frames for the guest come from.
    pub mac: Mac,
    /// The guest's, until it has sent a frame: a first connection to it is lost with a wrong one.
    pub guest_mac: Mac,
    /// IPv4 addresses.
    pub ipv4: Network<Ipv4Addr>,
    /// IPv6 addresses; without, the guest's IPv6 packets are dropped.
    pub ipv6: Option<Network<Ipv6Addr>>,
    /// What sequence numbers and the ports of [`crate::Nat::open`] depend on. It is to differ from
    /// start to start, and never to come from a snapshot.
    pub seed: u64,
    /// Bounds of what the guest can make this keep.
    pub limits: Limits,
}

/// Addresses of one family.
#[derive(Clone, Copy, Debug)]
pub struct Network<Address> {
    /// The guest's. Packets from any other are dropped.
    pub guest: Address,
    /// How many bits of it are the network's.
    pub prefix: u8,
    /// Answers pings. Connections and datagrams to it are events as any other.
    pub gateway: Address,
    /// The name server: datagrams to its port 53 become [`crate::Event::Question`].
    pub dns: Address,
}

/// Bounds of what the guest can make this keep.
#[derive(Clone, Debug)]
pub struct Limits {
    /// TCP flows, with those whose end has not been told yet; the next SYN is answered with an RST.
    /// The first 32 have buffers of 256 KiB in each direction, the next to the 256th 64 KiB, others
    /// 32 KiB.
    pub flows: usize,
    /// Those among them that wait for [`crate::Nat::accept`]; further SYNs are dropped, and the
    /// guest repeats them.
    pub waiting: usize,
    /// Datagrams that wait for the guest; the newest are dropped.
    pub datagrams: usize,
    /// Datagrams, questions and echo requests that wait for [`crate::Nat::event`]; the newest are
    /// dropped.
    pub events: usize,
    /// Bytes of data in them.
    pub event_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { flows: 1024, waiting: 128, datagrams: 64, events: 1024, event_bytes: 4 << 20 }
    }
}

impl Default for Network<Ipv4Addr> {
    /// 10.0.2.15/24, gateway 10.0.2.2, name server 10.0.2.3.
    fn default() -> Self {
        let host = |host| Ipv4Addr::new(10, 0, 2, host);
        Self { guest: host(15), prefix: 24, gateway: host(2), dns: host(3) }
    }
}

impl Default for Network<Ipv6Addr> {
    /// fd00::15/64, gateway fd00::2, name server fd00::3.
    fn default() -> Self {
        let host = |host| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host);
        Self { guest: host(0x15), prefix: 64, gateway: host(2), dns: host(3) }
    }
}

impl Default for Config {
    /// IPv4 only, seed 0.
    fn default() -> Self {
        Self {
            mac: [2, 0, 0, 0, 0, 2],
            guest_mac: [2, 0, 0, 0, 0, 1],
            ipv4: Network::default(),
            ipv6: None,
            seed: 0,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// The guest's address in the family of `other`, if it has one.
    pub(crate) fn guest_beside(&self, other: IpAddr) -> Option<IpAddr> {
        self.beside(other, |network| network.guest, |network| network.guest)
    }

    /// The gateway's address in the family of `other`.
    pub(crate) fn gateway_beside(&self, other: IpAddr) -> Option<IpAddr> {
        self.beside(other, |network| network.gateway, |network| network.gateway)
    }

    /// The name server's address in the family of `other`.
    pub(crate) fn dns_beside(&self, other: IpAddr) -> Option<IpAddr> {
        self.beside(other, |network| network.dns, |network| network.dns)
    }

    fn beside(
        &self,
        other: IpAddr,
        ipv4: impl Fn(&Network<Ipv4Addr>) -> Ipv4Addr,
        ipv6: impl Fn(&Network<Ipv6Addr>) -> Ipv6Addr,
    ) -> Option<IpAddr> {
        match other {
            IpAddr::V4(_) => Some(ipv4(&self.ipv4).into()),
            IpAddr::V6(_) => self.ipv6.as_ref().map(|network| ipv6(network).into()),
        }
    }

    pub(crate) fn is_from_guest(&self, packet: &Packet) -> bool {
        self.guest_beside(packet.to) == Some(packet.from)
    }

    /// Whether the address answers by itself.
    pub(crate) fn is_ours(&self, address: IpAddr) -> bool {
        [self.gateway_beside(address), self.dns_beside(address)].contains(&Some(address))
    }

    /// Whether packets between the guest and this address make sense: it is one host's, and not the
    /// guest's. An IPv4 address in the form of an IPv6 one (RFC 4291, 2.5.5) does not belong on a
    /// wire, and would be a second name for what a driver refuses.
    pub(crate) fn may_be_reached(&self, address: IpAddr) -> bool {
        let one_host = match address {
            IpAddr::V4(address) => {
                let hosts = u32::MAX.checked_shr(self.ipv4.prefix.into()).unwrap_or(0);
                let everybody = u32::from(self.ipv4.guest) | hosts;
                // Two hosts on a line have no broadcast (RFC 3021).
                let broadcast = hosts > 1 && u32::from(address) == everybody;
                !broadcast && !address.is_multicast() && !address.is_broadcast()
            }
            IpAddr::V6(address) => !address.is_multicast() && address.to_ipv4_mapped().is_none(),
        };
        let guest = self.guest_beside(address);
        one_host && !address.is_unspecified() && guest.is_some_and(|guest| guest != address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_reached() {
        let config = Config { ipv6: Some(Network::default()), ..Config::default() };
        let may = |address: &str| config.may_be_reached(address.parse().expect("an address"));
        for address in ["10.0.2.2", "10.0.2.0", "1.1.1.1", "127.0.0.1", "fd00::2", "2001:db8::1"] {
            assert!(may(address), "{address}");
        }
        for address in [
            "10.0.2.15",
            "10.0.2.255",
            "255.255.255.255",
            "0.0.0.0",
            "224.0.0.1",
            "fd00::15",
            "::",
            "ff02::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(!may(address), "{address}");
        }
        let without = Config::default();
        assert!(!without.may_be_reached(Ipv6Addr::LOCALHOST.into()));
    }
}
