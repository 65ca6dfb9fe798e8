//! A container's network: what is at the other end of its machine's wire.
//!
//! ```text
//! guest  --frames-->  c2w_nat::Nat  --events, bytes-->  UserNetwork  --calls-->  Sockets
//! guest  --frames-->  Link  --bytes-->  Channel: a socket, or rings in files
//! ```
//!
//! With [`UserNetwork`], what leaves the container as packets ([`c2w_nat`]) goes on as connections and
//! datagrams of this process, and the other way round. With [`Link`], somebody else takes the frames:
//! QEMU's peers, or a [`UserNetwork`] in another process, behind a [`Wire`].
//!
//! Nothing here waits. Between two stretches of the guest, [`ContainerNetwork::exchange`] moves what
//! can be moved; who has nothing else to do waits for [`ContainerNetwork::interests`] and
//! [`ContainerNetwork::next_timer`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod container;
mod datagrams;
mod dns;
mod framing;
mod guest;
mod link;
mod names;
mod policy;
mod rings;
mod sockets;
mod stream_channel;
mod streams;
mod user;

pub use c2w_nat::Refusal;
pub use container::ContainerNetwork;
pub use framing::{Channel, Checksums, FramedChannel};
pub use link::Link;
pub use rings::{GUEST_FILE, HOST_FILE, RING, RingFile, Rings, is_ring_file};
pub use sockets::{Interest, LookupError, Sockets, Transfer};
pub use stream_channel::StreamChannel;
pub use user::{HostNetwork, UserNetwork, Wire};
