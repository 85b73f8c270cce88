//! [`Parts`] and [`PartGuard`]: a slice in parts that different processes write at the same time.

use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::Duration;

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::data::Plain;
use crate::error::{CreateError, CreateErrorKind};
use crate::mapped::DataLock;
use crate::ownership::{LockedBy, Ownership};
use crate::poison::{self, PoisonCause};
use crate::raw::mutex::RawMutex;
use crate::raw::shim::{AtomicU32, Ordering};
use crate::segment::{Machine, Segment};

/// The maximum number of parts: each has a lock of 16 bytes, and this many are a page.
const MAX_PARTS: usize = 255;

/// The locks of the parts.
#[repr(C)]
#[derive(Debug)]
struct RawParts {
    count: AtomicU32,
    locks: [RawMutex; MAX_PARTS],
}

// SAFETY: `repr(C)`, atomics only, fresh when zeroed.
unsafe impl Machine for RawParts {
    const KIND: u64 = 10;
    const NAME: &str = "row in parts";

    fn as_data_lock(&self) -> Option<&dyn DataLock> {
        Some(self)
    }
}

impl DataLock for RawParts {
    fn is_held_by(&self, process: ProcessIdentity) -> bool {
        self.locks.iter().any(|lock| lock.is_held_by(process))
    }
}

/// A slice in shared memory, in parts of about the same length, each of which one thread of one process at a time may use.
///
/// Different processes write to different parts at the same time, as `&mut [T]` and without copying: each fills its part of one
/// array, and a reader of the whole takes [all parts](Self::lock_all). It is a handle, as [`Mutex`](crate::Mutex) is: clones and
/// copies in other processes are the same slice. Each part has its own poison.
///
/// # Examples
///
/// ```
/// use procession_sync::Parts;
///
/// let squares = Parts::<f64>::from_fn(1000, 4, |_| 0.0)?;
/// std::thread::scope(|scope| {
///     for index in 0..squares.count() {
///         // A handle that goes to another process would do the same there.
///         let squares = squares.clone();
///         scope.spawn(move || {
///             let mut part = squares.lock(index).unwrap();
///             let first = part.range().start;
///             for (at, value) in part.iter_mut().enumerate() {
///                 *value = ((first + at) as f64).powi(2);
///             }
///         });
///     }
/// });
/// assert_eq!(squares.lock_all().unwrap()[999], 998_001.0);
/// # Ok::<(), procession_sync::CreateError>(())
/// ```
#[doc(alias = "RawArray")]
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Parts<T: Plain> {
    segment: Segment<RawParts, [T]>,
}

