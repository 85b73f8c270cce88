//! [`RwLock`] and its guards: data for many readers or one writer.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::Duration;

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::data::{Plain, Shape};
use crate::error::CreateError;
use crate::mapped::DataLock;
use crate::ownership::{LockedBy, Owner, Ownership};
use crate::poison::{self, PoisonCause};
use crate::raw::rwlock::{RawRwLock, Slot};
use crate::segment::{Machine, Segment};

/// Data in shared memory for many readers at a time, or one writer.
///
/// It is a handle, as [`Mutex`](crate::Mutex) is: clones and copies in other processes are the same lock.
///
/// # When a holder dies
///
/// A dead writer leaves the lock poisoned, as a dead holder of a [`Mutex`](crate::Mutex) does. The slot of a dead
/// reader is cleared: it changed nothing. Waiting threads notice either within 50 ms, and calls that only try within 1 ms.
///
/// # Fairness
///
/// A waiting writer keeps new readers out, so that readers cannot starve writers; many writers in a row can delay
/// readers. A reader that locks again may wait for a writer that waits for it: do not nest.
///
/// `T` is `Sync`, as several threads may read at once.
///
/// Up to 480 guards for reading can exist at a time, in all processes together; the next reader waits until one is dropped.
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

    fn as_data_lock(&self) -> Option<&dyn DataLock> {
        Some(self)
    }
}

impl DataLock for RawRwLock {
    fn is_held_by(&self, process: ProcessIdentity) -> bool {
        self.is_held_by(process)
    }
}

impl<T: Plain + Sync> RwLock<T> {
    /// Makes a lock around `value`.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
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
    /// Makes a lock around a slice of `len` values; `value` computes each from its index.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
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
    /// Waits until no writer holds the lock or waits for it, and takes it for reading.
    ///
    /// # Errors
    ///
    /// [`PoisonError`](std::sync::PoisonError), which has the guard: a writer died or panicked, and the poison was not cleared.
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
            // `None` means that a deadline has passed: without one the first round brings a slot.
            let me = ProcessIdentity::current();
            if let Some(slot) = self.machine().read(me, None) {
                return self.reading(me, slot);
            }
        }
    }

    /// Takes the lock for reading if no living writer holds it.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`]: a writer holds the lock or waits for it. [`TryLockError::Poisoned`]: as for [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// assert_eq!(*lock.try_read().unwrap(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let me = ProcessIdentity::current();
        let slot = self.machine().try_read(me).ok_or(TryLockError::WouldBlock)?;
        Ok(self.reading(me, slot)?)
    }

    /// Does what [`read`](Self::read) does, and gives up after `timeout`. A zero timeout only tries.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`]: `timeout` has passed. [`TryLockError::Poisoned`]: as for [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::RwLock::new(7)?;
    /// assert_eq!(*lock.read_timeout(std::time::Duration::ZERO).unwrap(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_timeout(&self, timeout: Duration) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let me = ProcessIdentity::current();
        let slot = self.machine().read(me, deadline_after(timeout)).ok_or(TryLockError::WouldBlock)?;
        Ok(self.reading(me, slot)?)
    }

    /// Waits until the lock is free, and takes it for writing.
    ///
    /// # Errors
    ///
    /// [`PoisonError`](std::sync::PoisonError), as for [`read`](Self::read).
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
        let me = ProcessIdentity::current();
        self.machine().write(me, None);
        self.writing(me)
    }

    /// Takes the lock for writing if no living reader or writer holds it.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`]: the lock is held. [`TryLockError::Poisoned`]: as for [`read`](Self::read).
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
        let me = ProcessIdentity::current();
        if self.machine().try_write(me) { Ok(self.writing(me)?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Does what [`write`](Self::write) does, and gives up after `timeout`. A zero timeout only tries.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`]: `timeout` has passed. [`TryLockError::Poisoned`]: as for [`read`](Self::read).
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
        let me = ProcessIdentity::current();
        if self.machine().write(me, deadline_after(timeout)) {
            Ok(self.writing(me)?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Returns whether a reader or a writer holds the lock now.
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
        self.machine().is_locked()
    }

    /// Returns the number of the process that writes now, or waits for readers in order to write.
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

    /// Returns whether a writer has died or panicked since the poison was cleared.
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

    /// Returns the writer that died or panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::RwLock::new(7)?.poisoned_by(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poisoned_by(&self) -> Option<PoisonCause> {
        PoisonCause::of(self.machine().writer())
    }

    /// Clears the poison. Do it with the lock held, after a check of the data.
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
        self.machine().writer().clear_poison();
    }

    pub(crate) fn machine(&self) -> &RawRwLock {
        self.segment.machine()
    }

    /// Returns the address of the data, for guards.
    pub(crate) fn data(&self) -> NonNull<T> {
        self.segment.data()
    }

    fn reading(&self, me: ProcessIdentity, slot: Slot) -> LockResult<RwLockReadGuard<'_, T>> {
        poison::checked(self.machine().writer(), RwLockReadGuard::new(self, me, slot))
    }

    fn writing(&self, me: ProcessIdentity) -> LockResult<RwLockWriteGuard<'_, T>> {
        let guard = RwLockWriteGuard::new(self, me);
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

/// Holds the lock for reading until it is dropped. It stays in the thread that took the lock.
///
/// ```compile_fail,E0277
/// let lock = procession_sync::RwLock::new(1).unwrap();
/// let guard = lock.read().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(guard));
/// });
/// ```
///
/// # Examples
///
/// ```
/// let lock = procession_sync::RwLock::new(7)?;
/// let guard = lock.read().unwrap();
/// assert_eq!(*guard, 7);
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "if unused the lock is given back at once"]
pub struct RwLockReadGuard<'a, T: Shape + Sync + ?Sized> {
    lock: &'a RwLock<T>,
    slot: Slot,
    owner: Owner,
}

