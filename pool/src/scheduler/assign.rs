//! Sends waiting tasks to workers.
//!
//! A worker is filled before the next one gets anything. What each may hold is bounded by what waits, so the last ones do not go
//! without where there is work enough to be shared.

use std::time::Duration;

use super::Scheduler;
use super::event::Action;
use crate::model::ids::WorkerId;
use crate::wire::claim::MAX_TASKS_HELD;

impl Scheduler {
    /// Gives waiting tasks to the workers that can take more, the idlest first.
    pub(super) fn assign(&mut self, now: Duration) {
        if self.run_queue.is_empty() {
            return;
        }
        for (load, worker) in self.workers.by_load(now) {
            self.fill(worker, load, now);
            if self.run_queue.is_empty() {
                return;
            }
        }
    }

    /// Sends a worker tasks of the jobs at the front of the run queue until it has enough.
    fn fill(&mut self, id: WorkerId, mut load: u64, now: Duration) {
        let available = self.workers.available();
        let rtt = self.workers.get(id).and_then(|worker| worker.rtt).unwrap_or_default();
        let mut allowance = self.allowance(id);
        while let Some(job_id) = self.run_queue.front()
            && allowance > 0
        {
            let Some(job) = self.jobs.get_mut(&job_id) else { return };
            // A worker holds no more than its share of all waiting tasks, and gets no more than its share of one job's. It is not
            // sent more while it holds half of that, because each message costs a fixed amount.
            let depth = job.chunking.prefetch(self.queued, available, rtt);
            // The end for this worker, and not only for this job: the others behind it must not overtake.
            if load > job.chunking.refill_level(depth, rtt) {
                return;
            }
            let share = job.chunking.prefetch(job.queued(), available, rtt);
            let max = (depth - load.min(depth)).min(share).min(allowance);
            let Some(queued) = job.take(max, available) else { return };
            let tasks = queued.tasks;
            self.queued -= tasks.count;
            self.times.wait.record(now.saturating_sub(queued.queued_at), tasks.count);
            // To the back of the queue after each chunk, so that jobs take turns.
            self.run_queue.remove(job_id);
            if !job.is_idle() {
                self.run_queue.push_back(job_id);
            }
            load += tasks.count;
            allowance -= tasks.count;
            if let Some(worker) = self.workers.get_mut(id) {
                worker.assign(queued, now);
            }
            self.workers.may_grant(id);
            self.actions.push_back(Action::Send { worker: id, tasks, chunk_size: queued.chunk_size });
        }
    }

    /// Returns the number of tasks that a worker may be sent before it is replaced.
    fn allowance(&self, id: WorkerId) -> u64 {
        let Some(worker) = self.workers.get(id) else { return 0 };
        // The numbers of tasks wrap around in the claim. They stay unambiguous while a worker holds far fewer than a round.
        let free = MAX_TASKS_HELD.saturating_sub(worker.load());
        let max_tasks = self.workers.limits.max_tasks.unwrap_or(u64::MAX);
        max_tasks.saturating_sub(worker.done + worker.load()).min(free)
    }
}
