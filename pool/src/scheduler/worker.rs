//! [`Worker`]: a worker as the scheduler sees it, with the phase of its life and the tasks that it holds.

use std::collections::VecDeque;
use std::time::Duration;

use super::granted::Granted;
use super::job::QueuedTasks;
use super::steps;
use crate::model::ids::{JobId, TaskId, TaskRange};

/// One worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) phase: WorkerPhase,
    /// The tasks that were sent to it and not completed, in that order: the first is running, or the next to run. Tasks of released
    /// jobs stay here until they are completed or revoked.
    held: VecDeque<QueuedTasks>,
    /// The number of tasks in `held`.
    load: u64,
    /// Tasks for this worker and no other, which were not sent yet.
    pub(super) pinned: VecDeque<QueuedTasks>,
    /// The number of held tasks that it is known to have started.
    pub(super) started: u64,
    /// The time from an order to the report that answers it, where the worker is on another host.
    pub(super) rtt: Option<Duration>,
    /// The held tasks that it may start, where it is on another host.
    pub(super) granted: Granted,
    revokes: Revokes,
    /// No revoke makes sense before this.
    pub(super) revoke_after: Duration,
    /// Since when the first of its tasks has been running, as far as known.
    pub(super) running_since: Option<Duration>,
    /// When it last completed a task, or was sent the first of those that it holds.
    pub(super) last_progress: Duration,
    /// Whether it has completed a task since it was last sent some.
    pub(super) has_completed: bool,
    /// The number of tasks that it has completed.
    pub(super) done: u64,
    /// The job of the task that it completed last.
    pub(super) last_job: Option<JobId>,
    /// When it was first seen to leave its tasks alone although it was idle, if it still does.
    pub(super) ignored_since: Option<Duration>,
    /// Other workers are preferred until then, because this one did not start a task: it may be stopped.
    pub(super) avoid_until: Duration,
    /// Why it is to be stopped. Set from the request until it is stopped, or until the reason has gone.
    pub(super) stop_reason: Option<StopReason>,
    /// When its process began to start. Its age counts from here, and the limit on its start.
    pub(super) spawned_at: Duration,
    /// The number of completed tasks whose durations were not reported, and the time since the report before them, less idle time.
    unreported: (u64, Duration),
}

/// The revokes that a worker was sent and that were not answered. Until then its last tasks stay as they are: it is sent no others.
#[derive(Clone, Copy, Debug, Default)]
struct Revokes {
    unanswered: u32,
    /// Whether one of them asks for all tasks.
    of_all: bool,
}

/// The phase of a worker's life. While it is starting it prepares itself, and is sent no tasks.
///
/// ```text
/// Starting ──► Ready ──► Retiring ──► Leaving ──► (gone)
///     └──────────┴───────────┴──────────┴──► Stopping ──► Killed ──► (gone)      any of them may die at any moment
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerPhase {
    Starting,
    Ready,
    /// It gets no more tasks, and leaves when it has completed those that it holds and a replacement is ready.
    Retiring,
    /// It was asked to leave, and is killed at `until`.
    Leaving {
        until: Duration,
    },
    /// It was asked to end in the middle of a task, and is killed at `until`.
    Stopping {
        until: Duration,
    },
    /// It was killed, or is about to end by itself.
    Killed,
}

/// Why a worker is stopped in the middle of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The task has run for too long.
    TimedOut(TaskId),
    /// The job was cancelled, so no caller wants the result.
    Cancelled(JobId),
    /// It does not start a task that has a timeout.
    Unresponsive,
}

impl Worker {
    /// Returns a worker whose process begins to start.
    pub(super) fn starting(now: Duration) -> Worker {
        Worker {
            phase: WorkerPhase::Starting,
            held: VecDeque::new(),
            load: 0,
            pinned: VecDeque::new(),
            started: 0,
            rtt: None,
            granted: Granted::default(),
            revokes: Revokes::default(),
            revoke_after: Duration::ZERO,
            running_since: None,
            last_progress: now,
            has_completed: false,
            done: 0,
            last_job: None,
            ignored_since: None,
            avoid_until: Duration::ZERO,
            stop_reason: None,
            spawned_at: now,
            unreported: (0, Duration::ZERO),
        }
    }

    /// Returns whether it counts as one of the pool's workers: it works, or will soon.
    pub(super) fn is_active(&self) -> bool {
        matches!(self.phase, WorkerPhase::Starting | WorkerPhase::Ready)
    }

    /// Returns whether it is ready and was not asked to go.
    pub(super) fn is_ready(&self) -> bool {
        self.phase == WorkerPhase::Ready
    }

