//! [`Mutex`] and [`MutexGuard`]: data for one thread of one process at a time.

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
use crate::ownership::{LockedBy, Ownership};
use crate::poison::{self, PoisonCause};
use crate::raw::mutex::RawMutex;
use crate::segment::{Machine, Segment};

/// A lock without data, for what lies outside shared memory: a file, a device, the terminal.
///
/// ```
/// let printer = procession_sync::Lock::new(())?;
/// let held = printer.lock().unwrap();
/// // One line at a time, whichever process prints it.
/// assert!(printer.try_lock().is_err());
/// # drop(held);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "multiprocessing.Lock")]
pub type Lock = Mutex<()>;

/// Data in shared memory that one thread of one process at a time may use.
///
/// It is a handle: clones, and copies sent to other processes inside any message, are the same lock. `T` is [`Plain`] data, or
/// a slice of it, `[T]`, whose length is known at run time.
///
/// # When the holder dies
///
/// A waiting thread notices within 50 ms that the lock holder is dead, however it died, and gets the lock inside std's
/// [`PoisonError`](std::sync::PoisonError), as after a panic. A call that only tries notices it within 1 ms. The data is as the dead process left it, perhaps half
/// changed. [`MutexGuard::poisoned_by`] names the process; repair the data and [`clear_poison`](Self::clear_poison), or give up.
///
/// # Differences from `std::sync::Mutex`
///
/// - There is no `into_inner` and no `get_mut`: other processes may have the lock, too.
/// - [`lock_timeout`](Self::lock_timeout) exists.
/// - Making one can fail, for lack of memory.
/// - A guard that is forgotten keeps the lock until its *process* ends.
/// - std's mutex can be serialized by serde as well, but that makes a silent copy. This one is shared.
///
/// # Differences from Python's `Lock`
///
/// - It holds the data, so that it cannot be used without the lock.
/// - Only the holder can unlock it.
/// - A dead holder does not keep it for ever.
/// - Timeouts run on the monotonic clock.
///
/// # Fairness
///
/// None is promised: a thread that locks again at once may get the lock before a thread that was just woken. No thread waits for
/// ever in practice, because the kernel wakes sleepers in the order in which they came.
///
/// # Examples
///
/// ```
/// use procession_sync::Mutex;
///
/// let counter = Mutex::new(0_u64)?;
/// let theirs = counter.clone();
/// std::thread::spawn(move || *theirs.lock().unwrap() += 1).join().unwrap();
/// assert_eq!(*counter.lock().unwrap(), 1);
///
/// let row = Mutex::from_slice(&[1.5, 2.5, 3.5])?;
/// row.lock().unwrap().swap(0, 2);
/// assert_eq!(*row.lock().unwrap(), [3.5, 2.5, 1.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Value")]
#[doc(alias = "Array")]
#[doc(alias = "SynchronizedArray")]
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Mutex<T: Shape + ?Sized> {
    segment: Segment<RawMutex, T>,
}

// SAFETY: `repr(C)`, atomics only, fresh when zeroed.
unsafe impl Machine for RawMutex {
    const KIND: u64 = 1;
    const NAME: &str = "mutex";

    fn as_data_lock(&self) -> Option<&dyn DataLock> {
        Some(self)
    }
}

impl DataLock for RawMutex {
    fn is_held_by(&self, process: ProcessIdentity) -> bool {
        self.holder() == Some(process)
    }
}

impl<T: Plain> Mutex<T> {
    /// Makes a lock around `value`.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let best = procession_sync::Mutex::new((0_u64, 0.0_f64))?;
    /// best.lock().unwrap().1 = 0.5;
    /// assert_eq!(*best.lock().unwrap(), (0, 0.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(value: T) -> Result<Mutex<T>, CreateError> {
        Ok(Mutex { segment: Segment::new(value)? })
    }
}

