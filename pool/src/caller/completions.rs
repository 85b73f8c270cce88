//! [`Completions`]: which of several jobs ends next. The cost for each does not grow with their number.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::task::{Wake, Waker};
use std::time::Instant;

use procession_core::os::mutex;

use super::pending::Pending;
use super::waker_list::WakerId;
use crate::dispatcher::handoff::Shared;

/// Several jobs, each of which is reported once, when it has ended.
pub(crate) struct Completions {
    ready: Arc<ReadyQueue>,
    waker_id: WakerId,
    /// By index; `None` once it was reported.
    jobs: Vec<Option<Arc<Pending>>>,
    left: usize,
}

/// The indices of jobs that may have ended.
#[derive(Default)]
struct ReadyQueue {
    indices: Mutex<VecDeque<usize>>,
    not_empty: Condvar,
    /// The pool whose own thread waits here, from a waker that it has called. Nothing but its poller wakes it.
    pool: OnceLock<Arc<Shared>>,
}

/// Puts the index of one job into the queue.
struct ReadyWaker {
    ready: Arc<ReadyQueue>,
    index: usize,
}

impl Completions {
    pub(crate) fn new(jobs: impl IntoIterator<Item = Arc<Pending>>) -> Completions {
        let (ready, waker_id) = (Arc::new(ReadyQueue::default()), WakerId::new());
        let jobs: Vec<_> = jobs.into_iter().map(Some).collect();
        for (index, pending) in jobs.iter().flatten().enumerate() {
            let waker = ReadyWaker { ready: ready.clone(), index };
            // A job that has ended already wakes it at once, so no job has to be looked at apart.
            pending.register_waker(waker_id, &Waker::from(Arc::new(waker)));
        }
        Completions { ready, waker_id, left: jobs.len(), jobs }
    }

    /// Returns the number of jobs that were not reported.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Returns the index of the next job to end. `None` if the deadline passes, or all were reported.
    pub(crate) fn next(&mut self, deadline: Option<Instant>) -> Option<usize> {
        while self.left > 0 {
            self.drive(deadline);
            let index = self.ready.pop(deadline)?;
            // The queue may name a job more than once, or before its end.
            if let Some(pending) = self.jobs[index].take_if(|pending| pending.result().is_some()) {
                pending.remove_waker(self.waker_id);
                self.left -= 1;
                return Some(index);
            }
        }
        None
    }
}

impl Completions {
    /// Waits as the pool's own thread has to, if this is the own thread of a job's pool: it drives the dispatch.
    fn drive(&self, deadline: Option<Instant>) {
        let jobs = self.jobs.iter().flatten();
        if let Some(pool) = { jobs }.find_map(|pending| pending.pool_of_this_thread()) {
            // Before the first look at the queue: an index that comes after it wakes the thread.
            let pool = self.ready.pool.get_or_init(|| pool);
            pool.drive_own(|| !self.ready.lock().is_empty(), deadline);
        }
    }
}

impl Drop for Completions {
    fn drop(&mut self) {
        self.jobs.iter().flatten().for_each(|pending| pending.remove_waker(self.waker_id));
    }
}

impl ReadyQueue {
    fn pop(&self, deadline: Option<Instant>) -> Option<usize> {
        mutex::wait_for(&self.not_empty, self.lock(), deadline, VecDeque::pop_front).1
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<usize>> {
        mutex::lock(&self.indices)
    }
}

impl Wake for ReadyWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.lock().push_back(self.index);
        self.ready.not_empty.notify_one();
        self.ready.pool.get().iter().for_each(|pool| pool.wake_own_thread());
    }
}
