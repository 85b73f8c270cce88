//! [`Receiver`]: the end of a queue or pipe where values come out.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::{RecvError, RecvManyError, RecvTimeoutError, TryRecvError};
use crate::ends::error::RawRecvError;
use crate::ends::raw_receiver::RawReceiver;
use crate::memory::until::Until;

/// The end of a queue or pipe where values come out.
///
/// Made by [`queue`](crate::queue), [`unbounded`](crate::unbounded) and [`one_way`](crate::one_way), or a part of a
/// [`Connection`](crate::Connection).
///
/// Each message comes out at one receiver. Clones are cheap and receive from the same channel, and so may several threads. A receiver
/// can be sent to other processes inside any message. When the last one is gone, senders learn that.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = procession_channels::queue(10)?;
/// sender.send(5)?;
/// assert_eq!(receiver.recv()?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Queue")]
#[doc(alias = "SimpleQueue")]
pub struct Receiver<T> {
    pub(crate) raw: Arc<RawReceiver>,
    values: PhantomData<fn() -> T>,
}

/// A [`Receiver`] of a pipe.
///
/// # Examples
///
/// ```
/// use procession_channels::{PipeReceiver, Receiver};
///
/// let (receiver, _sender): (PipeReceiver<u32>, _) = procession_channels::one_way()?;
/// let receiver: Receiver<u32> = receiver;
/// # Ok::<(), procession_channels::ChannelError>(())
/// ```
pub type PipeReceiver<T> = Receiver<T>;

impl<T> Receiver<T> {
    pub(crate) fn new(raw: RawReceiver) -> Receiver<T> {
        Receiver { raw: Arc::new(raw), values: PhantomData }
    }

    /// Returns the number of values that are queued, at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(10)?;
    /// sender.send('a')?;
    /// assert_eq!(receiver.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "qsize")]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.raw.chain().len()).unwrap_or(usize::MAX)
    }

    /// Returns whether nothing is queued, at this moment. Does not notice the end of the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = procession_channels::queue::<u8>(10)?;
    /// assert!(receiver.is_empty());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[doc(alias = "empty")]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.chain().is_empty()
    }

    /// Returns whether senders must wait for space, at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue::<u8>(1)?;
    /// sender.send(1)?;
    /// assert!(receiver.is_full());
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
    /// assert_eq!(procession_channels::queue::<u8>(7)?.1.capacity(), Some(7));
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[doc(alias = "maxsize")]
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.raw.chain().capacity()
    }

    /// Waits until there is a message, or the stream has ended. Returns `false` if the timeout is over before.
    ///
    /// # Errors
    ///
    /// [`RecvError::Failed`]: the kernel refuses to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (receiver, sender) = procession_channels::one_way::<u8>()?;
    /// assert!(!receiver.poll(Duration::ZERO)?);
    /// sender.send(1)?;
    /// assert!(receiver.poll(Duration::from_secs(5))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll(&self, timeout: Duration) -> Result<bool, RecvError> {
        Ok(self.raw.wait_ready(Until::after(timeout)).map_err(RawRecvError::from)?)
    }
}

impl<T: DeserializeOwned> Receiver<T> {
    /// Receives the next value, and waits until there is one.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Disconnected`]: everything was received, and all senders are gone.
    /// - [`RecvError::Failed`]: the message is no such value, or a limit on descriptors was reached. It is lost; the next can be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(1)?;
    /// sender.send(vec![1, 2])?;
    /// assert_eq!(receiver.recv()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get")]
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        Ok(self.recv_until(Until::FOREVER)?)
    }

    /// Receives the next value if there is one now. A thread finds what it has sent itself.
    ///
    /// # Errors
    ///
    /// - [`TryRecvError::Empty`]: there is no message.
    /// - [`TryRecvError::Disconnected`] and [`TryRecvError::Failed`]: as for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(1)?;
    /// assert!(receiver.try_recv().is_err());
    /// sender.send(1)?;
    /// assert_eq!(receiver.try_recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get_nowait")]
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        Ok(self.recv_until(Until::Now)?)
    }

    /// Receives the next value, and waits for it until the timeout.
    ///
    /// # Errors
    ///
    /// - [`RecvTimeoutError::Timeout`]: there was no message until then.
    /// - [`RecvTimeoutError::Disconnected`] and [`RecvTimeoutError::Failed`]: as for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (_sender, receiver) = procession_channels::queue::<u8>(1)?;
    /// assert!(receiver.recv_timeout(Duration::from_millis(1)).is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        Ok(self.recv_until(Until::after(timeout))?)
    }

    /// Receives up to `max` values that are there, at once: cheaper than one by one. Waits for the first; `max` of 0 counts as 1.
    ///
    /// Large values come one at a time.
    ///
    /// # Errors
    ///
    /// [`RecvManyError`]: what [`recv`](Self::recv) says of the first value that could not be received, beside the values that could.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(100)?;
    /// sender.send_many(0..50)?;
    /// assert_eq!(receiver.recv_many(20)?, (0..20).collect::<Vec<_>>());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_many(&self, max: usize) -> Result<Vec<T>, RecvManyError<T>> {
        match self.raw.recv_values(max.max(1), Until::FOREVER) {
            (values, Ok(())) => Ok(values),
            (received, Err(error)) => Err(RecvManyError { received, reason: error.into() }),
        }
    }

    #[inline]
    fn recv_until(&self, until: Until) -> Result<T, RawRecvError> {
        self.raw.recv_value(until, |_, _| Ok(()))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver { raw: Arc::clone(&self.raw), values: PhantomData }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Receiver");
        let shown = self.raw.chain().show(&mut shown);
        shown.field("is_disconnected", &self.raw.is_disconnected()).finish_non_exhaustive()
    }
}

impl<T> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawReceiver::deserialize(deserializer).map(Receiver::new)
    }
}
