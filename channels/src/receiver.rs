//! [`Receiver`]: the end of a queue where values come out.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{RecvError, RecvManyError, RecvTimeoutError, TryRecvError};
use crate::inlet::Inlet;
use crate::iter::{IntoIter, Iter, TryIter};
use crate::patience::Until;
use crate::typed::until;

/// The end of a queue where values come out, made by [`queue`](crate::queue) or [`unbounded`](crate::unbounded).
///
/// Each value comes out at one receiver. Clones are cheap and receive from the same queue; a receiver can be sent to other
/// processes inside any message. When the last one is gone, senders learn that.
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
    pub(crate) inlet: Arc<Inlet>,
    values: PhantomData<fn() -> T>,
}

impl<T> Receiver<T> {
    pub(crate) fn new(inlet: Inlet) -> Receiver<T> {
        Receiver { inlet: Arc::new(inlet), values: PhantomData }
    }

    /// How many values are queued, at this moment.
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
        usize::try_from(self.inlet.links().len()).unwrap_or(usize::MAX)
    }

    /// Whether nothing is queued, at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, receiver) = procession_channels::queue::<u8>(10)?;
    /// assert!(receiver.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "empty")]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inlet.links().is_empty()
    }

    /// Whether senders must wait for room, at this moment.
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
        self.inlet.links().is_full()
    }

    /// How many values can be queued; `None` without a limit.
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
        self.inlet.links().capacity()
    }
}

impl<T: DeserializeOwned> Receiver<T> {
    /// Receives the next value, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`RecvError::Disconnected`] when everything was received and all senders are gone. [`RecvError::Failed`] when what came is
    /// no such value, or a limit on descriptors was reached: that item is lost, the next can be received.
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
        Ok(self.inlet.recv_value(Until::FOREVER)?)
    }

    /// Receives the next value if there is one now. What a thread has sent, it finds.
    ///
    /// # Errors
    ///
    /// There is none; else as for [`recv`](Self::recv).
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
        Ok(self.inlet.recv_value(Until::Now)?)
    }

    /// Receives the next value, waiting at most so long for one.
    ///
    /// # Errors
    ///
    /// There was none all the time; else as for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = procession_channels::queue::<u8>(1)?;
    /// assert!(receiver.recv_timeout(Duration::from_millis(1)).is_err());
    /// # drop(sender);
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        Ok(self.inlet.recv_value(until(timeout))?)
    }

    /// Receives up to `most` values that are there, at once: cheaper than one by one. Waits for the first; `most` of 0 counts as 1.
    ///
    /// Large values come one at a time.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv). The error has the values that could be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(100)?;
    /// sender.send_many(0..50)?;
    /// assert_eq!(receiver.recv_many(20)?, (0..20).collect::<Vec<_>>());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_many(&self, most: usize) -> Result<Vec<T>, RecvManyError<T>> {
        match self.inlet.recv_values(most.max(1), Until::FOREVER) {
            (values, Ok(())) => Ok(values),
            (received, Err(unreceived)) => Err(RecvManyError { received, reason: unreceived.into() }),
        }
    }

    /// Receives until all senders are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(10)?;
    /// sender.send_many([1, 2, 3])?;
    /// drop(sender);
    /// let mut sum = 0;
    /// for number in receiver.iter() {
    ///     sum += number?;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// Receives what is there, without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue(10)?;
    /// sender.send_many([1, 2, 3])?;
    /// assert_eq!(receiver.try_iter().filter_map(Result::ok).sum::<u32>(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter::new(self)
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Receiver { inlet: Arc::clone(&self.inlet), values: PhantomData }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Receiver");
        self.inlet
            .links()
            .show(&mut shown)
            .field("is_disconnected", &self.inlet.is_disconnected())
            .finish_non_exhaustive()
    }
}

impl<'a, T: DeserializeOwned> IntoIterator for &'a Receiver<T> {
    type Item = Result<T, RecvError>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T: DeserializeOwned> IntoIterator for Receiver<T> {
    type Item = Result<T, RecvError>;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter::new(self)
    }
}

impl<T> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inlet.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Inlet::deserialize(deserializer).map(Receiver::new)
    }
}
