//! [`Client`]: the connecting side.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use procession_core::os::descriptors::above_standard;
use procession_core::os::poll::deadline_after;

use super::address::Address;
use super::authentication::Secret;
use super::connection::SocketConnection;
use super::error::{ConnectError, HandshakeError};
use super::handshake::Handshake;
use super::liveness::set_keep_alive;
use super::options::{KeyError, Options, shared_options};
use super::stream::await_readable;
use crate::tuning::CONNECT_TIMEOUT;

/// Connects to a [`Listener`](crate::Listener), or to Python's.
///
/// # Examples
///
/// ```
/// use procession_channels::{Address, Client, Listener};
///
/// let listener = Listener::bind("127.0.0.1:0".parse::<Address>()?, "the key")?;
/// let address = listener.address().clone();
/// let client = std::thread::spawn(move || Client::connect(address, "the key").unwrap().send_bytes(b"hello").unwrap());
/// assert_eq!(listener.accept()?.recv_bytes()?, b"hello");
/// # client.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum Client {}

impl Client {
    /// Connects once. Both sides prove to each other that they know the key.
    ///
    /// Connecting may take 30 seconds, and the handshake as many: set other times with the [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// - [`ConnectError::EmptyKey`]: the key is empty.
    /// - [`ConnectError::TimedOut`]: the connection was not taken in time.
    /// - [`ConnectError::Handshake`]: the keys differ, or the other side speaks another protocol.
    /// - [`ConnectError::Io`]: the kernel refuses, mostly because there is no listener.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    ///
    /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
    /// let address = listener.address().clone();
    /// let client = std::thread::spawn(move || Client::connect(address, "the key").unwrap());
    /// listener.accept()?.send_bytes(b"welcome")?;
    /// assert_eq!(client.join().unwrap().recv_bytes()?, b"welcome");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(address: impl Into<Address>, key: impl AsRef<[u8]>) -> Result<SocketConnection, ConnectError> {
        Client::builder().key(key).connect(address)
    }

    /// Returns a builder, which [connects](ClientBuilder::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client};
    ///
    /// assert!(Client::builder().key("the key").connect("@not in use".parse::<Address>()?).is_err());
    /// # Ok::<(), procession_channels::AddressError>(())
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder { options: Options::default(), connect_timeout: CONNECT_TIMEOUT }
    }
}

/// Configures how a [`Client`] connects.
///
/// # Examples
///
/// ```
/// use procession_channels::{Address, Client, ConnectError};
/// use std::time::Duration;
///
/// let unused: Address = "@not in use".parse()?;
/// let builder = Client::builder().key("the key").connect_timeout(Duration::from_secs(1)).legacy(true);
/// assert!(matches!(builder.connect(unused), Err(ConnectError::Io { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct ClientBuilder {
    options: Options,
    connect_timeout: Duration,
}

shared_options!(ClientBuilder);

impl ClientBuilder {
    /// Sets how long connecting may take, before the handshake: 30 seconds by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client};
    /// use std::time::Duration;
    ///
    /// let client = Client::builder().key("the key").connect_timeout(Duration::from_secs(1));
    /// assert!(client.connect("@not in use".parse::<Address>()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// - [`ConnectError::NoKey`]: neither [`key`](Self::key) nor [`without_key`](Self::without_key) was called.
    /// - Otherwise as for [`Client::connect`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, ConnectError};
    ///
    /// let address = "@not in use".parse::<Address>()?;
    /// assert!(Client::builder().key("the key").connect(address.clone()).is_err());
    /// assert!(matches!(Client::builder().connect(address), Err(ConnectError::NoKey)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(self, address: impl Into<Address>) -> Result<SocketConnection, ConnectError> {
        self.connect_until(address, None)
    }

    /// Connects, with a deadline for the connection and the handshake together. It counts where it comes before their own limits.
    #[doc(hidden)]
    pub fn connect_until(
        self,
        address: impl Into<Address>,
        deadline: Option<Instant>,
    ) -> Result<SocketConnection, ConnectError> {
        let address = address.into();
        let secret = self.options.secret().map_err(|error| match error {
            KeyError::Missing => ConnectError::NoKey,
            KeyError::Empty => ConnectError::EmptyKey,
        })?;
        let timeout = deadline
            .map_or(self.connect_timeout, |at| at.saturating_duration_since(Instant::now()).min(self.connect_timeout));
        let socket = match connected(&address, timeout, self.options.peer_timeout).and_then(above_standard) {
            Ok(socket) => socket,
            Err(error) if is_timeout(&error) => return Err(ConnectError::TimedOut { address }),
            Err(source) => return Err(ConnectError::Io { address, source }),
        };
        let own = deadline_after(self.options.handshake_timeout);
        let socket = match secret {
            None => socket,
            Some(secret) => authenticated(socket, secret, own.into_iter().chain(deadline).min())
                .map_err(|source| ConnectError::Handshake { address, source })?,
        };
        Ok(SocketConnection::new(socket, self.options.max_message))
    }
}

fn connected(address: &Address, timeout: Duration, peer_timeout: Option<Duration>) -> io::Result<OwnedFd> {
    // `connect_timeout` refuses zero, and the kernel takes it for no timeout at all.
    let timeout = timeout.max(Duration::from_micros(1));
    match address {
        Address::Unix(path) => connected_unix(&UnixAddr::new(path)?, timeout),
        Address::Abstract(name) => connected_unix(&UnixAddr::new_abstract(name)?, timeout),
        Address::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, timeout)?;
            // Each message is written at once, so waiting for more of it only delays.
            stream.set_nodelay(true)?;
            set_keep_alive(&stream, peer_timeout)?;
            Ok(stream.into())
        }
    }
}

/// Connects until the timeout: the kernel waits for space in the listener's queue as long as a write may take.
fn connected_unix(address: &UnixAddr, timeout: Duration) -> io::Result<OwnedFd> {
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let stream = UnixStream::from(socket);
    let deadline = deadline_after(timeout);
    loop {
        // Set again after each interruption, so that signals do not extend the time.
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_micros(1)));
        stream.set_write_timeout(left)?;
        match socket::connect(stream.as_raw_fd(), address) {
            Ok(()) => break,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    // The timeout was for connecting. Calls have deadlines of their own.
    stream.set_write_timeout(None)?;
    Ok(stream.into())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

fn authenticated(socket: OwnedFd, secret: Arc<Secret>, deadline: Option<Instant>) -> Result<OwnedFd, HandshakeError> {
    let mut handshake = Handshake::client(socket, secret)?;
    while !handshake.advance()? {
        if !await_readable(handshake.as_fd(), deadline)? {
            return Err(HandshakeError::TimedOut);
        }
    }
    Ok(handshake.into_socket())
}
