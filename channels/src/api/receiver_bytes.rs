//! Plain bytes out of a [`Receiver`].

use std::time::Duration;

use super::error::{RecvError, RecvTimeoutError, TryRecvError};
use super::in_place::Loaned;
use super::receiver::Receiver;
use crate::ends::error::RawRecvError;
use crate::memory::until::Until;

impl<T> Receiver<T> {
    /// Sets the longest message of plain bytes that is taken from now on. A longer one is an error and stays, until the limit is raised.
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
        self.raw.set_max_len(bytes as u64);
    }

    /// Receives a message as it is, and waits until there is one.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Disconnected`]: everything was received, and all senders are gone.
    /// - [`RecvError::Failed`]: the message is longer than [allowed](Self::set_max_len), or carries descriptors.
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
        Ok(self.recv_bytes_until(Until::FOREVER)?)
    }

    /// Receives a message as it is, if there is one now.
    ///
    /// # Errors
    ///
    /// - [`TryRecvError::Empty`]: there is no message.
    /// - [`TryRecvError::Disconnected`] and [`TryRecvError::Failed`]: as for [`recv_bytes`](Self::recv_bytes).
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
        Ok(self.recv_bytes_until(Until::Now)?)
    }

    /// Receives a message as it is, and waits for it until the timeout.
    ///
    /// # Errors
    ///
    /// - [`RecvTimeoutError::Timeout`]: there was no message until then.
    /// - [`RecvTimeoutError::Disconnected`] and [`RecvTimeoutError::Failed`]: as for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, _sender) = procession_channels::one_way::<()>()?;
    /// assert!(receiver.recv_bytes_timeout(std::time::Duration::from_millis(1)).is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    pub fn recv_bytes_timeout(&self, timeout: Duration) -> Result<Vec<u8>, RecvTimeoutError> {
        Ok(self.recv_bytes_until(Until::after(timeout))?)
    }

    /// Receives a message as [`recv_bytes`](Self::recv_bytes) does, into a vector that was used before, over what it held. For large
    /// messages that is several times as fast as a fresh vector for each.
    ///
    /// # Errors
    ///
    /// As for [`recv_bytes`](Self::recv_bytes). The vector is empty then.
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
        Ok(self.raw.recv_bytes(buffer, Until::FOREVER)?)
    }

    /// Receives a message as [`recv_bytes`](Self::recv_bytes) does, into a slice, and returns its length.
    ///
    /// # Errors
    ///
    /// - [`RecvError::Disconnected`]: as for [`recv_bytes`](Self::recv_bytes).
    /// - [`RecvError::Failed`]: the message does not fit, and stays; else as for [`recv_bytes`](Self::recv_bytes).
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
        Ok(self.raw.recv_into(room, Until::FOREVER)?)
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
    pub fn recv_in_place(&self) -> Result<Loaned, RecvError> {
        Ok(Loaned::new(self.raw.recv_in_place(Until::FOREVER)?))
    }

    /// Receives up to `max` messages of plain bytes that are there, and waits for the first. Appends them to `buffer`, and to `ends`
    /// where each ends in it. Returns their number. A large message comes alone.
    ///
    /// # Errors
    ///
    /// As for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes(b"one")?;
    /// sender.send_bytes(b"three")?;
    /// let (mut buffer, mut ends) = (Vec::new(), Vec::new());
    /// assert_eq!(receiver.recv_many_bytes(10, &mut buffer, &mut ends)?, 2);
    /// assert_eq!((&buffer[..], &ends[..]), (&b"onethree"[..], &[3, 8][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_many_bytes(&self, max: usize, buffer: &mut Vec<u8>, ends: &mut Vec<usize>) -> Result<usize, RecvError> {
        Ok(self.raw.recv_many_bytes(max, buffer, ends, Until::FOREVER)?)
    }

    /// Receives messages as [`recv_many_bytes`](Self::recv_many_bytes) does, without waiting.
    ///
    /// # Errors
    ///
    /// As for [`try_recv_bytes`](Self::try_recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, _sender) = procession_channels::one_way::<()>()?;
    /// assert!(receiver.try_recv_many_bytes(9, &mut Vec::new(), &mut Vec::new()).is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    pub fn try_recv_many_bytes(
        &self,
        max: usize,
        buffer: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<usize, TryRecvError> {
        Ok(self.raw.recv_many_bytes(max, buffer, ends, Until::Now)?)
    }

    /// Throws the next message away, whatever it is, without waiting, and returns its length in bytes: the way past a message that is
    /// [too long](crate::ChannelError::is_too_long). Closes the descriptors that it carries.
    ///
    /// # Errors
    ///
    /// - [`TryRecvError::Empty`]: there is no message.
    /// - [`TryRecvError::Disconnected`]: everything was received, and all senders are gone.
    /// - [`TryRecvError::Failed`]: its descriptors are lost. The message is gone as well.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes(&[0; 100])?;
    /// sender.send_bytes(b"short")?;
    /// receiver.set_max_len(10);
    /// assert!(receiver.try_recv_bytes().is_err());
    /// assert_eq!(receiver.skip()?, 100);
    /// assert_eq!(receiver.recv_bytes()?, b"short");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip(&self) -> Result<usize, TryRecvError> {
        Ok(self.raw.skip(Until::Now)?)
    }

    fn recv_bytes_until(&self, until: Until) -> Result<Vec<u8>, RawRecvError> {
        let mut buffer = Vec::new();
        self.raw.recv_bytes(&mut buffer, until)?;
        Ok(buffer)
    }

    /// Makes the descriptor readable when there is something to receive. Returns `true` if there is already, or never will be.
    ///
    /// Returns `None` if that could not be done, because a process takes its time in the middle of sending: it may have been stopped. The
    /// descriptor may stay unreadable then, so look again before long. This takes a few milliseconds at max.
    #[doc(hidden)]
    #[must_use]
    pub fn try_arm_for_items(&self) -> Option<bool> {
        self.raw.try_arm()
    }

    /// Arms as [`try_arm_for_items`](Self::try_arm_for_items) does, again and again until that is done.
    #[doc(hidden)]
    #[must_use]
    pub fn arm_for_items(&self) -> bool {
        loop {
            if let Some(is_ready) = self.try_arm_for_items() {
                return is_ready;
            }
        }
    }
}
