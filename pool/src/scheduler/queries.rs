//! What the dispatcher asks the scheduler.

use std::time::Duration;

use super::Scheduler;
use super::worker::WorkerPhase;
use crate::model::ids::{JobId, TaskId, TaskRange, WorkerId};

impl Scheduler {
    /// Returns the number of a job's tasks that a worker is sent ahead, so that the caller knows how many to submit.
    pub(crate) fn prefetch_depth(&self, job: JobId) -> Option<usize> {
        let rtt = self.workers.max_rtt;
        self.jobs.get(&job).map(|job| job.chunking.prefetch_depth(rtt) as usize)
    }

    /// Returns the workers whose first task has a timeout and no known start.
    pub(crate) fn needs_start_time(&self) -> Vec<WorkerId> {
        let has_timeout = |task: TaskId| self.jobs.get(&task.job).is_some_and(|job| job.options.timeout.is_some());
        let fronts = self.workers.fronts();
        let unknown = fronts.filter(|(_, worker, task)| worker.running_since.is_none() && has_timeout(*task));
        unknown.map(|(id, ..)| id).collect()
    }

    /// Returns the number of workers that tasks can be pinned to.
    pub(crate) fn active_workers(&self) -> usize {
        self.workers.active()
    }

    /// Returns the number of workers that replaced others.
    pub(crate) fn restarts(&self) -> u64 {
        self.workers.restarts
    }

    /// Returns the number of tasks that wait.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// Returns the average duration of a job's tasks, as far as measured.
    pub(crate) fn avg_duration(&self, job: JobId) -> Option<Duration> {
        self.jobs.get(&job).and_then(|job| job.chunking.avg_duration())
    }

    /// Returns the workers: the phase of each, the number of tasks that it holds, and the number that it has completed.
    pub(crate) fn worker_loads(&self) -> impl Iterator<Item = (WorkerId, WorkerPhase, u64, u64)> {
        self.workers.iter().map(|(id, worker)| (id, worker.phase, worker.load(), worker.done))
    }

    /// Returns the tasks of one job that a worker runs now, or runs next.
    #[inline]
    pub(crate) fn front(&self, id: WorkerId) -> Option<TaskRange> {
        self.workers.get(id)?.front_range()
    }

    /// Returns the workers that hold tasks of a job.
    pub(crate) fn holders(&self, job: JobId) -> Vec<WorkerId> {
        let has_any = self.jobs.get(&job).is_some_and(|job| job.held > 0);
        if has_any { self.workers.holders(job) } else { Vec::new() }
    }

    /// Returns the number of tasks that the workers hold.
    pub(crate) fn load(&self) -> u64 {
        self.workers.iter().map(|(_, worker)| worker.load()).sum()
    }

    /// Returns the task that a worker runs, or will run next, and the number of tasks that it holds.
    pub(crate) fn front_and_load(&self, id: WorkerId) -> Option<(TaskId, u64)> {
        let worker = self.workers.get(id)?;
        Some((worker.front()?, worker.load()))
    }
}
