//! [`Options`]: what the builders of listeners and clients have in common.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::authentication::Secret;
use crate::tuning::{HANDSHAKE_TIMEOUT, MAX_MESSAGE_BYTES, PEER_TIMEOUT};

/// What both sides of a connection choose.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) key: KeyChoice,
    /// Whether peers may authenticate with MD5.
    pub(super) legacy: bool,
    pub(super) handshake_timeout: Duration,
    pub(super) max_message: usize,
    pub(super) peer_timeout: Option<Duration>,
}

/// A key, or on purpose none.
#[derive(Clone)]
pub(super) enum KeyChoice {
    Missing,
    NoKey,
    Key(Vec<u8>),
}

/// Why a choice cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyError {
    Missing,
    Empty,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            key: KeyChoice::Missing,
            legacy: false,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            max_message: MAX_MESSAGE_BYTES,
            peer_timeout: Some(PEER_TIMEOUT),
        }
    }
}

impl Options {
    /// Returns what a handshake needs; `None` if there is no handshake.
    pub(super) fn secret(&self) -> Result<Option<Arc<Secret>>, KeyError> {
        match &self.key {
            // A key that was forgotten must not mean that everybody is accepted.
            KeyChoice::Missing => Err(KeyError::Missing),
            KeyChoice::NoKey => Ok(None),
            KeyChoice::Key(key) if key.is_empty() => Err(KeyError::Empty),
            KeyChoice::Key(key) => Ok(Some(Arc::new(Secret { key: key.clone(), legacy: self.legacy }))),
        }
    }
}

impl fmt::Debug for KeyChoice {
    /// Shows everything but the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyChoice::Missing => "not chosen",
            KeyChoice::NoKey => "no key",
            KeyChoice::Key(_) => "a key",
        })
    }
}

/// Gives a builder with a field `options` the methods that both builders have.
macro_rules! shared_options {
    ($builder:ident) => {
        impl $builder {
            /// Sets the key that both sides must know: some bytes, the more random the better.
            ///
            /// # Examples
            ///
            /// ```
            /// use procession_channels::{Address, Client, Listener};
            ///
            /// let listener = Listener::builder().key([1, 2, 3]).bind("@".parse::<Address>()?)?;
            /// let address = listener.address().clone();
            /// let client = std::thread::spawn(move || Client::builder().key([1, 2, 3]).connect(address).unwrap());
            /// listener.accept()?.send_bytes(b"welcome")?;
            /// assert_eq!(client.join().unwrap().recv_bytes()?, b"welcome");
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[doc(alias = "authkey")]
            pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
                self.options.key = crate::net::options::KeyChoice::Key(key.as_ref().to_vec());
                self
            }

            /// Leaves the handshake out: the listener accepts everybody who can reach its address. One side does not notice whether the other has
            /// chosen this, so choose the same on both.
            ///
            /// # Examples
            ///
            /// ```
            /// use procession_channels::{Client, Listener};
            ///
            /// let folder = tempfile::tempdir()?; // which no other user can enter
            /// let listener = Listener::builder().without_key().bind(folder.path().join("socket"))?;
            /// let client = Client::builder().without_key().connect(listener.address())?;
            /// listener.accept()?.send_bytes(b"welcome")?;
            /// assert_eq!(client.recv_bytes()?, b"welcome");
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn without_key(mut self) -> Self {
                self.options.key = crate::net::options::KeyChoice::NoKey;
                self
            }

            /// Sets whether the other side may authenticate with MD5, as Python 3.11 and older do. It may not by default.
            ///
            /// # Examples
            ///
            /// ```
            /// use procession_channels::{Address, Client, Listener};
            ///
            /// let listener = Listener::builder().key("the key").legacy(true).bind("@".parse::<Address>()?)?;
            /// let client = Client::builder().key("the key").legacy(true);
            /// # drop((listener, client));
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn legacy(mut self, allowed: bool) -> Self {
                self.options.legacy = allowed;
                self
            }

            /// Sets how long the handshake may take, 30 seconds by default. A listener gives a peer that has sent a message in time its
            /// time once more.
            ///
            /// # Examples
            ///
            /// ```
            /// use procession_channels::{Address, Client, Listener};
            /// use std::time::Duration;
            ///
            /// // It never accepts.
            /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
            /// let client = Client::builder().key("the key").handshake_timeout(Duration::from_millis(10));
            /// assert!(client.connect(listener.address()).is_err());
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
                self.options.handshake_timeout = timeout;
                self
            }

            /// Sets how long the machine of the other side may be silent before a connection over TCP counts as gone; `None` for ever. It is
            /// a minute by default.
            ///
            /// A machine that lost power or its network never says that it is gone. So the kernel probes an idle one from time to time, and
            /// gives up one that does not confirm what is sent to it. A call that waits for it then learns that it is
            /// [unreachable](crate::SocketRecvError::Unreachable). A peer that only takes its time is never given up: its machine
            /// confirms. Before Linux 6.15, and below 15 seconds, one that does not read for as long is given up as well.
            ///
            /// # Examples
            ///
            /// ```
            /// use procession_channels::{Address, Client, Listener};
            /// use std::time::Duration;
            ///
            /// let here: Address = "127.0.0.1:0".parse()?;
            /// let listener = Listener::builder().key("the key").peer_timeout(Duration::from_secs(20)).bind(here)?;
            /// let client = Client::builder().key("the key").peer_timeout(None);
            /// # drop((listener, client));
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn peer_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
                self.options.peer_timeout = limit.into();
                self
            }

            /// Sets the longest message that is received, in bytes, as
            /// [`with_max_message`](crate::SocketConnection::with_max_message) does.
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
                self.options.max_message = bytes;
                self
            }
        }
    };
}

pub(super) use shared_options;
