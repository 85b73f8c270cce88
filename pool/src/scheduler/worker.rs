//! A worker as the scheduler sees it: how far its life has come, and which tasks it holds.

use std::collections::VecDeque;
use std::time::Duration;

use super::job::Waiting;
use super::steps;
use crate::ids::{JobId, Span, TaskId};

/// One worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) life: Life,
    /// What was sent to it and not answered, in that order: the first is running, or the next to run. Tasks of jobs that were
    /// released stay here until they are answered or taken back, although nobody waits for them.
    held: VecDeque<Waiting>,
    load: u64,
    /// What it is to be sent, and no other.
    pub(super) pinned: VecDeque<Waiting>,
    /// So many of the first that it holds it is known to have begun.
    pub(super) begun: u64,
    /// Whether it was asked to give tasks back and has not yet said how many.
    pub(super) is_recalling: bool,
    /// There is no use in asking it again before this.
    pub(super) recall_after: Duration,
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
    /// When it was seen not to have begun what it was sent, though it had nothing else to do, if it still has not.
    pub(super) unheeded: Option<Duration>,
    /// Until then others are given tasks rather than it, because it did not begin one: perhaps it was stopped.
    pub(super) deaf_until: Duration,
    /// Why it is being stopped.
    pub(super) sentence: Option<Sentence>,
    pub(super) started: Duration,
    /// How many tasks it was heard of since it last told how long they ran, and the time that passed meanwhile while it had some.
    spent: (u64, Duration),
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
    /// It does not begin what must not take long.
    Deaf,
}

impl Worker {
    pub(super) fn starting(now: Duration) -> Worker {
        Worker {
            life: Life::Starting,
            held: VecDeque::new(),
            load: 0,
            pinned: VecDeque::new(),
            begun: 0,
            is_recalling: false,
            recall_after: Duration::ZERO,
            running: None,
            stirred: now,
            has_answered: false,
            done: 0,
            last_job: None,
            unheeded: None,
            deaf_until: Duration::ZERO,
            sentence: None,
            started: now,
            spent: (0, Duration::ZERO),
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
        self.is_at_hand() && self.pinned.is_empty() && (self.load == 0 || self.has_answered)
    }

    /// Whether it can be sent something: it is ready, and nothing is being found out about it.
    pub(super) fn is_at_hand(&self) -> bool {
        self.is_ready() && !self.is_recalling && self.sentence.is_none()
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

    /// The last task that it is known to have begun. It runs that one, or others that it has begun together with it; those before
    /// have come to their end, whether that was heard or not.
    pub(super) fn last_begun(&self) -> Option<TaskId> {
        let mut before = self.begun.checked_sub(1)?;
        for Waiting { tasks, .. } in &self.held {
            if before < tasks.count {
                return Some(TaskId { job: tasks.job, index: tasks.first + before });
            }
            before -= tasks.count;
        }
        None
    }

    /// Whether its first task must have come to its end, although that was not heard: it has begun more than it begins at once.
    pub(super) fn is_past_front(&self) -> bool {
        self.held.front().is_some_and(|front| self.begun > front.unit.min(front.tasks.count))
    }

    /// The tasks of one chunk that it runs, or is about to run.
    pub(super) fn front_span(&self) -> Option<Span> {
        self.held.front().map(|waiting| waiting.tasks)
    }

    /// Since when it has left the first of its tasks alone, as far as known, if it has not begun it.
    pub(super) fn silent_since(&self) -> Option<Duration> {
        let is_silent = self.load > 0 && self.begun == 0 && self.running.is_none();
        is_silent.then(|| self.unheeded.unwrap_or(self.stirred))
    }

    /// Whether it holds tasks of a job.
    pub(super) fn holds(&self, job: JobId) -> bool {
        self.held.iter().inspect(|_| steps::count()).any(|waiting| waiting.tasks.job == job)
    }

    /// Whether nobody has asked it to go.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.life, Life::Ready | Life::Retiring)
    }

    pub(super) fn held(&self) -> impl Iterator<Item = &Waiting> {
        self.held.iter().inspect(|_| steps::count())
    }

    /// Whether something that it has not begun should have begun by now.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.expiries().map(|(_, until)| until).min()
    }

    /// By when the tasks should have begun that it has not, and whose they are.
    pub(super) fn expiries(&self) -> impl Iterator<Item = (JobId, Duration)> {
        let mut begun = self.begun;
        let unbegun = self.held.iter().inspect(|_| steps::count()).filter(move |waiting| {
            let is_unbegun = waiting.tasks.count > begun;
            begun = begun.saturating_sub(waiting.tasks.count);
            is_unbegun
        });
        unbegun.filter_map(|waiting| Some((waiting.tasks.job, waiting.until?)))
    }

    pub(super) fn give(&mut self, waiting: Waiting, now: Duration) {
        if self.load == 0 {
            self.unheeded = None;
            self.stirred = now;
        }
        self.load += waiting.tasks.count;
        self.has_answered = false;
        self.held.push_back(Waiting { since: now, ..waiting });
    }

    /// Takes off the first `count` tasks, which it has answered. `None` when it does not hold so many.
    pub(super) fn answered(&mut self, count: u64, now: Duration) -> Option<Vec<Span>> {
        if count > self.load {
            return None;
        }
        self.spent = (self.spent.0 + count, self.spent.1 + now.saturating_sub(self.stirred));
        self.stirred = now;
        self.running = None;
        (self.unheeded, self.deaf_until) = (None, Duration::ZERO);
        self.sentence = self.sentence.filter(|sentence| *sentence != Sentence::Deaf);
        self.has_answered = true;
        self.done += count;
        self.begun = self.begun.saturating_sub(count);
        let spans = self.take_front(count);
        self.last_job = spans.last().map(|tasks| tasks.job);
        Some(spans)
    }

    /// Learns that tasks ran for `each`. Answers how much longer each of those took that it was heard of since the last time.
    pub(super) fn paced(&mut self, each: Duration) -> Duration {
        let (count, time) = std::mem::take(&mut self.spent);
        let whole = time / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        whole.saturating_sub(each)
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
