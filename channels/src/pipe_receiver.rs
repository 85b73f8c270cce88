//! [`PipeReceiver`]: the end of a pipe where messages come out.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{RecvError, RecvManyError, RecvTimeoutError, TryRecvError};
use crate::in_place::InPlace;
use crate::inlet::Inlet;
use crate::patience::Until;
use crate::typed::until;

/// The end of a pipe where messages come out: from [`one_way`](crate::one_way), or a part of a [`Connection`](crate::Connection).
///
/// Several threads may receive at the same time, each gets whole messages. It can be sent to another process inside any
/// message.
///
/// # Examples
///
/// ```
/// let (receiver, sender) = procession_channels::one_way::<(u32, String)>()?;
/// sender.send((1, "one".into()))?;
/// assert_eq!(receiver.recv()?, (1, "one".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PipeReceiver<T> {
    pub(crate) inlet: Arc<Inlet>,
    /// The longest message that is taken, in bytes.
    pub(crate) limit: AtomicU64,
    values: PhantomData<fn() -> T>,
}

impl<T> PipeReceiver<T> {
    pub(crate) fn new(inlet: Inlet) -> PipeReceiver<T> {
        PipeReceiver { inlet: Arc::new(inlet), limit: AtomicU64::new(u64::MAX), values: PhantomData }
    }

    /// Takes no messages of plain bytes that are longer than so many bytes from now on. One that is longer gives an error and stays,
    /// until the limit is raised.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes(&[0; 100])?;
    /// receiver.set_max_len(99);
    /// assert!(receiver.recv_bytes().unwrap_err().to_string().contains("longer than the limit of 99 bytes"));
    /// receiver.set_max_len(100);
    /// assert_eq!(receiver.recv_bytes()?.len(), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "maxlength")]
    pub fn set_max_len(&self, bytes: usize) {
        self.limit.store(bytes as u64, Relaxed);
    }

    /// Whether there is a message, or the stream has ended, waiting at most so long.
    ///
    /// # Errors
    ///
    /// What the operating system says when it is asked to wait.
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
        Ok(self.inlet.wait_ready(until(timeout))?)
    }

    /// Receives a message as it is, waiting until there is one.
    ///
    /// # Errors
    ///
    /// The stream has ended; the message is longer than [allowed](Self::set_max_len), or carries descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes(b"")?;
    /// assert_eq!(receiver.recv_bytes()?, b"");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes(&self) -> Result<Vec<u8>, RecvError> {
        let mut buffer = Vec::new();
        self.recv_bytes_reusing(&mut buffer)?;
        Ok(buffer)
    }

    /// Receives a message as it is, if there is one now.
    ///
    /// # Errors
    ///
    /// There is none; else as for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// assert!(receiver.try_recv_bytes().is_err());
    /// sender.send_bytes(b"now")?;
    /// assert_eq!(receiver.try_recv_bytes()?, b"now");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv_bytes(&self) -> Result<Vec<u8>, TryRecvError> {
        let mut buffer = Vec::new();
        self.inlet.recv_bytes(&mut buffer, Until::Now, self.limit.load(Relaxed))?;
        Ok(buffer)
    }

    /// Receives a message as it is, waiting at most so long.
    ///
    /// # Errors
    ///
    /// There was none all the time; else as for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, _sender) = procession_channels::one_way::<()>()?;
    /// assert!(receiver.recv_bytes_timeout(std::time::Duration::from_millis(1)).is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    pub fn recv_bytes_timeout(&self, timeout: Duration) -> Result<Vec<u8>, RecvTimeoutError> {
        let mut buffer = Vec::new();
        self.inlet.recv_bytes(&mut buffer, until(timeout), self.limit.load(Relaxed))?;
        Ok(buffer)
    }

    /// As [`recv_bytes`](Self::recv_bytes), into a vector that was used before, over what it held. For large messages that is
    /// several times as fast as a fresh vector for each.
    ///
    /// # Errors
    ///
    /// As for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// let mut buffer = vec![1, 2, 3];
    /// sender.send_bytes(b"new")?;
    /// receiver.recv_bytes_reusing(&mut buffer)?;
    /// assert_eq!(buffer, b"new");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes_reusing(&self, buffer: &mut Vec<u8>) -> Result<(), RecvError> {
        Ok(self.inlet.recv_bytes(buffer, Until::FOREVER, self.limit.load(Relaxed))?)
    }

    /// As [`recv_bytes`](Self::recv_bytes), into a slice, and answers how long the message is. One that does not fit gives an error
    /// and stays.
    ///
    /// # Errors
    ///
    /// The message does not fit; else as for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes(b"four")?;
    /// assert!(receiver.recv_bytes_into(&mut [0; 3]).is_err());
    /// let mut room = [0; 10];
    /// assert_eq!(receiver.recv_bytes_into(&mut room)?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "BufferTooShort")]
    pub fn recv_bytes_into(&self, room: &mut [u8]) -> Result<usize, RecvError> {
        Ok(self.inlet.recv_into(room, Until::FOREVER, self.limit.load(Relaxed))?)
    }

    /// Receives a message and reads it where it lies: a large one is not copied.
    ///
    /// # Errors
    ///
    /// As for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes(&[1; 100_000])?;
    /// assert_eq!(receiver.recv_in_place()?.len(), 100_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_in_place(&self) -> Result<InPlace, RecvError> {
        Ok(self.inlet.recv_in_place(Until::FOREVER, self.limit.load(Relaxed))?)
    }
}

impl<T: DeserializeOwned> PipeReceiver<T> {
    /// Receives the next value, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`RecvError::Disconnected`] at the end of the stream. [`RecvError::Failed`] when what came is no such value, or a limit on
    /// descriptors was reached: that message is lost, the next can be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way()?;
    /// sender.send("text".to_string())?;
    /// assert_eq!(receiver.recv()?, "text");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        Ok(self.inlet.recv_value(Until::FOREVER)?)
    }

    /// Receives the next value if there is one now.
    ///
    /// # Errors
    ///
    /// There is none; else as for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, _sender) = procession_channels::one_way::<u8>()?;
    /// assert!(receiver.try_recv().is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
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
    /// let (receiver, _sender) = procession_channels::one_way::<u8>()?;
    /// assert!(receiver.recv_timeout(std::time::Duration::from_millis(1)).is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        Ok(self.inlet.recv_value(until(timeout))?)
    }

    /// Receives up to `most` values that are there, at once. Waits for the first.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv). The error has the values that could be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way()?;
    /// sender.send_many([1, 2, 3])?;
    /// assert_eq!(receiver.recv_many(2)?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_many(&self, most: usize) -> Result<Vec<T>, RecvManyError<T>> {
        match self.inlet.recv_values(most.max(1), Until::FOREVER) {
            (values, Ok(())) => Ok(values),
            (received, Err(unreceived)) => Err(RecvManyError { received, reason: unreceived.into() }),
        }
    }
}

impl<T> fmt::Debug for PipeReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PipeReceiver");
        self.inlet
            .links()
            .show(&mut shown)
            .field("is_disconnected", &self.inlet.is_disconnected())
            .finish_non_exhaustive()
    }
}

impl<T> Serialize for PipeReceiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inlet.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for PipeReceiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Inlet::deserialize(deserializer).map(PipeReceiver::new)
    }
}
