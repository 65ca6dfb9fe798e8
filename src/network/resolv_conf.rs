//! The name servers of this host: resolv.conf(5).

use c2w_network::HostNetwork;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

const FILE: &str = "/etc/resolv.conf";
const PORT: u16 = 53;

/// What this host knows of its networks.
pub fn host_network() -> HostNetwork {
    let text = fs::read(FILE).unwrap_or_default();
    HostNetwork { ipv6: super::sockets::reaches_ipv6(), ..parse(&String::from_utf8_lossy(&text)) }
}

/// Servers and search domains; without a server, the local one is asked. A later `search` or
/// `domain` replaces one before.
fn parse(text: &str) -> HostNetwork {
    let mut host = HostNetwork::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") => host.name_servers.extend(words.next().and_then(server)),
            Some("search" | "domain") => {
                host.search = words.map(|domain| domain.as_bytes().to_vec()).collect();
            }
            _ => {}
        }
    }
    if host.name_servers.is_empty() {
        host.name_servers.push((Ipv4Addr::LOCALHOST, PORT).into());
    }
    host
}

/// An address, which may have a zone: `fe80::1%eth0`.
fn server(text: &str) -> Option<SocketAddr> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(a, zone)| (a, Some(zone)));
    match (address.parse().ok()?, zone) {
        (IpAddr::V6(address), Some(zone)) => {
            let scope = interface_index(zone)?;
            Some(SocketAddrV6::new(address, PORT, 0, scope).into())
        }
        (address, _) => Some(SocketAddr::new(address, PORT)),
    }
}

fn interface_index(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let text = fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_domains_are_read() {
        let host = parse(
            "# a comment\nnameserver 192.0.2.1\n nameserver 2001:db8::53\nnameserver x\n\
             search a.example\nsearch b.example c.example\noptions edns0\nnameserver fe80::1%7\n",
        );
        let servers: Vec<_> = host.name_servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::53]:53", "[fe80::1%7]:53"]);
        assert_eq!(host.search, [b"b.example".to_vec(), b"c.example".to_vec()]);
    }

    #[test]
    fn without_a_server_the_local_one_is_asked() {
        assert_eq!(parse("").name_servers, [SocketAddr::from(([127, 0, 0, 1], 53))]);
    }
}
