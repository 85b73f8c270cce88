//! [`Job`]: a job as the scheduler sees it, with the tasks that wait for a worker.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::chunking::Chunking;
use super::steps;
use crate::model::ids::{TaskId, TaskRange};
use crate::model::options::JobOptions;
use crate::model::tuning::SchedulerTuning;

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) options: JobOptions,
    pub(super) chunking: Chunking,
    /// The most bytes in a chunk of more than one task.
    max_chunk_bytes: usize,
    /// The tasks that wait: those that were put back, the last one first, and then the others in their order.
    queue: VecDeque<QueuedTasks>,
    /// The number of tasks in the queue.
    queued: u64,
    /// The number of its tasks that workers hold.
    pub(super) held: u64,
    /// When the job is next checked for expired tasks.
    pub(super) next_check: Option<Duration>,
    /// The number of attempts at tasks that have failed before.
    attempts: BTreeMap<u64, u32>,
    /// The number of hosts that were lost while a task was running there.
    losses: BTreeMap<u64, u32>,
}

/// Consecutive tasks in a job's queue or a worker's.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueuedTasks {
    pub(super) tasks: TaskRange,
    /// The weight of the heaviest of them in bytes.
    pub(super) weight: usize,
    /// When they expire, if they have not started.
    pub(super) expires_at: Option<Duration>,
    /// When they were last submitted, requeued or sent.
    pub(super) queued_at: Duration,
    /// The number of them that a worker starts together.
    pub(super) chunk_size: u64,
    /// Whether this is a task for one worker and no other.
    pub(super) is_pinned: bool,
}

impl QueuedTasks {
    pub(super) fn new(tasks: TaskRange, now: Duration) -> QueuedTasks {
        QueuedTasks { tasks, weight: 0, expires_at: None, queued_at: now, chunk_size: 1, is_pinned: false }
    }
}

impl Job {
    pub(super) fn new(options: JobOptions, tuning: &'static SchedulerTuning) -> Job {
        Job {
            options,
            chunking: Chunking::new(&options, tuning),
            max_chunk_bytes: tuning.max_chunk_bytes,
            queue: VecDeque::new(),
            queued: 0,
            held: 0,
            next_check: None,
            attempts: BTreeMap::new(),
            losses: BTreeMap::new(),
        }
    }

    /// Adds tasks behind all others.
    pub(super) fn push(&mut self, queued: QueuedTasks) {
        self.queued += queued.tasks.count;
        self.queue.push_back(queued);
    }

    /// Puts tasks that were sent but not started, or are tried again, to the front.
    pub(super) fn requeue(&mut self, queued: QueuedTasks) {
        self.queued += queued.tasks.count;
        // To the front, because a caller that takes results in their order waits for these first.
        self.queue.push_front(queued);
    }

    /// Returns whether no task waits. Workers may hold some.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns the number of tasks that wait.
    pub(super) fn queued(&self) -> u64 {
        self.queued
    }

    /// Removes the next tasks for one of `workers` workers: at most `max`, and at least one where there is any.
    pub(super) fn take(&mut self, max: u64, workers: u64) -> Option<QueuedTasks> {
        let chunk_size = self.chunking.chunk_size(self.queued, workers);
        let front = self.queue.front_mut()?;
        // A chunk fits into the ring, so heavy tasks go alone.
        let max_light = (self.max_chunk_bytes / front.weight.max(1)).max(1) as u64;
        let tasks = front.tasks.split_front(max.max(1).min(max_light));
        let taken = QueuedTasks { tasks, chunk_size, ..*front };
        if front.tasks.count == 0 {
            self.queue.pop_front();
        }
        self.queued -= taken.tasks.count;
        self.held += taken.tasks.count;
        Some(taken)
    }

    /// Removes the tasks that have expired.
    pub(super) fn take_expired(&mut self, now: Duration) -> Vec<TaskRange> {
        steps::count();
        let mut expired = Vec::new();
        // The whole queue: tasks that are tried again lie in front and do not expire, so no order ends the search.
        self.queue.retain(|queued| {
            let is_expired = queued.expires_at.is_some_and(|at| at <= now);
            if is_expired {
                expired.push(queued.tasks);
            }
            !is_expired
        });
        self.queued -= expired.iter().map(|tasks| tasks.count).sum::<u64>();
        expired
    }

