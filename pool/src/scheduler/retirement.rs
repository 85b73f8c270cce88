//! Lets workers go: those that are used up or too many, and all of them at the end of the pool.
//!
//! A worker goes by itself where it can: it retires with the tasks that it has, leaves when it has none, and is killed when it
//! has not ended by its limit. Only a pool that is dropped or terminated kills those that are busy. While a pool goes on, a
//! retired worker stays until no other is starting.

use std::time::Duration;

use super::event::{Action, Refusal};
use super::worker::{Worker, WorkerPhase};
use super::{PoolPhase, Scheduler};
use crate::model::ids::WorkerId;
use crate::model::tuning::EXIT_TIMEOUT;

impl Scheduler {
    /// Lets a worker complete what it has started, and then go.
    pub(super) fn retire(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(id).filter(|worker| worker.is_ready()) {
            worker.phase = WorkerPhase::Retiring;
            // It uses too much memory, or is one too many. Others run what it has not started, so that it leaves soon.
            self.revoke_all(id);
        }
    }

    /// Retires the workers that have run their tasks, are too old, or are too many.
    pub(super) fn retire_some(&mut self, now: Duration) {
        let limits = self.workers.limits;
        let is_used_up = |worker: &Worker| {
            let has_run_all = limits.max_tasks.is_some_and(|max| worker.done + worker.load() >= max);
            // Age counts only when a worker is in use, so that an idle pool restarts nothing.
            let is_old = limits.max_age.is_some_and(|age| worker.spawned_at.saturating_add(age) <= now);
            worker.is_ready() && (has_run_all || worker.has_completed && is_old)
        };
        // Nothing is revoked from these: what they hold is within their number of tasks, and age is not urgent.
        for (_, worker) in self.workers.iter_mut().filter(|(_, worker)| is_used_up(worker)) {
            worker.phase = WorkerPhase::Retiring;
        }
        let excess = self.workers.excess(now);
        let has_excess = !excess.is_empty();
        for id in excess {
            if self.workers.get(id).is_some_and(Worker::is_ready) {
                self.retire(id);
            } else {
                // It is not ready yet, so it has no finalizer to run.
                self.leave(id, now + EXIT_TIMEOUT);
            }
        }
        if has_excess {
            self.workers.shrink();
        }
    }

    /// Asks retired workers without tasks to leave, once their replacements are ready.
    pub(super) fn release_retired(&mut self, now: Duration) {
        let must_wait = self.is_working() && self.workers.has_starting();
        let exit_by = self.exit_by(now);
        let is_done = |worker: &Worker| {
            worker.phase == WorkerPhase::Retiring && worker.load() == 0 && !worker.is_revoking() && !must_wait
        };
        self.workers.ids(is_done).into_iter().for_each(|id| self.leave(id, exit_by));
    }

    /// Asks all workers to leave at the end of a closed pool.
    pub(super) fn dismiss_workers(&mut self, now: Duration) {
        let exit_by = self.exit_by(now);
        // Those that leave or are stopped already have a limit, and were asked.
        for id in self.workers.ids(|worker| worker.is_active() || worker.is_serving()) {
            let until = match self.workers.get(id) {
                Some(worker) if worker.phase == WorkerPhase::Starting => now + EXIT_TIMEOUT,
                Some(worker) if worker.load() == 0 => exit_by,
                // It runs a task that no caller waits for.
                _ => now + self.tuning.busy_exit_timeout,
            };
            self.leave(id, until);
        }
        self.phase = PoolPhase::Ending(Refusal::Closed);
        // Tasks that iterators submit from now on come too late.
        self.end_all_jobs();
    }

    /// Asks idle workers to leave, and kills the others.
    ///
    /// This is for a pool that is dropped: the dropping thread waits, so nothing may take longer than [`EXIT_TIMEOUT`].
    pub(super) fn clear_workers(&mut self, now: Duration) {
        for id in self.workers.ids(|_| true) {
            let Some(worker) = self.workers.get_mut(id) else { continue };
            let is_starting = worker.phase == WorkerPhase::Starting;
            let until = now + if is_starting { self.tuning.busy_exit_timeout } else { EXIT_TIMEOUT };
            match worker.phase {
                // It may be in a finalizer that has no limit; a dropped pool sets one.
                WorkerPhase::Leaving { until: before } => {
                    worker.phase = WorkerPhase::Leaving { until: until.min(before) };
                }
                _ if (worker.is_active() || worker.is_serving()) && worker.load() == 0 => self.leave(id, until),
                _ => self.kill(id),
            }
        }
    }

    /// Asks a worker to run its finalizer and end. It is killed at `until`.
    fn leave(&mut self, id: WorkerId, until: Duration) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.phase = WorkerPhase::Leaving { until };
            self.actions.push_back(Action::Leave { worker: id });
        }
    }
}
