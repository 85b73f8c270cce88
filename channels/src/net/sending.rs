//! Sending over a [`SocketConnection`].

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{self, Shutdown};
use procession_core::codec;
use procession_core::os::poll::deadline_after;
use serde::Serialize;

use super::connection::{SendState, SocketConnection};
use super::deadline_mutex::DeadlineGuard;
use super::error::SocketSendError;
use super::stream::{Blocking, await_writable, transmit};
use super::wire::Outgoing;

impl SocketConnection {
    /// Sends one message, and waits until the kernel has taken all of it.
    ///
    /// # Errors
    ///
    /// - [`SocketSendError::Disconnected`]: the other side is gone.
    /// - [`SocketSendError::Unreachable`]: its machine, or the network, is gone.
    /// - [`SocketSendError::CutOff`]: an earlier message was cut off.
    /// - [`SocketSendError::Io`]: the kernel refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::SocketConnection;
    /// # let (here, there) = SocketConnection::pair()?;
    /// here.send_bytes(b"as it is")?;
    /// assert_eq!(there.recv_bytes()?, b"as it is");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), SocketSendError> {
        self.transmit(bytes, None)
    }

    /// Sends one message as [`send_bytes`](Self::send_bytes) does, and waits until the timeout.
    ///
    /// # Errors
    ///
    /// - [`SocketSendError::TimedOut`]: nothing was sent until then, so it can be tried again.
    /// - [`SocketSendError::CutOff`]: a part was sent. From then on the connection can only receive.
    /// - Otherwise as for [`send_bytes`](Self::send_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{SocketConnection, SocketSendError};
    /// use std::time::Duration;
    ///
    /// let (here, _there) = SocketConnection::pair()?;
    /// let error = here.send_bytes_timeout(&[0; 10 << 20], Duration::from_millis(1)).unwrap_err();
    /// assert!(matches!(error, SocketSendError::CutOff), "the other side does not read");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_bytes_timeout(&self, bytes: &[u8], timeout: Duration) -> Result<(), SocketSendError> {
        self.transmit(bytes, deadline_after(timeout))
    }

    /// Sends a value to another program of ours.
    ///
    /// # Errors
    ///
    /// - [`SocketSendError::Encode`]: the value cannot be encoded.
    /// - [`SocketSendError::Descriptors`]: it holds open descriptors.
    /// - Otherwise as for [`send_bytes`](Self::send_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::SocketConnection;
    /// # let (here, there) = SocketConnection::pair()?;
    /// here.send(&("seven", 7_u8))?;
    /// assert_eq!(there.recv::<(String, u8)>()?, ("seven".to_owned(), 7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), SocketSendError> {
        self.transmit(&encoded(value)?, None)
    }

    /// Sends a value, and waits until the timeout.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send) and [`send_bytes_timeout`](Self::send_bytes_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::SocketConnection;
    /// # use std::time::Duration;
    /// # let (here, _there) = SocketConnection::pair()?;
    /// here.send_timeout("a word", Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_timeout<T: Serialize + ?Sized>(&self, value: &T, timeout: Duration) -> Result<(), SocketSendError> {
        self.transmit(&encoded(value)?, deadline_after(timeout))
    }

    fn transmit(&self, bytes: &[u8], deadline: Option<Instant>) -> Result<(), SocketSendError> {
        let sending = self.sending.lock(deadline).ok_or(SocketSendError::TimedOut)?;
        let mut message = PartialSend::new(self, sending, bytes)?;
        while !message.advance(Blocking::until(deadline))? {
            if !await_writable(self.as_fd(), deadline)? {
                return Err(message.timeout_error());
            }
        }
        Ok(())
    }
}

/// A message while it is being sent. If it is dropped in the middle, it is cut off.
pub(crate) struct PartialSend<'a> {
    connection: &'a SocketConnection,
    sending: DeadlineGuard<'a, SendState>,
    outgoing: Outgoing<'a>,
}

impl<'a> PartialSend<'a> {
    pub(crate) fn new(
        connection: &'a SocketConnection,
        sending: DeadlineGuard<'a, SendState>,
        bytes: &'a [u8],
    ) -> Result<PartialSend<'a>, SocketSendError> {
        // The peer would take this message for the rest of the one before.
        if sending.is_cut_off {
            return Err(SocketSendError::CutOff);
        }
        Ok(PartialSend { connection, sending, outgoing: Outgoing::new(bytes) })
    }

    /// Sends what the kernel has space for. Returns whether that was all.
    pub(crate) fn advance(&mut self, blocking: Blocking) -> Result<bool, SocketSendError> {
        while !self.outgoing.is_sent() {
            match transmit(self.connection.as_fd(), &self.outgoing.slices(), blocking)? {
                Some(count) => self.outgoing.advance(count),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Returns the error for the case that the time is over.
    fn timeout_error(&self) -> SocketSendError {
        if self.outgoing.has_started() { SocketSendError::CutOff } else { SocketSendError::TimedOut }
    }
}

impl Drop for PartialSend<'_> {
    fn drop(&mut self) {
        // Nothing is cut off before the first byte, or after the last.
        if self.outgoing.has_started() && !self.outgoing.is_sent() {
            self.sending.is_cut_off = true;
            // The other side learns at once that the rest will not come.
            let _shut_down = socket::shutdown(self.connection.socket.as_raw_fd(), Shutdown::Write);
        }
    }
}

pub(crate) fn encoded<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, SocketSendError> {
    let (payload, descriptors) = codec::portable::encode(value)?.into_parts();
    if descriptors.is_empty() { Ok(payload.into_vec()) } else { Err(SocketSendError::Descriptors(descriptors.len())) }
}
