//! [`Batch`]: several small messages in one buffer; and the buffer that each thread keeps.

use std::cell::Cell;

use crate::tuning::MAX_KEPT_BUFFER_BYTES;

/// Several small messages, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<usize>,
}

impl Batch {
    /// Returns the messages one by one.
    pub(crate) fn messages(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.bytes[std::mem::replace(&mut start, *end)..*end])
    }
}

thread_local! {
    /// A buffer for the bytes of small messages, so that nothing is allocated for them.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the buffer of this thread, empty.
#[inline]
pub(crate) fn with_buffer<R>(work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    // Taken out rather than borrowed: a nested call, from the user's `Serialize`, gets a fresh one.
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let result = work(&mut buffer);
    if buffer.capacity() <= MAX_KEPT_BUFFER_BYTES {
        let _thread_ends = BUFFER.try_with(|kept| kept.set(buffer));
    }
    result
}
