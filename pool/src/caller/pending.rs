//! [`Pending`]: a job without a thread that waits for it, and the wakers that are woken when it has ended.
//!
//! The thread that looks takes the outcomes out of the mailbox. The pool's own thread only wakes the wakers.
//!
//! Of several threads that wait, one leads: it waits for the mailbox on behalf of all, and takes what arrives. The others sleep
//! until the job has ended or the leader has stopped waiting, and then one of them leads. A thread that only looks leaves it to
//! a leader.
//!
//! A thread that is in a waker may have interrupted its own wait for it, and others may wait for that thread. So it waits for none of
//! them, but takes over from the leader.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::Waker;
use std::time::Instant;
use std::{fmt, mem};

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::mutex;

use super::callbacks;
use super::job_handle::JobHandle;
use super::waker_list::{WakerId, WakerList};
use crate::dispatcher::handoff::Shared;
use crate::dispatcher::mailbox::Listener;
use crate::model::counted_condvar::CountedCondvar;
use crate::model::failure_info::{FailureInfo, FailureKind};
use crate::model::failure_policy::FailurePolicy;
use crate::model::task_error::TaskError;
use crate::model::tuning::FUTURE_SPIN;
use crate::wire::results::ResultBatch;

/// A job that is under way, for any number of threads, tasks and callbacks that want its result.
pub(crate) struct Pending {
    /// The process that it belongs to. A copy of it (`fork`) must not touch its locks.
    owner: ProcessIdentity,
    state: Mutex<State>,
    /// Notified when the job has ended, and when the leader has stopped waiting.
    changed: CountedCondvar,
    wakers: WakerList,
    /// Set once, and read without a lock, because decoding the values runs code of the user's.
    result: OnceLock<JobResult>,
    is_cancelled_on_drop: AtomicBool,
}

/// The values in the order of the tasks, or the first error.
pub(crate) type JobResult = Result<Vec<ResultBatch>, TaskError>;

/// What the lock of a pending job protects.
struct State {
    /// `None` once the job has ended.
    job_handle: Option<Arc<JobHandle>>,
    /// Whether a thread, the leader, waits for the job. It takes what arrives, so no thread waits for what another one has taken.
    has_leader: bool,
    /// In the order of their arrival.
    batches: Vec<ResultBatch>,
    /// The number of tasks that have not ended.
    missing: u64,
    policy: FailurePolicy,
    /// The error of the first task, of those that have failed so far.
    failure: Option<TaskError>,
}

impl Pending {
    /// Returns a job that waits for `count` outcomes. `failure` is an error of tasks that were not submitted.
    pub(crate) fn new(
        job_handle: JobHandle,
        count: u64,
        policy: FailurePolicy,
        failure: Option<TaskError>,
    ) -> Arc<Pending> {
        let job_handle = Arc::new(job_handle);
        let state =
            State { job_handle: Some(job_handle.clone()), missing: count, policy, failure, ..State::finished() };
        let new = Pending::with(state, OnceLock::new());
        // A strong one would be a circle, because the job owns the mailbox and that its listener: no job would be dropped.
        let weak: Weak<Pending> = Arc::downgrade(&new);
        let wake = move || weak.upgrade().iter().for_each(|pending| pending.wakers.wake_all());
        job_handle.mailbox.set_listener(Listener::new(wake));
        new.take_unless_led(new.state());
        new
    }

    /// Returns a job that has ended before it began.
    pub(crate) fn finished(result: JobResult) -> Arc<Pending> {
        Pending::with(State::finished(), OnceLock::from(result))
    }

    fn with(state: State, result: OnceLock<JobResult>) -> Arc<Pending> {
        Arc::new(Pending {
            owner: ProcessIdentity::current(),
            state: Mutex::new(state),
            changed: CountedCondvar::default(),
            wakers: WakerList::default(),
            result,
            is_cancelled_on_drop: AtomicBool::new(false),
        })
    }