impl<'a, T: Shape + Sync + ?Sized> RwLockReadGuard<'a, T> {
    /// Makes the guard of a slot that was just claimed.
    pub(crate) fn new(lock: &'a RwLock<T>, me: ProcessIdentity, slot: Slot) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard { lock, slot, owner: Owner::new(me) }
    }
}

impl<T: Shape + Sync + ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        self.owner.check();
        // SAFETY: the segment holds a valid value there (any bytes are one), and no writer holds the lock while this slot is claimed.
        unsafe { self.lock.data().as_ref() }
    }
}

impl<T: Shape + Sync + ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.machine().unlock_read(ProcessIdentity::current(), self.slot);
    }
}

// SAFETY: a shared guard gives out `&T` and nothing else.
unsafe impl<T: Shape + Sync + ?Sized> Sync for RwLockReadGuard<'_, T> {}

impl<T: Shape + Sync + fmt::Debug + ?Sized> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Holds the lock for writing until it is dropped. It stays in the thread that took the lock.
///
/// # Examples
///
/// ```
/// let lock = procession_sync::RwLock::new(7)?;
/// let mut guard = lock.write().unwrap();
/// *guard = 8;
/// drop(guard);
/// assert_eq!(*lock.read().unwrap(), 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "if unused the lock is given back at once"]
pub struct RwLockWriteGuard<'a, T: Shape + Sync + ?Sized> {
    lock: &'a RwLock<T>,
    ownership: Ownership,
}

impl<'a, T: Shape + Sync + ?Sized> RwLockWriteGuard<'a, T> {
    /// Makes the guard of a lock that was just taken.
    pub(crate) fn new(lock: &'a RwLock<T>, me: ProcessIdentity) -> RwLockWriteGuard<'a, T> {
        RwLockWriteGuard { lock, ownership: Ownership::begin(me) }
    }
}

impl<T: Shape + Sync + ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        self.ownership.check();
        // SAFETY: the segment holds a valid value there (any bytes are one); this thread alone has the lock.
        unsafe { self.lock.data().as_ref() }
    }
}

impl<T: Shape + Sync + ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        self.ownership.check();
        // SAFETY: as for `deref`, and the guard is borrowed for this alone.
        unsafe { self.lock.data().as_mut() }
    }
}

impl<T: Shape + Sync + ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        // Only writers poison, as in std: a reader has no `&mut` to leave half done.
        let me = self.ownership.end(self.lock.machine().writer());
        self.lock.machine().unlock_write(me);
    }
}

// SAFETY: a shared guard gives out `&T` and nothing else.
unsafe impl<T: Shape + Sync + ?Sized> Sync for RwLockWriteGuard<'_, T> {}

impl<T: Shape + Sync + fmt::Debug + ?Sized> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
