//! [`Sink`]: where the bytes of a small message go when it is taken out of a chain.

use crate::fault::Fault;

/// What the bytes of a small message are copied into, once and for all: the place for them is the caller's.
pub(crate) trait Sink {
    /// Takes the bytes of one message, or says why not.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault>;
}

/// They go behind what there is.
impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// A slice for one message, and how long the message is.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    pub(crate) bytes: &'a mut [u8],
    pub(crate) len: usize,
}

impl Sink for Room<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let room = self.bytes.len();
        let place = self.bytes.get_mut(..bytes.len()).ok_or(Fault::TooShort { len: bytes.len() as u64, room })?;
        place.copy_from_slice(bytes);
        self.len = bytes.len();
        Ok(())
    }
}

/// Takes note of the length only.
#[derive(Debug, Default)]
pub(crate) struct Discard {
    pub(crate) len: usize,
}

impl Sink for Discard {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.len = bytes.len();
        Ok(())
    }
}
