//! [`Condvar`]: waiting for a condition on data under a [`Mutex`](crate::Mutex).

use std::fmt;
use std::sync::{LockResult, PoisonError};
use std::time::{Duration, Instant};

use procession_core::os::poll::deadline_after;
use serde::{Deserialize, Serialize};

use crate::data::Shape;
use crate::error::CreateError;
use crate::mutex::MutexGuard;
use crate::raw::backoff::Deadline;
use crate::raw::event_count::EventCount;
use crate::segment::{Machine, Segment};
use crate::tuning::MAX_CONDVAR_SLEEP;

/// A condition variable: threads sleep until they are notified that a condition on shared data may hold now.
///
/// Use it with one [`Mutex`](crate::Mutex). It is a handle: clones and copies in other processes are the same.
///
/// # When a waiter dies
///
/// No process waits for a waiter, so that its death does no harm. A notification that it was given and could not act upon
/// is not lost: twice a second each sleeper checks for a notification that it has slept through. A wait without a
/// notification never ends before its timeout; but a notification may end more waits than it was for, as with
/// std's: check the condition in a loop, or use [`wait_while`](Self::wait_while).
///
/// # Differences from Python's `Condition`
///
/// Notifying does not wait for the woken threads, so that it cannot hang. It need not be called with the lock held.
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
    segment: Segment<EventCount, ()>,
}

// SAFETY: a transparent wrapper of one atomic word, fresh when zeroed.
unsafe impl Machine for EventCount {
    const KIND: u64 = 4;
    const NAME: &str = "condition variable";
}

impl Condvar {
    /// Makes a new one.
    ///
    /// # Errors
    ///
    /// [`CreateError::is_out_of_memory`]: there is not enough shared memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let changed = procession_sync::Condvar::new()?;
    /// changed.notify_all(); // wakes no thread, and is not remembered
    /// # Ok::<(), procession_sync::CreateError>(())
    /// ```
    pub fn new() -> Result<Condvar, CreateError> {
        Ok(Condvar { segment: Segment::new(())? })
    }

    /// Releases the lock, sleeps until notified, and takes the lock again. It may end early.
    ///
    /// # Errors
    ///
    /// [`PoisonError`], which has the guard: the lock is poisoned when it is taken again.
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
        self.sleep(guard, None)
    }

    /// Waits as long as `condition` holds.
    ///
    /// # Errors
    ///
    /// [`PoisonError`], as for [`wait`](Self::wait).
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
        // A sleep may end early, as in std: only the condition ends the wait.
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Does what [`wait`](Self::wait) does, for up to `timeout`. The result says whether it has passed.
    ///
    /// # Errors
    ///
    /// [`PoisonError`], as for [`wait`](Self::wait).
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
        let deadline = deadline_after(timeout);
        with_result(self.sleep(guard, deadline), || is_over(deadline))
    }

    /// Waits as long as `condition` holds, up to `timeout`. The result says whether it holds still.
    ///
    /// # Errors
    ///
    /// [`PoisonError`], as for [`wait`](Self::wait).
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
        let deadline = deadline_after(timeout);
        loop {
            if !condition(&mut guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            if is_over(deadline) {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            guard = match self.sleep(guard, deadline) {
                Ok(guard) => guard,
                // Not the loop again: the condition is the caller's code, which must not see data in doubt as if it were whole.
                poisoned => return with_result(poisoned, || is_over(deadline)),
            };
        }
    }

    /// Wakes one sleeper, if there is one.
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
        self.segment.machine().notify(1);
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
        self.segment.machine().notify_all();
    }

    /// Sleeps until notified, or until the deadline, with the lock released.
    fn sleep<'a, T: Shape + ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        deadline: Deadline,
    ) -> LockResult<MutexGuard<'a, T>> {
        let event_count = self.segment.machine();
        // Before the lock is released: a thread that changes the condition after that notifies after this.
        let key = event_count.prepare_wait();
        guard.unlocked_while(|| {
            // The key and not the mark decides: a notification between unlock and sleep has changed the count already.
            while event_count.is_unchanged_since(key) && !is_over(deadline) {
                event_count.wait(key, deadline.into_iter().chain(deadline_after(MAX_CONDVAR_SLEEP)).min());
            }
        });
        guard.checked()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").field("has_waiters", &self.segment.machine().has_waiters()).finish()
    }
}

/// Whether a wait ended because its timeout passed.
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
    /// Returns whether the timeout has passed.
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

fn is_over(deadline: Deadline) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
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
