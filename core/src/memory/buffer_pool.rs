//! [`BufferPool`] and [`BufferReader`]: large pieces of bytes that one process lends to another, in shared memory that is used again.
//!
//! ```text
//! table    a line for each piece: free, lent, or open; and where its bytes are, and how many
//! piece    a power of two of bytes, at a multiple of its size: so it never crosses a window of the arena
//!
//! free -> lent    the pool, after it has written the bytes
//! lent -> open    the reader, once: no other reader can open the same buffer
//! open -> free    the reader, after it has read them
//! lent -> free    the pool, when it takes back what was not opened
//! ```
//!
//! Only the pool, of which there is one, writes to the table, but for the states. So with any number in a handle, the reader opens
//! a piece that was published, once, and all of it.
//!
//! Only the pool knows which pieces there are. A side that is killed costs the other one nothing but memory: the buffers of a reader
//! are forgotten together with its pool, and the memory of a pool lives until the last of its buffers is dropped.

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::memory::arena::Arena;
use crate::memory::buffer_memory::{BufferMemory, LINE, Line, PAGE, TABLE, line, unmapped};
use crate::memory::mapping::MappingError;
use crate::memory::role::Role;
use crate::os::identity::ProcessIdentity;
use crate::os::memfd::MemoryFault;
use crate::tuning::{MAX_IDLE_BYTES, MIN_PIECE_BYTES};

const FREE: u64 = 0;
/// States that other memory is not likely to hold where a state is looked for.
const LENT: u64 = u64::from_le_bytes(*b"loanlent");
const OPEN: u64 = u64::from_le_bytes(*b"loanopen");

/// Pieces end here.
const END: u64 = 1 << 45;

/// Lends bytes to the one process that has a [`BufferReader`] of the same memory.
///
/// ```
/// use procession_core::{BufferReader, BufferPool, BufferMemory};
///
/// let memory = BufferMemory::with_label("procession: example")?;
/// let (mut pool, reader) = (BufferPool::new(memory.clone()), BufferReader::new(memory));
/// let loan = pool.publish(&[7; 100_000])?;
/// let bytes = reader.open(loan).expect("it was lent");
/// assert_eq!(bytes[..], [7; 100_000]);
/// drop(bytes);
/// assert_eq!(pool.publish(&[8; 100_000])?, loan, "the same memory");
/// # Ok::<(), procession_core::MappingError>(())
/// ```
pub struct BufferPool {
    memory: Arena,
    role: Role,
    /// The first ones are used first, so that the last ones become free.
    pieces: Vec<Piece>,
}

/// Reads what a [`BufferPool`] lends.
///
/// ```
/// use procession_core::{BufferReader, BufferPool, BufferMemory};
///
/// let memory = BufferMemory::with_label("procession: example")?;
/// let (mut pool, reader) = (BufferPool::new(memory.clone()), BufferReader::new(memory));
/// assert_eq!(reader.open(pool.publish(b"bytes")?).expect("it was lent")[..], *b"bytes");
/// # Ok::<(), procession_core::MappingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BufferReader {
    memory: Arena,
}

/// What was lent: this is what is sent to the reader.
///
/// ```
/// use procession_core::{BufferPool, BufferMemory, BufferHandle, codec};
///
/// let loan = BufferPool::new(BufferMemory::with_label("procession: example")?).publish(b"bytes")?;
/// assert_eq!(codec::decode::<BufferHandle>(codec::encode(&loan)?)?, loan);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferHandle {
    piece: u32,
    len: u64,
}

/// Bytes that were borrowed. Dropping them gives the memory back to the pool.
///
/// ```
/// use procession_core::{BufferReader, BufferPool, BufferMemory};
///
/// let memory = BufferMemory::with_label("procession: example")?;
/// let (mut pool, reader) = (BufferPool::new(memory.clone()), BufferReader::new(memory));
/// let loan = pool.publish(b"bytes")?;
/// let borrowed = reader.open(loan).expect("it was lent");
/// assert_eq!(borrowed.to_vec(), b"bytes");
/// assert!(reader.open(loan).is_none(), "it is open");
/// # Ok::<(), procession_core::MappingError>(())
/// ```
pub struct Buffer {
    memory: Arena,
    loan: BufferHandle,
    offset: u64,
    /// A copy of this in a fork of its process has nothing.
    holder: ProcessIdentity,
}

