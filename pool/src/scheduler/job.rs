//! A job as the scheduler sees it: tasks that wait, and how many of them go together.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::steps;
use crate::chunking::Chunking;
use crate::ids::{Span, TaskId};
use crate::terms::Terms;

/// The most bytes in a chunk of more than one task.
const HEAVY: usize = 32 << 10;

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) terms: Terms,
    pub(super) chunking: Chunking,
    queue: VecDeque<Waiting>,
    queued: u64,
    /// How many of its tasks workers have, that have not ended.
    pub(super) held: u64,
    /// When it is to be looked at because something may have waited for too long.
    pub(super) due: Option<Duration>,
    /// How often the tasks that have failed before were tried.
    attempts: BTreeMap<u64, u32>,
}

/// Tasks that wait for a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) tasks: Span,
    /// What the heaviest of them weighs.
    pub(super) weight: usize,
    /// They are to begin before this.
    pub(super) until: Option<Duration>,
    /// When they were submitted, put back, or sent to a worker, whatever was the last.
    pub(super) since: Duration,
    /// How many of them a worker begins at once.
    pub(super) unit: u64,
    /// Whether it is a task for one worker, and for no other.
    pub(super) is_pinned: bool,
}

impl Job {
    pub(super) fn new(terms: Terms) -> Job {
        let chunking = Chunking::new(terms.chunk, terms.usual, terms.wants_all);
        Job { terms, chunking, queue: VecDeque::new(), queued: 0, held: 0, due: None, attempts: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.queued += waiting.tasks.count;
        self.queue.push_back(waiting);
    }

    /// Puts tasks that were sent but not begun, or are to be tried again, to the front.
    pub(super) fn put_back(&mut self, waiting: Waiting) {
        self.queued += waiting.tasks.count;
        self.queue.push_front(waiting);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn queued(&self) -> u64 {
        self.queued
    }

    /// Takes the next tasks for one of `hands` workers, at most `most` of them and at least one where there is any.
    pub(super) fn take(&mut self, most: u64, hands: u64) -> Option<Waiting> {
        let unit = self.chunking.unit(self.queued, hands);
        let front = self.queue.front_mut()?;
        let light = (HEAVY / front.weight.max(1)).max(1) as u64;
        let tasks = front.tasks.split_front(most.max(1).min(light));
        let taken = Waiting { tasks, unit, ..*front };
        if front.tasks.count == 0 {
            self.queue.pop_front();
        }
        self.queued -= taken.tasks.count;
        self.held += taken.tasks.count;
        Some(taken)
    }

    /// Takes out what should have begun by now.
    pub(super) fn take_expired(&mut self, now: Duration) -> Vec<Span> {
        steps::count();
        let mut expired = Vec::new();
        self.queue.retain(|waiting| {
            let is_late = waiting.until.is_some_and(|until| until <= now);
            if is_late {
                expired.push(waiting.tasks);
            }
            !is_late
        });
        self.queued -= expired.iter().map(|tasks| tasks.count).sum::<u64>();
        expired
    }

    /// When the next of the waiting tasks should have begun.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        steps::count();
        self.queue.iter().filter_map(|waiting| waiting.until).min()
    }

    /// Which attempt at a task the next, or the running, one is, counted from 1.
    pub(super) fn attempt(&self, index: u64) -> u32 {
        self.attempts.get(&index).map_or(1, |tried| tried + 1)
    }

    /// Notes that an attempt at a task has failed. Answers whether there is to be another.
    pub(super) fn may_retry(&mut self, task: TaskId) -> bool {
        let attempt = self.attempt(task.index);
        let goes_on = attempt <= self.terms.retries;
        if goes_on {
            self.attempts.insert(task.index, attempt);
        }
        goes_on
    }

    /// Forgets how often tasks were tried, now that they have ended.
    pub(super) fn ended(&mut self, tasks: Span) {
        if !self.attempts.is_empty() {
            (tasks.first..tasks.first + tasks.count).for_each(|index| {
                self.attempts.remove(&index);
            });
        }
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Span> {
        self.queued = 0;
        self.queue.drain(..).map(|waiting| waiting.tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::JobId;

    fn job(entries: &[(u64, u64, usize)]) -> Job {
        let (id, mut job) = (JobId(0), Job::new(Terms::default()));
        for &(first, count, weight) in entries {
            job.push(Waiting {
                tasks: Span { job: id, first, count },
                weight,
                until: None,
                since: Duration::ZERO,
                unit: 1,
                is_pinned: false,
            });
        }
        job
    }

    fn taken(job: &mut Job, most: u64) -> Option<(u64, u64)> {
        job.take(most, 1).map(|waiting| (waiting.tasks.first, waiting.tasks.count))
    }

    #[test]
    fn heavy_tasks_go_alone() {
        let mut job = job(&[(0, 2, 2 * HEAVY), (2, 20, HEAVY / 4), (22, 1, usize::MAX)]);
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
        job.terms.retries = 2;
        let task = TaskId { job: JobId(0), index: 0 };
        assert_eq!(job.attempt(0), 1);
        assert!(job.may_retry(task) && job.may_retry(task));
        assert_eq!(job.attempt(0), 3);
        assert!(!job.may_retry(task));
    }
}
