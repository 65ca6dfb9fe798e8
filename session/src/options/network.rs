//! The options about the network, in Docker's words.

use super::{UsageError, text, usage};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::ops::RangeInclusive;
use core::str::FromStr;

/// What the command line asks of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkOptions {
    /// The kind of network; without, what is usual where the container runs.
    pub mode: Option<NetworkMode>,
    /// Ports of the host that lead to the container's.
    pub publish: Vec<PublishedPort>,
    /// Whether those that the image exposes are published, too.
    pub publish_all: bool,
    /// In place of the host's name servers.
    pub name_servers: Vec<IpAddr>,
    /// In place of the host's search domains.
    pub search: Vec<Vec<u8>>,
    /// Names for /etc/hosts.
    pub hosts: Vec<(Vec<u8>, HostAddress)>,
    /// In place of the machine's Ethernet address.
    pub mac: Option<[u8; 6]>,
}

/// A kind of network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkMode {
    /// None: everything fails at once.
    None,
    /// Connections are made by the process that the container runs in, as that process's own.
    User,
    /// Frames go to a peer as QEMU's `-netdev stream` sends them.
    Qemu(Peer),
    /// The same, to whoever connects to a descriptor on which the runtime listens.
    Socket {
        /// Its number; without, the first on which it does.
        listener: Option<u32>,
    },
    /// Frames go through files of this directory to `c2w net-helper`.
    Directory(Vec<u8>),
}

/// Where somebody takes frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// At a port of a host, by name or address.
    Tcp {
        /// The host; an address of version 6 without brackets.
        host: String,
        /// The port, not 0.
        port: u16,
    },
    /// At a UNIX socket of this path.
    Unix(Vec<u8>),
}

/// The first descriptor that a runtime opens beside the standard streams.
const FIRST_DESCRIPTOR: u32 = 3;

/// A port of the host that leads to one of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// Where the host listens; port 0 is any that is free.
    pub host: SocketAddr,
    /// The container's port, not 0.
    pub container: u16,
    /// Of which protocol both are.
    pub protocol: Protocol,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What a name in /etc/hosts stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAddress {
    /// This address.
    Address(IpAddr),
    /// The host's own loopback, as the container sees it.
    HostGateway,
}

impl NetworkOptions {
    /// The name of an option that is for whoever makes the connections, if one was given.
    pub fn needs_user_network(&self) -> Option<&'static str> {
        let given = [(!self.publish.is_empty(), "--publish"), (self.publish_all, "--publish-all")];
        given.into_iter().find_map(|(is_given, name)| is_given.then_some(name))
    }

    /// The name of an option that makes no sense without a network, if one was given.
    pub fn needs_network(&self) -> Option<&'static str> {
        let given = [
            (!self.name_servers.is_empty(), "--dns"),
            (!self.search.is_empty(), "--dns-search"),
            (!self.hosts.is_empty(), "--add-host"),
            (self.mac.is_some(), "--mac-address"),
        ];
        let given = given.into_iter().find_map(|(is_given, name)| is_given.then_some(name));
        self.needs_user_network().or(given)
    }
}

pub(super) fn mode(value: &[u8]) -> Result<NetworkMode, UsageError> {
    let refuse = |why: &str| Err(usage(format_args!("--network {}: {why}", text(value))));
    let (kind, rest) = match value.iter().position(|&byte| byte == b'=') {
        Some(at) => (&value[..at], Some(&value[at + 1..])),
        None => (value, None),
    };
    match (kind, rest) {
        (b"none", None) => Ok(NetworkMode::None),
        (b"user" | b"bridge" | b"default", None) => Ok(NetworkMode::User),
        (b"socket", None) => Ok(NetworkMode::Socket { listener: None }),
        (b"socket", Some(listener)) => {
            let number = listener.strip_prefix(b"listenfd=").and_then(parsed);
            let number = number.filter(|number| *number >= FIRST_DESCRIPTOR);
            number.map_or_else(
                || refuse("write socket=listenfd=N, the number of a descriptor from 3 on"),
                |number| Ok(NetworkMode::Socket { listener: Some(number) }),
            )
        }
        (b"qemu", Some(at)) => {
            let peer = peer(at);
            peer.map_or_else(
                || refuse("write qemu=HOST:PORT or qemu=unix:PATH"),
                |peer| Ok(NetworkMode::Qemu(peer)),
            )
        }
        (b"dir", Some(path)) if !path.is_empty() => Ok(NetworkMode::Directory(path.to_vec())),
        _ => refuse(
            "there are user, which is Docker's bridge, none, qemu=HOST:PORT, qemu=unix:PATH, \
             dir=DIR and socket",
        ),
    }
}

