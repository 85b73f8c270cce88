//! Socket connections and listeners in tasks of tokio.

use std::future::poll_fn;
use std::os::fd::AsFd;
use std::time::Duration;

use procession_core::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;

use super::ready::{Coverage, Watch, when_ready};
use crate::net::connection::SocketConnection;
use crate::net::error::{AcceptError, SocketRecvError, SocketSendError};
use crate::net::listener::Listener;
use crate::net::sending::{PartialSend, encoded};
use crate::net::stream::Blocking;

impl SocketConnection {
    /// Receives as [`recv_bytes`](Self::recv_bytes) does, and lets other tasks run meanwhile.
    ///
    /// A future that is dropped before it is done has received nothing: what has arrived of a message is kept for the next call.
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
    /// use procession_channels::SocketConnection;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (here, there) = SocketConnection::pair()?;
    /// let (sent, received) = tokio::join!(here.send_bytes_async(b"bytes"), there.recv_bytes_async());
    /// sent?;
    /// assert_eq!(received?, b"bytes");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_bytes_async(&self) -> Result<Vec<u8>, SocketRecvError> {
        let attempt = || match self.recv_bytes_timeout(Duration::ZERO) {
            Err(SocketRecvError::TimedOut) => None,
            result => Some(result),
        };
        when_ready(&self.as_fd(), Coverage::Partial, attempt)
            .await
            .unwrap_or_else(|error| Err(SocketRecvError::Io(error)))
    }

    /// Receives a value as [`recv`](Self::recv) does, and lets other tasks run meanwhile.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// As [`recv_bytes_async`](Self::recv_bytes_async).
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::SocketConnection;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (here, there) = SocketConnection::pair()?;
    /// here.send_async(&("seven", 7)).await?;
    /// assert_eq!(there.recv_async::<(String, i32)>().await?, ("seven".into(), 7));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_async<T: DeserializeOwned>(&self) -> Result<T, SocketRecvError> {
        Ok(codec::portable::decode_from(&self.recv_bytes_async().await?, Vec::new())?)
    }

    /// Sends as [`send_bytes`](Self::send_bytes) does, and lets other tasks run while there is no space. Several tasks may send at
    /// once: their messages do not mix.
    ///
    /// A future that is dropped after a part of the message was sent cuts it off, and nothing can be sent any more. One that is dropped
    /// before has sent nothing.
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
    /// # use procession_channels::SocketConnection;
    /// # let (here, there) = SocketConnection::pair()?;
    /// // More than the socket has room for: both sides take turns.
    /// let (sent, received) = tokio::join!(here.send_bytes_async(&[7; 1 << 20]), there.recv_bytes_async());
    /// sent?;
    /// assert_eq!(received?, [7; 1 << 20]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_bytes_async(&self, bytes: &[u8]) -> Result<(), SocketSendError> {
        // Held until the message is sent: the messages of other tasks wait behind it.
        let sending = poll_fn(|cx| self.sending.poll_lock(cx.waker())).await;
        let mut message = PartialSend::new(self, sending, bytes)?;
        if message.advance(Blocking::No)? {
            return Ok(());
        }
        let mut set_keep_alive =
            Watch::new(&self.as_fd(), Interest::WRITABLE, Coverage::Partial).map_err(SocketSendError::Io)?;
        while !message.advance(Blocking::No)? {
            set_keep_alive.ready(Interest::WRITABLE).await.map_err(SocketSendError::Io)?;
        }
        Ok(())
    }

    /// Sends a value as [`send`](Self::send) does, and lets other tasks run while there is no space.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Panics
    ///
    /// As [`send_bytes_async`](Self::send_bytes_async), whose note on dropping holds here too.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use procession_channels::SocketConnection;
    /// # let (here, there) = SocketConnection::pair()?;
    /// here.send_async("a text").await?;
    /// assert_eq!(there.recv_async::<String>().await?, "a text");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_async<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), SocketSendError> {
        self.send_bytes_async(&encoded(value)?).await
    }
}

impl Listener {
    /// Accepts as [`accept`](Self::accept) does, and lets other tasks run meanwhile.
    ///
    /// A future that is dropped before it is done has accepted nothing: handshakes under way advance in the next call.
    ///
    /// # Errors
    ///
    /// As for [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a tokio runtime whose I/O is enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Address, Client, Listener};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
    /// let address = listener.address().clone();
    /// let client = std::thread::spawn(move || Client::connect(address, "the key").unwrap().recv_bytes().unwrap());
    /// listener.accept_async().await?.send_bytes_async(b"welcome").await?;
    /// assert_eq!(client.join().unwrap(), b"welcome");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn accept_async(&self) -> Result<SocketConnection, AcceptError> {
        let attempt = || self.accept_timeout(Duration::ZERO).transpose();
        when_ready(self, Coverage::Partial, attempt).await?
    }
}
