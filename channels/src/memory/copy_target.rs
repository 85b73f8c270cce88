//! [`CopyTarget`]: where the bytes of a small message are copied to when it is taken out of a chain.

use super::error::ChainError;

/// Where the bytes of a small message are copied to, once: into memory of the caller.
pub(crate) trait CopyTarget {
    /// Copies the bytes of one message.
    fn copy_from(&mut self, bytes: &[u8]) -> Result<(), ChainError>;
}

/// Appends.
impl CopyTarget for Vec<u8> {
    #[inline]
    fn copy_from(&mut self, bytes: &[u8]) -> Result<(), ChainError> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// A slice for one message, and the length of the message.
#[derive(Debug)]
pub(crate) struct SliceTarget<'a> {
    pub(crate) slice: &'a mut [u8],
    pub(crate) len: usize,
}

impl CopyTarget for SliceTarget<'_> {
    #[inline]
    fn copy_from(&mut self, bytes: &[u8]) -> Result<(), ChainError> {
        let capacity = self.slice.len();
        let target = self.slice.get_mut(..bytes.len());
        target.ok_or(ChainError::TooShort { len: bytes.len() as u64, capacity })?.copy_from_slice(bytes);
        self.len = bytes.len();
        Ok(())
    }
}

/// Copies nothing, and records the length.
#[derive(Debug, Default)]
pub(crate) struct Discard {
    pub(crate) len: usize,
}

impl CopyTarget for Discard {
    fn copy_from(&mut self, bytes: &[u8]) -> Result<(), ChainError> {
        self.len = bytes.len();
        Ok(())
    }
}
