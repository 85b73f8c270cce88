//! Helpers for std's mutexes and condition variables where a panic of another thread does no harm to the data.

use std::sync::{Condvar, LockResult, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Locks `mutex`, poisoned or not.
///
/// Use it only where the data is right after each statement, so that a panic between two of them leaves nothing half done.
///
/// ```
/// use procession_core::os::mutex::lock;
///
/// let count = std::sync::Mutex::new(1);
/// *lock(&count) += 1;
/// assert_eq!(*lock(&count), 2);
/// ```
#[inline]
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    ignore_poison(mutex.lock())
}

/// Returns what std returned, poisoned or not.
#[inline]
pub fn ignore_poison<G>(result: LockResult<G>) -> G {
    result.unwrap_or_else(PoisonError::into_inner)
}

/// Sleeps until `condvar` is notified or `deadline` has passed (`None`: never). It may wake earlier, as all condition variables.
pub fn wait_once<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, deadline: Option<Instant>) -> MutexGuard<'a, T> {
    match deadline {
        None => ignore_poison(condvar.wait(guard)),
        Some(at) => ignore_poison(condvar.wait_timeout(guard, at.saturating_duration_since(Instant::now()))).0,
    }
}

/// Sleeps until `take` returns something, and returns it; `None` when `deadline` has passed (`None`: never) and there is nothing.
///
/// ```
/// use procession_core::os::{mutex::{lock, wait_for}, poll::deadline_after};
/// use std::{sync::{Condvar, Mutex}, thread, time::Duration};
///
/// let (items, arrived) = (Mutex::new(Vec::new()), Condvar::new());
/// assert_eq!(wait_for(&arrived, lock(&items), deadline_after(Duration::ZERO), Vec::pop).1, None);
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         lock(&items).push(7);
///         arrived.notify_one();
///     });
///     assert_eq!(wait_for(&arrived, lock(&items), None, Vec::pop).1, Some(7));
/// });
/// ```
pub fn wait_for<'a, T, R>(
    condvar: &Condvar,
    mut guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
    mut take: impl FnMut(&mut T) -> Option<R>,
) -> (MutexGuard<'a, T>, Option<R>) {
    loop {
        // Looked at once more after the deadline: what came at the last moment is taken and not left behind.
        let taken = take(&mut guard);
        if taken.is_some() || deadline.is_some_and(|at| at <= Instant::now()) {
            return (guard, taken);
        }
        guard = wait_once(condvar, guard, deadline);
    }
}

/// Sleeps until `condition` is true or `deadline` has passed (`None`: never). Returns whether it is true.
///
/// ```
/// use procession_core::os::mutex::{lock, wait_until};
/// use std::{sync::{Condvar, Mutex}, time::Instant};
///
/// let (count, changed) = (Mutex::new(3), Condvar::new());
/// let (count, is_met) = wait_until(&changed, lock(&count), Some(Instant::now()), |count| *count > 3);
/// assert_eq!((*count, is_met), (3, false));
/// ```
pub fn wait_until<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
    mut condition: impl FnMut(&mut T) -> bool,
) -> (MutexGuard<'a, T>, bool) {
    let (guard, met) = wait_for(condvar, guard, deadline, |value| condition(value).then_some(()));
    (guard, met.is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{lock, wait_until};

    #[test]
    fn a_poisoned_mutex_is_locked() {
        let mutex = Mutex::new(1);
        thread::scope(|scope| {
            let panicked = scope.spawn(|| {
                let _guard = lock(&mutex);
                panic!("poison the mutex");
            });
            panicked.join().expect_err("the thread should have panicked");
        });
        assert!(mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 1);
    }

    #[test]
    fn a_condition_that_is_met_needs_no_time() {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        assert!(wait_until(&condvar, lock(&mutex), Some(Instant::now()), |()| true).1);
    }

    #[test]
    fn a_wait_without_notification_lasts_until_its_deadline() {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let deadline = Instant::now() + Duration::from_millis(20);
        assert!(!wait_until(&condvar, lock(&mutex), Some(deadline), |()| false).1);
        assert!(Instant::now() >= deadline);
    }
}
