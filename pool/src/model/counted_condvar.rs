//! [`CountedCondvar`]: a condition variable that knows whether any thread sleeps.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, MutexGuard};
use std::time::Instant;

use procession_core::os::mutex;

/// A condition variable of one mutex. To notify one on which no thread sleeps is a load here, where the standard library's makes a
/// system call.
#[derive(Debug, Default)]
pub(crate) struct CountedCondvar {
    condvar: Condvar,
    sleepers: AtomicUsize,
}

impl CountedCondvar {
    /// Sleeps once, until it is notified or the deadline has passed.
    pub(crate) fn wait_once<'a, T>(&self, guard: MutexGuard<'a, T>, deadline: Option<Instant>) -> MutexGuard<'a, T> {
        self.sleep(|condvar| mutex::wait_once(condvar, guard, deadline))
    }

    /// Sleeps until the condition holds, or the deadline has passed.
    pub(crate) fn wait_until<T>(
        &self,
        guard: MutexGuard<'_, T>,
        deadline: Option<Instant>,
        condition: impl FnMut(&mut T) -> bool,
    ) {
        drop(self.sleep(|condvar| mutex::wait_until(condvar, guard, deadline, condition)));
    }

    /// Wakes all threads that sleep. The caller has changed the condition under the mutex.
    pub(crate) fn notify_all(&self) {
        // Relaxed: a thread that has not seen the change has counted itself under the mutex, before the caller had that.
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            self.condvar.notify_all();
        }
    }

    /// Counts the thread while it sleeps. It holds the mutex at the beginning.
    fn sleep<R>(&self, sleep: impl FnOnce(&Condvar) -> R) -> R {
        // Relaxed, both: the mutex orders the first, and a count that is too large costs a system call.
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        let slept = sleep(&self.condvar);
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        slept
    }
}
