//! Queues and pipes in tasks.

use procession_core::Waitable;
use procession_core::os::poll::Pollable;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ready::{Coverage, when_ready};
use crate::api::error::{RecvError, SendError, TryRecvError, TrySendError};
use crate::api::pipe::Connection;
use crate::api::receiver::Receiver;
use crate::api::sender::Sender;
use crate::ends::raw_sender::RawSender;
use crate::memory::error::ChainError;

/// Space in a channel, as something to wait for.
struct Space<'a>(&'a RawSender);

impl Waitable for Space<'_> {
    fn pollable(&self) -> Pollable<'_> {
        self.0.socket().pollable()
    }

    fn arm(&self) -> Option<bool> {
        Some(self.0.arm())
    }
}

async fn receive<T>(end: &impl Waitable, mut attempt: impl FnMut() -> Result<T, TryRecvError>) -> Result<T, RecvError> {
    let attempt = || match attempt() {
        Ok(value) => Some(Ok(value)),
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Disconnected) => Some(Err(RecvError::Disconnected)),
        Err(TryRecvError::Failed(error)) => Some(Err(RecvError::Failed(error))),
    };
    // Senders wake receivers before an item is added, so the descriptor reports all of them.
    let received = when_ready(end, Coverage::Complete, attempt).await;
    received.unwrap_or_else(|error| Err(RecvError::Failed(ChainError::from(error).into())))
}

async fn send<T>(
    space: Space<'_>,
    value: T,
    attempt: impl Fn(T) -> Result<(), TrySendError<T>>,
) -> Result<(), SendError<T>> {
    let mut unsent = Some(value);
    // The value is here between two attempts, so that it is dropped with the future.
    let attempt = || match attempt(unsent.take()?) {
        Ok(()) => Some(Ok(())),
        Err(TrySendError::Full(value)) => {
            unsent = Some(value);
            None
        }
        Err(TrySendError::Disconnected(value)) => Some(Err(SendError::Disconnected(value))),
        Err(TrySendError::Failed(value, error)) => Some(Err(SendError::Failed(value, error))),
    };
    match when_ready(&space, Coverage::Partial, attempt).await {
        Ok(result) => result,
        Err(error) => match unsent {
            Some(value) => Err(SendError::Failed(value, ChainError::from(error).into())),
            None => unreachable!("an attempt that took the value for good is the last"),
        },
    }
}

impl<T: DeserializeOwned> Receiver<T> {
    /// Receives as [`recv`](Self::recv) does, and lets other tasks run meanwhile.
    ///
    /// A future that is dropped before it is done has received nothing.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a tokio runtime whose I/O is enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, receiver) = procession_channels::queue(1)?;
    /// let (sent, received) = tokio::join!(sender.send_async('a'), receiver.recv_async());
    /// sent?;
    /// assert_eq!(received?, 'a');
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_async(&self) -> Result<T, RecvError> {
        receive(self, || self.try_recv()).await
    }
}

impl<T> Receiver<T> {
    /// Receives as [`recv_bytes`](Self::recv_bytes) does, and lets other tasks run meanwhile.
    ///
    /// A future that is dropped before it is done has received nothing.
    ///
    /// # Errors
    ///
    /// As for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a tokio runtime whose I/O is enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes_async(b"bytes").await?;
    /// assert_eq!(receiver.recv_bytes_async().await?, b"bytes");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_bytes_async(&self) -> Result<Vec<u8>, RecvError> {
        receive(self, || self.try_recv_bytes()).await
    }
}

impl<T: Serialize> Sender<T> {
    /// Sends as [`send`](Self::send) does, and lets other tasks run while there is no space.
    ///
    /// A future that is dropped before it is done has sent nothing; the value is dropped with it.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a tokio runtime whose I/O is enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, receiver) = procession_channels::queue(1)?;
    /// sender.send_async(1).await?;
    /// // There is no space for another one until the first was received.
    /// let (sent, received) = tokio::join!(sender.send_async(2), receiver.recv_async());
    /// sent?;
    /// assert_eq!((received?, receiver.recv_async().await?), (1, 2));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_async(&self, value: T) -> Result<(), SendError<T>> {
        send(Space(&self.raw), value, |value| self.try_send(value)).await
    }
}

impl<T> Sender<T> {
    /// Sends as [`send_bytes`](Self::send_bytes) does, and lets other tasks run while there is no space.
    ///
    /// A future that is dropped before it is done has sent nothing.
    ///
    /// # Errors
    ///
    /// As for [`send_bytes`](Self::send_bytes).
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a tokio runtime whose I/O is enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes_async(b"bytes").await?;
    /// assert_eq!(receiver.recv_bytes()?, b"bytes");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_bytes_async(&self, bytes: &[u8]) -> Result<(), SendError<()>> {
        send(Space(&self.raw), (), |()| self.try_send_bytes(bytes)).await
    }
}

impl<A: Serialize, B> Connection<A, B> {
    /// Sends a value, as [`Sender::send_async`] does.
    ///
    /// # Errors
    ///
    /// As for [`Sender::send`].
    ///
    /// # Panics
    ///
    /// As [`Sender::send_async`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (left, right) = procession_channels::pipe::<u8, u16>()?;
    /// left.send_async(1).await?;
    /// assert_eq!(right.recv_async().await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_async(&self, value: A) -> Result<(), SendError<A>> {
        self.sender().send_async(value).await
    }
}

impl<A, B: DeserializeOwned> Connection<A, B> {
    /// Receives a value, as [`Receiver::recv_async`] does.
    ///
    /// # Errors
    ///
    /// As for [`Receiver::recv`].
    ///
    /// # Panics
    ///
    /// As [`Receiver::recv_async`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (left, right) = procession_channels::pipe::<u8, u16>()?;
    /// right.send(500)?;
    /// assert_eq!(left.recv_async().await?, 500);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_async(&self) -> Result<B, RecvError> {
        self.receiver().recv_async().await
    }
}