    /// Returns the result; `None` while the job has not ended.
    pub(crate) fn result(&self) -> Option<&JobResult> {
        match self.result.get() {
            None if self.is_ours() => self.take_unless_led(self.state()),
            None => {
                let forked = TaskError::new(0, FailureInfo::of(None, FailureKind::Forked));
                let _set_once = self.result.set(Err(forked));
            }
            Some(_) => {}
        }
        self.result.get()
    }

    /// Returns whether the result comes so soon that polling for it costs less than being woken.
    pub(crate) fn is_instant(&self) -> bool {
        self.is_ours() && self.state().job_handle.as_ref().is_some_and(|job_handle| job_handle.is_instant())
    }

    /// Polls for the result for a moment.
    pub(crate) fn poll_briefly(&self) -> Option<&JobResult> {
        self.wait(Some(Instant::now() + FUTURE_SPIN))
    }

    /// Waits until the job has ended, or until the deadline.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<&JobResult> {
        if !self.is_ours() {
            return self.result();
        }
        // Once, or two threads in wakers would take over from each other until the job ends.
        let mut takes_over = Listener::is_calling();
        let mut state = self.state();
        loop {
            if let Some(result) = self.result.get() {
                return Some(result);
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.take_unless_led(state);
                return self.result.get();
            }
            state = match state.job_handle.clone() {
                Some(job_handle) if !state.has_leader || takes_over => {
                    // The leader may need the pool's own thread until the job ends.
                    takes_over = job_handle.pool_of_this_thread().is_some();
                    self.lead(state, job_handle, deadline);
                    self.state()
                }
                // Until the leader has stopped waiting.
                _ => self.changed.wait_once(state, deadline),
            };
        }
    }

    /// Waits for the next outcomes on behalf of all threads. The handle is dropped without the lock: its drop takes the pool's, and
    /// that calls wakers.
    fn lead(&self, mut state: MutexGuard<'_, State>, job_handle: Arc<JobHandle>, deadline: Option<Instant>) {
        if mem::replace(&mut state.has_leader, true) {
            job_handle.take_over();
        }
        let (missing, takeovers) = (state.missing, job_handle.mailbox.takeovers());
        // Waiting without the lock lets other threads ask for the state.
        drop(state);
        job_handle.wait_unless_taken_over(missing, deadline, takeovers);
        let mut state = self.state();
        // Else another thread leads, or has led since then.
        if job_handle.mailbox.takeovers() == takeovers {
            state.has_leader = false;
            // The followers get the lock after `take` has looked. One of them leads next if the job has not ended.
            self.changed.notify_all();
            self.take(state);
        }
    }

    /// Registers a waker. It may be woken at once, and more than once.
    pub(crate) fn register_waker(&self, id: WakerId, waker: &Waker) {
        if !self.is_ours() {
            return waker.wake_by_ref();
        }
        self.wakers.set(id, waker);
        // Looked at when the waker is in the list: a result that comes in between finds it there.
        if self.result().is_some() {
            waker.wake_by_ref();
            return;
        }
        let job_handle = self.state().job_handle.clone();
        job_handle.iter().for_each(|job_handle| job_handle.set_waker());
    }

    /// Removes a waker. It may still be woken once, by a thread that has copied the list.
    pub(crate) fn remove_waker(&self, id: WakerId) {
        if self.is_ours() {
            self.wakers.remove(id);
        }
    }

    /// Cancels the job when its last handle and callback are gone.
    pub(crate) fn cancel_on_drop(&self) {
        // Relaxed: the drop that reads it comes after all other uses.
        self.is_cancelled_on_drop.store(true, Ordering::Relaxed);
    }

    /// Cancels the tasks that have not ended. Returns whether there were any.
    pub(crate) fn cancel(&self) -> bool {
        if self.result().is_some() {
            return false;
        }
        let job_handle = self.state().job_handle.clone();
        // Without the lock of the state: outcomes are delivered by this, and wake wakers that may ask for it.
        job_handle.iter().for_each(|job_handle| job_handle.cancel());
        job_handle.is_some()
    }

    /// Returns the state of the job as a word for debugging a hang: it waits for no lock.
    pub(crate) fn describe(&self) -> &'static str {
        if self.result.get().is_none()
            && self.is_ours()
            && let Ok(state) = self.state.try_lock()
        {
            self.take_unless_led(state);
        }
        let is_running = || self.state.try_lock().ok().and_then(|state| state.job_handle.as_ref()?.is_running());
        match self.result.get() {
            Some(Ok(_)) => "value",
            Some(Err(error)) if error.is_cancelled() => "cancelled",
            Some(Err(_)) => "error",
            None if self.is_ours() => {
                is_running().map_or("pending", |is_running| if is_running { "running" } else { "waiting" })
            }
            None => "of another process",
        }
    }

    /// Returns the pool that runs the job, if the calling thread is that pool's own.
    pub(super) fn pool_of_this_thread(&self) -> Option<Arc<Shared>> {
        if !Listener::is_calling() || !self.is_ours() {
            return None;
        }
        self.state().job_handle.as_ref().and_then(|job_handle| job_handle.pool_of_this_thread()).cloned()
    }

    fn is_ours(&self) -> bool {
        self.owner == ProcessIdentity::current()
    }

    /// Takes the outcomes that have arrived, unless there is a leader that will.
    fn take_unless_led(&self, state: MutexGuard<'_, State>) {
        if !state.has_leader {
            self.take(state);
        }
    }

    /// Takes the outcomes that have arrived. The job ends with the last of them, or under `FailFast` with the first error.
    fn take(&self, mut state: MutexGuard<'_, State>) {
        let mut batches: VecDeque<ResultBatch> = VecDeque::new();
        match &state.job_handle {
            Some(job_handle) => job_handle.take(&mut batches),
            None => return,
        }
        // Of those that have come, the first by index. Where all are waited for, the error does not depend on the workers' speed.
        let failures = batches.iter().filter_map(ResultBatch::failure).chain(state.failure.take());
        state.failure = failures.min_by_key(TaskError::index);
        state.missing = state.missing.saturating_sub(batches.iter().map(ResultBatch::count).sum());
        if (state.missing == 0 || state.policy == FailurePolicy::FailFast)
            && let Some(error) = state.failure.take()
        {
            return self.finish(state, Err(error));
        }
        state.batches.extend(batches);
        if state.missing == 0 {
            let mut batches = mem::take(&mut state.batches);
            batches.sort_unstable_by_key(ResultBatch::first);
            self.finish(state, Ok(batches));
        }
    }

    /// Sets the result, and wakes all threads and wakers.
    fn finish(&self, mut state: MutexGuard<'_, State>, result: JobResult) {
        let _set_once = self.result.set(result);
        let job_handle = state.job_handle.take();
        let unwanted = mem::take(&mut state.batches);
        drop(state);
        // Without the lock: the handle takes the pool's, and results may be many.
        drop((job_handle, unwanted));
        // After the result was set, so that a thread which is woken finds it.
        self.changed.notify_all();
        self.wakers.wake_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        mutex::lock(&self.state)
    }
}

impl State {
    fn finished() -> State {
        let policy = FailurePolicy::FailFast;
        State { job_handle: None, has_leader: false, batches: Vec::new(), missing: 0, policy, failure: None }
    }
}

/// Its tasks run to their end, unless [`cancel_on_drop`](Pending::cancel_on_drop) was called.
impl Drop for Pending {
    fn drop(&mut self) {
        let state = mutex::ignore_poison(self.state.get_mut());
        if let Some(job_handle) = state.job_handle.take().and_then(Arc::into_inner)
            && job_handle.is_ours()
        {
            let is_cancelled = *self.is_cancelled_on_drop.get_mut();
            // The thread may hold locks of the pool, which was waking a waker as the last handle went.
            callbacks::run(Box::new(move || if is_cancelled { job_handle.cancel() } else { job_handle.detach() }));
        }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("has_ended", &self.result.get().is_some()).finish_non_exhaustive()
    }
}
