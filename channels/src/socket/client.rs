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
use super::auth::Secret;
use super::connection::{MAX_MESSAGE, SocketConnection};
use super::error::{ConnectError, HandshakeError};
use super::handshake::Talk;
use super::listener::HANDSHAKE_TIMEOUT;
use super::liveness::{PEER_TIMEOUT, watch};
use super::secret::{Choice, Unusable};
use super::stream::await_readable;

/// How long connecting may take unless another time was set.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

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
    /// Connects once, and proves to the listener that it knows the key, and the listener to it.
    ///
    /// Connecting may take 30 seconds, and the handshake as many: set other times with the [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// Nobody listens there or takes the connection in time, the keys differ, or the key is empty.
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

    /// Says how to connect.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    ///
    /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
    /// let address = listener.address().clone();
    /// let client = std::thread::spawn(move || Client::builder().key("the key").connect(address).unwrap());
    /// listener.accept()?.send_bytes(b"welcome")?;
    /// assert_eq!(client.join().unwrap().recv_bytes()?, b"welcome");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            choice: Choice::default(),
            legacy: false,
            connect_timeout: CONNECT_TIMEOUT,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            max_message: MAX_MESSAGE,
            peer_timeout: Some(PEER_TIMEOUT),
        }
    }
}

/// How a [`Client`] connects.
///
/// # Examples
///
/// ```
/// use procession_channels::{Address, Client, ConnectError};
/// use std::time::Duration;
///
/// let nobody: Address = "@nobody is here".parse()?;
/// let builder = Client::builder().key("the key").connect_timeout(Duration::from_secs(1)).legacy(true);
/// assert!(matches!(builder.connect(nobody), Err(ConnectError::Io { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct ClientBuilder {
    choice: Choice,
    legacy: bool,
    connect_timeout: Duration,
    handshake_timeout: Duration,
    max_message: usize,
    peer_timeout: Option<Duration>,
}

