//! [`Lender`] and [`Borrower`]: large pieces of bytes that one process lends to another, in shared memory that is used again.
//!
//! ```text
//! piece    a power of two of bytes, at a multiple of its size: so it never crosses a window of the arena
//!   state  one line: free, lent, or open
//!   bytes  as many as the loan says
//!
//! free -> lent    the lender, after it has written the bytes
//! lent -> open    the borrower, once: nobody else can open the same loan
//! open -> free    the borrower, after it has read them
//! lent -> free    the lender, when it takes back what nobody has opened
//! ```
//!
//! Only the lender knows which pieces there are. Whoever is killed costs the other side nothing but memory: a borrower's loans
//! are forgotten together with its lender, and a lender's memory lives until the last of its loans is closed.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::arena::Arena;
use crate::mapping::MappingError;
use crate::os::memfd::MemoryFault;

const FREE: u64 = 0;
/// States that no other memory is likely to hold where somebody looks for one.
const LENT: u64 = u64::from_le_bytes(*b"loanlent");
const OPEN: u64 = u64::from_le_bytes(*b"loanopen");

/// Where the bytes of a piece begin.
const STATE: u64 = 64;
/// The smallest piece.
const LEAST: u64 = 64 << 10;
/// Pieces end here.
const END: u64 = 1 << 45;
/// The memory of longer loans, in bytes, goes back to the system at once; and of shorter ones so much is kept by one who rests.
const KEPT: u64 = 8 << 20;
/// What the system gives and takes.
const PAGE: u64 = 4096;

/// Lends bytes to the one process that has a [`Borrower`] of the same memory.
///
/// ```
/// use procession_core::{Arena, Borrower, Lender};
///
/// let memory = Arena::with_label("procession: example", 0)?;
/// let (mut lender, borrower) = (Lender::new(memory.clone()), Borrower::new(memory));
/// let loan = lender.lend(&[7; 100_000])?;
/// let bytes = borrower.open(loan).expect("it was lent");
/// assert_eq!(bytes[..], [7; 100_000]);
/// drop(bytes);
/// assert_eq!(lender.lend(&[8; 100_000])?, loan, "the same memory");
/// # Ok::<(), procession_core::MappingError>(())
/// ```
pub struct Lender {
    memory: Arena,
    /// The first ones are used first, so that the last ones become free.
    pieces: Vec<Piece>,
}

/// Reads what a [`Lender`] lends.
///
/// ```
/// use procession_core::{Arena, Borrower, Lender};
///
/// let memory = Arena::with_label("procession: example", 0)?;
/// let (mut lender, borrower) = (Lender::new(memory.clone()), Borrower::new(memory));
/// assert_eq!(borrower.open(lender.lend(b"bytes")?).expect("it was lent")[..], *b"bytes");
/// # Ok::<(), procession_core::MappingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Borrower {
    memory: Arena,
}

/// What was lent: this is what is sent to the borrower.
///
/// ```
/// use procession_core::{Arena, Lender, Loan, codec};
///
/// let loan = Lender::new(Arena::with_label("procession: example", 0)?).lend(b"bytes")?;
/// assert_eq!(codec::decode::<Loan>(codec::encode(&loan)?)?, loan);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loan {
    offset: u64,
    len: u64,
}

/// Bytes that were borrowed. Dropping them gives the memory back to the lender.
///
/// ```
/// use procession_core::{Arena, Borrower, Lender};
///
/// let memory = Arena::with_label("procession: example", 0)?;
/// let (mut lender, borrower) = (Lender::new(memory.clone()), Borrower::new(memory));
/// let loan = lender.lend(b"bytes")?;
/// let borrowed = borrower.open(loan).expect("it was lent");
/// assert_eq!(borrowed.to_vec(), b"bytes");
/// assert!(borrower.open(loan).is_none(), "it is open");
/// # Ok::<(), procession_core::MappingError>(())
/// ```
pub struct Borrowed {
    memory: Arena,
    loan: Loan,
}

/// A piece of memory.
#[derive(Clone, Copy, Debug)]
struct Piece {
    offset: u64,
    size: u64,
    /// How much of it is there.
    backed: u64,
}

