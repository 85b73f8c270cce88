//! [`PipeSender`]: the end of a pipe where messages go in.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use procession_core::codec::Handles;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{SendError, SendManyError, SendTimeoutError, TrySendError};
use crate::outlet::Outlet;
use crate::patience::Until;
use crate::record::INLINE;
use crate::typed::until;

/// The end of a pipe where messages go in: from [`one_way`](crate::one_way), or a part of a [`Connection`](crate::Connection).
///
/// A message is a value, or plain bytes; the other side must receive it as what it is. Several threads may send at the same
/// time, messages never mix. It can be sent to another process inside any message.
///
/// # Examples
///
/// ```
/// let (receiver, sender) = procession_channels::one_way::<u32>()?;
/// sender.send(7)?;
/// drop(sender);
/// assert_eq!(receiver.recv()?, 7);
/// assert!(receiver.recv().is_err(), "the end of the stream");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PipeSender<T> {
    pub(crate) outlet: Arc<Outlet>,
    values: PhantomData<fn(T)>,
}

impl<T> PipeSender<T> {
    pub(crate) fn new(outlet: Outlet) -> PipeSender<T> {
        PipeSender { outlet: Arc::new(outlet), values: PhantomData }
    }

    /// Sends bytes as one message, waiting for room if there is none. An empty message is a message.
    ///
    /// # Errors
    ///
    /// The other side is gone, or there is no memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes(b"bytes")?;
    /// assert_eq!(receiver.recv_bytes()?, b"bytes");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), SendError<()>> {
        self.outlet.send(bytes, &Handles::new(), Until::FOREVER).map_err(|unsent| SendError::new((), unsent))
    }

    /// Sends bytes as one message if there is room now.
    ///
    /// # Errors
    ///
    /// There is no room; else as for [`send_bytes`](Self::send_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// while sender.try_send_bytes(&[0; 1000]).is_ok() {}
    /// receiver.recv_bytes()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send_bytes(&self, bytes: &[u8]) -> Result<(), TrySendError<()>> {
        self.outlet.send(bytes, &Handles::new(), Until::Now).map_err(|unsent| TrySendError::new((), unsent))
    }

    /// Sends bytes as one message, waiting at most so long for room.
    ///
    /// # Errors
    ///
    /// There was no room all the time; else as for [`send_bytes`](Self::send_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (_receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes_timeout(b"bytes", std::time::Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_bytes_timeout(&self, bytes: &[u8], timeout: Duration) -> Result<(), SendTimeoutError<()>> {
        self.outlet.send(bytes, &Handles::new(), until(timeout)).map_err(|unsent| SendTimeoutError::new((), unsent))
    }

    /// Sends many messages of bytes under one lock where that is possible, waking the other side once. `buffer` holds them one
    /// behind the other, `ends` says where each ends, in growing order.
    ///
    /// # Errors
    ///
    /// As for [`send_bytes`](Self::send_bytes); the value says how many were sent.
    ///
    /// # Panics
    ///
    /// The ends are not in growing order inside the buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_many_bytes(b"onetwothree", &[3, 6, 11])?;
    /// let (mut buffer, mut ends) = (Vec::new(), Vec::new());
    /// receiver.recv_many_bytes(100, &mut buffer, &mut ends)?;
    /// assert_eq!((&buffer[..], &ends[..]), (&b"onetwothree"[..], &[3, 6, 11][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_many_bytes(&self, buffer: &[u8], ends: &[usize]) -> Result<(), SendError<usize>> {
        let mut sent = 0;
        while sent < ends.len() {
            let start = if sent == 0 { 0 } else { ends[sent - 1] };
            sent +=
                self.send_some_bytes(buffer, start, &ends[sent..]).map_err(|unsent| SendError::new(sent, unsent))?;
        }
        Ok(())
    }

    fn send_some_bytes(&self, buffer: &[u8], start: usize, ends: &[usize]) -> Result<usize, crate::outlet::Unsent> {
        if ends[0] - start > INLINE {
            self.outlet.send(&buffer[start..ends[0]], &Handles::new(), Until::FOREVER)?;
            return Ok(1);
        }
        let mut before = start;
        let small = ends.iter().take_while(|end| **end - std::mem::replace(&mut before, **end) <= INLINE).count();
        self.outlet.send_batch(buffer, start, &ends[..small], Until::FOREVER)
    }

    /// Whether the other side is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// assert!(!sender.is_disconnected());
    /// drop(receiver);
    /// assert!(sender.is_disconnected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.outlet.is_disconnected()
    }

    /// Whether a message that is sent must wait for room, at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_receiver, sender) = procession_channels::one_way::<()>()?;
    /// assert!(!sender.is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.outlet.links().is_full()
    }
}

impl<T: Serialize> PipeSender<T> {
    /// Sends a value, waiting for room if there is none.
    ///
    /// # Errors
    ///
    /// The other side is gone; or the value cannot be encoded, there is no memory for it, or it carries more than 253
    /// descriptors. The value is in the error.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<String>()?;
    /// drop(receiver);
    /// assert_eq!(sender.send("back".into()).unwrap_err().into_inner(), "back");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// let (receiver, sender) = procession_channels::one_way()?;
    /// sender.try_send('a')?;
    /// assert_eq!(receiver.recv()?, 'a');
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// let (receiver, sender) = procession_channels::one_way()?;
    /// sender.send_timeout('a', std::time::Duration::from_secs(1))?;
    /// assert_eq!(receiver.recv()?, 'a');
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.outlet.send_value(&value, until(timeout)).map_err(|unsent| SendTimeoutError::new(value, unsent))
    }

    /// Sends many values, in their order, and several at a time: cheaper than one by one. Answers how many there were.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The error says how many were sent, and has those that were not.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way()?;
    /// sender.send_many(0..5)?;
    /// assert_eq!(receiver.recv_many(10)?, [0, 1, 2, 3, 4]);
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

impl<T> fmt::Debug for PipeSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PipeSender");
        self.outlet
            .links()
            .show(&mut shown)
            .field("is_disconnected", &self.outlet.is_disconnected())
            .finish_non_exhaustive()
    }
}

impl<T> Serialize for PipeSender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.outlet.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for PipeSender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Outlet::deserialize(deserializer).map(PipeSender::new)
    }
}
