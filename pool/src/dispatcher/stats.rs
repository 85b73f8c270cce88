//! The statistics that the dispatcher makes of the scheduler and the workers.

use procession_core::os::clock;

use super::Dispatcher;
use crate::model::failure_info::WorkerInfo;
use crate::model::ids::{JobId, WorkerId};
use crate::model::stats::{Stats, WorkerState, WorkerStats};
use crate::scheduler::worker::WorkerPhase;

impl Dispatcher {
    /// Collects the statistics of this moment. It reads `/proc` once for each worker, under the pool's lock.
    pub(crate) fn stats(&self) -> Stats {
        let scheduler = &self.driver.scheduler;
        let (done, failed, retried) = self.status.counts.all();
        let times = scheduler.times.clone();
        Stats {
            queued: scheduler.queued(),
            running: scheduler.load(),
            done,
            failed,
            retried,
            restarts: scheduler.restarts(),
            wait: times.wait,
            transfer: times.transfer,
            run: times.run,
            workers: scheduler.worker_loads().filter_map(|worker| self.worker_stats(worker)).collect(),
        }
    }

    /// Returns the figures of one worker. `None` if it has no process.
    fn worker_stats(&self, (id, phase, load, done): (WorkerId, WorkerPhase, u64, u64)) -> Option<WorkerStats> {
        // The number of a process on another host comes with the report that it was started.
        let WorkerInfo { name, pid, .. } = self.workers.info(id).filter(|info| info.pid != 0)?;
        let state = match phase {
            WorkerPhase::Starting => WorkerState::Starting,
            WorkerPhase::Ready => WorkerState::Ready,
            _ => WorkerState::Leaving,
        };
        let front = self.driver.scheduler.front_and_load(id);
        let task = front.zip(self.workers.running_since(id, load));
        let task = task.map(|((task, _), since)| (task.index, clock::monotonic().saturating_sub(since)));
        Some(WorkerStats { name: name.to_string(), pid, state, load, done, task, memory: self.workers.memory(id) })
    }

    /// Returns whether a worker has started a task of this job.
    pub(crate) fn is_running(&self, job: JobId) -> bool {
        self.driver.scheduler.worker_loads().any(|(id, _, load, _)| {
            let front = self.driver.scheduler.front_and_load(id).filter(|(task, _)| task.job == job);
            front.is_some() && self.workers.running_since(id, load).is_some()
        })
    }
}