impl Lender {
    /// A lender of pieces of this memory, which nothing else may use.
    ///
    /// ```
    /// let memory = procession_core::Arena::with_label("procession: example", 0)?;
    /// assert_eq!(procession_core::Lender::new(memory).memory_in_use(), 0);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn new(memory: Arena) -> Lender {
        Lender { memory, pieces: Vec::new() }
    }

    /// Copies bytes to where the borrower can read them.
    ///
    /// # Errors
    ///
    /// There is not so much memory, or it cannot be mapped.
    ///
    /// ```
    /// let memory = procession_core::Arena::with_label("procession: example", 0)?;
    /// let loan = procession_core::Lender::new(memory).lend(&[1; 1000])?;
    /// assert_eq!(loan.len(), 1000);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn lend(&mut self, bytes: &[u8]) -> Result<Loan, MappingError> {
        let loan = Loan { offset: self.room_for(bytes.len() as u64)?, len: bytes.len() as u64 };
        let place = whole(&self.memory, loan).ok_or_else(unmapped)?;
        // SAFETY: the room has `STATE` bytes before its content.
        let content = unsafe { place.byte_add(STATE as usize) };
        // SAFETY: the target is inside the mapping and as long as the source. The piece is free, so no `Borrowed` shows it, and
        // only this lender, which is borrowed for writing, makes it anything else.
        unsafe { content.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        self.state(loan.offset).ok_or_else(unmapped)?.store(LENT, Ordering::Release);
        Ok(loan)
    }

    /// Takes back what was lent and not opened. Answers whether it was still to be had.
    ///
    /// ```
    /// use procession_core::{Arena, Borrower, Lender};
    ///
    /// let memory = Arena::with_label("procession: example", 0)?;
    /// let (mut lender, borrower) = (Lender::new(memory.clone()), Borrower::new(memory));
    /// let loan = lender.lend(b"bytes")?;
    /// assert!(lender.take_back(loan));
    /// assert!(borrower.open(loan).is_none());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn take_back(&mut self, loan: Loan) -> bool {
        self.state(loan.offset).is_some_and(|state| swap(state, LENT, FREE))
    }

    /// Gives memory that is free, beyond a little, back to the system: for one who has nothing more to lend for now.
    ///
    /// ```
    /// let memory = procession_core::Arena::with_label("procession: example", 0)?;
    /// let mut lender = procession_core::Lender::new(memory);
    /// let loans = [lender.lend(&[1; 6 << 20])?, lender.lend(&[1; 6 << 20])?];
    /// assert!(loans.into_iter().all(|loan| lender.take_back(loan)));
    /// lender.rest();
    /// assert!(lender.memory_in_use() < 9 << 20);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn rest(&mut self) {
        let mut kept = 0;
        for number in 0..self.pieces.len() {
            let Piece { offset, backed, .. } = self.pieces[number];
            kept += backed;
            // Memory that cannot be given back now will be used again.
            if kept > KEPT && self.is_free(number) && self.memory.punch(offset, backed).is_ok() {
                kept -= backed;
                self.pieces[number].backed = 0;
            }
        }
    }

    /// Whether there is so much memory that [`rest`](Lender::rest) would give some back if nothing were lent.
    ///
    /// ```
    /// let memory = procession_core::Arena::with_label("procession: example", 0)?;
    /// assert!(!procession_core::Lender::new(memory).has_spare());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn has_spare(&self) -> bool {
        self.memory_in_use() > KEPT
    }

    /// How many bytes of memory the pieces take up, lent or free.
    ///
    /// ```
    /// let memory = procession_core::Arena::with_label("procession: example", 0)?;
    /// let mut lender = procession_core::Lender::new(memory);
    /// lender.lend(&[1; 100_000])?;
    /// assert!((100_000..110_000).contains(&lender.memory_in_use()));
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn memory_in_use(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.backed).sum()
    }

    /// A free piece with room for so many bytes, all of it there.
    fn room_for(&mut self, len: u64) -> Result<u64, MappingError> {
        let needed = len.checked_add(STATE).filter(|needed| *needed < END).ok_or_else(unmapped)?;
        let fits = |piece: &Piece| piece.size >= needed;
        let free = (0..self.pieces.len()).find(|number| fits(&self.pieces[*number]) && self.is_free(*number));
        let number = free.map_or_else(|| self.new_piece(needed), Ok)?;
        let piece = &mut self.pieces[number];
        // Of a long loan the borrower may have given the memory back.
        if needed > piece.backed || piece.backed > KEPT {
            piece.backed = needed.next_multiple_of(PAGE);
            self.memory.back(piece.offset, piece.backed).inspect_err(|_| piece.backed = 0)?;
        }
        Ok(piece.offset)
    }

    fn new_piece(&mut self, needed: u64) -> Result<usize, MappingError> {
        let size = needed.max(LEAST).next_power_of_two();
        let end = self.pieces.last().map_or(0, |last| last.offset + last.size);
        // The first window is of one size, and each other as long as its offset.
        let begin = if size > Arena::HEAD { end.max(size) } else { end };
        let offset = begin.next_multiple_of(size);
        if offset + size > END {
            return Err(unmapped());
        }
        self.pieces.push(Piece { offset, size, backed: 0 });
        Ok(self.pieces.len() - 1)
    }

    fn is_free(&self, number: usize) -> bool {
        // What is not there was never lent, or was given back while it was free.
        let Piece { offset, backed, .. } = self.pieces[number];
        backed == 0 || self.state(offset).is_some_and(|state| state.load(Ordering::Acquire) == FREE)
    }

    fn state(&self, offset: u64) -> Option<&AtomicU64> {
        state(&self.memory, offset)
    }
}

