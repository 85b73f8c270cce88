//! [`RwLock`]: data for many readers or one writer.

use std::fmt;
use std::ptr::NonNull;
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::Duration;

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::data::{Plain, Shape};
use crate::error::CreateError;
use crate::holding::LockedBy;
use crate::poison::{self, Culprit};
use crate::raw::rwlock::{RawRwLock, Slot};
use crate::rwlock_guard::{RwLockReadGuard, RwLockWriteGuard};
use crate::segment::{Machine, Segment};

/// Data in shared memory that many may read at a time, or one may write.
///
/// A handle, as [`Mutex`](crate::Mutex) is: clones and copies in other processes are the same lock.
///
/// # When a holder dies
///
/// A dead writer leaves the lock poisoned, as a dead holder of a [`Mutex`](crate::Mutex) does. A dead reader is forgotten:
/// it changed nothing. Either is noticed within 50 ms by those who wait, and within 1 ms by calls that only try.
///
/// # Fairness
///
/// A writer that waits keeps new readers out, so readers cannot starve writers; many writers in a row can hold up
/// readers. A thread that reads and asks to read again may wait for a writer that waits for it: do not nest.
///
/// `T` is `Sync`, as several threads may read at once.
///
/// Up to 480 guards for reading can exist at a time, in all processes together; one more waits until one is dropped.
///
/// # Examples
///
/// ```
/// use procession_sync::RwLock;
///
/// let settings = RwLock::new([1, 2, 3])?;
/// let (one, another) = (settings.read().unwrap(), settings.read().unwrap());
/// assert_eq!(one[0] + another[1], 3);
/// drop((one, another));
/// settings.write().unwrap()[0] = 10;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct RwLock<T: Shape + Sync + ?Sized> {
    segment: Segment<RawRwLock, T>,
}

// SAFETY: `repr(C)`, atomics only, fresh when zeroed.
unsafe impl Machine for RawRwLock {
    const KIND: u64 = 3;
    const NAME: &str = "reader-writer lock";
}

impl<T: Plain + Sync> RwLock<T> {
    /// Makes a lock around a value.
    ///
    /// # Errors
    ///
    /// There is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// assert_eq!(*lock.read().unwrap(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(value: T) -> Result<RwLock<T>, CreateError> {
        Ok(RwLock { segment: Segment::new(value)? })
    }
}

impl<T: Plain + Sync> RwLock<[T]> {
    /// Makes a lock around a row of `len` values; `value` tells each from its index.
    ///
    /// # Errors
    ///
    /// There is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::RwLock::<[u8]>::from_fn(3, |i| i as u8)?;
    /// assert_eq!(*row.read().unwrap(), [0, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_fn(len: usize, value: impl FnMut(usize) -> T) -> Result<RwLock<[T]>, CreateError> {
        Ok(RwLock { segment: Segment::from_fn(len, value)? })
    }
}

impl<T: Shape + Sync + ?Sized> RwLock<T> {
    /// Waits until nobody writes or waits to write, and takes the lock for reading.
    ///
    /// # Errors
    ///
    /// A writer died or panicked and nobody has cleared the poison: the error holds the guard.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// assert_eq!(*lock.read().unwrap(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        loop {
            if let Some(slot) = self.machine().read(ProcessIdentity::current(), None) {
                return self.reading(slot);
            }
        }
    }

    /// Takes the lock for reading if nobody writes; the dead do not count.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when somebody writes or waits to, else as for [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// assert_eq!(*lock.try_read().unwrap(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let slot = self.machine().try_read(ProcessIdentity::current()).ok_or(TryLockError::WouldBlock)?;
        Ok(self.reading(slot)?)
    }

    /// As [`read`](Self::read), but gives up after a while. A zero timeout only tries, one beyond the clock is for ever.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when the time is over, else as for [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// assert_eq!(*lock.read_timeout(std::time::Duration::ZERO).unwrap(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_timeout(&self, timeout: Duration) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let slot =
            self.machine().read(ProcessIdentity::current(), deadline_after(timeout)).ok_or(TryLockError::WouldBlock)?;
        Ok(self.reading(slot)?)
    }

    /// Waits until nobody reads or writes, and takes the lock for writing.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// *lock.write().unwrap() += 1;
    /// assert_eq!(*lock.read().unwrap(), 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.machine().write(ProcessIdentity::current(), None);
        self.writing()
    }

    /// Takes the lock for writing if nobody reads or writes; the dead do not count.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when somebody has the lock, else as for [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// let reader = lock.read().unwrap();
    /// assert!(lock.try_write().is_err());
    /// # drop(reader);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        if self.machine().try_write(ProcessIdentity::current()) {
            Ok(self.writing()?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// As [`write`](Self::write), but gives up after a while. A zero timeout only tries, one beyond the clock is for ever.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when the time is over, else as for [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// *lock.write_timeout(std::time::Duration::from_secs(1)).unwrap() = 8;
    /// assert_eq!(*lock.read().unwrap(), 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_timeout(&self, timeout: Duration) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        if self.machine().write(ProcessIdentity::current(), deadline_after(timeout)) {
            Ok(self.writing()?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Whether one writes, or many read, at this moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// assert!(!lock.is_locked());
    /// let reading = lock.read().unwrap();
    /// assert!(lock.is_locked());
    /// # drop(reading);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.machine().is_used()
    }

    /// The number of the process that writes at this moment, or waits for readers in order to write.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// let writing = lock.write().unwrap();
    /// assert_eq!(lock.locked_by(), Some(std::process::id()));
    /// # drop(writing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn locked_by(&self) -> Option<u32> {
        self.machine().writer().holder().map(ProcessIdentity::pid)
    }

    /// Whether a writer died or panicked since the poison was last cleared.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!procession_sync::RwLock::new(7)?.is_poisoned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned_by().is_some()
    }

    /// The writer that died or panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::RwLock::new(7)?.poisoned_by(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poisoned_by(&self) -> Option<Culprit> {
        Culprit::of(self.machine().writer())
    }

    /// Declares the data to be in order again. Do it while holding the lock for writing, after a look at the data.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// lock.clear_poison();
    /// assert!(!lock.is_poisoned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_poison(&self) {
        self.machine().writer().absolve();
    }

    pub(crate) fn machine(&self) -> &RawRwLock {
        self.segment.machine()
    }

    /// Where the data lies, for guards.
    pub(crate) fn data(&self) -> NonNull<T> {
        self.segment.data()
    }

    fn reading(&self, slot: Slot) -> LockResult<RwLockReadGuard<'_, T>> {
        poison::checked(self.machine().writer(), RwLockReadGuard::new(self, slot))
    }

    fn writing(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        let guard = RwLockWriteGuard::new(self);
        poison::checked(self.machine().writer(), guard)
    }
}

impl<T: Shape + Sync + ?Sized> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        RwLock { segment: self.segment.clone() }
    }
}

impl<T: Shape + Sync + fmt::Debug + ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => shown.field("data", &&*guard),
            Err(TryLockError::Poisoned(error)) => shown.field("data", &&**error.get_ref()),
            Err(TryLockError::WouldBlock) => shown.field("data", &LockedBy(self.locked_by())),
        };
        shown.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}
