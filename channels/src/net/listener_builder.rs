//! [`ListenerBuilder`]: how a listener is to behave.

use std::io;
use std::time::Duration;

use nix::sys::socket::Backlog;

use super::address::Address;
use super::bound_socket::BoundSocket;
use super::error::BindError;
use super::listener::{Listener, ListenerConfig};
use super::options::{KeyError, Options, shared_options};
use super::pending_handshakes::HandshakeLimits;
use crate::tuning::MAX_PENDING_HANDSHAKES;

/// Configures a [`Listener`].
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
    options: Options,
    backlog: Option<u16>,
    max_pending: usize,
    mode: Option<u32>,
}

impl Listener {
    /// Listens at an address, for clients that know the key.
    ///
    /// # Errors
    ///
    /// - [`BindError::EmptyKey`]: the key is empty.
    /// - [`BindError::InUse`]: another listener has the address, or the file is no socket.
    /// - [`BindError::Io`]: the kernel refuses the address.
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
    /// assert!(Listener::bind(path, "the key").is_err(), "the address is in use");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind(address: impl Into<Address>, key: impl AsRef<[u8]>) -> Result<Listener, BindError> {
        Listener::builder().key(key).bind(address)
    }

    /// Returns a builder, which [binds](ListenerBuilder::bind).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Listener};
    ///
    /// let listener = Listener::builder().key("the key").max_pending(16).bind("@".parse::<Address>()?)?;
    /// # drop(listener);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder { options: Options::default(), backlog: None, max_pending: MAX_PENDING_HANDSHAKES, mode: None }
    }
}

shared_options!(ListenerBuilder);

impl ListenerBuilder {
    /// Sets how many connections the kernel keeps until they are accepted. By default it is as many as Linux allows, 4096 at most; a larger
    /// number means the same.
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

    /// Sets how many handshakes may be under way at once: 128 by default, at least 1. Each holds a descriptor. When one more
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
        self.max_pending = handshakes.max(1);
        self
    }

    /// Sets the mode of the socket's file, from the moment it exists: a process that may write to it may connect. By default the umask
    /// of this process decides. Ports and abstract addresses are no files.
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
    /// - [`BindError::NoKey`]: neither [`key`](Self::key) nor [`without_key`](Self::without_key) was called.
    /// - Otherwise as for [`Listener::bind`].
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, BindError, Listener};
    ///
    /// let listener = Listener::builder().key("the key").bind("@".parse::<Address>()?)?;
    /// assert!(listener.address().to_string().starts_with('@'), "a name that the kernel chose");
    /// assert!(matches!(Listener::builder().bind("@".parse::<Address>()?), Err(BindError::NoKey)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind(self, address: impl Into<Address>) -> Result<Listener, BindError> {
        let address = address.into();
        let secret = self.options.secret().map_err(|error| match error {
            KeyError::Missing => BindError::NoKey,
            KeyError::Empty => BindError::EmptyKey,
        })?;
        let backlog = self.backlog.and_then(|length| Backlog::new(length).ok()).unwrap_or(Backlog::MAXCONN);
        let Options { handshake_timeout, max_message, peer_timeout, .. } = self.options;
        let limits = HandshakeLimits { timeout: handshake_timeout, max_pending: self.max_pending };
        let config = ListenerConfig { secret, limits, max_message, peer_timeout };
        let opened = BoundSocket::bind(&address, backlog, self.mode).and_then(|socket| Listener::open(socket, config));
        opened.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            _ => BindError::Io { address, source },
        })
    }
}