/// A piece of memory.
#[derive(Clone, Copy, Debug)]
struct Piece {
    offset: u64,
    size: u64,
    /// How much of it is there.
    backed: u64,
}

impl BufferPool {
    /// A pool of pieces of this memory. The first one that lends is the only one that ever does.
    ///
    /// ```
    /// let memory = procession_core::BufferMemory::with_label("procession: example")?;
    /// assert_eq!(procession_core::BufferPool::new(memory).memory_in_use(), 0);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn new(memory: BufferMemory) -> BufferPool {
        BufferPool { memory: memory.0, role: Role::default(), pieces: Vec::new() }
    }

    /// Copies bytes to where the reader can read them.
    ///
    /// # Errors
    ///
    /// The memory is exhausted, or it cannot be mapped; another pool lends from it.
    ///
    /// ```
    /// let memory = procession_core::BufferMemory::with_label("procession: example")?;
    /// let loan = procession_core::BufferPool::new(memory).publish(&[1; 1000])?;
    /// assert_eq!(loan.len(), 1000);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn publish(&mut self, bytes: &[u8]) -> Result<BufferHandle, MappingError> {
        // Before any byte is written: a second pool would overwrite what the first one has lent.
        if !self.role.is_held() {
            self.take_role()?;
        }
        let len = bytes.len() as u64;
        let number = self.room_for(len)?;
        let offset = self.pieces[number].offset;
        let place = self.memory.at(offset, len).ok_or_else(unmapped)?;
        // SAFETY: the target is inside the mapping and as long as the source. The piece is free, so no `Buffer` shows it, and only this
        // pool, which is borrowed for writing and is the only one that lends from this memory, makes it anything else.
        unsafe { place.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        let loan = BufferHandle { piece: number as u32, len };
        let line = line(&self.memory, loan.piece).ok_or_else(unmapped)?;
        line.offset.store(offset, Ordering::Relaxed);
        line.len.store(len, Ordering::Relaxed);
        // Pairs with the AcqRel in `swap`, by which a reader opens the buffer: it sees offset, length and bytes.
        line.state.store(LENT, Ordering::Release);
        Ok(loan)
    }

    /// Takes back what was lent and not opened. Returns whether it was still to be had.
    ///
    /// ```
    /// use procession_core::{BufferReader, BufferPool, BufferMemory};
    ///
    /// let memory = BufferMemory::with_label("procession: example")?;
    /// let (mut pool, reader) = (BufferPool::new(memory.clone()), BufferReader::new(memory));
    /// let loan = pool.publish(b"bytes")?;
    /// assert!(pool.reclaim(loan));
    /// assert!(reader.open(loan).is_none());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn reclaim(&mut self, loan: BufferHandle) -> bool {
        // A handle is made of plain numbers that any code can choose, so the number may lie beyond the pieces.
        let is_mine = self.role.is_held() && (loan.piece as usize) < self.pieces.len();
        // An exchange: the reader may open the buffer at this moment, and then the reader is the one to give it back.
        if !is_mine || !line(&self.memory, loan.piece).is_some_and(|line| swap(&line.state, LENT, FREE)) {
            return false;
        }
        let piece = &mut self.pieces[loan.piece as usize];
        // No reader has opened it and given its pages back: a shorter loan in this piece would not count them any more.
        if piece.backed > MAX_IDLE_BYTES && self.memory.punch(piece.offset, piece.backed).is_ok() {
            piece.backed = 0;
        }
        true
    }

    /// Gives memory that is free, beyond a little, back to the system: for one who has nothing more to lend for now.
    ///
    /// ```
    /// let memory = procession_core::BufferMemory::with_label("procession: example")?;
    /// let mut pool = procession_core::BufferPool::new(memory);
    /// let loans = [pool.publish(&[1; 6 << 20])?, pool.publish(&[1; 6 << 20])?];
    /// assert!(loans.into_iter().all(|loan| pool.reclaim(loan)));
    /// pool.trim();
    /// assert!(pool.memory_in_use() < 9 << 20);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn trim(&mut self) {
        let mut kept = 0;
        for number in 0..self.pieces.len() {
            let Piece { offset, backed, .. } = self.pieces[number];
            // Counted from the front, since `room_for` takes the first piece that fits: the last ones are idle.
            kept += backed;
            // Memory that cannot be given back now will be used again.
            if kept > MAX_IDLE_BYTES && self.is_free(number) && self.memory.punch(offset, backed).is_ok() {
                kept -= backed;
                self.pieces[number].backed = 0;
            }
        }
    }

    /// Returns whether there is more memory than [`trim`](BufferPool::trim) keeps while nothing is lent.
    ///
    /// ```
    /// let memory = procession_core::BufferMemory::with_label("procession: example")?;
    /// assert!(!procession_core::BufferPool::new(memory).has_spare());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn has_spare(&self) -> bool {
        self.memory_in_use() > MAX_IDLE_BYTES
    }

    /// Returns how many bytes of memory the pieces take up, lent or free.
    ///
    /// ```
    /// let memory = procession_core::BufferMemory::with_label("procession: example")?;
    /// let mut pool = procession_core::BufferPool::new(memory);
    /// pool.publish(&[1; 100_000])?;
    /// assert!((100_000..110_000).contains(&pool.memory_in_use()));
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn memory_in_use(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.backed).sum()
    }

    /// Finds a free piece with room for `len` bytes, all of it backed by memory.
    fn room_for(&mut self, len: u64) -> Result<usize, MappingError> {
        // An empty buffer takes a piece as well, so that its handle is opened and given back like any other.
        let needed = Some(len.max(1)).filter(|needed| *needed < END).ok_or_else(unmapped)?;
        let fits = |piece: &Piece| piece.size >= needed;
        // The first that fits and not the smallest: pieces at the end then stay free, and `trim` finds them.
        let free = (0..self.pieces.len()).find(|number| fits(&self.pieces[*number]) && self.is_free(*number));
        let number = free.map_or_else(|| self.new_piece(needed), Ok)?;
        let piece = &mut self.pieces[number];
        // Of a long loan the reader may have given the memory back.
        if needed > piece.backed || piece.backed > MAX_IDLE_BYTES {
            piece.backed = needed.next_multiple_of(PAGE);
            // After a failure it is not known how much is there. With 0 the next caller asks for all of it.
            self.memory.back(piece.offset, piece.backed).inspect_err(|_| piece.backed = 0)?;
        }
        Ok(number)
    }

    fn new_piece(&mut self, needed: u64) -> Result<usize, MappingError> {
        let size = needed.max(MIN_PIECE_BYTES).next_power_of_two();
        let end = self.pieces.last().map_or(TABLE, |last| last.offset + last.size);
        let line = self.pieces.len() as u64 * LINE;
        // The first window is of one size, and each other as long as its offset.
        let begin = if size > Arena::HEAD { end.max(size) } else { end };
        let offset = begin.next_multiple_of(size);
        if offset + size > END || line >= TABLE {
            return Err(unmapped());
        }
        // Backed before it is touched: to touch a hole is a bus error where the memory is exhausted. A piece is listed only
        // after its line is there.
        self.memory.back(line / PAGE * PAGE, PAGE)?;
        self.pieces.push(Piece { offset, size, backed: 0 });
        Ok(self.pieces.len() - 1)
    }

    fn is_free(&self, number: usize) -> bool {
        // What is not there was never lent, or was given back while it was free.
        let backed = self.pieces[number].backed;
        // The Acquire pairs with the Release in `Buffer::drop`: the pool writes there only after the reader is done.
        let is_free = |line: &Line| line.state.load(Ordering::Acquire) == FREE;
        self.role.is_held() && (backed == 0 || line(&self.memory, number as u32).is_some_and(is_free))
    }

    #[cold]
    fn take_role(&mut self) -> Result<(), MappingError> {
        let first = line(&self.memory, 0).ok_or_else(unmapped)?;
        self.role = Role::take(&first.pool);
        let other = || MappingError::from(MemoryFault::refused("another pool lends from this memory"));
        if self.role.is_held() { Ok(()) } else { Err(other()) }
    }
}

