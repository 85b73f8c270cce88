//! [`Condvar`]: waiting for a condition on data under a [`Mutex`](crate::Mutex).

use std::fmt;
use std::sync::{LockResult, PoisonError};
use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::data::Shape;
use crate::error::CreateError;
use crate::mutex_guard::MutexGuard;
use crate::raw::bell::Bell;
use crate::raw::patience::Deadline;
use crate::segment::{Machine, Segment};

/// A place to sleep until somebody says that a condition on shared data may hold now.
///
/// Use it with one [`Mutex`](crate::Mutex). A handle: clones and copies in other processes are the same.
///
/// # When a waiter dies
///
/// Nobody waits for a waiter, so its death hurts nobody. A notification that it was given and could not act upon any more
/// is made up for: twice a second each sleeper looks whether there was a notification that it has slept through. A wait that
/// nobody has notified never ends before its time; but a notification may end more waits than it was for, as with
/// std's: check the condition in a loop, or use [`wait_while`](Self::wait_while).
///
/// # Differences from Python's `Condition`
///
/// `notify` does not wait for those it wakes, so it cannot hang. It need not be called under the lock.
///
/// # Examples
///
/// ```
/// use procession_sync::{Condvar, Mutex};
///
/// let (ready, changed) = (Mutex::new(0_u32)?, Condvar::new()?);
/// let theirs = (ready.clone(), changed.clone());
/// let other = std::thread::spawn(move || {
///     *theirs.0.lock().unwrap() = 7;
///     theirs.1.notify_one();
/// });
/// let guard = changed.wait_while(ready.lock().unwrap(), |ready| *ready == 0).unwrap();
/// assert_eq!(*guard, 7);
/// # drop(guard);
/// # other.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Condition")]
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Condvar {
    segment: Segment<Bell, ()>,
}

// SAFETY: a transparent wrapper of one atomic word, fresh when zeroed.
unsafe impl Machine for Bell {
    const KIND: u64 = 4;
    const NAME: &str = "condition variable";
}

/// The longest sleep, in ms, before looking whether the bell rang. It makes up for a notification that died with a waiter that had it:
/// a larger value makes that rare case last longer, a smaller one wakes idle processors more often.
const NAP: Duration = Duration::from_millis(500);

impl Condvar {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// There is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let changed = procession_sync::Condvar::new()?;
    /// changed.notify_all(); // wakes nobody, and is not remembered
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn new() -> Result<Condvar, CreateError> {
        Ok(Condvar { segment: Segment::new(())? })
    }

    /// Gives the lock up, sleeps until notified, and takes the lock again. May end early.
    ///
    /// # Errors
    ///
    /// The lock is poisoned when it is taken again: the error holds the guard.
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_sync::{Condvar, Mutex};
    /// # let (ready, changed) = (Mutex::new(1)?, Condvar::new()?);
    /// let mut guard = ready.lock().unwrap();
    /// while *guard == 0 {
    ///     guard = changed.wait(guard).unwrap();
    /// }
    /// assert_eq!(*guard, 1);
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait<'a, T: Shape + ?Sized>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.nap(guard, None)
    }

    /// Waits as long as `condition` holds.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_sync::{Condvar, Mutex};
    /// # let (ready, changed) = (Mutex::new(1)?, Condvar::new()?);
    /// let guard = changed.wait_while(ready.lock().unwrap(), |ready| *ready == 0).unwrap();
    /// assert_eq!(*guard, 1);
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "wait_for")]
    pub fn wait_while<'a, T: Shape + ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// As [`wait`](Self::wait), but for a limited time. The result says whether it is over.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_sync::{Condvar, Mutex};
    /// # let (ready, changed) = (Mutex::new(1)?, Condvar::new()?);
    /// let (guard, result) = changed.wait_timeout(ready.lock().unwrap(), std::time::Duration::from_millis(1)).unwrap();
    /// assert!(result.timed_out());
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout<'a, T: Shape + ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let until = deadline_after(timeout);
        with_result(self.nap(guard, until), || is_over(until))
    }

    /// Waits as long as `condition` holds, but for a limited time. The result says whether it holds still.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_sync::{Condvar, Mutex};
    /// # let (ready, changed) = (Mutex::new(1)?, Condvar::new()?);
    /// let second = std::time::Duration::from_secs(1);
    /// let (guard, result) = changed.wait_timeout_while(ready.lock().unwrap(), second, |ready| *ready == 0).unwrap();
    /// assert!(!result.timed_out());
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout_while<'a, T: Shape + ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let until = deadline_after(timeout);
        loop {
            if !condition(&mut guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            if is_over(until) {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            guard = match self.nap(guard, until) {
                Ok(guard) => guard,
                poisoned => return with_result(poisoned, || is_over(until)),
            };
        }
    }

    /// Wakes one sleeper, if there is any.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condvar, Mutex};
    ///
    /// let (ready, changed) = (Mutex::new(0)?, Condvar::new()?);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| drop(changed.wait_while(ready.lock().unwrap(), |ready| *ready == 0).unwrap()));
    ///     *ready.lock().unwrap() = 1;
    ///     changed.notify_one();
    /// });
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    #[doc(alias = "notify")]
    pub fn notify_one(&self) {
        self.segment.machine().ring(1);
    }

    /// Wakes all sleepers.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_sync::{Condvar, Mutex};
    ///
    /// let (ready, changed) = (Mutex::new(0)?, Condvar::new()?);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| drop(changed.wait_while(ready.lock().unwrap(), |ready| *ready == 0).unwrap()));
    ///     scope.spawn(|| drop(changed.wait_while(ready.lock().unwrap(), |ready| *ready == 0).unwrap()));
    ///     *ready.lock().unwrap() = 1;
    ///     changed.notify_all();
    /// });
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn notify_all(&self) {
        self.segment.machine().ring_all();
    }

    /// Sleeps until notified, or until the deadline, with the lock given up.
    fn nap<'a, T: Shape + ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        until: Deadline,
    ) -> LockResult<MutexGuard<'a, T>> {
        let bell = self.segment.machine();
        // Before the lock is given up: whoever changes the condition after that rings after this.
        let ticket = bell.listen();
        guard.without(|| {
            while bell.is_silent_since(ticket) && !is_over(until) {
                bell.wait(ticket, until.into_iter().chain(deadline_after(NAP)).min());
            }
        });
        guard.checked()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").field("has_waiters", &self.segment.machine().has_listeners()).finish()
    }
}

/// Whether a wait ended because its time was over.
///
/// # Examples
///
/// ```
/// # use procession_sync::{Condvar, Mutex};
/// # let (ready, changed) = (Mutex::new(1)?, Condvar::new()?);
/// let (guard, result) = changed.wait_timeout(ready.lock().unwrap(), std::time::Duration::ZERO).unwrap();
/// assert!(result.timed_out());
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use procession_sync::{Condvar, Mutex};
    /// # let (ready, changed) = (Mutex::new(1)?, Condvar::new()?);
    /// let ever = std::time::Duration::MAX;
    /// let (guard, result) = changed.wait_timeout_while(ready.lock().unwrap(), ever, |ready| *ready == 0).unwrap();
    /// assert!(!result.timed_out());
    /// # drop(guard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

fn is_over(until: Deadline) -> bool {
    until.is_some_and(|until| until <= Instant::now())
}

fn with_result<'a, T: Shape + ?Sized>(
    woken: LockResult<MutexGuard<'a, T>>,
    over: impl Fn() -> bool,
) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
    match woken {
        Ok(guard) => Ok((guard, WaitTimeoutResult(over()))),
        Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), WaitTimeoutResult(over())))),
    }
}
