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
        let handle = self.workers.get(id)?;
        let WorkerInfo { name, pid } = handle.info().clone();
        let state = match phase {
            WorkerPhase::Starting => WorkerState::Starting,
            WorkerPhase::Ready => WorkerState::Ready,
            _ => WorkerState::Leaving,
        };
        // Until the worker has started it, `running_since` is that of the task before.
        let front = self.driver.scheduler.front_and_load(id).filter(|_| handle.has_started_one_of(load));
        let running_for = || clock::monotonic().saturating_sub(handle.channel.running_since());
        let task = front.map(|(task, _)| (task.index, running_for()));
        Some(WorkerStats { name: name.to_string(), pid, state, load, done, task, memory: handle.resident_memory() })
    }

    /// Returns whether a worker has started a task of this job.
    pub(crate) fn is_running(&self, job: JobId) -> bool {
        self.workers.ids().into_iter().any(|id| {
            let front = self.driver.scheduler.front_and_load(id).filter(|(task, _)| task.job == job);
            let handle = self.workers.get(id);
            front.zip(handle).is_some_and(|((_, load), handle)| handle.has_started_one_of(load))
        })
    }
}