impl BufferReader {
    /// A reader of what is lent in this memory.
    ///
    /// ```
    /// use procession_core::{BufferReader, BufferPool, BufferMemory};
    ///
    /// let memory = BufferMemory::with_label("procession: example")?;
    /// let loan = BufferPool::new(memory.clone()).publish(b"bytes")?;
    /// assert!(BufferReader::new(memory).open(loan).is_some());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn new(memory: BufferMemory) -> BufferReader {
        BufferReader { memory: memory.0 }
    }

    /// Opens a loan. `None` when there is no such one, it was taken back, or it was opened before.
    ///
    /// ```
    /// # use procession_core::{BufferReader, BufferPool, BufferMemory};
    /// # let memory = BufferMemory::with_label("procession: example")?;
    /// # let (mut pool, reader) = (BufferPool::new(memory.clone()), BufferReader::new(memory));
    /// let loan = pool.publish(b"bytes")?;
    /// assert!(reader.open(loan).is_some_and(|bytes| bytes.len() == 5));
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn open(&self, loan: BufferHandle) -> Option<Buffer> {
        let line = line(&self.memory, loan.piece)?;
        // First of all: among copies of one handle one caller wins, and from then on no other side changes the line.
        if !swap(&line.state, LENT, OPEN) {
            return None;
        }
        // Only the pool writes them, and not while it is open.
        let (offset, len) = (line.offset.load(Ordering::Relaxed), line.len.load(Ordering::Relaxed));
        let open = Buffer {
            memory: self.memory.clone(),
            loan: BufferHandle { piece: loan.piece, len },
            offset,
            holder: ProcessIdentity::current(),
        };
        // Where the length is another one, `open` is dropped here, and that gives the piece back to the pool.
        (len == loan.len && self.memory.at(offset, len).is_some()).then_some(open)
    }
}

