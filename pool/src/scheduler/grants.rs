//! Grants: how many of its tasks a worker of another host may start. It is sent far more, so that it need not wait.
//!
//! When a host is lost, all that its workers were granted and have not completed may have run. For jobs whose tasks may run twice that
//! does no harm, so their tasks are granted at once. Those of other jobs are granted for two round trips ahead: one passes between a
//! start and the grant that follows from it, and the other keeps the worker busy when it is late.

use super::Scheduler;
use super::event::Action;
use super::worker::Worker;
use crate::model::ids::WorkerId;

impl Scheduler {
    /// Records that a worker has started its first `upto` tasks, counted from the first that it ever had.
    pub(super) fn started(&mut self, id: WorkerId, upto: u64) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        let started = upto.saturating_sub(worker.done).min(worker.load());
        worker.started = worker.started.max(started);
        self.workers.may_grant(id);
    }

    /// Grants the workers of other hosts what they may start by now.
    pub(super) fn grant(&mut self) {
        for id in std::mem::take(&mut self.workers.to_grant) {
            let Some(worker) = self.workers.get(id) else { continue };
            // What is being revoked must not be granted: the number of a revoked task goes to another one.
            if worker.is_serving() && !worker.is_revoking() {
                let before = worker.granted();
                while self.grant_next(id) {}
                if let Some(worker) = self.workers.get(id).filter(|worker| worker.granted() > before) {
                    self.actions.push_back(Action::Grant { worker: id, upto: worker.done + worker.granted() });
                }
            }
        }
    }

    /// Grants a worker tasks of its next chunk. Returns whether it was granted that as a whole, so that another one may follow.
    fn grant_next(&mut self, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get(id) else { return false };
        let Some((next, granted)) = worker.first_not_granted() else { return false };
        let rest = next.tasks.count - granted;
        let job = self.jobs.get(&next.tasks.job);
        // The tasks of a job that has ended are on their way back, and those that are not must not keep the others waiting.
        let may_run_twice = job.is_none_or(|job| job.options.retries > 0 && !next.is_pinned);
        let count = if may_run_twice { rest } else { rest.min(self.grantable(worker)) };
        if let Some(worker) = self.workers.get_mut(id) {
            worker.granted.grant(count, count == rest);
        }
        count == rest
    }

    /// Returns the number of tasks that a worker may be granted now of a job whose tasks must not run twice.
    fn grantable(&self, worker: &Worker) -> u64 {
        let job = worker.first_not_granted().and_then(|(next, _)| self.jobs.get(&next.tasks.job));
        let time = (2 * worker.rtt.unwrap_or_default()).max(self.tuning.min_granted_time);
        let window = job.map_or(0, |job| job.chunking.during(time)).max(self.tuning.min_granted);
        (worker.started + window).saturating_sub(worker.granted())
    }
}