impl ClientBuilder {
    /// The key that both sides must know: some bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    ///
    /// let listener = Listener::bind("@".parse::<Address>()?, [1, 2, 3])?;
    /// let address = listener.address().clone();
    /// let client = std::thread::spawn(move || Client::builder().key([1, 2, 3]).connect(address).unwrap());
    /// listener.accept()?.send_bytes(b"welcome")?;
    /// assert_eq!(client.join().unwrap().recv_bytes()?, b"welcome");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "authkey")]
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.choice = Choice::Key(key.as_ref().to_vec());
        self
    }

    /// Connects to a listener that lets everybody in. Nothing tells that it does, so choose the same on both sides.
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::{Address, Client, Listener};
    /// let listener = Listener::builder().without_key().bind("@".parse::<Address>()?)?;
    /// let client = Client::builder().without_key().connect(listener.address())?;
    /// listener.accept()?.send_bytes(b"come in")?;
    /// assert_eq!(client.recv_bytes()?, b"come in");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without_key(mut self) -> Self {
        self.choice = Choice::NoKey;
        self
    }

    /// Whether the listener may prove itself with MD5, as Python 3.11 and older do. It may not at first.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    ///
    /// let listener = Listener::builder().key("the key").legacy(true).bind("@".parse::<Address>()?)?;
    /// let address = listener.address().clone();
    /// let client = std::thread::spawn(move || Client::builder().key("the key").legacy(true).connect(address).unwrap());
    /// listener.accept()?.send_bytes(b"welcome")?;
    /// assert_eq!(client.join().unwrap().recv_bytes()?, b"welcome");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn legacy(mut self, allowed: bool) -> Self {
        self.legacy = allowed;
        self
    }

    /// How long it may take until the connection stands, before the handshake.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client};
    /// use std::time::Duration;
    ///
    /// let client = Client::builder().key("the key").connect_timeout(Duration::from_secs(1));
    /// assert!(client.connect("@nobody listens here".parse::<Address>()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the handshake may take.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    /// use std::time::Duration;
    ///
    /// // It accepts nobody.
    /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
    /// let client = Client::builder().key("the key").handshake_timeout(Duration::from_millis(10));
    /// assert!(client.connect(listener.address().clone()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How long the machine of the other side may be silent before a connection over TCP counts as gone; a minute unless this is
    /// called, and `None` for ever.
    ///
    /// A machine that lost power or its network never says that it is gone. So the kernel asks an idle one from time to time, and
    /// gives up one that does not confirm what is sent to it. Whoever waits for it then learns that it is
    /// [unreachable](crate::SocketRecvError::Unreachable). A peer that only takes its time is never given up: its machine answers.
    /// Before Linux 6.15, and below 15 seconds, one that does not read at all for so long is.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::Client;
    /// use std::time::Duration;
    ///
    /// let client = Client::builder().key("the key").peer_timeout(Duration::from_secs(20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peer_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.peer_timeout = limit.into();
        self
    }

    /// The longest message that is received, in bytes, as
    /// [`with_max_message`](SocketConnection::with_max_message) sets it.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    ///
    /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
    /// let address = listener.address().clone();
    /// let client = Client::builder().key("the key").max_message(10);
    /// let client = std::thread::spawn(move || client.connect(address).unwrap().recv_bytes());
    /// listener.accept()?.send_bytes(&[0; 11])?;
    /// assert!(client.join().unwrap().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// As for [`Client::connect`], and if neither a key nor that there is none was said.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, ConnectError};
    ///
    /// let address = "@nobody listens here".parse::<Address>()?;
    /// assert!(Client::builder().key("the key").connect(address.clone()).is_err());
    /// assert!(matches!(Client::builder().connect(address), Err(ConnectError::NoKey)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(self, address: impl Into<Address>) -> Result<SocketConnection, ConnectError> {
        let address = address.into();
        let secret = self.choice.into_secret(self.legacy).map_err(|unusable| match unusable {
            Unusable::NoKey => ConnectError::NoKey,
            Unusable::EmptyKey => ConnectError::EmptyKey,
        })?;
        let socket = match connected(&address, self.connect_timeout, self.peer_timeout).and_then(above_standard) {
            Ok(socket) => socket,
            Err(error) if is_late(&error) => return Err(ConnectError::TimedOut { address }),
            Err(source) => return Err(ConnectError::Io { address, source }),
        };
        let socket = match secret {
            None => socket,
            Some(secret) => authenticated(socket, secret, deadline_after(self.handshake_timeout))
                .map_err(|source| ConnectError::Handshake { address, source })?,
        };
        Ok(SocketConnection::new(socket, self.max_message))
    }
}

fn connected(address: &Address, timeout: Duration, peer_timeout: Option<Duration>) -> io::Result<OwnedFd> {
    // The kernel takes a time of zero for none at all.
    let timeout = timeout.max(Duration::from_micros(1));
    match address {
        Address::Unix(path) => connected_unix(&UnixAddr::new(path)?, timeout),
        Address::Abstract(name) => connected_unix(&UnixAddr::new_abstract(name)?, timeout),
        Address::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, timeout)?;
            stream.set_nodelay(true)?;
            watch(&stream, peer_timeout)?;
            Ok(stream.into())
        }
    }
}

/// Connects within a time: the kernel waits for room in the listener's queue as long as a write may take.
fn connected_unix(address: &UnixAddr, timeout: Duration) -> io::Result<OwnedFd> {
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let stream = UnixStream::from(socket);
    let deadline = deadline_after(timeout);
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()).max(Duration::from_micros(1)));
        stream.set_write_timeout(left)?;
        match socket::connect(stream.as_raw_fd(), address) {
            Ok(()) => break,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    stream.set_write_timeout(None)?;
    Ok(stream.into())
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

fn authenticated(socket: OwnedFd, secret: Arc<Secret>, deadline: Option<Instant>) -> Result<OwnedFd, HandshakeError> {
    let mut talk = Talk::client(socket, secret)?;
    while !talk.advance()? {
        if !await_readable(talk.as_fd(), deadline)? {
            return Err(HandshakeError::TimedOut);
        }
    }
    Ok(talk.into_socket())
}
