//! [`ChannelError`]: what went wrong, apart from full, empty and gone.

use std::io;

use procession_core::codec::{DecodeError, EncodeError};
use procession_core::os::limits;
use procession_core::{MappingError, os::packet::MOST_DESCRIPTORS};

use crate::chain::Snag;
use crate::extents::NoExtent;

/// A channel could not be made, or an item could not be put into it or taken out of it.
///
/// # Examples
///
/// ```
/// let error = procession_channels::queue::<u8>(0).unwrap_err();
/// assert_eq!(error.to_string(), "a queue needs room for at least one item; give it a capacity, or use `unbounded`");
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ChannelError(#[from] Fault);

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
    #[error("the descriptors of a message were lost with the process that sent or received them")]
    LostDescriptors,
    #[error("the message carries descriptors, so it is no plain bytes; receive it as a value")]
    NotBytes,
    #[error("the memory of the channel does not hold what it should: somebody else has written to it")]
    Garbled,
    #[error("more than {} processes hold items of one joinable queue", crate::layout::HOLDERS)]
    Holders,
    #[error("{}", limits::explain(.0).unwrap_or_else(|| .0.to_string()))]
    System(#[from] io::Error),
}

impl ChannelError {
    /// Whether the value could not be encoded: [`source`](std::error::Error::source) and the text say why. It never will be.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = procession_channels::queue::<u8>(0).unwrap_err();
    /// assert!(!error.is_encode());
    /// ```
    #[must_use]
    pub fn is_encode(&self) -> bool {
        matches!(self.0, Fault::Encode(_))
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
        matches!(self.0, Fault::Decode(_))
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
        matches!(&self.0, Fault::Memory(error) if error.is_out_of_memory())
    }
}

impl Fault {
    /// Whether trying again later may help, as room has to be made first.
    pub(crate) fn is_no_room(&self) -> bool {
        matches!(self, Fault::System(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl From<NoExtent> for Fault {
    #[cold]
    fn from(none: NoExtent) -> Fault {
        match none {
            NoExtent::Memory(error) => Fault::Memory(error),
            NoExtent::Table => Fault::TooMany,
        }
    }
}

impl From<Snag> for Fault {
    #[cold]
    fn from(snag: Snag) -> Fault {
        match snag {
            Snag::NoExtent(none) => none.into(),
            Snag::Garbled => Fault::Garbled,
        }
    }
}