/// `HOST:PORT`, an address of version 6 in brackets, or `unix:PATH`.
pub fn peer(text: &[u8]) -> Option<Peer> {
    if let Some(path) = text.strip_prefix(b"unix:") {
        return (!path.is_empty()).then(|| Peer::Unix(path.to_vec()));
    }
    let (host, port) = core::str::from_utf8(text).ok()?.rsplit_once(':')?;
    let port = port.parse().ok().filter(|&port: &u16| port != 0)?;
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_plain = !host.is_empty() && !host.contains([':', '[', ']']);
    let host = in_brackets.or(is_plain.then_some(host))?;
    Some(Peer::Tcp { host: host.into(), port })
}

/// What an image says that its programs listen on, `80/tcp` or `8000-8010`, to be published at free
/// ports of the loopback. An image chooses nothing else, so that what is not of this form is nothing,
/// as is another protocol.
pub fn exposed_ports(text: &str) -> Vec<PublishedPort> {
    let has_address = text.contains(':');
    let ports = if has_address { None } else { publish(text.as_bytes()).ok() };
    ports.unwrap_or_default()
}

/// `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`, where HOST and CONTAINER may be ranges.
///
/// # Errors
/// When it is not of this form.
pub fn publish(value: &[u8]) -> Result<Vec<PublishedPort>, UsageError> {
    let refuse = |why: &str| usage(format_args!("--publish {}: {why}", text(value)));
    let whole = String::from_utf8_lossy(value);
    let (ports, protocol) = match whole.split_once('/') {
        None | Some((_, "tcp")) => (whole.split('/').next().unwrap_or_default(), Protocol::Tcp),
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some((_, other)) => return Err(refuse(&alloc::format!("{other} is not tcp or udp"))),
    };
    let shape = || refuse("write [[IP:][PORT]:]PORT[/tcp|udp], an IP of version 6 in brackets");
    let (rest, container) = ports.rsplit_once(':').map_or((None, ports), |(a, b)| (Some(a), b));
    let container = range(container).ok_or_else(shape)?;
    let (ip, host) = match rest {
        None => (None, ""),
        Some(rest) => rest.rsplit_once(':').map_or((None, rest), |(ip, host)| (Some(ip), host)),
    };
    // A published port is for this host, unless it is said to be for others.
    let ip = ip.map_or(Some(Ipv4Addr::LOCALHOST.into()), address).ok_or_else(shape)?;
    let number = container.clone().count();
    let host: Vec<u16> = match host {
        "" => core::iter::repeat_n(0, number).collect(),
        host => range(host).ok_or_else(shape)?.collect(),
    };
    if host.len() != number {
        return Err(refuse("both ranges must have as many ports"));
    }
    let pairs = host.into_iter().zip(container);
    let publish =
        |(host, container)| PublishedPort { host: SocketAddr::new(ip, host), container, protocol };
    Ok(pairs.map(publish).collect())
}

/// `PORT` or `PORT-PORT`, none of them 0.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| text.parse().ok().filter(|&port: &u16| port != 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some(first..=last)
}

/// An address; one of version 6 may be in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.unwrap_or(text).parse().ok()
}

pub(super) fn name_server(value: &[u8]) -> Result<IpAddr, UsageError> {
    parsed(value).ok_or_else(|| usage(format_args!("--dns {}: an IP is needed", text(value))))
}

/// A domain, without what would be another word or line in resolv.conf.
pub(super) fn search(value: Vec<u8>) -> Result<Vec<u8>, UsageError> {
    if is_name(&value) {
        return Ok(value);
    }
    Err(usage(format_args!("--dns-search {}: a domain is needed", text(&value))))
}