impl BufferHandle {
    /// Returns how many bytes were lent.
    ///
    /// ```
    /// # use procession_core::{BufferPool, BufferMemory};
    /// let loan = BufferPool::new(BufferMemory::with_label("procession: example")?).publish(b"bytes")?;
    /// assert_eq!(loan.len(), 5);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether these are no bytes.
    ///
    /// ```
    /// # use procession_core::{BufferPool, BufferMemory};
    /// assert!(BufferPool::new(BufferMemory::with_label("procession: example")?).publish(b"")?.is_empty());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // A fork has a copy of the handle but not of the loan: the original may give the bytes back at any time.
        let place = self.memory.at(self.offset, self.loan.len).filter(|_| self.holder == ProcessIdentity::current());
        let Some(place) = place else { return &[] };
        // SAFETY: `len` bytes are inside the mapping, which lives as long as `self`. The pool, which is the only one, wrote them
        // before it made the piece `LENT`, which the one who made this `Buffer` has seen; it is the only one who opened the loan, and
        // neither side writes to a piece that is `OPEN`, which it is until `self` is dropped by the process that has opened it.
        unsafe { NonNull::slice_from_raw_parts(place, self.loan.len as usize).as_ref() }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // The original gives it back. A second time could free a piece that has been lent again meanwhile.
        if self.holder != ProcessIdentity::current() {
            return;
        }
        let BufferHandle { piece, len } = self.loan;
        // Before the state changes: once the piece is free, the pool may write the next buffer there.
        if len > MAX_IDLE_BYTES {
            // The pool sees to it that it is there when it is needed. What cannot be given back is used again.
            let _kept = self.memory.punch(self.offset, len.next_multiple_of(PAGE));
        }
        if let Some(line) = line(&self.memory, piece) {
            // Pairs with the Acquire of the pool's look at the state: the reader is done with the bytes before they are used again.
            line.state.store(FREE, Ordering::Release);
        }
    }
}

