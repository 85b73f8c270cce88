//! The errors of sending and receiving. Those about a value hand it back.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::channel_error::ChannelError;
use crate::ends::error::RawRecvError;
use crate::ends::error::RawSendError;

/// Why a value was not sent, from [`send`](crate::Sender::send). The value is inside.
///
/// # Examples
///
/// ```
/// use procession_channels::{SendError, queue};
///
/// let (sender, receiver) = queue::<u32>(1)?;
/// drop(receiver);
/// assert!(matches!(sender.send(7), Err(SendError::Disconnected(7))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "BrokenPipeError")]
#[derive(Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SendError<T> {
    /// All receivers are gone.
    #[error("all receivers of the channel are gone")]
    Disconnected(T),
    /// It cannot be encoded, or there is no memory for it.
    #[error("{1}")]
    Failed(T, ChannelError),
}

/// Why a value was not sent at once, from [`try_send`](crate::Sender::try_send). The value is inside.
///
/// # Examples
///
/// ```
/// use procession_channels::{TrySendError, queue};
///
/// let (sender, _receiver) = queue::<u32>(1)?;
/// sender.try_send(1)?;
/// assert!(matches!(sender.try_send(2), Err(TrySendError::Full(2))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Full")]
#[derive(Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TrySendError<T> {
    /// There is no space.
    #[error("the channel is full")]
    Full(T),
    /// All receivers are gone.
    #[error("all receivers of the channel are gone")]
    Disconnected(T),
    /// It cannot be encoded, or there is no memory for it.
    #[error("{1}")]
    Failed(T, ChannelError),
}

/// Why a value was not sent in time, from [`send_timeout`](crate::Sender::send_timeout). The value is inside.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use procession_channels::{SendTimeoutError, queue};
///
/// let (sender, _receiver) = queue::<u32>(1)?;
/// sender.send(1)?;
/// let error = sender.send_timeout(2, Duration::from_millis(1)).unwrap_err();
/// assert!(matches!(error, SendTimeoutError::Timeout(2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Full")]
#[derive(Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SendTimeoutError<T> {
    /// There was no space until the timeout.
    #[error("the channel stayed full until the timeout")]
    Timeout(T),
    /// All receivers are gone.
    #[error("all receivers of the channel are gone")]
    Disconnected(T),
    /// It cannot be encoded, or there is no memory for it.
    #[error("{1}")]
    Failed(T, ChannelError),
}

/// Why not all of many values were sent, from [`send_many`](crate::Sender::send_many).
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::queue::<u32>(4)?;
/// drop(receiver);
/// let error = sender.send_many([1, 2, 3]).unwrap_err();
/// assert_eq!((error.sent, error.unsent), (0, vec![1, 2, 3]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{reason} ({sent} of the values were sent)")]
#[non_exhaustive]
pub struct SendManyError<T> {
    /// Number of values that were sent.
    pub sent: usize,
    /// The values that were taken from the iterator and not sent, in their order. Lend the iterator (`by_ref`) to keep the others.
    pub unsent: Vec<T>,
    /// Why the first of them was not sent.
    #[source]
    pub reason: SendError<()>,
}

/// Why not all of many values were received, from [`recv_many`](crate::Receiver::recv_many). Those that were are inside.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::queue::<u32>(4)?;
/// drop(sender);
/// let error = receiver.recv_many(10).unwrap_err();
/// assert!(error.received.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{reason}")]
#[non_exhaustive]
pub struct RecvManyError<T> {
    /// The values that were received.
    pub received: Vec<T>,
    /// Why the first of the others was not.
    #[source]
    pub reason: RecvError,
}

/// Why nothing was received, from [`recv`](crate::Receiver::recv).
///
/// # Examples
///
/// ```
/// use procession_channels::{RecvError, queue};
///
/// let (sender, receiver) = queue::<u32>(1)?;
/// drop(sender);
/// assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "EOFError")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RecvError {
    /// Everything was received, and all senders are gone.
    #[error("the channel is empty and all its senders are gone")]
    Disconnected,
    /// The message is no such value, or a limit was reached. The next can be received.
    #[error(transparent)]
    Failed(ChannelError),
}

