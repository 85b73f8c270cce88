//! [`Sender`]: the end of a queue where values go in.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{SendError, SendManyError, SendTimeoutError, TrySendError};
use crate::outlet::Outlet;
use crate::patience::Until;
use crate::typed::until;

/// The end of a queue where values go in, made by [`queue`](crate::queue) or [`unbounded`](crate::unbounded).
///
/// Clones are cheap and send into the same queue. A sender can be sent to other processes inside any message, also through a
/// queue. When the last one is gone, in whatever process and by whatever end, the receivers learn that.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::queue::<String>(10)?;
/// let another = sender.clone();
/// sender.send("one".into())?;
/// another.send("two".into())?;
/// drop((sender, another));
/// assert_eq!(receiver.iter().collect::<Result<Vec<_>, _>>()?, ["one", "two"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Queue")]
#[doc(alias = "SimpleQueue")]
pub struct Sender<T> {
    pub(crate) outlet: Arc<Outlet>,
    values: PhantomData<fn(T)>,
}

impl<T> Sender<T> {
    pub(crate) fn new(outlet: Outlet) -> Sender<T> {
        Sender { outlet: Arc::new(outlet), values: PhantomData }
    }

    /// How many values are queued, at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = procession_channels::queue(10)?;
    /// sender.send('a')?;
    /// assert_eq!(sender.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "qsize")]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.outlet.links().len()).unwrap_or(usize::MAX)
    }

    /// Whether nothing is queued, at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = procession_channels::queue::<u8>(10)?;
    /// assert!(sender.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "empty")]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outlet.links().is_empty()
    }

    /// Whether a value that is sent must wait for room, at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = procession_channels::queue::<u8>(1)?;
    /// sender.send(1)?;
    /// assert!(sender.is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "full")]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.outlet.links().is_full()
    }

    /// How many values can be queued; `None` without a limit.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_channels::queue::<u8>(7)?.0.capacity(), Some(7));
    /// assert_eq!(procession_channels::unbounded::<u8>()?.0.capacity(), None);
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[doc(alias = "maxsize")]
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.outlet.links().capacity()
    }
}

impl<T: Serialize> Sender<T> {
    /// Sends a value, waiting for room if there is none.
    ///
    /// It is encoded before this returns, so what happens to it afterwards changes nothing, and a process that has sent may
    /// end at once: the value stays in the queue.
    ///
    /// # Errors
    ///
    /// All receivers are gone; or the value cannot be encoded, there is no memory for it, or it carries more than 253
    /// descriptors. The value is in the error. That all receivers were killed may be noticed up to 64 values late.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(1)?;
    /// sender.send(("text", 5))?;
    /// drop(sender);
    /// assert_eq!(receiver.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "put")]
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.outlet.send_value(&value, Until::FOREVER).map_err(|unsent| SendError::new(value, unsent))
    }

    /// Sends a value if there is room for it now.
    ///
    /// # Errors
    ///
    /// There is no room; else as for [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = procession_channels::queue(1)?;
    /// sender.try_send(1)?;
    /// assert_eq!(sender.try_send(2).unwrap_err().into_inner(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "put_nowait")]
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.outlet.send_value(&value, Until::Now).map_err(|unsent| TrySendError::new(value, unsent))
    }

    /// Sends a value, waiting at most so long for room.
    ///
    /// # Errors
    ///
    /// There was no room all the time; else as for [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (sender, _receiver) = procession_channels::queue(1)?;
    /// sender.send_timeout(1, Duration::from_secs(1))?;
    /// assert!(sender.send_timeout(2, Duration::ZERO).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.outlet.send_value(&value, until(timeout)).map_err(|unsent| SendTimeoutError::new(value, unsent))
    }

    /// Sends many values, in their order, and several at a time: cheaper than one by one. Waits for room as [`send`](Self::send)
    /// does. Answers how many there were.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The error says how many were sent, and has those that were not.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(100)?;
    /// assert_eq!(sender.send_many(0..50)?, 50);
    /// assert_eq!(receiver.recv_many(100)?.len(), 50);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_many(&self, values: impl IntoIterator<Item = T>) -> Result<usize, SendManyError<T>> {
        self.outlet.send_values(values).map_err(|(sent, unsent, reason)| SendManyError {
            sent,
            unsent,
            reason: SendError::new((), reason),
        })
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { outlet: Arc::clone(&self.outlet), values: PhantomData }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Sender");
        self.outlet
            .links()
            .show(&mut shown)
            .field("is_disconnected", &self.outlet.is_disconnected())
            .finish_non_exhaustive()
    }
}

impl<T> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.outlet.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Outlet::deserialize(deserializer).map(Sender::new)
    }
}
