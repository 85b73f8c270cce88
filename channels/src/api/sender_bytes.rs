//! Plain bytes into a [`Sender`].

use std::time::Duration;

use procession_core::codec::Handles;
use procession_core::os::poll::Pollable;

use super::error::{SendError, SendTimeoutError, TrySendError};
use super::sender::Sender;
use crate::ends::error::RawSendError;
use crate::memory::until::Until;

impl<T> Sender<T> {
    /// Sends bytes as one message, and waits for space if the channel is full. An empty message is a message.
    ///
    /// # Errors
    ///
    /// - [`SendError::Disconnected`]: all receivers are gone.
    /// - [`SendError::Failed`]: there is no memory.
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
        self.send_bytes_until(bytes, Until::FOREVER).map_err(|error| SendError::new((), error))
    }

    /// Sends bytes as one message if there is space now.
    ///
    /// # Errors
    ///
    /// - [`TrySendError::Full`]: there is no space.
    /// - [`TrySendError::Disconnected`] and [`TrySendError::Failed`]: as for [`send_bytes`](Self::send_bytes).
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
        self.send_bytes_until(bytes, Until::Now).map_err(|error| TrySendError::new((), error))
    }

    /// Sends bytes as one message, and waits for space until the timeout.
    ///
    /// # Errors
    ///
    /// - [`SendTimeoutError::Timeout`]: there was no space until then.
    /// - [`SendTimeoutError::Disconnected`] and [`SendTimeoutError::Failed`]: as for [`send_bytes`](Self::send_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (_receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes_timeout(b"bytes", std::time::Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_bytes_timeout(&self, bytes: &[u8], timeout: Duration) -> Result<(), SendTimeoutError<()>> {
        self.send_bytes_until(bytes, Until::after(timeout)).map_err(|error| SendTimeoutError::new((), error))
    }

    /// Sends many messages of bytes, under one lock where that is possible, and wakes the receiver once. `buffer` holds them one
    /// behind the other, `ends` says where each ends, in growing order.
    ///
    /// # Errors
    ///
    /// As for [`send_bytes`](Self::send_bytes). The value in the error is the number of messages that were sent.
    ///
    /// # Panics
    ///
    /// If the ends are not in growing order inside the buffer.
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
        self.raw.send_all(buffer, ends).map_err(|(sent, error)| SendError::new(sent, error))
    }

    fn send_bytes_until(&self, bytes: &[u8], until: Until) -> Result<(), RawSendError> {
        self.raw.send(bytes, &Handles::new(), until)
    }

    /// Adds bytes as one message without waking a receiver that sleeps. It finds them when it looks the next time, at the latest when it is
    /// woken by what is sent later, or by the end. Returns whether they were added; where space is scarce they are not.
    ///
    /// # Errors
    ///
    /// As for [`try_send_bytes`](Self::try_send_bytes).
    #[doc(hidden)]
    pub fn send_bytes_unnotified(&self, bytes: &[u8]) -> Result<bool, TrySendError<()>> {
        self.raw.send_unnotified(bytes).map_err(|error| TrySendError::new((), error))
    }

    /// Makes [`space_pollable`](Self::space_pollable) readable when there is space. Returns `true` if there is already, or never will be.
    #[doc(hidden)]
    #[must_use]
    pub fn arm_for_space(&self) -> bool {
        self.raw.arm()
    }

    /// Returns what becomes ready after [`arm_for_space`](Self::arm_for_space).
    #[doc(hidden)]
    #[must_use]
    pub fn space_pollable(&self) -> Pollable<'_> {
        self.raw.socket().pollable()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use procession_core::Waitable;
    use procession_core::os::poll::poll;

    use crate::api::pipe::one_way;
    use crate::api::receiver::Receiver;
    use crate::tuning::MAX_INLINE_BYTES;

    fn is_readable(receiver: &Receiver<()>) -> bool {
        poll(&[receiver.pollable()], Some(Instant::now())).unwrap()[0]
    }

    #[test]
    fn what_is_sent_unnotified_wakes_nobody_and_is_found_in_its_turn() {
        let (receiver, sender) = one_way::<()>().unwrap();
        assert!(!receiver.arm_for_items());
        assert!(sender.send_bytes_unnotified(b"first").unwrap());
        assert!(!is_readable(&receiver));
        sender.send_bytes(b"second").unwrap();
        assert!(is_readable(&receiver));
        assert_eq!(receiver.recv_bytes().unwrap(), b"first");
        assert_eq!(receiver.recv_bytes().unwrap(), b"second");
        assert!(!receiver.arm_for_items());
        assert!(sender.send_bytes_unnotified(b"last").unwrap());
        assert!(receiver.arm_for_items(), "arming looks first");
        drop(sender);
        assert_eq!(receiver.recv_bytes().unwrap(), b"last");
    }

    #[test]
    fn nothing_is_sent_unnotified_where_space_is_scarce_so_that_others_can_wake_the_receiver() {
        let (receiver, sender) = one_way::<()>().unwrap();
        assert!(!sender.send_bytes_unnotified(&[0; MAX_INLINE_BYTES + 1]).unwrap());
        assert!(!receiver.arm_for_items());
        while sender.send_bytes_unnotified(&[0; 100]).unwrap() {}
        assert!(!is_readable(&receiver));
        sender.try_send_bytes(b"there is space for this").unwrap();
        assert!(is_readable(&receiver));
    }
}
