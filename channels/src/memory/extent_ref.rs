//! [`ExtentRef`]: a large message, read where it lies.

use std::ops::Deref;

use super::extents::Extent;
use super::shared_memory::Memory;

/// An extent with a message, which this process holds. Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ExtentRef {
    memory: Memory,
    extent: Extent,
    len: u64,
}

impl ExtentRef {
    pub(crate) fn new(memory: Memory, extent: Extent, len: u64) -> ExtentRef {
        ExtentRef { memory, extent, len }
    }
}

impl Deref for ExtentRef {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // Its length was checked when it was taken, and memory that was mapped stays mapped.
        self.memory.bytes(self.extent.at, self.len).unwrap_or_default()
    }
}

impl Drop for ExtentRef {
    fn drop(&mut self) {
        self.memory.free(self.extent.number);
    }
}
