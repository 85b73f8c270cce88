//! [`SocketConnection`]: messages over a connected stream socket.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::socket::{self, Shutdown, SockType, sockopt};
use procession_core::codec::{self, Descriptor};
use procession_core::os::poll::deadline_after;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::address::Address;
use super::deadline_mutex::DeadlineMutex;
use super::liveness::set_keep_alive;
use super::stream::await_readable;
use super::wire::Decoder;
use crate::tuning::{MAX_MESSAGE_BYTES, PEER_TIMEOUT};

/// A connection of messages over a stream socket, which speaks the protocol of Python's `multiprocessing.connection`.
///
/// A [`Listener`](crate::Listener) accepts them, a [`Client`](crate::Client) makes them, and any connected `TcpStream` or
/// `UnixStream` becomes one, without a handshake.
///
/// [`send_bytes`](Self::send_bytes) and [`recv_bytes`](Self::recv_bytes) carry bytes, to Python as well. [`send`](Self::send)
/// and [`recv`](Self::recv) carry values between two programs of ours, for which both sides must know the same type.
/// Several threads may use one connection: messages never mix. Dropping the connection closes it.
///
/// What arrives is checked: a message longer than the maximum is refused before it takes memory, and memory is taken only
/// as bytes arrive.
///
/// # Handing a connection to another process
///
/// A connection can be part of any message to a process of this program: both sides then have it. It serializes between
/// messages only, not while one has arrived in part. The socket itself can be had with `OwnedFd::from`.
///
/// # Differences from Python's `Connection`
///
/// Every call that waits has a twin with a timeout. A message that was cut off is an error of its own, never the end of the
/// stream. Objects are not pickled: a peer that knows the key cannot make this program run code.
///
/// # Examples
///
/// ```
/// use procession_channels::SocketConnection;
///
/// let (here, there) = SocketConnection::pair()?;
/// here.send_bytes(b"hello")?;
/// here.send(&("seven", 7))?;
/// assert_eq!(there.recv_bytes()?, b"hello");
/// assert_eq!(there.recv::<(String, i32)>()?, ("seven".into(), 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Connection")]
#[derive(Debug)]
pub struct SocketConnection {
    pub(super) socket: OwnedFd,
    pub(super) max_message: usize,
    pub(super) receiving: DeadlineMutex<Decoder>,
    pub(crate) sending: DeadlineMutex<SendState>,
}

/// The state of the sending direction.
#[derive(Debug, Default)]
pub(crate) struct SendState {
    /// A message was sent in part, so what follows would be taken for the rest of it.
    pub(super) is_cut_off: bool,
}

impl SocketConnection {
    pub(super) fn new(socket: OwnedFd, max_message: usize) -> SocketConnection {
        let receiving = DeadlineMutex::new(Decoder::default());
        SocketConnection { socket, max_message, receiving, sending: DeadlineMutex::new(SendState::default()) }
    }

