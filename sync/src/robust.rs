//! [`RobustLock`]: the lock word alone, for the other crates of this workspace that keep locks in shared memory of their own.

use std::time::Instant;

use procession_core::os::identity::ProcessIdentity;

use crate::raw::mutex::RawMutex;

/// A lock in memory of the caller: 16 bytes, free when they are zeros. A lock whose holder died can be taken over.
///
/// ```
/// use procession_sync::RobustLock;
///
/// let mapping = procession_core::Mapping::new(64)?;
/// // SAFETY: a page that stays mapped, zeros are a free lock, and it is made of atomics.
/// let lock: &RobustLock = unsafe { mapping.as_ptr().cast().as_ref() };
/// let guard = lock.lock();
/// assert!(!guard.after_a_death());
/// # Ok::<(), procession_core::MappingError>(())
/// ```
#[doc(hidden)]
#[repr(transparent)]
#[derive(Debug)]
pub struct RobustLock(RawMutex);

/// Holds the lock until it is dropped.
#[doc(hidden)]
#[derive(Debug)]
pub struct RobustGuard<'a> {
    lock: &'a RobustLock,
    me: ProcessIdentity,
}

impl RobustLock {
    /// Waits until the lock is free, and takes it.
    #[inline]
    pub fn lock(&self) -> RobustGuard<'_> {
        let me = ProcessIdentity::current();
        // Without a deadline it is always taken.
        let _taken = self.0.lock(me, None);
        RobustGuard { lock: self, me }
    }

    /// Waits until the lock is free or the deadline has passed (`None`: never). The deadline is computed only
    /// when the lock is not free, because a look at the clock takes longer than a lock.
    #[inline]
    pub fn lock_until(&self, deadline: impl FnOnce() -> Option<Instant>) -> Option<RobustGuard<'_>> {
        let me = ProcessIdentity::current();
        // Not `then_some`: a guard that is made and dropped would unlock what another thread of this process holds.
        let taken = self.0.try_lock_if_free(me) || self.0.lock_slow(me, deadline());
        taken.then(|| RobustGuard { lock: self, me })
    }

    /// Takes the lock if it is free, or if its holder is dead.
    pub fn try_lock(&self) -> Option<RobustGuard<'_>> {
        let me = ProcessIdentity::current();
        self.0.try_lock(me).then(|| RobustGuard { lock: self, me })
    }

    /// Returns the number of the process that holds the lock now.
    pub fn holder(&self) -> Option<u32> {
        self.0.holder().map(ProcessIdentity::pid)
    }

    /// Returns whether the lock is held now.
    pub fn is_held(&self) -> bool {
        self.0.holder().is_some()
    }
}

impl RobustGuard<'_> {
    /// Returns whether a holder has died since the last [`clear_poison`](Self::clear_poison), so that its work may be half
    /// done.
    #[inline]
    pub fn after_a_death(&self) -> bool {
        self.lock.0.poisoned_by().is_some()
    }

    /// Clears the record of a death.
    pub fn clear_poison(&self) {
        self.lock.0.clear_poison();
    }
}

impl Drop for RobustGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.lock.0.unlock(self.me);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lock_that_is_held_is_given_up_at_the_deadline() {
        let mapping = procession_core::Mapping::new(64).expect("there is memory");
        // SAFETY: a page that stays mapped, zeros are a free lock, and it is made of atomics.
        let lock: &RobustLock = unsafe { mapping.as_ptr().cast().as_ref() };
        let guard = lock.lock();
        assert!(lock.try_lock().is_none());
        assert!(lock.lock_until(|| Instant::now().checked_add(Duration::from_millis(1))).is_none());
        drop(guard);
        let guard = lock.lock_until(|| unreachable!("it is free"));
        assert!(guard.is_some_and(|guard| !guard.after_a_death()));
        assert!(lock.try_lock().is_some());
    }
}
