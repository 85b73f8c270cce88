//! The scheduler's language: what happens (events in), and what is to be done about it (actions out).

use std::time::Duration;

use crate::ids::{JobId, Span, TaskId, WorkerId};
use crate::terms::Terms;

/// Something that has happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A job begins.
    Open { job: JobId, terms: Terms },
    /// A job has more tasks, of which the heaviest takes about `weight` bytes to send.
    Submit { tasks: Span, weight: usize },
    /// A job has one task for each worker that there is, in their order, and one is to run in each.
    Pin { tasks: Span },
    /// Nobody waits for the job any more. What is left of it is cancelled; what runs may go on.
    Release { job: JobId },
    /// As a release, and what runs is stopped.
    Cancel { job: JobId },
    /// A worker asks for its first task.
    Ready { worker: WorkerId },
    /// A worker's initializer has failed. Its process is about to end.
    InitFailed { worker: WorkerId },
    /// A worker has finished the next `count` of its tasks, which are of one job.
    Answered { worker: WorkerId, count: u64 },
    /// The next of a worker's tasks came to no good end: it panicked, for example.
    Failed { worker: WorkerId, may_repeat: bool },
    /// The last `count` tasks of a worker took so long together.
    Paced { worker: WorkerId, count: u64, took: Duration },
    /// These tasks, just sent to the worker, did not go out.
    Unsendable { worker: WorkerId, count: u64 },
    /// So many of its last tasks a worker that has ended had not begun; it had begun all the others.
    Recalled { worker: WorkerId, count: u64 },
    /// So many of its last tasks were taken back from a worker as it was asked to. Of the others, it has not begun the last
    /// `unbegun`: they are on their way to it, and could not be taken back.
    GaveBack { worker: WorkerId, count: u64, unbegun: u64 },
    /// The next of a worker's tasks has been running since then.
    Running { worker: WorkerId, since: Duration },
    /// A worker has grown too big.
    Outgrown { worker: WorkerId },
    /// A worker has ended, and everything that it had said before was heard.
    Died { worker: WorkerId },
    /// No process could be started for this worker.
    StartFailed { worker: WorkerId },
    /// So many workers are wanted from now on.
    Resize { workers: usize },
    /// No new jobs; end when those that are open have ended.
    Close,
    /// The same, and somebody waits for the end.
    Join,
    /// Nobody has the pool any more: end now, and let those leave in peace who have nothing to do.
    Drop,
    /// End now.
    Terminate,
    /// All that has happened up to now was told: decide.
    Tick,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a process for this worker.
    Start { worker: WorkerId },
    /// Send it these tasks, of which it is to begin `unit` at a time.
    Send { worker: WorkerId, tasks: Span, unit: u64 },
    /// Take back up to so many of the last tasks that it was sent and has not begun, and tell how many that were.
    Recall { worker: WorkerId, count: u64 },
    /// These tasks have come to an end. Said exactly once of each task.
    Finish { tasks: Span, end: End },
    /// This task is to be tried again: what was noted of its last attempt is of no interest any more.
    Retry { task: TaskId },
    /// The job is over.
    Forget { job: JobId },
    /// Ask it to leave.
    Leave { worker: WorkerId },
    /// Ask it to end, whatever it is doing.
    Signal { worker: WorkerId },
    /// Kill it.
    Kill { worker: WorkerId },
    /// Kill it, for it has not become ready in time.
    GiveUp { worker: WorkerId },
    /// The pool is broken: no worker can be brought to work.
    Break,
    /// The pool has ended: no worker is left.
    End,
}

/// How a task came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A worker has answered.
    Answered,
    /// A worker has answered that it failed, at this attempt, counted from 1.
    Failed { attempt: u32 },
    /// Its worker died while it was running, at this attempt.
    Died { worker: WorkerId, attempt: u32 },
    /// It ran for too long and was stopped, at this attempt.
    TimedOut { worker: WorkerId, attempt: u32 },
    /// It had not begun when its time to wait was over.
    Expired,
    /// It could not be sent.
    Unsendable,
    /// Its job was released, or cancelled before it began.
    Cancelled,
    /// Its job was cancelled while this worker had it.
    Stopped(WorkerId),
    /// It was not sent to any worker, because the pool is in this state.
    Refused(Refusal),
    /// The same, when this worker had it and may have begun.
    Cut(WorkerId, Refusal),
}

/// Why a pool accepts nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Closed,
    Terminated,
    Dropped,
    Broken,
}
