//! [`PartGuard`]: the proof that parts of a row are held.

use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

use crate::data::Plain;
use crate::holding::Holding;
use crate::parts::Parts;

/// A part of a row, or all of it, is this thread's until this is dropped. It stays in the thread that took it, and is of no use in a copy
/// of the process.
///
/// # Examples
///
/// ```
/// let row = procession_sync::Parts::from_slice(&[1, 2, 3, 4], 2)?;
/// let mut second = row.lock(1).unwrap();
/// second[0] = 30;
/// assert_eq!((second.range(), &*second), (2..4, &[30, 4][..]));
/// # drop(second);
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
#[must_use = "if unused the part is given back at once"]
pub struct PartGuard<'a, T: Plain> {
    row: &'a Parts<T>,
    parts: Range<usize>,
    range: Range<usize>,
    holding: Holding,
}

impl<'a, T: Plain> PartGuard<'a, T> {
    /// For one who has just taken the locks of these parts, to which these values belong.
    pub(crate) fn new(row: &'a Parts<T>, parts: Range<usize>, range: Range<usize>) -> PartGuard<'a, T> {
        PartGuard { row, parts, range, holding: Holding::begin() }
    }

    /// Which values of the row these are.
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::Parts::from_slice(&[1, 2, 3], 2)?;
    /// assert_eq!(row.lock(1).unwrap().range(), 1..3);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    fn place(&self) -> NonNull<[T]> {
        let all = self.row.data();
        // SAFETY: the range was checked against the length of the row when the part was taken, and neither changes.
        let start = unsafe { all.cast::<T>().add(self.range.start) };
        NonNull::slice_from_raw_parts(start, self.range.len())
    }
}

impl<T: Plain> Deref for PartGuard<'_, T> {
    type Target = [T];

    #[track_caller]
    fn deref(&self) -> &[T] {
        self.holding.check();
        // SAFETY: the segment holds valid values there (any bytes are one); this process and thread hold the locks of all parts in
        // the range, and parts do not overlap, so nobody writes to it while the guard is borrowed.
        unsafe { self.place().as_ref() }
    }
}

impl<T: Plain> DerefMut for PartGuard<'_, T> {
    #[track_caller]
    fn deref_mut(&mut self) -> &mut [T] {
        self.holding.check();
        // SAFETY: as for `deref`, and the guard is borrowed for this alone, so nobody reads either.
        unsafe { self.place().as_mut() }
    }
}

impl<T: Plain> Drop for PartGuard<'_, T> {
    fn drop(&mut self) {
        for lock in self.row.locks(self.parts.clone()) {
            let me = self.holding.end(lock);
            lock.unlock(me);
        }
    }
}

// SAFETY: a shared guard gives out `&[T]` and nothing else.
unsafe impl<T: Plain + Sync> Sync for PartGuard<'_, T> {}

impl<T: Plain + fmt::Debug> fmt::Debug for PartGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
