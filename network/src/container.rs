//! The network of a container, of whatever kind.

use crate::link::Link;
use crate::rings::{RingFile, Rings};
use crate::sockets::{Interest, Sockets};
use crate::stream_channel::StreamChannel;
use crate::user::UserNetwork;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use c2w_guest_abi::Network;
use c2w_session::{Session, SessionHost};

/// The network of one container, on a host that has sockets.
// There is one in a process.
#[allow(clippy::large_enum_variant)]
pub enum ContainerNetwork<S: Sockets, F: RingFile> {
    /// Made of this host's sockets.
    User(UserNetwork<S>),
    /// Frames go to a peer over a socket.
    Peer {
        /// The frames' way.
        link: Link<StreamChannel<S>>,
        /// What is waited for.
        stream: Rc<S::Stream>,
    },
    /// Frames go to a peer through files.
    Directory(Link<Rings<F>>),
}

impl<S: Sockets + 'static, F: RingFile + 'static> ContainerNetwork<S, F> {
    /// Connects a machine to it. Returns how its guest is to set its interface up.
    pub fn plug_in(&self, session: &mut Session) -> Network {
        let (backend, guest) = match self {
            Self::User(user) => (Box::new(user.wire()) as Box<_>, user.guest()),
            Self::Peer { link, .. } => (link.plug(), link.guest()),
            Self::Directory(link) => (link.plug(), link.guest()),
        };
        session.set_net_backend(backend);
        guest.clone()
    }

    /// A line for people about each published port that they have not chosen.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::User(user) => user.notes().collect(),
            Self::Peer { .. } | Self::Directory(_) => Vec::new(),
        }
    }

    /// Publishes what an image exposes, as [`UserNetwork::publish_exposed`].
    ///
    /// # Errors
    /// When one cannot be published: which, and why.
    pub fn publish_exposed(&mut self, exposed: &[String]) -> Result<(), String> {
        match self {
            Self::User(user) => user.publish_exposed(exposed),
            Self::Peer { .. } | Self::Directory(_) => Ok(()),
        }
    }

    /// Lends `f` the host's sockets, if it is made of any.
    pub fn with_sockets(&mut self, f: impl FnOnce(&mut S)) {
        match self {
            Self::User(user) => f(user.sockets_mut()),
            Self::Peer { link, .. } => link.with_channel(|channel| f(channel.sockets_mut())),
            Self::Directory(_) => {}
        }
    }

    /// Moves what can be moved without waiting. Returns whether that was anything, so that the guest
    /// has something to do.
    pub fn exchange(&mut self, session: &mut Session, host: &mut dyn SessionHost) -> bool {
        let now = host.monotonic_ns();
        let deliver = || session.exchange_frames(host);
        match self {
            Self::User(user) => user.exchange(now, deliver),
            Self::Peer { link, .. } => link.exchange(now, deliver),
            Self::Directory(link) => link.exchange(now, deliver),
        }
    }

    /// When [`Self::exchange`] has something to do even if nothing happens, on the session's clock.
    pub fn next_timer(&self) -> Option<u64> {
        match self {
            Self::User(user) => user.next_timer(),
            Self::Peer { link, .. } => link.next_timer(),
            Self::Directory(link) => link.next_timer(),
        }
    }

    /// The sockets that may have something for the guest, or take what it has for them.
    pub fn interests(&self) -> Vec<Interest<'_, S>> {
        match self {
            Self::User(user) => user.interests(),
            Self::Peer { link, .. } if link.has_failed() => Vec::new(),
            Self::Peer { link, stream } => {
                let write = link.is_sending();
                Vec::from([Interest::Stream { stream: &**stream, read: true, write }])
            }
            Self::Directory(_) => Vec::new(),
        }
    }

    /// Whether the guest has sent something that has not left this process yet.
    pub fn is_sending(&mut self) -> bool {
        match self {
            Self::User(user) => user.is_sending(),
            Self::Peer { link, .. } => link.is_sending(),
            Self::Directory(link) => link.is_sending(),
        }
    }

    /// Why there is no network any more, when that is known for the first time.
    pub fn take_failure(&mut self) -> Option<String> {
        match self {
            Self::User(_) => None,
            Self::Peer { link, .. } => link.take_failure(),
            Self::Directory(link) => link.take_failure(),
        }
    }

    /// Ends all connections, those that are not at their end by a reset where that can be.
    pub fn end(&mut self) {
        match self {
            Self::User(user) => user.end(0),
            Self::Peer { link, .. } => link.end(),
            Self::Directory(link) => link.end(),
        }
    }
}
