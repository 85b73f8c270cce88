//! A worker as the scheduler sees it: how far its life has come, and which tasks it holds.

use std::collections::VecDeque;
use std::time::Duration;

use super::job::Waiting;
use crate::ids::{JobId, Span, TaskId};

/// One worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) life: Life,
    /// What was sent to it and not answered, in that order: the first is running, or the next to run. Tasks of jobs that were
    /// released stay here until they are answered or taken back, although nobody waits for them.
    held: VecDeque<Waiting>,
    load: u64,
    /// So many of the first that it holds it is known to have begun.
    pub(super) begun: u64,
    /// Whether it was asked to give tasks back and has not yet said how many.
    pub(super) is_recalling: bool,
    /// Since when the first of its tasks has been running, as far as known.
    pub(super) running: Option<Duration>,
    /// When it last took a task to its end, or was sent the first of those that it holds.
    pub(super) stirred: Duration,
    /// Whether it has taken a task to its end since it was sent the last chunk.
    pub(super) has_answered: bool,
    /// How many tasks it has taken to their end.
    pub(super) done: u64,
    /// The job of the last task that it took to its end.
    pub(super) last_job: Option<JobId>,
    /// Why it is being stopped.
    pub(super) sentence: Option<Sentence>,
    pub(super) started: Duration,
}

/// How far a worker's life has come.
///
/// ```text
/// Starting ──► Ready ──► Retiring ──► Leaving ──► (gone)
///     └──────────┴───────────┴──────────┴──► Condemned ──► Doomed ──► (gone)      any of them may die at any moment
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Starting,
    Ready,
    /// It gets no more tasks, and leaves when it has done those that it holds and somebody else is ready.
    Retiring,
    /// Asked to leave; killed when it has not gone by then.
    Leaving {
        until: Duration,
    },
    /// Asked to end at once; killed when it has not gone by then.
    Condemned {
        until: Duration,
    },
    /// Killed, or about to end by itself.
    Doomed,
}

/// Why a worker is stopped in the middle of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sentence {
    /// Its task has run for too long.
    TimedOut(TaskId),
    /// Nobody wants the result, and somebody wants the worker.
    Cancelled(JobId),
}

impl Worker {
    pub(super) fn starting(now: Duration) -> Worker {
        Worker {
            life: Life::Starting,
            held: VecDeque::new(),
            load: 0,
            begun: 0,
            is_recalling: false,
            running: None,
            stirred: now,
            has_answered: false,
            done: 0,
            last_job: None,
            sentence: None,
            started: now,
        }
    }

    /// Whether it counts as one of the workers that the pool wants to have.
    pub(super) fn is_of_use(&self) -> bool {
        matches!(self.life, Life::Starting | Life::Ready)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.life == Life::Ready
    }

    /// How many tasks it holds.
    pub(super) fn load(&self) -> u64 {
        self.load
    }

    /// How many of them it may not have begun.
    pub(super) fn unbegun(&self) -> u64 {
        self.load - self.begun.max(1).min(self.load)
    }

    /// Whether it may be sent more: when it has nothing to do, or is seen to get on with what it has.
    pub(super) fn takes_more(&self) -> bool {
        self.is_ready() && !self.is_recalling && (self.load == 0 || self.has_answered)
    }

    /// Until when it may take to go, if it was asked to.
    pub(super) fn goes_until(&self) -> Option<Duration> {
        match self.life {
            Life::Leaving { until } | Life::Condemned { until } => Some(until),
            _ => None,
        }
    }

    /// The task that it runs, or is about to run.
    pub(super) fn front(&self) -> Option<TaskId> {
        self.held.front().map(|waiting| waiting.tasks.head())
    }

    /// The tasks of one chunk that it runs, or is about to run.
    pub(super) fn front_span(&self) -> Option<Span> {
        self.held.front().map(|waiting| waiting.tasks)
    }

    pub(super) fn held(&self) -> impl Iterator<Item = &Waiting> {
        self.held.iter()
    }

    /// Whether something that it has not begun should have begun by now.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        let mut begun = self.begun.max(1);
        let unbegun = self.held.iter().filter(|waiting| {
            let is_unbegun = waiting.tasks.count > begun;
            begun = begun.saturating_sub(waiting.tasks.count);
            is_unbegun
        });
        unbegun.filter_map(|waiting| waiting.until).min()
    }

    pub(super) fn give(&mut self, waiting: Waiting, now: Duration) {
        if self.load == 0 {
            self.stirred = now;
        }
        self.load += waiting.tasks.count;
        self.has_answered = false;
        self.held.push_back(waiting);
    }

    /// Takes off the first `count` tasks, which it has answered. `None` when it does not hold so many.
    pub(super) fn answered(&mut self, count: u64, now: Duration) -> Option<Vec<Span>> {
        if count > self.load {
            return None;
        }
        self.stirred = now;
        self.running = None;
        self.has_answered = true;
        self.done += count;
        self.begun = self.begun.saturating_sub(count);
        let spans = self.take_front(count);
        self.last_job = spans.last().map(|tasks| tasks.job);
        Some(spans)
    }

    /// Takes off the last `count` tasks, the last first.
    pub(super) fn take_back(&mut self, count: u64) -> Vec<Waiting> {
        let mut left = count.min(self.load);
        self.load -= left;
        let mut taken = Vec::new();
        while left > 0 {
            let Some(last) = self.held.back_mut() else { break };
            let tasks = last.tasks.split_back(left);
            left -= tasks.count;
            taken.push(Waiting { tasks, ..*last });
            if last.tasks.count == 0 {
                self.held.pop_back();
            }
        }
        taken
    }

    fn take_front(&mut self, count: u64) -> Vec<Span> {
        let mut left = count;
        self.load -= count;
        let mut taken = Vec::with_capacity(1);
        while left > 0 {
            let Some(front) = self.held.front_mut() else { break };
            let tasks = front.tasks.split_front(left);
            left -= tasks.count;
            taken.push(tasks);
            if front.tasks.count == 0 {
                self.held.pop_front();
            }
        }
        taken
    }
}
