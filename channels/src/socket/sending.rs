//! The way out of a [`SocketConnection`].

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{self, Shutdown};
use procession_core::codec;
use procession_core::os::poll::deadline_after;
use serde::Serialize;

use super::connection::SocketConnection;
use super::error::SocketSendError;
use super::gate::Pass;
use super::stream::{Patience, await_writable, transmit};
use super::wire::Outgoing;

/// The state of the way out.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// A message was sent in part, so whatever followed it would be taken for the rest of it.
    cut_off: bool,
}

impl SocketConnection {
    /// Sends one message, and waits until the kernel has taken all of it.
    ///
    /// # Errors
    ///
    /// The other side is gone, or an earlier message was cut off.
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::SocketConnection;
    /// # use std::os::unix::net::UnixStream;
    /// # let (here, there) = UnixStream::pair()?;
    /// # let (here, there) = (SocketConnection::from(here), SocketConnection::from(there));
    /// here.send_bytes(b"as it is")?;
    /// assert_eq!(there.recv_bytes()?, b"as it is");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), SocketSendError> {
        self.transmit(bytes, None)
    }

    /// Sends one message as [`send_bytes`](Self::send_bytes) does, and waits no longer than this.
    ///
    /// # Errors
    ///
    /// As for [`send_bytes`](Self::send_bytes). [`TimedOut`](SocketSendError::TimedOut) when nothing was sent yet, so
    /// that it can be tried again; [`CutOff`](SocketSendError::CutOff) when a part was, after which the connection can
    /// only receive.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{SocketConnection, SocketSendError};
    /// use std::{os::unix::net::UnixStream, time::Duration};
    ///
    /// let (here, _there) = UnixStream::pair()?;
    /// let here = SocketConnection::from(here);
    /// let error = here.send_bytes_timeout(&[0; 10 << 20], Duration::from_millis(1)).unwrap_err();
    /// assert!(matches!(error, SocketSendError::CutOff), "nobody reads");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_bytes_timeout(&self, bytes: &[u8], timeout: Duration) -> Result<(), SocketSendError> {
        self.transmit(bytes, deadline_after(timeout))
    }

    /// Sends a value to another program of ours.
    ///
    /// # Errors
    ///
    /// As for [`send_bytes`](Self::send_bytes); the value cannot be encoded, or holds open descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::SocketConnection;
    /// # use std::os::unix::net::UnixStream;
    /// # let (here, there) = UnixStream::pair()?;
    /// # let (here, there) = (SocketConnection::from(here), SocketConnection::from(there));
    /// here.send(&("seven", 7_u8))?;
    /// assert_eq!(there.recv::<(String, u8)>()?, ("seven".to_owned(), 7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), SocketSendError> {
        self.transmit(&encoded(value)?, None)
    }

    /// Sends a value, and waits no longer than this.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send) and [`send_bytes_timeout`](Self::send_bytes_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_channels::SocketConnection;
    /// # use std::{os::unix::net::UnixStream, time::Duration};
    /// # let (here, _there) = UnixStream::pair()?;
    /// SocketConnection::from(here).send_timeout("a word", Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_timeout<T: Serialize + ?Sized>(&self, value: &T, timeout: Duration) -> Result<(), SocketSendError> {
        self.transmit(&encoded(value)?, deadline_after(timeout))
    }

    fn transmit(&self, bytes: &[u8], deadline: Option<Instant>) -> Result<(), SocketSendError> {
        let sending = self.sending.pass(deadline).ok_or(SocketSendError::TimedOut)?;
        let mut departure = Departure::new(self, sending, bytes)?;
        while !departure.go_on(Patience::until(deadline))? {
            if !await_writable(self.as_fd(), deadline)? {
                return Err(departure.late());
            }
        }
        Ok(())
    }
}

/// A message while it is being sent. One that is given up in the middle is cut off.
pub(super) struct Departure<'a> {
    connection: &'a SocketConnection,
    sending: Pass<'a, Sending>,
    outgoing: Outgoing<'a>,
}

impl<'a> Departure<'a> {
    pub(super) fn new(
        connection: &'a SocketConnection,
        sending: Pass<'a, Sending>,
        bytes: &'a [u8],
    ) -> Result<Departure<'a>, SocketSendError> {
        if sending.cut_off {
            return Err(SocketSendError::CutOff);
        }
        Ok(Departure { connection, sending, outgoing: Outgoing::new(bytes) })
    }

    /// Sends what there is room for. Answers whether that was all.
    pub(super) fn go_on(&mut self, patience: Patience) -> Result<bool, SocketSendError> {
        while !self.outgoing.is_sent() {
            match transmit(self.connection.as_fd(), &self.outgoing.slices(), patience)? {
                Some(count) => self.outgoing.advance(count),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// What is told when the time has run out.
    fn late(&self) -> SocketSendError {
        if self.outgoing.has_begun() { SocketSendError::CutOff } else { SocketSendError::TimedOut }
    }
}

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        if self.outgoing.has_begun() && !self.outgoing.is_sent() {
            self.sending.cut_off = true;
            // The other side learns at once that the rest will not come.
            let _told = socket::shutdown(self.connection.socket.as_raw_fd(), Shutdown::Write);
        }
    }
}

pub(super) fn encoded<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, SocketSendError> {
    let (payload, descriptors) = codec::portable::encode(value)?.into_parts();
    if descriptors.is_empty() { Ok(payload.into_vec()) } else { Err(SocketSendError::Descriptors(descriptors.len())) }
}
