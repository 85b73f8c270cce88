//! [`JobBuffers`]: the arguments and outcomes of one job while the dispatcher has them.
//!
//! An argument is kept until its task has ended, whichever worker has it. An outcome is pending, then ended, then in the
//! mailbox. Batches end in any order and leave from the front only, so a slow task keeps the arguments behind it in memory.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::mailbox::{Delivered, Mailbox};
use crate::model::failure_info::FailureInfo;
use crate::model::failure_policy::FailurePolicy;
use crate::model::ids::TaskRange;
use crate::model::options::{JobLifetime, JobOptions};
use crate::wire::arguments::ArgumentBatch;
use crate::wire::results::ResultBatch;

/// The arguments and outcomes of one job.
#[derive(Debug)]
pub(super) struct JobBuffers {
    /// The number of its function in the [`FunctionTable`](crate::local::functions::FunctionTable).
    pub(super) function: u32,
    pub(super) mailbox: Arc<Mailbox>,
    /// The batches of which a task has not ended. Arguments are kept until then, because the worker that has them may die.
    arguments: VecDeque<OpenBatch>,
    /// What a worker has just reported, until the scheduler has decided about it.
    pending: Option<PendingOutcome>,
    /// Outcomes that were not delivered.
    ended: Vec<ResultBatch>,
    /// Whether no caller wants the results.
    pub(super) is_detached: bool,
    /// Whether a callback or a future waits for the results.
    pub(super) has_waker: bool,
    /// Whether the caller may look at a result before all are there.
    pub(super) is_streaming: bool,
    /// Whether all its tasks were submitted at once.
    is_complete: bool,
    /// Whether the first failure is the result of the job.
    is_fail_fast: bool,
    /// Whether such a failure was delivered, so that what is left of the job is of no use.
    has_failed: bool,
}

/// A batch with the number of its tasks that have not ended.
#[derive(Debug)]
struct OpenBatch {
    batch: Arc<ArgumentBatch>,
    left: u64,
}

/// What a worker has just reported of its next tasks.
#[derive(Debug)]
pub(super) enum PendingOutcome {
    Results(ResultBatch),
    Failure(FailureInfo),
}

impl JobBuffers {
    pub(super) fn new(function: u32, mailbox: Arc<Mailbox>, options: &JobOptions) -> JobBuffers {
        JobBuffers {
            function,
            mailbox,
            arguments: VecDeque::new(),
            pending: None,
            ended: Vec::new(),
            is_detached: false,
            has_waker: false,
            is_streaming: !options.collect_all,
            is_complete: options.lifetime == JobLifetime::Detached,
            is_fail_fast: options.on_failure.is_none_or(|policy| policy == FailurePolicy::FailFast),
            has_failed: false,
        }
    }

    /// Adds the arguments of tasks whose indices are higher than any before.
    pub(super) fn push_arguments(&mut self, batch: ArgumentBatch) {
        let left = batch.len() as u64;
        self.arguments.push_back(OpenBatch { batch: Arc::new(batch), left });
    }

    /// Returns the batch that holds some tasks, and their positions in it.
    pub(super) fn arguments(&self, tasks: TaskRange) -> Option<(&Arc<ArgumentBatch>, Range<usize>)> {
        let open = self.arguments.get(self.position(tasks.first)?)?;
        Some((&open.batch, items(&open.batch, tasks)?))
    }

    /// Keeps what a worker has reported until the scheduler has decided about it.
    pub(super) fn set_pending(&mut self, pending: Option<PendingOutcome>) {
        self.pending = pending;
    }

    /// Ends tasks as their worker has just reported. A failure is one of this `attempt`.
    pub(super) fn finish_pending(&mut self, tasks: TaskRange, attempt: u32, otherwise: impl FnOnce() -> FailureInfo) {
        let failure = match self.pending.take() {
            Some(PendingOutcome::Results(results)) => return self.end(tasks, results),
            Some(PendingOutcome::Failure(failure)) => failure.at_attempt(attempt),
            None => otherwise(),
        };
        self.finish(tasks, failure);
    }

    /// Ends tasks with a failure.
    pub(super) fn finish(&mut self, tasks: TaskRange, failure: FailureInfo) {
        self.end(tasks, ResultBatch::error(tasks.first, tasks.count, failure));
    }

    /// Delivers the outcomes of tasks that have ended.
    #[inline]
    pub(super) fn deliver(&mut self) -> Delivered {
        // Looked at before the outcomes are handed over: the rest of a failed job is cancelled by closing it.
        self.has_failed |= self.is_fail_fast && self.is_complete && self.ended.iter().any(ResultBatch::is_failure);
        // The tasks of a detached job run to their end, but no caller will take the results.
        if self.is_detached {
            self.ended.clear();
        }
        self.mailbox.deliver(&mut self.ended)
    }

    /// Returns whether nothing more will be delivered, whether a caller looks at the results or not: the job can be closed.
    pub(super) fn is_finished(&self) -> bool {
        let has_ended = self.arguments.is_empty();
        if self.is_detached { has_ended } else { self.is_complete && (has_ended || self.has_failed) }
    }

    /// Keeps the outcome of tasks until it is delivered, and drops batches of which every task has ended.
    fn end(&mut self, tasks: TaskRange, results: ResultBatch) {
        let Some(position) = self.position(tasks.first) else { return };
        let Some(open) = self.arguments.get_mut(position) else { return };
        open.left = open.left.saturating_sub(tasks.count);
        // The weight travels with the outcome, because the caller's window counts it until the result is there.
        let weight = items(&open.batch, tasks).map_or(0, |items| open.batch.weight_of(items));
        self.ended.push(results.with_weight(weight));
        // From the front only: positions of later batches are found by their order.
        while self.arguments.front().is_some_and(|open| open.left == 0) {
            self.arguments.pop_front();
        }
    }

    /// Returns the position of the batch that a task is in.
    fn position(&self, index: u64) -> Option<usize> {
        self.arguments.partition_point(|open| open.batch.first <= index).checked_sub(1)
    }
}

/// Returns the positions of tasks in a batch. `None` if not all of them are in it.
fn items(batch: &ArgumentBatch, tasks: TaskRange) -> Option<Range<usize>> {
    let begin = usize::try_from(tasks.first.checked_sub(batch.first)?).ok()?;
    let end = begin.checked_add(usize::try_from(tasks.count).ok()?)?;
    (end <= batch.len()).then_some(begin..end)
}
