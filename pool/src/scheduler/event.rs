//! The scheduler's interface: events in, actions out.
//!
//! Some actions are answered. A worker of this host answers in the same round, a worker of another host any number of rounds
//! later. What comes from one host comes in order, and answers the actions in their order; the hosts are in no order to each other.
//!
//! | action | answers | until then |
//! | --- | --- | --- |
//! | [`Start`](Action::Start) | [`Ready`](Event::Ready), [`InitFailed`](Event::InitFailed), [`StartFailed`](Event::StartFailed) | the worker counts as one that is starting |
//! | [`Revoke`](Action::Revoke) | one [`Revoked`](Event::Revoked) for each | the worker is sent no tasks, so its last ones stay the last; it goes on with the first ones |
//! | [`Leave`](Action::Leave), [`Terminate`](Action::Terminate), [`Kill`](Action::Kill), [`KillLate`](Action::KillLate) | [`Exited`](Event::Exited), or `StartFailed` | its results count, and it is sent no tasks |
//!
//! A worker of another host may start only what it was granted, so that few tasks are uncertain when its host is lost. The scheduler
//! knows such a worker by its [`RoundTrip`](Event::RoundTrip), which comes before it is ready. [`Grant`](Action::Grant) and
//! [`Started`](Event::Started) number the tasks of a worker from its first one; a revoked task's number goes to the next one that is
//! sent. A revoke also takes back the grant of what it takes.
//!
//! `Exited`, `StartFailed` and [`Lost`](Event::Lost) stand for every answer that has not come. An event about a worker that is gone changes nothing.

use std::time::Duration;

use crate::model::ids::{JobId, TaskId, TaskRange, WorkerId};
use crate::model::options::JobOptions;

/// A fact that the scheduler takes into account.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A job begins.
    Open { job: JobId, options: JobOptions },
    /// A job has more tasks, of which the heaviest takes about `weight` bytes to send.
    Submit { tasks: TaskRange, weight: usize },
    /// A job has one task for each active worker, in their order, and one is to run in each.
    Pin { tasks: TaskRange },
    /// No caller waits for the job any more. The rest of it is cancelled; running tasks go on.
    Release { job: JobId },
    /// As a release, and running tasks are stopped.
    Cancel { job: JobId },
    /// A worker asks for its first task.
    Ready { worker: WorkerId },
    /// A worker's initializer has failed. Its process is about to end.
    InitFailed { worker: WorkerId },
    /// A worker has completed the next `count` of its tasks, which are of one job.
    Completed { worker: WorkerId, count: u64 },
    /// The next of a worker's tasks has failed: it panicked, for example.
    Failed { worker: WorkerId, may_repeat: bool },
    /// The last `count` tasks of a worker took this time together.
    Timed { worker: WorkerId, count: u64, took: Duration },
    /// The last `count` tasks, just sent to the worker, could not be sent.
    Unsendable { worker: WorkerId, count: u64 },
    /// A worker that has ended had not started the last `count` of its tasks; it had started all the others.
    Unstarted { worker: WorkerId, count: u64 },
    /// The last `count` tasks were revoked from a worker as requested. Of those that it kept at that moment, it had not started the
    /// last `unstarted`: no more were requested, or they wait for space in the ring and could not be revoked.
    Revoked { worker: WorkerId, count: u64, unstarted: u64 },
    /// The next of a worker's tasks has been running since then.
    Running { worker: WorkerId, since: Duration },
    /// A worker of another host has started its first `upto` tasks, those that it has completed included.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the members of a pool on other hosts"))]
    Started { worker: WorkerId, upto: u64 },
    /// A worker is on another host, and this is the time from an order to the report that answers it.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the members of a pool on other hosts"))]
    RoundTrip { worker: WorkerId, rtt: Duration },
    /// A worker uses more memory than it may.
    MemoryExceeded { worker: WorkerId },
    /// A worker has ended, and all its reports were read.
    Exited { worker: WorkerId },
    /// The host of a worker was lost. Tasks that the worker may have started are tried again, or fail.
    Lost { worker: WorkerId },
    /// No process could be started for this worker.
    StartFailed { worker: WorkerId },
    /// The pool is to have this many workers.
    Resize { workers: usize },
    /// No new jobs; the pool ends when the open ones have ended.
    Close,
    /// The same, and a thread waits for the end.
    Join,
    /// The pool was dropped: end now, and let idle workers leave by themselves.
    Drop,
    /// End now.
    Terminate,
    /// All events up to now were delivered: decide.
    Tick,
}

/// A command of the scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a process for this worker.
    Start { worker: WorkerId },
    /// Send these tasks, of which the worker starts `chunk_size` at a time.
    Send { worker: WorkerId, tasks: TaskRange, chunk_size: u64 },
    /// The worker, which is on another host, may start its first `upto` tasks, those that it has completed included.
    Grant { worker: WorkerId, upto: u64 },
    /// Revoke up to `count` of the last tasks that were sent and not started, and report their number.
    Revoke { worker: WorkerId, count: u64 },
    /// These tasks have ended. Issued exactly once for each task.
    Finish { tasks: TaskRange, outcome: Outcome },
    /// This task is tried again: the recorded outcome of its last attempt is dropped.
    Retry { task: TaskId },
    /// Ask the worker to leave.
    Leave { worker: WorkerId },
    /// Ask the worker to end in the middle of its task.
    Terminate { worker: WorkerId },
    /// Kill the worker.
    Kill { worker: WorkerId },
    /// Kill the worker because it has not become ready in time.
    KillLate { worker: WorkerId },
    /// The pool is broken: no worker becomes ready.
    Break,
    /// The pool has ended: no worker is left.
    End,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its worker sent a result.
    Completed,
    /// Its worker reported a failure, at this attempt, counted from 1.
    Failed { attempt: u32 },
    /// Its worker died while the task was running, at this attempt.
    Died { worker: WorkerId, attempt: u32 },
    /// Its worker's host was lost, and it may have run there, at this attempt.
    HostLost { worker: WorkerId, attempt: u32 },
    /// It ran for too long and was stopped, at this attempt.
    TimedOut { worker: WorkerId, attempt: u32 },
    /// It had not started when its time to wait was over.
    Expired,
    /// It could not be sent.
    Unsendable,
    /// Its job was released, or cancelled before the task started.
    Cancelled,
    /// Its job was cancelled while this worker had it.
    Stopped(WorkerId),
    /// It was not sent to any worker, because of the pool's state.
    Refused(Refusal),
    /// The same, when this worker had it and may have started it.
    Interrupted(WorkerId, Refusal),
}

/// Why a pool accepts no tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its owner has closed or joined it.
    Closed,
    /// Its owner has terminated it.
    Terminated,
    /// Its owner has dropped it.
    Dropped,
    /// No worker can be started.
    Broken,
}