/// `NAME:IP`, or with `=` as Docker has it, too; `host-gateway` is an IP.
pub(super) fn host(value: &[u8]) -> Result<(Vec<u8>, HostAddress), UsageError> {
    let refuse = || usage(format_args!("--add-host {}: write NAME:IP", text(value)));
    let at = value.iter().position(|byte| b":=".contains(byte)).ok_or_else(refuse)?;
    let (name, ip) = (&value[..at], &value[at + 1..]);
    let host = match ip {
        b"host-gateway" => Some(HostAddress::HostGateway),
        _ => core::str::from_utf8(ip).ok().and_then(address).map(HostAddress::Address),
    };
    match host {
        Some(host) if is_name(name) => Ok((name.to_vec(), host)),
        _ => Err(refuse()),
    }
}

/// What can stand in one line of a file between blanks.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#')
}

/// Six bytes in hexadecimal, not a group's address.
pub(super) fn mac(value: &[u8]) -> Result<[u8; 6], UsageError> {
    let refuse = || usage(format_args!("--mac-address {}: write 02:00:00:00:00:01", text(value)));
    let mut mac = [0; 6];
    let mut parts = value.split(|byte| b":-".contains(byte));
    for byte in &mut mac {
        let is_byte = |part: &&[u8]| part.len() == 2 && part.iter().all(u8::is_ascii_hexdigit);
        let part = parts.next().filter(is_byte).ok_or_else(refuse)?;
        let digits = core::str::from_utf8(part).map_err(|_| refuse())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| refuse())?;
    }
    let is_of_one = mac[0] & 1 == 0 && mac != [0; 6];
    if parts.next().is_none() && is_of_one { Ok(mac) } else { Err(refuse()) }
}

