//! [`JobHandle`]: one job as its caller holds it.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use crate::dispatcher::handoff::Shared;
use crate::dispatcher::mailbox::Mailbox;
use crate::local::functions::TaskFn;
use crate::model::failure_info::FailureKind;
use crate::model::ids::JobId;
use crate::model::options::JobOptions;
use crate::model::tuning::INSTANT_TASK;
use crate::wire::arguments::ArgumentBatch;
use crate::wire::results::ResultBatch;

/// A job that has begun. Dropping it releases the job: the rest is cancelled.
#[derive(Debug)]
pub(crate) struct JobHandle {
    shared: Arc<Shared>,
    job: JobId,
    pub(crate) mailbox: Arc<Mailbox>,
    /// Whether the caller waits for all results, so that it need not be woken for each.
    collect_all: bool,
    /// Whether the dispatcher was asked to let the job go on without a caller.
    is_released: bool,
}

impl JobHandle {
    /// Begins a job. A copy (`fork`) of the pool's process cannot.
    pub(crate) fn open(shared: &Arc<Shared>, function: TaskFn, options: JobOptions) -> Result<JobHandle, FailureKind> {
        if !shared.is_ours() {
            return Err(FailureKind::Forked);
        }
        let (job, mailbox, collect_all) = (shared.next_job(), Arc::new(Mailbox::default()), options.collect_all);
        // A pool that has ended refuses each task.
        shared.lock().dispatcher.open(job, function, options, mailbox.clone());
        Ok(JobHandle { shared: shared.clone(), job, mailbox, collect_all, is_released: false })
    }

    /// Returns whether this process owns the job.
    #[inline]
    pub(crate) fn is_ours(&self) -> bool {
        self.shared.is_ours()
    }

    /// Adds tasks, for whose results the caller will [`wait`](JobHandle::wait).
    pub(crate) fn submit(&self, batches: impl IntoIterator<Item = ArgumentBatch>) {
        let mut locked = self.shared.lock();
        locked.dispatcher.submit(self.job, batches);
        // The lock is held anyway, so results that have come in the meantime are taken along.
        locked.dispatcher.pump();
        locked.drive();
    }

    /// Adds a task for each worker. Where there are more workers than tasks, it does nothing and returns their number.
    pub(crate) fn submit_to_each(&self, batch: ArgumentBatch) -> Result<(), usize> {
        let mut locked = self.shared.lock();
        locked.dispatcher.submit_to_each(self.job, batch)?;
        locked.drive();
        Ok(())
    }

    /// Adds all tasks that there will be, and leaves them to the pool.
    pub(crate) fn submit_detached(&self, batches: impl IntoIterator<Item = ArgumentBatch>) {
        self.submit(batches);
        // No thread polls the rings for these tasks, so the pool's own has to.
        self.shared.lock().stop_driving();
    }

    /// Waits until there are outcomes to [`take`](JobHandle::take), and drives the dispatch meanwhile. Returns whether there are; else the
    /// deadline has passed. Where the caller wants all results and tasks take long, it is not woken for fewer than `wanted`.
    pub(crate) fn wait(&self, wanted: u64, deadline: Option<Instant>) -> bool {
        self.wait_unless_taken_over(wanted, deadline, 0)
    }

    /// Waits as [`wait`](JobHandle::wait) does, but only while the mailbox has counted `takeovers`.
    pub(super) fn wait_unless_taken_over(&self, wanted: u64, deadline: Option<Instant>, takeovers: u64) -> bool {
        let wanted = if self.collect_all { wanted } else { 1 };
        self.shared.wait(&self.mailbox.wait(wanted, deadline, takeovers))
    }

    /// Ends the wait of another thread for this job.
    pub(super) fn take_over(&self) {
        self.mailbox.take_over();
        // The pool's own thread waits for a job by sleeping over the kernel's reports.
        self.shared.wake_own_thread();
    }

    /// Returns the pool if the calling thread is its own, which drives the dispatch for all others: so it cannot wait for one of them.
    pub(super) fn pool_of_this_thread(&self) -> Option<&Arc<Shared>> {
        Some(&self.shared).filter(|shared| shared.is_own_thread())
    }

    /// Returns whether there are outcomes, in the mailbox or in a ring.
    pub(crate) fn has_arrived(&self) -> bool {
        if !self.mailbox.has_some() && self.is_ours() {
            self.shared.lock().dispatcher.pump();
        }
        self.mailbox.has_some()
    }

    /// Returns whether one of its tasks runs. `None` while another thread holds the lock.
    pub(crate) fn is_running(&self) -> Option<bool> {
        self.shared.try_lock().map(|locked| locked.dispatcher.is_running(self.job))
    }

    /// Has the workers notify the pool of this job's results, for a callback or a future.
    pub(crate) fn set_waker(&self) {
        self.shared.lock().set_waker(self.job);
    }

    /// Returns whether its tasks are so short that polling for a result costs less than being woken.
    pub(crate) fn is_instant(&self) -> bool {
        let avg = self.mailbox.avg_duration();
        self.shared.may_spin && !avg.is_zero() && avg <= INSTANT_TASK
    }

    /// Moves the outcomes that have arrived to `taken`.
    pub(crate) fn take(&self, taken: &mut VecDeque<ResultBatch>) {
        // Most calls find nothing, and end here.
        if self.mailbox.has_some() {
            if self.is_ours() { self.mailbox.take(taken) } else { self.mailbox.take_in_copy(taken) }
        }
    }

    /// Cancels the tasks that have not ended. Those that run are stopped.
    pub(crate) fn cancel(&self) {
        // The job is not marked as released: its mailbox is still read, and the drop removes what the dispatcher keeps of it.
        self.release_with(|shared, job| shared.lock().dispatcher.release(job, true));
    }

    /// Lets the submitted tasks run to their end, and drops their results.
    pub(crate) fn detach(mut self) {
        // Marked first: the drop of `self` at the end would cancel the tasks.
        if !mem::replace(&mut self.is_released, true) && self.is_ours() {
            self.release_with(|shared, job| shared.lock().dispatcher.detach(job));
        }
    }

    /// Releases the job, and leaves the rings to other threads: this one waits for nothing more of it.
    fn release_with(&self, release: impl FnOnce(&Shared, JobId)) {
        release(&self.shared, self.job);
        self.shared.lock().stop_driving();
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        if !self.is_released && self.is_ours() {
            self.release_with(|shared, job| shared.lock().dispatcher.release(job, false));
        }
    }
}
