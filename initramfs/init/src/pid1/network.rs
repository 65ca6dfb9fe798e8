//! The container's network interface. It is in the container's namespace from its creation on, and
//! down: without a network, programs fail at once, as if there were none.

use super::netlink::{self, Request};
use crate::failure::{OrFail, Result};
use c2w_guest_abi::{InterfaceAddress, Network};
use rustix::net::AddressFamily;
use rustix::net::netdevice::name_to_index;
use rustix::process::Pid;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

/// Its name, as the kernel has given it.
const NAME: &str = "eth0";

/// The container's network interface.
pub struct Interface {
    /// In the container's network.
    netlink: OwnedFd,
}

/// Kinds of requests (rtnetlink(7)).
mod request {
    pub const NEW_LINK: u16 = 16;
    pub const NEW_ADDRESS: u16 = 20;
    pub const NEW_ROUTE: u16 = 24;
}

/// Attributes of links, addresses and routes.
mod attribute {
    pub const IFLA_ADDRESS: u16 = 1;
    pub const IFLA_IFNAME: u16 = 3;
    pub const IFLA_MTU: u16 = 4;
    pub const IFLA_NET_NS_PID: u16 = 19;
    pub const IFA_ADDRESS: u16 = 1;
    pub const IFA_LOCAL: u16 = 2;
    pub const IFA_BROADCAST: u16 = 4;
    pub const RTA_OIF: u16 = 4;
    pub const RTA_GATEWAY: u16 = 5;
}

impl Interface {
    /// Moves it to the network of the container with this process. `netlink` is a socket there.
    pub fn move_to(pid: Pid, netlink: OwnedFd) -> Result<Self> {
        let here = netlink::socket().or_fail("creating a netlink socket")?;
        let pid = pid.as_raw_nonzero().get();
        let request = link(0, 0).with(attribute::IFLA_NET_NS_PID, &pid.to_ne_bytes());
        request.execute(here.as_fd()).or_fail("giving the container its network interface")?;
        Ok(Self { netlink })
    }

    /// Gives it its addresses and switches it on.
    pub fn set_up(&self, network: &Network) -> Result<()> {
        let do_it = |request: Request, what: &str| {
            request.execute(self.netlink.as_fd()).or_fail(&format!("network: {what}"))
        };
        let mtu = u32::from(network.mtu).to_ne_bytes();
        let mut before = link(0, 0).with(attribute::IFLA_MTU, &mtu);
        if let Some(mac) = network.mac {
            before = before.with(attribute::IFLA_ADDRESS, &mac);
        }
        do_it(before, "setting the packet size and the Ethernet address")?;
        let index = name_to_index(&self.netlink, NAME).or_fail("network: no interface")?;
        for address in &network.addresses {
            let what = format!("setting the address {}", address.address);
            do_it(new_address(*address, index), &what)?;
        }
        do_it(link(IFF_UP, IFF_UP), "switching the interface on")?;
        for gateway in &network.gateways {
            let route = default_route(*gateway, index, &network.addresses);
            do_it(route, &format!("setting the gateway {gateway}"))?;
        }
        Ok(())
    }
}

/// Flag of an interface that is on (netdevice(7)).
const IFF_UP: u32 = 1;

/// A change of the interface: those of its flags that `changed` names become `flags`.
fn link(flags: u32, changed: u32) -> Request {
    let mut structure = [0; 16];
    structure[8..12].copy_from_slice(&flags.to_ne_bytes());
    structure[12..].copy_from_slice(&changed.to_ne_bytes());
    let name = [NAME.as_bytes(), &[0]].concat();
    Request::new(request::NEW_LINK, 0, &structure).with(attribute::IFLA_IFNAME, &name)
}

fn new_address(address: InterfaceAddress, index: u32) -> Request {
    /// `IFA_F_NODAD`: nobody else can have it.
    const NO_DETECTION: u8 = 2;
    let InterfaceAddress { address, prefix } = address;
    let (family, bytes) = family_and_bytes(address);
    let mut structure = [family, prefix, NO_DETECTION, 0, 0, 0, 0, 0];
    structure[4..].copy_from_slice(&index.to_ne_bytes());
    let request = Request::new(request::NEW_ADDRESS, netlink::CREATE, &structure)
        .with(attribute::IFA_LOCAL, &bytes)
        .with(attribute::IFA_ADDRESS, &bytes);
    match address {
        IpAddr::V4(address) => {
            let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            let broadcast = u32::from(address) | host_bits;
            request.with(attribute::IFA_BROADCAST, &broadcast.to_be_bytes())
        }
        IpAddr::V6(_) => request,
    }
}

/// The gateway need not be in the network, as with a prefix of 32: it is at the other end of the wire.
fn default_route(gateway: IpAddr, index: u32, addresses: &[InterfaceAddress]) -> Request {
    const TABLE_MAIN: u8 = 254;
    const PROTOCOL_BOOT: u8 = 3;
    const SCOPE_UNIVERSE: u8 = 0;
    const UNICAST: u8 = 1;
    /// The gateway is beside this host, whatever its address.
    const RTNH_F_ONLINK: u32 = 4;
    let (family, bytes) = family_and_bytes(gateway);
    let kind = [TABLE_MAIN, PROTOCOL_BOOT, SCOPE_UNIVERSE, UNICAST];
    let is_inside = addresses.iter().any(|address| contains(*address, gateway));
    let flags = if is_inside { 0 } else { RTNH_F_ONLINK };
    let structure = [[family, 0, 0, 0], kind, u32::to_ne_bytes(flags)].concat();
    Request::new(request::NEW_ROUTE, netlink::CREATE, &structure)
        .with(attribute::RTA_OIF, &index.to_ne_bytes())
        .with(attribute::RTA_GATEWAY, &bytes)
}

/// Whether the network of an address has another one in it.
fn contains(network: InterfaceAddress, other: IpAddr) -> bool {
    let common = match (network.address, other) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros(),
        _ => return false,
    };
    common >= u32::from(network.prefix)
}

fn family_and_bytes(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (AddressFamily::INET.as_raw() as u8, address.octets().into()),
        IpAddr::V6(address) => (AddressFamily::INET6.as_raw() as u8, address.octets().into()),
    }
}
