//! Ends tasks that have waited for longer than their job's `queue_timeout`.
//!
//! Each job with waiting tasks that expire has one entry in `expiry_checks`, for the earliest of them. So a tick costs nothing
//! for jobs whose time has not come, however many there are.

use std::time::Duration;

use super::Scheduler;
use super::event::Outcome;
use crate::model::ids::JobId;

impl Scheduler {
    /// Ends the tasks that have expired, and revokes them from workers that have not started them.
    pub(super) fn expire(&mut self, now: Duration) {
        let mut has_checked = false;
        while let Some((at, id)) = self.expiry_checks.first().copied().filter(|(at, _)| *at <= now) {
            self.expiry_checks.remove(&(at, id));
            self.expire_job(id, now);
            has_checked = true;
        }
        // Held tasks are only looked at when a check was due, because ticks are frequent and workers hold thousands.
        if !has_checked {
            return;
        }
        let is_late = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let holders = self.workers.ids(|worker| !worker.is_revoking() && is_late(worker.next_expiry()));
        holders.into_iter().for_each(|id| self.revoke_all(id));
        // What cannot be revoked now may be later.
        let held: Vec<(JobId, Duration)> = self.workers.iter().flat_map(|(_, worker)| worker.expiries()).collect();
        let retry_at = now + self.tuning.retry_revoke_after;
        held.into_iter().for_each(|(id, at)| self.check_at(id, Some(at.max(retry_at))));
    }

    /// Ends the tasks of a job that have expired in its queue, and schedules its next check.
    fn expire_job(&mut self, id: JobId, now: Duration) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.next_check = None;
        let (expired, next) = (job.take_expired(now), job.next_expiry());
        if job.is_idle() {
            self.run_queue.remove(id);
        }
        self.queued -= expired.iter().map(|tasks| tasks.count).sum::<u64>();
        // One check ends all expired tasks of the job, so the next one is for the first of the rest.
        self.check_at(id, next);
        expired.into_iter().for_each(|tasks| self.finish(tasks, Outcome::Expired));
    }

    /// Schedules the next check of a job, unless an earlier one is scheduled.
    pub(super) fn check_at(&mut self, id: JobId, at: Option<Duration>) {
        let (Some(at), Some(job)) = (at, self.jobs.get_mut(&id)) else { return };
        if job.next_check.is_none_or(|check| at < check) {
            if let Some(earlier) = job.next_check.replace(at) {
                self.expiry_checks.remove(&(earlier, id));
            }
            self.expiry_checks.insert((at, id));
        }
    }

    /// Returns when the next check of a job is due.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.expiry_checks.first().map(|(at, _)| *at)
    }
}