    /// Returns whether it works and was not asked to go before its tasks are done.
    pub(super) fn is_serving(&self) -> bool {
        matches!(self.phase, WorkerPhase::Ready | WorkerPhase::Retiring)
    }

    /// Returns whether it can be sent a task: it is ready, and no revoke or stop is under way.
    pub(super) fn can_be_sent(&self) -> bool {
        self.is_ready() && !self.is_revoking() && self.stop_reason.is_none()
    }

    /// Returns whether it can be sent tasks of any job: it is idle, or completes those that it has.
    pub(super) fn can_take_more(&self) -> bool {
        // A worker that has completed nothing since it was last sent tasks may be in a long one: more would wait behind that.
        self.can_be_sent() && self.pinned.is_empty() && (self.load == 0 || self.has_completed)
    }

    /// Returns whether tasks are being revoked and their number is not known yet.
    pub(super) fn is_revoking(&self) -> bool {
        self.revokes.unanswered > 0
    }

    /// Records that up to `count` tasks are revoked. Returns `false` if a revoke that was not answered covers that.
    pub(super) fn revoke(&mut self, count: u64) -> bool {
        let of_all = count >= self.load;
        // A second revoke of a part would be planned without the answer to the first.
        let is_new = count > 0 && (!self.is_revoking() || of_all && !self.revokes.of_all);
        if is_new {
            self.revokes = Revokes { unanswered: self.revokes.unanswered + 1, of_all };
        }
        is_new
    }

    /// Records the answer to a revoke. The dispatcher may also revoke without having been asked.
    pub(super) fn revoke_answered(&mut self) {
        let unanswered = self.revokes.unanswered.saturating_sub(1);
        self.revokes = Revokes { unanswered, of_all: self.revokes.of_all && unanswered > 0 };
    }

    /// Returns the number of tasks that it holds.
    pub(super) fn load(&self) -> u64 {
        self.load
    }

    /// Returns the number of held tasks that it may have started.
    pub(super) fn granted(&self) -> u64 {
        if self.rtt.is_some() { self.granted.count() } else { self.load }
    }

    /// Returns the first of the chunks that it may not start as a whole, and the number of tasks of it that it may start.
    pub(super) fn first_not_granted(&self) -> Option<(&QueuedTasks, u64)> {
        Some((self.held.get(self.granted.chunks())?, self.granted.in_next()))
    }

    /// Returns the tasks of a job that it holds, and whether it may have started them.
    pub(super) fn held_of(&self, job: JobId) -> Vec<(TaskRange, bool)> {
        let (mut left, mut ranges) = (self.granted(), Vec::new());
        for queued in self.held() {
            let mut tasks = queued.tasks;
            let granted = tasks.split_front(left);
            left -= granted.count;
            if tasks.job == job {
                ranges.extend([(granted, true), (tasks, false)].into_iter().filter(|(tasks, _)| tasks.count > 0));
            }
        }
        ranges
    }

    /// Returns the number of held tasks that it may not have started.
    pub(super) fn unstarted(&self) -> u64 {
        // The first counts as started although that may not be known, because a worker begins it as soon as it arrives. One that
        // does not is found by its silence.
        self.load - self.started.max(1).min(self.load)
    }

    /// Returns when it is killed, if it was asked to go.
    pub(super) fn kill_at(&self) -> Option<Duration> {
        match self.phase {
            WorkerPhase::Leaving { until } | WorkerPhase::Stopping { until } => Some(until),
            _ => None,
        }
    }

    /// Returns the task that it runs, or will run next.
    pub(super) fn front(&self) -> Option<TaskId> {
        self.front_range().map(TaskRange::head)
    }

    /// Returns the tasks of one chunk that it runs, or will run next.
    pub(super) fn front_range(&self) -> Option<TaskRange> {
        self.held.front().map(|queued| queued.tasks)
    }

    /// Returns the last task that it is known to have started. It runs that one, or others of its chunk; those before have ended,
    /// whether their results were read or not.
    pub(super) fn last_started(&self) -> Option<TaskId> {
        let mut before = self.started.checked_sub(1)?;
        for QueuedTasks { tasks, .. } in &self.held {
            if before < tasks.count {
                return Some(TaskId { job: tasks.job, index: tasks.first + before });
            }
            before -= tasks.count;
        }
        None
    }

    /// Returns whether its first task must have ended, although its result was not read: it has started more than one chunk.
    pub(super) fn is_past_front(&self) -> bool {
        self.held.front().is_some_and(|front| self.started > front.chunk_size.min(front.tasks.count))
    }

