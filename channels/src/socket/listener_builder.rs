//! [`ListenerBuilder`]: how a listener is to behave.

use std::io;
use std::time::Duration;

use nix::sys::socket::Backlog;

use super::address::Address;
use super::connection::MAX_MESSAGE;
use super::door::Manners;
use super::error::BindError;
use super::listener::{HANDSHAKE_TIMEOUT, Listener, Rules};
use super::liveness::PEER_TIMEOUT;
use super::place::Place;
use super::secret::{Choice, Unusable};

/// How many handshakes may be under way unless another number was set.
const MAX_PENDING: usize = 128;

/// How a [`Listener`] listens.
///
/// # Examples
///
/// ```
/// use procession_channels::{Address, Listener};
/// use std::time::Duration;
///
/// let listener = Listener::builder()
///     .key("the key")
///     .handshake_timeout(Duration::from_secs(2))
///     .max_message(1 << 20)
///     .bind("@".parse::<Address>()?)?;
/// # drop(listener);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind`"]
pub struct ListenerBuilder {
    choice: Choice,
    legacy: bool,
    backlog: Option<u16>,
    manners: Manners,
    max_message: usize,
    peer_timeout: Option<Duration>,
    mode: Option<u32>,
}

impl ListenerBuilder {
    pub(super) fn new() -> Self {
        let manners = Manners { timeout: HANDSHAKE_TIMEOUT, most: MAX_PENDING };
        Self {
            choice: Choice::default(),
            legacy: false,
            backlog: None,
            manners,
            max_message: MAX_MESSAGE,
            peer_timeout: Some(PEER_TIMEOUT),
            mode: None,
        }
    }

    /// The key that both sides must know: some bytes, the more random the better.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    ///
    /// let listener = Listener::builder().key([1, 2, 3]).bind("@".parse::<Address>()?)?;
    /// let address = listener.address().clone();
    /// let client = std::thread::spawn(move || Client::connect(address, [1, 2, 3]).unwrap());
    /// listener.accept()?.send_bytes(b"welcome")?;
    /// assert_eq!(client.join().unwrap().recv_bytes()?, b"welcome");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "authkey")]
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.choice = Choice::Key(key.as_ref().to_vec());
        self
    }

    /// Lets everybody in who can reach the address. There is no handshake, and nothing tells a client so: choose the same on
    /// both sides.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Listener};
    ///
    /// let folder = tempfile::tempdir()?; // which nobody else can enter
    /// let listener = Listener::builder().without_key().bind(folder.path().join("socket"))?;
    /// # drop(listener);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without_key(mut self) -> Self {
        self.choice = Choice::NoKey;
        self
    }

    /// Whether clients may prove themselves with MD5, as Python 3.11 and older do. They may not at first.
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::{Address, Listener};
    /// let listener = Listener::builder().key("the key").legacy(true).bind("@".parse::<Address>()?)?;
    /// # drop(listener);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn legacy(mut self, allowed: bool) -> Self {
        self.legacy = allowed;
        self
    }

    /// How many connections the kernel keeps that nobody has accepted. At first it is as many as Linux allows, 4096 at
    /// most; a larger number means the same.
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::{Address, Listener};
    /// let listener = Listener::builder().key("the key").backlog(8).bind("@".parse::<Address>()?)?;
    /// # drop(listener);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backlog(mut self, connections: u16) -> Self {
        self.backlog = Some(connections);
        self
    }

    /// How long a client may take for its handshake. It is 30 seconds at first.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    /// use std::time::Duration;
    /// use std::os::{linux::net::SocketAddrExt, unix::net};
    ///
    /// let moment = Duration::from_millis(20);
    /// let listener = Listener::builder().key("the key").handshake_timeout(moment).bind("@".parse::<Address>()?)?;
    /// let name = listener.address().to_string();
    /// let name = net::SocketAddr::from_abstract_name(name.trim_start_matches('@'))?;
    /// let _silent = net::UnixStream::connect_addr(&name)?;
    /// while listener.refused() == 0 {
    ///     assert!(listener.accept_timeout(moment)?.is_none());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.manners.timeout = timeout;
        self
    }

    /// How many handshakes may be under way at once, 128 at first, at least 1. Each holds a descriptor. When one more
    /// comes, the one that has been silent for longest is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::{Address, Listener};
    /// let listener = Listener::builder().key("the key").max_pending(16).bind("@".parse::<Address>()?)?;
    /// # drop(listener);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_pending(mut self, handshakes: usize) -> Self {
        self.manners.most = handshakes.max(1);
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
    /// use procession_channels::{Address, Listener};
    /// use std::time::Duration;
    ///
    /// let here: Address = "127.0.0.1:0".parse()?;
    /// let listener = Listener::builder().key("the key").peer_timeout(Duration::from_secs(20)).bind(here)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peer_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.peer_timeout = limit.into();
        self
    }

    /// The longest message that an accepted connection receives, in bytes, as
    /// [`with_max_message`](crate::SocketConnection::with_max_message) sets it.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    ///
    /// let listener = Listener::builder().key("the key").max_message(10).bind("@".parse::<Address>()?)?;
    /// let address = listener.address().clone();
    /// let client = std::thread::spawn(move || Client::connect(address, "the key").unwrap().send_bytes(&[0; 11]));
    /// assert!(listener.accept()?.recv_bytes().is_err());
    /// # drop(client.join());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// The mode of the socket's file: who may write to it may connect. It holds from the moment when the file is there. Without
    /// this, the file is as the umask of the process says. Ports and abstract addresses are no files.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::Listener;
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("socket");
    /// let _listener = Listener::builder().key("the key").mode(0o600).bind(path.as_path())?;
    /// assert_eq!(path.metadata()?.permissions().mode() & 0o777, 0o600);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Listens.
    ///
    /// # Errors
    ///
    /// As for [`Listener::bind`], and if neither a key nor that there is none was said.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Listener};
    /// use procession_channels::BindError;
    ///
    /// let listener = Listener::builder().key("the key").bind("@".parse::<Address>()?)?;
    /// assert!(listener.address().to_string().starts_with('@'), "a name that the kernel chose");
    /// assert!(matches!(Listener::builder().bind("@".parse::<Address>()?), Err(BindError::NoKey)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind(self, address: impl Into<Address>) -> Result<Listener, BindError> {
        let address = address.into();
        let secret = self.choice.into_secret(self.legacy).map_err(|unusable| match unusable {
            Unusable::NoKey => BindError::NoKey,
            Unusable::EmptyKey => BindError::EmptyKey,
        })?;
        let backlog = self.backlog.and_then(|length| Backlog::new(length).ok()).unwrap_or(Backlog::MAXCONN);
        let rules =
            Rules { secret, manners: self.manners, max_message: self.max_message, peer_timeout: self.peer_timeout };
        let opened = Place::take(&address, backlog, self.mode).and_then(|place| Listener::open(place, rules));
        opened.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            _ => BindError::Io { address, source },
        })
    }
}
