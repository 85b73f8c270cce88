//! [`LinkError`]: what can go wrong with a link, and with a message on it.

use std::io;

use thiserror::Error;

/// A link has failed.
///
/// ```
/// use procession_core::{Link, LinkError, codec};
///
/// let (mut here, there) = Link::pair()?;
/// drop(there);
/// match here.send(codec::encode("anybody there?")?) {
///     Err(LinkError::Disconnected) => {} // end of the talk
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The other side is gone.
    #[error("the process at the other end of the link is gone")]
    Disconnected,
    /// The other side sent something that is not a message. The link is of no use any more.
    #[error("the process at the other end of the link sent no valid message: {0}")]
    Garbled(String),
    /// The value to be sent could not be encoded.
    #[error("{0}")]
    Unsendable(String),
    /// More descriptors than one message can carry.
    #[error("a message can carry at most {limit} descriptors, not {count}")]
    TooManyDescriptors {
        /// How many it would have been.
        count: usize,
        /// How many it may be.
        limit: usize,
    },
    /// The kernel passes one of the descriptors in the message to no other process. The message was not sent; the link goes on.
    #[error("the kernel does not pass one of the descriptors in the message to another process: {0}")]
    Refused(io::Error),
    /// A limit of this process or of the machine. The message was not sent, or its descriptors were lost on arrival; the link goes on.
    #[error("{0}")]
    Limit(String),
    /// The operating system refused.
    #[error("the link failed: {0}")]
    Io(io::Error),
}
