//! What the dispatcher knows of the workers in figures: the statistics, and how much memory each uses.

use std::time::Duration;

use procession_core::os::clock;

use super::Dispatcher;
use crate::ids::{JobId, WorkerId};
use crate::member::Member;
use crate::scheduler::{Event, Life};
use crate::stats::{self, Stats, WorkerState, WorkerStats};
use crate::task_error::Badge;
use crate::wire::claim;

/// How often the workers' memory is measured at most.
const MEASURING: Duration = Duration::from_millis(20);

impl Dispatcher {
    /// What the pool is doing, and has done.
    pub(crate) fn stats(&self) -> Stats {
        let (done, failed, retried) = self.status.counts.all();
        let times = self.scheduler.times.clone();
        Stats {
            queued: self.scheduler.queued(),
            running: self.scheduler.load(),
            done,
            failed,
            retried,
            restarts: (self.started as u64).saturating_sub(self.most_workers as u64),
            wait: times.wait,
            transfer: times.transfer,
            run: times.run,
            workers: self.scheduler.roll().filter_map(|one| self.worker_stats(one)).collect(),
        }
    }

    fn worker_stats(&self, (id, life, load, done): (WorkerId, Life, u64, u64)) -> Option<WorkerStats> {
        let member = self.members.get(&id)?;
        let Badge { name, pid } = member.badge().clone();
        let state = match life {
            Life::Starting => WorkerState::Starting,
            Life::Ready => WorkerState::Ready,
            _ => WorkerState::Leaving,
        };
        let task = self
            .scheduler
            .holding(id)
            .filter(|_| has_begun(member, load))
            .map(|(task, _)| (task.index, clock::monotonic().saturating_sub(member.line.running_since())));
        Some(WorkerStats { name: name.to_string(), pid, state, load, done, task, memory: stats::memory(pid) })
    }

    /// Whether a worker has begun a task of this job, as far as heard.
    pub(crate) fn runs(&self, job: JobId) -> bool {
        self.members.iter().any(|(id, member)| {
            let front = self.scheduler.holding(*id).filter(|(task, _)| task.job == job);
            front.is_some_and(|(_, load)| has_begun(member, load))
        })
    }

    /// Finds those that have grown too big.
    pub(super) fn measure(&mut self) {
        let Some(most) = self.max_memory else { return };
        if self.now < self.measured + MEASURING {
            return;
        }
        self.measured = self.now;
        let is_big = |member: &Member| stats::memory(member.badge().pid).is_some_and(|memory| memory > most);
        let big: Vec<WorkerId> = self.members.iter().filter(|(_, one)| is_big(one)).map(|(id, _)| *id).collect();
        big.into_iter().for_each(|worker| self.tell(Event::Outgrown { worker }));
    }
}

/// Whether a worker has begun the first of so many tasks that it holds. One that was stopped may not have.
fn has_begun(member: &Member, load: u64) -> bool {
    claim::distance(member.line.begun(), member.line.number()) < load
}