fn parsed<T: FromStr>(value: &[u8]) -> Option<T> {
    core::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn published(value: &str) -> Vec<(String, u16, Protocol)> {
        let ports = publish(value.as_bytes()).unwrap_or_else(|error| panic!("{value}: {error}"));
        ports.iter().map(|port| (port.host.to_string(), port.container, port.protocol)).collect()
    }

    #[test]
    fn ports_are_published_as_docker_has_them() {
        for (value, host, container, protocol) in [
            ("80", "127.0.0.1:0", 80, Protocol::Tcp),
            ("8080:80", "127.0.0.1:8080", 80, Protocol::Tcp),
            ("8080:80/tcp", "127.0.0.1:8080", 80, Protocol::Tcp),
            ("53:53/udp", "127.0.0.1:53", 53, Protocol::Udp),
            ("0.0.0.0:8080:80", "0.0.0.0:8080", 80, Protocol::Tcp),
            ("127.0.0.2::80", "127.0.0.2:0", 80, Protocol::Tcp),
            ("[::1]:8080:80", "[::1]:8080", 80, Protocol::Tcp),
            ("::1:8080:80", "[::1]:8080", 80, Protocol::Tcp),
        ] {
            assert_eq!(published(value), [(host.to_string(), container, protocol)], "{value}");
        }
        let expected = [("127.0.0.1:90", 80), ("127.0.0.1:91", 81)];
        let expected = expected.map(|(host, port)| (host.to_string(), port, Protocol::Udp));
        assert_eq!(published("90-91:80-81/udp"), expected);
        assert_eq!(published("80-81").len(), 2);
    }

    #[test]
    fn ports_that_make_no_sense_are_refused() {
        for value in [
            "",
            "0",
            "65536",
            "80:",
            ":",
            "x:80",
            "80/sctp",
            "90-80",
            "1-2:1-3",
            "a:80:80",
            "1.2.3:80:80",
            "80:80:80:80",
            "-1",
            "1-",
            "0:80",
        ] {
            assert!(publish(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn an_image_chooses_no_address() {
        let ports = |text: &str| -> Vec<_> {
            let ports = exposed_ports(text).into_iter();
            ports.map(|port| (port.host.to_string(), port.container, port.protocol)).collect()
        };
        let any = "127.0.0.1:0".to_string();
        assert_eq!(ports("80/tcp"), [(any.clone(), 80, Protocol::Tcp)]);
        assert_eq!(ports("53/udp"), [(any, 53, Protocol::Udp)]);
        for text in ["0.0.0.0:22:22/tcp", "2222:22", "9/sctp", "", "x"] {
            assert_eq!(ports(text), [], "{text}");
        }
    }

    #[test]
    fn hosts_have_addresses_or_the_gateway() {
        let host = |value: &str| host(value.as_bytes()).ok();
        let address = |text: &str| HostAddress::Address(text.parse().unwrap());
        assert_eq!(host("db:10.1.2.3"), Some((b"db".to_vec(), address("10.1.2.3"))));
        assert_eq!(host("db=10.1.2.3"), Some((b"db".to_vec(), address("10.1.2.3"))));
        assert_eq!(host("db:fd00::1"), Some((b"db".to_vec(), address("fd00::1"))));
        assert_eq!(host("db:[fd00::1]"), Some((b"db".to_vec(), address("fd00::1"))));
        let gateway = (b"host.docker.internal".to_vec(), HostAddress::HostGateway);
        assert_eq!(host("host.docker.internal:host-gateway"), Some(gateway));
        for value in ["", "db", "db:", ":1.2.3.4", "d b:1.2.3.4", "db:1.2.3.4\nx", "#:1.2.3.4"] {
            assert_eq!(host(value), None, "{value}");
        }
    }

    #[test]
    fn an_ethernet_address_is_of_one_machine() {
        assert_eq!(mac(b"02:00:00:00:00:fF").unwrap(), [2, 0, 0, 0, 0, 255]);
        assert_eq!(mac(b"52-54-00-12-34-56").unwrap(), [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        for value in
            ["", "2:0:0:0:0:1", "01:00:00:00:00:01", "00:00:00:00:00:00", "+2:00:00:00:00:01"]
        {
            assert!(mac(value.as_bytes()).is_err(), "{value}");
        }
        assert!(mac(b"02:00:00:00:00:01:02").is_err());
    }

    #[test]
    fn networks_of_others_have_a_place() {
        let mode = |value: &str| super::mode(value.as_bytes()).ok();
        let tcp =
            |host: &str, port| Some(NetworkMode::Qemu(Peer::Tcp { host: host.to_string(), port }));
        assert_eq!(mode("qemu=127.0.0.1:1234"), tcp("127.0.0.1", 1234));
        assert_eq!(mode("qemu=net.example:1"), tcp("net.example", 1));
        assert_eq!(mode("qemu=[::1]:1234"), tcp("::1", 1234));
        let unix = NetworkMode::Qemu(Peer::Unix(b"/run/a=b:1".to_vec()));
        assert_eq!(mode("qemu=unix:/run/a=b:1"), Some(unix));
        assert_eq!(mode("socket"), Some(NetworkMode::Socket { listener: None }));
        assert_eq!(mode("socket=listenfd=5"), Some(NetworkMode::Socket { listener: Some(5) }));
        assert_eq!(mode("dir=/net"), Some(NetworkMode::Directory(b"/net".to_vec())));
        for value in [
            "qemu",
            "qemu=",
            "qemu=unix:",
            "qemu=:1",
            "qemu=host",
            "qemu=host:0",
            "qemu=::1:80",
            "socket=",
            "socket=5",
            "socket=listenfd=2",
            "socket=listenfd=x",
            "dir",
            "dir=",
            "none=1",
            "user=",
            "host",
            "",
        ] {
            assert_eq!(mode(value), None, "{value}");
        }
    }

    #[test]
    fn what_needs_a_network_is_named() {
        let none = NetworkOptions::default();
        assert_eq!(none.needs_network(), None);
        let dns = NetworkOptions { name_servers: vec![name_server(b"9.9.9.9").unwrap()], ..none };
        assert_eq!(dns.needs_network(), Some("--dns"));
        assert!(name_server(b"dns.example").is_err() && search(b"a b".to_vec()).is_err());
    }
}