impl Borrower {
    /// A borrower of what is lent in this memory.
    ///
    /// ```
    /// use procession_core::{Arena, Borrower, Lender};
    ///
    /// let memory = Arena::with_label("procession: example", 0)?;
    /// let loan = Lender::new(memory.clone()).lend(b"bytes")?;
    /// assert!(Borrower::new(memory).open(loan).is_some());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn new(memory: Arena) -> Borrower {
        Borrower { memory }
    }

    /// Opens a loan. `None` when there is no such one, it was taken back, or it was opened before.
    ///
    /// ```
    /// # use procession_core::{Arena, Borrower, Lender};
    /// # let memory = Arena::with_label("procession: example", 0)?;
    /// # let (mut lender, borrower) = (Lender::new(memory.clone()), Borrower::new(memory));
    /// let loan = lender.lend(b"bytes")?;
    /// assert!(borrower.open(loan).is_some_and(|bytes| bytes.len() == 5));
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn open(&self, loan: Loan) -> Option<Borrowed> {
        whole(&self.memory, loan)?;
        let is_mine = swap(state(&self.memory, loan.offset)?, LENT, OPEN);
        is_mine.then(|| Borrowed { memory: self.memory.clone(), loan })
    }
}

impl Loan {
    /// How many bytes were lent.
    ///
    /// ```
    /// # use procession_core::{Arena, Lender};
    /// let loan = Lender::new(Arena::with_label("procession: example", 0)?).lend(b"bytes")?;
    /// assert_eq!(loan.len(), 5);
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether these are no bytes.
    ///
    /// ```
    /// # use procession_core::{Arena, Lender};
    /// assert!(Lender::new(Arena::with_label("procession: example", 0)?).lend(b"")?.is_empty());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Deref for Borrowed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let Some(place) = whole(&self.memory, self.loan) else { return &[] };
        // SAFETY: a loan has `STATE` bytes before its content.
        let content = unsafe { place.byte_add(STATE as usize) };
        // SAFETY: so many bytes are inside the mapping, which lives as long as `self`. The lender wrote them before it made the
        // piece `LENT`, which the one who made this `Borrowed` has seen; it is the only one who opened the loan, and neither
        // side writes to a piece that is `OPEN`, which it is until `self` is dropped.
        unsafe { NonNull::slice_from_raw_parts(content, self.loan.len as usize).as_ref() }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let Loan { offset, len } = self.loan;
        if STATE + len > KEPT {
            // The lender sees to it that it is there when it is needed. What cannot be given back is used again.
            let _kept = self.memory.punch(offset + PAGE, (STATE + len).next_multiple_of(PAGE) - PAGE);
        }
        if let Some(state) = state(&self.memory, offset) {
            state.store(FREE, Ordering::Release);
        }
    }
}

