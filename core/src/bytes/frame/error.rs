//! [`FrameError`]: what is wrong with a stream of frames.

/// A stream of bytes is not the stream of frames that it should be.
///
/// # Examples
///
/// ```
/// use procession_core::frame::FrameError;
///
/// let error = FrameError::TooLarge { len: 5000, limit: 1000 };
/// assert_eq!(error.to_string(), "a message of 5000 bytes is longer than the limit of 1000 bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A header is missing where one should be: the peer speaks another language, or bytes were lost.
    #[error("the stream holds no message header where one should be")]
    BadHeader,
    /// A message is longer than this side accepts or a frame can hold.
    #[error("a message of {len} bytes is longer than the limit of {limit} bytes")]
    TooLarge {
        /// The length of the message, in bytes.
        len: usize,
        /// The longest message that is accepted, in bytes.
        limit: usize,
    },
    /// The stream ended inside a message.
    #[error("the stream ended in the middle of a message, with {unread} bytes of it unread")]
    Truncated {
        /// How many bytes were left, the header included.
        unread: usize,
    },
}