    /// Returns since when it has left the first of its tasks alone, as far as known.
    pub(super) fn silent_since(&self) -> Option<Duration> {
        // A pinned task is no use to other workers.
        let is_shared = self.held.front().is_some_and(|front| !front.is_pinned);
        let is_silent = is_shared && self.started == 0 && self.running_since.is_none();
        // `stop_timed_out` moves `last_progress` on whenever it looks, so its first look is kept apart.
        is_silent.then(|| self.ignored_since.unwrap_or(self.last_progress))
    }

    /// Returns whether it holds tasks of a job.
    pub(super) fn holds(&self, job: JobId) -> bool {
        self.held().any(|queued| queued.tasks.job == job)
    }

    /// Returns the tasks that it holds, in the order in which it runs them.
    pub(super) fn held(&self) -> impl Iterator<Item = &QueuedTasks> {
        self.held.iter().inspect(|_| steps::count())
    }

    /// Returns when the first of its tasks expires that it has not started.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.expiries().map(|(_, at)| at).min()
    }

    /// Returns the jobs of those tasks that it has not started and that expire, and when they do.
    pub(super) fn expiries(&self) -> impl Iterator<Item = (JobId, Duration)> {
        let mut started = self.started;
        let unstarted = self.held().filter(move |queued| {
            // Where only a part has started, the rest may still be revoked.
            let is_unstarted = queued.tasks.count > started;
            started = started.saturating_sub(queued.tasks.count);
            is_unstarted
        });
        unstarted.filter_map(|queued| Some((queued.tasks.job, queued.expires_at?)))
    }

    /// Records that tasks are sent to it.
    pub(super) fn assign(&mut self, queued: QueuedTasks, now: Duration) {
        // Of a worker that has tasks, more of them are no progress: a silent one would look alive each time.
        if self.load == 0 {
            self.ignored_since = None;
            self.last_progress = now;
        }
        self.load += queued.tasks.count;
        self.has_completed = false;
        self.held.push_back(QueuedTasks { queued_at: now, ..queued });
    }

    /// Removes the first `count` tasks, which it has completed. `None` if it does not hold as many.
    pub(super) fn completed(&mut self, count: u64, now: Duration) -> Option<Vec<TaskRange>> {
        if count > self.load {
            return None;
        }
        // Before `last_progress` moves on: the time since then is that of these tasks, in transit and in the worker.
        let (unreported, time) = self.unreported;
        self.unreported = (unreported + count, time + now.saturating_sub(self.last_progress));
        self.last_progress = now;
        self.running_since = None;
        // A worker that has completed a task is not stopped, whatever it looked like before.
        (self.ignored_since, self.avoid_until) = (None, Duration::ZERO);
        self.stop_reason = self.stop_reason.filter(|reason| *reason != StopReason::Unresponsive);
        self.has_completed = true;
        self.done += count;
        self.started = self.started.saturating_sub(count);
        let ranges = self.remove_first(count);
        self.last_job = ranges.last().map(|tasks| tasks.job);
        Some(ranges)
    }

    /// Records that tasks ran for `each`. Returns the time in transit of each task that was completed since the last report.
    pub(super) fn timed(&mut self, each: Duration) -> Duration {
        let (count, time) = std::mem::take(&mut self.unreported);
        let whole = time / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        whole.saturating_sub(each)
    }

    /// Removes the last `count` tasks, the last first.
    pub(super) fn remove_last(&mut self, count: u64) -> Vec<QueuedTasks> {
        // The number comes from memory that the worker can write, so it is believed only up to what the worker holds.
        let mut left = count.min(self.load);
        self.load -= left;
        let mut removed = Vec::new();
        while left > 0 {
            let Some(last) = self.held.back_mut() else { break };
            let tasks = last.tasks.split_back(left);
            left -= tasks.count;
            removed.push(QueuedTasks { tasks, ..*last });
            let rest = last.tasks.count;
            if rest == 0 {
                self.held.pop_back();
            }
            self.granted.revoked(self.held.len(), tasks.count, rest);
        }
        removed
    }

    /// Removes the first `count` tasks, of at least as many, in ranges of one job each.
    fn remove_first(&mut self, count: u64) -> Vec<TaskRange> {
        let mut left = count;
        self.load -= count;
        let mut removed = Vec::with_capacity(1);
        while left > 0 {
            let Some(front) = self.held.front_mut() else { break };
            let tasks = front.tasks.split_front(left);
            left -= tasks.count;
            removed.push(tasks);
            let is_whole = front.tasks.count == 0;
            if is_whole {
                self.held.pop_front();
            }
            self.granted.completed(tasks.count, is_whole);
        }
        removed
    }
}
