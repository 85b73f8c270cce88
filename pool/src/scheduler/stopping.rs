//! Stops workers in the middle of a task: it has run for too long, or its job was cancelled.
//!
//! A worker may be running another task by the time at which a stop is decided. So its unstarted tasks are revoked first, which
//! shows what it has started; only then is it stopped.

use std::time::Duration;

use super::Scheduler;
use super::event::Action;
use super::worker::{StopReason, Worker, WorkerPhase};
use crate::model::ids::{TaskId, WorkerId};

impl Scheduler {
    /// Requests a stop, which [`confirm_stop`](Scheduler::confirm_stop) carries out.
    pub(super) fn request_stop(&mut self, id: WorkerId, reason: StopReason) {
        let Some(worker) = self.workers.get_mut(id).filter(|worker| worker.is_serving()) else { return };
        worker.stop_reason = Some(reason);
        // Tasks of all jobs: only what cannot be revoked shows how far the worker has come.
        self.revoke_all(id);
    }

    /// Stops a worker for which that was requested, if it is certain that it runs the task in question. It gets no tasks until then.
    pub(super) fn confirm_stop(&mut self, id: WorkerId, now: Duration) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        // The answer to a revoke of a part is not enough: the worker may go on to the rest before it is stopped.
        let may_stop = worker.is_serving() && !worker.is_revoking();
        let Some(reason) = worker.stop_reason.filter(|_| may_stop) else { return };
        let is_certain = match reason {
            // All its tasks were revoked, so it has started none.
            StopReason::Unresponsive if worker.load() == 0 => return self.kill(id),
            StopReason::Unresponsive => false,
            StopReason::Cancelled(job) => worker.last_started().is_some_and(|task| task.job == job),
            // Its result may be in the ring already. Then the stop would hit the task behind it, which has done no harm.
            StopReason::TimedOut(task) => worker.front() == Some(task) && !worker.is_past_front(),
        };
        match reason {
            _ if is_certain => self.stop_worker(id, now),
            // The cancelled task may come next.
            StopReason::Cancelled(job) if worker.load() > worker.started && worker.holds(job) => {}
            StopReason::Cancelled(_) => worker.stop_reason = None,
            StopReason::Unresponsive => {
                (worker.stop_reason, worker.ignored_since, worker.last_progress) = (None, None, now);
            }
            // It runs another task, since about now. Without one, the next that it is sent has not started.
            StopReason::TimedOut(_) => {
                worker.stop_reason = None;
                worker.running_since = (worker.load() > 0).then_some(now);
            }
        }
    }

    /// Revokes again what could not be revoked when the stop was requested, now that the worker has completed a task.
    pub(super) fn revoke_again(&mut self, id: WorkerId) {
        let is_due = |worker: &&mut Worker| worker.stop_reason.is_some() && worker.is_serving();
        let Some(worker) = self.workers.get_mut(id).filter(is_due) else { return };
        if worker.load() > 0 {
            self.revoke_all(id);
        } else {
            worker.stop_reason = None;
        }
    }

    /// Asks a worker to end in the middle of its task. Its unstarted tasks go to others.
    fn stop_worker(&mut self, id: WorkerId, now: Duration) {
        let until = now.saturating_add(self.workers.limits.kill_timeout);
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.phase = WorkerPhase::Stopping { until };
        self.actions.push_back(Action::Terminate { worker: id });
        // Once more, for what could not be revoked at the request: others need not wait until this worker has ended.
        self.revoke_all(id);
    }

    /// Requests a stop for the workers whose task has run for too long.
    pub(super) fn stop_timed_out(&mut self, now: Duration) {
        let timed_out: Vec<_> = self.timeouts().filter(|(at, ..)| *at <= now).map(|(_, id, task)| (id, task)).collect();
        for (id, task) in timed_out {
            let Some(worker) = self.workers.get_mut(id) else { continue };
            // The dispatcher has reported the starts that there were before this tick, so without a report there was none.
            if worker.running_since.is_some() {
                self.request_stop(id, StopReason::TimedOut(task));
                continue;
            }
            // It has not started the task: check again later, but not for ever.
            let ignored_since = *worker.ignored_since.get_or_insert(now);
            worker.last_progress = now;
            if ignored_since.saturating_add(self.tuning.unresponsive_after) <= now {
                self.request_stop(id, StopReason::Unresponsive);
            }
        }
    }

    /// Returns when the next task exceeds its time limit.
    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.timeouts().map(|(at, ..)| at).min()
    }

    /// Returns the running tasks that have a timeout, and when it ends.
    fn timeouts(&self) -> impl Iterator<Item = (Duration, WorkerId, TaskId)> {
        let running = self.workers.fronts().filter(|(_, worker, _)| worker.is_serving() && !worker.is_revoking());
        running.filter_map(|(id, worker, task)| {
            let timeout = self.jobs.get(&task.job)?.options.timeout?;
            let since = worker.running_since.unwrap_or(worker.last_progress);
            Some((since.saturating_add(timeout), id, task))
        })
    }
}
