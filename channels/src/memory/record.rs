//! How one item is written in a block: a word that says what it is, perhaps the number of its packet of descriptors, then its bytes,
//! or where they are.
//!
//! Every access is Relaxed: records become visible to other processes by the Release in `LockedEnd::commit`.

use std::sync::atomic::Ordering::Relaxed;

use super::shared_memory::Memory;
use crate::tuning::BLOCK_BYTES;

/// Offset of the first record of a block. Before it is the number of the block's extent.
const FIRST_RECORD: u64 = 64;
/// Bytes at the end of a block that are kept for the jump to the next.
const JUMP_BYTES: u64 = 16;
const WORD_BYTES: u64 = 8;

/// The kinds of records.
const BYTES: u64 = 1;
const EXTENT: u64 = 2;
const JUMP: u64 = 3;

/// A position in a block: an offset, which is a multiple of 8, plus 1 in a large block. It is read from shared memory, so it may be any
/// number; where there is no memory, there is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position(pub(crate) u64);

/// What lies at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// `len` bytes from there on.
    Bytes { at: u64, len: u64 },
    /// `len` bytes in an extent.
    Extent { number: u64, len: u64 },
    /// The chain goes on elsewhere.
    Jump(Position),
}

/// A record with its packet of descriptors and the position behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParsedRecord {
    pub(crate) record: Record,
    pub(crate) fd_packet: Option<u64>,
    pub(crate) next: Position,
}

impl Position {
    /// Returns the first position of a block.
    pub(crate) fn first(block: u64, large: bool) -> Position {
        Position(block.wrapping_add(FIRST_RECORD + u64::from(large)))
    }

    /// Returns the size of a block.
    pub(crate) fn block_bytes(large: bool) -> u64 {
        BLOCK_BYTES[usize::from(large)]
    }

    /// Returns the offset of the block, where the number of its extent lies.
    pub(crate) fn block(self) -> u64 {
        self.at() & !(self.own_block_bytes() - 1)
    }

    fn at(self) -> u64 {
        self.0 & !1
    }

    fn own_block_bytes(self) -> u64 {
        BLOCK_BYTES[(self.0 & 1) as usize]
    }

    /// Returns the number of bytes that are left for records.
    fn remaining(self) -> u64 {
        self.block().saturating_add(self.own_block_bytes() - JUMP_BYTES).saturating_sub(self.at())
    }

    fn plus(self, len: u64) -> Position {
        Position(self.0.wrapping_add(len))
    }
}

/// Returns the number of bytes that a record takes.
fn record_bytes(payload: u64, fd_packet: Option<u64>) -> u64 {
    WORD_BYTES + if fd_packet.is_some() { WORD_BYTES } else { 0 } + payload.next_multiple_of(WORD_BYTES)
}

impl Memory {
    /// Returns whether a record with this many bytes fits into the block.
    #[inline]
    pub(crate) fn fits(position: Position, payload: usize, fd_packet: Option<u64>) -> bool {
        record_bytes(payload as u64, fd_packet) <= position.remaining()
    }

    /// Writes a record with its bytes, which [fits](Memory::fits). Returns the position behind it.
    #[inline]
    pub(crate) fn write_bytes(&self, position: Position, bytes: &[u8], fd_packet: Option<u64>) -> Option<Position> {
        let at = self.write_head(position, BYTES, bytes.len() as u64, fd_packet)?;
        self.write(at, bytes)?;
        Some(position.plus(record_bytes(bytes.len() as u64, fd_packet)))
    }

    /// Writes a record that names an extent. Returns the position behind it.
    pub(crate) fn write_extent(
        &self,
        position: Position,
        number: u32,
        len: u64,
        fd_packet: Option<u64>,
    ) -> Option<Position> {
        let at = self.write_head(position, EXTENT, 2 * WORD_BYTES, fd_packet)?;
        self.word(at)?.store(number.into(), Relaxed);
        self.word(at + WORD_BYTES)?.store(len, Relaxed);
        Some(position.plus(record_bytes(2 * WORD_BYTES, fd_packet)))
    }

