//! Where the container may connect to, and what the host calls that place.

use alloc::vec::Vec;
use c2w_nat::{Config, Refusal};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port of name servers.
pub const DNS_PORT: u16 = 53;

/// Addresses at which the machines of clouds tell secrets to whoever asks, beside the link-local
/// ones and Amazon's over IPv6: Google's, Oracle's, Scaleway's, Alibaba's, Azure's.
const METADATA: [IpAddr; 5] = [
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// Where the container may connect to.
pub struct Policy {
    /// Whether the gateway stands for this host's loopback.
    pub host_gateway: bool,
    /// The host's name servers.
    name_servers: Vec<SocketAddr>,
    /// Which of them is asked.
    asked: usize,
    /// The container's network.
    config: Config,
}

impl Policy {
    /// A policy that asks the first of the host's name servers.
    pub fn new(host_gateway: bool, name_servers: Vec<SocketAddr>, config: Config) -> Self {
        Self { host_gateway, name_servers, asked: 0, config }
    }

    /// The name server of the host that is asked, if there are any.
    pub fn name_server(&self) -> Option<SocketAddr> {
        self.name_servers.get(self.asked).copied()
    }

    /// From now on the next one is asked.
    pub fn next_name_server(&mut self) {
        self.asked = (self.asked + 1) % self.name_servers.len().max(1);
    }

    /// Whether an answer may come from there.
    pub fn is_hosts_name_server(&self, address: SocketAddr) -> bool {
        let same =
            |server: &SocketAddr| (server.ip(), server.port()) == (address.ip(), address.port());
        self.name_servers.iter().any(same)
    }

    /// What the host is to connect to when the container connects to `to`.
    ///
    /// # Errors
    /// When it must not.
    pub fn destination(&self, to: SocketAddr) -> Result<SocketAddr, Refusal> {
        let ip = to.ip();
        if self.is_name_server(ip) {
            let server = self.name_server().filter(|_| to.port() == DNS_PORT);
            return server.ok_or(Refusal::Reset);
        }
        if self.is_gateway(ip) {
            let host = SocketAddr::new(loopback(ip), to.port());
            return if self.host_gateway { Ok(host) } else { Err(Refusal::Reset) };
        }
        if self.is_inside(ip) {
            return Err(Refusal::HostUnreachable);
        }
        if is_forbidden(ip) { Err(Refusal::Prohibited) } else { Ok(to) }
    }

    /// What the container knows a peer of the host by.
    pub fn source(&self, from: SocketAddr) -> SocketAddr {
        let ip = from.ip();
        if ip.is_loopback() { SocketAddr::new(self.gateway(ip), from.port()) } else { from }
    }

    /// The gateway, in an address family.
    pub fn gateway(&self, family: IpAddr) -> IpAddr {
        match (family, &self.config.ipv6) {
            (IpAddr::V6(_), Some(network)) => network.gateway.into(),
            _ => self.config.ipv4.gateway.into(),
        }
    }

    fn is_gateway(&self, ip: IpAddr) -> bool {
        self.gateway(ip) == ip
    }

    fn is_name_server(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.config.ipv4.dns == ip,
            IpAddr::V6(ip) => self.config.ipv6.is_some_and(|network| network.dns == ip),
        }
    }

    /// Whether the address is one of the container's own network, where nobody else is.
    fn is_inside(&self, ip: IpAddr) -> bool {
        match (ip, self.config.ipv6) {
            (IpAddr::V4(ip), _) => {
                let network = self.config.ipv4;
                let mask = u32::MAX.checked_shl(32 - u32::from(network.prefix)).unwrap_or(0);
                (u32::from(ip) ^ u32::from(network.guest)) & mask == 0
            }
            (IpAddr::V6(ip), Some(network)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(network.prefix)).unwrap_or(0);
                (u128::from(ip) ^ u128::from(network.guest)) & mask == 0
            }
            (IpAddr::V6(_), None) => false,
        }
    }
}

