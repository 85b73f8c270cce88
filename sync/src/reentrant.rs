//! [`ReentrantLock`]: a lock that its holder can take again.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::Duration;

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::data::{Plain, Shape};
use crate::error::CreateError;
use crate::mapped::DataLock;
use crate::ownership::{LockedBy, Ownership};
use crate::poison::{self, PoisonCause};
use crate::raw::reentrant::RawReentrant;
use crate::segment::{Machine, Segment};

/// A lock in shared memory that the holding thread can take again. It is free after as many releases.
///
/// The holder may have several guards at once, so they give shared references only: put atomics inside, or keep the data
/// elsewhere and `()` here. The rest is as for [`Mutex`](crate::Mutex): deaths, timeouts, fairness.
///
/// # Differences from Python's `RLock`
///
/// A dead holder does not keep it for ever, and only guards release it, so that it cannot be released too often.
///
/// # Examples
///
/// ```
/// use procession_sync::ReentrantLock;
///
/// let lock = ReentrantLock::new(())?;
/// let outer = lock.lock().unwrap();
/// let inner = lock.lock().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(|| assert!(lock.try_lock().is_err(), "held by another thread"));
/// });
/// # drop((inner, outer));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "RLock")]
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct ReentrantLock<T: Shape + ?Sized> {
    segment: Segment<RawReentrant, T>,
}

// SAFETY: `repr(C)`, atomics only, fresh when zeroed.
unsafe impl Machine for RawReentrant {
    const KIND: u64 = 2;
    const NAME: &str = "reentrant lock";

    fn as_data_lock(&self) -> Option<&dyn DataLock> {
        Some(self)
    }
}

impl DataLock for RawReentrant {
    fn is_held_by(&self, process: ProcessIdentity) -> bool {
        self.raw().is_held_by(process)
    }
}

impl<T: Plain> ReentrantLock<T> {
    /// Makes a lock around `value`.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::ReentrantLock::new(7)?;
    /// assert_eq!(*lock.lock().unwrap(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(value: T) -> Result<ReentrantLock<T>, CreateError> {
        Ok(ReentrantLock { segment: Segment::new(value)? })
    }
}

