//! [`Listener`]: the accepting side.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::os::epoll::Epoll;
use procession_core::os::poll::{Pollable, deadline_after};

use super::address::Address;
use super::auth::Secret;
use super::connection::SocketConnection;
use super::door::{Door, Manners, Refusals, is_limit};
use super::error::{AcceptError, BindError, HandshakeError};
use super::gate::{Gate, Pass};
use super::listener_builder::ListenerBuilder;
use super::liveness::watch;
use super::place::Place;

/// How long a handshake may take unless another time was set.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The number of the listening socket among those that are waited for. The others begin at 1.
const NEWCOMER: u64 = 0;

/// How many newcomers are let in before those who are inside get a turn.
const AT_ONCE: usize = 16;

/// Accepts connections, from a [`Client`](crate::Client) or from Python's.
///
/// Both sides prove that they know the key before [`accept`](Self::accept) gives a connection out. The handshakes of all
/// who have connected go forward at once, inside `accept`, so a stranger who says nothing keeps nobody waiting. Each has a
/// deadline, and their number is bounded: when there are too many, the one that has been silent for longest is dropped. A
/// handshake that fails is never an error of `accept`; it is [counted and remembered](Self::take_refusals).
///
/// The handshake authenticates; it does not encrypt. Over a network that you do not trust, use a tunnel.
///
/// A socket file is unlinked when the listener is dropped. One that a killed process left behind is replaced; one at which
/// somebody listens is not.
///
/// As a descriptor ([`AsFd`]) a listener is ready when there is something to do: then call
/// [`accept_timeout`](Self::accept_timeout) with a timeout of zero, which may accept nobody yet.
///
/// # Differences from Python's `Listener`
///
/// Python's `accept` raises what a stranger did, waits for ever for one who says nothing, and serves one at a time. Python's
/// listener lets everybody in when it was given no key; here that has to be [said](ListenerBuilder::without_key).
/// Python before 3.12 authenticates with MD5, which has to be [allowed](ListenerBuilder::legacy); else it does not get in, which
/// is said once on standard error.
///
/// # Examples
///
/// ```
/// use procession_channels::{Address, Client, Listener};
///
/// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
/// let address = listener.address().clone();
/// let client = std::thread::spawn(move || Client::connect(address, "the key").unwrap().recv_bytes().unwrap());
/// listener.accept()?.send_bytes(b"welcome")?;
/// assert_eq!(client.join().unwrap(), b"welcome");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    place: Place,
    set: Epoll,
    door: Gate<Door>,
    refusals: Refusals,
    rules: Rules,
}

/// What was asked of a listener.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) secret: Option<Arc<Secret>>,
    pub(super) manners: Manners,
    pub(super) max_message: usize,
    /// How long the machine of a peer may be silent.
    pub(super) peer_timeout: Option<Duration>,
}

/// A connection that a [`Listener`] did not accept, and why.
///
/// # Examples
///
/// ```
/// use procession_channels::{Address, Client, HandshakeError, Listener};
/// use std::time::Duration;
///
/// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
/// std::thread::scope(|s| {
///     s.spawn(|| Client::connect(listener.address(), "another key").unwrap_err());
///     while listener.refused() == 0 {
///         assert!(listener.accept_timeout(Duration::from_millis(10)).unwrap().is_none());
///     }
/// });
/// assert!(matches!(listener.take_refusals()[0].error, HandshakeError::WrongKey));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// Where it came from, if that has a name.
    pub peer: Option<Address>,
    /// Why it was not accepted.
    pub error: HandshakeError,
}

