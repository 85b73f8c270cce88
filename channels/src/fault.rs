//! [`ChannelError`]: what went wrong, apart from full, empty and gone.

use std::sync::Arc;
use std::{fmt, io};

use procession_core::codec::{DecodeError, EncodeError};
use procession_core::os::limits;
use procession_core::{MappingError, packet::MOST_DESCRIPTORS};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::chain::Snag;
use crate::extents::NoExtent;

/// A channel could not be made, or an item could not be put into it or taken out of it. Two such errors are equal if they say the same.
///
/// # Examples
///
/// ```
/// let error = procession_channels::queue::<u8>(0).unwrap_err();
/// assert_eq!(error.to_string(), "a queue needs room for at least one item; give it a capacity, or use `unbounded`");
/// ```
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct ChannelError(Arc<Fault>);

/// What is inside a [`ChannelError`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Memory(#[from] MappingError),
    #[error("a queue needs room for at least one item; give it a capacity, or use `unbounded`")]
    NoCapacity,
    #[error("the channel has as many messages as it can count; receive some first")]
    TooMany,
    #[error("a message of {len} bytes is longer than the limit of {limit} bytes")]
    TooLong { len: u64, limit: u64 },
    #[error("a message of {len} bytes does not fit the buffer of {room} bytes")]
    TooShort { len: u64, room: usize },
    #[error("a message can carry at most {MOST_DESCRIPTORS} descriptors, not {0}")]
    Descriptors(usize),
    #[error(
        "as many messages with descriptors are on their way as the kernel lets a channel hold, some 250: receive some first, or use a \
         `queue`, which waits until some were received"
    )]
    Crowded,
    #[error("the descriptors of a message were lost with the process that sent or received them")]
    LostDescriptors,
    #[error("the descriptors of a message could not be opened here, and are lost: {}", told(.0))]
    Unopened(io::Error),
    #[error("the message carries descriptors, so it is no plain bytes; receive it as a value")]
    NotBytes,
    #[error("the memory of the channel does not hold what it should: somebody else has written to it")]
    Garbled,
    #[error("more than {} processes hold items of one joinable queue", crate::layout::HOLDERS)]
    Holders,
    #[error("{}", told(.0))]
    System(io::Error),
    /// What happened in another process, as it told.
    #[error("{text}")]
    Told { text: String, kind: Kind },
}

/// What a [`ChannelError`] says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Encode,
    Decode,
    LostDescriptors,
    Memory,
    Other,
    TooLong,
}

// Not by `#[from]`, which would make the kernel's words, which are in the text, a source as well.
impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::System(error)
    }
}

impl ChannelError {
    /// Whether the value could not be encoded; the text says why. It never will be.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = procession_channels::queue::<u8>(0).unwrap_err();
    /// assert!(!error.is_encode());
    /// ```
    #[must_use]
    pub fn is_encode(&self) -> bool {
        self.0.kind() == Kind::Encode
    }

    /// Whether the bytes that came are no such value. That item is gone, the next one can be received.
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
        self.0.kind() == Kind::Decode
    }

    /// Whether the item came without the descriptors that belong to it: they went with a process that was killed while it sent or
    /// received them, or this process may open no more. That item is gone, the next one can be received.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::{Receiver, RecvError};
    /// use procession_sync::Shared;
    ///
    /// /// The next that is whole.
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
        self.0.kind() == Kind::LostDescriptors
    }

    /// Whether there is too little memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = procession_channels::queue::<u8>(0).unwrap_err();
    /// assert!(!error.is_out_of_memory());
    /// ```
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        self.0.kind() == Kind::Memory
    }

    /// Whether the next message of a pipe is longer than the maximum, or than the buffer that it was to be put into. It stays: receive it
    /// with more room, or [skip](crate::PipeReceiver::skip) it.
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
        self.0.kind() == Kind::TooLong
    }
}

impl fmt::Debug for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChannelError").field(&*self.0).finish()
    }
}

impl PartialEq for ChannelError {
    fn eq(&self, other: &Self) -> bool {
        self.0.kind() == other.0.kind() && self.to_string() == other.to_string()
    }
}

impl Eq for ChannelError {}

impl From<Fault> for ChannelError {
    fn from(fault: Fault) -> Self {
        ChannelError(Arc::new(fault))
    }
}

impl Fault {
    fn kind(&self) -> Kind {
        match self {
            Fault::Encode(_) => Kind::Encode,
            Fault::Decode(_) => Kind::Decode,
            Fault::LostDescriptors | Fault::Unopened(_) => Kind::LostDescriptors,
            Fault::Memory(error) if error.is_out_of_memory() => Kind::Memory,
            Fault::TooLong { .. } | Fault::TooShort { .. } => Kind::TooLong,
            Fault::Told { kind, .. } => *kind,
            _ => Kind::Other,
        }
    }
}

/// What others said cannot be sent as it is, but its words and its kind can.
impl Serialize for ChannelError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.to_string(), self.0.kind()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ChannelError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, kind) = Deserialize::deserialize(deserializer)?;
        Ok(Fault::Told { text, kind }.into())
    }
}

/// What the kernel said, with the limit if there is one.
pub(crate) fn told(error: &io::Error) -> String {
    limits::explain(error).unwrap_or_else(|| error.to_string())
}

impl From<NoExtent> for Fault {
    #[cold]
    fn from(none: NoExtent) -> Fault {
        match none {
            NoExtent::Memory(error) => Fault::Memory(error),
            NoExtent::Table | NoExtent::Busy => Fault::TooMany,
        }
    }
}

impl From<Snag> for Fault {
    #[cold]
    fn from(snag: Snag) -> Fault {
        match snag {
            Snag::NoExtent(none) => none.into(),
            Snag::Unmapped(error) => Fault::Memory(error),
            Snag::Garbled | Snag::NewBlock => Fault::Garbled,
        }
    }
}

#[cfg(test)]
mod tests {
    use procession_core::codec::{decode, encode};

    use super::*;
    use crate::{JoinError, RecvError, SendError};

    #[test]
    fn errors_travel_and_stay_what_they_are() {
        for fault in [Fault::LostDescriptors, Fault::Garbled, io::Error::from_raw_os_error(24).into()] {
            let error = ChannelError::from(fault);
            let (text, is_lost) = (error.to_string(), error.is_lost_descriptors());
            let arrived: ChannelError = decode(encode(&error).expect("it travels")).expect("it arrives");
            assert_eq!((arrived.to_string(), arrived.is_lost_descriptors()), (text, is_lost));
        }
        let sent = SendError::Disconnected(5_u8);
        let arrived: SendError<u8> = decode(encode(&sent).expect("it travels")).expect("it arrives");
        assert_eq!(arrived.into_inner(), 5);
        let failed = RecvError::Failed(Fault::Garbled.into());
        let arrived: RecvError = decode(encode(&failed).expect("it travels")).expect("it arrives");
        assert_eq!(arrived.to_string(), failed.to_string());
        let lost = JoinError::Lost { count: 2, pid: 7 };
        assert_eq!(decode::<JoinError>(encode(&lost).expect("it travels")).expect("it arrives"), lost);
    }
}