    /// Writes that the chain goes on elsewhere. There is always space for that.
    pub(crate) fn write_jump(&self, position: Position, to: Position) -> Option<()> {
        let at = self.write_head(position, JUMP, 0, None)?;
        self.word(at)?.store(to.0, Relaxed);
        Some(())
    }

    /// Reads what lies at a position. Returns `None` if that is no record.
    #[inline]
    pub(crate) fn record(&self, position: Position) -> Option<ParsedRecord> {
        let mut at = position.at();
        let head = self.word(at)?.load(Relaxed);
        let (len, kind, carries_fds) = (head & u64::from(u32::MAX), head >> 32 & 0xff, head >> 40 & 1 != 0);
        at += WORD_BYTES;
        if kind == JUMP {
            let next = Position(self.word(at)?.load(Relaxed));
            return Some(ParsedRecord { record: Record::Jump(next), fd_packet: None, next });
        }
        let mut fd_packet = None;
        if carries_fds {
            fd_packet = Some(self.word(at)?.load(Relaxed));
            at += WORD_BYTES;
        }
        let size = record_bytes(len, fd_packet);
        // The length was read from shared memory, and must not lead out of the block.
        if size > position.remaining() {
            return None;
        }
        let record = match kind {
            BYTES => Record::Bytes { at, len },
            EXTENT => {
                Record::Extent { number: self.word(at)?.load(Relaxed), len: self.word(at + WORD_BYTES)?.load(Relaxed) }
            }
            _ => return None,
        };
        Some(ParsedRecord { record, fd_packet, next: position.plus(size) })
    }

    #[inline]
    fn write_head(&self, position: Position, kind: u64, len: u64, fd_packet: Option<u64>) -> Option<u64> {
        let at = position.at();
        self.word(at)?.store(len | kind << 32 | u64::from(fd_packet.is_some()) << 40, Relaxed);
        match fd_packet {
            None => Some(at + WORD_BYTES),
            Some(number) => {
                self.word(at + WORD_BYTES)?.store(number, Relaxed);
                Some(at + 2 * WORD_BYTES)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::until::Until;
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written() {
        let memory = Memory::create().expect("there is memory");
        let block = memory.allocate(Position::block_bytes(false), Until::FOREVER).expect("there is memory");
        let start = Position::first(block.at, false);
        assert_eq!(start.block(), block.at);
        let second = memory.write_bytes(start, b"abc", None).expect("it fits");
        let third = memory.write_extent(second, 7, 1 << 33, Some(9)).expect("it fits");
        memory.write_jump(third, start).expect("it fits");
        let parsed = memory.record(start).expect("a record");
        assert!(matches!(parsed.record, Record::Bytes { at, len: 3 } if memory.bytes(at, 3) == Some(b"abc")));
        let parsed = memory.record(parsed.next).expect("a record");
        assert_eq!((parsed.record, parsed.fd_packet), (Record::Extent { number: 7, len: 1 << 33 }, Some(9)));
        assert_eq!(memory.record(parsed.next).expect("a record").record, Record::Jump(start));
    }

    #[test]
    fn what_can_be_no_record_is_none() {
        let memory = Memory::create().expect("there is memory");
        let block = memory.allocate(Position::block_bytes(false), Until::FOREVER).expect("there is memory");
        let start = Position::first(block.at, false);
        for head in [0, u64::MAX, 5 << 32, (BYTES << 32) | 70_000] {
            memory.word(block.at + FIRST_RECORD).expect("memory").store(head, Relaxed);
            assert_eq!(memory.record(start), None, "{head:#x}");
        }
        assert_eq!(memory.record(Position(u64::MAX)), None);
        assert_eq!(memory.record(Position(12)), None);
        assert!(!Memory::fits(start, 65_536 - 64, None));
        assert!(Memory::fits(start, 65_536 - 64 - 16 - 8, None));
        assert!(!Memory::fits(start, 65_536 - 64 - 16 - 8, Some(1)));
    }
}
