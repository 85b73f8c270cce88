//! [`Cipher`]: the keys of one connection. Each record is sealed and opened once, in the order in which it was sealed.

use std::fmt;

use snow::TransportState;

use crate::tuning::REKEY_RECORDS;

/// What a record is longer sealed than open, in bytes.
pub(crate) const TAG_BYTES: usize = 16;

/// The longest sealed record, in bytes.
pub(crate) const MAX_SEALED_BYTES: usize = u16::MAX as usize;

/// The longest content of a record, in bytes.
pub(crate) const MAX_RECORD_BYTES: usize = MAX_SEALED_BYTES - TAG_BYTES;

/// Seals records for the other side, and opens those of the other side.
pub(crate) struct Cipher {
    keys: TransportState,
    sealed: u64,
    opened: u64,
}

impl Cipher {
    pub(crate) fn new(keys: TransportState) -> Cipher {
        Cipher { keys, sealed: 0, opened: 0 }
    }

    /// Seals at most [`MAX_RECORD_BYTES`] into `space`, which has [`TAG_BYTES`] more. Returns the length of the sealed record.
    pub(crate) fn seal(&mut self, content: &[u8], space: &mut [u8]) -> Result<usize, snow::Error> {
        let len = self.keys.write_message(content, space)?;
        self.sealed += 1;
        if self.sealed.is_multiple_of(REKEY_RECORDS) {
            self.keys.rekey_outgoing();
        }
        Ok(len)
    }

    /// Opens the next record of the other side into `space`, which is as long as the record. Returns the length of its content.
    ///
    /// After an error the caller opens no more: what follows is not what the other side sealed next.
    pub(crate) fn open(&mut self, sealed: &[u8], space: &mut [u8]) -> Result<usize, snow::Error> {
        let len = self.keys.read_message(sealed, space)?;
        self.opened += 1;
        // Both sides count the records of each direction, so both change its key after the same one.
        if self.opened.is_multiple_of(REKEY_RECORDS) {
            self.keys.rekey_incoming();
        }
        Ok(len)
    }
}

impl fmt::Debug for Cipher {
    /// Shows no keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cipher").field("sealed", &self.sealed).field("opened", &self.opened).finish_non_exhaustive()
    }
}
