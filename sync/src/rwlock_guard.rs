//! [`RwLockReadGuard`] and [`RwLockWriteGuard`]: the proof that a lock is held.

use std::fmt;
use std::ops::{Deref, DerefMut};

use procession_core::os::identity::ProcessIdentity;

use crate::data::Shape;
use crate::holding::Holding;
use crate::raw::rwlock::Slot;
use crate::rwlock::RwLock;

/// The lock is held for reading until this is dropped. It stays in the thread that took it.
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
    holding: Holding,
}

impl<'a, T: Shape + Sync + ?Sized> RwLockReadGuard<'a, T> {
    /// For one who has just claimed the slot.
    pub(crate) fn new(lock: &'a RwLock<T>, slot: Slot) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard { lock, slot, holding: Holding::begin() }
    }
}

impl<T: Shape + Sync + ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        self.holding.check();
        // SAFETY: the segment holds a valid value there (any bytes are one), and nobody writes while this slot is claimed.
        unsafe { self.lock.data().as_ref() }
    }
}

impl<T: Shape + Sync + ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.machine().done_reading(ProcessIdentity::current(), self.slot);
    }
}

// SAFETY: a shared guard gives out `&T` and nothing else.
unsafe impl<T: Shape + Sync + ?Sized> Sync for RwLockReadGuard<'_, T> {}

impl<T: Shape + Sync + fmt::Debug + ?Sized> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The lock is held for writing until this is dropped. It stays in the thread that took it.
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
    holding: Holding,
}

impl<'a, T: Shape + Sync + ?Sized> RwLockWriteGuard<'a, T> {
    /// For one who has just taken the lock.
    pub(crate) fn new(lock: &'a RwLock<T>) -> RwLockWriteGuard<'a, T> {
        RwLockWriteGuard { lock, holding: Holding::begin() }
    }
}

impl<T: Shape + Sync + ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        self.holding.check();
        // SAFETY: the segment holds a valid value there (any bytes are one); this thread alone has the lock.
        unsafe { self.lock.data().as_ref() }
    }
}

impl<T: Shape + Sync + ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        self.holding.check();
        // SAFETY: as for `deref`, and the guard is borrowed for this alone.
        unsafe { self.lock.data().as_mut() }
    }
}

impl<T: Shape + Sync + ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        let me = self.holding.end(self.lock.machine().writer());
        self.lock.machine().done_writing(me);
    }
}

// SAFETY: a shared guard gives out `&T` and nothing else.
unsafe impl<T: Shape + Sync + ?Sized> Sync for RwLockWriteGuard<'_, T> {}

impl<T: Shape + Sync + fmt::Debug + ?Sized> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
