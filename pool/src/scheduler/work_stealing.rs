//! Revokes tasks from busy workers for idle ones.
//!
//! A victim is asked for tasks that it has not started, which go back to their jobs and from there to idle workers. What a
//! stopped worker leaves alone is taken from it altogether, after a longer silence.

use std::time::Duration;

use super::Scheduler;
use super::event::Action;
use super::worker::Worker;
use crate::model::ids::WorkerId;

impl Scheduler {
    /// Revokes tasks from the worker with the most unstarted ones, when others are idle and nothing waits.
    pub(super) fn steal_work(&mut self, now: Duration) {
        let idle = self.workers.idle(now);
        // While tasks wait, an idle worker gets some without a revoke, unless it cannot be sent any.
        if idle == 0 || !self.run_queue.is_empty() {
            return;
        }
        let unresponsive: Vec<_> = self.workers.unresponsive().filter(|(_, at)| *at <= now).map(|(id, _)| id).collect();
        // All tasks of such a worker, and no share: if it is stopped, what it keeps waits for ever.
        unresponsive.into_iter().for_each(|id| self.revoke_all(id));
        let victims = self.victims().filter(|(_, worker)| worker.revoke_after <= now).filter(|(_, worker)| {
            // A worker that was silent may be in a long task, whatever its tasks usually take.
            worker.last_progress + self.steal_after(worker) <= now || self.is_worth_stealing(worker)
        });
        let victim = victims.max_by_key(|(_, worker)| worker.unstarted());
        let Some((id, unstarted)) = victim.map(|(id, worker)| (id, worker.unstarted())) else { return };
        // An equal share for each idle worker and for the victim.
        self.revoke(id, (unstarted * idle).div_ceil(idle + 1));
    }

    /// Returns when the silence of a worker lets idle ones have its tasks.
    pub(super) fn next_steal(&self) -> Option<Duration> {
        // The conditions of `steal_work` again: a deadline at which it steals nothing would be due for ever.
        let idle_from = self.workers.next_idle().filter(|_| self.run_queue.is_empty())?;
        let victims = self.victims();
        let victims =
            victims.map(|(_, worker)| (worker.last_progress + self.steal_after(worker)).max(worker.revoke_after));
        victims.chain(self.workers.unresponsive().map(|(_, at)| at)).min().map(|at| at.max(idle_from))
    }

    /// Returns the workers that have unstarted tasks, and from which none are being revoked.
    fn victims(&self) -> impl Iterator<Item = (WorkerId, &Worker)> {
        self.workers.iter().filter(|(_, worker)| !worker.is_revoking() && worker.unstarted() > 0)
    }

    /// Returns whether the tasks that a worker has not started are work enough to be sent to another one.
    fn is_worth_stealing(&self, worker: &Worker) -> bool {
        let avg_duration = worker.front().and_then(|task| self.avg_duration(task.job));
        let count = u32::try_from(worker.unstarted()).unwrap_or(u32::MAX);
        // Tasks that were not measured may be long.
        let min_work = self.tuning.min_stolen_work.max(3 * worker.rtt.unwrap_or_default());
        avg_duration.is_none_or(|avg| avg.saturating_mul(count) >= min_work)
    }

    /// Returns the silence of a worker after which its tasks are taken back whatever they usually take.
    fn steal_after(&self, worker: &Worker) -> Duration {
        // A worker that is far away is silent for a round trip while it works.
        self.tuning.steal_after_silence.max(2 * worker.rtt.unwrap_or_default())
    }

    /// Revokes up to `count` tasks that a worker has not started.
    fn revoke(&mut self, id: WorkerId, count: u64) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        if worker.revoke(count) {
            self.actions.push_back(Action::Revoke { worker: id, count });
        }
    }

    /// Revokes all tasks that a worker has not started.
    pub(super) fn revoke_all(&mut self, id: WorkerId) {
        let load = self.workers.get(id).map_or(0, Worker::load);
        self.revoke(id, load);
    }
}
