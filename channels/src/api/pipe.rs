//! [`pipe`] and [`one_way`]: two ends, and [`Connection`], one of them.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::channel_error::ChannelError;
use super::error::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use super::in_place::Loaned;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::ends::values::chain;
use crate::memory::error::ChainError;
use crate::memory::limits::Limits;
use crate::memory::shared_memory::Memory;
use crate::tuning::PIPE_CAPACITY_BYTES;

const LIMITS: Limits = Limits { items: Limits::UNLIMITED, bytes: PIPE_CAPACITY_BYTES };

/// One end of a pipe: it sends values of type `A` and receives values of type `B`, or plain bytes both ways.
///
/// It can be sent to another process inside any message. Several threads may use it at the same time: messages never mix.
/// [`sender`](Self::sender) and [`receiver`](Self::receiver) have the less common calls.
///
/// # Examples
///
/// ```
/// use procession_process::Process;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     procession_process::init();
///     let (here, there) = procession_channels::pipe::<u32, String>()?;
///     let child = Process::spawn(|end: procession_channels::Connection<String, u32>| {
///         while let Ok(number) = end.recv() {
///             end.send(number.to_string()).expect("the parent receives");
///         }
///     }, there)?;
///     here.send(42)?;
///     assert_eq!(here.recv()?, "42");
///     drop(here);
///     child.join()?;
///     Ok(())
/// }
/// ```
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Connection<A, B> {
    sender: Sender<A>,
    receiver: Receiver<B>,
}

/// Makes a pipe, and returns its two ends.
///
/// Each direction takes one more message as long as fewer than 256 KiB are queued, so a message of any size can be sent before
/// it is received. When one end is gone, in whatever process and by whatever end, the other one receives what was sent and then
/// learns it.
///
/// # Errors
///
/// [`ChannelError`]: there is no memory, or the limit on descriptors is reached.
///
/// # Examples
///
/// ```
/// let (left, right) = procession_channels::pipe::<&str, u8>()?;
/// left.send("question")?;
/// right.send(42)?;
/// assert_eq!(left.recv()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Pipe")]
#[expect(clippy::type_complexity, reason = "a pair of ends is what a pipe is")]
pub fn pipe<A, B>() -> Result<(Connection<A, B>, Connection<B, A>), ChannelError> {
    let memory = Memory::create().map_err(ChainError::from)?;
    let (there, back) = (chain(&memory, 0, LIMITS)?, chain(&memory, 1, LIMITS)?);
    let left = Connection { sender: Sender::new(there.0), receiver: Receiver::new(back.1) };
    let right = Connection { sender: Sender::new(back.0), receiver: Receiver::new(there.1) };
    Ok((left, right))
}

/// Makes a pipe of one direction, and returns the receiving end and the sending end: in Python's order. [`queue`](crate::queue) and
/// [`unbounded`](crate::unbounded) return them in std's, the sender first.
///
/// # Errors
///
/// As for [`pipe`].
///
/// # Examples
///
/// ```
/// let (receiver, sender) = procession_channels::one_way()?;
/// sender.send([1.5, 2.5])?;
/// assert_eq!(receiver.recv()?, [1.5, 2.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Pipe")]
#[doc(alias = "duplex")]
pub fn one_way<T>() -> Result<(Receiver<T>, Sender<T>), ChannelError> {
    let memory = Memory::create().map_err(ChainError::from)?;
    let (sender, receiver) = chain(&memory, 0, LIMITS)?;
    Ok((Receiver::new(receiver), Sender::new(sender)))
}

impl<A, B> Connection<A, B> {
    /// Returns the half where messages go in.
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<u8, u8>()?;
    /// left.sender().send_many([1, 2, 3])?;
    /// assert_eq!(right.receiver().recv_many(3)?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sender(&self) -> &Sender<A> {
        &self.sender
    }

    /// Returns the half where messages come out.
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, _right) = procession_channels::pipe::<u8, u8>()?;
    /// assert!(left.receiver().is_empty());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[must_use]
    pub fn receiver(&self) -> &Receiver<B> {
        &self.receiver
    }

    /// Takes the end apart, for two owners.
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<u8, u8>()?;
    /// let (sender, _receiver) = left.split();
    /// drop(sender);
    /// assert!(right.recv().is_err(), "the end of the stream");
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (Sender<A>, Receiver<B>) {
        (self.sender, self.receiver)
    }

    /// Sends plain bytes, as [`Sender::send_bytes`] does.
    ///
    /// # Errors
    ///
    /// As for [`Sender::send_bytes`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<(), ()>()?;
    /// left.send_bytes(b"ping")?;
    /// assert_eq!(right.recv_bytes()?, b"ping");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), SendError<()>> {
        self.sender.send_bytes(bytes)
    }

    /// Receives plain bytes, as [`Receiver::recv_bytes`] does.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv_bytes`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<(), ()>()?;
    /// left.send_bytes(b"ping")?;
    /// assert_eq!(right.recv_bytes()?, b"ping");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes(&self) -> Result<Vec<u8>, RecvError> {
        self.receiver.recv_bytes()
    }

    /// Receives plain bytes into a slice, as [`Receiver::recv_bytes_into`] does.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv_bytes_into`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<(), ()>()?;
    /// left.send_bytes(b"ping")?;
    /// assert_eq!(right.recv_bytes_into(&mut [0; 4])?, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes_into(&self, room: &mut [u8]) -> Result<usize, RecvError> {
        self.receiver.recv_bytes_into(room)
    }

    /// Receives plain bytes where they lie, as [`Receiver::recv_in_place`] does.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv_in_place`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<(), ()>()?;
    /// left.send_bytes(&[1; 1000])?;
    /// assert_eq!(&right.recv_in_place()?[..], &[1; 1000]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_in_place(&self) -> Result<Loaned, RecvError> {
        self.receiver.recv_in_place()
    }

    /// Waits for a message or the end of the stream, as [`Receiver::poll`] does.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::poll`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<(), ()>()?;
    /// drop(right);
    /// assert!(left.poll(std::time::Duration::ZERO)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll(&self, timeout: Duration) -> Result<bool, RecvError> {
        self.receiver.poll(timeout)
    }
}

impl<A: Serialize, B> Connection<A, B> {
    /// Sends a value, as [`Sender::send`] does.
    ///
    /// # Errors
    ///
    /// As for [`Sender::send`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<Vec<u8>, ()>()?;
    /// left.send(vec![1])?;
    /// assert_eq!(right.recv()?, [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn send(&self, value: A) -> Result<(), SendError<A>> {
        self.sender.send(value)
    }
}

impl<A, B: DeserializeOwned> Connection<A, B> {
    /// Receives a value, as [`Receiver::recv`] does.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<u8, String>()?;
    /// right.send("an answer".to_owned())?;
    /// assert_eq!(left.recv()?, "an answer");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn recv(&self) -> Result<B, RecvError> {
        self.receiver.recv()
    }

    /// Receives a value if there is one now, as [`Receiver::try_recv`] does.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::try_recv`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, _right) = procession_channels::pipe::<(), u8>()?;
    /// assert!(left.try_recv().is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[inline]
    pub fn try_recv(&self) -> Result<B, TryRecvError> {
        self.receiver.try_recv()
    }

    /// Receives a value, and waits for it until the timeout, as [`Receiver::recv_timeout`] does.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv_timeout`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, _right) = procession_channels::pipe::<(), u8>()?;
    /// assert!(left.recv_timeout(std::time::Duration::from_millis(1)).is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<B, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout)
    }
}
