//! [`LargeMessage`]: a large message that is written where it will be read.

use super::error::ChainError;
use super::extents::Extent;
use super::shared_memory::Memory;
use super::until::Until;

/// A large message that is being written. Its memory is freed if it is not sent.
#[derive(Debug)]
pub(crate) struct LargeMessage<'a> {
    memory: &'a Memory,
    extent: Extent,
    len: u64,
    until: Until,
    is_sent: bool,
}

impl<'a> LargeMessage<'a> {
    /// Makes an empty one with memory for `capacity` bytes.
    pub(crate) fn new(memory: &'a Memory, capacity: u64, until: Until) -> Result<LargeMessage<'a>, ChainError> {
        let extent = memory.allocate(capacity, until)?;
        Ok(LargeMessage { memory, extent, len: 0, until, is_sent: false })
    }

    /// Writes more bytes, and moves to a larger extent if there is no space for them.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), ChainError> {
        let (start, end) = (self.len, self.len.saturating_add(bytes.len() as u64));
        if end > self.memory.size(self.extent) {
            // Doubled, so that a message of unknown length is moved seldom.
            self.grow(end.saturating_mul(2))?;
        }
        // Page by page, so that a large extent for a small rest takes no memory.
        self.memory.back(self.extent, end)?;
        self.slice_mut(start, end - start)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Writes over bytes that were written.
    pub(crate) fn overwrite(&mut self, at: u64, bytes: &[u8]) -> Result<(), ChainError> {
        self.slice_mut(at, bytes.len() as u64)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Returns where it lies, and its length.
    pub(crate) fn written(&self) -> (Extent, u64) {
        (self.extent, self.len)
    }

    /// Leaves the extent to the chain, which owns it now.
    pub(crate) fn mark_sent(&mut self) {
        self.is_sent = true;
    }

    fn slice_mut(&mut self, start: u64, len: u64) -> Result<&mut [u8], ChainError> {
        let bytes = self.memory.bytes_mut(self.extent.at.saturating_add(start), len);
        bytes.ok_or_else(|| self.memory.unmapped())
    }

    fn grow(&mut self, capacity: u64) -> Result<(), ChainError> {
        let mut larger = LargeMessage::new(self.memory, capacity, self.until)?;
        let len = self.len;
        larger.append(self.slice_mut(0, len)?)?;
        // The smaller one is freed by its drop.
        std::mem::swap(self, &mut larger);
        Ok(())
    }
}

impl Drop for LargeMessage<'_> {
    fn drop(&mut self) {
        if !self.is_sent {
            self.memory.free(self.extent.number);
        }
    }
}
