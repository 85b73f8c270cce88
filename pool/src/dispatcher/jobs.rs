//! [`Jobs`]: the open jobs, their functions, and what is to be delivered of them.
//!
//! Durations are kept by function for as long as the pool lives, so that a later job need not begin with one task at a time.
//! The flags of short tasks are read by the thread that drives: they say whether polling is worth its processor time.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::job_buffers::JobBuffers;
use super::mailbox::{Delivered, Listener, Mailbox};
use crate::local::functions::{FunctionTable, TaskFn};
use crate::model::failure_info::FailureInfo;
use crate::model::ids::{JobId, TaskRange};
use crate::model::options::JobOptions;
use crate::model::tuning::SHORT_TASK;
use crate::wire::arguments::ArgumentBatch;

/// The open jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    buffers: HashMap<JobId, JobBuffers>,
    pub(super) functions: FunctionTable,
    /// The average duration of tasks, by function.
    durations: HashMap<u32, Duration>,
    /// The number of jobs whose callers may wait for a single result.
    streaming: usize,
    /// The number of jobs with a callback or a future, whose callers poll no rings.
    with_waker: usize,
    /// Jobs with outcomes to deliver.
    ready: Vec<JobId>,
    /// Listeners to be called when the lock has been released.
    pub(super) listeners: Vec<Listener>,
    /// Whether a caller was woken that will poll the rings itself, because its tasks are short.
    woke_driver: bool,
    /// Whether a job with a waker was delivered the result of a short task.
    delivered_short: bool,
}

impl Jobs {
    /// Adds a job. Returns the average duration of its function's tasks in earlier jobs.
    pub(super) fn open(
        &mut self,
        job: JobId,
        function: TaskFn,
        options: &JobOptions,
        mailbox: Arc<Mailbox>,
    ) -> Option<Duration> {
        let function = self.functions.intern(function);
        let avg_duration = self.durations.get(&function).copied();
        // The caller reads the estimate from the mailbox, and polls or sleeps by it.
        avg_duration.into_iter().for_each(|avg| mailbox.set_avg_duration(avg));
        self.buffers.insert(job, JobBuffers::new(function, mailbox, options));
        self.streaming += usize::from(!options.collect_all);
        avg_duration
    }

    /// Removes a job. The inner value is the function that workers need no longer know.
    #[expect(clippy::option_option, reason = "no such job, and a job whose function stays, are two things")]
    pub(super) fn close(&mut self, job: JobId) -> Option<Option<u32>> {
        let buffers = self.buffers.remove(&job)?;
        self.streaming -= usize::from(buffers.is_streaming);
        self.with_waker -= usize::from(buffers.has_waker);
        // Only a function with a context belongs to one job. No other job will ask how long its tasks take.
        let unregistered = self.functions.remove(buffers.function).then_some(buffers.function);
        if let Some(function) = unregistered {
            self.durations.remove(&function);
        }
        Some(unregistered)
    }

    pub(super) fn contains(&self, job: JobId) -> bool {
        self.buffers.contains_key(&job)
    }

    pub(super) fn get(&self, job: JobId) -> Option<&JobBuffers> {
        self.buffers.get(&job)
    }

    pub(super) fn get_mut(&mut self, job: JobId) -> Option<&mut JobBuffers> {
        self.buffers.get_mut(&job)
    }

    /// Keeps the arguments of new tasks. Returns `false` if there is no such job.
    pub(super) fn push_arguments(&mut self, job: JobId, batch: ArgumentBatch) -> bool {
        let buffers = self.buffers.get_mut(&job);
        buffers.map(|buffers| buffers.push_arguments(batch)).is_some()
    }

    /// Publishes to a job's caller how many tasks a worker is sent ahead.
    pub(super) fn set_prefetch_depth(&mut self, job: JobId, depth: Option<usize>) {
        if let (Some(depth), Some(buffers)) = (depth, self.buffers.get(&job)) {
            buffers.mailbox.set_prefetch_depth(depth);
        }
    }

    /// Drops the results of a job from now on. Returns whether all its tasks have ended.
    pub(super) fn detach(&mut self, job: JobId) -> bool {
        let Some(buffers) = self.buffers.get_mut(&job) else { return false };
        buffers.is_detached = true;
        buffers.is_finished()
    }

    /// Records that a callback or a future waits for the results of a job.
    pub(super) fn set_waker(&mut self, job: JobId) {
        let Some(buffers) = self.buffers.get_mut(&job) else { return };
        self.with_waker += usize::from(!mem::replace(&mut buffers.has_waker, true));
    }

    /// Returns whether a callback or a future waits for any job.
    pub(super) fn has_wakers(&self) -> bool {
        self.with_waker > 0
    }

    /// Returns whether any caller may wait for a single result.
    pub(super) fn is_streaming(&self) -> bool {
        self.streaming > 0
    }

    /// Ends tasks with the outcome that their worker has just reported, or else with `otherwise`.
    pub(super) fn finish_pending(&mut self, tasks: TaskRange, attempt: u32, otherwise: impl FnOnce() -> FailureInfo) {
        if let Some(buffers) = self.buffers.get_mut(&tasks.job) {
            buffers.finish_pending(tasks, attempt, otherwise);
            self.ready.push(tasks.job);
        }
    }

    /// Ends tasks with a failure.
    pub(super) fn finish(&mut self, tasks: TaskRange, failure: FailureInfo) {
        if let Some(buffers) = self.buffers.get_mut(&tasks.job) {
            buffers.finish(tasks, failure);
            self.ready.push(tasks.job);
        }
    }

    /// Returns the next job with outcomes to deliver.
    #[inline]
    pub(super) fn next_ready(&mut self) -> Option<JobId> {
        self.ready.pop()
    }

    /// Delivers a job's outcomes to its mailbox. Returns whether nothing more will be delivered.
    #[inline]
    pub(super) fn deliver(
        &mut self,
        job: JobId,
        avg_duration: Option<Duration>,
        prefetch_depth: Option<usize>,
    ) -> bool {
        let Some(buffers) = self.buffers.get_mut(&job) else { return false };
        if let Some(avg) = avg_duration {
            // By function and not by job, so that the next job of the function need not measure it again.
            self.durations.insert(buffers.function, avg);
            buffers.mailbox.set_avg_duration(avg);
        }
        // The scheduler has forgotten a job that was ended: nothing more of it is sent ahead.
        buffers.mailbox.set_prefetch_depth(prefetch_depth.unwrap_or(1));
        let Delivered { wakes_caller, listener } = buffers.deliver();
        let is_short = avg_duration.is_some_and(|avg| avg <= SHORT_TASK);
        self.woke_driver |= wakes_caller && is_short;
        self.delivered_short |= buffers.has_waker && is_short;
        self.listeners.extend(listener);
        buffers.is_finished()
    }

    /// Returns whether a caller was woken that will poll the rings itself, and forgets it.
    pub(super) fn take_woke_driver(&mut self) -> bool {
        mem::take(&mut self.woke_driver)
    }

    /// Returns whether a job with a waker was delivered the result of a short task, and forgets it.
    pub(super) fn take_delivered_short(&mut self) -> bool {
        mem::take(&mut self.delivered_short)
    }

    /// Has the pool's own thread poll for another moment, as after the result of a short task.
    pub(super) fn set_delivered_short(&mut self) {
        self.delivered_short = true;
    }
}
