//! [`ChannelError`]: why a channel could not be made or used, apart from full, empty and disconnected.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::memory::error::{ChainError, ErrorKind};

/// A channel could not be made, or a message could not be put into it or taken out of it. Two such errors are equal if they say the same.
///
/// # Examples
///
/// ```
/// let error = procession_channels::queue::<u8>(0).unwrap_err();
/// assert_eq!(error.to_string(), "cannot make a queue with capacity 0: give it at least 1, or use `unbounded`");
/// ```
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct ChannelError(Arc<ChainError>);

impl ChannelError {
    /// Returns whether the value could not be encoded. Another attempt fails as well; the text says why.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = procession_channels::queue::<u8>(0).unwrap_err();
    /// assert!(!error.is_encode());
    /// ```
    #[must_use]
    pub fn is_encode(&self) -> bool {
        self.0.kind() == ErrorKind::Encode
    }

    /// Returns whether the message is no such value. It is gone; the next can be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = procession_channels::queue::<u32>(1)?;
    /// sender.send(300)?;
    /// // The same channel, with another type at its end.
    /// let message = procession_core::codec::encode(&receiver)?;
    /// let other: procession_channels::Receiver<String> = procession_core::codec::decode(message)?;
    /// let procession_channels::RecvError::Failed(error) = other.recv().unwrap_err() else { panic!() };
    /// assert!(error.is_decode());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_decode(&self) -> bool {
        self.0.kind() == ErrorKind::Decode
    }

    /// Returns whether the message came without its descriptors: they were lost with a process that was killed while it sent or
    /// received them, or this process may open no more. It is gone; the next can be received.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Receiver, RecvError};
    /// use procession_sync::Shared;
    ///
    /// /// Receives the next that is whole.
    /// fn next(receiver: &Receiver<Shared<u32>>) -> Result<Shared<u32>, RecvError> {
    ///     loop {
    ///         match receiver.recv() {
    ///             Err(RecvError::Failed(error)) if error.is_lost_descriptors() => {}
    ///             other => return other,
    ///         }
    ///     }
    /// }
    ///
    /// let (sender, receiver) = procession_channels::queue(1)?;
    /// sender.send(Shared::new(7)?)?;
    /// assert_eq!(*next(&receiver)?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_lost_descriptors(&self) -> bool {
        self.0.kind() == ErrorKind::LostDescriptors
    }

    /// Returns whether there is too little memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = procession_channels::queue::<u8>(0).unwrap_err();
    /// assert!(!error.is_out_of_memory());
    /// ```
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        self.0.kind() == ErrorKind::Memory
    }

    /// Returns whether the next message is longer than the maximum, or than the buffer. It stays: receive it
    /// with more room, or [skip](crate::Receiver::skip) it.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::RecvError;
    ///
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes(b"too long for that")?;
    /// let RecvError::Failed(error) = receiver.recv_bytes_into(&mut [0; 3]).unwrap_err() else { panic!() };
    /// assert!(error.is_too_long());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "BufferTooShort")]
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.0.kind() == ErrorKind::TooLong
    }
}

impl fmt::Debug for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChannelError").field(&*self.0).finish()
    }
}

impl PartialEq for ChannelError {
    fn eq(&self, other: &Self) -> bool {
        // By what they say: causes of the kernel cannot be compared.
        self.0.kind() == other.0.kind() && self.to_string() == other.to_string()
    }
}

impl Eq for ChannelError {}

impl From<ChainError> for ChannelError {
    fn from(error: ChainError) -> Self {
        ChannelError(Arc::new(error))
    }
}

/// Sends the text and the kind, for not every cause can be sent.
impl Serialize for ChannelError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.to_string(), self.0.kind()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ChannelError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, kind) = Deserialize::deserialize(deserializer)?;
        Ok(ChainError::Reported { text, kind }.into())
    }
}

#[cfg(test)]
mod tests {
    use procession_core::codec::{decode, encode};

    use super::*;
    use crate::api::error::{RecvError, SendError};
    use crate::api::join_error::JoinError;

    #[test]
    fn errors_travel_and_stay_what_they_are() {
        let kernel = std::io::Error::from_raw_os_error(24).into();
        for cause in [ChainError::LostDescriptors, ChainError::Corrupt, kernel] {
            let error = ChannelError::from(cause);
            let (text, is_lost) = (error.to_string(), error.is_lost_descriptors());
            let arrived: ChannelError = decode(encode(&error).expect("it travels")).expect("it arrives");
            assert_eq!((arrived.to_string(), arrived.is_lost_descriptors()), (text, is_lost));
        }
        let sent = SendError::Disconnected(5_u8);
        let arrived: SendError<u8> = decode(encode(&sent).expect("it travels")).expect("it arrives");
        assert_eq!(arrived.into_inner(), 5);
        let failed = RecvError::Failed(ChainError::Corrupt.into());
        let arrived: RecvError = decode(encode(&failed).expect("it travels")).expect("it arrives");
        assert_eq!(arrived.to_string(), failed.to_string());
        let lost = JoinError::Lost { count: 2, pid: 7 };
        assert_eq!(decode::<JoinError>(encode(&lost).expect("it travels")).expect("it arrives"), lost);
    }
}
