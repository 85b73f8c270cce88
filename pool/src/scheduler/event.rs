//! The scheduler's language: what happens (events in), and what is to be done about it (actions out).

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::ids::{JobId, TaskId, WorkerId};

/// Something that has happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A job begins. With a chunk size, or to be measured.
    Open { job: JobId, chunk: Option<NonZeroUsize> },
    /// A job has one more task; `weight` is about how many bytes it takes to send.
    Submit { task: TaskId, weight: usize },
    /// Nobody waits for the job any more. What is left of it is cancelled.
    Release { job: JobId },
    /// A worker asks for its first task.
    Ready { worker: WorkerId },
    /// A worker's initializer has failed. Its process is about to end.
    InitFailed { worker: WorkerId },
    /// A worker has finished a task that ran for `took`.
    Answered { worker: WorkerId, task: TaskId, took: Duration },
    /// These tasks, just sent to the worker, did not go out.
    Unsendable { worker: WorkerId, tasks: Vec<TaskId> },
    /// A worker has ended, and everything that it had said before was heard.
    Died { worker: WorkerId },
    /// No process could be started for this worker.
    StartFailed { worker: WorkerId },
    /// No new jobs; end when those that are open have ended.
    Close,
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
    /// Send it these tasks, which are of one job.
    Send { worker: WorkerId, tasks: Vec<TaskId> },
    /// This task has come to an end. Said exactly once of each task.
    Finish { task: TaskId, end: End },
    /// Tell the workers that the job is over.
    Forget { job: JobId },
    /// Ask it to leave.
    Leave { worker: WorkerId },
    /// Kill it.
    Kill { worker: WorkerId },
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
    /// Its worker died while it was the next to be done.
    Died(WorkerId),
    /// It could not be sent.
    Unsendable,
    /// Its job was released.
    Cancelled,
    /// It was not sent to any worker, because the pool is in this state.
    Refused(Refusal),
    /// The same, when this worker had it and may have begun.
    Stopped(WorkerId, Refusal),
}

/// Why a pool accepts nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Closed,
    Terminated,
    Broken,
}
