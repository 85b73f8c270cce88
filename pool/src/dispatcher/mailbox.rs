//! [`Mailbox`]: where the outcomes of one job wait for the thread that takes them.
//!
//! The dispatcher delivers under the pool's lock, and the caller takes without it. So a caller that decodes results, which runs
//! code of the user's, holds up no other. The two estimates beside the outcomes reach the caller the same way.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use procession_core::os::mutex;

use crate::model::catch::catch;
use crate::model::counted_condvar::CountedCondvar;
use crate::wire::results::ResultBatch;

thread_local! {
    /// Whether this thread is calling a listener.
    static IS_CALLING: Cell<bool> = const { Cell::new(false) };
}

/// The outcomes of one job, in the order in which they arrived.
#[derive(Default)]
pub(crate) struct Mailbox {
    inbox: Mutex<Inbox>,
    delivered: CountedCondvar,
    /// Whether there are outcomes. It spares the lock.
    has_some: AtomicBool,
    /// The number of times that a thread has taken the wait for outcomes over from another one.
    takeovers: AtomicU64,
    /// The number of tasks that a worker is sent ahead; see [`Chunking`](crate::scheduler).
    prefetch_depth: AtomicUsize,
    /// The average duration of a task in nanoseconds; 0 if unknown.
    avg_nanos: AtomicU64,
}

/// What the lock of a mailbox protects.
#[derive(Default)]
struct Inbox {
    batches: Vec<ResultBatch>,
    /// The number of tasks in the batches, and whether one of them has failed.
    count: u64,
    has_failure: bool,
    /// The number of outcomes at which a sleeping caller is woken; a failure wakes it as well. Meaningless while none sleeps.
    wanted: u64,
    is_asleep: bool,
    listener: Option<Listener>,
}

impl Inbox {
    /// Moves outcomes out of `batches`, and counts them.
    fn add(&mut self, batches: &mut Vec<ResultBatch>) {
        self.count += batches.iter().map(ResultBatch::count).sum::<u64>();
        self.has_failure |= batches.iter().any(ResultBatch::is_failure);
        self.batches.append(batches);
    }

    /// Returns whether a caller that sleeps is to be woken.
    fn is_enough(&self) -> bool {
        self.count >= self.wanted.max(1) || self.has_failure
    }
}

/// A function that is called after a delivery, when the pool's lock has been released.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Fn() + Send + Sync>);

impl Listener {
    pub(crate) fn new(listener: impl Fn() + Send + Sync + 'static) -> Listener {
        Listener(Arc::new(listener))
    }

    /// Calls the function. The calling thread holds no lock of the pool.
    pub(crate) fn call(&self) {
        let outer = IS_CALLING.replace(true);
        // A panic has been written to standard error, and concerns no other caller.
        let _panicked = catch(|| (self.0)());
        IS_CALLING.set(outer);
    }

    /// Returns whether the calling thread is in a listener, which it has interrupted its own wait for.
    pub(crate) fn is_calling() -> bool {
        IS_CALLING.get()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// A wait for the outcomes in a mailbox.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    pub(super) mailbox: &'a Mailbox,
    /// Where tasks take long, the caller is not woken for fewer outcomes.
    pub(super) wanted: u64,
    pub(super) deadline: Option<Instant>,
    /// The count of takeovers at which this wait began. It ends at the next one.
    pub(super) takeovers: u64,
}

impl Wait<'_> {
    /// Returns whether there are outcomes, or another thread has taken over.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.mailbox.has_some() || self.mailbox.takeovers() != self.takeovers
    }

    /// Returns whether the deadline has passed.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|at| at <= Instant::now())
    }
}

/// What follows from a delivery.
#[derive(Default)]
pub(super) struct Delivered {
    /// Whether it wakes a caller that slept.
    pub(super) wakes_caller: bool,
    pub(super) listener: Option<Listener>,
}

impl Mailbox {
    /// Adds outcomes, and wakes a caller that sleeps for them.
    pub(super) fn deliver(&self, batches: &mut Vec<ResultBatch>) -> Delivered {
        if batches.is_empty() {
            return Delivered::default();
        }
        let mut inbox = self.lock();
        let was_enough = inbox.is_enough();
        inbox.add(batches);
        let is_enough = inbox.is_enough();
        // Pairs with the Acquire in `has_some`; the outcomes themselves are read under the lock.
        self.has_some.store(true, Ordering::Release);
        let listener = inbox.listener.clone();
        let wakes_caller = is_enough && std::mem::take(&mut inbox.is_asleep);
        drop(inbox);
        // No caller sleeps while there is enough.
        if is_enough && !was_enough {
            self.delivered.notify_all();
        }
        Delivered { wakes_caller, listener }
    }

    /// Installs a listener, which is called after each delivery from now on, and immediately if there are outcomes.
    pub(crate) fn set_listener(&self, listener: Listener) {
        self.lock().listener = Some(listener.clone());
        // Outcomes that came before have called no listener. It may take them out, so it is called without the lock.
        if self.has_some() {
            listener.call();
        }
    }

    /// Returns whether there are outcomes that were not taken.
    #[inline]
    pub(crate) fn has_some(&self) -> bool {
        // Pairs with the Release in `deliver`.
        self.has_some.load(Ordering::Acquire)
    }

    /// Moves the outcomes that there are to `taken`.
    pub(crate) fn take(&self, taken: &mut VecDeque<ResultBatch>) {
        if self.has_some() {
            self.drain(&mut self.lock(), taken);
        }
    }

