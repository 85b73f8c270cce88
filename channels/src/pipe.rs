//! [`pipe`] and [`one_way`]: two ends and nobody else.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use crate::fault::{ChannelError, Fault};
use crate::in_place::InPlace;
use crate::pipe_receiver::PipeReceiver;
use crate::pipe_sender::PipeSender;
use crate::ring::Memory;
use crate::typed::{Limits, chain};

/// With so many bytes queued a pipe has no room for another message. That leaves all of them in the processor's cache.
const WINDOW: u64 = 256 << 10;

/// One end of a pipe: it sends values of type `A` and receives values of type `B`, or plain bytes both ways.
///
/// It can be sent to another process inside any message. Several threads may use it at the same time, messages never mix.
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
    sender: PipeSender<A>,
    receiver: PipeReceiver<B>,
}

/// Makes a pipe, and answers its two ends.
///
/// Each direction has room for some messages: one more is taken as long as fewer than 256 KiB are queued, so a message of any
/// size can be sent before somebody receives it. When one end is gone, in whatever process and by whatever end, the other one
/// receives what was sent and then learns it.
///
/// # Errors
///
/// There is no memory, or the limit on descriptors is reached.
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
    let memory = Memory::create().map_err(Fault::from)?;
    let (there, back) = (chain(&memory, 0, LIMITS)?, chain(&memory, 1, LIMITS)?);
    let left = Connection { sender: PipeSender::new(there.0), receiver: PipeReceiver::new(back.1) };
    let right = Connection { sender: PipeSender::new(back.0), receiver: PipeReceiver::new(there.1) };
    Ok((left, right))
}

/// Makes a pipe of one direction, and answers the end to receive from and the end to send to: in Python's order. [`queue`](crate::queue) and
/// [`unbounded`](crate::unbounded) answer in std's, the sender first.
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
pub fn one_way<T>() -> Result<(PipeReceiver<T>, PipeSender<T>), ChannelError> {
    let memory = Memory::create().map_err(Fault::from)?;
    let (outlet, inlet) = chain(&memory, 0, LIMITS)?;
    Ok((PipeReceiver::new(inlet), PipeSender::new(outlet)))
}

const LIMITS: Limits = Limits { items: Limits::NONE, window: WINDOW };

impl<A, B> Connection<A, B> {
    /// The half where messages go in.
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
    pub fn sender(&self) -> &PipeSender<A> {
        &self.sender
    }

    /// The half where messages come out.
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, _right) = procession_channels::pipe::<u8, u8>()?;
    /// assert!(left.receiver().try_recv().is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[must_use]
    pub fn receiver(&self) -> &PipeReceiver<B> {
        &self.receiver
    }

    /// Takes the end apart, for two owners.
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<u8, u8>()?;
    /// let (sender, receiver) = left.split();
    /// drop(sender);
    /// assert!(right.recv().is_err(), "the end of the stream");
    /// # drop(receiver);
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (PipeSender<A>, PipeReceiver<B>) {
        (self.sender, self.receiver)
    }

    /// See [`PipeSender::send_bytes`].
    ///
    /// # Errors
    ///
    /// As there.
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

    /// See [`PipeReceiver::recv_bytes`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<(), ()>()?;
    /// left.send_bytes(b"bytes")?;
    /// assert_eq!(right.recv_bytes()?, b"bytes");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes(&self) -> Result<Vec<u8>, RecvError> {
        self.receiver.recv_bytes()
    }

    /// See [`PipeReceiver::recv_bytes_into`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<(), ()>()?;
    /// left.send_bytes(b"ping")?;
    /// let mut room = [0; 4];
    /// assert_eq!(right.recv_bytes_into(&mut room)?, 4);
    /// assert_eq!(&room, b"ping");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes_into(&self, room: &mut [u8]) -> Result<usize, RecvError> {
        self.receiver.recv_bytes_into(room)
    }

    /// See [`PipeReceiver::recv_in_place`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<(), ()>()?;
    /// left.send_bytes(&[1; 1000])?;
    /// assert_eq!(&right.recv_in_place()?[..], &[1; 1000]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_in_place(&self) -> Result<InPlace, RecvError> {
        self.receiver.recv_in_place()
    }

    /// See [`PipeReceiver::poll`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// let (left, right) = procession_channels::pipe::<(), ()>()?;
    /// drop(right);
    /// assert!(left.poll(std::time::Duration::ZERO)?, "the end of the stream is news as well");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll(&self, timeout: Duration) -> Result<bool, RecvError> {
        self.receiver.poll(timeout)
    }
}

impl<A: Serialize, B> Connection<A, B> {
    /// See [`PipeSender::send`].
    ///
    /// # Errors
    ///
    /// As there.
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
    /// See [`PipeReceiver::recv`].
    ///
    /// # Errors
    ///
    /// As there.
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

    /// See [`PipeReceiver::try_recv`].
    ///
    /// # Errors
    ///
    /// As there.
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

    /// See [`PipeReceiver::recv_timeout`].
    ///
    /// # Errors
    ///
    /// As there.
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