/// This host itself, in an address family.
fn loopback(family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Whether no container has business there, by whatever name: this host's loopback, what is only on
/// its wire (where clouds have their metadata), and no one host.
fn is_forbidden(ip: IpAddr) -> bool {
    let ip = hidden_ipv4(ip).unwrap_or(ip);
    let special = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.segments()[..2] == [0xfd00, 0xec2],
    };
    special
        || ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || METADATA.contains(&ip)
}

/// The IPv4 address that an IPv6 one stands for: mapped and compatible ones (RFC 4291, 2.5.5), and
/// those of translators (RFC 6052, RFC 8215) and 6to4 (RFC 3056), which the host's network may know.
fn hidden_ipv4(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(ip) = ip else { return None };
    if ip == Ipv6Addr::LOCALHOST || ip.is_unspecified() {
        return None;
    }
    let [a, b, c, d, e, f, high, low] = ip.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        [0x64, 0xff9b, 1, ..] => Some(join(high, low).into()),
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(join(high, low).into()),
        [0x2002, high, low, ..] => Some(join(high, low).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use c2w_nat::Network;

    fn policy(host_gateway: bool) -> Policy {
        let servers = vec!["127.0.0.53:53".parse().unwrap(), "192.0.2.53:53".parse().unwrap()];
        let config = Config { ipv6: Some(Network::default()), ..Config::default() };
        Policy::new(host_gateway, servers, config)
    }

    fn destination(policy: &Policy, to: &str) -> Result<SocketAddr, Refusal> {
        policy.destination(to.parse().unwrap())
    }

    #[test]
    fn others_are_what_they_are() {
        for to in ["1.1.1.1:443", "192.168.1.5:22", "10.0.3.1:80", "[2001:db8::1]:80"] {
            assert_eq!(destination(&policy(false), to), Ok(to.parse().unwrap()));
        }
    }

    #[test]
    fn this_host_and_its_wire_are_out_of_reach_by_any_name() {
        for to in [
            "127.0.0.1:80",
            "127.1.2.3:80",
            "0.0.0.0:80",
            "0.1.2.3:80",
            "169.254.169.254:80",
            "100.100.100.200:80",
            "168.63.129.16:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[::1]:80",
            "[::]:80",
            "[::ffff:127.0.0.1]:80",
            "[::127.0.0.1]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[64:ff9b:1::7f00:1]:80",
            "[fd20:ce::254]:80",
            "[fd00:ec2::23]:80",
            "[2002:7f00:1::]:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
            "[ff02::1]:80",
        ] {
            assert_eq!(destination(&policy(true), to), Err(Refusal::Prohibited), "{to}");
        }
    }

    #[test]
    fn the_gateway_is_the_host_if_that_is_wanted() {
        for (to, host) in [("10.0.2.2:8080", "127.0.0.1:8080"), ("[fd00::2]:8080", "[::1]:8080")] {
            assert_eq!(destination(&policy(true), to), Ok(host.parse().unwrap()));
            assert_eq!(destination(&policy(false), to), Err(Refusal::Reset));
            assert_eq!(policy(true).source(host.parse().unwrap()), to.parse().unwrap());
        }
        for to in ["10.0.2.4:80", "[fd00::4]:80"] {
            assert_eq!(destination(&policy(true), to), Err(Refusal::HostUnreachable));
        }
    }

    #[test]
    fn the_name_server_is_the_hosts() {
        let host = "127.0.0.53:53".parse().unwrap();
        assert_eq!(destination(&policy(false), "10.0.2.3:53"), Ok(host));
        assert_eq!(destination(&policy(false), "[fd00::3]:53"), Ok(host));
        assert_eq!(destination(&policy(false), "10.0.2.3:80"), Err(Refusal::Reset));
        let mut policy = policy(false);
        policy.next_name_server();
        assert_eq!(destination(&policy, "10.0.2.3:53"), Ok("192.0.2.53:53".parse().unwrap()));
        policy.next_name_server();
        assert_eq!(destination(&policy, "10.0.2.3:53"), Ok(host));
        assert!(policy.is_hosts_name_server(host));
        assert!(!policy.is_hosts_name_server("127.0.0.53:54".parse().unwrap()));
    }
}