    /// Does what [`take`](Mailbox::take) does, in a copy of the process that owns the job.
    ///
    /// If a thread of the original was delivering when the copy was made, nothing ever unlocks the mailbox here. Then nothing has arrived.
    pub(crate) fn take_in_copy(&self, taken: &mut VecDeque<ResultBatch>) {
        match self.inbox.try_lock() {
            Ok(mut inbox) => self.drain(&mut inbox, taken),
            Err(TryLockError::Poisoned(poisoned)) => self.drain(&mut poisoned.into_inner(), taken),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    fn drain(&self, inbox: &mut Inbox, taken: &mut VecDeque<ResultBatch>) {
        // Relaxed: `deliver` sets it under the lock, which this thread holds.
        self.has_some.store(false, Ordering::Relaxed);
        (inbox.count, inbox.has_failure) = (0, false);
        taken.extend(inbox.batches.drain(..));
    }

    /// Waits for outcomes, until another thread takes over.
    pub(crate) fn wait(&self, wanted: u64, deadline: Option<Instant>, takeovers: u64) -> Wait<'_> {
        Wait { mailbox: self, wanted, deadline, takeovers }
    }

    /// Returns the number of times that a thread has taken over from another one.
    #[inline]
    pub(crate) fn takeovers(&self) -> u64 {
        // Relaxed: a thread that sees it late goes on to wait for a moment. One that sleeps reads it under the lock.
        self.takeovers.load(Ordering::Relaxed)
    }

    /// Ends all waits that have begun.
    pub(crate) fn take_over(&self) {
        let inbox = self.lock();
        // Relaxed: the lock orders it for threads that are about to sleep.
        self.takeovers.fetch_add(1, Ordering::Relaxed);
        drop(inbox);
        self.delivered.notify_all();
    }

    /// Sleeps until `wanted` outcomes have arrived, or a failure, or the wait is taken over, or the deadline has passed. Another thread
    /// must drive the dispatch.
    pub(super) fn sleep(&self, wanted: u64, wait: &Wait<'_>) {
        let mut inbox = self.lock();
        // Written under the lock, so that a delivery either sees it or has come before.
        inbox.wanted = wanted;
        self.delivered.wait_until(inbox, wait.deadline, |inbox| {
            let is_enough = inbox.is_enough() || self.takeovers() != wait.takeovers;
            // Only where the caller does sleep: the pool's own thread leaves the rings to a caller that was woken.
            inbox.is_asleep |= !is_enough;
            is_enough
        });
    }

    // Relaxed in the four below: each value is an estimate of its own.

    /// Publishes how long a task takes. By that a caller polls or sleeps.
    pub(super) fn set_avg_duration(&self, avg: Duration) {
        self.avg_nanos.store(u64::try_from(avg.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns the average duration of a task; zero while it is unknown.
    pub(crate) fn avg_duration(&self) -> Duration {
        Duration::from_nanos(self.avg_nanos.load(Ordering::Relaxed))
    }

    /// Publishes how many tasks a worker is sent ahead. By that a caller reads its input ahead.
    pub(super) fn set_prefetch_depth(&self, depth: usize) {
        self.prefetch_depth.store(depth, Ordering::Relaxed);
    }

    /// Returns the number of tasks that a worker is sent ahead. At least 1.
    pub(crate) fn prefetch_depth(&self) -> usize {
        self.prefetch_depth.load(Ordering::Relaxed).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        mutex::lock(&self.inbox)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("has_some", &self.has_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure_info::{FailureInfo, FailureKind, WorkerInfo};
    use crate::wire::results::RawResults;

    fn failed(first: u64) -> ResultBatch {
        ResultBatch::error(first, 1, FailureInfo::of(None, FailureKind::Unreadable(String::new())))
    }

    fn values(first: u64, count: u64) -> ResultBatch {
        let worker = WorkerInfo { name: "worker".into(), pid: 1, host: None };
        let (descriptors, buffers) = (VecDeque::new(), VecDeque::new());
        ResultBatch::values(first, count, RawResults { bytes: Vec::new(), offset: 0, descriptors, buffers, worker })
    }

    #[test]
    fn a_sleeping_caller_is_woken_by_enough_outcomes_or_by_a_failure() {
        for last in [values(3, 7), failed(3)] {
            let (mailbox, mut taken) = (Mailbox::default(), VecDeque::new());
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    mailbox.deliver(&mut vec![values(0, 3)]);
                    mailbox.deliver(&mut vec![last]);
                });
                mailbox.sleep(10, &mailbox.wait(10, None, 0));
            });
            mailbox.take(&mut taken);
            assert_eq!(taken.len(), 2);
            // Taken outcomes do not count a second time.
            mailbox.deliver(&mut vec![values(10, 1)]);
            mailbox.sleep(2, &mailbox.wait(2, Some(Instant::now()), 0));
            assert!(mailbox.has_some() && !mailbox.lock().is_enough());
        }
    }

    #[test]
    fn a_copy_does_not_wait_for_a_lock_that_it_has_inherited() {
        let (mailbox, mut taken) = (Mailbox::default(), VecDeque::new());
        mailbox.deliver(&mut vec![values(0, 3)]);
        // As of a thread that delivers and is not part of the copy.
        let inherited = mailbox.lock();
        mailbox.take_in_copy(&mut taken);
        assert!(taken.is_empty());
        drop(inherited);
        mailbox.take_in_copy(&mut taken);
        assert_eq!(taken.len(), 1);
    }
}
