//! [`Status`]: the state of a pool as its owner sees it.
//!
//! It has a lock of its own, so that a thread may wait for the end of a pool without keeping others from using it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use procession_core::os::mutex;

use crate::model::failure_info::FailureKind;
use crate::model::pool_error::PoolError;
use crate::model::tuning::MAX_FINALIZER_ERRORS;

/// The state of a pool, which threads can wait for.
#[derive(Debug, Default)]
pub(crate) struct Status {
    state: Mutex<State>,
    changed: Condvar,
    /// The number of workers that the pool keeps, at most.
    workers: AtomicUsize,
    pub(super) counts: Counts,
}

/// What the lock of a status protects. No flag is ever cleared.
#[derive(Debug, Default)]
struct State {
    ready: bool,
    terminated: bool,
    broken: Option<PoolError>,
    ended: bool,
    finalizer_errors: Vec<PoolError>,
}

/// The numbers of tasks, by outcome.
#[derive(Debug, Default)]
pub(super) struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
}

impl Status {
    /// Returns the number of workers that the pool keeps, at most.
    pub(crate) fn workers(&self) -> usize {
        // Relaxed: the number orders nothing.
        self.workers.load(Ordering::Relaxed)
    }

    /// Records how many workers the pool keeps, at most.
    pub(crate) fn set_workers(&self, workers: usize) {
        self.workers.store(workers, Ordering::Relaxed);
    }

    /// Records that the pool keeps `more` workers than before, and returns how many that are.
    pub(super) fn add_workers(&self, more: usize) -> usize {
        self.workers.fetch_add(more, Ordering::Relaxed) + more
    }

    /// Records that a worker has been ready.
    pub(super) fn set_ready(&self) {
        self.change(|state| state.ready = true);
    }

    /// Records why no worker can be started, or why the pool's own thread has given up.
    pub(super) fn set_broken(&self, error: PoolError) {
        self.change(|state| state.broken = Some(error));
    }

    /// Records that the owner terminates the pool.
    pub(crate) fn set_terminated(&self) {
        self.change(|state| state.terminated = true);
    }

    /// Keeps the error of a finalizer, unless there are many already.
    pub(super) fn add_finalizer_error(&self, error: PoolError) {
        let mut state = self.lock();
        if state.finalizer_errors.len() < MAX_FINALIZER_ERRORS {
            state.finalizer_errors.push(error);
        }
    }

    /// Returns the errors that were kept, the first one first.
    pub(crate) fn finalizer_errors(&self) -> Vec<PoolError> {
        self.lock().finalizer_errors.clone()
    }

    /// Records that no worker is left and no caller waits.
    pub(super) fn set_ended(&self) {
        self.change(|state| state.ended = true);
    }

    /// Waits until a worker is ready, or the pool is broken.
    pub(crate) fn wait_ready(&self) -> Result<(), PoolError> {
        let is_known = |state: &mut State| state.ready || state.broken.is_some() || state.ended;
        let (state, _) = mutex::wait_until(&self.changed, self.lock(), None, is_known);
        state.broken.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Waits until the pool has ended, or until the deadline. Returns whether it has.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        mutex::wait_until(&self.changed, self.lock(), deadline, |state| state.ended).1
    }

    /// Returns why a terminated or broken pool accepts nothing.
    pub(super) fn refusal(&self) -> FailureKind {
        let state = self.lock();
        // What broke a pool is the better reason, also where it was terminated as well.
        match &state.broken {
            Some(error) => FailureKind::Broken(error.clone()),
            None if state.terminated => FailureKind::Terminated,
            None => FailureKind::Closed,
        }
    }

    pub(crate) fn broken(&self) -> Option<PoolError> {
        self.lock().broken.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        // All, because threads that wait for the first worker and for the end share the condition.
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        mutex::lock(&self.state)
    }
}

// Relaxed: the counts are statistics, and order nothing.
impl Counts {
    pub(super) fn done(&self, count: u64) {
        self.done.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, count: u64) {
        self.failed.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the numbers of tasks that are done and failed, and of retries.
    pub(super) fn all(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.done), read(&self.failed), read(&self.retried))
    }
}
