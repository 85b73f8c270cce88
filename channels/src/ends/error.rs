//! Why a message was not sent or received, before the typed handles turn it into the errors of the API.

use crate::memory::error::ChainError;

/// Why a message was not sent.
#[derive(Debug)]
pub(crate) enum RawSendError {
    /// There is no space, and the time is over.
    Full,
    /// As many descriptors are on their way as the kernel lets a channel hold.
    FdLimit,
    /// All receivers are gone.
    Disconnected,
    Failed(ChainError),
}

/// Why no message was received.
#[derive(Debug)]
pub(crate) enum RawRecvError {
    /// There is no message, and the time is over.
    Empty,
    /// All senders are gone, and everything was received.
    Disconnected,
    Failed(ChainError),
}

impl From<ChainError> for RawSendError {
    #[cold]
    fn from(error: ChainError) -> RawSendError {
        if matches!(error, ChainError::Busy) { RawSendError::Full } else { RawSendError::Failed(error) }
    }
}

impl From<ChainError> for RawRecvError {
    fn from(error: ChainError) -> RawRecvError {
        RawRecvError::Failed(error)
    }
}
