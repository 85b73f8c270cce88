//! [`Listener`]: the accepting side.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_core::os::epoll::Epoll;
use procession_core::os::poll::{Pollable, deadline_after};

use super::address::Address;
use super::authentication::Secret;
use super::bound_socket::BoundSocket;
use super::connection::SocketConnection;
use super::deadline_mutex::DeadlineMutex;
use super::error::AcceptError;
use super::liveness::set_keep_alive;
use super::pending_handshakes::{HandshakeLimits, PendingHandshakes, is_fd_limit};
use super::refusals::{Refusal, Refusals};
use crate::tuning::ACCEPTS_PER_TURN;

/// Token of the listening socket among those that are waited for. Those of the handshakes begin at 1.
const LISTENING_SOCKET: u64 = 0;

/// Accepts connections, from a [`Client`](crate::Client) or from Python's.
///
/// Both sides prove that they know the key before [`accept`](Self::accept) returns a connection. All handshakes
/// advance at once, inside `accept`, so a silent stranger delays no other. Each has a deadline, and their number is
/// bounded: when there are too many, the one that has been silent for longest is dropped. A
/// handshake that fails is never an error of `accept`; it is [counted and remembered](Self::take_refusals).
///
/// The handshake authenticates; it does not encrypt. Over a network that you do not trust, use a tunnel.
///
/// A socket file is unlinked when the listener is dropped. One that a killed process left behind is replaced; one that is in use is not.
///
/// As a descriptor ([`AsFd`]) a listener is ready when there is something to do: then call
/// [`accept_timeout`](Self::accept_timeout) with a timeout of zero, which may return no connection yet.
///
/// # Differences from Python's `Listener`
///
/// Python's `accept` raises what a stranger did, waits for ever for a silent one, and serves one at a time. Python's
/// listener accepts everybody when it was given no key; here that has to be [chosen](crate::ListenerBuilder::without_key).
/// Python before 3.12 authenticates with MD5, which has to be [allowed](crate::ListenerBuilder::legacy); otherwise it is refused,
/// which is printed once on standard error.
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
    socket: BoundSocket,
    set: Epoll,
    pending: DeadlineMutex<PendingHandshakes>,
    refusals: Refusals,
    config: ListenerConfig,
}

/// What the builder of a listener was asked for.
#[derive(Debug)]
pub(super) struct ListenerConfig {
    pub(super) secret: Option<Arc<Secret>>,
    pub(super) limits: HandshakeLimits,
    pub(super) max_message: usize,
    /// How long the machine of a peer may be silent.
    pub(super) peer_timeout: Option<Duration>,
}

impl Listener {
    pub(super) fn open(socket: BoundSocket, config: ListenerConfig) -> io::Result<Listener> {
        let set = Epoll::new()?;
        set.add(Pollable::readable(socket.as_fd()), LISTENING_SOCKET)?;
        let pending = DeadlineMutex::new(PendingHandshakes::default());
        Ok(Listener { socket, set, pending, refusals: Refusals::default(), config })
    }

    /// Returns where it listens, with the port or name that the kernel has chosen.
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
        self.socket.address()
    }

    /// Waits for the next connection whose handshake has succeeded. Several threads may call it.
    ///
    /// # Errors
    ///
    /// [`AcceptError`]: the kernel refuses because of this process, such as for too many open files; never for what a stranger did.
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

    /// Waits as [`accept`](Self::accept) does, until the timeout. Handshakes under way advance in the next call.
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
        // A timeout that the clock cannot express is for ever.
        Ok(self.accept_until(deadline_after(timeout))?)
    }

    /// Returns the number of connections that were not accepted, because their handshake failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Listener};
    ///
    /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
    /// assert_eq!(listener.refused(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refusals.count()
    }

    /// Returns the latest of those, 64 at most, and forgets them. See [`Refusal`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Listener};
    ///
    /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
    /// for refusal in listener.take_refusals() {
    ///     println!("{:?}: {}", refusal.peer, refusal.error);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_refusals(&self) -> Vec<Refusal> {
        self.refusals.take()
    }

    fn accept_until(&self, deadline: Option<Instant>) -> io::Result<Option<SocketConnection>> {
        let Some(mut pending) = self.pending.lock(deadline) else { return Ok(None) };
        loop {
            // Handshakes expire even while the caller waits for ever.
            let earlier = [deadline, pending.deadline()].into_iter().flatten().min();
            let tokens = self.set.wait(earlier)?;
            // Decided before serving, so that the last tokens are still served at the deadline.
            let is_timeout = tokens.is_empty() && deadline.is_some_and(|at| at <= Instant::now());
            if let Some(connection) = self.serve(&mut pending, &tokens)? {
                return Ok(Some(connection));
            }
            if is_timeout {
                return Ok(None);
            }
        }
    }

    /// Advances all handshakes that are ready, up to the first that succeeds. The others stay ready.
    fn serve(&self, pending: &mut PendingHandshakes, tokens: &[u64]) -> io::Result<Option<SocketConnection>> {
        for &token in tokens {
            let socket = match (token, &self.config.secret) {
                (LISTENING_SOCKET, None) => self.accept_next(pending)?,
                (LISTENING_SOCKET, Some(secret)) => {
                    self.start_handshakes(pending, secret)?;
                    None
                }
                _ => pending.advance(token, &self.set, &self.refusals),
            };
            if let Some(socket) = socket {
                return Ok(Some(SocketConnection::new(socket, self.config.max_message)));
            }
        }
        // Only when all that is ready was served: a peer that has answered in time is not expired.
        let connected = pending.expire(self.config.limits, &self.set, &self.refusals);
        Ok(connected.map(|socket| SocketConnection::new(socket, self.config.max_message)))
    }

    fn start_handshakes(&self, pending: &mut PendingHandshakes, secret: &Arc<Secret>) -> io::Result<()> {
        // A flood of connections must not keep the handshakes under way from advancing.
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(socket) = self.accept_next(pending)? else { break };
            pending.accept(socket, secret, self.config.limits, &self.set, &self.refusals);
        }
        Ok(())
    }

    /// Accepts the next connection. If no descriptor is left for it, the oldest handshake is given up.
    fn accept_next(&self, pending: &mut PendingHandshakes) -> io::Result<Option<OwnedFd>> {
        loop {
            let accepted = self.socket.accept();
            match accepted.and_then(|socket| set_keep_alive(&socket, self.config.peer_timeout).map(|()| socket)) {
                Ok(socket) => return Ok(Some(socket)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if is_passing(&error) => {}
                // A stranger that holds a descriptor must not keep others out.
                Err(error) if is_fd_limit(&error) && pending.evict_oldest(&self.refusals) => {}
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

/// Returns whether an error belongs to the connection that was to be accepted, which is gone: the next one may be fine. Linux reports
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
