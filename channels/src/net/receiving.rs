//! Receiving over a [`SocketConnection`].

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use procession_core::codec;
use procession_core::os::poll::deadline_after;
use serde::de::DeserializeOwned;

use super::connection::SocketConnection;
use super::error::SocketRecvError;
use super::stream::{Blocking, await_readable, receive};

impl SocketConnection {
    /// Receives one message.
    ///
    /// # Errors
    ///
    /// - [`SocketRecvError::Disconnected`]: the end of the stream.
    /// - [`SocketRecvError::Truncated`] and [`SocketRecvError::Reset`]: the other side went away before that.
    /// - [`SocketRecvError::Unreachable`]: its machine, or the network, is gone.
    /// - [`SocketRecvError::TooLong`]: the message is longer than the maximum. It stays.
    /// - [`SocketRecvError::Malformed`]: the other side does not speak this protocol.
    /// - [`SocketRecvError::Io`]: the kernel refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::SocketConnection;
    /// # let (here, there) = SocketConnection::pair()?;
    /// here.send_bytes(b"one")?;
    /// here.send_bytes(b"")?;
    /// assert_eq!((there.recv_bytes()?, there.recv_bytes()?), (b"one".to_vec(), Vec::new()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes(&self) -> Result<Vec<u8>, SocketRecvError> {
        self.receive(Vec::new(), self.max_message, None)
    }

    /// Receives one message, and waits until the timeout. What has arrived of a message by then is kept for the next call.
    ///
    /// # Errors
    ///
    /// - [`SocketRecvError::TimedOut`]: no whole message arrived.
    /// - Otherwise as for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{SocketConnection, SocketRecvError};
    /// use std::time::Duration;
    ///
    /// let (here, _there) = SocketConnection::pair()?;
    /// let error = here.recv_bytes_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert!(matches!(error, SocketRecvError::TimedOut));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes_timeout(&self, timeout: Duration) -> Result<Vec<u8>, SocketRecvError> {
        self.receive(Vec::new(), self.max_message, deadline_after(timeout))
    }

    /// Receives one message of at most `max` bytes. A longer one stays, and can be received with a higher maximum.
    ///
    /// # Errors
    ///
    /// As for [`recv_bytes`](Self::recv_bytes). The maximum of the connection holds too.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::SocketConnection;
    ///
    /// let (here, there) = SocketConnection::pair()?;
    /// here.send_bytes(b"hello")?;
    /// assert!(there.recv_bytes_max(4).is_err());
    /// assert_eq!(there.recv_bytes_max(5)?, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "maxlength")]
    pub fn recv_bytes_max(&self, max: usize) -> Result<Vec<u8>, SocketRecvError> {
        self.receive(Vec::new(), max.min(self.max_message), None)
    }

    /// Receives one message into a buffer that was used before, over what it held, and returns its length.
    ///
    /// # Errors
    ///
    /// As for [`recv_bytes`](Self::recv_bytes). The buffer is empty then.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::SocketConnection;
    ///
    /// let (here, there) = SocketConnection::pair()?;
    /// let mut buffer = Vec::new();
    /// for word in ["some", "words"] {
    ///     here.send_bytes(word.as_bytes())?;
    ///     assert_eq!(there.recv_bytes_into(&mut buffer)?, word.len());
    ///     assert_eq!(buffer, word.as_bytes());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes_into(&self, buffer: &mut Vec<u8>) -> Result<usize, SocketRecvError> {
        *buffer = self.receive(std::mem::take(buffer), self.max_message, None)?;
        Ok(buffer.len())
    }

    /// Receives as [`recv_bytes_into`](Self::recv_bytes_into) does, and waits until the timeout.
    ///
    /// # Errors
    ///
    /// - [`SocketRecvError::TimedOut`]: no whole message arrived.
    /// - Otherwise as for [`recv_bytes_into`](Self::recv_bytes_into).
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::SocketConnection;
    /// # use std::time::Duration;
    /// # let (here, _there) = SocketConnection::pair()?;
    /// let mut buffer = vec![1, 2, 3];
    /// assert!(here.recv_bytes_into_timeout(&mut buffer, Duration::ZERO).is_err());
    /// assert!(buffer.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_bytes_into_timeout(&self, buffer: &mut Vec<u8>, timeout: Duration) -> Result<usize, SocketRecvError> {
        *buffer = self.receive(std::mem::take(buffer), self.max_message, deadline_after(timeout))?;
        Ok(buffer.len())
    }

    /// Receives a value of another program of ours.
    ///
    /// # Errors
    ///
    /// - [`SocketRecvError::Decode`]: the message is no encoding of a `T`. The next can be received.
    /// - Otherwise as for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::SocketConnection;
    /// # let (here, there) = SocketConnection::pair()?;
    /// here.send(&vec![1, 2, 3])?;
    /// assert_eq!(there.recv::<Vec<i32>>()?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv<T: DeserializeOwned>(&self) -> Result<T, SocketRecvError> {
        Ok(codec::portable::decode_from(&self.recv_bytes()?, Vec::new())?)
    }

    /// Receives a value, and waits until the timeout.
    ///
    /// # Errors
    ///
    /// - [`SocketRecvError::TimedOut`]: no whole message arrived.
    /// - Otherwise as for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::{SocketConnection, SocketRecvError};
    /// # use std::time::Duration;
    /// # let (here, _there) = SocketConnection::pair()?;
    /// let result = here.recv_timeout::<u32>(Duration::ZERO);
    /// assert!(matches!(result, Err(SocketRecvError::TimedOut)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_timeout<T: DeserializeOwned>(&self, timeout: Duration) -> Result<T, SocketRecvError> {
        Ok(codec::portable::decode_from(&self.recv_bytes_timeout(timeout)?, Vec::new())?)
    }

    fn receive(&self, buffer: Vec<u8>, max: usize, deadline: Option<Instant>) -> Result<Vec<u8>, SocketRecvError> {
        let mut decoder = self.receiving.lock(deadline).ok_or(SocketRecvError::TimedOut)?;
        // A message that has arrived in part keeps its own memory.
        if !decoder.has_started() {
            decoder.reuse(buffer);
        }
        while let Some(space) = decoder.space(max)? {
            match receive(self.as_fd(), space, Blocking::until(deadline))? {
                Some(0) => return Err(decoder.end().into()),
                Some(count) => decoder.filled(count),
                None if await_readable(self.as_fd(), deadline)? => {}
                None => return Err(SocketRecvError::TimedOut),
            }
        }
        Ok(decoder.take())
    }
}
