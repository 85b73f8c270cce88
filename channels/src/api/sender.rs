//! [`Sender`]: the end of a queue or pipe where values go in.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::{SendError, SendManyError, SendTimeoutError, TrySendError};
use crate::ends::raw_sender::RawSender;
use crate::memory::until::Until;

/// The end of a queue or pipe where values go in.
///
/// Made by [`queue`](crate::queue), [`unbounded`](crate::unbounded) and [`one_way`](crate::one_way), or a part of a
/// [`Connection`](crate::Connection). A message is a value, or [plain bytes](Self::send_bytes); the receiver must take it as what it is.
///
/// Clones are cheap and send into the same channel. Several threads may send at the same time: messages never mix. A sender can be sent
/// to other processes inside any message, also through a queue. When the last one is gone, in whatever process and by whatever
/// end, the receivers learn that.
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
    pub(crate) raw: Arc<RawSender>,
    values: PhantomData<fn(T)>,
}

/// A [`Sender`] of a pipe.
///
/// # Examples
///
/// ```
/// use procession_channels::{PipeSender, Sender};
///
/// let (_receiver, sender): (_, PipeSender<u32>) = procession_channels::one_way()?;
/// let sender: Sender<u32> = sender;
/// # Ok::<(), procession_channels::ChannelError>(())
/// ```
pub type PipeSender<T> = Sender<T>;

impl<T> Sender<T> {
    pub(crate) fn new(raw: RawSender) -> Sender<T> {
        Sender { raw: Arc::new(raw), values: PhantomData }
    }

    /// Returns the number of values that are queued, at this moment.
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
        usize::try_from(self.raw.chain().len()).unwrap_or(usize::MAX)
    }

    /// Returns whether nothing is queued, at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = procession_channels::queue::<u8>(10)?;
    /// assert!(sender.is_empty());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[doc(alias = "empty")]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.chain().is_empty()
    }

    /// Returns whether a value that is sent must wait for space, at this moment.
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
        self.raw.chain().is_full()
    }

    /// Returns the largest number of queued values; `None` without such a limit.
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
        self.raw.chain().capacity()
    }

    /// Returns whether all receivers are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// assert!(!sender.is_disconnected());
    /// drop(receiver);
    /// assert!(sender.is_disconnected());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.raw.is_disconnected()
    }
}

impl<T: Serialize> Sender<T> {
    /// Sends a value, and waits for space if the channel is full.
    ///
    /// It is encoded before this returns, so what happens to it afterwards changes nothing, and a process that has sent may
    /// end at once: the value stays in the channel.
    ///
    /// # Errors
    ///
    /// - [`SendError::Disconnected`]: all receivers are gone. That all were killed may be noticed up to 64 values late.
    /// - [`SendError::Failed`]: the value cannot be encoded, there is no memory for it, or it carries more than 253 descriptors.
    ///
    /// The value is in the error.
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
        self.raw.send_value(&value, Until::FOREVER).map_err(|error| SendError::new(value, error))
    }

    /// Sends a value if there is space for it now.
    ///
    /// # Errors
    ///
    /// - [`TrySendError::Full`]: there is no space.
    /// - [`TrySendError::Disconnected`] and [`TrySendError::Failed`]: as for [`send`](Self::send).
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
        self.raw.send_value(&value, Until::Now).map_err(|error| TrySendError::new(value, error))
    }

    /// Sends a value, and waits for space until the timeout.
    ///
    /// # Errors
    ///
    /// - [`SendTimeoutError::Timeout`]: there was no space until then.
    /// - [`SendTimeoutError::Disconnected`] and [`SendTimeoutError::Failed`]: as for [`send`](Self::send).
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
        self.raw.send_value(&value, Until::after(timeout)).map_err(|error| SendTimeoutError::new(value, error))
    }

    /// Sends many values, in their order, and several at a time: cheaper than one by one. Waits for space as [`send`](Self::send)
    /// does. Returns their number.
    ///
    /// # Errors
    ///
    /// [`SendManyError`]: what [`send`](Self::send) says of the first value that was not sent, beside the number of those that were, and
    /// those that were not.
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
        self.raw.send_values(values).map_err(|(sent, unsent, error)| SendManyError {
            sent,
            unsent,
            reason: SendError::new((), error),
        })
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { raw: Arc::clone(&self.raw), values: PhantomData }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Sender");
        let shown = self.raw.chain().show(&mut shown);
        shown.field("is_disconnected", &self.is_disconnected()).finish_non_exhaustive()
    }
}

impl<T> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawSender::deserialize(deserializer).map(Sender::new)
    }
}
