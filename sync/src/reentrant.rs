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
use crate::holding::{Holding, LockedBy};
use crate::poison::{self, Culprit};
use crate::raw::reentrant::RawReentrant;
use crate::segment::{Machine, Segment};

/// A lock in shared memory that the thread which holds it can take again, as often as it gives it back.
///
/// As the holder may have several guards at once, they give shared references only: put atomics inside, or keep the data
/// elsewhere and `()` here. All else is as for [`Mutex`](crate::Mutex): what happens when the holder dies, timeouts, fairness.
///
/// # Differences from Python's `RLock`
///
/// A dead holder does not keep it for ever, and only guards give it back, so nobody can give it back too often.
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
}

impl<T: Plain> ReentrantLock<T> {
    /// Makes a lock around a value.
    ///
    /// # Errors
    ///
    /// There is not enough shared memory.
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
    /// A holder died or panicked and nobody has cleared the poison: the error holds the guard.
    ///
    /// # Panics
    ///
    /// This thread holds it 2^32 - 1 times already.
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
        self.machine().lock(ProcessIdentity::current(), this_thread(), None);
        self.guard()
    }

    /// Takes the lock if no other thread holds it; the dead do not count.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when another thread holds it, else as for [`lock`](Self::lock).
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
        if self.machine().try_lock(ProcessIdentity::current(), this_thread()) {
            Ok(self.guard()?)
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
        if self.machine().lock(ProcessIdentity::current(), this_thread(), deadline_after(timeout)) {
            Ok(self.guard()?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Whether a thread holds the lock at this moment, perhaps this one.
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

    /// The number of the process that holds the lock at this moment.
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

    /// Whether a holder died or panicked since the poison was last cleared.
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

    /// The holder that died or panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_sync::ReentrantLock::new(())?.poisoned_by(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poisoned_by(&self) -> Option<Culprit> {
        Culprit::of(self.machine().raw())
    }

    /// Declares the data to be in order again. Do it while holding the lock, after a look at the data.
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
        self.machine().raw().absolve();
    }

    fn machine(&self) -> &RawReentrant {
        self.segment.machine()
    }

    fn guard(&self) -> LockResult<ReentrantLockGuard<'_, T>> {
        let guard = ReentrantLockGuard { lock: self, holding: Holding::begin() };
        poison::checked(self.machine().raw(), guard)
    }
}

/// A number that no other thread of this process ever has; a copy of the process goes on with the numbers of its own.
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

/// The lock is held once more until this is dropped. It stays in the thread that took the lock.
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
    holding: Holding,
}

impl<T: Shape + ?Sized> ReentrantLockGuard<'_, T> {
    /// The holder that died or panicked; ask the guard inside a [`PoisonError`](std::sync::PoisonError).
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
    pub fn poisoned_by(guard: &Self) -> Option<Culprit> {
        guard.lock.poisoned_by()
    }
}

impl<T: Shape + ?Sized> Deref for ReentrantLockGuard<'_, T> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        self.holding.check();
        // SAFETY: the segment holds a valid value there (any bytes are one); this thread holds the lock, and while it does only
        // it has references, all of them shared.
        unsafe { self.lock.segment.data().as_ref() }
    }
}

impl<T: Shape + ?Sized> Drop for ReentrantLockGuard<'_, T> {
    fn drop(&mut self) {
        let me = self.holding.end(self.lock.machine().raw());
        self.lock.machine().unlock(me);
    }
}

impl<T: Shape + fmt::Debug + ?Sized> fmt::Debug for ReentrantLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
