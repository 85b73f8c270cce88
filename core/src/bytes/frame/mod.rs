//! Framing: where one message ends in a stream of bytes, and how many descriptors come with it. Pure, without I/O.
//!
//! A frame is a header of [`FrameHeader::SIZE`] bytes and a payload. The header carries a checksum, so a stream that
//! got out of step is noticed at the next header instead of being believed.
//!
//! ```
//! use procession_core::frame::{FrameDecoder, FrameHeader};
//!
//! let mut stream = FrameHeader::new(5, 0)?.encode().to_vec();
//! stream.extend(b"hello");
//!
//! let mut decoder = FrameDecoder::new(1000);
//! decoder.push(&stream[..9]);
//! assert_eq!(decoder.next()?, None);
//! decoder.push(&stream[9..]);
//! assert_eq!(decoder.next()?.unwrap().payload, b"hello");
//! decoder.finish()?;
//! # Ok::<(), procession_core::frame::FrameError>(())
//! ```

mod decoder;
mod header;

pub use decoder::FrameDecoder;
pub use header::FrameHeader;

/// One message as it was cut out of the stream.
///
/// # Examples
///
/// ```
/// use procession_core::frame::{FrameDecoder, FrameHeader};
///
/// let mut decoder = FrameDecoder::new(10);
/// decoder.push(&FrameHeader::new(0, 1)?.encode());
/// let frame = decoder.next()?.unwrap();
/// assert_eq!((frame.payload.len(), frame.descriptors), (0, 1));
/// # Ok::<(), procession_core::frame::FrameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The bytes of the message.
    pub payload: Vec<u8>,
    /// How many descriptors belong to it.
    pub descriptors: u16,
}

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
    /// Where a header should be there is none: the peer speaks another language, or bytes were lost.
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
