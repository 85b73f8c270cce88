//! [`Parts`]: a row of values in parts that different processes write at the same time.

use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::Duration;

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::data::Plain;
use crate::error::{CreateError, Fault};
use crate::holding::LockedBy;
use crate::part_guard::PartGuard;
use crate::poison::{self, Culprit};
use crate::raw::mutex::RawMutex;
use crate::raw::shim::{AtomicU32, Ordering};
use crate::segment::{Machine, Segment};

/// The most parts that a row can have: each has a lock of 16 bytes, and this many are a page.
const MOST: usize = 255;

/// The parts' locks.
#[repr(C)]
#[derive(Debug)]
struct RawParts {
    count: AtomicU32,
    locks: [RawMutex; MOST],
}

// SAFETY: `repr(C)`, atomics only, fresh when zeroed.
unsafe impl Machine for RawParts {
    const KIND: u64 = 10;
    const NAME: &str = "row in parts";
}

/// A row of values in shared memory, in parts of about the same length, each of which one thread of one process at a time may use.
///
/// Different processes write to different parts at the same time, as `&mut [T]` and without copying: each fills its part of one
/// array, and whoever wants all of it takes [all parts](Self::lock_all). A handle, as [`Mutex`](crate::Mutex) is: clones and
/// copies in other processes are the same row. Each part is poisoned by itself when its holder dies or panics.
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
    /// Makes a row of `len` values in so many parts, 1 to 255; `value` tells each from its index.
    ///
    /// # Errors
    ///
    /// There is not enough shared memory, or the number of parts makes no sense.
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
        if !(1..=MOST).contains(&parts) {
            return Err(Fault::Parts { asked: parts, most: MOST }.into());
        }
        let segment = Segment::<RawParts, [T]>::from_fn(len, value)?;
        segment.machine().count.store(parts as u32, Ordering::Relaxed);
        Ok(Parts { segment })
    }

    /// Makes a row of a copy of these values in so many parts, 1 to 255.
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

    /// The number of parts.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Parts::from_slice(&[0; 9], 4)?.count(), 4);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    pub fn count(&self) -> usize {
        // It was written before the row was shared; whoever breaks it later gets other parts, and no more than there are locks.
        (self.segment.machine().count.load(Ordering::Relaxed) as usize).clamp(1, MOST)
    }

    /// The number of values in all parts.
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

    /// Whether there is not a single value.
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

    /// Which values belong to a part: parts are as long as each other, but for one value.
    ///
    /// # Panics
    ///
    /// There is no such part.
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

    /// Waits until nobody uses the part, and takes it.
    ///
    /// # Errors
    ///
    /// A holder of this part died or panicked and nobody has cleared the poison: the error holds the guard.
    ///
    /// # Panics
    ///
    /// There is no such part.
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
        self.lock_of(part).lock(ProcessIdentity::current(), None);
        self.guard(part, range)
    }

    /// Takes the part if nobody uses it; the dead do not count.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when somebody has it, else as for [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// There is no such part.
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
        if self.lock_of(part).try_lock(ProcessIdentity::current()) {
            Ok(self.guard(part, range)?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// As [`lock`](Self::lock), but gives up after a while. A zero timeout only tries, one beyond the clock is for ever.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when the time is over, else as for [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// There is no such part.
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
        if self.lock_of(part).lock(ProcessIdentity::current(), deadline_after(timeout)) {
            Ok(self.guard(part, range)?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Waits for all parts, one after the other, and takes the row as a whole.
    ///
    /// A thread that has a part already waits for itself, for ever.
    ///
    /// # Errors
    ///
    /// A part is poisoned: the error holds the guard.
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
        // In the order of the parts: two who want them all do not wait for each other.
        for lock in self.locks(0..count) {
            // Without a deadline it is always taken.
            let _taken = lock.lock(me, None);
        }
        let fallen = self.locks(0..count).iter().find(|lock| lock.fallen().is_some());
        let guard = PartGuard::new(self, 0..count, 0..self.len());
        poison::checked(fallen.unwrap_or_else(|| self.lock_of(0)), guard)
    }

    /// The holder of the part that died or panicked.
    ///
    /// # Panics
    ///
    /// There is no such part.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::Parts::from_slice(&[1, 2], 2)?.poisoned_by(1), None);
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn poisoned_by(&self, part: usize) -> Option<Culprit> {
        let _checked = self.range(part);
        Culprit::of(self.lock_of(part))
    }

    /// Declares a part to be in order again. Do it while holding it, after a look at the data.
    ///
    /// # Panics
    ///
    /// There is no such part.
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
        self.lock_of(part).absolve();
    }

    fn guard(&self, part: usize, range: Range<usize>) -> LockResult<PartGuard<'_, T>> {
        let guard = PartGuard::new(self, part..part + 1, range);
        poison::checked(self.lock_of(part), guard)
    }

    fn lock_of(&self, part: usize) -> &RawMutex {
        &self.segment.machine().locks[part]
    }

    /// Where all values lie, for guards.
    pub(crate) fn data(&self) -> NonNull<[T]> {
        self.segment.data()
    }

    pub(crate) fn locks(&self, parts: Range<usize>) -> &[RawMutex] {
        &self.segment.machine().locks[parts]
    }
}

/// Part `part` of `count` of a row of `len` values. Adjacent, of about the same length, and all together the row.
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