impl<T: Plain> Mutex<[T]> {
    /// Makes a lock around a slice of `len` values; `value` computes each from its index.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let squares = procession_sync::Mutex::<[u64]>::from_fn(10, |i| i as u64 * i as u64)?;
    /// assert_eq!(squares.lock().unwrap()[9], 81);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_fn(len: usize, value: impl FnMut(usize) -> T) -> Result<Mutex<[T]>, CreateError> {
        Ok(Mutex { segment: Segment::from_fn(len, value)? })
    }

    /// Makes a lock around a copy of `values`.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let row = procession_sync::Mutex::from_slice(b"bytes")?;
    /// row.lock().unwrap().make_ascii_uppercase();
    /// assert_eq!(&*row.lock().unwrap(), b"BYTES");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_slice(values: &[T]) -> Result<Mutex<[T]>, CreateError>
    where
        T: Copy,
    {
        Mutex::from_fn(values.len(), |index| values[index])
    }
}

impl<T: Shape + ?Sized> Mutex<T> {
    /// Waits until the lock is free, and takes it. A thread that holds it already waits for ever.
    ///
    /// # Errors
    ///
    /// [`PoisonError`](std::sync::PoisonError), which has the guard: a holder died or panicked, and the poison was not cleared.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::Mutex::new(1)?;
    /// *lock.lock().unwrap() += 1;
    /// assert_eq!(*lock.lock().unwrap(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "acquire")]
    #[doc(alias = "get_lock")]
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let me = ProcessIdentity::current();
        // Without a deadline it is always taken.
        self.raw().lock(me, None);
        self.guard(me)
    }

    /// Takes the lock if it is free or its holder is dead.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`]: the lock is held. [`TryLockError::Poisoned`]: as for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::Lock::new(())?;
    /// let held = lock.try_lock().unwrap();
    /// assert!(lock.try_lock().is_err());
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let me = ProcessIdentity::current();
        if self.raw().try_lock(me) { Ok(self.guard(me)?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Does what [`lock`](Self::lock) does, and gives up after `timeout`. A zero timeout only tries.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`]: `timeout` has passed. [`TryLockError::Poisoned`]: as for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lock = procession_sync::Lock::new(())?;
    /// let held = lock.lock().unwrap();
    /// assert!(lock.lock_timeout(Duration::from_millis(1)).is_err());
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<MutexGuard<'_, T>> {
        let me = ProcessIdentity::current();
        if self.raw().lock(me, deadline_after(timeout)) { Ok(self.guard(me)?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Returns whether a thread holds the lock now; it may be this one.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::Lock::new(())?;
    /// assert!(!lock.is_locked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "locked")]
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.raw().holder().is_some()
    }

    /// Returns the number of the process that holds the lock now.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::Lock::new(())?;
    /// let held = lock.lock().unwrap();
    /// assert_eq!(lock.locked_by(), Some(std::process::id()));
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn locked_by(&self) -> Option<u32> {
        self.raw().holder().map(ProcessIdentity::pid)
    }

    /// Returns whether a holder has died or panicked since the poison was cleared.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!procession_sync::Lock::new(())?.is_poisoned());
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
    /// assert_eq!(procession_sync::Lock::new(())?.poisoned_by(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poisoned_by(&self) -> Option<PoisonCause> {
        PoisonCause::of(self.raw())
    }

    /// Clears the poison. Do it with the lock held, after a check of the data.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = procession_sync::Mutex::new(5)?;
    /// let mut guard = lock.lock().unwrap_or_else(|poisoned| {
    ///     lock.clear_poison();
    ///     poisoned.into_inner()
    /// });
    /// *guard = 6;
    /// drop(guard);
    /// assert!(!lock.is_poisoned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_poison(&self) {
        self.raw().clear_poison();
    }

    pub(crate) fn raw(&self) -> &RawMutex {
        self.segment.machine()
    }

    /// Returns the address of the data, for guards.
    #[inline]
    pub(crate) fn data(&self) -> NonNull<T> {
        self.segment.data()
    }

    /// Makes the guard of a lock that was just taken.
    #[inline]
    fn guard(&self, me: ProcessIdentity) -> LockResult<MutexGuard<'_, T>> {
        poison::checked(self.raw(), MutexGuard::new(self, me))
    }
}

impl<T: Shape + ?Sized> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Mutex { segment: self.segment.clone() }
    }
}

impl<T: Shape + fmt::Debug + ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => shown.field("data", &&*guard),
            Err(TryLockError::Poisoned(error)) => shown.field("data", &&**error.get_ref()),
            Err(TryLockError::WouldBlock) => shown.field("data", &LockedBy(self.locked_by())),
        };
        shown.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

/// Holds the lock, and gives access to its data, until it is dropped.
///
/// It stays in the thread that took the lock. In a copy of the process it panics when it is used.
///
/// ```compile_fail,E0277
/// let lock = procession_sync::Mutex::new(1).unwrap();
/// let guard = lock.lock().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(move || drop(guard));
/// });
/// ```
///
/// # Examples
///
/// ```
/// let lock = procession_sync::Mutex::new(1)?;
/// let mut guard = lock.lock().unwrap();
/// *guard += 1;
/// drop(guard);
/// assert_eq!(*lock.lock().unwrap(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "if unused the lock is given back at once"]
pub struct MutexGuard<'a, T: Shape + ?Sized> {
    lock: &'a Mutex<T>,
    ownership: Ownership,
}

impl<'a, T: Shape + ?Sized> MutexGuard<'a, T> {
    /// Makes the guard of a lock that was just taken.
    #[inline]
    pub(crate) fn new(lock: &'a Mutex<T>, me: ProcessIdentity) -> MutexGuard<'a, T> {
        MutexGuard { lock, ownership: Ownership::begin(me) }
    }

    /// Returns the holder that died or panicked. Ask the guard inside a [`PoisonError`](std::sync::PoisonError).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Lock, MutexGuard};
    ///
    /// let lock = Lock::new(())?;
    /// if let Err(error) = lock.lock() {
    ///     let cause = MutexGuard::poisoned_by(error.get_ref()).unwrap();
    ///     eprintln!("the data is in doubt: {cause}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poisoned_by(guard: &Self) -> Option<PoisonCause> {
        guard.lock.poisoned_by()
    }

    /// Releases the lock while `sleep` runs, and takes it again.
    pub(crate) fn unlocked_while<R>(&mut self, sleep: impl FnOnce() -> R) -> R {
        self.ownership.check();
        let me = ProcessIdentity::current();
        // The guard stays, because the caller gets it back. It is not usable meanwhile: the wait has it borrowed for itself.
        self.lock.raw().unlock(me);
        let result = sleep();
        // Without a deadline, also for a wait that has one: the caller gets a guard back, and that holds the lock.
        self.lock.raw().lock(me, None);
        result
    }

    /// Returns this guard, as an error when the lock is poisoned by now.
    pub(crate) fn checked(self) -> LockResult<Self> {
        poison::checked(self.lock.raw(), self)
    }
}

impl<T: Shape + ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        self.ownership.check();
        // SAFETY: the segment holds a valid value there (any bytes are one); this process and thread hold the lock, so no other
        // writes to it while the guard is borrowed.
        unsafe { self.lock.data().as_ref() }
    }
}

impl<T: Shape + ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        self.ownership.check();
        // SAFETY: as for `deref`, and the guard is borrowed for this alone, so that there is no reader either.
        unsafe { self.lock.data().as_mut() }
    }
}

impl<T: Shape + ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let me = self.ownership.end(self.lock.raw());
        self.lock.raw().unlock(me);
    }
}

// SAFETY: a shared guard gives out `&T` and nothing else.
unsafe impl<T: Shape + Sync + ?Sized> Sync for MutexGuard<'_, T> {}

impl<T: Shape + fmt::Debug + ?Sized> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Shape + fmt::Display + ?Sized> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