    /// Makes two connected ends, as [`UnixStream::pair`] does.
    ///
    /// # Errors
    ///
    /// The error of the kernel.
    ///
    /// # Examples
    ///
    /// ```
    /// let (here, there) = procession_channels::SocketConnection::pair()?;
    /// here.send_bytes(b"hello")?;
    /// assert_eq!(there.recv_bytes()?, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pair() -> io::Result<(SocketConnection, SocketConnection)> {
        let (one, other) = UnixStream::pair()?;
        Ok((one.into(), other.into()))
    }

    /// Sets the longest message that is received, in bytes. It is 256 MiB by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{SocketConnection, SocketRecvError};
    ///
    /// let (here, there) = SocketConnection::pair()?;
    /// let there = there.with_max_message(3);
    /// here.send_bytes(b"four")?;
    /// assert!(matches!(there.recv_bytes(), Err(SocketRecvError::TooLong { len: 4, max: 3 })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_max_message(mut self, bytes: usize) -> SocketConnection {
        self.max_message = bytes;
        self
    }

    /// Waits until something has arrived. Returns `false` if the timeout is over before.
    ///
    /// The end of the stream counts, and so does a part of a message, for the rest of which the next call waits.
    ///
    /// # Errors
    ///
    /// The error of the kernel.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::SocketConnection;
    /// use std::time::Duration;
    ///
    /// let (here, there) = SocketConnection::pair()?;
    /// assert!(!here.poll(Duration::ZERO)?);
    /// drop(there);
    /// assert!(here.poll(Duration::from_secs(60))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll(&self, timeout: Duration) -> io::Result<bool> {
        if self.has_part() { Ok(true) } else { await_readable(self.as_fd(), deadline_after(timeout)) }
    }

    /// Returns whether a message was received in part.
    pub(crate) fn has_part(&self) -> bool {
        self.receiving.lock(Some(Instant::now())).is_some_and(|decoder| decoder.has_started())
    }

    /// Sets how long the machine of the other side may be silent before a connection over TCP counts as gone; `None` for ever.
    ///
    /// It is a minute by default; see [`ClientBuilder::peer_timeout`](crate::ClientBuilder::peer_timeout). Connections inside one machine
    /// need no such limit, and are left alone.
    ///
    /// # Errors
    ///
    /// The error of the kernel.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::SocketConnection;
    /// use std::{net::{TcpListener, TcpStream}, time::Duration};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let connection = SocketConnection::from(TcpStream::connect(listener.local_addr()?)?);
    /// connection.set_peer_timeout(Duration::from_secs(600))?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_peer_timeout(&self, limit: impl Into<Option<Duration>>) -> io::Result<()> {
        set_keep_alive(&self.socket, limit.into())
    }

    /// Ends the connection in both directions, for all processes that have it. Calls that wait in other threads return.
    ///
    /// # Errors
    ///
    /// The error of the kernel. A connection that has ended already is no error.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{SocketConnection, SocketRecvError};
    ///
    /// let (here, _there) = SocketConnection::pair()?;
    /// std::thread::scope(|s| {
    ///     let waiting = s.spawn(|| here.recv_bytes());
    ///     here.shutdown().unwrap();
    ///     assert!(matches!(waiting.join().unwrap(), Err(SocketRecvError::Disconnected)));
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self) -> io::Result<()> {
        match socket::shutdown(self.socket.as_raw_fd(), Shutdown::Both) {
            Ok(()) | Err(nix::errno::Errno::ENOTCONN) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Returns where the other side is, if its socket has a name: the clients of Unix sockets have none.
    ///
    /// # Examples
    ///
    /// ```
    /// let (here, _there) = procession_channels::SocketConnection::pair()?;
    /// assert_eq!(here.peer(), None);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "last_accepted")]
    #[must_use]
    pub fn peer(&self) -> Option<Address> {
        Address::of_peer(&self.socket)
    }
}

impl AsFd for SocketConnection {
    /// Ready to read when a message, a part of one, or the end has arrived.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<UnixStream> for SocketConnection {
    fn from(stream: UnixStream) -> Self {
        SocketConnection::new(stream.into(), MAX_MESSAGE_BYTES)
    }
}

/// The machine of the other side may be silent for a minute, see [`set_peer_timeout`](SocketConnection::set_peer_timeout).
impl From<TcpStream> for SocketConnection {
    fn from(stream: TcpStream) -> Self {
        // It works as it did before if the kernel refuses.
        let _probed = set_keep_alive(&stream, Some(PEER_TIMEOUT));
        SocketConnection::new(stream.into(), MAX_MESSAGE_BYTES)
    }
}

impl From<SocketConnection> for OwnedFd {
    /// The socket, for `TcpStream::from` or `UnixStream::from`. What had arrived of a message in part is lost.
    fn from(connection: SocketConnection) -> Self {
        connection.socket
    }
}

impl Serialize for SocketConnection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The receiver of the message would miss the part that this process has read.
        let between = |decoder: &Decoder| !decoder.has_started();
        if !self.receiving.lock(Some(Instant::now())).is_some_and(|decoder| between(&decoder)) {
            return Err(S::Error::custom(
                "a message is being received, or has arrived in part: receive it before the connection is sent elsewhere",
            ));
        }
        (BorrowedDescriptor(self.as_fd()), self.max_message).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SocketConnection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (socket, max_message) = <(Descriptor, usize)>::deserialize(deserializer)?;
        let socket = OwnedFd::from(socket);
        // What arrives is a descriptor of any kind; the calls of this type rely on a stream.
        match socket::getsockopt(&socket, sockopt::SockType) {
            Ok(SockType::Stream) => Ok(SocketConnection::new(socket, max_message)),
            _ => Err(D::Error::custom("what arrived as a connection is no stream socket")),
        }
    }
}

/// A descriptor that is encoded while its owner keeps it.
struct BorrowedDescriptor<'a>(BorrowedFd<'a>);

impl Serialize for BorrowedDescriptor<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        codec::fd::serialize(&self.0, serializer)
    }
}
