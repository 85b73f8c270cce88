//! The errors of listeners, clients and socket connections.

use std::{fmt, io};

use procession_core::codec::{DecodeError, EncodeError};

use super::address::Address;
use super::wire::WireError;

/// A [`Listener`](crate::Listener) could not be made.
///
/// # Examples
///
/// ```
/// use procession_channels::{Address, Listener};
///
/// let error = Listener::bind("@an example of an empty key".parse::<Address>()?, "").unwrap_err();
/// assert_eq!(error.to_string(), "the key is empty, which could be guessed: give one, or say `without_key`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// Neither a key nor `without_key`.
    NoKey,
    /// A key of no bytes.
    EmptyKey,
    /// Another listener has the address, or the file there is no socket.
    InUse {
        /// The address.
        address: Address,
    },
    /// The kernel refused.
    Io {
        /// The address.
        address: Address,
        /// The error of the kernel.
        source: io::Error,
    },
}

// By hand: a field called `source` would be one for `thiserror`, and the text says it already.
impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindError::NoKey => f.write_str("no key was given: call `key`, or `without_key` to let everybody in"),
            BindError::EmptyKey => {
                f.write_str("the key is empty, which could be guessed: give one, or say `without_key`")
            }
            BindError::InUse { address } => {
                write!(f, "cannot listen on {address}: it is in use; choose another, or end the program that has it")
            }
            BindError::Io { address, source } => write!(f, "cannot listen on {address}: {source}"),
        }
    }
}

impl std::error::Error for BindError {}

/// A [`Client`](crate::Client) could not connect.
///
/// # Examples
///
/// ```
/// use procession_channels::{Address, Client, ConnectError};
///
/// let unused: Address = "@not in use".parse()?;
/// assert!(matches!(Client::connect(unused, "a key"), Err(ConnectError::Io { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// Neither a key nor `without_key`.
    NoKey,
    /// A key of no bytes.
    EmptyKey,
    /// The connection was not taken in time.
    TimedOut {
        /// The address.
        address: Address,
    },
    /// The kernel refused, mostly because there is no listener.
    Io {
        /// The address.
        address: Address,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The two sides could not authenticate each other.
    Handshake {
        /// The address.
        address: Address,
        /// What went wrong.
        source: HandshakeError,
    },
}

// By hand: a field called `source` would be one for `thiserror`, and the text says it already.
impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::NoKey => {
                f.write_str("no key was given: call `key`, or `without_key` for a listener that lets everybody in")
            }
            ConnectError::EmptyKey => {
                f.write_str("the key is empty, which could be guessed: give one, or say `without_key`")
            }
            ConnectError::TimedOut { address } => write!(f, "{address} did not take the connection in time"),
            ConnectError::Io { address, source } => write!(f, "cannot connect to {address}: {source}"),
            ConnectError::Handshake { address, source } => write!(f, "cannot authenticate with {address}: {source}"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// A [`Listener`](crate::Listener) can accept nothing now. What strangers do is never such an error.
///
/// # Examples
///
/// ```
/// fn is_send_and_sync<T: Send + Sync>() {}
/// is_send_and_sync::<procession_channels::AcceptError>();
/// ```
#[derive(Debug, thiserror::Error)]
#[error("cannot accept a connection: {}", crate::memory::error::explain(.0))]
pub struct AcceptError(io::Error);

impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> AcceptError {
        AcceptError(error)
    }
}

impl AcceptError {
    /// Returns the error of the kernel.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::AcceptError;
    ///
    /// /// Too many open files are a reason to wait; anything else is not expected.
    /// fn is_limit(error: &AcceptError) -> bool {
    ///     error.io_error().raw_os_error() == Some(24)
    /// }
    /// # let _ = is_limit;
    /// ```
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        &self.0
    }
}

/// Two sides could not authenticate each other.
///
/// # Examples
///
/// ```
/// use procession_channels::HandshakeError;
///
/// assert_eq!(HandshakeError::Rejected.to_string(), "the other side rejected our key");
/// ```
#[doc(alias = "AuthenticationError")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer has another key.
    #[error("the other side has not the right key")]
    WrongKey,
    /// The peer rejects our key.
    #[error("the other side rejected our key")]
    Rejected,
    /// The peer authenticates with MD5, as Python up to 3.11 does.
    #[error("the other side authenticates with MD5, as Python 3.11 and older do: allow it with `legacy`, or update it")]
    Legacy,
    /// The peer sends something that is no handshake.
    #[error("the other side sent {what}: does it use a key, and speak this protocol?")]
    Malformed {
        /// What it sent.
        what: &'static str,
    },
    /// The peer went away.
    #[error("the other side went away during the handshake")]
    Closed,
    /// The peer took too long.
    #[error("the other side did not finish the handshake in time: does it use a key?")]
    TimedOut,
    /// Too many connections waited for their handshake, and this one had been silent for longest.
    #[error("too many connections were waiting for their handshake, and this one for longest")]
    Crowded,
    /// The kernel refused.
    #[error("the handshake failed: {0}")]
    Io(io::Error),
}

