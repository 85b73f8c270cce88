//! [`MutexGuard`]: the proof that a lock is held.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::LockResult;

use procession_core::os::identity::ProcessIdentity;

use crate::data::Shape;
use crate::holding::Holding;
use crate::mutex::Mutex;
use crate::poison::{self, Culprit};

/// The lock is held, and its data can be used, until this is dropped.
///
/// It stays in the thread that took the lock, and is of no use in a copy of the process: using it there panics.
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
    holding: Holding,
}

impl<'a, T: Shape + ?Sized> MutexGuard<'a, T> {
    /// For one who has just taken the lock.
    #[inline]
    pub(crate) fn new(lock: &'a Mutex<T>) -> MutexGuard<'a, T> {
        MutexGuard { lock, holding: Holding::begin() }
    }

    /// The holder that died or panicked; ask the guard inside a [`PoisonError`](std::sync::PoisonError).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Lock, MutexGuard};
    ///
    /// let lock = Lock::new(())?;
    /// if let Err(error) = lock.lock() {
    ///     let culprit = MutexGuard::poisoned_by(error.get_ref()).unwrap();
    ///     eprintln!("the data is in doubt: {culprit}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poisoned_by(guard: &Self) -> Option<Culprit> {
        guard.lock.poisoned_by()
    }

    /// Gives the lock up while `nap` runs, and takes it again.
    pub(crate) fn without<R>(&mut self, nap: impl FnOnce() -> R) -> R {
        self.holding.check();
        let me = ProcessIdentity::current();
        self.lock.raw().unlock(me);
        let result = nap();
        self.lock.raw().lock(me, None);
        result
    }

    /// This guard, as an error when the lock is poisoned by now.
    pub(crate) fn checked(self) -> LockResult<Self> {
        poison::checked(self.lock.raw(), self)
    }
}

impl<T: Shape + ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        self.holding.check();
        // SAFETY: the segment holds a valid value there (any bytes are one); this process and thread hold the lock, so nobody
        // writes to it while the guard is borrowed.
        unsafe { self.lock.data().as_ref() }
    }
}

impl<T: Shape + ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        self.holding.check();
        // SAFETY: as for `deref`, and the guard is borrowed for this alone, so nobody reads either.
        unsafe { self.lock.data().as_mut() }
    }
}

impl<T: Shape + ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let me = self.holding.end(self.lock.raw());
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
