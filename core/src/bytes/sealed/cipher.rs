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

#[cfg(test)]
mod tests {
    use super::super::key_exchange::KeyExchange;
    use super::*;

    fn pair() -> (Cipher, Cipher) {
        let (here, message) = KeyExchange::initiator(&[7; 32]).expect("a key");
        let there = KeyExchange::responder(&[7; 32]).expect("a key");
        let (there, reply) = there.receive(&message).expect("the same key");
        (here.receive(&reply.expect("a reply")).expect("the same key").0, there)
    }

    fn sealed(cipher: &mut Cipher) -> [u8; 4 + TAG_BYTES] {
        let mut space = [0; 4 + TAG_BYTES];
        assert_eq!(cipher.seal(b"text", &mut space).expect("room"), space.len());
        space
    }

    #[test]
    fn a_record_opens_once_and_in_its_turn() {
        let (mut here, mut there) = pair();
        let (first, second) = (sealed(&mut here), sealed(&mut here));
        let mut space = [0; 20];
        there.open(&second, &mut space).expect_err("the first comes first");
        assert_eq!(there.open(&first, &mut space), Ok(4));
        assert_eq!(&space[..4], b"text");
        there.open(&first, &mut space).expect_err("it was opened before");
        here.open(&second, &mut space).expect_err("it is for the other side");
    }

    #[test]
    fn both_sides_change_the_key_of_a_direction_after_the_same_record() {
        let (mut here, mut there) = pair();
        (here.sealed, there.opened) = (REKEY_RECORDS - 2, REKEY_RECORDS - 2);
        for _ in 0..5 {
            assert_eq!(there.open(&sealed(&mut here), &mut [0; 20]), Ok(4));
            assert_eq!(here.open(&sealed(&mut there), &mut [0; 20]), Ok(4));
        }
        // Without the change on one side the next record does not open.
        here.sealed = REKEY_RECORDS - 1;
        assert_eq!(there.open(&sealed(&mut here), &mut [0; 20]), Ok(4));
        there.open(&sealed(&mut here), &mut [0; 20]).expect_err("another key");
    }
}
