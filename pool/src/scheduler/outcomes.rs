//! How tasks end: what workers report of them, and what becomes of those that a worker gives back.
//!
//! A task that a worker holds counts in `Job::held`, one that waits in `Job::queued`, and one that has ended in neither. A job
//! that was released or cancelled has no entry: what workers still report of its tasks only frees their place.

use std::time::Duration;

use super::Scheduler;
use super::event::{Action, Outcome};
use super::job::QueuedTasks;
use super::worker::StopReason;
use crate::model::ids::{JobId, TaskId, TaskRange, WorkerId};

impl Scheduler {
    /// Ends the next `count` tasks of a worker. A worker that does not hold as many is killed.
    pub(super) fn completed(&mut self, id: WorkerId, count: u64, now: Duration) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        // A worker that reports tasks which it does not hold cannot be trusted.
        let Some(ranges) = worker.completed(count, now) else { return self.kill(id) };
        self.workers.reset_idle_exits();
        // A job that was released has no entry any more, and its tasks have ended.
        for tasks in ranges {
            if let Some(job) = self.jobs.get_mut(&tasks.job) {
                job.held -= tasks.count;
                job.ended(tasks);
                self.finish(tasks, Outcome::Completed);
            }
        }
        self.revoke_again(id);
        self.workers.may_grant(id);
    }

    /// Ends the next task of a worker with a failure, or tries it again if it `may_repeat` and its job has retries left.
    pub(super) fn failed(&mut self, id: WorkerId, may_repeat: bool, now: Duration) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        let Some(ranges) = worker.completed(1, now) else { return self.kill(id) };
        self.workers.reset_idle_exits();
        for tasks in ranges {
            self.retry_or_finish(tasks.head(), may_repeat, now, |attempt| Outcome::Failed { attempt });
        }
        self.revoke_again(id);
        self.workers.may_grant(id);
    }

    /// Records durations for the statistics, and for the number of tasks that workers of this job are sent ahead.
    pub(super) fn timed(&mut self, id: WorkerId, count: u64, took: Duration) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        let each = took / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let transfer = worker.timed(each);
        // The report does not name the jobs of its tasks, so all of them count for the last one. An estimate forgives that.
        if let Some(job) = worker.last_job.and_then(|job| self.jobs.get_mut(&job)) {
            self.times.transfer.record(transfer, count);
            self.times.run.record(each, count);
            job.chunking.record(each, count);
        }
    }

    /// Ends the last `count` tasks of a worker, which it was not sent after all. They are not tried again.
    pub(super) fn unsendable(&mut self, id: WorkerId, count: u64) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        for QueuedTasks { tasks, .. } in worker.remove_last(count) {
            if let Some(job) = self.jobs.get_mut(&tasks.job) {
                job.held -= tasks.count;
                self.finish(tasks, Outcome::Unsendable);
            }
        }
    }

    /// Takes back the last `count` tasks of a worker. It has started all that it keeps but the last `unstarted`.
    pub(super) fn revoked(&mut self, id: WorkerId, count: u64, unstarted: u64, now: Duration) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.revoke_answered();
        let revoked = worker.remove_last(count);
        worker.started = worker.load().saturating_sub(unstarted);
        // Tasks behind a full ring cannot be revoked before the worker has read on. Where some were revoked, the others may not have
        // been requested.
        if unstarted > 0 && count == 0 {
            worker.revoke_after = now + self.tuning.retry_revoke_after.max(worker.rtt.unwrap_or_default());
        }
        // It was idle and did not start what it was sent, so it may be stopped.
        if count > 0 && worker.load() == 0 && worker.started == 0 {
            worker.avoid_until = now + self.tuning.unresponsive_after;
        }
        self.workers.may_grant(id);
        revoked.into_iter().for_each(|queued| self.take_back(id, queued, now));
    }

    /// Removes a worker that has ended: the attempt at its running task has failed, and the tasks behind that go back to their
    /// jobs. Tasks that were pinned to it are cancelled.
    pub(super) fn exited(&mut self, id: WorkerId, now: Duration) {
        let Some(mut worker) = self.workers.remove(id, now) else { return };
        // From the back, so that the first to be sent is again the first to be sent.
        // A chunk starts as a whole, but its tasks run one by one: only the first of those without a result was running.
        let unstarted = worker.remove_last(worker.load().saturating_sub(1));
        let pinned = std::mem::take(&mut worker.pinned);
        unstarted.into_iter().for_each(|queued| self.take_back(id, queued, now));
        pinned.into_iter().for_each(|queued| self.cancel_pinned(queued));
        // Its unstarted tasks were taken back before, so the first that is left was running when it died.
        if let Some(running) = worker.front() {
            // The worker died of the pool's own signal then, and the caller is to see the reason for that.
            let is_timeout = worker.stop_reason == Some(StopReason::TimedOut(running));
            self.retry_or_finish(running, true, now, |attempt| match is_timeout {
                true => Outcome::TimedOut { worker: id, attempt },
                false => Outcome::Died { worker: id, attempt },
            });
        }
        if self.workers.cannot_start() {
            self.break_down();
        }
    }

    /// Ends the tasks of a job, and revokes those that workers hold. One that runs goes on, and its result is dropped.
    pub(super) fn release(&mut self, job: JobId) {
        if self.end_job(job, Outcome::Cancelled, |_| Outcome::Cancelled) {
            self.workers.holders(job).into_iter().for_each(|id| self.revoke_all(id));
        }
    }

    /// Ends the tasks of a job, and stops the workers that run one.
    pub(super) fn cancel(&mut self, job: JobId) {
        if self.end_job(job, Outcome::Cancelled, Outcome::Stopped) {
            let reason = StopReason::Cancelled(job);
            self.workers.holders(job).into_iter().for_each(|id| self.request_stop(id, reason));
        }
    }

    /// Ends the tasks of all jobs, for the reason for which the pool refuses others.
    pub(super) fn end_all_jobs(&mut self) {
        let refusal = self.refusal();
        let open: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in open {
            self.end_job(job, Outcome::Refused(refusal), |worker| Outcome::Interrupted(worker, refusal));
        }
    }

    /// Ends every task of a job: those that wait with one outcome, those that a worker holds with another. Returns whether workers
    /// held any.
    fn end_job(&mut self, id: JobId, waiting: Outcome, held: impl Fn(WorkerId) -> Outcome) -> bool {
        let Some(mut job) = self.jobs.remove(&id) else { return false };
        if let Some(at) = job.next_check {
            self.expiry_checks.remove(&(at, id));
        }
        self.queued -= job.queued();
        self.run_queue.remove(id);
        // Most jobs have ended by then, and there may be many of them: only those with held tasks look at the workers.
        let has_held = job.held > 0;
        for (worker, one) in self.workers.iter_mut().filter(|_| has_held) {
            // Held tasks end here and stay in the worker's list, because it still reports them. Then `completed` finds no job.
            let pinned = one.pinned.iter().map(|queued| (queued.tasks, true)).filter(|(tasks, _)| tasks.job == id);
            for (tasks, may_have_started) in one.held_of(id).into_iter().chain(pinned) {
                let outcome = if may_have_started { held(worker) } else { waiting };
                self.actions.push_back(Action::Finish { tasks, outcome });
            }
            one.pinned.retain(|queued| queued.tasks.job != id);
        }
        self.actions.extend(job.drain().map(|tasks| Action::Finish { tasks, outcome: waiting }));
        has_held
    }

    /// Puts a task whose attempt has failed back into the queue, or ends it.
    fn retry_or_finish(&mut self, task: TaskId, may_repeat: bool, now: Duration, outcome: impl FnOnce(u32) -> Outcome) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        job.held -= 1;
        let attempt = job.attempt(task.index);
        let tasks = TaskRange { job: task.job, first: task.index, count: 1 };
        if may_repeat && job.may_retry(task) {
            self.actions.push_back(Action::Retry { task });
            // Without an expiry, because it has started in time, and without a weight, because a single task needs none.
            self.requeue(QueuedTasks::new(tasks, now));
        } else {
            job.ended(tasks);
            self.finish(tasks, outcome(attempt));
        }
    }

    /// Takes tasks back that a worker has not started.
    pub(super) fn take_back(&mut self, id: WorkerId, queued: QueuedTasks, now: Duration) {
        if queued.is_pinned {
            return self.pin_again(id, queued);
        }
        if let Some(job) = self.jobs.get_mut(&queued.tasks.job) {
            job.held -= queued.tasks.count;
            self.requeue(QueuedTasks { queued_at: now, ..queued });
        }
    }

    /// Puts tasks to the front of their job, and the job to the front of the run queue if it was not there.
    pub(super) fn requeue(&mut self, queued: QueuedTasks) {
        let id = queued.tasks.job;
        if let Some(job) = self.jobs.get_mut(&id) {
            self.queued += queued.tasks.count;
            job.requeue(queued);
            self.run_queue.push_front(id);
            self.check_at(id, queued.expires_at);
        }
    }

    /// Issues the end of tasks. They are in no queue, and no worker's result counts for them any more.
    pub(super) fn finish(&mut self, tasks: TaskRange, outcome: Outcome) {
        self.actions.push_back(Action::Finish { tasks, outcome });
    }
}