/// Where a loan's piece lies, if all of it is there.
fn whole(memory: &Arena, loan: Loan) -> Option<NonNull<u8>> {
    memory.at(loan.offset, loan.len.checked_add(STATE)?)
}

fn state(memory: &Arena, offset: u64) -> Option<&AtomicU64> {
    let place = memory.at(offset, STATE).filter(|_| offset.is_multiple_of(LEAST))?;
    // SAFETY: windows begin at pages and the offset is a multiple of more than that, so the place is aligned; it lies in the
    // mapping, which lives as long as the arena. Any bytes are a valid word, and both sides use this one as an atomic only.
    Some(unsafe { place.cast::<AtomicU64>().as_ref() })
}

fn swap(state: &AtomicU64, from: u64, to: u64) -> bool {
    state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

#[cold]
fn unmapped() -> MappingError {
    MappingError::from(MemoryFault::system("map shared memory", io::Error::from(io::ErrorKind::OutOfMemory)))
}

impl fmt::Debug for Lender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lender").field("pieces", &self.pieces.len()).field("memory", &self.memory).finish()
    }
}

impl fmt::Debug for Borrowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Borrowed").field("loan", &self.loan).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec;

    fn both() -> (Lender, Borrower) {
        let memory = Arena::with_label("procession: test", 0).unwrap();
        let theirs = codec::decode(codec::encode(&memory).unwrap()).unwrap();
        (Lender::new(memory), Borrower::new(theirs))
    }

    #[test]
    fn loans_that_were_never_made_cannot_be_opened() {
        let (mut lender, borrower) = both();
        let loan = lender.lend(&[1; 100]).unwrap();
        for (offset, len) in [(8, 1), (LEAST, 1), (u64::MAX, 1), (0, u64::MAX), (0, 1 << 40)] {
            assert!(borrower.open(Loan { offset, len }).is_none(), "{offset} + {len}");
        }
        assert!(borrower.open(loan).is_some() && borrower.open(loan).is_none());
        assert!(!lender.take_back(loan));
    }

    #[test]
    fn a_loan_outlives_its_lender() {
        let (mut lender, borrower) = both();
        let open = borrower.open(lender.lend(&[7; 1 << 20]).unwrap()).unwrap();
        drop((lender, borrower));
        assert_eq!(open[..], [7; 1 << 20]);
    }

    #[test]
    fn long_loans_give_their_memory_back_and_the_same_room_is_used_again() {
        let (mut lender, borrower) = both();
        for byte in 0..3 {
            let loan = lender.lend(&vec![byte; 40 << 20]).unwrap();
            assert_eq!(borrower.open(loan).unwrap()[..], vec![byte; 40 << 20]);
            let blocks = nix::sys::stat::fstat(&lender.memory).unwrap().st_blocks;
            assert!(blocks * 512 <= 2 * PAGE as i64, "{blocks} blocks");
        }
        assert_eq!(lender.pieces.len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_lent_is_read_whatever_else_is_lent(
            steps in prop::collection::vec((0..400_000_usize, any::<u8>(), 0..4_u8), 0..40)
        ) {
            let (mut lender, borrower) = both();
            let mut open = Vec::new();
            for (len, byte, what) in steps {
                let loan = lender.lend(&vec![byte; len]).unwrap();
                match what {
                    0 => prop_assert!(lender.take_back(loan)),
                    1 => drop(borrower.open(loan).unwrap()),
                    _ => open.push((borrower.open(loan).unwrap(), len, byte)),
                }
                if what == 3 {
                    open.swap_remove(open.len() / 2);
                    lender.rest();
                }
                for (borrowed, len, byte) in &open {
                    prop_assert!(borrowed[..] == vec![*byte; *len]);
                }
            }
            let bound = 400_000 * (open.len() as u64 + 1) + KEPT + 2 * LEAST;
            drop(open);
            lender.rest();
            prop_assert!(lender.memory_in_use() <= bound);
        }
    }
}
