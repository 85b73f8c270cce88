//! [`Loaned`]: a received message that is read where it lies.

use std::fmt;
use std::ops::Deref;

use crate::ends::values::Bytes;

/// The bytes of a message, read where the sender has put them: a large message is not copied.
///
/// The memory is given back when this is dropped, and used for other messages then; keep it no longer than needed.
///
/// No handle of this crate writes to a message that was sent, so the bytes stay as they are. The memory itself is writable to
/// all processes that were given an end of the channel. Do not use this with processes that you do not trust: they
/// could write there with means of their own.
///
/// # Examples
///
/// ```
/// let (left, right) = procession_channels::pipe::<(), ()>()?;
/// left.send_bytes(&[7; 1 << 20])?;
/// let message = right.recv_in_place()?;
/// assert!(message.iter().all(|byte| *byte == 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Loaned(Bytes);

impl Loaned {
    pub(crate) fn new(bytes: Bytes) -> Loaned {
        Loaned(bytes)
    }
}

impl Deref for Loaned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Small(bytes) => bytes,
            Bytes::Large(extent) => extent,
        }
    }
}

impl fmt::Debug for Loaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaned").field("len", &self.len()).finish_non_exhaustive()
    }
}