impl<T: Plain> Parts<T> {
    /// Makes a slice of `len` values in `parts` parts, 1 to 255; `value` computes each value from its index.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory. Otherwise `parts` is 0 or above 255.
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::Parts::from_fn(10, 3, |index| index)?;
    /// assert_eq!(*row.lock(1).unwrap(), [3, 4, 5]);
    /// assert!(procession_sync::Parts::from_fn(10, 0, |index| index).is_err());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn from_fn(len: usize, parts: usize, value: impl FnMut(usize) -> T) -> Result<Parts<T>, CreateError> {
        if !(1..=MAX_PARTS).contains(&parts) {
            return Err(CreateErrorKind::Parts { asked: parts, max: MAX_PARTS }.into());
        }
        let segment = Segment::<RawParts, [T]>::from_fn(len, value)?;
        segment.machine().count.store(parts as u32, Ordering::Relaxed);
        Ok(Parts { segment })
    }

    /// Makes a copy of `values` in `parts` parts, 1 to 255.
    ///
    /// # Errors
    ///
    /// As for [`from_fn`](Self::from_fn).
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::Parts::from_slice(b"abcdef", 2)?;
    /// row.lock(0).unwrap().make_ascii_uppercase();
    /// assert_eq!(&*row.lock_all().unwrap(), b"ABCdef");
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn from_slice(values: &[T], parts: usize) -> Result<Parts<T>, CreateError>
    where
        T: Copy,
    {
        Parts::from_fn(values.len(), parts, |index| values[index])
    }

    /// Returns the number of parts.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Parts::from_slice(&[0; 9], 4)?.count(), 4);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn count(&self) -> usize {
        // Relaxed: written before the slice was shared. A process that overwrites it gets other parts, and no more than there are locks.
        (self.segment.machine().count.load(Ordering::Relaxed) as usize).clamp(1, MAX_PARTS)
    }

    /// Returns the number of values in all parts.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Parts::from_slice(&[0; 9], 4)?.len(), 9);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.segment.data().len()
    }

    /// Returns whether there are no values.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(procession_sync::Parts::<u8>::from_slice(&[], 1)?.is_empty());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the indexes of the values of a part. The lengths of parts differ by one value at max.
    ///
    /// # Panics
    ///
    /// `part` is not below [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::Parts::from_slice(&[0; 10], 3)?;
    /// assert_eq!([0, 1, 2].map(|part| row.range(part)), [0..3, 3..6, 6..10]);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn range(&self, part: usize) -> Range<usize> {
        let count = self.count();
        assert!(part < count, "there is no part {part}, the row has {count}");
        range_of(part, count, self.len())
    }

    /// Waits until the part is free, and takes it.
    ///
    /// # Errors
    ///
    /// [`PoisonError`](std::sync::PoisonError), which has the guard: a holder of this part died or panicked, and the poison was not cleared.
    ///
    /// # Panics
    ///
    /// `part` is not below [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::Parts::from_slice(&[1, 2, 3, 4], 2)?;
    /// row.lock(1).unwrap().swap(0, 1);
    /// assert_eq!(*row.lock(1).unwrap(), [4, 3]);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[track_caller]
    pub fn lock(&self, part: usize) -> LockResult<PartGuard<'_, T>> {
        let range = self.range(part);
        // Without a deadline the lock is always taken. The range was checked first: a wrong number must not leave a lock held.
        let me = ProcessIdentity::current();
        self.lock_of(part).lock(me, None);
        self.guard(me, part, range)
    }

    /// Takes the part if it is free or its holder is dead.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`]: the lock is held. [`TryLockError::Poisoned`]: as for [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// `part` is not below [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::Parts::from_slice(&[1, 2, 3, 4], 2)?;
    /// let first = row.lock(0).unwrap();
    /// assert!(row.try_lock(0).is_err() && row.try_lock(1).is_ok());
    /// # drop(first);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[track_caller]
    pub fn try_lock(&self, part: usize) -> TryLockResult<PartGuard<'_, T>> {
        let range = self.range(part);
        let me = ProcessIdentity::current();
        if self.lock_of(part).try_lock(me) { Ok(self.guard(me, part, range)?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Does what [`lock`](Self::lock) does, and gives up after `timeout`. A zero timeout only tries.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`]: `timeout` has passed. [`TryLockError::Poisoned`]: as for [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// `part` is not below [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::Parts::from_slice(&[1, 2, 3, 4], 2)?;
    /// let first = row.lock(0).unwrap();
    /// assert!(row.lock_timeout(0, std::time::Duration::from_millis(1)).is_err());
    /// # drop(first);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[track_caller]
    pub fn lock_timeout(&self, part: usize, timeout: Duration) -> TryLockResult<PartGuard<'_, T>> {
        let range = self.range(part);
        let me = ProcessIdentity::current();
        if self.lock_of(part).lock(me, deadline_after(timeout)) {
            Ok(self.guard(me, part, range)?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Waits for all parts, one after the other, and takes the slice as a whole.
    ///
    /// A thread that holds a part already waits for ever.
    ///
    /// # Errors
    ///
    /// [`PoisonError`](std::sync::PoisonError), which has the guard: a part is poisoned.
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::Parts::from_slice(&[1, 2, 3, 4], 2)?;
    /// assert_eq!(row.lock_all().unwrap().iter().sum::<i32>(), 10);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn lock_all(&self) -> LockResult<PartGuard<'_, T>> {
        let me = ProcessIdentity::current();
        let count = self.count();
        // In the order of the parts, so that two threads that take them all do not wait for each other.
        for lock in self.locks(0..count) {
            // Without a deadline it is always taken.
            let _taken = lock.lock(me, None);
        }
        let poisoned = self.locks(0..count).iter().find(|lock| lock.poisoned_by().is_some());
        let guard = PartGuard::new(self, me, 0..count, 0..self.len());
        poison::checked(poisoned.unwrap_or_else(|| self.lock_of(0)), guard)
    }

    /// Returns the holder of the part that died or panicked.
    ///
    /// # Panics
    ///
    /// `part` is not below [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Parts::from_slice(&[1, 2], 2)?.poisoned_by(1), None);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn poisoned_by(&self, part: usize) -> Option<PoisonCause> {
        let _checked = self.range(part);
        PoisonCause::of(self.lock_of(part))
    }

    /// Clears the poison. Do it with the lock held, after a check of the data.
    ///
    /// # Panics
    ///
    /// `part` is not below [`count`](Self::count).
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::Parts::from_slice(&[1, 2], 2)?;
    /// row.clear_poison(0);
    /// assert!(row.lock(0).is_ok());
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[track_caller]
    pub fn clear_poison(&self, part: usize) {
        let _checked = self.range(part);
        self.lock_of(part).clear_poison();
    }

    fn guard(&self, me: ProcessIdentity, part: usize, range: Range<usize>) -> LockResult<PartGuard<'_, T>> {
        let guard = PartGuard::new(self, me, part..part + 1, range);
        poison::checked(self.lock_of(part), guard)
    }

    fn lock_of(&self, part: usize) -> &RawMutex {
        &self.segment.machine().locks[part]
    }

    /// Returns the address of all values, for guards.
    pub(crate) fn data(&self) -> NonNull<[T]> {
        self.segment.data()
    }

    pub(crate) fn locks(&self, parts: Range<usize>) -> &[RawMutex] {
        &self.segment.machine().locks[parts]
    }
}

/// Returns part `part` of `count` of `len` values. Parts are adjacent, of about the same length, and all together the whole.
fn range_of(part: usize, count: usize, len: usize) -> Range<usize> {
    // Without overflow: the products of any length with a number up to 255 fit.
    let start = |part: usize| (part as u128 * len as u128 / count as u128) as usize;
    start(part)..start(part + 1)
}

impl<T: Plain> Clone for Parts<T> {
    fn clone(&self) -> Self {
        Parts { segment: self.segment.clone() }
    }
}

impl<T: Plain> fmt::Debug for Parts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holders = self.locks(0..self.count()).iter().map(RawMutex::holder).enumerate();
        let locked: Vec<_> = holders.filter_map(|(part, who)| Some((part, LockedBy(Some(who?.pid()))))).collect();
        f.debug_struct("Parts")
            .field("len", &self.len())
            .field("count", &self.count())
            .field("locked", &locked)
            .finish_non_exhaustive()
    }
}

/// Holds a part, or all of them, until it is dropped. It stays in the thread that took it; in a copy of the process it panics when
/// it is used.
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
    ownership: Ownership,
}

impl<'a, T: Plain> PartGuard<'a, T> {
    /// Makes the guard of parts whose locks were just taken, and of their values.
    pub(crate) fn new(
        row: &'a Parts<T>,
        me: ProcessIdentity,
        parts: Range<usize>,
        range: Range<usize>,
    ) -> PartGuard<'a, T> {
        PartGuard { row, parts, range, ownership: Ownership::begin(me) }
    }

    /// Returns the indexes of these values in the whole.
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
        self.ownership.check();
        // SAFETY: the segment holds valid values there (any bytes are one); this process and thread hold the locks of all parts in
        // the range, and parts do not overlap, so no other thread writes to it while the guard is borrowed.
        unsafe { self.place().as_ref() }
    }
}

impl<T: Plain> DerefMut for PartGuard<'_, T> {
    #[track_caller]
    fn deref_mut(&mut self) -> &mut [T] {
        self.ownership.check();
        // SAFETY: as for `deref`, and the guard is borrowed for this alone, so that there is no reader either.
        unsafe { self.place().as_mut() }
    }
}

impl<T: Plain> Drop for PartGuard<'_, T> {
    fn drop(&mut self) {
        for lock in self.row.locks(self.parts.clone()) {
            // The poison before the release, part by part, so that the next holder of any part learns of a panic.
            let me = self.ownership.end(lock);
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