    /// Returns when the next of the waiting tasks expires.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        steps::count();
        self.queue.iter().filter_map(|queued| queued.expires_at).min()
    }

    /// Returns the number of the running, or the next, attempt at a task, counted from 1.
    pub(super) fn attempt(&self, index: u64) -> u32 {
        self.attempts.get(&index).map_or(1, |tried| tried + 1)
    }

    /// Returns some tasks in ranges of the same number of attempts, as [`attempt`](Job::attempt) counts them.
    pub(super) fn attempts_at(&self, mut tasks: TaskRange) -> Vec<(TaskRange, u32)> {
        let mut ranges = Vec::new();
        let tried: Vec<u64> =
            self.attempts.range(tasks.first..tasks.first + tasks.count).map(|(index, _)| *index).collect();
        for index in tried {
            ranges.push((tasks.split_front(index - tasks.first), 1));
            ranges.push((tasks.split_front(1), self.attempt(index)));
        }
        ranges.push((tasks, 1));
        ranges.retain(|(tasks, _)| tasks.count > 0);
        ranges
    }

    /// Records that an attempt at a task has failed. Returns whether another one follows.
    pub(super) fn may_retry(&mut self, task: TaskId) -> bool {
        let attempt = self.attempt(task.index);
        // The first attempt is no retry, so `retries` more may follow it.
        let may_retry = attempt <= self.options.retries;
        if may_retry {
            self.attempts.insert(task.index, attempt);
        }
        may_retry
    }

    /// Records that a host was lost while a task was running there. Returns how many were by now.
    pub(super) fn count_loss(&mut self, index: u64) -> u32 {
        let losses = self.losses.entry(index).or_default();
        *losses += 1;
        *losses
    }

    /// Forgets the attempts at tasks that have ended.
    pub(super) fn ended(&mut self, tasks: TaskRange) {
        let range = tasks.first..tasks.first + tasks.count;
        for counts in [&mut self.attempts, &mut self.losses] {
            // Few jobs have any, and the range may be thousands of tasks.
            if !counts.is_empty() {
                for index in range.clone() {
                    counts.remove(&index);
                }
            }
        }
    }

    /// Removes all tasks that wait, and returns them.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = TaskRange> {
        self.queued = 0;
        self.queue.drain(..).map(|queued| queued.tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::JobId;
    use crate::model::tuning::SCHEDULER_TUNING as TUNING;

    fn job(entries: &[(u64, u64, usize)]) -> Job {
        let (id, mut job) = (JobId(0), Job::new(JobOptions::default(), &TUNING));
        for &(first, count, weight) in entries {
            let tasks = TaskRange { job: id, first, count };
            job.push(QueuedTasks { weight, ..QueuedTasks::new(tasks, Duration::ZERO) });
        }
        job
    }

    fn taken(job: &mut Job, max: u64) -> Option<(u64, u64)> {
        job.take(max, 1).map(|queued| (queued.tasks.first, queued.tasks.count))
    }

    #[test]
    fn heavy_tasks_go_alone() {
        let heavy = TUNING.max_chunk_bytes;
        let mut job = job(&[(0, 2, 2 * heavy), (2, 20, heavy / 4), (22, 1, usize::MAX)]);
        assert_eq!(taken(&mut job, 10), Some((0, 1)));
        assert_eq!(taken(&mut job, 10), Some((1, 1)));
        assert_eq!(taken(&mut job, 10), Some((2, 4)));
        assert_eq!(taken(&mut job, 3), Some((6, 3)));
        assert_eq!((0..4).filter_map(|_| taken(&mut job, 100)).last(), Some((21, 1)));
        assert_eq!(taken(&mut job, 10), Some((22, 1)));
        assert_eq!((taken(&mut job, 10), job.queued()), (None, 0));
    }

    #[test]
    fn attempts_are_counted_and_bounded() {
        let mut job = job(&[(0, 1, 1)]);
        job.options.retries = 2;
        let task = TaskId { job: JobId(0), index: 0 };
        assert_eq!(job.attempt(0), 1);
        assert!(job.may_retry(task) && job.may_retry(task));
        assert_eq!(job.attempt(0), 3);
        assert!(!job.may_retry(task));
    }
}
