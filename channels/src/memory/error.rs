//! [`ChainError`]: why an item could not be put into a chain or taken out of it.

use std::io;

use procession_core::MappingError;
use procession_core::codec::{DecodeError, EncodeError};
use procession_core::os::limits;
use procession_core::packet::MOST_DESCRIPTORS;
use serde::{Deserialize, Serialize};

use super::layout::MAX_HOLDERS;

/// Why an item could not be put into a chain or taken out of it, apart from full, empty and disconnected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Memory(#[from] MappingError),
    #[error("cannot make a queue with capacity 0: give it at least 1, or use `unbounded`")]
    NoCapacity,
    #[error("the channel has as many messages as it can count; receive some first")]
    TooMany,
    #[error("a message of {len} bytes is longer than the limit of {limit} bytes")]
    TooLong { len: u64, limit: u64 },
    #[error("a message of {len} bytes does not fit the buffer of {capacity} bytes")]
    TooShort { len: u64, capacity: usize },
    #[error("a message can carry at most {MOST_DESCRIPTORS} descriptors, not {0}")]
    Descriptors(usize),
    #[error(
        "as many messages with descriptors are on their way as the kernel lets a channel hold, some 250: receive some first, or use a \
         `queue`, which waits until some were received"
    )]
    FdLimit,
    #[error("the descriptors of a message were lost with the process that sent or received them")]
    LostDescriptors,
    #[error("the descriptors of a message could not be opened here, and are lost: {}", explain(.0))]
    Unopened(io::Error),
    #[error("the message carries descriptors, so it is no plain bytes; receive it as a value")]
    NotBytes,
    #[error("the memory of the channel does not hold what it should: another program has written to it")]
    Corrupt,
    #[error("more than {MAX_HOLDERS} processes hold items of one joinable queue")]
    Holders,
    #[error("{}", explain(.0))]
    System(io::Error),
    /// What another process reported.
    #[error("{text}")]
    Reported { text: String, kind: ErrorKind },
    /// The free lists stay locked: their holder may have been stopped. Callers see that the channel is full.
    #[error("the free memory of the channel is in use by another process")]
    Busy,
    /// The items that were written fill the block. They are published before others go into the next one.
    #[error("the block is full")]
    BlockFull,
}

/// What a caller can ask an error about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ErrorKind {
    Encode,
    Decode,
    LostDescriptors,
    Memory,
    Other,
    TooLong,
}

// Not by `#[from]`, which would make the kernel's words, which are in the text, a source as well.
impl From<io::Error> for ChainError {
    fn from(error: io::Error) -> ChainError {
        ChainError::System(error)
    }
}

impl ChainError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            ChainError::Encode(_) => ErrorKind::Encode,
            ChainError::Decode(_) => ErrorKind::Decode,
            ChainError::LostDescriptors | ChainError::Unopened(_) => ErrorKind::LostDescriptors,
            ChainError::Memory(error) if error.is_out_of_memory() => ErrorKind::Memory,
            ChainError::TooLong { .. } | ChainError::TooShort { .. } => ErrorKind::TooLong,
            ChainError::Reported { kind, .. } => *kind,
            _ => ErrorKind::Other,
        }
    }
}

/// Returns the kernel's words, with the limit if one was reached.
pub(crate) fn explain(error: &io::Error) -> String {
    limits::explain(error).unwrap_or_else(|| error.to_string())
}