impl<T: Shape + ?Sized> ReentrantLock<T> {
    /// Waits until no other thread holds the lock, and takes it.
    ///
    /// # Errors
    ///
    /// [`PoisonError`](std::sync::PoisonError), which has the guard: a holder died or panicked, and the poison was not cleared.
    ///
    /// # Panics
    ///
    /// This thread holds the lock 2^32 - 1 times already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    ///
    /// let lock = procession_sync::ReentrantLock::new(AtomicU64::new(0))?;
    /// lock.lock().unwrap().fetch_add(1, Relaxed);
    /// assert_eq!(lock.lock().unwrap().load(Relaxed), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> LockResult<ReentrantLockGuard<'_, T>> {
        let me = ProcessIdentity::current();
        self.machine().lock(me, this_thread(), None);
        self.guard(me)
    }

    /// Takes the lock if no other living thread holds it.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`]: another thread holds the lock. [`TryLockError::Poisoned`]: as for [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::ReentrantLock::new(())?;
    /// let outer = lock.try_lock().unwrap();
    /// let inner = lock.try_lock().unwrap();
    /// # drop((inner, outer));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_lock(&self) -> TryLockResult<ReentrantLockGuard<'_, T>> {
        let me = ProcessIdentity::current();
        if self.machine().try_lock(me, this_thread()) { Ok(self.guard(me)?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Does what [`lock`](Self::lock) does, and gives up after `timeout`. A zero timeout only tries.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`]: `timeout` has passed. [`TryLockError::Poisoned`]: as for [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::ReentrantLock::new(())?;
    /// let held = lock.lock_timeout(std::time::Duration::MAX).unwrap();
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<ReentrantLockGuard<'_, T>> {
        let me = ProcessIdentity::current();
        if self.machine().lock(me, this_thread(), deadline_after(timeout)) {
            Ok(self.guard(me)?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Returns whether a thread holds the lock now; it may be this one.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!procession_sync::ReentrantLock::new(())?.is_locked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "locked")]
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.locked_by().is_some()
    }

    /// Returns the number of the process that holds the lock now.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::ReentrantLock::new(())?;
    /// let held = lock.lock().unwrap();
    /// assert_eq!(lock.locked_by(), Some(std::process::id()));
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn locked_by(&self) -> Option<u32> {
        self.machine().raw().holder().map(ProcessIdentity::pid)
    }

    /// Returns whether a holder has died or panicked since the poison was cleared.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!procession_sync::ReentrantLock::new(())?.is_poisoned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned_by().is_some()
    }

    /// Returns the holder that died or panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::ReentrantLock::new(())?.poisoned_by(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poisoned_by(&self) -> Option<PoisonCause> {
        PoisonCause::of(self.machine().raw())
    }

    /// Clears the poison. Do it with the lock held, after a check of the data.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::ReentrantLock::new(())?;
    /// lock.clear_poison();
    /// assert!(!lock.is_poisoned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_poison(&self) {
        self.machine().raw().clear_poison();
    }

    fn machine(&self) -> &RawReentrant {
        self.segment.machine()
    }

    fn guard(&self, me: ProcessIdentity) -> LockResult<ReentrantLockGuard<'_, T>> {
        let guard = ReentrantLockGuard { lock: self, ownership: Ownership::begin(me) };
        poison::checked(self.machine().raw(), guard)
    }
}

/// Returns a number that no other thread of this process ever has; a copy of the process goes on with numbers of its own.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static MINE: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    MINE.with(|mine| *mine)
}

impl<T: Shape + ?Sized> Clone for ReentrantLock<T> {
    fn clone(&self) -> Self {
        ReentrantLock { segment: self.segment.clone() }
    }
}

impl<T: Shape + fmt::Debug + ?Sized> fmt::Debug for ReentrantLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ReentrantLock");
        match self.try_lock() {
            Ok(guard) => shown.field("data", &&*guard),
            Err(TryLockError::Poisoned(error)) => shown.field("data", &&**error.get_ref()),
            Err(TryLockError::WouldBlock) => shown.field("data", &LockedBy(self.locked_by())),
        };
        if self.is_locked() {
            shown.field("depth", &self.machine().depth());
        }
        shown.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

/// Holds the lock once more until it is dropped. It stays in the thread that took the lock.
///
/// ```compile_fail,E0277
/// let lock = procession_sync::ReentrantLock::new(1).unwrap();
/// let guard = lock.lock().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(guard));
/// });
/// ```
///
/// # Examples
///
/// ```
/// let lock = procession_sync::ReentrantLock::new(7)?;
/// let guard = lock.lock().unwrap();
/// assert_eq!(*guard, 7);
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "if unused the lock is given back at once"]
pub struct ReentrantLockGuard<'a, T: Shape + ?Sized> {
    lock: &'a ReentrantLock<T>,
    ownership: Ownership,
}

impl<T: Shape + ?Sized> ReentrantLockGuard<'_, T> {
    /// Returns the holder that died or panicked. Ask the guard inside a [`PoisonError`](std::sync::PoisonError).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{ReentrantLock, ReentrantLockGuard};
    ///
    /// let lock = ReentrantLock::new(())?;
    /// let guard = lock.lock().unwrap();
    /// assert_eq!(ReentrantLockGuard::poisoned_by(&guard), None);
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poisoned_by(guard: &Self) -> Option<PoisonCause> {
        guard.lock.poisoned_by()
    }
}

impl<T: Shape + ?Sized> Deref for ReentrantLockGuard<'_, T> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        self.ownership.check();
        // SAFETY: the segment holds a valid value there (any bytes are one); this thread holds the lock, and while it does only
        // it has references, all of them shared.
        unsafe { self.lock.segment.data().as_ref() }
    }
}

impl<T: Shape + ?Sized> Drop for ReentrantLockGuard<'_, T> {
    fn drop(&mut self) {
        let me = self.ownership.end(self.lock.machine().raw());
        self.lock.machine().unlock(me);
    }
}

impl<T: Shape + fmt::Debug + ?Sized> fmt::Debug for ReentrantLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
