//! What a host has to offer: sockets, none of which blocks.

use alloc::string::String;
use alloc::vec::Vec;
use c2w_nat::Refusal;
use core::net::{IpAddr, SocketAddr};

/// The sockets of a host. One that is dropped is closed.
pub trait Sockets {
    /// A TCP connection, or one that is to become one.
    type Stream;
    /// A TCP socket that accepts connections.
    type Listener;
    /// A UDP socket.
    type Datagrams;
    /// A name that is being looked up.
    type Lookup;

    /// Begins to connect.
    ///
    /// # Errors
    /// When it is known at once that this cannot be.
    fn connect(&mut self, to: SocketAddr) -> Result<Self::Stream, Refusal>;

    /// Whether the stream is connected by now.
    ///
    /// # Errors
    /// When it will not be.
    fn is_connected(&mut self, stream: &mut Self::Stream) -> Result<bool, Refusal>;

    /// Reads into `buffer`, which is not empty.
    fn read(&mut self, stream: &Self::Stream, buffer: &mut [u8]) -> Transfer;

    /// Writes from `bytes`, which are not empty.
    fn write(&mut self, stream: &Self::Stream, bytes: &[u8]) -> Transfer;

    /// Ends the writing side.
    fn shut_down(&mut self, stream: &Self::Stream);

    /// Whether everything that was written has left this process; only then a stream may be closed.
    fn is_flushed(&mut self, _stream: &Self::Stream) -> bool {
        true
    }

    /// Closes a stream so that its peer sees a reset, where that can be done.
    fn reset(&mut self, stream: Self::Stream);

    /// Listens at an address, and returns where that is, with port 0 at one that is free.
    ///
    /// # Errors
    /// The reason why this cannot be, for people.
    fn listen(&mut self, at: SocketAddr) -> Result<(Self::Listener, SocketAddr), String>;

    /// A connection that has come, if there is one.
    fn accept(&mut self, listener: &Self::Listener) -> Option<Self::Stream>;

    /// A UDP socket at an address, and which that is, with port 0 one that is free.
    ///
    /// # Errors
    /// The reason why this cannot be, for people.
    fn bind(&mut self, at: SocketAddr) -> Result<(Self::Datagrams, SocketAddr), String>;

    /// Sends a datagram, which may get lost.
    fn send_to(&mut self, socket: &Self::Datagrams, to: SocketAddr, data: &[u8]);

    /// Reads a datagram that has come, if there is one: its length, and who sent it.
    fn receive_from(
        &mut self,
        socket: &Self::Datagrams,
        buffer: &mut [u8],
    ) -> Option<(usize, SocketAddr)>;

    /// Begins to look up the addresses of a name, where there are no name servers to ask.
    ///
    /// # Errors
    /// When it is known at once that there are none.
    fn resolve(&mut self, name: &str) -> Result<Self::Lookup, LookupError>;

    /// What came of it; `None` while it is under way.
    fn resolved(&mut self, lookup: &mut Self::Lookup) -> Option<Result<Vec<IpAddr>, LookupError>>;

    /// Which of these something can be done with now. Does not wait.
    fn ready(&mut self, interests: &[Interest<'_, Self>]) -> Vec<bool>;
}

/// What came of reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// This many bytes, at least one, were moved.
    Moved(usize),
    /// Nothing can be moved at the moment.
    Blocked,
    /// The peer sends no more. Of reading only.
    End,
    /// The connection is broken.
    Broken,
}

/// Why a name has no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// There is no such name.
    NoSuchName,
    /// It could not be found out.
    Failed,
}

/// A socket, and what it is wanted for.
pub enum Interest<'a, S: Sockets + ?Sized> {
    /// A stream, for reading, for writing (which is also when it is connected), or both.
    Stream {
        /// Which.
        stream: &'a S::Stream,
        /// Whether bytes of the peer are wanted.
        read: bool,
        /// Whether there are bytes for the peer.
        write: bool,
    },
    /// A connection to accept.
    Listener(&'a S::Listener),
    /// A datagram to read.
    Datagrams(&'a S::Datagrams),
    /// What came of a look-up.
    Lookup(&'a S::Lookup),
}
