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
mod error;
mod header;

pub use decoder::{Frame, FrameDecoder};
pub use error::FrameError;
pub use header::FrameHeader;