impl Listener {
    /// Listens at an address, for those who know the key.
    ///
    /// # Errors
    ///
    /// Somebody listens there, the address is not to be had, or the key is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Listener};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = Address::from(directory.path().join("socket"));
    /// let listener = Listener::bind(path.clone(), "the key")?;
    /// assert_eq!(*listener.address(), path);
    /// assert!(Listener::bind(path, "the key").is_err(), "somebody listens there");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind(address: impl Into<Address>, key: impl AsRef<[u8]>) -> Result<Listener, BindError> {
        Listener::builder().key(key).bind(address)
    }

    /// Says how to listen.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    ///
    /// let listener = Listener::builder().without_key().bind("@".parse::<Address>()?)?;
    /// let address = listener.address().clone();
    /// let client = std::thread::spawn(move || Client::builder().without_key().connect(address).unwrap());
    /// listener.accept()?.send_bytes(b"welcome")?;
    /// assert_eq!(client.join().unwrap().recv_bytes()?, b"welcome");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::new()
    }

    pub(super) fn open(place: Place, rules: Rules) -> io::Result<Listener> {
        let set = Epoll::new()?;
        set.add(Pollable::readable(place.as_fd()), NEWCOMER)?;
        Ok(Listener { place, set, door: Gate::new(Door::default()), refusals: Refusals::default(), rules })
    }

    /// Where it listens, with the port or name that the kernel has chosen.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Listener};
    ///
    /// let listener = Listener::bind("127.0.0.1:0".parse::<Address>()?, "the key")?;
    /// assert_ne!(listener.address().to_string(), "127.0.0.1:0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn address(&self) -> &Address {
        self.place.address()
    }

    /// Waits for the next connection whose handshake is through. Several threads may call it.
    ///
    /// # Errors
    ///
    /// What the kernel says of this process, such as too many open files; never what a stranger did.
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
    pub fn accept(&self) -> Result<SocketConnection, AcceptError> {
        loop {
            if let Some(connection) = self.accept_until(None)? {
                return Ok(connection);
            }
        }
    }

    /// Waits as [`accept`](Self::accept) does, no longer than this. Handshakes that have begun go on in the next call.
    ///
    /// # Errors
    ///
    /// As for [`accept`](Self::accept).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Listener};
    /// use std::time::Duration;
    ///
    /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
    /// assert!(listener.accept_timeout(Duration::from_millis(1))?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accept_timeout(&self, timeout: Duration) -> Result<Option<SocketConnection>, AcceptError> {
        // What the clock cannot express is for ever.
        Ok(self.accept_until(deadline_after(timeout))?)
    }

    /// How many connections were not accepted, because their handshake failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    /// use std::time::Duration;
    ///
    /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
    /// let address = listener.address().clone();
    /// let stranger = std::thread::spawn(move || Client::connect(address, "another key").is_err());
    /// while listener.refused() == 0 {
    ///     assert!(listener.accept_timeout(Duration::from_millis(10))?.is_none());
    /// }
    /// assert!(stranger.join().unwrap());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refusals.count()
    }

    /// The latest of those, 64 at most, which are forgotten by this call.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, HandshakeError, Listener};
    /// use std::time::Duration;
    ///
    /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
    /// let address = listener.address().clone();
    /// let stranger = std::thread::spawn(move || Client::connect(address, "another key").is_err());
    /// while listener.refused() == 0 {
    ///     assert!(listener.accept_timeout(Duration::from_millis(10))?.is_none());
    /// }
    /// assert!(matches!(listener.take_refusals()[0].error, HandshakeError::WrongKey));
    /// assert!(listener.take_refusals().is_empty());
    /// # drop(stranger.join());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_refusals(&self) -> Vec<Refusal> {
        self.refusals.take()
    }

    fn accept_until(&self, deadline: Option<Instant>) -> io::Result<Option<SocketConnection>> {
        let Some(mut door) = self.door.pass(deadline) else { return Ok(None) };
        loop {
            let earlier = [deadline, door.deadline()].into_iter().flatten().min();
            let tokens = self.set.wait(earlier)?;
            let is_late = tokens.is_empty() && deadline.is_some_and(|at| at <= Instant::now());
            if let Some(connection) = self.serve(&mut door, &tokens)? {
                return Ok(Some(connection));
            }
            if is_late {
                return Ok(None);
            }
        }
    }

    /// Goes on with all who are ready, up to the first who is through. The others stay ready.
    fn serve(&self, door: &mut Pass<'_, Door>, tokens: &[u64]) -> io::Result<Option<SocketConnection>> {
        for &token in tokens {
            let socket = match (token, &self.rules.secret) {
                (NEWCOMER, None) => self.newcomer(door)?,
                (NEWCOMER, Some(secret)) => {
                    self.admit(door, secret)?;
                    None
                }
                _ => door.advance(token, &self.set, &self.refusals),
            };
            if let Some(socket) = socket {
                return Ok(Some(SocketConnection::new(socket, self.rules.max_message)));
            }
        }
        let late = door.expire(self.rules.manners, &self.set, &self.refusals);
        Ok(late.map(|socket| SocketConnection::new(socket, self.rules.max_message)))
    }

    fn admit(&self, door: &mut Pass<'_, Door>, secret: &Arc<Secret>) -> io::Result<()> {
        for _ in 0..AT_ONCE {
            let Some(socket) = self.newcomer(door)? else { break };
            door.admit(socket, secret, self.rules.manners, &self.set, &self.refusals);
        }
        Ok(())
    }

    /// The next of those who have connected. When no descriptor is left for it, one of those who wait has to go.
    fn newcomer(&self, door: &mut Pass<'_, Door>) -> io::Result<Option<std::os::fd::OwnedFd>> {
        loop {
            let accepted = self.place.accept();
            match accepted.and_then(|socket| watch(&socket, self.rules.peer_timeout).map(|()| socket)) {
                Ok(socket) => return Ok(Some(socket)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if is_passing(&error) => {}
                Err(error) if is_limit(&error) && door.evict(&self.refusals) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

/// Whether an error belongs to the connection that was to be accepted, which is gone: the next one may be fine. Linux reports
/// pending network errors of the new socket from `accept` itself.
fn is_passing(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let passing = [
        Errno::EINTR,
        Errno::ECONNABORTED,
        Errno::ECONNRESET,
        Errno::ENETDOWN,
        Errno::EPROTO,
        Errno::ENOPROTOOPT,
        Errno::EHOSTDOWN,
        Errno::ENONET,
        Errno::EHOSTUNREACH,
        Errno::EOPNOTSUPP,
        Errno::ENETUNREACH,
        Errno::EINVAL,
    ];
    // `EINVAL` is what turning off Nagle's delay says of a socket that was reset in the meantime.
    passing.iter().any(|&errno| error.raw_os_error() == Some(errno as i32))
}
