//! [`InPlace`]: a received message that is read where it lies.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::extents::Extent;
use crate::inlet::Inlet;

/// The bytes of a message, read where the sender has put them: nothing was copied for it, if it is a large one.
///
/// The place is given back when this is dropped, and used for other messages then; keep it no longer than needed.
///
/// No handle of this crate writes to a message that was sent, so the bytes stay as they are. The memory itself is writable to
/// all processes that were given an end of the channel: do not use this with processes that you do not trust, which
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
pub struct InPlace(Kind);

enum Kind {
    Small(Vec<u8>),
    Large(Lent),
}

impl InPlace {
    pub(crate) fn small(bytes: Vec<u8>) -> InPlace {
        InPlace(Kind::Small(bytes))
    }

    pub(crate) fn large(lent: Lent) -> InPlace {
        InPlace(Kind::Large(lent))
    }
}

impl Deref for InPlace {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kind::Small(bytes) => bytes,
            Kind::Large(lent) => lent,
        }
    }
}

impl fmt::Debug for InPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InPlace").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// An extent with a message that this process holds.
#[derive(Debug)]
pub(crate) struct Lent {
    inlet: Arc<Inlet>,
    extent: Extent,
    len: u64,
}

impl Lent {
    pub(crate) fn new(inlet: Arc<Inlet>, extent: Extent, len: u64) -> Lent {
        Lent { inlet, extent, len }
    }
}

impl Deref for Lent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // Its length was checked when it was taken, and memory that was there does not go away.
        self.inlet.memory().bytes(self.extent.at, self.len).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.inlet.memory().free(self.extent.number);
    }
}