impl From<WireError> for HandshakeError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::TooLong { .. } => HandshakeError::Malformed { what: "a message longer than 256 bytes" },
            WireError::Malformed { .. } => HandshakeError::Malformed { what: "a negative length" },
            WireError::Closed | WireError::Truncated => HandshakeError::Closed,
        }
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        if is_disconnected(&error) { HandshakeError::Closed } else { HandshakeError::Io(error) }
    }
}

/// A message could not be sent over a [`SocketConnection`](crate::SocketConnection).
///
/// # Examples
///
/// ```
/// use procession_channels::{SocketConnection, SocketSendError};
/// use std::os::unix::net::UnixStream;
///
/// let (here, there) = UnixStream::pair()?;
/// drop(there);
/// let error = SocketConnection::from(here).send_bytes(b"hello").unwrap_err();
/// assert!(matches!(error, SocketSendError::Disconnected));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketSendError {
    /// The peer is gone.
    #[error("the other side of the connection is gone")]
    Disconnected,
    /// The machine at the other side, or the network between, has been silent for longer than the
    /// [limit](crate::SocketConnection::set_peer_timeout), so it counts as gone.
    #[error("the machine at the other side does not answer any more: it, or the network between, is down")]
    Unreachable,
    /// The peer took nothing in time. Nothing was sent: it may be tried again.
    #[error("the other side took nothing of the message in time")]
    TimedOut,
    /// This message, or one before it, was sent in part when the time ran out, so nothing can be sent any more.
    #[error("a message was cut off in the middle when its time ran out, so this connection cannot send any more")]
    CutOff,
    /// The value could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The value holds open descriptors, which may not travel to strangers.
    #[error(
        "the value holds {0} open descriptors, which a socket connection does not carry: send it over a pipe or queue"
    )]
    Descriptors(usize),
    /// The kernel refused.
    #[error("cannot send over the connection: {0}")]
    Io(io::Error),
}

impl From<io::Error> for SocketSendError {
    fn from(error: io::Error) -> Self {
        match error {
            error if is_disconnected(&error) => SocketSendError::Disconnected,
            error if is_unreachable(&error) => SocketSendError::Unreachable,
            error => SocketSendError::Io(error),
        }
    }
}

/// No message could be received from a [`SocketConnection`](crate::SocketConnection).
///
/// # Examples
///
/// ```
/// use procession_channels::{SocketConnection, SocketRecvError};
/// use std::io::Write;
/// use std::os::unix::net::UnixStream;
///
/// let (here, mut there) = UnixStream::pair()?;
/// let here = SocketConnection::from(here);
/// there.write_all(&[0, 0, 0, 2, b'h'])?;
/// drop(there);
/// assert!(matches!(here.recv_bytes(), Err(SocketRecvError::Truncated)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketRecvError {
    /// The end of the stream: the peer is gone, and every message that it sent was received.
    #[doc(alias = "EOFError")]
    #[error("the other side of the connection is gone")]
    Disconnected,
    /// The peer is gone, and had not read all that was sent to it.
    #[error("the other side went away without reading all that was sent to it")]
    Reset,
    /// The machine at the other side, or the network between, has been silent for longer than the
    /// [limit](crate::SocketConnection::set_peer_timeout), so it counts as gone.
    #[error("the machine at the other side does not answer any more: it, or the network between, is down")]
    Unreachable,
    /// The stream ended inside a message.
    #[error("the other side went away in the middle of a message")]
    Truncated,
    /// Nothing, or only a part, arrived in time. What did arrive is kept for the next call.
    #[error("no whole message arrived in time")]
    TimedOut,
    /// The message is longer than is allowed. It stays where it is: it can be received with a higher maximum.
    #[error("a message of {len} bytes is longer than the maximum of {max} bytes")]
    TooLong {
        /// The length of the message, in bytes.
        len: u64,
        /// The maximum, in bytes.
        max: usize,
    },
    /// What arrived is no message, and neither is what follows.
    #[error("the other side sent a message of {length} bytes: it does not speak this protocol")]
    Malformed {
        /// The length that it announced.
        length: i32,
    },
    /// The message holds no such value. The next one can be received.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The kernel refused.
    #[error("cannot receive from the connection: {0}")]
    Io(io::Error),
}

impl From<WireError> for SocketRecvError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::TooLong { len, limit } => SocketRecvError::TooLong { len, max: limit },
            WireError::Malformed { length } => SocketRecvError::Malformed { length },
            WireError::Closed => SocketRecvError::Disconnected,
            WireError::Truncated => SocketRecvError::Truncated,
        }
    }
}

impl From<io::Error> for SocketRecvError {
    fn from(error: io::Error) -> Self {
        match error {
            error if is_disconnected(&error) => SocketRecvError::Reset,
            error if is_unreachable(&error) => SocketRecvError::Unreachable,
            error => SocketRecvError::Io(error),
        }
    }
}

fn is_disconnected(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// Returns whether the kernel has given up the peer: its time is over, or it could not be reached all the time.
fn is_unreachable(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(error.kind(), TimedOut | HostUnreachable | NetworkUnreachable)
}
