//! What Docker puts into the container's /etc. The container sees these files themselves, so writing
//! them again changes what it sees.

use super::NAME_SERVER;
use super::container::below_run;
use super::mounts::make_directory;
use crate::failure::{OrFail, Result};
use c2w_guest_abi::{HostName, Network};
use std::fs;
use std::net::IpAddr;

const HOSTS: &[u8] = b"127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::0\tip6-localnet\n\
    ff00::0\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

/// Writes `hosts`, `hostname` and `resolv.conf`.
pub fn write(hostname: &[u8], network: Option<&Network>) -> Result<()> {
    make_directory(&below_run("etc"))?;
    let write = |name: &str, content: &[u8]| {
        fs::write(below_run(&format!("etc/{name}")), content)
            .or_fail(&format!("writing /etc/{name}"))
    };
    write("hosts", &hosts(hostname, network))?;
    write("hostname", &[hostname, b"\n"].concat())?;
    write("resolv.conf", &resolv_conf(network))
}

/// hosts(5). Without a network, the container's name is as Debian has it for a machine without an
/// address of its own.
fn hosts(hostname: &[u8], network: Option<&Network>) -> Vec<u8> {
    let own = network.and_then(|network| network.addresses.first());
    let own = own.map_or_else(|| "127.0.1.1".into(), |own| own.address.to_string());
    let mut text = [HOSTS, own.as_bytes(), b"\t", hostname, b"\n"].concat();
    for HostName { name, address } in network.iter().flat_map(|network| &network.hosts) {
        text.extend([address.to_string().as_bytes(), b"\t", name, b"\n"].concat());
    }
    text
}

/// resolv.conf(5).
fn resolv_conf(network: Option<&Network>) -> Vec<u8> {
    let line = |address: &IpAddr| format!("nameserver {address}\n").into_bytes();
    let Some(network) = network else { return line(&(*NAME_SERVER.ip()).into()) };
    let mut text: Vec<u8> = network.name_servers.iter().flat_map(line).collect();
    if !network.search.is_empty() {
        text.extend([b"search ", &network.search.join(&b' ')[..], b"\n"].concat());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2w_guest_abi::InterfaceAddress;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_network_brings_addresses_and_names() {
        let network = Network {
            mac: None,
            mtu: 1500,
            addresses: vec![InterfaceAddress { address: [10, 0, 2, 15].into(), prefix: 24 }],
            gateways: vec![],
            name_servers: vec![[10, 0, 2, 3].into(), "fd00::3".parse().unwrap()],
            search: vec![b"a.example".to_vec(), b"b.example".to_vec()],
            hosts: vec![HostName { name: b"db".to_vec(), address: [10, 0, 2, 2].into() }],
        };
        let hosts = text(hosts(b"box", Some(&network)));
        assert!(hosts.ends_with("allrouters\n10.0.2.15\tbox\n10.0.2.2\tdb\n"), "{hosts}");
        let expected = "nameserver 10.0.2.3\nnameserver fd00::3\nsearch a.example b.example\n";
        assert_eq!(text(resolv_conf(Some(&network))), expected);
    }

    #[test]
    fn without_a_network_names_are_asked_of_the_stub() {
        assert!(text(hosts(b"box", None)).ends_with("allrouters\n127.0.1.1\tbox\n"));
        assert_eq!(text(resolv_conf(None)), "nameserver 127.0.0.11\n");
    }
}