/// Why nothing was received at once, from [`try_recv`](crate::Receiver::try_recv).
///
/// # Examples
///
/// ```
/// use procession_channels::{TryRecvError, queue};
///
/// let (_sender, receiver) = queue::<u32>(1)?;
/// assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Empty")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is nothing now.
    #[error("the channel is empty")]
    Empty,
    /// Everything was received, and all senders are gone.
    #[error("the channel is empty and all its senders are gone")]
    Disconnected,
    /// The message is no such value, or a limit was reached. The next can be received.
    #[error(transparent)]
    Failed(ChannelError),
}

/// Why nothing was received in time, from [`recv_timeout`](crate::Receiver::recv_timeout).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use procession_channels::{RecvTimeoutError, queue};
///
/// let (_sender, receiver) = queue::<u32>(1)?;
/// let error = receiver.recv_timeout(Duration::from_millis(1)).unwrap_err();
/// assert!(matches!(error, RecvTimeoutError::Timeout));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Empty")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// Nothing came until the timeout.
    #[error("the channel stayed empty until the timeout")]
    Timeout,
    /// Everything was received, and all senders are gone.
    #[error("the channel is empty and all its senders are gone")]
    Disconnected,
    /// The message is no such value, or a limit was reached. The next can be received.
    #[error(transparent)]
    Failed(ChannelError),
}

impl<T> SendError<T> {
    /// Returns the value that was not sent.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_channels::SendError::Disconnected("back").into_inner(), "back");
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            SendError::Disconnected(value) | SendError::Failed(value, _) => value,
        }
    }

    pub(crate) fn new(value: T, error: RawSendError) -> Self {
        match error {
            // Without a timeout there is no full channel, only a disconnected one.
            RawSendError::Full | RawSendError::FdLimit | RawSendError::Disconnected => SendError::Disconnected(value),
            RawSendError::Failed(error) => SendError::Failed(value, error.into()),
        }
    }
}

impl<T> TrySendError<T> {
    /// Returns the value that was not sent.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_channels::TrySendError::Full("back").into_inner(), "back");
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            TrySendError::Full(value) | TrySendError::Disconnected(value) | TrySendError::Failed(value, _) => value,
        }
    }

    pub(crate) fn new(value: T, error: RawSendError) -> Self {
        match error {
            RawSendError::Full | RawSendError::FdLimit => TrySendError::Full(value),
            RawSendError::Disconnected => TrySendError::Disconnected(value),
            RawSendError::Failed(error) => TrySendError::Failed(value, error.into()),
        }
    }
}

impl<T> SendTimeoutError<T> {
    /// Returns the value that was not sent.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_channels::SendTimeoutError::Timeout("back").into_inner(), "back");
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            SendTimeoutError::Timeout(value)
            | SendTimeoutError::Disconnected(value)
            | SendTimeoutError::Failed(value, _) => value,
        }
    }

    pub(crate) fn new(value: T, error: RawSendError) -> Self {
        match error {
            RawSendError::Full | RawSendError::FdLimit => SendTimeoutError::Timeout(value),
            RawSendError::Disconnected => SendTimeoutError::Disconnected(value),
            RawSendError::Failed(error) => SendTimeoutError::Failed(value, error.into()),
        }
    }
}

macro_rules! debug_without_the_value {
    ($($name:ident;)*) => {$(
        impl<T> fmt::Debug for $name<T> {
            /// Shows the error without the value, which may have no `Debug`.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )*};
}

debug_without_the_value! {
    SendError;
    TrySendError;
    SendTimeoutError;
    SendManyError;
    RecvManyError;
}

impl From<RawRecvError> for RecvError {
    fn from(error: RawRecvError) -> Self {
        match error {
            RawRecvError::Empty | RawRecvError::Disconnected => RecvError::Disconnected,
            RawRecvError::Failed(error) => RecvError::Failed(error.into()),
        }
    }
}

impl From<RawRecvError> for TryRecvError {
    fn from(error: RawRecvError) -> Self {
        match error {
            RawRecvError::Empty => TryRecvError::Empty,
            RawRecvError::Disconnected => TryRecvError::Disconnected,
            RawRecvError::Failed(error) => TryRecvError::Failed(error.into()),
        }
    }
}

impl From<RawRecvError> for RecvTimeoutError {
    fn from(error: RawRecvError) -> Self {
        match error {
            RawRecvError::Empty => RecvTimeoutError::Timeout,
            RawRecvError::Disconnected => RecvTimeoutError::Disconnected,
            RawRecvError::Failed(error) => RecvTimeoutError::Failed(error.into()),
        }
    }
}
