//! How one item is written down in a block: a word that says what it is, perhaps the number of its descriptors' packet, then its
//! bytes, or where they are.

use std::sync::atomic::Ordering::Relaxed;

use crate::ring::Memory;

/// The two sizes of blocks: small ones stay in the cache, large ones serve deep queues.
const SIZES: [u64; 2] = [64 << 10, 1 << 20];
/// Where the first record of a block begins. Before it is the number of the block's extent.
const FIRST: u64 = 64;
/// The place at the end of a block that is kept for the jump to the next.
const JUMP_LEN: u64 = 16;
/// Messages up to this size lie in a block, larger ones in an extent of their own.
pub(crate) const INLINE: usize = 16 << 10;

const WORD: u64 = 8;
const BYTES: u64 = 1;
const EXTENT: u64 = 2;
const JUMP: u64 = 3;

/// A place in a block: an offset, which is a multiple of 8, plus 1 if the block is a large one. It may have been read from memory that
/// somebody has scribbled over, so any number can be one; where there is no memory, there is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) u64);

/// What lies at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// So many bytes from there on.
    Bytes { at: u64, len: u64 },
    /// So many bytes in an extent.
    Extent { number: u64, len: u64 },
    /// The chain goes on elsewhere.
    Jump(Place),
}

/// A record, and what else is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) record: Record,
    /// The packet with its descriptors.
    pub(crate) parcel: Option<u64>,
    /// Where the next record begins.
    pub(crate) next: Place,
}

impl Place {
    /// The first place of a block. `large` tells its size.
    pub(crate) fn first(block: u64, large: bool) -> Place {
        Place(block.wrapping_add(FIRST + u64::from(large)))
    }

    /// How large a block is.
    pub(crate) fn size(large: bool) -> u64 {
        SIZES[usize::from(large)]
    }

    /// Where the block begins: there is the number of its extent.
    pub(crate) fn block(self) -> u64 {
        self.at() & !(self.block_size() - 1)
    }

    fn at(self) -> u64 {
        self.0 & !1
    }

    fn block_size(self) -> u64 {
        SIZES[(self.0 & 1) as usize]
    }

    /// How many bytes are left for records.
    fn left(self) -> u64 {
        self.block().saturating_add(self.block_size() - JUMP_LEN).saturating_sub(self.at())
    }

    fn plus(self, len: u64) -> Place {
        Place(self.0.wrapping_add(len))
    }
}

/// How much room a record takes.
fn room(payload: u64, parcel: Option<u64>) -> u64 {
    WORD + if parcel.is_some() { WORD } else { 0 } + payload.next_multiple_of(WORD)
}

impl Memory {
    /// Whether a record with so many bytes fits into the block of a place.
    #[inline]
    pub(crate) fn fits(place: Place, payload: usize, parcel: Option<u64>) -> bool {
        room(payload as u64, parcel) <= place.left()
    }

    /// Writes a record with its bytes, which [fits](Memory::fits). Answers where the next goes.
    #[inline]
    pub(crate) fn write_bytes(&self, place: Place, bytes: &[u8], parcel: Option<u64>) -> Option<Place> {
        let at = self.write_head(place, BYTES, bytes.len() as u64, parcel)?;
        self.write(at, bytes)?;
        Some(place.plus(room(bytes.len() as u64, parcel)))
    }

    /// Writes a record that tells of an extent.
    pub(crate) fn write_extent(&self, place: Place, number: u32, len: u64, parcel: Option<u64>) -> Option<Place> {
        let at = self.write_head(place, EXTENT, 2 * WORD, parcel)?;
        self.word(at)?.store(number.into(), Relaxed);
        self.word(at + WORD)?.store(len, Relaxed);
        Some(place.plus(room(2 * WORD, parcel)))
    }

    /// Writes that the chain goes on elsewhere. There is always room for that.
    pub(crate) fn write_jump(&self, place: Place, to: Place) -> Option<()> {
        let at = self.write_head(place, JUMP, 0, None)?;
        self.word(at)?.store(to.0, Relaxed);
        Some(())
    }

    /// Reads what lies at a place; `None` if that can be no record.
    #[inline]
    pub(crate) fn record(&self, place: Place) -> Option<Found> {
        let mut at = place.at();
        let head = self.word(at)?.load(Relaxed);
        let (len, kind, carries) = (head & u64::from(u32::MAX), head >> 32 & 0xff, head >> 40 & 1 != 0);
        at += WORD;
        if kind == JUMP {
            let next = Place(self.word(at)?.load(Relaxed));
            return Some(Found { record: Record::Jump(next), parcel: None, next });
        }
        let mut parcel = None;
        if carries {
            parcel = Some(self.word(at)?.load(Relaxed));
            at += WORD;
        }
        let room = room(len, parcel);
        if room > place.left() {
            return None;
        }
        let record = match kind {
            BYTES => Record::Bytes { at, len },
            EXTENT => Record::Extent { number: self.word(at)?.load(Relaxed), len: self.word(at + WORD)?.load(Relaxed) },
            _ => return None,
        };
        Some(Found { record, parcel, next: place.plus(room) })
    }

    #[inline]
    fn write_head(&self, place: Place, kind: u64, len: u64, parcel: Option<u64>) -> Option<u64> {
        let at = place.at();
        self.word(at)?.store(len | kind << 32 | u64::from(parcel.is_some()) << 40, Relaxed);
        match parcel {
            None => Some(at + WORD),
            Some(number) => {
                self.word(at + WORD)?.store(number, Relaxed);
                Some(at + 2 * WORD)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patience::Until;

    #[test]
    fn records_are_read_as_they_were_written() {
        let memory = Memory::create().expect("there is memory");
        let block = memory.allocate(Place::size(false), Until::FOREVER).expect("there is memory");
        let start = Place::first(block.at, false);
        assert_eq!(start.block(), block.at);
        let second = memory.write_bytes(start, b"abc", None).expect("it fits");
        let third = memory.write_extent(second, 7, 1 << 33, Some(9)).expect("it fits");
        memory.write_jump(third, start).expect("it fits");
        let found = memory.record(start).expect("a record");
        assert!(matches!(found.record, Record::Bytes { at, len: 3 } if memory.bytes(at, 3) == Some(b"abc")));
        let found = memory.record(found.next).expect("a record");
        assert_eq!((found.record, found.parcel), (Record::Extent { number: 7, len: 1 << 33 }, Some(9)));
        assert_eq!(memory.record(found.next).expect("a record").record, Record::Jump(start));
    }

    #[test]
    fn what_can_be_no_record_is_none() {
        let memory = Memory::create().expect("there is memory");
        let block = memory.allocate(Place::size(false), Until::FOREVER).expect("there is memory");
        let start = Place::first(block.at, false);
        for head in [0, u64::MAX, 5 << 32, (BYTES << 32) | 70_000] {
            memory.word(block.at + FIRST).expect("memory").store(head, Relaxed);
            assert_eq!(memory.record(start), None, "{head:#x}");
        }
        assert_eq!(memory.record(Place(u64::MAX)), None);
        assert_eq!(memory.record(Place(12)), None);
        assert!(!Memory::fits(start, 65_536 - 64, None));
        assert!(Memory::fits(start, 65_536 - 64 - 16 - 8, None));
        assert!(!Memory::fits(start, 65_536 - 64 - 16 - 8, Some(1)));
    }
}