fn swap(state: &AtomicU64, from: u64, to: u64) -> bool {
    // The Acquire pairs with the Release in `publish`; the Release with the look of the other side at the new state.
    state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool").field("pieces", &self.pieces.len()).field("memory", &self.memory).finish()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("loan", &self.loan).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bytes::codec;

    fn both() -> (BufferPool, BufferReader) {
        let memory = BufferMemory::with_label("procession: test").unwrap();
        let theirs = codec::decode(codec::encode(&memory).unwrap()).unwrap();
        (BufferPool::new(memory), BufferReader::new(theirs))
    }

    #[test]
    fn loans_that_were_never_made_cannot_be_opened() {
        let (mut pool, reader) = both();
        let loan = pool.publish(&[1; 100]).unwrap();
        for (piece, len) in [(1, 100), (4095, 1), (4096, 1), (u32::MAX, 1)] {
            assert!(reader.open(BufferHandle { piece, len }).is_none(), "{piece} of {len}");
        }
        assert!(reader.open(loan).is_some() && reader.open(loan).is_none());
        assert!(!pool.reclaim(loan));
    }

    #[test]
    fn a_length_that_is_not_the_lenders_opens_nothing() {
        let (mut pool, reader) = both();
        for len in [0, 99, 101, 1 << 40, u64::MAX] {
            let loan = pool.publish(&[1; 100]).unwrap();
            assert!(reader.open(BufferHandle { len, ..loan }).is_none(), "{len}");
        }
        assert_eq!(pool.pieces.len(), 1, "the memory is free again");
    }

    #[test]
    fn there_is_one_publisher() {
        let memory = BufferMemory::with_label("procession: test").unwrap();
        let copy = codec::decode(codec::encode(&memory).unwrap()).unwrap();
        let (mut first, mut others) =
            (BufferPool::new(memory.clone()), [BufferPool::new(memory), BufferPool::new(copy)]);
        let loan = first.publish(b"bytes").unwrap();
        for other in &mut others {
            let error = other.publish(b"other bytes").unwrap_err();
            assert!(error.to_string().contains("another pool"), "{error}");
            assert!(!other.reclaim(loan));
            other.trim();
        }
        assert!(first.reclaim(loan));
    }

    #[test]
    fn the_memory_is_nothing_else_than_memory_to_lend_from() {
        let memory = BufferMemory::with_label("procession: test").unwrap();
        let copies = || codec::encode(&memory).unwrap();
        assert!(codec::decode::<Arena>(copies()).is_err() && codec::decode::<codec::Descriptor>(copies()).is_err());
        let arena = Arena::with_label("procession: test", 4096).unwrap();
        assert!(codec::decode::<BufferMemory>(codec::encode(&arena).unwrap()).is_err());
    }

    #[test]
    fn a_buffer_outlives_its_pool() {
        let (mut pool, reader) = both();
        let open = reader.open(pool.publish(&[7; 1 << 20]).unwrap()).unwrap();
        drop((pool, reader));
        assert_eq!(open[..], [7; 1 << 20]);
    }

    #[test]
    fn long_loans_give_their_memory_back_and_the_same_room_is_used_again() {
        let (mut pool, reader) = both();
        for byte in 0..3 {
            let loan = pool.publish(&vec![byte; 40 << 20]).unwrap();
            assert_eq!(reader.open(loan).unwrap()[..], vec![byte; 40 << 20]);
            let blocks = nix::sys::stat::fstat(&pool.memory).unwrap().st_blocks;
            assert!(blocks * 512 <= 2 * PAGE as i64, "{blocks} blocks");
        }
        assert_eq!(pool.pieces.len(), 1);
    }

    #[test]
    fn a_large_piece_that_is_reclaimed_unopened_gives_its_memory_back() {
        let (mut pool, _reader) = both();
        let large = pool.publish(&vec![1; 20 << 20]).unwrap();
        assert!(pool.reclaim(large) && !pool.reclaim(large));
        assert_eq!(pool.memory_in_use(), 0);
        pool.publish(&vec![2; 1 << 20]).unwrap();
        assert_eq!(pool.memory_in_use(), 1 << 20);
        let blocks = nix::sys::stat::fstat(&pool.memory).unwrap().st_blocks;
        assert!(blocks * 512 <= (1 << 20) + 2 * PAGE as i64, "{blocks} blocks");
    }

    proptest! {
        #[test]
        fn what_is_lent_is_read_whatever_else_is_lent(
            steps in prop::collection::vec((0..400_000_usize, any::<u8>(), 0..4_u8), 0..40)
        ) {
            let (mut pool, reader) = both();
            let mut open = Vec::new();
            for (len, byte, what) in steps {
                let loan = pool.publish(&vec![byte; len]).unwrap();
                match what {
                    0 => prop_assert!(pool.reclaim(loan)),
                    1 => drop(reader.open(loan).unwrap()),
                    _ => open.push((reader.open(loan).unwrap(), len, byte)),
                }
                if what == 3 {
                    open.swap_remove(open.len() / 2);
                    pool.trim();
                }
                for (borrowed, len, byte) in &open {
                    prop_assert!(borrowed[..] == vec![*byte; *len]);
                }
            }
            let bound = 400_000 * (open.len() as u64 + 1) + MAX_IDLE_BYTES + 2 * MIN_PIECE_BYTES;
            drop(open);
            pool.trim();
            prop_assert!(pool.memory_in_use() <= bound);
        }
    }
}
