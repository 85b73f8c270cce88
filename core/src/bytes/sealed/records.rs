//! [`Records`]: the sealed records in a stream of bytes, each behind its length.

use super::cipher::MAX_SEALED_BYTES;

/// The size of a record's length, in bytes.
pub(crate) const LENGTH_BYTES: usize = size_of::<u16>();

/// The space that is offered for reading into, in bytes: at first, and at most. Two of the longest records fit.
const FIRST_SPACE: usize = 4 << 10;
const MAX_SPACE: usize = 2 * (LENGTH_BYTES + MAX_SEALED_BYTES);

/// Returns what stands before a sealed record of `len` bytes.
pub(crate) fn length(len: usize) -> Option<[u8; LENGTH_BYTES]> {
    u16::try_from(len).ok().map(u16::to_le_bytes)
}

/// Cuts a stream of bytes into sealed records, however the bytes arrive. Memory grows with the bytes and not with announced lengths.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// What has arrived and was not taken lies in `start..end`; what follows is free.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Records {
    /// Returns a place to read the next bytes of the stream into. It is not empty where [`next`](Self::next) has returned `None`.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            // Filled to its end, so there is likely more: a larger space needs fewer system calls for it.
            let grown = (self.buffer.len() * 4).clamp(FIRST_SPACE, MAX_SPACE);
            self.buffer.resize(grown, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Takes in the first `count` bytes of the [`space`](Self::space) that was returned last.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// Takes the next sealed record, if all of it has arrived.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let (length, rest) = self.buffer[self.start..self.end].split_first_chunk()?;
        let record = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
        self.start += LENGTH_BYTES + record.len();
        Some(record)
    }
}
